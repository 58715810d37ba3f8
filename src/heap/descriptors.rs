//! How many descriptors are open. Each cell asks twice.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::OnceLock;

use parking_lot::Mutex;

use super::process;
use super::standing_file::StandingFile;

/// The files of IPython's history begin so.
const HISTORY: &str = "history.sqlite";

/// Open descriptors: files, sockets, pipes. Without those into `/proc`, which whoever looks opens for a moment, and without
/// IPython's history, which a thread of its own writes as cells begin.
pub fn open_files() -> Option<u64> {
    let all = how_many();
    if !process::is_standing() {
        let mut look = Look::nothing();
        look.renew(all)?;
        return Some(look.counted);
    }
    let mut last = LAST.lock();
    if !all.is_some_and(|all| last.holds(all)) {
        last.renew(all)?;
    }
    Some(last.counted)
}

static LAST: Mutex<Look> = Mutex::new(Look::nothing());

/// What was open at the last look. As many may be open now though one was closed, as the history's thread opened one: each that
/// came since the first look is asked for again. The sockets and pipes of the kernel itself, most of all, are taken as given.
struct Look {
    /// How many by the system's own count; None where that is not to be had.
    all: Option<u64>,
    counted: u64,
    machinery: Option<Vec<File>>,
    /// All but the machinery.
    watched: Vec<File>,
}

impl Look {
    const fn nothing() -> Self {
        Self {
            all: None,
            counted: 0,
            machinery: None,
            watched: Vec::new(),
        }
    }

    /// Whether what is open is what was.
    fn holds(&self, all: u64) -> bool {
        let is_there = |file: &File| File::of(file.number).as_ref() == Some(file);
        self.all == Some(all) && self.watched.iter().all(is_there)
    }

    /// Looks at all. None where the system does not tell.
    fn renew(&mut self, all: Option<u64>) -> Option<()> {
        static PROC: OnceLock<Option<u64>> = OnceLock::new();
        let proc = (*PROC.get_or_init(|| Some(fs::metadata("/proc").ok()?.dev())))?;
        let together = all.and_then(close_together);
        self.all = all.filter(|_| together.is_some());
        let files = together.or_else(listed)?;
        let mut named = NAMED.lock();
        let is_counted =
            |file: &&File| file.device != proc && (!file.has_name() || named.counts(**file));
        self.counted = files.iter().filter(is_counted).count() as u64;
        let lasts =
            |file: &&File| file.device == proc || !file.has_name() || named.is_database(**file);
        let machinery =
            (self.machinery).get_or_insert_with(|| files.iter().filter(lasts).copied().collect());
        self.watched = files;
        self.watched.retain(|file| !machinery.contains(file));
        Some(())
    }
}

/// What a descriptor stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
struct File {
    number: libc::c_int,
    device: u64,
    inode: u64,
    mode: libc::mode_t,
}

impl File {
    fn of(number: libc::c_int) -> Option<Self> {
        // SAFETY: `stat` is plain data, read only when the call filled it.
        let stat = unsafe {
            let mut stat: libc::stat = std::mem::zeroed();
            (libc::fstat(number, &raw mut stat) == 0).then_some(stat)?
        };
        Some(Self {
            number,
            device: stat.st_dev,
            inode: stat.st_ino,
            mode: stat.st_mode,
        })
    }

    /// Whether it may be one of the history's.
    fn has_name(&self) -> bool {
        matches!(self.mode & libc::S_IFMT, libc::S_IFREG | libc::S_IFDIR)
    }
}

static NAMED: Mutex<Named> = Mutex::new(Named(Vec::new()));

/// Descriptors whose names were read, which takes ten times as long as to ask what they stand for. Of the history only its
/// database is remembered: what comes and goes beside it would leave its number and its inode to others. Nor are folders, which
/// may get a history.
struct Named(Vec<(File, bool)>);

impl Named {
    fn counts(&mut self, file: File) -> bool {
        let known = self
            .0
            .iter_mut()
            .find(|known| known.0.number == file.number);
        if let Some((_, counts)) = known.as_ref().filter(|known| known.0 == file) {
            return *counts;
        }
        let Ok(target) = fs::read_link(format!("/proc/self/fd/{}", file.number)) else {
            return false;
        };
        let counts = !is_of_history(&target);
        let is_database = target.file_name().is_some_and(|name| name == HISTORY);
        if file.mode & libc::S_IFMT == libc::S_IFREG && (counts || is_database) {
            match known {
                Some(known) => *known = (file, counts),
                None => self.0.push((file, counts)),
            }
        }
        counts
    }

    /// Whether it is the history's database, as far as names were read.
    fn is_database(&self, file: File) -> bool {
        self.0.contains(&(file, false))
    }
}

/// The history's files, and their folder, which `SQLite` opens to have the system write what goes and comes there.
fn is_of_history(target: &Path) -> bool {
    let name = target.file_name().unwrap_or_default();
    name.as_encoded_bytes().starts_with(HISTORY.as_bytes()) || target.join(HISTORY).exists()
}

