//! How the wire calls Python: a bell for each channel, which an event loop watches. Needs no interpreter lock.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;

use parking_lot::RwLock;

use crate::kernel::{Bell, Interpreter, Lane, SubshellId};

pub struct Bells {
    shell: Bell,
    control: Bell,
    subshells: RwLock<HashMap<SubshellId, Arc<Bell>>>,
}

impl Bells {
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            shell: Bell::new()?,
            control: Bell::new()?,
            subshells: RwLock::default(),
        })
    }

    /// Hangs a bell up for a subshell.
    pub fn add(&self, id: SubshellId) -> io::Result<()> {
        let bell = Arc::new(Bell::new()?);
        self.subshells.write().insert(id, bell);
        Ok(())
    }

    pub fn remove(&self, id: SubshellId) {
        self.subshells.write().remove(&id);
    }

    /// Readable while the bell rings. None for a subshell that has ended.
    pub fn fd(&self, lane: Lane) -> Option<RawFd> {
        self.with(lane, AsRawFd::as_raw_fd)
    }

    /// Ends the ringing.
    pub fn silence(&self, lane: Lane) {
        self.with(lane, Bell::hush);
    }

    fn with<T>(&self, lane: Lane, act: impl FnOnce(&Bell) -> T) -> Option<T> {
        match lane {
            Lane::Shell => Some(act(&self.shell)),
            Lane::Control => Some(act(&self.control)),
            Lane::Subshell(id) => self.subshells.read().get(&id).map(|bell| act(bell)),
        }
    }
}

impl Interpreter for Bells {
    fn wake(&self, lane: Lane) {
        self.with(lane, Bell::ring);
    }
}
