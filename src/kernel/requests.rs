//! The requests of one channel: what waits, what is open, what comes next. A value; it sends nothing itself.

use std::collections::VecDeque;

use bytes::Bytes;

use super::interpreter::Channel;
use super::{Request, RequestId};
use crate::wire::Message;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// The interpreter is not up yet.
    Starting,
    Serving,
    /// It will never be up.
    Failed {
        ename: String,
        evalue: String,
    },
}

/// What to do about a message that has just come.
#[derive(Debug)]
pub enum Arrival {
    /// The kernel answers this itself, now.
    Answer(Message),
    Refuse(Message),
    /// Queued, and the interpreter may take something.
    Wake,
    Queued,
}

/// What comes next.
#[derive(Debug)]
pub enum Next {
    /// The kernel answers this itself.
    Answer(Message),
    Give(Request),
    Nothing,
}

#[derive(Debug)]
pub struct Requests {
    channel: Channel,
    phase: Phase,
    waiting: VecDeque<Message>,
    open: Option<RequestId>,
    /// The header of the request that is open or was the last one.
    parent: Bytes,
    given: u64,
    /// An abort waits for what is in the socket already.
    aborting: bool,
    /// Aborted, and told so when the open request is finished.
    doomed: Vec<Message>,
}

impl Requests {
    pub fn new(channel: Channel) -> Self {
        Self {
            channel,
            phase: Phase::Starting,
            waiting: VecDeque::new(),
            open: None,
            parent: Bytes::from_static(b"{}"),
            given: 0,
            aborting: false,
            doomed: Vec::new(),
        }
    }

    pub fn arrive(&mut self, message: Message) -> Arrival {
        let idle = self.open.is_none() && !self.aborting;
        let at_once = match self.channel {
            Channel::Control => answers_itself(self.channel, &message),
            _ => {
                answers_itself(self.channel, &message)
                    && (self.phase != Phase::Serving || idle && self.waiting.is_empty())
            }
        };
        if at_once {
            return Arrival::Answer(message);
        }
        if matches!(self.phase, Phase::Failed { .. }) {
            return Arrival::Refuse(message);
        }
        let wanted = idle || is_comm(&message);
        self.waiting.push_back(message);
        if wanted && self.phase == Phase::Serving {
            Arrival::Wake
        } else {
            Arrival::Queued
        }
    }

    pub fn next(&mut self) -> Next {
        if self.phase != Phase::Serving || self.open.is_some() || self.aborting {
            return Next::Nothing;
        }
        let Some(message) = self.waiting.pop_front() else {
            return Next::Nothing;
        };
        if answers_itself(self.channel, &message) {
            return Next::Answer(message);
        }
        self.given += 1;
        let id = RequestId {
            channel: self.channel,
            number: self.given,
        };
        self.open = Some(id);
        self.parent = message.header.raw.clone();
        Next::Give(Request { message, id })
    }

    /// The next comm message, past others, while a request is open.
    pub fn next_comm(&mut self) -> Option<Message> {
        self.open?;
        let at = self.waiting.iter().position(is_comm)?;
        self.waiting.remove(at)
    }

    /// Whether `next` would give something.
    pub fn ready(&self) -> bool {
        self.phase == Phase::Serving
            && self.open.is_none()
            && !self.aborting
            && !self.waiting.is_empty()
    }

    /// Closes the open request. None when it is not open; else its header, and what was aborted while it was.
    pub fn finish(&mut self, id: RequestId) -> Option<(Bytes, Vec<Message>)> {
        if self.open != Some(id) {
            return None;
        }
        self.open = None;
        Some((self.parent.clone(), std::mem::take(&mut self.doomed)))
    }

    pub fn begin_abort(&mut self) {
        self.aborting = true;
    }

    pub fn aborting(&self) -> bool {
        self.aborting
    }

    /// The requests that the abort takes, in order; others stay. While a request is open they wait for its end.
    pub fn end_abort(&mut self) -> Vec<Message> {
        self.aborting = false;
        let executes = |message: &Message| message.header.msg_type == "execute_request";
        let (aborted, kept): (Vec<_>, _) = self.waiting.drain(..).partition(executes);
        self.waiting = kept.into();
        if self.open.is_none() {
            return aborted;
        }
        self.doomed.extend(aborted);
        Vec::new()
    }

    /// Enters a phase. What waits and can never be served is given back.
    pub fn enter(&mut self, phase: Phase) -> Vec<Message> {
        self.phase = phase;
        match self.phase {
            Phase::Failed { .. } => self.waiting.drain(..).collect(),
            _ => Vec::new(),
        }
    }

    pub fn phase(&self) -> &Phase {
        &self.phase
    }

    /// The header that output with no request of its own belongs to.
    pub fn parent(&self) -> Bytes {
        self.parent.clone()
    }
}

fn answers_itself(channel: Channel, message: &Message) -> bool {
    match &message.header.msg_type[..] {
        "kernel_info_request" => true,
        "interrupt_request" => channel == Channel::Control,
        _ => false,
    }
}

fn is_comm(message: &Message) -> bool {
    let kind = &message.header.msg_type[..];
    matches!(kind, "comm_open" | "comm_msg" | "comm_close")
}
