//! Zeroed pages straight from the operating system: the books never ask an allocator that they watch.

use std::io;
use std::ops::Range;
use std::ptr::NonNull;

use parking_lot::Mutex;

use super::standing_file::StandingFile;

/// A zeroed mapping that is resident only where it was touched. Given back on drop.
pub struct Pages {
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: a mapping belongs to the process, not to a thread; who shares it minds the races.
unsafe impl Send for Pages {}

impl Pages {
    /// Reserves `bytes` of zeroes.
    ///
    /// # Errors
    /// The system's error when address space or memory is out.
    pub fn zeroed(bytes: usize) -> io::Result<Self> {
        // The system itself is asked: other tools listen at the C library's function, and may wait for us there.
        // SAFETY: an anonymous private mapping at an address of the system's choice touches nothing of ours.
        let start = unsafe {
            libc::syscall(
                libc::SYS_mmap,
                std::ptr::null_mut::<u8>(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0_usize,
            )
        } as *mut libc::c_void;
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: advice on our own mapping: a huge page would make much resident that nobody touched.
        unsafe { libc::madvise(start, bytes, libc::MADV_NOHUGEPAGE) };
        let start = NonNull::new(start.cast()).ok_or_else(io::Error::last_os_error)?;
        Ok(Self { start, bytes })
    }

    pub fn as_ptr(&self) -> *mut u8 {
        self.start.as_ptr()
    }

    /// Makes the mapping larger or smaller; what is new is zeroes. It may move.
    ///
    /// # Errors
    /// The system's error when address space or memory is out; the mapping is as it was then.
    pub fn resize(&mut self, bytes: usize) -> io::Result<()> {
        // SAFETY: the mapping is ours, and `&mut` says that nobody holds a pointer into it.
        let start = unsafe {
            libc::syscall(
                libc::SYS_mremap,
                self.start.as_ptr(),
                self.bytes,
                bytes,
                libc::MREMAP_MAYMOVE,
            )
        } as *mut libc::c_void;
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        self.start = NonNull::new(start.cast()).ok_or_else(io::Error::last_os_error)?;
        self.bytes = bytes;
        Ok(())
    }

    /// Lets the system give huge pages, of which there are fewer to be asked for: for what will be filled.
    pub fn be_huge(&self) {
        // SAFETY: advice on our own mapping; where the system has no such pages nothing changes.
        unsafe { libc::madvise(self.start.as_ptr().cast(), self.bytes, libc::MADV_HUGEPAGE) };
    }

    /// Keeps the mapping for the life of the process.
    pub fn leak(self) -> *mut u8 {
        let start = self.start.as_ptr();
        std::mem::forget(self);
        start
    }

    pub fn resident(&self) -> u64 {
        resident(self.start.as_ptr() as usize, self.bytes)
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: `start` and `bytes` are what mmap gave, and nobody holds a pointer past the owner.
        unsafe { libc::syscall(libc::SYS_munmap, self.start.as_ptr(), self.bytes) };
    }
}

pub const PAGE: usize = 4096;

/// Makes pages resident that will all be written: one request takes less time than a fault for each. Whole pages of a mapping.
pub fn populate(start: usize, bytes: usize) {
    // SAFETY: this writes nothing; where the system cannot do it (Linux before 5.14) pages come as they are touched.
    unsafe { libc::madvise(start as *mut libc::c_void, bytes, libc::MADV_POPULATE_WRITE) };
}

/// Bytes of a page-aligned range that take memory now. The page map tells those apart from pages that were only read
/// and are all the system's one page of zeroes; where it may not be read, they count too (`mincore`).
pub fn resident(start: usize, bytes: usize) -> u64 {
    const STEP: usize = 1024;
    let pages = bytes.div_ceil(PAGE);
    let steps = (0..pages).step_by(STEP);
    steps
        .map(|at| {
            let count = (pages - at).min(STEP);
            taken(start / PAGE + at, count).unwrap_or_else(|| mapped(start + at * PAGE, count))
        })
        .sum::<u64>()
        * PAGE as u64
}

/// Pages from the `first` on that are this process's alone (bits 63 and 56 of its entry in the page map).
fn taken(first: usize, count: usize) -> Option<u64> {
    static MAP: Mutex<StandingFile> = Mutex::new(StandingFile::new("/proc/self/pagemap"));
    const OURS: u64 = 1 << 63 | 1 << 56;
    let mut entries = vec![0; count * 8];
    let length = MAP.lock().read_at(&mut entries, first as u64 * 8)?;
    if length < entries.len() {
        return None;
    }
    let (entries, _) = entries.as_chunks();
    Some(
        (entries.iter())
            .filter(|entry| u64::from_ne_bytes(**entry) & OURS == OURS)
            .count() as u64,
    )
}

/// A mapped range by whether its pages are resident, in runs. Read-only pages of zeroes count: this is the quick way.
pub fn runs(range: Range<usize>) -> Vec<(Range<usize>, bool)> {
    const STEP: usize = 16384;
    let mut seen = vec![0_u8; range.len().div_ceil(PAGE).min(STEP)];
    let mut runs: Vec<(Range<usize>, bool)> = Vec::new();
    for start in range.clone().step_by(STEP * PAGE) {
        let pages = (range.end - start).div_ceil(PAGE).min(STEP);
        let seen = &mut seen[..pages];
        // SAFETY: mincore reads no memory of the range, and `seen` has a byte for each of its pages.
        let asked =
            unsafe { libc::mincore(start as *mut libc::c_void, pages * PAGE, seen.as_mut_ptr()) };
        if asked != 0 {
            seen.fill(0);
        }
        let mut at = start;
        for run in seen.chunk_by(|one, next| one & 1 == next & 1) {
            let (resident, end) = (run[0] & 1 == 1, (at + run.len() * PAGE).min(range.end));
            match runs.last_mut() {
                Some((last, same)) if *same == resident => last.end = end,
                _ => runs.push((at..end, resident)),
            }
            at = end;
        }
    }
    runs
}

/// How many of these pages are in memory.
fn mapped(start: usize, count: usize) -> u64 {
    let runs = runs(start..start + count * PAGE).into_iter();
    let resident = runs.filter(|(_, resident)| *resident);
    resident.map(|(run, _)| (run.len() / PAGE) as u64).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_takes_memory_once_it_is_written() {
        let pages = Pages::zeroed(64 * PAGE).unwrap();
        for at in [3, 9] {
            // SAFETY: in the mapping, which is ours alone.
            unsafe { pages.as_ptr().add(at * PAGE).write(1) };
        }
        // SAFETY: as above.
        assert_eq!(unsafe { pages.as_ptr().add(20 * PAGE).read_volatile() }, 0);
        assert_eq!(
            resident(pages.as_ptr() as usize, 64 * PAGE),
            2 * PAGE as u64
        );
    }
}
