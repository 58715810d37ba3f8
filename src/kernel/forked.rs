//! Forked children: they own no socket, so their output goes to the parent over a socket pair, which publishes it.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use parking_lot::Mutex;

use super::capture::{ok, readable};
use super::interpreter::Stream;
use super::shared::Shared;
use crate::wire::Outgoing;

/// A packet of the pair holds this much of a message. Packets are atomic, so children need no lock between them.
const PACKET: usize = 32 << 10;
/// Message number, then whether it is the last packet.
const HEAD: usize = 9;
/// More unfinished messages than this are of children that were killed.
const UNFINISHED: usize = 64;
/// As many packets as fit into the pair: one drain sees all that was there, and ends.
const DRAIN: usize = 1024;

static CHILD: AtomicBool = AtomicBool::new(false);

/// Whether this process was forked from the one that started the kernel.
pub fn is_child() -> bool {
    CHILD.load(Ordering::Relaxed)
}

extern "C" fn mark_child() {
    CHILD.store(true, Ordering::Relaxed);
}

/// The child's end.
pub struct ToParent {
    socket: OwnedFd,
    /// The parent's end, which a child inherits and must not keep: else a dead parent would go unnoticed.
    parents: RawFd,
    closed: AtomicBool,
    sent: AtomicU32,
    line: Mutex<Option<Line>>,
}

/// Text that waits for the end of its line, as in any process: the lines of two children do not run into each other.
struct Line {
    /// A child's child has a copy of what its parent will send.
    of: u32,
    stream: Stream,
    parent: Bytes,
    text: String,
}

/// The parent's end.
pub struct Children {
    socket: OwnedFd,
    unfinished: BTreeMap<u64, BytesMut>,
}

/// What a child asks its parent to publish.
#[derive(Debug)]
enum Forwarded {
    Text {
        stream: Stream,
        parent: Bytes,
        text: String,
    },
    Publish {
        topic: Bytes,
        message: Outgoing,
    },
}

/// Makes the pair, and has forks noticed from here on.
pub fn pair() -> io::Result<(ToParent, Children)> {
    static WATCHED: Once = Once::new();
    // SAFETY: the handler does one atomic store, which is allowed between fork and anything else.
    WATCHED.call_once(|| unsafe {
        libc::pthread_atfork(None, None, Some(mark_child));
    });
    let mut ends = [0; 2];
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
    // SAFETY: `ends` has room for the two descriptors, which are owned here from then on.
    let [parents, childs] = unsafe {
        ok(libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr()))?;
        ends.map(|fd| OwnedFd::from_raw_fd(fd))
    };
    let to_parent = ToParent {
        parents: parents.as_raw_fd(),
        socket: childs,
        closed: AtomicBool::new(false),
        sent: AtomicU32::new(0),
        line: Mutex::new(None),
    };
    let children = Children {
        socket: parents,
        unfinished: BTreeMap::new(),
    };
    Ok((to_parent, children))
}

impl ToParent {
    pub fn write(&self, stream: Stream, parent: &Bytes, text: &str) {
        // Forked while another thread wrote: that thread is not here, and its lock is never given back.
        let Some(mut line) = self.line.try_lock() else {
            return self.send_text(stream, parent, text);
        };
        let of = std::process::id();
        let mut so_far = match line.take() {
            Some(line) if line.of == of && line.stream == stream && line.parent == parent => line,
            other => {
                self.send_line(other);
                Line {
                    of,
                    stream,
                    parent: parent.clone(),
                    text: String::new(),
                }
            }
        };
        so_far.text.push_str(text);
        if so_far.text.ends_with('\n') || so_far.text.len() >= PACKET {
            self.send_line(Some(so_far));
        } else {
            *line = Some(so_far);
        }
    }

    pub fn flush(&self) {
        if let Some(mut line) = self.line.try_lock() {
            self.send_line(line.take());
        }
    }

    fn send_line(&self, line: Option<Line>) {
        if let Some(line) = line.filter(|line| line.of == std::process::id()) {
            self.send_text(line.stream, &line.parent, &line.text);
        }
    }

    fn send_text(&self, stream: Stream, parent: &Bytes, text: &str) {
        let kind = match stream {
            Stream::Stdout => 1,
            Stream::Stderr => 2,
        };
        self.send(kind, &[parent, text.as_bytes()]);
    }

    pub fn publish(&self, topic: &[u8], message: &Outgoing) {
        let Outgoing {
            header,
            parent_header,
            metadata,
            content,
            ..
        } = message;
        self.flush();
        let mut parts = vec![topic, header, parent_header, metadata, content];
        parts.extend(message.buffers.iter().map(|buffer| &buffer[..]));
        self.send(3, &parts);
    }

    fn send(&self, kind: u8, parts: &[&[u8]]) {
        if is_child() && !self.closed.swap(true, Ordering::Relaxed) {
            // SAFETY: both are open, and this process is a copy: the parent keeps its end. The number stays open here,
            // as `Children` owns it.
            unsafe { libc::dup3(self.socket.as_raw_fd(), self.parents, libc::O_CLOEXEC) };
        }
        let number = u64::from(std::process::id()) << 32
            | u64::from(self.sent.fetch_add(1, Ordering::Relaxed));
        let body = encode(kind, parts);
        let mut pieces = body.chunks(PACKET).peekable();
        while let Some(piece) = pieces.next() {
            let mut packet = Vec::with_capacity(HEAD + piece.len());
            packet.put_u64_le(number);
            packet.put_u8(u8::from(pieces.peek().is_none()));
            packet.put_slice(piece);
            self.send_packet(&packet);
        }
    }

