//! A small file that outlives the process: what was written last is in the system's cache, whatever ends the process.
//! Owns the layout, the two slots of each page and the lock; what the pages say is `last`'s.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use thiserror::Error;

const MAGIC: &[u8; 16] = b"cellheap box 01\n";
/// Where a crash leaves its mark: the signal, and when.
pub const MARK: u64 = 16;
const MARK_SIZE: usize = 16;
/// A slot begins with its sequence number, the length of its text and a checksum of all three.
const HEAD: usize = 24;
const SIZE: u64 = 60 << 10;

/// What is written together. Each has two slots, so that a torn write leaves the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// Where the process stands: small, and written often.
    Now,
    /// All else.
    Words,
}

impl Page {
    const fn start(self) -> u64 {
        match self {
            Self::Now => 1 << 10,
            Self::Words => 4 << 10,
        }
    }

    const fn slot(self) -> usize {
        match self {
            Self::Now => 1536,
            Self::Words => 28 << 10,
        }
    }
}

/// Why there is no file.
#[derive(Debug, Error)]
pub enum BoxError {
    #[error("{} is another running kernel's", path.display())]
    Held { path: PathBuf },
    #[error("{} cannot be {what}: {source}", path.display())]
    Io {
        path: PathBuf,
        what: &'static str,
        source: io::Error,
    },
}

/// What a process left.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Found {
    pub now: Option<Vec<u8>>,
    pub words: Option<Vec<u8>>,
    /// The signal that it marked as its end, and when, in seconds since the epoch.
    pub crash: Option<(i32, f64)>,
}

/// The file of this process. It goes with `remove`, not with its drop.
#[derive(Debug)]
pub struct BoxFile {
    file: File,
    path: PathBuf,
    sequences: [u64; 2],
}

impl BoxFile {
    /// Takes the file for this process, and reads what the one before left there; nothing if it left nothing.
    ///
    /// # Errors
    /// Where another process has it, or the system refuses it. What was there stays then.
    pub fn take(path: &Path) -> Result<(Self, Option<Found>), BoxError> {
        let wrong = |what: &'static str| {
            move |source| BoxError::Io {
                path: path.to_owned(),
                what,
                source,
            }
        };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
            .open(path)
            .map_err(wrong("opened"))?;
        if lock(&file) == Some(false) {
            let path = path.to_owned();
            return Err(BoxError::Held { path });
        }
        let found = read(&file);
        let file = Self {
            file,
            path: path.to_owned(),
            sequences: [0; 2],
        };
        Ok((file, found))
    }

    /// Begins anew: all of the file is there from now on, so that no later write can fail for want of room.
    ///
    /// # Errors
    /// Where the disk is full; the file is gone then.
    pub fn begin(&mut self) -> Result<(), BoxError> {
        let begun = (self.file.set_permissions(PermissionsExt::from_mode(0o600)))
            .and_then(|()| self.file.set_len(0))
            .and_then(|()| reserve(&self.file))
            .and_then(|()| self.file.write_all_at(MAGIC, 0));
        begun.map_err(|source| {
            self.remove();
            BoxError::Io {
                path: self.path.clone(),
                what: "written",
                source,
            }
        })
    }

    /// Writes a page. False where the text is too long for it or the system refuses it; the page before stays then.
    pub fn write(&mut self, page: Page, text: &[u8]) -> bool {
        if text.len() + HEAD > page.slot() {
            return false;
        }
        let sequence = &mut self.sequences[page as usize];
        *sequence += 1;
        let mut slot = Vec::with_capacity(HEAD + text.len());
        for word in [
            *sequence,
            text.len() as u64,
            checksum(page, *sequence, text),
        ] {
            slot.extend(word.to_le_bytes());
        }
        slot.extend(text);
        let at = page.start() + (*sequence % 2) * page.slot() as u64;
        self.file.write_all_at(&slot, at).is_ok()
    }

    /// For a handler of signals, which may write at `MARK` whatever else goes on.
    pub fn descriptor(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves nothing behind.
    pub fn remove(&self) {
        // Where it cannot be removed there is nobody to tell, and the next start tells of an end that was none.
        drop(std::fs::remove_file(&self.path));
    }
}

