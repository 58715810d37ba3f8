//! Commands: the frames of which ZMTP itself is made. Owns their bodies.

use bytes::{BufMut, Bytes, BytesMut};

use super::ProtocolError;
use super::encoder::command_frame;

/// The longest identity that ZMTP allows.
const IDENTITY: usize = 255;
/// The longest context of a PING.
const CONTEXT: usize = 16;

/// How the peer introduces itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ready {
    pub socket_type: Bytes,
    /// Empty when the peer leaves it to us.
    pub identity: Bytes,
}

/// What a peer may say between messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    Ready(Ready),
    Subscribe(Bytes),
    Cancel(Bytes),
    /// To be answered with a PONG of the same context.
    Ping(Bytes),
    Pong,
    Error,
    /// Of a later version: passed over, as the protocol asks.
    Other,
}

impl Command {
    pub fn read(body: &Bytes) -> Result<Self, ProtocolError> {
        let (name, rest) = named(body).ok_or(ProtocolError::Command)?;
        Ok(match &name[..] {
            b"READY" => Self::Ready(Ready::read(rest)?),
            b"SUBSCRIBE" => Self::Subscribe(rest),
            b"CANCEL" => Self::Cancel(rest),
            // A time to live of two bytes, then the context.
            b"PING" if (2..=2 + CONTEXT).contains(&rest.len()) => Self::Ping(rest.slice(2..)),
            b"PING" => return Err(ProtocolError::Command),
            b"PONG" => Self::Pong,
            b"ERROR" => Self::Error,
            _ => Self::Other,
        })
    }
}

impl Ready {
    fn read(mut properties: Bytes) -> Result<Self, ProtocolError> {
        let mut ready = Self::default();
        while !properties.is_empty() {
            let (name, rest) = named(&properties).ok_or(ProtocolError::Command)?;
            let (value, rest) = sized(&rest).ok_or(ProtocolError::Command)?;
            if name.eq_ignore_ascii_case(b"Socket-Type") {
                ready.socket_type = value;
            } else if name.eq_ignore_ascii_case(b"Identity") {
                ready.identity = value;
            }
            properties = rest;
        }
        if ready.identity.len() > IDENTITY {
            return Err(ProtocolError::Command);
        }
        Ok(ready)
    }
}

/// Our own introduction, as a frame. The identity is not ours to choose and stays empty.
pub fn ready(socket_type: &str) -> Bytes {
    let mut body = BytesMut::new();
    for (name, value) in [("Socket-Type", socket_type), ("Identity", "")] {
        body.put_u8(name.len() as u8);
        body.put_slice(name.as_bytes());
        body.put_u32(value.len() as u32);
        body.put_slice(value.as_bytes());
    }
    command_frame("READY", &body)
}

pub fn pong(context: &[u8]) -> Bytes {
    command_frame("PONG", context)
}

/// A name, its length in the byte before it, and what follows.
fn named(bytes: &Bytes) -> Option<(Bytes, Bytes)> {
    let length = usize::from(*bytes.first()?);
    let end = 1 + length;
    (length > 0 && end <= bytes.len()).then(|| (bytes.slice(1..end), bytes.slice(end..)))
}

/// A value, its length in the four bytes before it, and what follows.
fn sized(bytes: &Bytes) -> Option<(Bytes, Bytes)> {
    let length = u32::from_be_bytes(*bytes.first_chunk()?);
    let end = usize::try_from(length).ok()?.checked_add(4)?;
    (end <= bytes.len()).then(|| (bytes.slice(4..end), bytes.slice(end..)))
}
