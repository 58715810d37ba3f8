//! The five sockets. Owns everything of the `zeromq` crate: nothing outside this file names it. Knows no messages.

use std::net::TcpListener;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, io};

use bytes::Bytes;
use tokio::runtime::Handle;
use zeromq::{
    Listener, RouterRecvHalf, RouterSendHalf, RouterSocket, Socket, SocketRecv, SocketSend,
    XPubSocket, ZmqMessage,
};

use super::{Connection, Transport, WireError};

/// Listeners that hold the five addresses; peers may connect already.
pub struct Bound {
    pub shell: Port,
    pub iopub: Port,
    pub stdin: Port,
    pub control: Port,
    pub heartbeat: Port,
}

/// One bound address. The file of an ipc address goes when its socket is dropped.
pub struct Port(Listener);

impl Bound {
    /// Binds every channel and fills the chosen ports in.
    ///
    /// # Errors
    /// When an address is taken or cannot be bound.
    pub fn bind(connection: &mut Connection) -> Result<Self, WireError> {
        let Connection { transport, ip, .. } = &*connection;
        let (transport, ip) = (*transport, ip.clone());
        let bind = |channel, port: &mut u16| match transport {
            Transport::Tcp => bind_tcp(channel, &ip, port),
            Transport::Ipc => bind_ipc(channel, &ip, port),
        };
        Ok(Self {
            shell: bind("shell", &mut connection.shell_port)?,
            iopub: bind("iopub", &mut connection.iopub_port)?,
            stdin: bind("stdin", &mut connection.stdin_port)?,
            control: bind("control", &mut connection.control_port)?,
            heartbeat: bind("heartbeat", &mut connection.hb_port)?,
        })
    }
}

fn bind_tcp(channel: &'static str, ip: &str, port: &mut u16) -> Result<Port, WireError> {
    let host = if ip == "*" { "0.0.0.0" } else { ip };
    let bound = TcpListener::bind((host, *port))
        .and_then(|listener| Ok((listener.local_addr()?.port(), listener)));
    let (chosen, listener) = bound.map_err(|source| WireError::Bind {
        channel,
        endpoint: format!("tcp://{ip}:{port}"),
        source,
    })?;
    *port = chosen;
    Ok(Port(listener.into()))
}

fn bind_ipc(channel: &'static str, ip: &str, port: &mut u16) -> Result<Port, WireError> {
    let path = |port: u16| PathBuf::from(format!("{ip}-{port}"));
    if *port == 0 {
        let free = (1..=u16::MAX).find(|&port| !path(port).exists());
        *port = free.unwrap_or(u16::MAX);
    }
    let path = path(*port);
    let listener = listen(&path).map_err(|source| WireError::Bind {
        channel,
        endpoint: format!("ipc://{}", path.display()),
        source,
    })?;
    Ok(Port(listener.into()))
}

/// A socket file that nobody listens on is left from a kernel that died: it is taken over.
fn listen(path: &Path) -> io::Result<UnixListener> {
    match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => match UnixStream::connect(path) {
            Err(refused) if refused.kind() == io::ErrorKind::ConnectionRefused => {
                fs::remove_file(path)?;
                UnixListener::bind(path)
            }
            _ => Err(error),
        },
        bound => bound,
    }
}

/// What a ROUTER hears: frames that begin with the peer's identity.
pub struct RouterIn(RouterRecvHalf);

/// Sends frames that begin with a peer's identity.
#[derive(Clone)]
pub struct RouterOut(RouterSendHalf);

/// Starts a ROUTER. Only inside a runtime.
///
/// # Errors
/// When the runtime cannot watch the listener.
pub async fn router(port: Port) -> io::Result<(RouterOut, RouterIn)> {
    let mut socket = RouterSocket::new();
    socket.bind_listener(port.0).await.map_err(other)?;
    let (out, half) = socket.split();
    Ok((RouterOut(out), RouterIn(half)))
}

impl RouterIn {
    /// The next message of any peer. Safe to cancel.
    pub async fn next(&mut self) -> Vec<Bytes> {
        loop {
            match self.0.recv().await {
                Ok(message) => return message.into_vec(),
                // One peer's trouble; it has been dropped, the others go on.
                Err(_) => tokio::task::yield_now().await,
            }
        }
    }
}

impl RouterOut {
    /// Hands frames to the peer's queue and lets its writer run, so that what is sent elsewhere afterwards comes after.
    /// A peer that has gone gets nothing.
    pub async fn send(&mut self, frames: Vec<Bytes>) {
        if let Ok(message) = ZmqMessage::try_from(frames) {
            let _ = self.0.send(message).await;
            tokio::task::yield_now().await;
        }
    }
}

/// The XPUB of iopub.
pub struct Publisher(XPubSocket);

impl Publisher {
    /// Only inside a runtime.
    ///
    /// # Errors
    /// When the runtime cannot watch the listener.
    pub async fn start(port: Port) -> io::Result<Self> {
        let mut socket = XPubSocket::new();
        socket.bind_listener(port.0).await.map_err(other)?;
        Ok(Self(socket))
    }

    /// The topic of the next subscription. Must be polled for subscriptions to count. Safe to cancel.
    pub async fn subscription(&mut self) -> Bytes {
        loop {
            match self.0.recv().await.map(ZmqMessage::into_vec).as_deref() {
                Ok([frame]) if frame.first() == Some(&1) => return frame.slice(1..),
                Ok(_) => {}
                // One peer's trouble; it has been dropped, the others go on.
                Err(_) => tokio::task::yield_now().await,
            }
        }
    }

    /// Sends to all who subscribed to a prefix of the first frame; waits while one of them is not reading.
    pub async fn send(&mut self, frames: Vec<Bytes>) {
        if let Ok(message) = ZmqMessage::try_from(frames) {
            // What fails is one peer's connection, and the socket drops that peer.
            let _ = self.0.send(message).await;
        }
    }
}

/// Waits until what the dropped sockets of this runtime had queued is written. The sockets must be dropped before.
pub async fn drained(until: Instant) {
    let metrics = Handle::current().metrics();
    let tick = Duration::from_millis(1);
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
    while metrics.num_alive_tasks() > 0 && Instant::now() < until {
        tokio::time::sleep(tick).await;
    }
}

fn other(error: zeromq::ZmqError) -> io::Error {
    io::Error::other(error)
}
