//! How the wire calls Python: a bell for each channel, which an event loop watches. Needs no interpreter lock.

use std::io;
use std::os::fd::{AsRawFd, RawFd};

use crate::kernel::{Bell, Channel, Interpreter};

pub struct Bells {
    shell: Bell,
    control: Bell,
}

impl Bells {
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            shell: Bell::new()?,
            control: Bell::new()?,
        })
    }

    /// Readable while the bell rings.
    pub fn fd(&self, channel: Channel) -> RawFd {
        self.of(channel).as_raw_fd()
    }

    /// Ends the ringing.
    pub fn silence(&self, channel: Channel) {
        self.of(channel).hush();
    }

    fn of(&self, channel: Channel) -> &Bell {
        match channel {
            Channel::Control => &self.control,
            Channel::Shell | Channel::Stdin => &self.shell,
        }
    }
}

impl Interpreter for Bells {
    fn wake(&self, channel: Channel) {
        self.of(channel).ring();
    }
}
