//! Address space that is kept free for answers. Where the notebook may have no more (`ulimit -v`), who asks what takes it all is
//! to be told: that takes memory, of Python's mostly.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering::AcqRel, Ordering::Relaxed};

/// Enough to import what answers, and to answer. A look at many objects may take more.
const BYTES: usize = 32 << 20;
/// What large tables leave to all else.
const LEFT: usize = 8 << 20;

/// Where it lies; zero while it is given free.
static HELD: AtomicUsize = AtomicUsize::new(0);

/// Keeps it again, if it can be had. It takes no memory: nothing is ever in it.
pub fn hold() {
    if HELD.load(Relaxed) != 0 {
        return;
    }
    if let Some(start) = reserve(BYTES)
        && HELD.compare_exchange(0, start, AcqRel, Relaxed).is_err()
    {
        give_back(start, BYTES);
    }
}

/// Gives it free, where as much again cannot be had.
pub fn let_go_if_short() {
    if can_be_had(BYTES) {
        return;
    }
    let start = HELD.swap(0, AcqRel);
    if start != 0 {
        give_back(start, BYTES);
    }
}

/// Asked by who has taken much: who asks for little next, in Python, must get it.
///
/// # Errors
/// The system's for "no memory", where little is left.
pub fn is_left() -> io::Result<()> {
    match can_be_had(LEFT) {
        true => Ok(()),
        false => Err(io::Error::from_raw_os_error(libc::ENOMEM)),
    }
}

fn can_be_had(bytes: usize) -> bool {
    let had = reserve(bytes);
    if let Some(start) = had {
        give_back(start, bytes);
    }
    had.is_some()
}

fn reserve(bytes: usize) -> Option<usize> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: new pages, wherever the system likes.
    let start = unsafe { libc::mmap(std::ptr::null_mut(), bytes, libc::PROT_NONE, flags, -1, 0) };
    (start != libc::MAP_FAILED).then_some(start as usize)
}

fn give_back(start: usize, bytes: usize) {
    // SAFETY: pages of `reserve`, which nobody reads or writes.
    unsafe { libc::munmap(start as *mut libc::c_void, bytes) };
}
