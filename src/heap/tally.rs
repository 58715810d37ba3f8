//! Sums by line, and under each by the library function that asked.

use std::collections::HashMap;
use std::hash::Hash;
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

/// Rows by a key, side by side: a map of rows, some hundred bytes each, would be mostly gaps.
struct Rows<K, R> {
    places: HashMap<K, usize>,
    rows: Vec<R>,
}

impl<K: Eq + Hash, R: Default> Rows<K, R> {
    fn new() -> Self {
        Self {
            places: HashMap::new(),
            rows: Vec::new(),
        }
    }

    fn of(&mut self, key: K) -> &mut R {
        let at = *self.places.entry(key).or_insert_with(|| {
            self.rows.push(R::default());
            self.rows.len() - 1
        });
        &mut self.rows[at]
    }
}

/// A line and, under it, the library places that asked for it.
type Lines<R> = Rows<(Arc<str>, u32), (R, Option<Rows<Where, R>>)>;

pub struct Tally<'a, R> {
    places: Places<'a>,
    lines: Lines<R>,
}

impl<'a, R: Row> Tally<'a, R> {
    pub fn new(books: &'a Books) -> Self {
        Self {
            places: Places::new(books),
            lines: Rows::new(),
        }
    }

    /// Counts a part of a site's line.
    pub fn site(&mut self, cold: &Cold, part: &R::Part) {
        let (line, leaf) = self.places.read(cold.key.place);
        let library = count(&mut self.lines, &line, part);
        if let Some(leaf) = leaf {
            let row = library.get_or_insert_with(Rows::new).of(leaf.clone());
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
        let lines = self.lines.rows.into_iter().map(|(mut line, library)| {
            line.put_library(sorted(
                library.map_or_else(Vec::new, |library| library.rows),
            ));
            line
        });
        sorted(lines.collect())
    }
}

/// Returns the library rows under the line.
fn count<'l, R: Row>(
    lines: &'l mut Lines<R>,
    line: &Where,
    part: &R::Part,
) -> &'l mut Option<Rows<Where, R>> {
    // Without a line the words tell rows apart.
    let key = match line.1 {
        0 => (line.2.clone(), 0),
        number => (line.0.clone(), number),
    };
    let (total, library) = lines.of(key);
    total.name(line);
    total.count(part);
    library
}

fn sorted<R: Row>(mut rows: Vec<R>) -> Vec<R> {
    rows.sort_unstable_by(|a, b| {
        let order = b.size().cmp(&a.size());
        order.then_with(|| a.place().cmp(&b.place()))
    });
    rows
}
