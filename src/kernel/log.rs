//! Lines on the original standard error. Owns its descriptor; never waits for whoever reads there.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicI32, Ordering};

/// A write of this size to a pipe that polls writable does not block.
const PIECE: usize = 4096;

/// Standard error, or its duplicate once descriptor 2 is captured.
static LOG: AtomicI32 = AtomicI32::new(libc::STDERR_FILENO);

pub fn log_to(fd: RawFd) {
    LOG.store(fd, Ordering::Release);
}

/// One line, in one write.
pub fn log(what: impl std::fmt::Display) {
    offer(
        LOG.load(Ordering::Acquire),
        format!("cellheap: {what}\n").as_bytes(),
    );
}

/// Writes as far as that does not block: who does not read misses it, and the kernel goes on.
pub fn offer(fd: RawFd, bytes: &[u8]) {
    for piece in bytes.chunks(PIECE) {
        let mut poll = libc::pollfd {
            fd,
            events: libc::POLLOUT,
            revents: 0,
        };
        // SAFETY: one pollfd, and a buffer with its own length.
        unsafe {
            if libc::poll(&raw mut poll, 1, 0) != 1 || poll.revents & libc::POLLOUT == 0 {
                return;
            }
            libc::write(fd, piece.as_ptr().cast(), piece.len());
        }
    }
}
