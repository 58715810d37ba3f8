//! The iopub queue as a value: everything that goes out in order, with stream text coalesced and memory bounded. Waits for
//! nobody: `outbox` does.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::interpreter::{Channel, Stream};
use crate::wire::Outgoing;

/// Text waits this long for more of its kind.
const PATIENCE: Duration = Duration::from_millis(20);
/// Text that is this long goes out.
const LONG: usize = 64 << 10;
/// No message carries more text than this: a huge print is sent piece by piece, and no buffer grows to its size.
const HUGE: usize = 1 << 20;
/// Writers wait while this many bytes are queued. The sender never waits, so this is only its head start.
const BUDGET: usize = 8 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Starting,
    Busy,
    Idle,
}

#[derive(Debug)]
pub enum Item {
    Text {
        stream: Stream,
        parent: Bytes,
        text: String,
    },
    Status {
        state: State,
        parent: Bytes,
    },
    Publish {
        topic: Bytes,
        message: Outgoing,
    },
    /// In this queue so that it comes after the output before it and before the idle after it.
    Reply {
        channel: Channel,
        message: Outgoing,
    },
}

impl Item {
    /// How much memory it holds, about.
    pub fn size(&self) -> usize {
        let held = match self {
            Self::Text { parent, text, .. } => parent.len() + text.capacity(),
            Self::Status { parent, .. } => parent.len(),
            Self::Publish { message, .. } | Self::Reply { message, .. } => message.size(),
        };
        size_of::<Self>() + held
    }
}

/// What the sender may do now.
#[derive(Debug)]
pub enum Due {
    Now(Item),
    /// Text waits for more of its kind until then.
    At(Instant),
    Nothing,
    /// The queue is closed and empty.
    Never,
}

/// The queue as a value.
#[derive(Debug, Default)]
pub struct Queue {
    items: VecDeque<Item>,
    bytes: usize,
    /// The last item is text that may grow until then.
    grows: Option<Instant>,
    closed: bool,
    /// A front end has too much to read.
    pub pressed: bool,
    /// The end is near: writers wait no longer, however much is queued.
    pub boundless: bool,
}

impl Queue {
    /// Adds text. True when the sender should look.
    pub fn write(&mut self, stream: Stream, parent: &Bytes, text: &str, now: Instant) -> bool {
        if self.closed || text.is_empty() {
            return false;
        }
        if let (
            Some(Item::Text {
                stream: last,
                parent: of,
                text: so_far,
            }),
            Some(_),
        ) = (self.items.back_mut(), self.grows)
            && *last == stream
            && of == parent
        {
            let before = so_far.capacity();
            so_far.push_str(text);
            self.bytes += so_far.capacity() - before;
            let long = so_far.len() >= LONG;
            if long {
                self.grows = None;
            }
            return long;
        }
        for piece in pieces(text) {
            self.push(Item::Text {
                stream,
                parent: parent.clone(),
                text: piece.to_owned(),
            });
        }
        let long = text.len() >= LONG;
        self.grows = (!long).then(|| now + PATIENCE);
        true
    }

    pub fn push(&mut self, item: Item) {
        if !self.closed {
            self.grows = None;
            self.bytes += item.size();
            self.items.push_back(item);
        }
    }

    /// No more text joins what is there. True when the sender should look.
    pub fn seal(&mut self) -> bool {
        self.grows.take().is_some()
    }

    pub fn take(&mut self, now: Instant) -> Due {
        if let (1, Some(until)) = (self.items.len(), self.grows) {
            if now < until {
                return Due::At(until);
            }
            self.grows = None;
        }
        match self.items.pop_front() {
            Some(item) => {
                self.bytes -= item.size();
                Due::Now(item)
            }
            None if self.closed => Due::Never,
            None => Due::Nothing,
        }
    }

    pub fn close(&mut self) {
        self.grows = None;
        self.closed = true;
    }

    pub fn is_full(&self) -> bool {
        (self.pressed || self.bytes >= BUDGET) && !self.boundless
    }
}

fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let whole = |at: &usize| rest.is_char_boundary(*at);
        let end = (0..=HUGE.min(rest.len())).rev().find(whole)?;
        let (piece, after) = rest.split_at(end);
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(queue: &mut Queue, now: Instant) -> Vec<Item> {
        let item = || match queue.take(now) {
            Due::Now(item) => Some(item),
            _ => None,
        };
        std::iter::from_fn(item).collect()
    }

    fn texts(items: &[Item]) -> Vec<String> {
        let text = |item: &Item| match item {
            Item::Text { text, .. } => text.clone(),
            _ => "|".to_owned(),
        };
        items.iter().map(text).collect()
    }

    fn mark() -> Item {
        Item::Status {
            state: State::Busy,
            parent: Bytes::new(),
        }
    }

    #[test]
    fn text_waits_for_more_of_its_kind_but_not_for_long() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        let write = |queue: &mut Queue| queue.write(Stream::Stdout, &Bytes::new(), "a", now);
        assert!(write(&mut queue), "the sender has to set its clock");
        assert!(!write(&mut queue), "and not again");
        assert!(matches!(queue.take(now), Due::At(until) if until == now + PATIENCE));
        assert_eq!(texts(&all(&mut queue, now + PATIENCE)), ["aa"]);
    }

    #[test]
    fn text_of_another_request_is_another_message() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        for parent in ["1", "2", "2"] {
            queue.write(Stream::Stdout, &Bytes::from(parent), parent, now);
        }
        assert!(queue.seal());
        assert_eq!(texts(&all(&mut queue, now)), ["1", "22"]);
    }

    #[test]
    fn sealed_text_goes_now_and_takes_no_more() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.write(Stream::Stdout, &Bytes::new(), "a", now);
        assert!(queue.seal() && !queue.seal());
        queue.write(Stream::Stdout, &Bytes::new(), "b", now);
        assert_eq!(texts(&all(&mut queue, now)), ["a"]);
        assert_eq!(texts(&all(&mut queue, now + PATIENCE)), ["b"]);
    }

    #[test]
    fn a_closed_queue_gives_what_it_has_and_takes_nothing() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.write(Stream::Stdout, &Bytes::new(), "a", now);
        queue.close();
        queue.push(mark());
        assert!(!queue.write(Stream::Stdout, &Bytes::new(), "b", now));
        assert_eq!(texts(&all(&mut queue, now)), ["a"]);
        assert!(matches!(queue.take(now), Due::Never));
    }

    #[test]
    fn huge_text_is_cut_between_characters() {
        let text = format!("a{}", "\u{1f980}".repeat(HUGE));
        let cut: Vec<&str> = pieces(&text).collect();
        assert!(cut.iter().all(|piece| piece.len() <= HUGE));
        assert_eq!(cut.len(), text.len().div_ceil(HUGE));
        assert_eq!(cut.concat(), text);
    }

    proptest! {
        /// Whatever is written and taken when: nothing is lost, nothing passes another, nothing is left in the books.
        #[test]
        fn everything_comes_out_once_and_in_order(steps in prop::collection::vec((0u8..6, ".{0,4}"), 0..60)) {
            let mut queue = Queue::default();
            let mut now = Instant::now();
            let (mut put, mut got) = (String::new(), String::new());
            for (step, text) in steps {
                match step {
                    0..3 => {
                        let stream = if step == 0 { Stream::Stderr } else { Stream::Stdout };
                        queue.write(stream, &Bytes::new(), &text, now);
                        put.push_str(&text);
                    }
                    3 => {
                        queue.push(mark());
                        put.push('|');
                    }
                    4 => got.push_str(&texts(&all(&mut queue, now)).concat()),
                    _ => now += PATIENCE,
                }
            }
            queue.close();
            got.push_str(&texts(&all(&mut queue, now)).concat());
            prop_assert_eq!(got, put);
            prop_assert_eq!(queue.bytes, 0);
        }
    }
}
