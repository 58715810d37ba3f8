//! The sender of iopub, shell and stdin: one task, so that output, reply and idle leave in the order they were made.

use std::io;
use std::sync::Arc;

use super::interpreter::Channel;
use super::iopub::Item;
use super::log::report;
use super::shared::Shared;
use super::{shell, stdin};
use crate::wire::Outgoing;
use crate::wire::ports::Port;
use crate::wire::sockets::{Publisher, RouterOut, Sockets, Subscription};

/// After as much the connections write and read: output comes in without end at times.
const TURN: usize = 256 << 10;

/// The ports that this thread serves.
pub struct Ports {
    pub iopub: Port,
    pub shell: Port,
    pub stdin: Port,
}

/// The thread's life: until the kernel closes and the last message is out.
pub async fn run(shared: Arc<Shared>, ports: Ports) -> io::Result<()> {
    let sockets = Sockets::new(report);
    let publisher = sockets.publisher(ports.iopub)?;
    let (shell_out, shell_in) = sockets.router(ports.shell)?;
    let (stdin_out, stdin_in) = sockets.router(ports.stdin)?;
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
    sockets.drained(shared.closing().await).await;
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
    async fn send_all(self) {
        let shared = self.shared.clone();
        let mut pressed = self.publisher.pressed();
        let mut since = 0;
        loop {
            tokio::select! {
                biased;
                subscription = self.publisher.subscription() => self.welcome(&subscription),
                pressed = pressed.changed() => shared.outbox.press(pressed),
                item = shared.outbox.next() => match item {
                    Some(item) => {
                        since += item.size();
                        self.send(item);
                    }
                    None => return,
                },
            }
            if since >= TURN {
                since = 0;
                tokio::task::yield_now().await;
            }
        }
    }

    /// The first that a new subscriber hears.
    fn welcome(&self, subscription: &Subscription) {
        let (topic, message) = self.shared.contents.welcome(subscription.topic.clone());
        subscription.answer(&message.frames([topic], &self.shared.signer));
    }

    fn send(&self, item: Item) {
        let contents = &self.shared.contents;
        let (topic, message) = match item {
            Item::Text {
                stream,
                parent,
                text,
            } => contents.stream(stream, parent, &text),
            Item::Status { state, parent } => contents.status(state, parent),
            Item::Publish { topic, message } => (topic, message),
            Item::Reply { channel, message } => return self.reply(channel, message),
        };
        self.publisher
            .send(&message.frames([topic], &self.shared.signer));
    }

    fn reply(&self, channel: Channel, mut message: Outgoing) {
        let ids = std::mem::take(&mut message.ids);
        let frames = message.frames(ids, &self.shared.signer);
        self.publisher.flush();
        match channel {
            Channel::Stdin => self.stdin.send(&frames),
            _ => self.shell.send(&frames),
        }
    }
}
