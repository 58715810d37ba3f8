//! Frames to send. Owns their headers; copies what is small and refers to what is large.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

pub const MORE: u8 = 1;
pub const LONG: u8 = 2;
pub const COMMAND: u8 = 4;

/// A part of this size is sent from where it lies; smaller ones are cheaper to copy next to each other.
const LARGE: usize = 16 << 10;

/// A message as it goes over the wire. One for all who receive it.
#[derive(Debug, Clone)]
pub struct Encoded {
    chunks: Arc<[Bytes]>,
    size: usize,
}

impl Encoded {
    pub fn chunks(&self) -> &[Bytes] {
        &self.chunks
    }

    /// All of its bytes.
    pub fn size(&self) -> usize {
        self.size
    }
}

impl From<Bytes> for Encoded {
    fn from(bytes: Bytes) -> Self {
        let size = bytes.len();
        let chunks = Arc::new([bytes]);
        Self { chunks, size }
    }
}

/// Encodes the parts of a message, of which there is at least one.
pub fn encode(parts: &[Bytes]) -> Encoded {
    let (mut chunks, mut small) = (Vec::new(), BytesMut::new());
    for (at, part) in parts.iter().enumerate() {
        let more = if at + 1 < parts.len() { MORE } else { 0 };
        put_header(&mut small, more, part.len());
        if part.len() < LARGE {
            small.put_slice(part);
        } else {
            chunks.extend([small.split().freeze(), part.clone()]);
        }
    }
    if !small.is_empty() {
        chunks.push(small.freeze());
    }
    let size = chunks.iter().map(Bytes::len).sum();
    let chunks = chunks.into();
    Encoded { chunks, size }
}

pub fn command_frame(name: &str, body: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    put_header(&mut frame, COMMAND, 1 + name.len() + body.len());
    frame.put_u8(name.len() as u8);
    frame.put_slice(name.as_bytes());
    frame.put_slice(body);
    frame.freeze()
}

fn put_header(out: &mut BytesMut, flags: u8, length: usize) {
    match u8::try_from(length) {
        Ok(short) => out.put_slice(&[flags, short]),
        Err(_) => {
            out.put_u8(flags | LONG);
            out.put_u64(length as u64);
        }
    }
}
