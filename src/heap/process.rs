//! What the operating system says of this process (`/proc`, `mallinfo2`). `None`: not to be known here.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;

use super::allowance;
use super::report::Process;

/// Resident set size, bytes (`/proc/self/statm`).
pub fn rss() -> Option<u64> {
    // The timeline asks up to a hundred times a second: no call more than it takes. (To keep the file open would be quicker
    // still, but programs that count descriptors would find one more.)
    let mut statm = [0; 256];
    let statm = first_of("/proc/self/statm", &mut statm)?;
    let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages * page_size())
}

/// What one read gives of a file: all of a short one in `/proc`.
fn first_of<'a>(path: &str, buffer: &'a mut [u8]) -> Option<&'a str> {
    let length = File::open(path).ok()?.read(buffer).ok()?;
    std::str::from_utf8(&buffer[..length]).ok()
}

pub(super) fn page_size() -> u64 {
    // SAFETY: sysconf reads a constant.
    u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

/// The resident set's high-water mark since `reset_rss_peak`, bytes (`VmHWM`), about.
pub fn rss_peak() -> Option<u64> {
    // The field stands among the first; what a group list of any length pushes past the end is read whole.
    let path = "/proc/self/status";
    first_of(path, &mut [0; 2048])
        .and_then(|status| field(&status[..status.rfind('\n')?], "VmHWM:"))
        .or_else(|| field(&fs::read_to_string(path).ok()?, "VmHWM:"))
}

/// Lets `VmHWM` start anew. The kernel resets the process's `ru_maxrss` with it. False where it may not.
pub fn reset_rss_peak() -> bool {
    fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// Open descriptors: files, sockets, pipes. Without those into `/proc`, which whoever looks opens for a moment, and without
/// IPython's history, which a thread of its own writes as cells begin.
pub fn open_files() -> Option<u64> {
    static PROC: OnceLock<Option<u64>> = OnceLock::new();
    let proc = (*PROC.get_or_init(|| Some(fs::metadata("/proc").ok()?.dev())))?;
    let counts = |number: libc::c_int, (device, mode): (u64, libc::mode_t)| {
        // Each cell asks twice: only where it may be the history is a name read, which takes ten times as long.
        let named = matches!(mode & libc::S_IFMT, libc::S_IFREG | libc::S_IFDIR);
        device != proc && (!named || is_users(number))
    };
    let open = close_together().or_else(listed)?;
    let counted = open
        .into_iter()
        .filter(|(number, kind)| counts(*number, *kind));
    Some(counted.count() as u64)
}

type Kind = (u64, libc::mode_t);

/// Every open descriptor, asked for one by one, which is quicker than a list: a new one gets the lowest number that is free.
/// None where they lie further apart, or the system does not say how many there are (Linux before 6.2).
fn close_together() -> Option<Vec<(libc::c_int, Kind)>> {
    const GAPS: u64 = 16;
    let count = fs::metadata("/proc/self/fd").ok()?.size();
    let numbers = 0..libc::c_int::try_from(count + GAPS).ok()?;
    let open: Vec<_> = numbers
        .filter_map(|number| Some((number, kind(number)?)))
        .collect();
    (open.len() as u64 == count).then_some(open)
}

fn listed() -> Option<Vec<(libc::c_int, Kind)>> {
    let files = fs::read_dir("/proc/self/fd").ok()?;
    let numbers = files
        .flatten()
        .filter_map(|file| file.file_name().to_str()?.parse().ok());
    Some(
        numbers
            .filter_map(|number| Some((number, kind(number)?)))
            .collect(),
    )
}

/// The device and the mode of what a descriptor stands for.
fn kind(descriptor: libc::c_int) -> Option<Kind> {
    // SAFETY: `stat` is plain data, read only when the call filled it.
    unsafe {
        let mut stat: libc::stat = std::mem::zeroed();
        (libc::fstat(descriptor, &raw mut stat) == 0).then_some((stat.st_dev, stat.st_mode))
    }
}

/// Whether it is open, still, and none of IPython's history: its files, and their folder, which `SQLite` opens to have the
/// system write what goes and comes there.
fn is_users(descriptor: libc::c_int) -> bool {
    const HISTORY: &str = "history.sqlite";
    fs::read_link(format!("/proc/self/fd/{descriptor}")).is_ok_and(|target| {
        let name = target.file_name().unwrap_or_default();
        let file = name.as_encoded_bytes().starts_with(HISTORY.as_bytes());
        !file && !target.join(HISTORY).exists()
    })
}

/// Page faults so far: minor, major.
pub fn faults() -> (u64, u64) {
    // SAFETY: an all-zero rusage is valid, and getrusage fills it.
    let usage = unsafe {
        let mut usage = std::mem::zeroed::<libc::rusage>();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    (
        usage.ru_minflt.cast_unsigned(),
        usage.ru_majflt.cast_unsigned(),
    )
}

/// All but the books and the arenas, which the caller knows.
pub fn read() -> Process {
    let rss = rss();
    let mut process = Process {
        rss,
        cgroup_limit: allowance::control_group().map(|limit| limit.bytes),
        tree_rss: tree_rss(rss),
        open_files: open_files(),
        ..Process::default()
    };
    if let Some(info) = malloc_info() {
        process.malloc_used = Some(info.uordblks as u64);
        process.malloc_mapped = Some(info.hblkhd as u64);
        process.malloc_free = Some(info.fordblks as u64);
    }
    process
}

/// Bytes in use of the C library's allocator, what it mapped on its own too; 0 where it does not tell.
pub fn malloc_bytes() -> u64 {
    malloc_info().map_or(0, |info| info.uordblks as u64 + info.hblkhd as u64)
}

#[cfg(target_env = "gnu")]
fn malloc_info() -> Option<libc::mallinfo2> {
    type MallInfo2 = unsafe extern "C" fn() -> libc::mallinfo2;
    // SAFETY: looked up by name because glibc before 2.33 has no mallinfo2; the signature is glibc's.
    unsafe {
        let found = libc::dlsym(libc::RTLD_DEFAULT, c"mallinfo2".as_ptr());
        if found.is_null() {
            return None;
        }
        Some(std::mem::transmute::<*mut libc::c_void, MallInfo2>(found)())
    }
}

/// RSS of this process and all its descendants, bytes. Its own is given: the system's counts of one moment differ from
/// file to file by some pages.
fn tree_rss(own: Option<u64>) -> Option<u64> {
    let processes: Vec<(u32, u32, u64)> = fs::read_dir("/proc")
        .ok()?
        .filter_map(|entry| {
            let id: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let status = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
            // The command may hold spaces and brackets: fields are counted from its last bracket.
            let fields: Vec<&str> = status
                .rsplit_once(')')?
                .1
                .split_ascii_whitespace()
                .collect();
            let (parent, pages) = (
                fields.get(1)?.parse().ok()?,
                fields.get(21)?.parse::<u64>().ok()?,
            );
            Some((id, parent, pages * page_size()))
        })
        .collect();
    let this = std::process::id();
    let mut tree = vec![this];
    let mut at = 0;
    while let Some(parent) = tree.get(at).copied() {
        tree.extend(
            processes
                .iter()
                .filter(|(_, of, _)| *of == parent)
                .map(|(id, ..)| *id),
        );
        at += 1;
    }
    Some(
        processes
            .iter()
            .filter(|(id, ..)| tree.contains(id))
            .map(|(id, _, rss)| own.filter(|_| *id == this).unwrap_or(*rss))
            .sum(),
    )
}

/// A line of `/proc` that says kibibytes, in bytes.
pub(super) fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find(|line| line.starts_with(name))?;
    let kibibytes: u64 = line.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_the_same_one_by_one_and_listed() {
        // Other tests of this process open and close files meanwhile, and `/proc` while they look.
        let same = || {
            let proc = fs::metadata("/proc").map(|proc| proc.dev()).ok();
            let (quick, listed) = (close_together(), listed().expect("/proc/self/fd"));
            let kept = |(_, (device, _)): &&(libc::c_int, Kind)| Some(*device) != proc;
            quick.map(|quick| quick.iter().filter(kept).eq(listed.iter().filter(kept)))
        };
        // Whoever started this may have left a descriptor far away, as we do below.
        assert!((0..100).any(|_| same() != Some(false)));
        let far = 700;
        // SAFETY: descriptor 0 is duplicated to a number that nobody uses, and closed.
        unsafe {
            assert_eq!(libc::dup2(0, far), far);
            assert!((0..100).any(|_| close_together().is_none()));
            assert!(listed().is_some_and(|listed| listed.iter().any(|(number, _)| *number == far)));
            libc::close(far);
        }
    }

    #[test]
    fn the_process_reads_as_the_kernel_says() {
        let process = read();
        let rss = process.rss.expect("Linux has statm");
        let status = fs::read_to_string("/proc/self/status").expect("Linux has status");
        let judged = field(&status, "VmRSS:").expect("VmRSS");
        assert!(rss.abs_diff(judged) < 16 << 20, "{rss} and {judged}");
        assert!(process.tree_rss.expect("/proc") >= rss);
        assert!(process.open_files.expect("/proc/self/fd") >= 3);
    }

    #[test]
    fn the_history_and_its_folder_are_not_the_users() {
        use std::os::fd::AsRawFd;
        let folder = std::env::temp_dir().join(format!("cellheap-history-{}", std::process::id()));
        fs::create_dir(&folder).expect("a folder");
        let is_users = |path: &std::path::Path| {
            let open = File::open(path).expect("there");
            is_users(open.as_raw_fd())
        };
        assert!(is_users(&folder));
        for (name, users) in [
            ("history.sqlite", false),
            ("history.sqlite-journal", false),
            ("data", true),
        ] {
            File::create(folder.join(name)).expect("a file");
            assert_eq!(is_users(&folder.join(name)), users, "{name}");
        }
        assert!(!is_users(&folder));
        fs::remove_dir_all(&folder).expect("ours");
    }

    #[test]
    fn a_command_with_brackets_does_not_shift_the_fields() {
        let (_, rest) = "12 (a) b) c) S 7 0".rsplit_once(')').expect("bracket");
        assert_eq!(rest.split_ascii_whitespace().nth(1), Some("7"));
    }
}