    /// A parent that has gone gets nothing.
    fn send_packet(&self, packet: &[u8]) {
        let (fd, data, len) = (
            self.socket.as_raw_fd(),
            packet.as_ptr().cast(),
            packet.len(),
        );
        // SAFETY: pointer and length are those of `packet`.
        while unsafe { libc::send(fd, data, len, libc::MSG_NOSIGNAL) } < 0
            && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
        {}
    }
}

impl AsRawFd for Children {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl Children {
    /// Queues what children have sent so far.
    pub fn drain(&mut self, shared: &Shared) {
        if readable(self.as_raw_fd()) == 0 {
            return;
        }
        let mut packet = [0; HEAD + PACKET];
        for _ in 0..DRAIN {
            let Some(read) = self.receive(&mut packet) else {
                return;
            };
            match self.join(&packet[..read]) {
                Some(Forwarded::Text {
                    stream,
                    parent,
                    text,
                }) => shared.outbox.write(stream, &parent, &text),
                Some(Forwarded::Publish { topic, message }) => {
                    shared.outbox.publish(topic, message);
                }
                None => {}
            }
        }
    }

    fn receive(&self, packet: &mut [u8]) -> Option<usize> {
        let (data, len) = (packet.as_mut_ptr().cast(), packet.len());
        // SAFETY: pointer and length are those of `packet`.
        let read = unsafe { libc::recv(self.as_raw_fd(), data, len, libc::MSG_DONTWAIT) };
        usize::try_from(read).ok().filter(|&read| read >= HEAD)
    }

    /// Adds a packet to its message. The message, when that was its last packet.
    fn join(&mut self, mut packet: &[u8]) -> Option<Forwarded> {
        let (number, last) = (packet.get_u64_le(), packet.get_u8() == 1);
        if self.unfinished.len() > UNFINISHED {
            self.unfinished.pop_first();
        }
        self.unfinished
            .entry(number)
            .or_default()
            .extend_from_slice(packet);
        if !last {
            return None;
        }
        decode(self.unfinished.remove(&number)?.freeze())
    }
}

fn encode(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut body = vec![kind];
    for part in parts {
        body.put_u64_le(part.len() as u64);
        body.put_slice(part);
    }
    body
}

fn decode(mut body: Bytes) -> Option<Forwarded> {
    let kind = body.try_get_u8().ok()?;
    let mut parts = Vec::new();
    while let Ok(len) = body.try_get_u64_le() {
        let len = usize::try_from(len).ok().filter(|&len| len <= body.len())?;
        parts.push(body.split_to(len));
    }
    match (kind, &parts[..]) {
        (1 | 2, [parent, text]) => Some(Forwarded::Text {
            stream: if kind == 1 {
                Stream::Stdout
            } else {
                Stream::Stderr
            },
            parent: parent.clone(),
            text: String::from_utf8_lossy(text).into_owned(),
        }),
        (
            3,
            [
                topic,
                header,
                parent_header,
                metadata,
                content,
                buffers @ ..,
            ],
        ) => {
            let message = Outgoing {
                ids: Vec::new(),
                header: header.clone(),
                parent_header: parent_header.clone(),
                metadata: metadata.clone(),
                content: content.clone(),
                buffers: buffers.to_vec(),
            };
            Some(Forwarded::Publish {
                topic: topic.clone(),
                message,
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(children: &mut Children) -> Vec<Forwarded> {
        let mut packet = [0; HEAD + PACKET];
        let mut all = Vec::new();
        while let Some(read) = children.receive(&mut packet) {
            all.extend(children.join(&packet[..read]));
        }
        all
    }

    fn texts(children: &mut Children) -> Vec<String> {
        let text = |forwarded| match forwarded {
            Forwarded::Text { text, .. } => text,
            Forwarded::Publish { topic, .. } => format!("{topic:?}"),
        };
        received(children).into_iter().map(text).collect()
    }

    #[test]
    fn a_line_travels_whole_however_it_was_written() {
        let (child, mut children) = pair().unwrap();
        for piece in ["one", " ", "line\n", "and ", "a half"] {
            child.write(Stream::Stdout, &Bytes::new(), piece);
        }
        assert_eq!(texts(&mut children), ["one line\n"]);
        child.flush();
        assert_eq!(texts(&mut children), ["and a half"]);
    }

    #[test]
    fn text_never_passes_other_messages() {
        let (child, mut children) = pair().unwrap();
        child.write(Stream::Stdout, &Bytes::new(), "a");
        child.write(Stream::Stderr, &Bytes::new(), "b");
        child.publish(b"c", &Outgoing::default());
        assert_eq!(texts(&mut children), ["a", "b", "b\"c\""]);
    }

    #[test]
    fn a_message_is_the_same_on_the_other_side() {
        let (child, mut children) = pair().unwrap();
        let buffers = vec![Bytes::from(vec![7; 3 * PACKET]), Bytes::new()];
        let sent = Outgoing {
            ids: Vec::new(),
            header: "h".into(),
            parent_header: "p".into(),
            metadata: "m".into(),
            content: "c".into(),
            buffers,
        };
        child.publish(b"topic", &sent);
        let all = received(&mut children);
        let [Forwarded::Publish { topic, message }] = &all[..] else {
            panic!("{all:?}");
        };
        assert_eq!(topic, "topic");
        assert_eq!(format!("{message:?}"), format!("{sent:?}"));
    }

    #[test]
    fn what_killed_children_leave_unfinished_is_bounded() {
        let (_child, mut children) = pair().unwrap();
        for number in 0..1000u64 {
            let mut packet = number.to_le_bytes().to_vec();
            packet.extend([0, 1, 2, 3]);
            assert!(children.join(&packet).is_none());
        }
        assert!(children.unfinished.len() <= UNFINISHED + 1);
    }
}