/// Seconds since the epoch.
pub fn now() -> f64 {
    (SystemTime::now().duration_since(UNIX_EPOCH)).map_or(0.0, |since| since.as_secs_f64())
}

/// What a crash writes at `MARK`.
pub fn mark(signal: i32, at: f64) -> [u8; MARK_SIZE] {
    let mut bytes = [0; MARK_SIZE];
    bytes[..4].copy_from_slice(&signal.to_le_bytes());
    bytes[8..].copy_from_slice(&at.to_le_bytes());
    bytes
}

/// Whether a living process has, or may have, this file.
pub fn is_held(path: &Path) -> bool {
    match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => lock(&file) != Some(true),
        Err(error) => error.kind() != ErrorKind::NotFound,
    }
}

/// Takes the file for this process alone, until it ends; a forked child does not have it. False where another has it, none
/// where the file system has no locks.
fn lock(file: &File) -> Option<bool> {
    // SAFETY: all zero is a valid request: it is of the whole file.
    let mut request: libc::flock = unsafe { std::mem::zeroed() };
    request.l_type = libc::F_WRLCK as libc::c_short;
    // SAFETY: the descriptor is open and the request ours.
    if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLK, &raw const request) } == 0 {
        return Some(true);
    }
    let error = io::Error::last_os_error().raw_os_error();
    matches!(error, Some(libc::EAGAIN | libc::EACCES)).then_some(false)
}

fn reserve(file: &File) -> io::Result<()> {
    // SAFETY: the descriptor is open.
    match unsafe { libc::posix_fallocate(file.as_raw_fd(), 0, SIZE as libc::off_t) } {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// None where there is nothing to be read.
fn read(file: &File) -> Option<Found> {
    let mut bytes = vec![0; SIZE as usize];
    file.read_exact_at(&mut bytes, 0).ok()?;
    if !bytes.starts_with(MAGIC) {
        return None;
    }
    let mark = &bytes[MARK as usize..][..MARK_SIZE];
    let signal = i32::from_le_bytes(mark[..4].try_into().ok()?);
    let at = f64::from_le_bytes(mark[8..].try_into().ok()?);
    Some(Found {
        now: newest(Page::Now, &bytes),
        words: newest(Page::Words, &bytes),
        crash: (signal != 0).then_some((signal, at)),
    })
}

/// The text of the newer of the slots that are whole.
fn newest(page: Page, bytes: &[u8]) -> Option<Vec<u8>> {
    let slots = bytes[page.start() as usize..].chunks(page.slot()).take(2);
    let (_, text) = slots
        .filter_map(|slot| whole(page, slot))
        .max_by_key(|(sequence, _)| *sequence)?;
    Some(text.to_vec())
}

fn whole(page: Page, slot: &[u8]) -> Option<(u64, &[u8])> {
    let word = |at: usize| Some(u64::from_le_bytes(slot.get(at..at + 8)?.try_into().ok()?));
    let (sequence, length, told) = (word(0)?, word(8)?, word(16)?);
    let text = slot.get(HEAD..)?.get(..usize::try_from(length).ok()?)?;
    (sequence > 0 && checksum(page, sequence, text) == told).then_some((sequence, text))
}

/// Of a text and its place: tells a torn write, not a forged one.
fn checksum(page: Page, sequence: u64, text: &[u8]) -> u64 {
    const TIMES: u64 = 0x9E37_79B9_7F4A_7C15;
    let mix = |sum: u64, word: u64| (sum ^ word).wrapping_mul(TIMES).rotate_left(29);
    let start = mix(mix(page as u64, sequence), text.len() as u64);
    text.chunks(8).fold(start, |sum, part| {
        let mut word = [0; 8];
        word[..part.len()].copy_from_slice(part);
        mix(sum, u64::from_le_bytes(word))
    })
}
