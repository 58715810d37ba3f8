//! Sums by line, and under each by the library function that asked.

use std::collections::HashMap;
use std::sync::Arc;

use super::books::Books;
use super::places::{Places, Where};
use super::sites::Cold;

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

pub struct Tally<'a, R> {
    places: Places<'a>,
    lines: Lines<R>,
}

impl<'a, R: Row> Tally<'a, R> {
    pub fn new(books: &'a Books) -> Self {
        Self {
            places: Places::new(books),
            lines: HashMap::new(),
        }
    }

    /// Counts a part of a site's line.
    pub fn site(&mut self, cold: &Cold, part: &R::Part) {
        let (line, leaf) = self.places.read(cold.key.place);
        let library = count(&mut self.lines, &line, part);
        if let Some(leaf) = leaf {
            let row = library.entry(leaf.clone()).or_default();
            row.name(&leaf);
            row.count(part);
        }
    }

    /// Counts a part of a line without a site.
    pub fn line(&mut self, line: &Where, part: &R::Part) {
        count(&mut self.lines, line, part);
    }

    /// The rows, biggest first.
    pub fn finish(self) -> Vec<R> {
        sorted(self.lines.into_values().map(|(mut line, library)| {
            line.put_library(sorted(library.into_values()));
            line
        }))
    }
}

/// Returns the library rows under the line.
fn count<'l, R: Row>(
    lines: &'l mut Lines<R>,
    line: &Where,
    part: &R::Part,
) -> &'l mut HashMap<Where, R> {
    // Without a line the words tell rows apart.
    let key = match line.1 {
        0 => (line.2.clone(), 0),
        number => (line.0.clone(), number),
    };
    let (total, library) = lines.entry(key).or_default();
    total.name(line);
    total.count(part);
    library
}

fn sorted<R: Row>(rows: impl Iterator<Item = R>) -> Vec<R> {
    let mut rows: Vec<R> = rows.collect();
    rows.sort_by(|a, b| {
        let order = b.size().cmp(&a.size());
        order.then_with(|| a.place().cmp(&b.place()))
    });
    rows
}
