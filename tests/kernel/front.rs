//! The front end of the tests: real ZeroMQ client sockets, and expectations that read like the wire.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use cellheap::wire::{Connection, Transport};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::runtime::Runtime;
use zeromq::util::PeerIdentity;
use zeromq::{
    DealerSocket, ReqSocket, Socket, SocketOptions, SocketRecv, SocketSend, SubSocket, ZmqMessage,
};

/// Nothing on loopback takes this long: what has not come by then never comes.
const NEVER: Duration = Duration::from_secs(20);

/// What iopub says, as tests spell it.
#[derive(Debug, Clone, PartialEq)]
pub enum Seen {
    Status(String),
    Input(String),
    Result(String),
    Display(String),
    Text(String, String),
    Error(String),
    Welcome(String),
    Other(String, Value),
}

pub fn busy() -> Seen {
    Seen::Status("busy".into())
}
pub fn idle() -> Seen {
    Seen::Status("idle".into())
}
pub fn input(code: &str) -> Seen {
    Seen::Input(code.into())
}
pub fn result(text: &str) -> Seen {
    Seen::Result(text.into())
}
pub fn display(text: &str) -> Seen {
    Seen::Display(text.into())
}
pub fn stdout(text: &str) -> Seen {
    Seen::Text("stdout".into(), text.into())
}
pub fn stderr(text: &str) -> Seen {
    Seen::Text("stderr".into(), text.into())
}
pub fn error(ename: &str) -> Seen {
    Seen::Error(ename.into())
}
pub fn welcome(subscription: &str) -> Seen {
    Seen::Welcome(subscription.into())
}

/// A message as it came over the wire.
#[derive(Debug, Clone)]
pub struct Got {
    pub header: Value,
    pub parent: Bytes,
    pub content: Value,
    pub buffers: Vec<Bytes>,
}

impl Got {
    pub fn kind(&self) -> &str {
        self.header["msg_type"].as_str().unwrap()
    }

    pub fn status(&self) -> &str {
        self.content["status"].as_str().unwrap()
    }

