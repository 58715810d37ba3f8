//! ROUTER: messages of all peers in, each with its peer's identity before it, and replies out to an identity.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::futures::Notified;

use super::inbox::Inbox;
use super::life::{Hub, Terms};
use super::peer::Peer;
use super::zmtp::{Limits, ProtocolError, encode};

/// Bytes that wait to be taken in before its peers are not read any more. One message more may come of each.
const WAITING: usize = 1 << 20;
/// A buffer of a comm may be large. What is announced is not believed; this is the most that is collected.
const MESSAGE: usize = 2 << 30;
const REPLIES: usize = 16 << 20;
const BEAT: usize = 64 << 10;

/// Requests and their replies.
pub const REQUESTS: Terms = Terms {
    socket_type: "ROUTER",
    peers: &["DEALER", "REQ", "ROUTER"],
    limits: Limits {
        bytes: MESSAGE,
        parts: 1 << 16,
    },
    budget: REPLIES,
    pause: REPLIES,
};

/// Heartbeats, which are small.
pub const BEATS: Terms = Terms {
    limits: Limits {
        bytes: BEAT,
        parts: 16,
    },
    budget: BEAT,
    pause: BEAT,
    ..REQUESTS
};

pub struct Router {
    inbox: Inbox<Vec<Bytes>>,
    /// By identity. Who came or spoke latest is last: a client that comes back may be here before it has gone, and two
    /// of one session have one identity.
    peers: Mutex<HashMap<Bytes, Vec<Arc<Peer>>>>,
    unnamed: AtomicU32,
}

impl Router {
    pub fn new() -> Self {
        Self {
            inbox: Inbox::new(WAITING),
            peers: Mutex::default(),
            unnamed: AtomicU32::new(0),
        }
    }

    /// The next message of any peer, its identity first. Safe to cancel.
    pub async fn next(&self) -> Vec<Bytes> {
        self.inbox.next().await
    }

    /// Sends to the peer that the first of the frames names, and writes it if the system takes it now. Who has gone
    /// gets nothing.
    pub fn send(&self, frames: &[Bytes]) {
        let [identity, rest @ ..] = frames else {
            return;
        };
        let peer = (self.peers.lock().get(identity)).and_then(|peers| peers.last().cloned());
        if let (Some(peer), false) = (peer, rest.is_empty()) {
            peer.push(encode(rest));
            // What is broken, the peer's own task finds too.
            let _ = peer.flush();
        }
    }

    /// The identity of a peer that speaks now.
    fn speaks(&self, peer: &Arc<Peer>) -> Option<Bytes> {
        for (identity, peers) in self.peers.lock().iter_mut() {
            if let Some(at) = peers.iter().position(|other| Arc::ptr_eq(other, peer)) {
                peers[at..].rotate_left(1);
                return Some(identity.clone());
            }
        }
        None
    }

    /// Begins with a zero, as those that a peer chooses may not.
    fn name(&self) -> Bytes {
        let number = self.unnamed.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        Bytes::from([&[0], &number[..]].concat())
    }
}

impl Hub for Router {
    fn joined(&self, peer: &Arc<Peer>, identity: &Bytes) {
        let identity = if identity.is_empty() {
            self.name()
        } else {
            identity.clone()
        };
        let mut peers = self.peers.lock();
        peers.entry(identity).or_default().push(peer.clone());
    }

    fn message(&self, peer: &Arc<Peer>, mut parts: Vec<Bytes>) -> Result<(), ProtocolError> {
        if let Some(identity) = self.speaks(peer) {
            let size = |part: &Bytes| size_of::<Bytes>() + part.len();
            let size = parts.iter().map(size).sum();
            parts.insert(0, identity);
            self.inbox.push(parts, size);
        }
        Ok(())
    }

    fn subscribe(&self, _: &Arc<Peer>, _: Bytes, _: bool) -> Result<(), ProtocolError> {
        Err(ProtocolError::Command)
    }

    fn left(&self, peer: &Arc<Peer>) {
        self.peers.lock().retain(|_, peers| {
            peers.retain(|other| !Arc::ptr_eq(other, peer));
            !peers.is_empty()
        });
    }

    fn is_full(&self) -> bool {
        self.inbox.is_full()
    }

    fn room(&self) -> Notified<'_> {
        self.inbox.room()
    }
}
