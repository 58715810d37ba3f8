//! What the kernel's threads share: the state of every channel and the rules between them. Talks to no socket itself.

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};

use super::aborts::Aborts;
use super::capture::Inlets;
use super::contents::Contents;
use super::forked::Children;
use super::interpreter::{Channel, Interpreter, Lane, SubshellId};
use super::iopub::{Item, State};
use super::load::Load;
use super::log::report;
use super::outbox::Outbox;
use super::requests::{Arrival, Next, Phase, Requests};
use super::speaking::Speaking;
use super::stdin::Answers;
use super::subshells::Subshells;
use super::threads::Threads;
use super::usage::Usage;
use super::{KernelInfo, Request, RequestId, interrupt};
use crate::wire::{Connection, Message, Outgoing, Signer};

pub struct Shared {
    pub connection: Connection,
    pub signer: Signer,
    pub contents: Contents,
    pub outbox: Outbox,
    pub answers: Answers,
    pub inlets: Inlets,
    pub threads: Threads,
    pub aborts: Aborts,
    /// Whose output it is that comes by descriptors.
    pub speaking: Speaking,
    pub usage: Usage,
    /// When the kernel closes: until when it may drain.
    pub closing: watch::Sender<Option<Instant>>,
    pub control_replies: mpsc::UnboundedSender<Outgoing>,
    pub interpreter: OnceLock<Arc<dyn Interpreter>>,
    pub shell: Arc<Mutex<Requests>>,
    pub control: Arc<Mutex<Requests>>,
    pub subshells: Subshells,
    /// What waits on shell, for the subshells too, and on control.
    pub shell_load: Load,
    pub control_load: Load,
}

impl Shared {
    pub fn new(
        connection: Connection,
        info: KernelInfo,
        children: Children,
        control_replies: mpsc::UnboundedSender<Outgoing>,
    ) -> io::Result<Self> {
        let (shell_load, control_load) = (Load::default(), Load::default());
        let queue = |lane, load: &Load| {
            let requests = Requests::new(lane, Phase::Starting, load.clone());
            Arc::new(Mutex::new(requests))
        };
        Ok(Self {
            signer: Signer::new(&connection.key),
            connection,
            contents: Contents::new(info),
            outbox: Outbox::default(),
            answers: Answers::default(),
            inlets: Inlets::new(children)?,
            threads: Threads::default(),
            aborts: Aborts::default(),
            speaking: Speaking::default(),
            usage: Usage::default(),
            closing: watch::Sender::new(None),
            control_replies,
            interpreter: OnceLock::new(),
            shell: queue(Lane::Shell, &shell_load),
            control: queue(Lane::Control, &control_load),
            subshells: Subshells::default(),
            shell_load,
            control_load,
        })
    }

    /// None for a subshell that has ended.
    pub fn requests(&self, lane: Lane) -> Option<Arc<Mutex<Requests>>> {
        match lane {
            Lane::Shell => Some(self.shell.clone()),
            Lane::Control => Some(self.control.clone()),
            Lane::Subshell(id) => self.subshells.requests(id),
        }
    }

    /// Reads what a socket gave. A frame that is no message costs a line.
    pub fn read(&self, channel: &str, frames: Vec<Bytes>) -> Option<Message> {
        (Message::read(frames, &self.signer))
            .map_err(|error| report(&format_args!("ignored a message on {channel}: {error}")))
            .ok()
    }

    /// A request came on shell.
    pub fn arrived_on_shell(&self, message: Message) {
        match self.subshells.lane_of(&message) {
            Ok(lane) => self.arrived(lane, message),
            Err(name) => {
                let (ename, evalue) = no_such_subshell(&name);
                let reply = self.contents.error(&message, &ename, &evalue);
                self.respond(Channel::Shell, &message, reply);
            }
        }
    }

    /// A request came.
    pub fn arrived(&self, lane: Lane, message: Message) {
        let Some(requests) = self.requests(lane) else {
            return;
        };
        let goodbye = (lane == Lane::Control).then(|| self.contents.goodbye(&message));
        let arrival = requests.lock().arrive(message);
        match arrival {
            Arrival::Answer(message) => self.answer(lane.channel(), &message),
            Arrival::Refuse(message) => self.refuse(lane, &[message]),
            Arrival::Wake | Arrival::Queued => {
                // Said now; the interpreter ends when it can.
                if let Some(reply) = goodbye.flatten() {
                    self.reply(Channel::Control, reply);
                }
                if matches!(arrival, Arrival::Wake) {
                    self.wake(lane);
                }
            }
        }
    }

    /// The next request for the interpreter. Those that the kernel answers itself are answered on the way.
    pub fn take(&self, lane: Lane) -> Option<Request> {
        let requests = self.requests(lane)?;
        loop {
            let next = requests.lock().next();
            match next {
                Next::Answer(message) => self.answer(lane.channel(), &message),
                Next::Give(request) => {
                    let parent = request.message.header.raw.clone();
                    if lane != Lane::Control {
                        self.speaking.begin(request.id, &parent);
                    }
                    let state = State::Busy;
                    let busy = Item::Status { state, parent };
                    // A cell's input follows at once; or the interpreter says that it does not (`wake`).
                    if &request.message.header.msg_type[..] == "execute_request" {
                        self.outbox.push_ahead(busy);
                    } else {
                        self.outbox.push([busy]);
                    }
                    return Some(request);
                }
                Next::Nothing => return None,
            }
        }
    }

