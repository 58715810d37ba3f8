//! What the kernel's threads share: the state of every channel and the rules between them. Talks to no socket itself.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use tokio::sync::{Notify, mpsc, watch};

use super::capture::Inlets;
use super::contents::Contents;
use super::interpreter::{Channel, Interpreter};
use super::iopub::{Item, State};
use super::log::report;
use super::outbox::Outbox;
use super::requests::{Arrival, Next, Phase, Requests};
use super::stdin::Answers;
use super::threads::Threads;
use super::{Request, RequestId, interrupt};
use crate::wire::{Connection, Message, Outgoing, Signer};

pub struct Shared {
    pub connection: Connection,
    pub signer: Signer,
    pub contents: Contents,
    pub outbox: Outbox,
    pub answers: Answers,
    pub inlets: Inlets,
    pub threads: Threads,
    /// Rings when queued requests are to be aborted.
    pub abort: Notify,
    /// Rings when it is known which ones.
    pub aborted: Condvar,
    /// When the kernel closes: until when it may drain.
    pub closing: watch::Sender<Option<Instant>>,
    pub control_replies: mpsc::UnboundedSender<Outgoing>,
    pub interpreter: OnceLock<Arc<dyn Interpreter>>,
    pub shell: Mutex<Requests>,
    pub control: Mutex<Requests>,
}

impl Shared {
    pub fn requests(&self, channel: Channel) -> Option<&Mutex<Requests>> {
        match channel {
            Channel::Shell => Some(&self.shell),
            Channel::Control => Some(&self.control),
            Channel::Stdin => None,
        }
    }

    /// Reads what a socket gave. A frame that is no message costs a line.
    pub fn read(&self, channel: &str, frames: Vec<Bytes>) -> Option<Message> {
        (Message::read(frames, &self.signer))
            .map_err(|error| report(&format_args!("ignored a message on {channel}: {error}")))
            .ok()
    }

    /// A request came.
    pub fn arrived(&self, channel: Channel, message: Message) {
        let Some(requests) = self.requests(channel) else {
            return;
        };
        let arrival = requests.lock().arrive(message);
        match arrival {
            Arrival::Answer(message) => self.answer(channel, &message),
            Arrival::Refuse(message) => self.refuse(channel, &[message]),
            Arrival::Wake => self.wake(channel),
            Arrival::Queued => {}
        }
    }

    /// The next request for the interpreter. Those that the kernel answers itself are answered on the way.
    pub fn take(&self, channel: Channel) -> Option<Request> {
        let requests = self.requests(channel)?;
        loop {
            let next = requests.lock().next();
            match next {
                Next::Answer(message) => self.answer(channel, &message),
                Next::Give(request) => {
                    let parent = request.message.header.raw.clone();
                    let state = State::Busy;
                    self.outbox.push([Item::Status { state, parent }]);
                    return Some(request);
                }
                Next::Nothing => return None,
            }
        }
    }

    pub fn finish(&self, id: RequestId) {
        let Some(requests) = self.requests(id.channel) else {
            return;
        };
        if id.channel == Channel::Shell {
            self.inlets.drain(self);
        }
        let Some((parent, doomed)) = requests.lock().finish(id) else {
            return;
        };
        let state = State::Idle;
        self.outbox.push([Item::Status { state, parent }]);
        self.abort_all(&doomed);
        if requests.lock().ready() {
            self.wake(id.channel);
        }
    }

    /// Ends an abort that the shell's task was rung for.
    pub fn aborted(&self) {
        let aborted = self.shell.lock().end_abort();
        self.aborted.notify_all();
        self.abort_all(&aborted);
        if self.shell.lock().ready() {
            self.wake(Channel::Shell);
        }
    }

    fn abort_all(&self, requests: &[Message]) {
        for message in requests {
            let reply = self.contents.aborted(message);
            self.respond(Channel::Shell, message, reply);
        }
    }

    pub fn enter(&self, phase: &Phase) {
        for channel in [Channel::Shell, Channel::Control] {
            let Some(requests) = self.requests(channel) else {
                continue;
            };
            let refused = requests.lock().enter(phase.clone());
            self.refuse(channel, &refused);
            if requests.lock().ready() {
                self.wake(channel);
            }
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

    fn answer(&self, channel: Channel, message: &Message) {
        let reply = if message.header.msg_type == "interrupt_request" {
            interrupt::interrupt();
            self.contents.ok(message)
        } else {
            self.contents.kernel_info(message)
        };
        self.respond(channel, message, reply);
    }

    fn refuse(&self, channel: Channel, messages: &[Message]) {
        let Some(requests) = self.requests(channel) else {
            return;
        };
        let Phase::Failed { ename, evalue } = requests.lock().phase().clone() else {
            return;
        };
        for message in messages {
            let reply = self.contents.error(message, &ename, &evalue);
            self.respond(channel, message, reply);
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

    fn wake(&self, channel: Channel) {
        if let Some(interpreter) = self.interpreter.get() {
            interpreter.wake(channel);
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
