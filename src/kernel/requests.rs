//! The requests of one lane: what waits, what is open, what comes next. A value; it sends nothing itself.

use std::collections::VecDeque;

use bytes::Bytes;

use super::interpreter::Lane;
use super::load::Load;
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
    lane: Lane,
    phase: Phase,
    waiting: VecDeque<Message>,
    /// What waits here and on the other lanes of the channel.
    load: Load,
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
    pub fn new(lane: Lane, phase: Phase, load: Load) -> Self {
        Self {
            lane,
            phase,
            waiting: VecDeque::new(),
            load,
            open: None,
            parent: Bytes::from_static(b"{}"),
            given: 0,
            aborting: false,
            doomed: Vec::new(),
        }
    }

    pub fn arrive(&mut self, message: Message) -> Arrival {
        let idle = self.open.is_none() && !self.aborting;
        let at_once = match self.lane {
            Lane::Control => answers_itself(self.lane, &message),
            _ => {
                answers_itself(self.lane, &message)
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
        self.load.add(message.size());
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
        let Some(message) = self.remove(0) else {
            return Next::Nothing;
        };
        if answers_itself(self.lane, &message) {
            return Next::Answer(message);
        }
        self.given += 1;
        let id = RequestId {
            lane: self.lane,
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
        self.remove(at)
    }

    fn remove(&mut self, at: usize) -> Option<Message> {
        let message = self.waiting.remove(at)?;
        self.load.remove(message.size());
        Some(message)
    }

    /// All that waits.
    fn drain(&mut self) -> VecDeque<Message> {
        self.load
            .remove(self.waiting.iter().map(Message::size).sum());
        std::mem::take(&mut self.waiting)
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

    /// The requests that the abort takes, in order; others stay. While a request is open they wait for its end.
    pub fn end_abort(&mut self) -> Vec<Message> {
        self.aborting = false;
        let executes = |message: &Message| message.header.msg_type == "execute_request";
        let (aborted, kept): (Vec<_>, Vec<_>) = self.drain().into_iter().partition(executes);
        self.load.add(kept.iter().map(Message::size).sum());
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
            Phase::Failed { .. } => self.drain().into(),
            _ => Vec::new(),
        }
    }

    pub fn phase(&self) -> &Phase {
        &self.phase
    }
}

fn answers_itself(lane: Lane, message: &Message) -> bool {
    match &message.header.msg_type[..] {
        "kernel_info_request" => true,
        "interrupt_request" | "usage_request" => lane == Lane::Control,
        _ => false,
    }
}

fn is_comm(message: &Message) -> bool {
    let kind = &message.header.msg_type[..];
    matches!(kind, "comm_open" | "comm_msg" | "comm_close")
}

#[cfg(test)]
mod tests {
    use super::super::load::WAITING;
    use super::*;
    use crate::wire::Header;

    fn message(msg_type: &str) -> Message {
        let raw = Bytes::from(msg_type.to_owned());
        Message {
            ids: Vec::new(),
            header: Header {
                raw,
                msg_id: String::new(),
                msg_type: msg_type.to_owned(),
                session: String::new(),
                subshell_id: None,
            },
            parent_header: Bytes::new(),
            metadata: Bytes::new(),
            content: Bytes::new(),
            buffers: Vec::new(),
        }
    }

    fn serving(lane: Lane, waiting: &[&str]) -> Requests {
        let mut requests = Requests::new(lane, Phase::Serving, Load::default());
        for kind in waiting {
            requests.arrive(message(kind));
        }
        requests
    }

    fn given(requests: &mut Requests) -> Option<(String, RequestId)> {
        match requests.next() {
            Next::Give(request) => Some((request.message.header.msg_type, request.id)),
            _ => None,
        }
    }

    fn kinds(messages: &[Message]) -> Vec<&str> {
        (messages.iter())
            .map(|message| &message.header.msg_type[..])
            .collect()
    }

    #[test]
    fn one_request_is_open_at_a_time_and_finishing_another_does_nothing() {
        let mut requests = serving(Lane::Shell, &["a_request", "b_request"]);
        let (first, id) = given(&mut requests).unwrap();
        assert_eq!(first, "a_request");
        assert!(given(&mut requests).is_none());
        let number = id.number + 1;
        assert!(requests.finish(RequestId { number, ..id }).is_none());
        assert_eq!(requests.finish(id).unwrap().0, "a_request");
        assert!(requests.finish(id).is_none());
        assert_eq!(given(&mut requests).unwrap().0, "b_request");
    }

    #[test]
    fn nothing_is_given_before_there_is_an_interpreter() {
        let mut requests = Requests::new(Lane::Shell, Phase::Starting, Load::default());
        let arrival = requests.arrive(message("execute_request"));
        assert!(matches!(arrival, Arrival::Queued));
        assert!(given(&mut requests).is_none());
        assert!(requests.enter(Phase::Serving).is_empty());
        assert!(requests.ready() && given(&mut requests).is_some());
    }

    #[test]
    fn an_interpreter_that_failed_leaves_nothing_waiting() {
        let mut requests = Requests::new(Lane::Shell, Phase::Starting, Load::default());
        requests.arrive(message("execute_request"));
        let (ename, evalue) = (String::new(), String::new());
        let refused = requests.enter(Phase::Failed { ename, evalue });
        assert_eq!(kinds(&refused), ["execute_request"]);
        let arrival = requests.arrive(message("execute_request"));
        assert!(matches!(arrival, Arrival::Refuse(_)));
        let arrival = requests.arrive(message("kernel_info_request"));
        assert!(matches!(arrival, Arrival::Answer(_)));
    }

    #[test]
    fn the_interpreter_is_woken_only_for_what_it_may_take() {
        let mut requests = serving(Lane::Shell, &[]);
        let mut wakes = |kind| matches!(requests.arrive(message(kind)), Arrival::Wake);
        assert!(wakes("execute_request"));
        given(&mut requests).unwrap();
        let mut wakes = |kind| matches!(requests.arrive(message(kind)), Arrival::Wake);
        assert!(!wakes("execute_request"));
        assert!(wakes("comm_msg"));
    }

    #[test]
    fn comm_messages_pass_others_only_while_a_request_is_open() {
        let mut requests = serving(Lane::Shell, &["a_request", "b_request", "comm_msg"]);
        assert!(requests.next_comm().is_none());
        let (_, id) = given(&mut requests).unwrap();
        assert!(requests.next_comm().is_some());
        assert!(requests.next_comm().is_none());
        requests.finish(id);
        assert_eq!(given(&mut requests).unwrap().0, "b_request");
    }

    #[test]
    fn an_abort_takes_executes_alone_and_tells_of_them_after_the_open_request() {
        let waiting = ["execute_request", "execute_request", "complete_request"];
        let mut requests = serving(Lane::Shell, &waiting);
        let (_, id) = given(&mut requests).unwrap();
        requests.begin_abort();
        requests.arrive(message("execute_request"));
        assert!(requests.end_abort().is_empty());
        requests.arrive(message("history_request"));
        let (_, aborted) = requests.finish(id).unwrap();
        assert_eq!(kinds(&aborted), ["execute_request", "execute_request"]);
        let (next, id) = given(&mut requests).unwrap();
        assert_eq!(next, "complete_request");
        assert!(requests.finish(id).unwrap().1.is_empty());
        assert_eq!(given(&mut requests).unwrap().0, "history_request");
    }

    #[test]
    fn only_control_answers_interrupts_and_usage_itself() {
        let mut control = serving(Lane::Control, &["a_request"]);
        given(&mut control).unwrap();
        for kind in ["interrupt_request", "kernel_info_request", "usage_request"] {
            assert!(matches!(control.arrive(message(kind)), Arrival::Answer(_)));
        }
        let mut shell = serving(Lane::Shell, &[]);
        let arrival = shell.arrive(message("interrupt_request"));
        assert!(matches!(arrival, Arrival::Wake));
    }

    #[test]
    fn what_waits_is_bounded_whatever_becomes_of_it() {
        let mut requests = serving(Lane::Shell, &[]);
        let full = requests.load.full();
        let large = |kind: &str| Message {
            buffers: vec![Bytes::from_static(&[0; WAITING / 4])],
            ..message(kind)
        };
        for kind in ["a_request", "execute_request", "comm_msg"] {
            requests.arrive(large(kind));
        }
        assert!(!*full.borrow());
        requests.arrive(large("execute_request"));
        assert!(*full.borrow());
        let (_, id) = given(&mut requests).unwrap();
        assert!(!*full.borrow());
        requests.arrive(large("execute_request"));
        assert!(*full.borrow());
        requests.next_comm().unwrap();
        requests.begin_abort();
        assert!(requests.end_abort().is_empty());
        assert_eq!(requests.finish(id).unwrap().1.len(), 3);
        assert_eq!(requests.load.bytes(), 0);
    }

    #[test]
    fn kernel_info_on_shell_is_answered_in_its_turn() {
        let mut shell = serving(Lane::Shell, &["a_request", "kernel_info_request"]);
        let (_, id) = given(&mut shell).unwrap();
        assert!(matches!(shell.next(), Next::Nothing));
        shell.finish(id);
        assert!(matches!(shell.next(), Next::Answer(_)));
        let arrival = shell.arrive(message("kernel_info_request"));
        assert!(matches!(arrival, Arrival::Answer(_)));
    }
}
