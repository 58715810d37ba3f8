//! The few messages that the kernel makes itself. Owns their JSON; queues nothing.

use bytes::Bytes;
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::{Map, Value};

use super::KernelInfo;
use super::interpreter::Stream;
use super::iopub::State;
use super::usage::Content;
use crate::wire::{Message, Outgoing, header};

/// Makes messages that carry the kernel's session and user.
pub struct Contents {
    info: KernelInfo,
    /// The content of `kernel_info_reply`, as it is known by now.
    kernel_info: Mutex<Bytes>,
    status_topic: Bytes,
}

#[derive(Serialize)]
struct StreamContent<'a> {
    name: &'a str,
    text: &'a str,
}

#[derive(Serialize)]
struct Welcome<'a> {
    subscription: &'a str,
}

#[derive(Serialize)]
struct ErrorContent<'a> {
    status: &'a str,
    ename: &'a str,
    evalue: &'a str,
    traceback: [&'a str; 0],
}

#[derive(Serialize)]
struct Goodbye<'a> {
    status: &'a str,
    /// As it was asked.
    restart: &'a Value,
}

impl Contents {
    pub fn new(info: KernelInfo) -> Self {
        let status_topic = format!("kernel.{}.status", info.ident).into();
        let kernel_info = Mutex::new(info.content.clone());
        Self {
            info,
            kernel_info,
            status_topic,
        }
    }

    pub fn inform(&self, kernel_info: Bytes) {
        *self.kernel_info.lock() = kernel_info;
    }

    pub fn status(&self, state: State, parent: Bytes) -> (Bytes, Outgoing) {
        let content: &[u8] = match state {
            State::Starting => br#"{"execution_state":"starting"}"#,
            State::Busy => br#"{"execution_state":"busy"}"#,
            State::Idle => br#"{"execution_state":"idle"}"#,
        };
        let message = self.message("status", parent, Bytes::from_static(content));
        (self.status_topic.clone(), message)
    }

    pub fn stream(&self, stream: Stream, parent: Bytes, text: &str) -> (Bytes, Outgoing) {
        let name = stream.name();
        let topic = match stream {
            Stream::Stdout => Bytes::from_static(b"stream.stdout"),
            Stream::Stderr => Bytes::from_static(b"stream.stderr"),
        };
        (
            topic,
            self.message("stream", parent, json(&StreamContent { name, text })),
        )
    }

    /// A message of another kind, with the topic that ipykernel gives it.
    pub fn own(&self, msg_type: &str, parent: Bytes, content: Bytes) -> (Bytes, Outgoing) {
        let topic = format!("kernel.{}.{msg_type}", self.info.ident).into();
        (topic, self.message(msg_type, parent, content))
    }

    /// Published under the subscription itself, so that whoever made it hears it.
    pub fn welcome(&self, subscription: Bytes) -> (Bytes, Outgoing) {
        let content = json(&Welcome {
            subscription: &String::from_utf8_lossy(&subscription),
        });
        (
            subscription,
            self.message("iopub_welcome", Bytes::new(), content),
        )
    }

    pub fn kernel_info(&self, request: &Message) -> Outgoing {
        self.reply(request, self.kernel_info.lock().clone())
    }

    pub fn usage(&self, request: &Message, usage: &Content) -> Outgoing {
        self.reply(request, json(usage))
    }

    pub fn ok(&self, request: &Message) -> Outgoing {
        self.reply(request, Bytes::from_static(br#"{"status":"ok"}"#))
    }

    /// The reply to a shutdown_request that can be understood; None to any other message.
    pub fn goodbye(&self, request: &Message) -> Option<Outgoing> {
        if request.header.msg_type != "shutdown_request" {
            return None;
        }
        let asked: Map<String, Value> = serde_json::from_slice(&request.content).ok()?;
        let content = json(&Goodbye {
            status: "ok",
            restart: asked.get("restart").unwrap_or(&Value::Bool(false)),
        });
        Some(self.reply(request, content))
    }

    pub fn aborted(&self, request: &Message) -> Outgoing {
        self.reply(request, Bytes::from_static(br#"{"status":"aborted"}"#))
    }

    pub fn error(&self, request: &Message, ename: &str, evalue: &str) -> Outgoing {
        let content = json(&ErrorContent {
            status: "error",
            ename,
            evalue,
            traceback: [],
        });
        self.reply(request, content)
    }

    fn reply(&self, request: &Message, content: Bytes) -> Outgoing {
        let kind = &request.header.msg_type;
        let kind = kind.strip_suffix("_request").unwrap_or(kind);
        let parent = request.header.raw.clone();
        Outgoing {
            ids: request.ids.clone(),
            ..self.message(&format!("{kind}_reply"), parent, content)
        }
    }

    fn message(&self, msg_type: &str, parent_header: Bytes, content: Bytes) -> Outgoing {
        Outgoing {
            header: header(msg_type, &self.info.session, &self.info.username),
            parent_header,
            content,
            ..Outgoing::default()
        }
    }
}

fn json(content: &impl Serialize) -> Bytes {
    serde_json::to_vec(content)
        .expect("strings and numbers are always JSON")
        .into()
}
