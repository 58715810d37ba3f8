//! What is told of a stop at the limit: what was asked where, and which lines hold the most. Reads the books.

use std::collections::VecDeque;

use serde::Serialize;

use super::books::Books;
use super::holders::Taken;
use super::last::Holder;
use super::places::Places;
use super::sites::{Place, Spot};

/// Lines that are named.
const TOP: usize = 3;
/// Stops that are remembered.
const REMEMBERED: usize = 8;

/// Somebody was stopped at the limit, or refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stop {
    /// The request that was refused, in bytes; none where blocks were given and the code was stopped after.
    pub asked: Option<u64>,
    pub live: u64,
    pub limit: u64,
    /// The limited call; none where it was the notebook's limit.
    pub call: Option<u32>,
    /// The notebook's line that went past the limit.
    pub file: String,
    pub line: u32,
    pub function: String,
    /// What holds the most, biggest first.
    pub top: Vec<Held>,
}

/// A line's live bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Held {
    /// The cell that they were allocated in: `In[5]`.
    pub origin: String,
    pub file: String,
    pub line: u32,
    pub function: String,
    pub live: u64,
}

impl Stop {
    /// A stop at a line of the notebook's, as the books are now. Where no request was refused it is an earlier line, or
    /// another thread's, that went past the limit.
    pub fn new(books: &Books, line: Spot, asked: Option<u64>) -> Self {
        let limit = &books.tide.limit;
        let here = Place::Line { leaf: line, line };
        let past = books.sites().key(limit.last).map(|key| key.place);
        let known = past.filter(|place| asked.is_none() && matches!(place, Place::Line { .. }));
        let ((file, number, function), _) = Places::new(books).read(known.unwrap_or(here));
        let top = Taken::from(books).most(TOP, str::to_owned);
        Self {
            asked,
            live: books.tide.live,
            limit: limit.most,
            call: limit.call().map(|call| call.0),
            file: file.to_string(),
            line: number,
            function: function.to_string(),
            top: top.into_iter().map(Held::from).collect(),
        }
    }
}

impl From<Holder> for Held {
    fn from(holder: Holder) -> Self {
        let place = holder.place;
        Self {
            origin: holder.origin,
            file: place.file,
            line: place.line,
            function: place.function,
            live: holder.live,
        }
    }
}

/// The latest stops.
#[derive(Debug, Default)]
pub struct Stops(VecDeque<Stop>);

impl Stops {
    pub const fn new() -> Self {
        Self(VecDeque::new())
    }

    pub fn add(&mut self, stop: Stop) {
        if self.0.len() >= REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(stop);
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The latest first.
    pub fn latest(&self) -> impl Iterator<Item = &Stop> {
        self.0.iter().rev()
    }
}
