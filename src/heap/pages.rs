//! Zeroed pages straight from the operating system: the books never ask an allocator that they watch.

use std::io;
use std::ptr::NonNull;

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
        // SAFETY: an anonymous private mapping at an address of the system's choice touches nothing of ours.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
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
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.bytes) };
    }
}

pub const PAGE: usize = 4096;

/// Bytes of a page-aligned range that are in memory now (`mincore`).
pub fn resident(start: usize, bytes: usize) -> u64 {
    const STEP: usize = 1024;
    let mut seen = [0_u8; STEP];
    let mut pages = 0_u64;
    let mut at = 0;
    while at < bytes {
        let take = (bytes - at).min(STEP * PAGE);
        // SAFETY: mincore reads no memory of the range, and `seen` has a byte for each of its pages.
        let ok =
            unsafe { libc::mincore((start + at) as *mut libc::c_void, take, seen.as_mut_ptr()) };
        if ok == 0 {
            pages += seen[..take.div_ceil(PAGE)]
                .iter()
                .filter(|page| **page & 1 == 1)
                .count() as u64;
        }
        at += take;
    }
    pages * PAGE as u64
}