    pub fn finish(&self, id: RequestId) {
        let Some(requests) = self.requests(id.lane) else {
            return;
        };
        if id.lane != Lane::Control {
            self.inlets.drain(self);
            self.speaking.end(id);
        }
        let Some((parent, doomed)) = requests.lock().finish(id) else {
            return;
        };
        let state = State::Idle;
        self.outbox.push([Item::Status { state, parent }]);
        self.abort_all(&doomed);
        self.wake_if_ready(id.lane, &requests);
    }

    /// Ends the aborts that the shell's task was rung for.
    pub fn abort(&self) {
        self.aborts.carry_out(|lane| {
            if let Some(requests) = self.requests(lane) {
                let aborted = requests.lock().end_abort();
                self.abort_all(&aborted);
                self.wake_if_ready(lane, &requests);
            }
        });
    }

    /// A further queue of requests. None when the name is taken.
    pub fn open_subshell(&self, name: &str) -> Option<SubshellId> {
        let phase = self.shell.lock().phase().clone();
        let requests = |lane| Requests::new(lane, phase, self.shell_load.clone());
        self.subshells.open(name, requests)
    }

    /// Nothing more is for the subshell; what waits there is refused.
    pub fn close_subshell(&self, name: &str, id: SubshellId) {
        let (ename, evalue) = no_such_subshell(name);
        let waiting = self.subshells.close(id, Phase::Failed { ename, evalue });
        self.refuse(Lane::Subshell(id), &waiting);
    }

    fn abort_all(&self, requests: &[Message]) {
        for message in requests {
            let reply = self.contents.aborted(message);
            self.respond(Channel::Shell, message, reply);
        }
    }

    pub fn enter(&self, phase: &Phase) {
        for (lane, requests) in [(Lane::Shell, &self.shell), (Lane::Control, &self.control)] {
            let refused = requests.lock().enter(phase.clone());
            self.refuse(lane, &refused);
            self.wake_if_ready(lane, requests);
        }
    }

    /// Sends to a channel's peer.
    pub fn reply(&self, channel: Channel, message: Outgoing) {
        match channel {
            // Fails only when the control thread has ended, and its socket with it.
            Channel::Control => drop(self.control_replies.send(message)),
            _ => self.outbox.push([Item::Reply { channel, message }]),
        }
    }

    /// Sends the last reply of an open request, with the idle that follows at once.
    pub fn reply_at_end(&self, channel: Channel, message: Outgoing) {
        if channel == Channel::Control || !self.speaking.is_open() {
            return self.reply(channel, message);
        }
        self.outbox.push_ahead(Item::Reply { channel, message });
    }

    fn answer(&self, channel: Channel, message: &Message) {
        let reply = match &message.header.msg_type[..] {
            "interrupt_request" => {
                interrupt::interrupt();
                self.contents.ok(message)
            }
            "usage_request" => self.contents.usage(message, &self.usage.read()),
            _ => self.contents.kernel_info(message),
        };
        self.respond(channel, message, reply);
    }

    fn refuse(&self, lane: Lane, messages: &[Message]) {
        let Some(requests) = self.requests(lane) else {
            return;
        };
        let Phase::Failed { ename, evalue } = requests.lock().phase().clone() else {
            return;
        };
        for message in messages {
            let reply = self.contents.error(message, &ename, &evalue);
            self.respond(lane.channel(), message, reply);
        }
    }

    /// Busy, the reply, idle.
    fn respond(&self, channel: Channel, request: &Message, reply: Outgoing) {
        let status = |state| Item::Status {
            state,
            parent: request.header.raw.clone(),
        };
        self.outbox.push([status(State::Busy)]);
        if request.header.msg_type.ends_with("_request") {
            self.reply(channel, reply);
        }
        self.outbox.push([status(State::Idle)]);
    }

    fn wake_if_ready(&self, lane: Lane, requests: &Mutex<Requests>) {
        if requests.lock().ready() {
            self.wake(lane);
        }
    }

    fn wake(&self, lane: Lane) {
        if let Some(interpreter) = self.interpreter.get() {
            interpreter.wake(lane);
        }
    }

    /// When the kernel begins to close.
    pub async fn closing(&self) -> Instant {
        let mut closing = self.closing.subscribe();
        loop {
            let until = *closing.borrow_and_update();
            if let Some(until) = until {
                return until;
            }
            if closing.changed().await.is_err() {
                return Instant::now();
            }
        }
    }

    /// When the time to drain is over.
    pub async fn expired(&self) {
        let until = self.closing().await;
        tokio::time::sleep_until(until.into()).await;
    }
}

/// As ipykernel says it.
fn no_such_subshell(name: &str) -> (String, String) {
    let evalue = format!("Unknown subshell_id '{name}'");
    ("UnknownSubshellError".to_owned(), evalue)
}
