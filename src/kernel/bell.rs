//! An eventfd: how a thread or an event loop that waits for descriptors is woken. Knows nothing of who waits.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use super::capture::ok;

/// Readable while it rings. Ringing and hushing never block.
pub struct Bell(OwnedFd);

impl Bell {
    /// # Errors
    /// When the system has no descriptors left.
    pub fn new() -> io::Result<Self> {
        // SAFETY: the descriptor is new and owned here.
        unsafe {
            let fd = ok(libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK))?;
            Ok(Self(OwnedFd::from_raw_fd(fd)))
        }
    }

    pub fn ring(&self) {
        let one = 1u64;
        // SAFETY: eight bytes, as an eventfd wants. Full means that it rings already.
        unsafe { libc::write(self.as_raw_fd(), (&raw const one).cast(), 8) };
    }

    /// Ends the ringing. Hush first and look then: what comes in between rings again.
    pub fn hush(&self) {
        let mut count = 0u64;
        // SAFETY: eight bytes, as an eventfd gives. EAGAIN means that it is silent.
        unsafe { libc::read(self.as_raw_fd(), (&raw mut count).cast(), 8) };
    }
}

impl AsRawFd for Bell {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
