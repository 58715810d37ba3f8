//! XPUB: each message out to all who subscribed to a beginning of its first frame. Tells of every subscription.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::futures::Notified;
use tokio::sync::watch;

use super::inbox::Inbox;
use super::life::{Hub, Terms};
use super::peer::{Peer, Pressure};
use super::zmtp::{Limits, ProtocolError, encode};

/// Bytes that may wait for one subscriber before writers have to.
const BUDGET: usize = 64 << 20;
const TOPIC: usize = 1 << 10;
const TOPICS: usize = 1 << 10;
/// Subscriptions that may wait to be told of.
const WAITING: usize = 1 << 10;

pub const SUBSCRIBERS: Terms = Terms {
    socket_type: "XPUB",
    peers: &["SUB", "XSUB"],
    limits: Limits {
        bytes: 1 + TOPIC,
        parts: 1,
    },
    budget: BUDGET,
    pause: usize::MAX,
};

/// Somebody subscribed.
pub struct Subscription {
    pub topic: Bytes,
    peer: Arc<Peer>,
}

pub struct XPub {
    pub pressure: Pressure,
    subscribers: Mutex<Vec<Subscriber>>,
    news: Inbox<Subscription>,
}

struct Subscriber {
    peer: Arc<Peer>,
    topics: Vec<Bytes>,
}

impl Subscriber {
    fn wants(&self, topic: &[u8]) -> bool {
        self.topics.iter().any(|prefix| topic.starts_with(prefix))
    }
}

impl XPub {
    pub fn new() -> Self {
        Self {
            pressure: Pressure::new(watch::Sender::new(0)),
            subscribers: Mutex::default(),
            news: Inbox::new(WAITING),
        }
    }

    /// The next subscription. Safe to cancel.
    pub async fn subscription(&self) -> Subscription {
        self.news.next().await
    }

    /// Queues for all who want it; their tasks write.
    pub fn send(&self, frames: &[Bytes]) {
        let topic = frames.first().map_or(&[][..], |topic| topic);
        let subscribers = self.subscribers.lock();
        let mut encoded = None;
        for subscriber in subscribers.iter().filter(|one| one.wants(topic)) {
            let message = encoded.get_or_insert_with(|| encode(frames));
            subscriber.peer.push(message.clone());
        }
    }

    /// Writes what the system takes now, so that what is sent elsewhere comes after it.
    pub fn flush(&self) {
        for subscriber in self.subscribers.lock().iter() {
            // What is broken, the peer's own task finds too.
            let _ = subscriber.peer.flush();
        }
    }
}

impl Subscription {
    /// Sends to this subscriber alone.
    pub fn answer(&self, frames: &[Bytes]) {
        self.peer.push(encode(frames));
    }
}

impl Hub for XPub {
    fn joined(&self, peer: &Arc<Peer>, _: &Bytes) {
        self.subscribers.lock().push(Subscriber {
            peer: peer.clone(),
            topics: Vec::new(),
        });
    }

    /// Until ZMTP 3.1 a subscription is a message: a one or a zero, then the topic. Others are not for us.
    fn message(&self, peer: &Arc<Peer>, parts: Vec<Bytes>) -> Result<(), ProtocolError> {
        match parts.first().map(|part| (part.first(), part)) {
            Some((Some(on @ (0 | 1)), part)) => self.subscribe(peer, part.slice(1..), *on == 1),
            _ => Ok(()),
        }
    }

    fn subscribe(&self, peer: &Arc<Peer>, topic: Bytes, on: bool) -> Result<(), ProtocolError> {
        let mut subscribers = self.subscribers.lock();
        let mut all = subscribers.iter_mut();
        let Some(subscriber) = all.find(|one| Arc::ptr_eq(&one.peer, peer)) else {
            return Ok(());
        };
        if !on {
            if let Some(at) = subscriber.topics.iter().position(|one| *one == topic) {
                subscriber.topics.swap_remove(at);
            }
            return Ok(());
        }
        if subscriber.topics.len() >= TOPICS || topic.len() > TOPIC {
            return Err(ProtocolError::Subscriptions);
        }
        subscriber.topics.push(topic.clone());
        let peer = peer.clone();
        self.news.push(Subscription { topic, peer }, 1);
        Ok(())
    }

    fn left(&self, peer: &Arc<Peer>) {
        (self.subscribers.lock()).retain(|one| !Arc::ptr_eq(&one.peer, peer));
    }

    fn is_full(&self) -> bool {
        self.news.is_full()
    }

    fn room(&self) -> Notified<'_> {
        self.news.room()
    }
}
