//! How the wire calls Python: an eventfd for each channel, which an event loop watches. Needs no interpreter lock.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use crate::kernel::{Channel, Interpreter};

pub struct Bells {
    shell: OwnedFd,
    control: OwnedFd,
}

impl Bells {
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            shell: bell()?,
            control: bell()?,
        })
    }

    /// Readable while the bell rings.
    pub fn fd(&self, channel: Channel) -> RawFd {
        match channel {
            Channel::Control => self.control.as_raw_fd(),
            Channel::Shell | Channel::Stdin => self.shell.as_raw_fd(),
        }
    }

    /// Ends the ringing. Silence first and look then: what comes in between rings again.
    pub fn silence(&self, channel: Channel) {
        let mut count = 0u64;
        // SAFETY: the descriptor is ours, and an eventfd gives exactly eight bytes. EAGAIN means that it is silent.
        unsafe { libc::read(self.fd(channel), (&raw mut count).cast(), 8) };
    }
}

impl Interpreter for Bells {
    fn wake(&self, channel: Channel) {
        let once = 1u64;
        // SAFETY: as above. It fails only where the bell has been rung 2^64 times, and then it rings.
        unsafe { libc::write(self.fd(channel), (&raw const once).cast(), 8) };
    }
}

fn bell() -> io::Result<OwnedFd> {
    // SAFETY: makes a descriptor; it is owned only where there is one.
    unsafe {
        match libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) {
            -1 => Err(io::Error::last_os_error()),
            fd => Ok(OwnedFd::from_raw_fd(fd)),
        }
    }
}
