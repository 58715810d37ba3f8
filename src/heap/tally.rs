//! Sums by line, and under each by the library function that asked. Owns how places are read from the books.

use std::collections::HashMap;
use std::sync::Arc;

use super::books::Books;
use super::report::Frame;
use super::sites::{Cold, Place, Spot};

/// Rows for which no line number can be told.
const DEEP: &str = "(deep library recursion)";
const THREAD: &str = "(a thread without notebook code)";
const RESERVE: &str = "(a library's own allocator)";
const OTHER: &str = "(other)";

/// File, line and function; line zero has words for a function.
pub type Where = (Arc<str>, u32, Arc<str>);

/// A row of a report: a line of code with its numbers.
pub trait Row: Default {
    /// What is counted into it.
    type Part;

    fn name(&mut self, place: &Where);
    fn count(&mut self, part: &Self::Part);
    /// What makes it one to show; the most first.
    fn size(&self) -> impl Ord;
    fn place(&self) -> (&str, u32);
    fn put_library(&mut self, rows: Vec<Self>);
}

/// A line and, under it, the library places that asked for it.
type Lines<R> = HashMap<(Arc<str>, u32), (R, HashMap<Where, R>)>;

pub struct Tally<R>(Lines<R>);

impl<R> Default for Tally<R> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<R: Row> Tally<R> {
    /// Counts a part of a place. Returns the library row, where it has one.
    pub fn place(&mut self, books: &Books, place: Place, part: &R::Part) -> Option<&mut R> {
        let (line, leaf) = read(books, place);
        self.add(line, leaf, part)
    }

    pub fn add(&mut self, line: Where, leaf: Option<Where>, part: &R::Part) -> Option<&mut R> {
        // Without a line the words tell rows apart.
        let key = match line.1 {
            0 => (line.2.clone(), 0),
            number => (line.0.clone(), number),
        };
        let (total, library) = self.0.entry(key).or_default();
        total.name(&line);
        total.count(part);
        let leaf = leaf?;
        let row = library.entry(leaf.clone()).or_default();
        row.name(&leaf);
        row.count(part);
        Some(row)
    }

    /// The rows, biggest first.
    pub fn finish(self) -> Vec<R> {
        sorted(self.0.into_values().map(|(mut line, library)| {
            line.put_library(sorted(library.into_values()));
            line
        }))
    }
}

fn sorted<R: Row>(rows: impl Iterator<Item = R>) -> Vec<R> {
    let mut rows: Vec<R> = rows.collect();
    rows.sort_by(|a, b| {
        let order = b.size().cmp(&a.size());
        order.then_with(|| a.place().cmp(&b.place()))
    });
    rows
}

/// The notebook's line, and the library place that asked for it.
pub fn read(books: &Books, place: Place) -> (Where, Option<Where>) {
    let nowhere = |word: &str| (Arc::from(""), 0, Arc::from(word));
    match place {
        Place::Line { leaf, line } if leaf == line => (spot(books, line), None),
        Place::Line { leaf, line } => (spot(books, line), Some(spot(books, leaf))),
        Place::Deep => (nowhere(DEEP), None),
        Place::Thread => (nowhere(THREAD), None),
        Place::Reserve => (nowhere(RESERVE), None),
        Place::Other => (nowhere(OTHER), None),
    }
}

fn spot(books: &Books, spot: Spot) -> Where {
    let Some(code) = books.codes.get(spot.code) else {
        return (Arc::from(""), 0, Arc::from(OTHER));
    };
    let line = code.line(spot.offset);
    (code.file.clone(), line, code.function.clone())
}

/// The place as a frame of a stack.
pub fn frame((file, line, function): &Where) -> Frame {
    Frame {
        file: file.to_string(),
        line: *line,
        function: function.to_string(),
    }
}

/// The library frames under a site's line, the one next to it first. What runs no line of code is left out, and the
/// import system's frames too unless they asked, as in Python's tracebacks.
pub fn path<'a>(books: &'a Books, cold: &Cold) -> impl Iterator<Item = Spot> + use<'a> {
    let mut spots: Vec<Spot> = books.paths.frames(cold.path).collect();
    spots.reverse();
    let last = spots.len().saturating_sub(1);
    (spots.into_iter().enumerate()).filter_map(move |(at, place)| {
        let (file, line, _) = spot(books, place);
        let is_shown = line > 0 && (at == last || !file.starts_with("<frozen importlib"));
        is_shown.then_some(place)
    })
}

/// The frame of an instruction.
pub fn frame_of(books: &Books, at: Spot) -> Frame {
    frame(&spot(books, at))
}
