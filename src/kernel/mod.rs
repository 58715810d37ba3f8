//! The loop: channels, queueing, busy and idle, abort, streams, interrupts. Python only through a trait.

mod interpreter;

use std::io;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::wire::{Connection, Message, Outgoing, WireError};

pub use interpreter::{Channel, Interpreter, Stream};

/// Who the kernel says it is.
#[derive(Debug, Clone)]
pub struct KernelInfo {
    /// The content of `kernel_info_reply`, as JSON.
    pub content: Bytes,
    pub session: String,
    pub username: String,
    /// Names this kernel in iopub topics: `kernel.<ident>.status`.
    pub ident: String,
}

/// Why the kernel could not start.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error("cannot start the kernel's threads: {0}")]
    Threads(#[from] io::Error),
}

/// Names one open request; `finish` takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId {
    pub channel: Channel,
    pub number: u64,
}

/// A request that the interpreter has to answer and to finish.
#[derive(Debug)]
pub struct Request {
    pub message: Message,
    pub id: RequestId,
}

struct Shared {
    connection: Connection,
}

/// The kernel. Clones are the same kernel; every method may be called from any thread.
#[derive(Clone)]
pub struct Kernel(Arc<Shared>);

impl Kernel {
    /// Binds the five sockets and starts the threads: from here on heartbeat and kernel_info are answered.
    ///
    /// # Errors
    /// When an address is taken or the system has no threads left.
    pub fn start(connection: Connection, info: KernelInfo) -> Result<Self, KernelError> {
        let _ = info;
        Ok(Self(Arc::new(Shared { connection })))
    }

    /// Where the kernel listens, with the real ports.
    pub fn connection(&self) -> &Connection {
        &self.0.connection
    }

    /// The interpreter is up: what is queued comes now.
    pub fn attach(&self, interpreter: Arc<dyn Interpreter>) {
        let _ = interpreter;
    }

    /// The interpreter cannot come up: every request, queued and later, gets an error reply that says so.
    pub fn fail(&self, ename: &str, evalue: &str) {
        let _ = (ename, evalue);
    }

    /// The next request of the channel; publishes busy for it. None when nothing waits or one is open still.
    pub fn take(&self, channel: Channel) -> Option<Request> {
        let _ = channel;
        None
    }

    /// The next comm message, past other requests, while a shell request is open. No busy, no idle.
    pub fn take_comm(&self) -> Option<Message> {
        None
    }

    /// The open request is done: captured output is drained, streams are flushed, idle is published.
    pub fn finish(&self, request: RequestId) {
        let _ = request;
    }

    /// Sends to `message.ids` on a channel, after what was published before.
    pub fn reply(&self, channel: Channel, message: Outgoing) {
        let _ = (channel, message);
    }

    /// Publishes on iopub, after all stream text written before. Blocks only while `is_full`.
    pub fn publish(&self, topic: &[u8], message: Outgoing) {
        let _ = (topic, message);
    }

    /// Writes text to a stream of a request's output. Coalesced; blocks only while `is_full`.
    pub fn write(&self, stream: Stream, parent_header: Bytes, text: &str) {
        let _ = (stream, parent_header, text);
    }

    /// Whether `write` and `publish` would wait for readers now: a caller that holds a lock gives it up first.
    pub fn is_full(&self) -> bool {
        false
    }

    /// Sends stream text on its way now.
    pub fn flush(&self) {}

    /// Aborts every execute_request that is queued now, once the open request is finished.
    pub fn abort_queue(&self) {}

    /// Forgets answers that came before they were asked for.
    pub fn purge_answers(&self) {}

    /// The next input_reply, waiting for at most `patience`.
    pub fn answer(&self, patience: Duration) -> Option<Message> {
        let _ = patience;
        None
    }

    /// Redirects descriptors 1 and 2 into the kernel and returns duplicates of the original ones.
    ///
    /// # Errors
    /// When the system refuses descriptors.
    pub fn capture(&self) -> io::Result<[RawFd; 2]> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Whether this is a forked child: its output goes to the parent, and it touches no socket.
    pub fn is_child(&self) -> bool {
        false
    }

    /// Sends everything queued, for at most `deadline`, and ends the threads. Again is harmless.
    pub fn close(&self, deadline: Duration) {
        let _ = deadline;
    }
}
