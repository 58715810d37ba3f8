//! What the kernel asks of an interpreter. The one door through which the loop sees Python.

/// Where a request comes from or a message goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channel {
    Shell,
    Control,
    Stdin,
}

/// Names a subshell for as long as the kernel lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SubshellId(pub(super) u32);

/// A queue of requests, of which one is open at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    Shell,
    Control,
    /// A further shell, whose requests come on the shell channel too.
    Subshell(SubshellId),
}

impl Lane {
    /// Where its requests come from and its replies go to.
    pub fn channel(self) -> Channel {
        match self {
            Self::Control => Channel::Control,
            Self::Shell | Self::Subshell(_) => Channel::Shell,
        }
    }
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
    /// A request waits on this lane: come and take it. Called on the kernel's threads: it must not block and
    /// must not need a lock that running code holds.
    fn wake(&self, lane: Lane);
}
