//! A connection from its accept to its end: reads, answers pings, ends what breaks the protocol or its bounds. What a
//! message means is its socket's.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::io::Interest;
use tokio::sync::futures::Notified;
use tokio::sync::watch;

use super::peer::Peer;
use super::zmtp::{self, Command, Decoder, Event, Limits, ProtocolError};

const HANDSHAKE: Duration = Duration::from_secs(10);
/// A message that has begun goes on within this time.
const HALF_WAY: Duration = Duration::from_secs(30);
/// Read at once; more where a large message is under way.
const CHUNK: usize = 64 << 10;
const LARGE: usize = 1 << 20;
/// While more than this waits for a peer it has signs of life enough: no PONG is queued behind it.
const BUSY: usize = 64 << 10;

/// What a socket grants each of its peers.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    pub socket_type: &'static str,
    /// The types of sockets that may connect.
    pub peers: &'static [&'static str],
    pub limits: Limits,
    /// Bytes that may wait to be written before it counts as stalled.
    pub budget: usize,
    /// While as much waits to be written, nothing is read.
    pub pause: usize,
}

/// What the peers of a socket have in common: the socket.
pub trait Hub: Send + Sync + 'static {
    fn joined(&self, peer: &Arc<Peer>, identity: &Bytes);
    fn message(&self, peer: &Arc<Peer>, parts: Vec<Bytes>) -> Result<(), ProtocolError>;
    fn subscribe(&self, peer: &Arc<Peer>, topic: Bytes, on: bool) -> Result<(), ProtocolError>;
    fn left(&self, peer: &Arc<Peer>);
    /// While it is, nothing is read.
    fn is_full(&self) -> bool;
    fn room(&self) -> Notified<'_>;
}

/// Why a peer was let go.
#[derive(Debug, thiserror::Error)]
pub enum Gone {
    /// It closed the connection, or the kernel does: nothing to tell.
    #[error("the connection ended")]
    Ended,
    #[error(transparent)]
    Broken(#[from] io::Error),
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    #[error("it did not complete the handshake in time")]
    Silent,
    #[error("it stopped in the middle of a message")]
    HalfWay,
    #[error("it does not read, and {0} bytes wait for it")]
    Stalled(usize),
    #[error("unfinished messages of this port hold too much memory")]
    Memory,
}

pub struct Life<H: Hub> {
    hub: Arc<H>,
    peer: Arc<Peer>,
    terms: Terms,
    ration: Claim,
    decoder: Decoder,
    input: BytesMut,
    ready: bool,
    /// The last time that something came.
    heard: Instant,
}

impl<H: Hub> Life<H> {
    pub fn new(hub: Arc<H>, peer: Arc<Peer>, terms: Terms, ration: Arc<AtomicUsize>) -> Self {
        peer.push(Bytes::copy_from_slice(&zmtp::greeting()));
        Self {
            hub,
            peer,
            terms,
            ration: Claim { ration, claimed: 0 },
            decoder: Decoder::new(terms.limits),
            input: BytesMut::new(),
            ready: false,
            heard: Instant::now(),
        }
    }

    /// Until the peer goes, has to go, or the socket closes; then what is queued is written first.
    pub async fn run(mut self, mut closing: watch::Receiver<bool>) -> Gone {
        let served = tokio::select! {
            served = self.serve() => served,
            closed = closing.wait_for(|closing| *closing) => {
                drop(closed);
                Ok(())
            }
        };
        match served {
            Ok(()) => self.finish().await.err().unwrap_or(Gone::Ended),
            Err(gone) => gone,
        }
    }

    async fn serve(&mut self) -> Result<(), Gone> {
        let (hub, peer) = (self.hub.clone(), self.peer.clone());
        loop {
            let room = hub.room();
            let reads = !hub.is_full() && peer.queued() < self.terms.pause;
            let interest = interest(reads, peer.queued() > 0);
            let deadline = self.deadline(reads);
            tokio::select! {
                ready = peer.stream.ready(interest.unwrap_or(Interest::READABLE)), if interest.is_some() => {
                    let ready = ready?;
                    if ready.is_writable() {
                        peer.flush()?;
                    }
                    if reads && ready.is_readable() {
                        self.read()?;
                        // Others are served between the pieces of a large message.
                        tokio::task::yield_now().await;
                    }
                }
                () = peer.wake.notified() => {}
                () = room, if !reads => {}
                () = until(deadline), if deadline.is_some() => self.expired(reads)?,
            }
        }
    }

