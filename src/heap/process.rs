//! What the operating system says of this process (`/proc`, `mallinfo2`). `None`: not to be known here.

use std::fs::{self, File};
use std::io::Read;

use super::report::Process;
use super::{allowance, descriptors};

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
    fn a_command_with_brackets_does_not_shift_the_fields() {
        let (_, rest) = "12 (a) b) c) S 7 0".rsplit_once(')').expect("bracket");
        assert_eq!(rest.split_ascii_whitespace().nth(1), Some("7"));
    }
}
