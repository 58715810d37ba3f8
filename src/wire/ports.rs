//! Where the five sockets listen: addresses are bound before there is a runtime. Accepts nobody.

use std::net::TcpListener;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::stream::{Listener, SocketFile};
use super::{Connection, Transport, WireError};

/// Listeners that hold the five addresses; peers may connect already.
pub struct Bound {
    pub shell: Port,
    pub iopub: Port,
    pub stdin: Port,
    pub control: Port,
    pub heartbeat: Port,
}

/// One bound address.
pub struct Port {
    /// As its log lines call it.
    pub name: &'static str,
    bound: Address,
}

enum Address {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
}

impl Port {
    /// Hands the address to this runtime.
    ///
    /// # Errors
    /// When the runtime cannot watch it.
    pub fn listen(self) -> io::Result<Listener> {
        Ok(match self.bound {
            Address::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                Listener::Tcp(tokio::net::TcpListener::from_std(listener)?)
            }
            Address::Unix(listener, file) => {
                listener.set_nonblocking(true)?;
                Listener::Unix(tokio::net::UnixListener::from_std(listener)?, file)
            }
        })
    }
}

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
    Ok(Port {
        name: channel,
        bound: Address::Tcp(listener),
    })
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
    Ok(Port {
        name: channel,
        bound: Address::Unix(listener, SocketFile(path)),
    })
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