    pub fn seen(&self) -> Seen {
        let content = |name: &str| self.content[name].as_str().unwrap_or_default().to_owned();
        let plain = || {
            self.content["data"]["text/plain"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        match self.kind() {
            "status" => Seen::Status(content("execution_state")),
            "execute_input" => Seen::Input(content("code")),
            "execute_result" => Seen::Result(plain()),
            "display_data" => Seen::Display(plain()),
            "stream" => Seen::Text(content("name"), content("text")),
            "error" => Seen::Error(content("ename")),
            "iopub_welcome" => Seen::Welcome(content("subscription")),
            other => Seen::Other(other.to_owned(), self.content.clone()),
        }
    }
}

/// A message as it was sent.
pub struct Sent {
    pub header: Bytes,
}

pub struct Front {
    runtime: Runtime,
    key: Vec<u8>,
    pub shell: DealerSocket,
    pub control: DealerSocket,
    pub stdin: DealerSocket,
    iopub: SubSocket,
    replies: VecDeque<Got>,
}

impl Front {
    pub fn connect(connection: &Connection) -> Self {
        Self::named(connection, "front")
    }

    pub fn named(connection: &Connection, name: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let (shell, control, stdin, iopub) = runtime.block_on(async {
            let dealer = || {
                let mut options = SocketOptions::default();
                options.peer_identity(name.parse::<PeerIdentity>().unwrap());
                DealerSocket::with_options(options)
            };
            let (mut shell, mut control, mut stdin) = (dealer(), dealer(), dealer());
            let mut iopub = SubSocket::new();
            shell
                .connect(&url(connection, connection.shell_port))
                .await
                .unwrap();
            control
                .connect(&url(connection, connection.control_port))
                .await
                .unwrap();
            stdin
                .connect(&url(connection, connection.stdin_port))
                .await
                .unwrap();
            iopub
                .connect(&url(connection, connection.iopub_port))
                .await
                .unwrap();
            iopub.subscribe("").await.unwrap();
            (shell, control, stdin, iopub)
        });
        let key = connection.key.clone();
        let replies = VecDeque::new();
        let mut front = Self {
            runtime,
            key,
            shell,
            control,
            stdin,
            iopub,
            replies,
        };
        while front.hears().seen() != welcome("") {}
        front
    }

    pub fn execute(&mut self, code: &str) -> Sent {
        self.ask("execute_request", json!({"code": code, "silent": false}))
    }

    /// Sends a request on shell.
    pub fn ask(&mut self, kind: &str, content: Value) -> Sent {
        let (sent, frames) = self.frames(kind, content);
        self.send_shell(frames);
        sent
    }

    /// Sends a request on control and gives its reply.
    pub fn command(&mut self, kind: &str, content: Value) -> Got {
        let (_, frames) = self.frames(kind, content);
        let Self {
            runtime, control, ..
        } = self;
        let got = runtime.block_on(in_time(async {
            control.send(message(frames)).await.unwrap();
            control.recv().await.unwrap()
        }));
        self.read(got)
    }

    pub fn frames(&mut self, kind: &str, content: Value) -> (Sent, Vec<Bytes>) {
        let header = json!({
            "msg_id": uuid::Uuid::new_v4().to_string(), "msg_type": kind, "session": "front",
            "username": "tester", "date": "2026-01-01T00:00:00Z", "version": "5.5",
        });
        let header = Bytes::from(header.to_string());
        let parts = [
            header.clone(),
            "{}".into(),
            "{}".into(),
            content.to_string().into(),
        ];
        let frames = self.signed(parts);
        (Sent { header }, frames)
    }

    pub fn signed(&self, parts: [Bytes; 4]) -> Vec<Bytes> {
        let mut frames = vec![Bytes::from("<IDS|MSG>"), sign(&self.key, &parts)];
        frames.extend(parts);
        frames
    }

    pub fn send_shell(&mut self, frames: Vec<Bytes>) {
        let Self { runtime, shell, .. } = self;
        runtime.block_on(in_time(async {
            shell.send(message(frames)).await.unwrap();
            // The socket's writer runs while this task yields: what is sent is in the kernel's reach afterwards.
            for _ in 0..4 {
                tokio::task::yield_now().await;
            }
        }));
    }

    /// The next reply on shell.
    pub fn reply(&mut self) -> Got {
        if let Some(reply) = self.replies.pop_front() {
            return reply;
        }
        let Self { runtime, shell, .. } = self;
        let got = runtime.block_on(in_time(shell.recv())).unwrap();
        self.read(got)
    }

    /// Whether a reply is here already, without waiting for more than the socket's own buffer.
    pub fn has_reply(&mut self) -> bool {
        let Self { runtime, shell, .. } = self;
        let got = runtime.block_on(async {
            for _ in 0..4 {
                tokio::task::yield_now().await;
            }
            tokio::select! {
                biased;
                got = shell.recv() => Some(got.unwrap()),
                () = std::future::ready(()) => None,
            }
        });
        let reply = got.map(|got| self.read(got));
        self.replies.extend(reply);
        !self.replies.is_empty()
    }

    /// The question on stdin, answered with `value`.
    pub fn answers(&mut self, value: &str) -> String {
        let (_, frames) = self.frames("input_reply", json!({"value": value}));
        let Self { runtime, stdin, .. } = self;
        let question = runtime.block_on(in_time(async {
            let question = stdin.recv().await.unwrap();
            stdin.send(message(frames)).await.unwrap();
            question
        }));
        let question = self.read(question);
        question.content["prompt"].as_str().unwrap().to_owned()
    }

    /// Sends an answer that nobody asked for.
    pub fn answers_unasked(&mut self, value: &str) {
        let (_, frames) = self.frames("input_reply", json!({"value": value}));
        let Self { runtime, stdin, .. } = self;
        runtime
            .block_on(in_time(stdin.send(message(frames))))
            .unwrap();
    }

    /// The next message on iopub.
    pub fn hears(&mut self) -> Got {
        self.hears_in_time().expect("nothing came")
    }

    fn hears_in_time(&mut self) -> Option<Got> {
        let Self { runtime, iopub, .. } = self;
        let got = runtime.block_on(async { tokio::time::timeout(NEVER, iopub.recv()).await });
        got.ok().map(|got| self.read(got.unwrap()))
    }

    /// The next messages on iopub are these.
    #[track_caller]
    pub fn sees<const N: usize>(&mut self, expected: [Seen; N]) {
        let mut seen = Vec::new();
        while seen.len() < N {
            match self.hears_in_time() {
                Some(got) => seen.push(got.seen()),
                None => panic!("only {seen:?} came"),
            }
        }
        assert_eq!(seen, expected);
    }

    /// Everything on iopub up to the next idle.
    pub fn sees_until_idle(&mut self) -> Vec<Seen> {
        let mut seen = Vec::new();
        while seen.last() != Some(&idle()) {
            seen.push(self.hears().seen());
        }
        seen
    }

    /// Splits, and checks the signature with code that is not the kernel's.
    pub fn read(&self, message: ZmqMessage) -> Got {
        let frames = message.into_vec();
        let at = frames
            .iter()
            .position(|frame| frame == "<IDS|MSG>")
            .unwrap();
        let [
            _,
            signature,
            header,
            parent,
            metadata,
            content,
            buffers @ ..,
        ] = &frames[at..]
        else {
            panic!("truncated: {frames:?}");
        };
        let parts = [
            header.clone(),
            parent.clone(),
            metadata.clone(),
            content.clone(),
        ];
        assert_eq!(*signature, sign(&self.key, &parts));
        Got {
            header: serde_json::from_slice(header).unwrap(),
            parent: parent.clone(),
            content: serde_json::from_slice(content).unwrap(),
            buffers: buffers.to_vec(),
        }
    }
}

/// A REQ on the heartbeat port: what it sends and what comes back.
pub fn beat(connection: &Connection, payload: &str) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(in_time(async {
        let mut heart = ReqSocket::new();
        heart
            .connect(&url(connection, connection.hb_port))
            .await
            .unwrap();
        heart.send(payload.into()).await.unwrap();
        heart.recv().await.unwrap().try_into().unwrap()
    }))
}

pub fn url(connection: &Connection, port: u16) -> String {
    match connection.transport {
        Transport::Tcp => format!("tcp://{}:{port}", connection.ip),
        Transport::Ipc => format!("ipc://{}-{port}", connection.ip),
    }
}

pub fn message(frames: Vec<Bytes>) -> ZmqMessage {
    frames.try_into().unwrap()
}

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(NEVER, future)
        .await
        .expect("nothing came")
}

fn sign(key: &[u8], parts: &[Bytes]) -> Bytes {
    if key.is_empty() {
        return Bytes::new();
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    parts.iter().for_each(|part| mac.update(part));
    let hex = mac
        .finalize()
        .into_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<String>();
    hex.into()
}
