//! The sender of iopub, shell and stdin: one task, so that output, reply and idle leave in the order they were made.

use std::io;
use std::sync::Arc;

use super::interpreter::Channel;
use super::iopub::Item;
use super::shared::Shared;
use super::{shell, stdin};
use crate::wire::Outgoing;
use crate::wire::sockets::{self, Port, Publisher, RouterOut};

/// The ports that this thread serves.
pub struct Ports {
    pub iopub: Port,
    pub shell: Port,
    pub stdin: Port,
}

/// The thread's life: until the kernel closes and the last message is out.
pub async fn run(shared: Arc<Shared>, ports: Ports) -> io::Result<()> {
    let publisher = Publisher::start(ports.iopub).await?;
    let (shell_out, shell_in) = sockets::router(ports.shell).await?;
    let (stdin_out, stdin_in) = sockets::router(ports.stdin).await?;
    let sender = Sender {
        shared: shared.clone(),
        publisher,
        shell: shell_out,
        stdin: stdin_out,
    };
    // Branches and not tasks: should one of them panic, it takes the thread with it.
    tokio::select! {
        () = sender.send_all() => {}
        () = shell::serve(&shared, shell_in) => {}
        () = stdin::serve(&shared, stdin_in) => {}
        () = shared.expired() => {}
    }
    sockets::drained(shared.closing().await).await;
    Ok(())
}

struct Sender {
    shared: Arc<Shared>,
    publisher: Publisher,
    shell: RouterOut,
    stdin: RouterOut,
}

impl Sender {
    /// Until the queue is closed and empty.
    async fn send_all(mut self) {
        let shared = self.shared.clone();
        loop {
            tokio::select! {
                biased;
                topic = self.publisher.subscription() => {
                    let (topic, message) = shared.contents.welcome(topic);
                    self.publish(topic, message).await;
                }
                item = shared.outbox.next() => match item {
                    Some(item) => self.send(item).await,
                    None => return,
                },
            }
        }
    }

    async fn send(&mut self, item: Item) {
        let contents = &self.shared.contents;
        let (topic, message) = match item {
            Item::Text {
                stream,
                parent,
                text,
            } => contents.stream(stream, parent, &text),
            Item::Status { state, parent } => contents.status(state, parent),
            Item::Publish { topic, message } => (topic, message),
            Item::Reply { channel, message } => return self.reply(channel, message).await,
        };
        self.publish(topic, message).await;
    }

    async fn publish(&mut self, topic: bytes::Bytes, message: Outgoing) {
        let frames = message.frames([topic], &self.shared.signer);
        self.publisher.send(frames).await;
    }

    async fn reply(&mut self, channel: Channel, mut message: Outgoing) {
        let ids = std::mem::take(&mut message.ids);
        let frames = message.frames(ids, &self.shared.signer);
        match channel {
            Channel::Stdin => self.stdin.send(frames).await,
            _ => self.shell.send(frames).await,
        }
    }
}
