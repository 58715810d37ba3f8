//! The loop: channels, queueing, busy and idle, abort, streams, interrupts. Python only through a trait.

mod aborts;
mod bell;
mod capture;
mod contents;
mod control;
mod forked;
mod heartbeat;
mod interpreter;
mod interrupt;
mod iopub;
mod load;
mod log;
mod outbox;
mod parent;
mod publisher;
mod requests;
mod shared;
mod shell;
mod speaking;
mod stdin;
mod subshells;
mod text;
mod threads;
mod usage;

use std::future::Future;
use std::io;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::wire::ports::Bound;
use crate::wire::{Connection, Message, Outgoing, WireError};

use capture::Inlets;
use iopub::{Item, State};
use requests::Phase;
use shared::Shared;
use threads::{Threads, die};

pub use bell::Bell;
pub use interpreter::{Channel, Interpreter, Lane, Stream, SubshellId};
pub use parent::when_forsaken;

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
    pub lane: Lane,
    pub number: u64,
}

/// A request that the interpreter has to answer and to finish.
#[derive(Debug)]
pub struct Request {
    pub message: Message,
    pub id: RequestId,
}

/// The kernel. Clones are the same kernel; every method may be called from any thread.
#[derive(Clone)]
pub struct Kernel {
    shared: Arc<Shared>,
    to_parent: Arc<forked::ToParent>,
}

