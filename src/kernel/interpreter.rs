//! What the kernel asks of an interpreter. The one door through which the loop sees Python.

/// Where a request comes from or a message goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channel {
    Shell,
    Control,
    Stdin,
}

/// The text streams of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    pub fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

pub trait Interpreter: Send + Sync {
    /// A request waits on this channel: come and take it. Called on the kernel's threads: it must not block and
    /// must not need a lock that running code holds.
    fn wake(&self, channel: Channel);
}
