//! Where code stands, in words: file, line and function of instructions. Reads the books; decodes each instruction once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use super::books::Books;
use super::codes::{Code, CodeId, IMPORT, Stretch};
use super::paths::PathId;
use super::report::Frame;
use super::sites::{Place, Spot};

/// Rows for which no line number can be told.
const DEEP: &str = "(deep library recursion)";
const THREAD: &str = "(a thread without notebook code)";
const RESERVE: &str = "(a library's own allocator)";
const OTHER: &str = "(other)";

/// File, line and function; line zero has words for a function.
pub type Where = (Arc<str>, u32, Arc<str>);

/// A line table of more bytes than this is decoded whole once it is asked a second time: a module's own code has thousands of
/// lines that ask.
const LONG: usize = 512;

pub struct Places<'a> {
    books: &'a Books,
    known: HashMap<Spot, Where>,
    decoded: HashMap<CodeId, Vec<Stretch>>,
}

impl<'a> Places<'a> {
    pub fn new(books: &'a Books) -> Self {
        Self {
            books,
            known: HashMap::new(),
            decoded: HashMap::new(),
        }
    }

    /// The notebook's line, and the library place that asked for it.
    pub fn read(&mut self, place: Place) -> (Where, Option<Where>) {
        match place {
            Place::Line { leaf, line } if leaf == line => (self.spot(line), None),
            Place::Line { leaf, line } => (self.spot(line), Some(self.spot(leaf))),
            other => (nowhere(nowhere_of(other)), None),
        }
    }

    /// The library frames of a site's path, the one next to its line first. What runs no line of code is left out, and
    /// the import system's frames too unless they asked, as in Python's tracebacks.
    pub fn path(&mut self, path: PathId) -> Vec<Where> {
        let spots = self.books.paths.frames(path).enumerate();
        let mut path: Vec<Where> = spots
            .map(|(depth, spot)| (depth, self.spot(spot)))
            .filter(|(depth, (file, line, _))| {
                *line > 0 && (*depth == 0 || !file.starts_with(IMPORT))
            })
            .map(|(_, place)| place)
            .collect();
        path.reverse();
        path
    }

    fn spot(&mut self, spot: Spot) -> Where {
        let (books, decoded) = (self.books, &mut self.decoded);
        let decode = || match books.codes.get(spot.code) {
            Some(code) => {
                let line = line(code, spot, decoded);
                (code.file.clone(), line, code.function.clone())
            }
            None => nowhere(OTHER),
        };
        self.known.entry(spot).or_insert_with(decode).clone()
    }
}

/// Frames by their number: each is told once, however many ways lead through it.
pub struct Frames<'a> {
    pub places: Places<'a>,
    pub all: Vec<Frame>,
    numbers: HashMap<Where, u32>,
}

impl<'a> Frames<'a> {
    pub fn new(books: &'a Books) -> Self {
        Self {
            places: Places::new(books),
            all: Vec::new(),
            numbers: HashMap::new(),
        }
    }

    /// The library frames of a site's path, as `Places::path` has them.
    pub fn path(&mut self, path: PathId) -> Vec<u32> {
        let path = self.places.path(path);
        path.into_iter().map(|place| self.number(place)).collect()
    }

    pub fn number(&mut self, place: Where) -> u32 {
        let next = self.all.len() as u32;
        *self.numbers.entry(place).or_insert_with_key(|place| {
            self.all.push(frame(place));
            next
        })
    }
}

fn line(code: &Code, spot: Spot, decoded: &mut HashMap<CodeId, Vec<Stretch>>) -> u32 {
    if code.table.len() <= LONG {
        return code.line(spot.offset);
    }
    match decoded.entry(spot.code) {
        Entry::Vacant(first) => {
            first.insert(Vec::new());
            code.line(spot.offset)
        }
        Entry::Occupied(again) => {
            let stretches = again.into_mut();
            if stretches.is_empty() {
                stretches.extend(code.stretches());
            }
            let at = stretches.partition_point(|stretch| stretch.end <= spot.offset);
            stretches.get(at).map_or(0, |stretch| stretch.line)
        }
    }
}

/// What stands for a line where none can be told.
pub fn nowhere_of(place: Place) -> &'static str {
    match place {
        Place::Deep => DEEP,
        Place::Thread => THREAD,
        Place::Reserve => RESERVE,
        Place::Line { .. } | Place::Other => OTHER,
    }
}

/// Where an instruction of a code object stands.
pub fn place_in(code: &Code, offset: u32) -> Where {
    (code.file.clone(), code.line(offset), code.function.clone())
}

/// A place of which no line is known, in words.
pub fn nowhere(words: &str) -> Where {
    (Arc::from(""), 0, Arc::from(words))
}

/// The place as a frame of a stack.
fn frame((file, line, function): &Where) -> Frame {
    Frame {
        file: file.to_string(),
        line: *line,
        function: function.to_string(),
    }
}
