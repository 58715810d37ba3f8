//! The black box of this process: the file beside the connection file, and what the process before this one left there.
//! Safe from any thread; a forked child touches none of it. What there is to write is `lookout`'s.

use std::ffi::CString;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use parking_lot::Mutex;

use crate::heap::boxfile::{self, BoxError, BoxFile, Page};
use crate::heap::codes::Code;
use crate::heap::forks::Owner;
use crate::heap::kills::Kills;
use crate::heap::last::{Last, Now, Words};

use super::{crash, sampler};

/// Beside `kernel-1.json` there are `.kernel-1.json` with these endings. Hidden, as Jupyter looks for connection files by
/// parts of their names.
const ENDING: &str = ".blackbox";
const LAST_ENDING: &str = ".lastwords";

struct Box {
    file: BoxFile,
    now: Now,
}

static BOX: Mutex<Option<Box>> = Mutex::new(None);
static OWNER: Owner = Owner::nobody();
/// What the process before this one left, and the file that has it until it is told.
static LAST: OnceLock<(Last, PathBuf)> = OnceLock::new();
static UNTOLD: AtomicBool = AtomicBool::new(false);

/// Reads what the process before this one left beside this connection file, and begins to write.
///
/// # Errors
/// One line: why nothing is written. What was left is known even so, if it could be read.
pub fn begin(connection_file: &Path) -> Result<(), BoxError> {
    if is_open() {
        return Ok(()); // An extension that is loaded again: what lies there is of this process.
    }
    let (path, last_path) = (
        beside(connection_file, ENDING),
        beside(connection_file, LAST_ENDING),
    );
    let (mut file, found) = BoxFile::take(&path)?;
    let fresh = found.and_then(|found| Last::judge(&found, &Kills::read()));
    if let Some(last) = newest(fresh, &last_path) {
        LAST.get_or_init(|| (last, last_path));
        UNTOLD.store(true, Relaxed);
    }
    file.begin()?;
    OWNER.become_mine();
    if let Ok(name) = CString::new(path.as_os_str().as_bytes()) {
        crash::install(file.descriptor(), name);
    }
    let now = Now::default();
    *BOX.lock() = Some(Box { file, now });
    // SAFETY: the function is there for good.
    unsafe { libc::atexit(at_exit) };
    Ok(())
}

/// The words that are to be told next: those of the process before this one; or, where in that one no cell ran, those of
/// the one before it, which nobody was told. They are kept in a file until they are told.
fn newest(fresh: Option<Last>, file: &Path) -> Option<Last> {
    if let Some(last) = fresh.filter(Last::ran_a_cell) {
        // Where it cannot be kept it is told by this process or never.
        drop(keep(&last, file));
        return Some(last);
    }
    serde_json::from_slice(&fs::read(file).ok()?).ok()
}

fn keep(last: &Last, file: &Path) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    let options = options.mode(0o600).custom_flags(libc::O_NOFOLLOW);
    options.open(file)?.write_all(&serde_json::to_vec(last)?)
}

fn beside(connection_file: &Path, ending: &str) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(connection_file.file_name().unwrap_or_default());
    name.push(ending);
    connection_file.with_file_name(name)
}

/// What the process before this one left; none where it ended well.
pub fn last() -> Option<&'static Last> {
    LAST.get().map(|(last, _)| last)
}

/// Whether the last words wait to be told.
pub fn is_untold() -> bool {
    UNTOLD.load(Relaxed)
}

/// They were told: no later process tells them again.
pub fn told() {
    if UNTOLD.swap(false, Relaxed)
        && let Some((_, file)) = LAST.get()
    {
        // Where it cannot be removed the next process says it once more.
        drop(fs::remove_file(file));
    }
}

/// Whether something is written.
pub fn is_open() -> bool {
    is_mine() && BOX.lock().is_some()
}

/// Not in a forked child.
fn is_mine() -> bool {
    OWNER.is_me()
}

/// Changes where the process stands, and writes it.
pub fn stand(change: impl FnOnce(&mut Now)) {
    if is_mine()
        && let Some(open) = BOX.lock().as_mut()
    {
        change(&mut open.now);
        open.write_now();
    }
}

/// A line of a cell asked for memory for the first time. In a turn at the books, for which the lookout may wait with the box
/// in its hands: where it is busy nothing is noted, as the lookout looks itself.
pub fn saw_line(code: &Code, offset: u32) {
    if !is_mine() {
        return;
    }
    if let Some(mut held) = BOX.try_lock()
        && let Some(open) = held.as_mut().filter(|open| open.now.running)
    {
        let (line, place) = (code.line(offset), &mut open.now.place);
        if line == 0 || (place.line == line && *place.file == *code.file) {
            return;
        }
        if *place.file != *code.file {
            place.file = code.file.to_string();
            // Which cell's it is the lookout knows.
            place.name.clear();
        }
        (place.line, place.function) = (line, code.function.to_string());
        open.now.at = boxfile::now();
        open.now.live = sampler::live();
        open.write_now();
    }
}

/// Writes all else.
pub fn write(words: &Words) {
    if !is_mine() {
        return;
    }
    if let (Ok(text), Some(open)) = (serde_json::to_vec(words), BOX.lock().as_mut()) {
        open.file.write(Page::Words, &text);
    }
}

/// The process ends well: nothing is left behind.
pub fn end() {
    if is_mine()
        && let Some(open) = BOX.lock().take()
    {
        crash::forget();
        open.file.remove();
    }
}

extern "C" fn at_exit() {
    if is_mine()
        && let Some(open) = BOX.try_lock().and_then(|mut held| held.take())
    {
        open.file.remove();
    }
}

impl Box {
    fn write_now(&mut self) {
        if !self.write_page() {
            // Its names are too long for the page.
            self.now.place.function.clear();
            self.now.place.file.clear();
            self.write_page();
        }
    }

    fn write_page(&mut self) -> bool {
        serde_json::to_vec(&self.now).is_ok_and(|text| self.file.write(Page::Now, &text))
    }
}

/// Removes what kernels left in a folder whose connection files are gone: nobody will ask for it.
pub fn sweep(connection_file: &Path) {
    let Some(Ok(entries)) = connection_file.parent().map(fs::read_dir) else {
        return;
    };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let of = [ENDING, LAST_ENDING]
            .iter()
            .find_map(|ending| name.strip_prefix('.')?.strip_suffix(ending));
        if of.is_some_and(|of| !path.with_file_name(of).exists()) && !boxfile::is_held(&path) {
            drop(fs::remove_file(&path));
        }
    }
}
