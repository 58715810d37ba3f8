//! The Jupyter wire: connection file, signature, messages, sockets. No Python, no memory, no queueing.

mod clock;
mod connection;
mod error;
mod inbox;
mod life;
mod message;
mod peer;
pub mod ports;
mod router;
mod signature;
pub mod sockets;
mod stream;
mod xpub;
pub mod zmtp;

pub use connection::{Connection, Transport};
pub use error::{FrameError, WireError};
pub use message::{Header, Message, Outgoing, header};
pub use peer::trim;
pub use signature::Signer;
