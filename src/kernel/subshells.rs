//! Subshells: further queues of requests on the shell channel, and which queue a message belongs to. Runs nothing.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::Deserialize;

use super::interpreter::{Lane, SubshellId};
use super::requests::{Phase, Requests};
use crate::wire::Message;

/// Questions of comms that are remembered.
const QUESTIONS: usize = 4096;

#[derive(Default)]
pub struct Subshells(Mutex<Table>);

#[derive(Default)]
struct Table {
    made: u32,
    entries: HashMap<SubshellId, Entry>,
    comms: Comms,
}

struct Entry {
    name: String,
    requests: Arc<Mutex<Requests>>,
    /// Nothing new is for it; what it runs may not be done yet.
    closed: bool,
}

/// Which lane spoke through a comm: answers of the front end belong there, whatever they say themselves.
#[derive(Default)]
struct Comms {
    last: HashMap<String, Lane>,
    questions: HashMap<(String, String), Lane>,
}

/// What is read of a comm message that comes in.
#[derive(Deserialize)]
struct CommContent {
    comm_id: String,
    #[serde(default)]
    data: serde_json::Value,
}

impl Subshells {
    /// Adds one. None when the name is taken.
    pub fn open(&self, name: &str, requests: impl FnOnce(Lane) -> Requests) -> Option<SubshellId> {
        let mut table = self.0.lock();
        if table.named(name).is_some() {
            return None;
        }
        table.made += 1;
        let id = SubshellId(table.made);
        let entry = Entry {
            name: name.to_owned(),
            requests: Arc::new(Mutex::new(requests(Lane::Subshell(id)))),
            closed: false,
        };
        table.entries.insert(id, entry);
        Some(id)
    }

    /// The one of this name, also while it closes.
    pub fn named(&self, name: &str) -> Option<SubshellId> {
        self.0.lock().named(name).map(|(id, _)| id)
    }

    pub fn requests(&self, id: SubshellId) -> Option<Arc<Mutex<Requests>>> {
        let table = self.0.lock();
        table.entries.get(&id).map(|entry| entry.requests.clone())
    }

    /// From now on nothing is for it, and its queue refuses what it gets. What waited there.
    pub fn close(&self, id: SubshellId, refusal: Phase) -> Vec<Message> {
        let mut table = self.0.lock();
        let Some(entry) = table.entries.get_mut(&id) else {
            return Vec::new();
        };
        entry.closed = true;
        let waiting = entry.requests.lock().enter(refusal);
        let lane = Lane::Subshell(id);
        table.comms.last.retain(|_, of| *of != lane);
        table.comms.questions.retain(|_, of| *of != lane);
        waiting
    }

    /// It has ended.
    pub fn remove(&self, id: SubshellId) {
        self.0.lock().entries.remove(&id);
    }

    /// Where a message that came on shell belongs. The name of a subshell that is not there is given back.
    pub fn lane_of(&self, message: &Message) -> Result<Lane, String> {
        let table = self.0.lock();
        if let Some(lane) = table.comms.lane_of(message) {
            return Ok(lane);
        }
        let Some(name) = &message.header.subshell_id else {
            return Ok(Lane::Shell);
        };
        let open = table.named(name).filter(|(_, entry)| !entry.closed);
        open.map(|(id, _)| Lane::Subshell(id))
            .ok_or_else(|| name.clone())
    }

    /// A comm message goes out from this lane; `question` is the id of a request that waits for its answer.
    pub fn comm_went(&self, lane: Lane, comm: &str, question: Option<&str>) {
        let mut table = self.0.lock();
        let comms = &mut table.comms;
        comms.last.insert(comm.to_owned(), lane);
        if let Some(question) = question {
            // Those that nobody has answered by then: their answers go to who spoke last.
            if comms.questions.len() >= QUESTIONS {
                comms.questions.clear();
            }
            let key = (comm.to_owned(), question.to_owned());
            comms.questions.insert(key, lane);
        }
    }

    /// The comm is closed: nothing more is for it.
    pub fn comm_closed(&self, comm: &str) {
        let comms = &mut self.0.lock().comms;
        comms.last.remove(comm);
        comms.questions.retain(|(of, _), _| of != comm);
    }
}