/// How many are open. Linux tells from 6.2 on; before, it says 0.
fn how_many() -> Option<u64> {
    static STANDING: Mutex<StandingFile> = Mutex::new(StandingFile::new("/proc/self/fd"));
    let folder = match process::is_standing() {
        true => STANDING.lock().metadata()?,
        false => fs::metadata("/proc/self/fd").ok()?,
    };
    Some(folder.size()).filter(|all| *all > 0)
}

/// All of them, asked for one by one, which is quicker than a list: a new one gets the lowest number that is free. None where
/// they lie further apart, or another thread opens or closes some.
fn close_together(all: u64) -> Option<Vec<File>> {
    const GAPS: u64 = 16;
    let numbers = 0..libc::c_int::try_from(all + GAPS).ok()?;
    let open: Vec<_> = numbers.filter_map(File::of).collect();
    (open.len() as u64 == all).then_some(open)
}

fn listed() -> Option<Vec<File>> {
    let files = fs::read_dir("/proc/self/fd").ok()?;
    let numbers = files
        .flatten()
        .filter_map(|file| file.file_name().to_str()?.parse().ok());
    Some(numbers.filter_map(File::of).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::{AsRawFd, IntoRawFd};

    /// Opens what is at a path where `number` was.
    fn put(path: &Path, number: libc::c_int) -> File {
        let file = fs::File::open(path).unwrap().into_raw_fd();
        // SAFETY: both are ours.
        unsafe {
            assert_eq!(libc::dup2(file, number), number);
            libc::close(file);
        }
        File::of(number).unwrap()
    }

    #[test]
    fn descriptors_are_the_same_one_by_one_and_listed() {
        // Other tests of this process open and close files meanwhile, and `/proc` while they look.
        let same = || {
            let proc = fs::metadata("/proc").map(|proc| proc.dev()).ok();
            let (quick, listed) = (
                how_many().and_then(close_together),
                listed().expect("/proc/self/fd"),
            );
            let kept = |file: &&File| Some(file.device) != proc;
            quick.map(|quick| quick.iter().filter(kept).eq(listed.iter().filter(kept)))
        };
        // Whoever started this may have left a descriptor far away, as we do below.
        assert!((0..100).any(|_| same() != Some(false)));
        // One more than the system said: who stops at its number leaves out the highest.
        let stops_short = |all| close_together(all).is_some() && close_together(all - 1).is_some();
        assert!((0..100).any(|_| !how_many().is_some_and(stops_short)));
        let far = 700;
        // SAFETY: descriptor 0 is duplicated to a number that nobody uses, and closed.
        unsafe {
            assert_eq!(libc::dup2(0, far), far);
            assert!((0..100).any(|_| how_many().and_then(close_together).is_none()));
            assert!(listed().is_some_and(|listed| listed.iter().any(|file| file.number == far)));
            libc::close(far);
        }
    }

    #[test]
    fn the_history_and_its_folder_are_not_the_users() {
        let folder = std::env::temp_dir().join(format!("cellheap-history-{}", std::process::id()));
        fs::create_dir(&folder).expect("a folder");
        let is_users = |path: &Path| {
            let open = fs::File::open(path).expect("there");
            Named(Vec::new()).counts(File::of(open.as_raw_fd()).expect("open"))
        };
        assert!(is_users(&folder));
        for (name, users) in [
            ("history.sqlite", false),
            ("history.sqlite-journal", false),
            ("data", true),
        ] {
            fs::File::create(folder.join(name)).expect("a file");
            assert_eq!(is_users(&folder.join(name)), users, "{name}");
        }
        assert!(!is_users(&folder));
        fs::remove_dir_all(&folder).expect("ours");
    }

    #[test]
    fn a_number_that_means_another_file_is_read_again() {
        let folder = std::env::temp_dir().join(format!("cellheap-{}-files", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let paths = ["history.sqlite", "history.sqlite-journal", "data.csv"];
        let [database, journal, data] = paths.map(|name| folder.join(name));
        for path in [&database, &journal, &data] {
            fs::write(path, "text").unwrap();
        }
        let place = fs::File::open("/dev/null").unwrap();
        let number = place.as_raw_fd();
        let mut named = Named(Vec::new());
        for path in [
            &database, &data, &database, &journal, &data, &journal, &folder,
        ] {
            let file = put(path, number);
            for _ in 0..2 {
                assert_eq!(named.counts(file), path == &data, "{}", path.display());
            }
        }
        assert_eq!(named.0.len(), 1);
        // What a journal leaves is the next file's, number, inode and all.
        fs::remove_file(&journal).unwrap();
        fs::write(&journal, "text").unwrap();
        let file = put(&journal, number);
        fs::rename(&journal, folder.join("mine.csv")).unwrap();
        assert!(named.counts(file));
        fs::remove_dir_all(&folder).unwrap();
    }
}
