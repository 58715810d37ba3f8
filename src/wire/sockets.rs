//! The sockets of one thread, as the kernel uses them: ROUTERs and an XPUB, each with its connections' tasks.
//! What they say and when is the kernel's.

use std::convert::Infallible;
use std::fmt::Display;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use super::life::{Gone, Hub, Life, Terms};
use super::peer::{Peer, Pressure};
use super::ports::Port;
use super::router::{BEATS, REQUESTS, Router};
use super::stream::Listener;
pub use super::xpub::Subscription;
use super::xpub::{SUBSCRIBERS, XPub};

/// Connections of one port at a time. Five ports of them leave the usual thousand descriptors to the notebook.
const CONNECTIONS: usize = 128;

/// Takes a line for the log.
pub type Report = fn(&dyn Display);

/// Starts the sockets of a runtime, and knows when all that they had to say is written.
pub struct Sockets {
    report: Report,
    alive: mpsc::Sender<Infallible>,
    ended: mpsc::Receiver<Infallible>,
}

/// What a ROUTER hears: frames that begin with the peer's identity.
pub struct RouterIn(Arc<Router>);

/// Sends frames that begin with a peer's identity. The socket closes when this is dropped.
pub struct RouterOut {
    router: Arc<Router>,
    _open: Open,
}

/// The XPUB of iopub. It closes when this is dropped.
pub struct Publisher {
    socket: Arc<XPub>,
    _open: Open,
}

/// Whether a subscriber has so much to read that writers have to wait.
pub struct Pressed(watch::Receiver<usize>);

/// While it is there, the socket accepts and its connections live.
struct Open(watch::Sender<bool>);

impl Sockets {
    pub fn new(report: Report) -> Self {
        let (alive, ended) = mpsc::channel(1);
        Self {
            report,
            alive,
            ended,
        }
    }

    /// A ROUTER for requests. Only inside a runtime, as the others.
    ///
    /// # Errors
    /// When the runtime cannot watch the port.
    pub fn router(&self, port: Port) -> io::Result<(RouterOut, RouterIn)> {
        self.start(port, REQUESTS)
    }

    /// A ROUTER for heartbeats.
    ///
    /// # Errors
    /// When the runtime cannot watch the port.
    pub fn heart(&self, port: Port) -> io::Result<(RouterOut, RouterIn)> {
        self.start(port, BEATS)
    }

    /// The XPUB.
    ///
    /// # Errors
    /// When the runtime cannot watch the port.
    pub fn publisher(&self, port: Port) -> io::Result<Publisher> {
        let socket = Arc::new(XPub::new());
        let pressure = socket.pressure.clone();
        Ok(Publisher {
            _open: self.open(port, socket.clone(), SUBSCRIBERS, pressure)?,
            socket,
        })
    }

    /// Waits until what the sockets had queued is written; they must be dropped before.
    pub async fn drained(mut self, until: Instant) {
        drop(self.alive);
        // None when the last of their tasks has ended.
        let _ = tokio::time::timeout_at(until.into(), self.ended.recv()).await;
    }

    fn start(&self, port: Port, terms: Terms) -> io::Result<(RouterOut, RouterIn)> {
        let router = Arc::new(Router::new());
        let pressure = Pressure::new(watch::Sender::new(0));
        let out = RouterOut {
            router: router.clone(),
            _open: self.open(port, router.clone(), terms, pressure)?,
        };
        Ok((out, RouterIn(router)))
    }

    fn open<H: Hub>(
        &self,
        port: Port,
        hub: Arc<H>,
        terms: Terms,
        pressure: Pressure,
    ) -> io::Result<Open> {
        let (open, closing) = watch::channel(false);
        let door = Door {
            name: port.name,
            hub,
            terms,
            pressure,
            ration: Arc::default(),
            report: self.report,
            alive: self.alive.clone(),
        };
        tokio::spawn(door.serve(port.listen()?, closing));
        Ok(Open(open))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.send_replace(true);
    }
}

impl RouterIn {
    /// The next message of any peer. Safe to cancel.
    pub async fn next(&mut self) -> Vec<Bytes> {
        self.0.next().await
    }
}

impl RouterOut {
    /// Hands frames to the peer. A peer that has gone gets nothing.
    pub fn send(&self, frames: &[Bytes]) {
        self.router.send(frames);
    }
}

impl Publisher {
    /// The next subscription: a new subscriber hears nothing before that is answered. Safe to cancel.
    pub async fn subscription(&self) -> Subscription {
        self.socket.subscription().await
    }

    /// Sends to all who subscribed to a prefix of the first frame. Never waits; see `pressed`.
    pub fn send(&self, frames: &[Bytes]) {
        self.socket.send(frames);
    }

    /// Writes what the system takes now, so that what is sent elsewhere comes after it.
    pub fn flush(&self) {
        self.socket.flush();
    }

    pub fn pressed(&self) -> Pressed {
        Pressed(self.socket.pressure.subscribe())
    }
}

impl Pressed {
    /// When it changes, what it is then. Safe to cancel.
    pub async fn changed(&mut self) -> bool {
        match self.0.changed().await {
            Ok(()) => *self.0.borrow() > 0,
            // The socket has closed.
            Err(_) => std::future::pending().await,
        }
    }
}

/// Where the connections of a socket come in.
struct Door<H: Hub> {
    name: &'static str,
    hub: Arc<H>,
    terms: Terms,
    pressure: Pressure,
    /// Bytes of unfinished messages, beyond what everybody may hold.
    ration: Arc<AtomicUsize>,
    report: Report,
    alive: mpsc::Sender<Infallible>,
}

impl<H: Hub> Door<H> {
    async fn serve(self, listener: Listener, mut closing: watch::Receiver<bool>) {
        let connections = closing.clone();
        tokio::select! {
            () = self.accept(&listener, &connections) => {}
            _ = closing.wait_for(|closing| *closing) => {}
        }
    }

    async fn accept(&self, listener: &Listener, closing: &watch::Receiver<bool>) {
        // Each connection holds a clone.
        let seats = Arc::new(());
        loop {
            let Ok(stream) = listener.accept().await else {
                // No descriptors are left, or the peer went at once. The next may fare better.
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            if Arc::strong_count(&seats) > CONNECTIONS {
                self.tell(&format_args!("{CONNECTIONS} connections are open already"));
                continue;
            }
            let peer = Peer::new(stream, self.terms.budget, self.pressure.clone());
            let life = Life::new(
                self.hub.clone(),
                Arc::new(peer),
                self.terms,
                self.ration.clone(),
            );
            let life = life.run(closing.clone());
            let kept = (seats.clone(), self.alive.clone());
            let (name, report) = (self.name, self.report);
            tokio::spawn(async move {
                let _kept = kept;
                tell(name, report, &life.await);
            });
        }
    }

    fn tell(&self, why: &dyn Display) {
        (self.report)(&format_args!("dropped a peer of {}: {why}", self.name));
    }
}

/// Those that went of themselves are not worth a line.
fn tell(name: &str, report: Report, gone: &Gone) {
    if !matches!(gone, Gone::Ended | Gone::Broken(_)) {
        report(&format_args!("dropped a peer of {name}: {gone}"));
    }
}