    /// The kernel ends: the rest is written.
    async fn finish(&mut self) -> Result<(), Gone> {
        while self.peer.queued() > 0 {
            self.peer.stream.ready(Interest::WRITABLE).await?;
            self.peer.flush()?;
        }
        self.peer.stream.end();
        // Closing over unread input would reset the connection, and what was written might not arrive.
        self.input.clear();
        self.input.reserve(CHUNK);
        while self.peer.stream.try_read(&mut self.input)? > 0 {
            self.input.clear();
        }
        Ok(())
    }

    fn read(&mut self) -> Result<(), Gone> {
        let large = self.input.len() >= LARGE;
        self.input.reserve(if large { LARGE } else { CHUNK });
        match self.peer.stream.try_read(&mut self.input) {
            Ok(0) => return Err(Gone::Ended),
            // Of the handshake every byte counts against one time, or a byte now and then would hold it open.
            Ok(_) if !self.ready => {}
            Ok(_) => self.heard = Instant::now(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        while let Some(event) = self.decoder.next(&mut self.input)? {
            self.take(event)?;
        }
        if self.input.is_empty() {
            self.input = BytesMut::new();
        }
        let held = self.decoder.held() + self.input.len();
        let fits = self.ration.hold(held, self.terms.limits.bytes);
        fits.then_some(()).ok_or(Gone::Memory)
    }

    fn take(&mut self, event: Event) -> Result<(), Gone> {
        match event {
            Event::Ready(ready) => {
                let named = |name: &&str| name.as_bytes() == &ready.socket_type[..];
                if !self.terms.peers.iter().any(named) {
                    return Err(ProtocolError::SocketType.into());
                }
                self.ready = true;
                self.peer.push(zmtp::ready(self.terms.socket_type));
                self.hub.joined(&self.peer, &ready.identity);
            }
            Event::Message(parts) => self.hub.message(&self.peer, parts)?,
            Event::Command(Command::Subscribe(topic)) => {
                self.hub.subscribe(&self.peer, topic, true)?;
            }
            Event::Command(Command::Cancel(topic)) => {
                self.hub.subscribe(&self.peer, topic, false)?;
            }
            Event::Command(Command::Ping(context)) => {
                if self.peer.queued() < BUSY {
                    self.peer.push(zmtp::pong(&context));
                }
            }
            Event::Command(Command::Error) => return Err(Gone::Ended),
            Event::Command(_) => {}
        }
        Ok(())
    }

    fn deadline(&self, reads: bool) -> Option<Instant> {
        if !self.ready {
            return Some(self.heard + HANDSHAKE);
        }
        let half_way = reads && (self.decoder.is_within() || !self.input.is_empty());
        let half_way = half_way.then(|| self.heard + HALF_WAY);
        half_way.into_iter().chain(self.peer.deadline()).min()
    }

    /// A deadline of before has passed: is it over, or has the peer moved meanwhile?
    fn expired(&self, reads: bool) -> Result<(), Gone> {
        let passed = |deadline: Option<Instant>| deadline.is_some_and(|at| at <= Instant::now());
        if !passed(self.deadline(reads)) {
            return Ok(());
        }
        Err(match self.ready {
            false => Gone::Silent,
            true if passed(self.peer.deadline()) => Gone::Stalled(self.peer.queued()),
            true => Gone::HalfWay,
        })
    }
}

impl<H: Hub> Drop for Life<H> {
    /// However it ends, by a panic too.
    fn drop(&mut self) {
        self.peer.leave();
        self.hub.left(&self.peer);
    }
}

fn interest(reads: bool, writes: bool) -> Option<Interest> {
    match (reads, writes) {
        (true, true) => Some(Interest::READABLE | Interest::WRITABLE),
        (true, false) => Some(Interest::READABLE),
        (false, true) => Some(Interest::WRITABLE),
        (false, false) => None,
    }
}

async fn until(deadline: Option<Instant>) {
    if let Some(deadline) = deadline {
        tokio::time::sleep_until(deadline.into()).await;
    }
}

/// One connection's part of the memory that unfinished messages of a port may hold. A small part is everybody's.
struct Claim {
    ration: Arc<AtomicUsize>,
    claimed: usize,
}

impl Claim {
    /// Holds this much now. False when all together hold more than `limit`.
    fn hold(&mut self, held: usize, limit: usize) -> bool {
        let wanted = held.saturating_sub(LARGE);
        if wanted == self.claimed {
            return true;
        }
        self.ration.fetch_add(wanted, Ordering::Relaxed);
        let others = self.ration.fetch_sub(self.claimed, Ordering::Relaxed) - self.claimed;
        self.claimed = wanted;
        others <= limit
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.ration.fetch_sub(self.claimed, Ordering::Relaxed);
    }
}
