//! What a peer sent, as events. Owns the order of a connection's life and its bounds; believes no length before it has
//! compared it with them.

use bytes::{Buf, Bytes, BytesMut};

use super::command::{Command, Ready};
use super::encoder::{COMMAND, LONG, MORE};
use super::{ProtocolError, greeting};

/// A command is never longer, so that a handshake costs nothing.
const COMMAND_BYTES: usize = 4 << 10;
/// A part up to this size is copied: a slice of it would keep the whole buffer that it was read into.
const SMALL: usize = 4 << 10;

/// The most that one message may be.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub bytes: usize,
    pub parts: usize,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// The handshake is complete.
    Ready(Ready),
    Command(Command),
    Message(Vec<Bytes>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Greeting,
    Handshake,
    Traffic,
}

/// One connection's state.
#[derive(Debug)]
pub struct Decoder {
    stage: Stage,
    limits: Limits,
    parts: Vec<Bytes>,
    bytes: usize,
}

struct Header {
    flags: u8,
    /// Of the header itself.
    size: usize,
    length: usize,
}

impl Decoder {
    pub fn new(limits: Limits) -> Self {
        Self {
            stage: Stage::Greeting,
            limits,
            parts: Vec::new(),
            bytes: 0,
        }
    }

    /// Takes the next event out of what has come; None while it is not whole.
    ///
    /// # Errors
    /// When the peer breaks the protocol or a bound. Nothing is to be read of it afterwards.
    pub fn next(&mut self, input: &mut BytesMut) -> Result<Option<Event>, ProtocolError> {
        if self.stage == Stage::Greeting {
            if !greeting::check(input)? {
                return Ok(None);
            }
            input.advance(greeting::LENGTH);
            self.stage = Stage::Handshake;
        }
        while let Some(header) = self.header(input)? {
            if input.len() - header.size < header.length {
                return Ok(None);
            }
            input.advance(header.size);
            let body = take(input, header.length);
            if header.flags & COMMAND != 0 {
                return self.command(&body).map(Some);
            }
            self.bytes += body.len();
            self.parts.push(body);
            if header.flags & MORE == 0 {
                self.bytes = 0;
                return Ok(Some(Event::Message(std::mem::take(&mut self.parts))));
            }
        }
        Ok(None)
    }

    /// Whether a message has begun and has not ended.
    pub fn is_within(&self) -> bool {
        !self.parts.is_empty()
    }

    /// Bytes of the parts that have come of an unfinished message.
    pub fn held(&self) -> usize {
        self.bytes
    }

    /// The header at the start of the input, if it is whole, and within bounds.
    fn header(&self, input: &[u8]) -> Result<Option<Header>, ProtocolError> {
        let Some(&flags) = input.first() else {
            return Ok(None);
        };
        if flags & !(MORE | LONG | COMMAND) != 0 || flags & MORE != 0 && flags & COMMAND != 0 {
            return Err(ProtocolError::Flags(flags));
        }
        let (size, announced) = if flags & LONG == 0 {
            (2, input.get(1).map(|&length| u64::from(length)))
        } else {
            let length = input[1..].first_chunk().copied();
            (9, length.map(u64::from_be_bytes))
        };
        let Some(announced) = announced else {
            return Ok(None);
        };
        let length = self.bounded(flags, announced)?;
        Ok(Some(Header {
            flags,
            size,
            length,
        }))
    }

    fn bounded(&self, flags: u8, announced: u64) -> Result<usize, ProtocolError> {
        if flags & COMMAND == 0 {
            if self.stage != Stage::Traffic {
                return Err(ProtocolError::NotReady);
            }
            let limit = self.limits.parts;
            if self.parts.len() >= limit {
                return Err(ProtocolError::Parts { limit });
            }
        }
        let (limit, before) = match flags & COMMAND {
            0 => (self.limits.bytes, self.bytes),
            _ => (COMMAND_BYTES, 0),
        };
        (usize::try_from(announced).ok())
            .filter(|&length| length <= limit - before)
            .ok_or(ProtocolError::Large { limit })
    }

    fn command(&mut self, body: &Bytes) -> Result<Event, ProtocolError> {
        match (self.stage, Command::read(body)?) {
            (Stage::Traffic, Command::Ready(_)) => Err(ProtocolError::Command),
            (Stage::Traffic, command) => Ok(Event::Command(command)),
            (_, Command::Ready(ready)) => {
                self.stage = Stage::Traffic;
                Ok(Event::Ready(ready))
            }
            _ => Err(ProtocolError::NotReady),
        }
    }
}

fn take(input: &mut BytesMut, length: usize) -> Bytes {
    if length > SMALL {
        return input.split_to(length).freeze();
    }
    let part = Bytes::copy_from_slice(&input[..length]);
    input.advance(length);
    part
}
