//! What the operating system says of this process (`/proc`, `mallinfo2`). `None`: not to be known here.

use std::fs::{self, File};
use std::io::Read;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

use super::forks::Owner;
use super::report::Process;
use super::standing_file::StandingFile;
use super::{allowance, descriptors};

const STATM: &str = "/proc/self/statm";
const CLEAR_REFS: &str = "/proc/self/clear_refs";

/// The process whose files stay open: none before `stand`, and no child of it.
static OWNER: Owner = Owner::nobody();
/// `ru_maxrss` as it was then, bytes.
static FIRST_PEAK: AtomicU64 = AtomicU64::new(u64::MAX);

/// From here on what is asked at each cell's edges is asked of files that stay open, in a third of the time. For a kernel as it
/// starts: other programs count their descriptors, and find no more than they opened.
pub fn stand() {
    OWNER.become_mine();
    FIRST_PEAK.store(peak_since_start(&usage()), Relaxed);
}

/// Whether they stay open. A forked child's would say what its parent does.
pub(super) fn is_standing() -> bool {
    OWNER.is_me()
}

/// Resident set size, bytes (`/proc/self/statm`).
pub fn rss() -> Option<u64> {
    static STANDING: Mutex<StandingFile> = Mutex::new(StandingFile::new(STATM));
    // The timeline asks up to a hundred times a second: no call more than it takes.
    let mut statm = [0; 256];
    let statm = if is_standing() {
        let length = STANDING.lock().read_at(&mut statm, 0)?;
        std::str::from_utf8(&statm[..length]).ok()?
    } else {
        first_of(STATM, &mut statm)?
    };
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
    // The system gives the greater of that mark and of what the program had that this one took the place of (`exec`), which
    // does not change: past what there was at the start it is the mark.
    let most = peak_since_start(&usage());
    if most > FIRST_PEAK.load(Relaxed) {
        return Some(most);
    }
    // The field stands among the first; what a group list of any length pushes past the end is read whole.
    let path = "/proc/self/status";
    first_of(path, &mut [0; 2048])
        .and_then(|status| field(&status[..status.rfind('\n')?], "VmHWM:"))
        .or_else(|| field(&fs::read_to_string(path).ok()?, "VmHWM:"))
}

/// Lets `VmHWM` start anew. The kernel resets the process's `ru_maxrss` with it. False where it may not.
pub fn reset_rss_peak() -> bool {
    static STANDING: Mutex<StandingFile> = Mutex::new(StandingFile::to_write(CLEAR_REFS));
    match is_standing() {
        true => STANDING.lock().write(b"5"),
        false => fs::write(CLEAR_REFS, "5").is_ok(),
    }
}

/// Page faults so far: minor, major.
pub fn faults() -> (u64, u64) {
    let usage = usage();
    (
        usage.ru_minflt.cast_unsigned(),
        usage.ru_majflt.cast_unsigned(),
    )
}

fn usage() -> libc::rusage {
    // SAFETY: an all-zero rusage is valid, and getrusage fills it.
    unsafe {
        let mut usage = std::mem::zeroed::<libc::rusage>();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    }
}

/// `ru_maxrss`, bytes.
fn peak_since_start(usage: &libc::rusage) -> u64 {
    usage.ru_maxrss.cast_unsigned() * 1024
}

/// All but the books and the arenas, which the caller knows.
pub fn read() -> Process {
    let rss = rss();
    let mut process = Process {
        rss,
        cgroup_limit: allowance::control_group().map(|limit| limit.bytes),
        tree_rss: tree_rss(rss),
        open_files: descriptors::open_files(),
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
    fn the_peak_is_the_systems_also_where_files_stay_open() {
        let marked = || {
            let status = fs::read_to_string("/proc/self/status").expect("Linux has status");
            field(&status, "VmHWM:").expect("VmHWM")
        };
        // Other tests of this process take memory meanwhile: the mark only rises.
        let is_the_mark = || {
            let (before, peak, after) = (marked(), rss_peak(), marked());
            assert!(
                (before..=after).contains(&peak.expect("known")),
                "{before} {peak:?} {after}"
            );
            after
        };
        is_the_mark();
        stand();
        drop(std::hint::black_box(vec![1_u8; 256 << 20]));
        let high = is_the_mark();
        assert!(reset_rss_peak());
        assert!(is_the_mark() < high);
        let read = rss().expect("Linux has statm");
        let anew = fs::read_to_string(STATM).expect("Linux has statm");
        let pages: u64 = anew
            .split(' ')
            .nth(1)
            .and_then(|pages| pages.parse().ok())
            .expect("a number");
        assert!(read.abs_diff(pages * page_size()) < 16 << 20);
    }

    #[test]
    fn a_command_with_brackets_does_not_shift_the_fields() {
        let (_, rest) = "12 (a) b) c) S 7 0".rsplit_once(')').expect("bracket");
        assert_eq!(rest.split_ascii_whitespace().nth(1), Some("7"));
    }
}