impl Kernel {
    /// Binds the five sockets and starts the threads: from here on heartbeat and kernel_info are answered.
    ///
    /// # Errors
    /// When an address is taken, the connection file cannot be written, or the system has no threads left.
    pub fn start(mut connection: Connection, info: KernelInfo) -> Result<Self, KernelError> {
        let bound = Bound::bind(&mut connection)?;
        connection.save()?;
        if connection.is_exposed() {
            let path = connection.path.display();
            log::log(format_args!(
                "others can read {path}, and with its key run code here: chmod 600 it"
            ));
        }
        let (to_parent, children) = forked::pair()?;
        let (control_replies, replies) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared::new(connection, info, children, control_replies)?);
        spawn_all(&shared, bound, replies)?;
        shared.outbox.push([Item::Status {
            state: State::Starting,
            parent: Bytes::new(),
        }]);
        let to_parent = Arc::new(to_parent);
        Ok(Self { shared, to_parent })
    }

    /// Where the kernel listens, with the real ports.
    pub fn connection(&self) -> &Connection {
        &self.shared.connection
    }

    /// Says more in `kernel_info_reply` from here on: the content, as JSON.
    pub fn inform(&self, kernel_info: Bytes) {
        self.shared.contents.inform(kernel_info);
    }

    /// The interpreter is up: what is queued comes now.
    pub fn attach(&self, interpreter: Arc<dyn Interpreter>) {
        if !self.is_child() && self.shared.interpreter.set(interpreter).is_ok() {
            self.shared.enter(&Phase::Serving);
        }
    }

    /// The interpreter cannot come up: every request, queued and later, gets an error reply that says so.
    pub fn fail(&self, ename: &str, evalue: &str) {
        if self.is_child() {
            return;
        }
        self.shared.enter(&Phase::Failed {
            ename: ename.to_owned(),
            evalue: evalue.to_owned(),
        });
    }

    /// The next request of the lane; publishes busy for it. None when nothing waits or one is open still. Busy of an
    /// `execute_request` leaves with what is published next; `wake` where that may be long.
    pub fn take(&self, lane: Lane) -> Option<Request> {
        if self.is_child() {
            return None;
        }
        self.shared.take(lane)
    }

    /// What was queued leaves now.
    pub fn wake(&self) {
        self.shared.outbox.wake();
    }

    /// The next comm message, past other requests, while a request of the lane is open. No busy, no idle.
    pub fn take_comm(&self, lane: Lane) -> Option<Message> {
        if self.is_child() {
            return None;
        }
        self.shared.requests(lane)?.lock().next_comm()
    }

    /// The open request is done: captured output is drained, streams are flushed, idle is published.
    /// Blocks only while `is_full`. A forked child ends here: the loop is its parent's.
    pub fn finish(&self, request: RequestId) {
        if self.is_child() {
            self.to_parent.flush();
            // SAFETY: ends the child without exit handlers, which belong to the parent.
            unsafe { libc::_exit(0) };
        }
        self.shared.finish(request);
    }

    /// Sends to `message.ids` on a channel. On shell and stdin this comes after all output before it, that of
    /// captured descriptors too; on control at once.
    pub fn reply(&self, channel: Channel, message: Outgoing) {
        if self.drained(channel) {
            self.shared.reply(channel, message);
        }
    }

    /// As `reply`, for the last of a request that is finished right after: it leaves with its idle.
    pub fn reply_at_end(&self, channel: Channel, message: Outgoing) {
        if self.drained(channel) {
            self.shared.reply_at_end(channel, message);
        }
    }

    /// Has come before a reply what was written before it. False in a forked child, which replies to nobody.
    fn drained(&self, channel: Channel) -> bool {
        let child = self.is_child();
        if !child && channel != Channel::Control {
            self.shared.inlets.drain(&self.shared);
        }
        !child
    }

    /// Publishes on iopub, after all text that was written before, to captured descriptors too. Blocks only while
    /// `is_full`.
    pub fn publish(&self, topic: &[u8], message: Outgoing) {
        if self.is_child() {
            return self.to_parent.publish(topic, &message);
        }
        self.shared.inlets.drain(&self.shared);
        let topic = Bytes::copy_from_slice(topic);
        self.shared.outbox.publish(topic, message);
    }

    /// The header of the request that began last of those open on shell, or was the last one there.
    pub fn shell_parent(&self) -> Bytes {
        self.shared.speaking.parent()
    }

    /// Publishes a message of the kernel's own, from any thread. Waits for nobody: false, and nothing, while `is_full`.
    pub fn announce(&self, msg_type: &str, parent_header: Bytes, content: Bytes) -> bool {
        if self.is_full() {
            return false;
        }
        let (topic, message) = self.shared.contents.own(msg_type, parent_header, content);
        self.shared.outbox.push([Item::Publish { topic, message }]);
        true
    }

    /// Writes text to a stream of a request's output, after what captured descriptors were written before. Coalesced; blocks
    /// only while `is_full`.
    pub fn write(&self, stream: Stream, parent_header: Bytes, text: &str) {
        if self.is_child() {
            return self.to_parent.write(stream, &parent_header, text);
        }
        self.shared.inlets.drain_before(&self.shared);
        self.shared.outbox.write(stream, &parent_header, text);
    }

    /// Whether `write` and `publish` would wait for readers now: a caller that holds a lock gives it up first.
    pub fn is_full(&self) -> bool {
        self.shared.outbox.is_full() || self.is_child()
    }

    /// Whether `write` and `publish` would go through now, waiting for at most `patience`.
    pub fn wait_for_room(&self, patience: Duration) -> bool {
        self.is_child() || self.shared.outbox.wait_for_room(patience)
    }

    /// Sends stream text on its way now.
    pub fn flush(&self) {
        if self.is_child() {
            return self.to_parent.flush();
        }
        self.shared.outbox.flush();
    }

    /// Aborts every execute_request of the lane that has come by now, and blocks until it is known which: what comes
    /// later runs. Their replies follow the end of the open request.
    pub fn abort_queue(&self, lane: Lane) {
        if self.is_child() {
            return;
        }
        if let Some(requests) = self.shared.requests(lane) {
            requests.lock().begin_abort();
            self.shared.aborts.ask(lane, Duration::from_secs(1));
        }
    }

    /// A further queue of requests, for those whose header has this `subshell_id`. None when the name is taken.
    pub fn open_subshell(&self, name: &str) -> Option<SubshellId> {
        self.shared.open_subshell(name)
    }

    /// The subshell of this name, from its opening until `end_subshell`.
    pub fn subshell(&self, name: &str) -> Option<SubshellId> {
        self.shared.subshells.named(name)
    }

    /// Nothing more is for the subshell: what waits there and what comes later is refused.
    pub fn close_subshell(&self, name: &str) {
        if let Some(id) = self.subshell(name) {
            self.shared.close_subshell(name, id);
        }
    }

    /// The subshell runs nothing any more.
    pub fn end_subshell(&self, name: &str) {
        if let Some(id) = self.subshell(name) {
            self.shared.subshells.remove(id);
        }
    }

    /// A comm message goes out from this lane: what the front end answers belongs there. `question` is the id of a request
    /// that waits for its answer.
    pub fn comm_went(&self, lane: Lane, comm: &str, question: Option<&str>) {
        self.shared.subshells.comm_went(lane, comm, question);
    }

    /// A comm is closed.
    pub fn comm_closed(&self, comm: &str) {
        self.shared.subshells.comm_closed(comm);
    }

    /// Forgets answers that came before they were asked for.
    pub fn purge_answers(&self) {
        if !self.is_child() {
            self.shared.answers.purge();
        }
    }

    /// The next input_reply, waiting for at most `patience`. A forked child gets none.
    pub fn answer(&self, patience: Duration) -> Option<Message> {
        if self.is_child() {
            std::thread::sleep(patience);
            return None;
        }
        self.shared.answers.next(patience)
    }

    /// Redirects descriptors 1 and 2 into the kernel and returns duplicates of the original ones, open until the end.
    ///
    /// # Errors
    /// When the system refuses descriptors.
    pub fn capture(&self) -> io::Result<[RawFd; 2]> {
        self.shared.inlets.capture()
    }

    /// Whether this is a forked child: its output goes to the parent, and it touches no socket.
    pub fn is_child(&self) -> bool {
        forked::is_child()
    }

    /// Sends everything queued, for at most `deadline`, and ends the threads. Again is harmless.
    pub fn close(&self, deadline: Duration) {
        if self.is_child() {
            return;
        }
        let until = Instant::now() + deadline;
        let first = self.shared.closing.send_if_modified(|closing| {
            let first = closing.is_none();
            closing.get_or_insert(until);
            first
        });
        if first {
            self.shared.outbox.stop_waiting();
            self.shared.inlets.close(&self.shared);
            self.shared.outbox.close();
        }
        self.shared.threads.wait(until);
        self.shared.connection.remove();
    }
}

fn spawn_all(shared: &Arc<Shared>, bound: Bound, replies: control::Replies) -> io::Result<()> {
    let Bound {
        shell,
        iopub,
        stdin,
        control,
        heartbeat,
    } = bound;
    let ports = publisher::Ports {
        iopub,
        shell,
        stdin,
    };
    let publish = publisher::run(shared.clone(), ports);
    spawn(&shared.threads, "wire", publish)?;
    let serve = control::run(shared.clone(), control, heartbeat, replies);
    spawn(&shared.threads, "control", serve)?;
    let output = shared.clone();
    shared.threads.spawn("output", move || Inlets::run(&output))
}

/// A thread with a runtime of its own, whose end with an error is the kernel's end.
fn spawn<F>(threads: &Threads, name: &'static str, life: F) -> io::Result<()>
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    threads.spawn(name, move || {
        if let Err(error) = runtime.block_on(life) {
            die(name, error);
        }
    })
}
