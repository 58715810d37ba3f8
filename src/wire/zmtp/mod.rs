//! ZMTP 3, the server's half, as bytes: greeting, commands, frames, messages. Values only: no sockets, no clock.

mod command;
mod decoder;
mod encoder;
mod greeting;

pub use command::{Command, Ready, pong, ready};
pub use decoder::{Decoder, Event, Limits};
pub use encoder::{Encoded, encode};
pub use greeting::greeting;

/// Why a peer is let go. Nothing of what it sent is repeated here but numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    #[error("it does not speak ZMTP")]
    Greeting,
    #[error("it speaks ZMTP {major}, and only 3 is served")]
    Version { major: u8 },
    #[error("it asks for a security mechanism, and only NULL is served")]
    Mechanism,
    #[error("it does not complete the handshake")]
    NotReady,
    #[error("its socket is of another type")]
    SocketType,
    #[error("a command of it is malformed")]
    Command,
    #[error("a frame of it has the flags {0:#04x}")]
    Flags(u8),
    #[error("a message of it has more than {limit} bytes")]
    Large { limit: usize },
    #[error("a message of it has more than {limit} parts")]
    Parts { limit: usize },
    #[error("it subscribes to too much")]
    Subscriptions,
}
