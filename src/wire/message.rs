//! Messages and their multipart layout. Owns the order of the parts; sockets live in `sockets`.

use bytes::Bytes;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::{FrameError, Signer, clock};

const DELIMITER: &[u8] = b"<IDS|MSG>";
/// Signature, header, parent header, metadata, content.
const PARTS: usize = 5;
const VERSION: &str = "5.5";

/// A message that came in and was verified.
#[derive(Debug, Clone)]
pub struct Message {
    pub ids: Vec<Bytes>,
    pub header: Header,
    pub parent_header: Bytes,
    pub metadata: Bytes,
    pub content: Bytes,
    pub buffers: Vec<Bytes>,
}

/// What the kernel reads of a header, and the header as it came: replies echo that.
#[derive(Debug, Clone)]
pub struct Header {
    pub raw: Bytes,
    pub msg_id: String,
    pub msg_type: String,
    pub session: String,
    pub subshell_id: Option<String>,
}

/// A message to send; it is signed on its way out. `ids` are for ROUTER sockets.
#[derive(Debug, Clone, Default)]
pub struct Outgoing {
    pub ids: Vec<Bytes>,
    pub header: Bytes,
    pub parent_header: Bytes,
    pub metadata: Bytes,
    pub content: Bytes,
    pub buffers: Vec<Bytes>,
}

#[derive(Deserialize)]
struct HeaderFields {
    msg_id: String,
    msg_type: String,
    #[serde(default)]
    session: String,
    #[serde(default)]
    subshell_id: Option<String>,
}

#[derive(Serialize)]
struct NewHeader<'a> {
    msg_id: String,
    msg_type: &'a str,
    username: &'a str,
    session: &'a str,
    date: String,
    version: &'a str,
}

/// A header for a new message, as JSON.
pub fn header(msg_type: &str, session: &str, username: &str) -> Bytes {
    let fields = NewHeader {
        msg_id: uuid::Uuid::new_v4().to_string(),
        msg_type,
        username,
        session,
        date: clock::now(),
        version: VERSION,
    };
    serde_json::to_vec(&fields)
        .expect("strings are always JSON")
        .into()
}

impl Message {
    /// Reads what a socket gave: splits, verifies, then parses as little as is needed.
    ///
    /// # Errors
    /// When the frame is truncated, unsigned, forged, or a part of it is not JSON.
    pub fn read(mut frames: Vec<Bytes>, signer: &Signer) -> Result<Self, FrameError> {
        let found = frames.len();
        let at = (frames.iter().position(|frame| frame == DELIMITER))
            .ok_or(FrameError::Delimiter { found })?;
        let mut rest = frames.split_off(at).split_off(1);
        frames.truncate(at);
        let [signature, header, parent_header, metadata, content, ..] = &rest[..] else {
            let (expected, found) = (PARTS, rest.len());
            return Err(FrameError::Truncated { expected, found });
        };
        signer.verify(signature, [header, parent_header, metadata, content])?;
        check("parent header", parent_header)?;
        check("metadata", metadata)?;
        check("content", content)?;
        let message = Self {
            ids: frames,
            header: Header::read(header.clone())?,
            parent_header: parent_header.clone(),
            metadata: metadata.clone(),
            content: content.clone(),
            buffers: rest.split_off(PARTS),
        };
        Ok(message)
    }
}

impl Message {
    /// How much memory the message holds, about.
    pub fn size(&self) -> usize {
        let parts = [
            &self.header.raw,
            &self.parent_header,
            &self.metadata,
            &self.content,
        ];
        let ids = self.ids.iter().map(Bytes::len).sum::<usize>();
        size_of::<Self>() + ids + bytes_of(parts, &self.buffers)
    }
}

impl Header {
    fn read(raw: Bytes) -> Result<Self, FrameError> {
        let fields: HeaderFields = parse("header", &raw)?;
        Ok(Self {
            raw,
            msg_id: fields.msg_id,
            msg_type: fields.msg_type,
            session: fields.session,
            subshell_id: fields.subshell_id,
        })
    }
}

impl Outgoing {
    /// The parts in the order of the wire, signed. `prefix` is a topic or a peer's identities.
    pub fn frames(self, prefix: impl IntoIterator<Item = Bytes>, signer: &Signer) -> Vec<Bytes> {
        let json = [self.header, self.parent_header, self.metadata, self.content].map(|part| {
            if part.is_empty() {
                Bytes::from_static(b"{}")
            } else {
                part
            }
        });
        let signature = signer.sign(json.each_ref().map(|part| &part[..]));
        let mut frames: Vec<Bytes> = prefix.into_iter().collect();
        frames.extend([Bytes::from_static(DELIMITER), signature.into()]);
        frames.extend(json);
        frames.extend(self.buffers);
        frames
    }

    /// How much memory the message holds, about.
    pub fn size(&self) -> usize {
        let parts = [
            &self.header,
            &self.parent_header,
            &self.metadata,
            &self.content,
        ];
        size_of::<Self>() + bytes_of(parts, &self.buffers)
    }
}

fn bytes_of(parts: [&Bytes; 4], buffers: &[Bytes]) -> usize {
    parts.into_iter().chain(buffers).map(Bytes::len).sum()
}

fn check(part: &'static str, json: &[u8]) -> Result<(), FrameError> {
    parse::<IgnoredAny>(part, json).map(drop)
}

fn parse<'a, T: Deserialize<'a>>(part: &'static str, json: &'a [u8]) -> Result<T, FrameError> {
    serde_json::from_slice(json).map_err(|error| FrameError::NotJson {
        part,
        reason: error.to_string(),
    })
}