impl Table {
    fn named(&self, name: &str) -> Option<(SubshellId, &Entry)> {
        let mut entries = self.entries.iter();
        let (id, entry) = entries.find(|(_, entry)| entry.name == name)?;
        Some((*id, entry))
    }
}

impl Comms {
    fn lane_of(&self, message: &Message) -> Option<Lane> {
        let kind = &message.header.msg_type[..];
        if self.last.is_empty() || !matches!(kind, "comm_msg" | "comm_close") {
            return None;
        }
        let content: CommContent = serde_json::from_slice(&message.content).ok()?;
        let question = content
            .data
            .pointer("/content/id")
            .and_then(|id| id.as_str());
        let asked = question.and_then(|question| {
            let key = (content.comm_id.clone(), question.to_owned());
            self.questions.get(&key)
        });
        asked.or_else(|| self.last.get(&content.comm_id)).copied()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::load::Load;
    use super::super::requests::Arrival;
    use super::*;
    use crate::wire::Header;

    fn message(msg_type: &str, subshell: Option<&str>, content: &str) -> Message {
        Message {
            ids: Vec::new(),
            header: Header {
                raw: Bytes::new(),
                msg_id: String::new(),
                msg_type: msg_type.to_owned(),
                session: String::new(),
                subshell_id: subshell.map(str::to_owned),
            },
            parent_header: Bytes::new(),
            metadata: Bytes::new(),
            content: Bytes::from(content.to_owned()),
            buffers: Vec::new(),
        }
    }

    fn answer(question: &str) -> Message {
        let content =
            format!(r#"{{"comm_id": "c", "data": {{"content": {{"id": "{question}"}}}}}}"#);
        message("comm_msg", Some("gone"), &content)
    }

    fn with(names: &[&str]) -> (Subshells, Vec<SubshellId>) {
        let subshells = Subshells::default();
        let new = |lane| Requests::new(lane, Phase::Serving, Load::default());
        let open = |name: &&str| subshells.open(name, new).expect("a new name");
        let ids = names.iter().map(open).collect();
        assert!(subshells.open(names[0], new).is_none(), "the name is taken");
        (subshells, ids)
    }

    #[test]
    fn a_request_goes_where_its_header_says() {
        let (subshells, ids) = with(&["a", "b"]);
        let lane_of = |name| subshells.lane_of(&message("execute_request", name, "{}"));
        assert_eq!(lane_of(None), Ok(Lane::Shell));
        assert_eq!(lane_of(Some("b")), Ok(Lane::Subshell(ids[1])));
        assert_eq!(lane_of(Some("gone")), Err("gone".to_owned()));
    }

    fn gone() -> Phase {
        let (ename, evalue) = (String::new(), String::new());
        Phase::Failed { ename, evalue }
    }

    #[test]
    fn a_closed_one_takes_nothing_and_keeps_its_name_until_it_ends() {
        let (subshells, ids) = with(&["a"]);
        let request = message("execute_request", Some("a"), "{}");
        let requests = subshells.requests(ids[0]).expect("it is open");
        requests.lock().arrive(request.clone());
        assert_eq!(subshells.close(ids[0], gone()).len(), 1, "what waited");
        assert_eq!(subshells.lane_of(&request), Err("a".to_owned()));
        let late = requests.lock().arrive(request);
        assert!(
            matches!(late, Arrival::Refuse(_)),
            "sorted before it closed"
        );
        assert_eq!(subshells.named("a"), Some(ids[0]));
        subshells.remove(ids[0]);
        assert_eq!(subshells.named("a"), None);
    }

    #[test]
    fn an_answer_goes_to_who_asked_or_else_to_who_spoke_last() {
        let (subshells, ids) = with(&["a", "b"]);
        let [a, b] = [ids[0], ids[1]].map(Lane::Subshell);
        subshells.comm_went(a, "c", Some("q"));
        subshells.comm_went(b, "c", None);
        assert_eq!(subshells.lane_of(&answer("q")), Ok(a));
        assert_eq!(subshells.lane_of(&answer("other")), Ok(b));
        subshells.close(ids[0], gone());
        assert_eq!(subshells.lane_of(&answer("q")), Ok(b));
        subshells.comm_closed("c");
        assert_eq!(subshells.lane_of(&answer("q")), Err("gone".to_owned()));
    }
}
