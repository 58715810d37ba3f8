//! What is asked of a picture node by node: its type, its cell, how it is called, sums of many.

use std::collections::HashMap;

use pyo3::prelude::*;

use crate::graph::{Stopped, Watch};
use crate::heap::books::Books;
use crate::heap::cells::CellId;
use crate::heap::sites::SiteId;

use super::frames;
use super::kinds::Adapter;
use super::layout::{self, IMMORTAL, kind, references, word};
use super::names::code_name;
use super::owned::{Found, owned};
use super::picture::Picture;
use super::pyarrow;
use super::report::{Amount, TypeRow};
use super::tensors;
use super::texts::type_name;
use super::walk::{COUNTER, ENTRY, FRAME, KEYS, SHARED, STORAGE, TAGS, TENSOR};

/// Objects and bytes by type; by tag, which is less than any address, where there is none.
pub type Sums = HashMap<usize, (u64, u64)>;

/// The largest block of an object, and its site.
struct Largest<'a> {
    books: &'a Books,
    found: Option<(SiteId, u64)>,
}

impl Largest<'_> {
    fn larger(&mut self, block: Option<(SiteId, u64)>) {
        if block.map(|(_, size)| size) > self.found.map(|(_, size)| size) {
            self.found = block;
        }
    }
}

impl Found for Largest<'_> {
    fn block(&mut self, address: usize) {
        self.larger(self.books.block_at(address));
    }

    fn pages(&mut self, address: usize) {
        self.larger(self.books.mapping_at(address));
    }
}

impl Picture {
    /// The name of a node's type.
    pub fn type_of(&self, node: u32) -> String {
        match (self.tag(node), self.object(node)) {
            // SAFETY: no Python ran since the walk, so objects and their types live.
            (_, Some(object)) => unsafe { type_name(self.layout, word(object, layout::TYPE)) },
            (KEYS, _) => "names of attributes".into(),
            (ENTRY, _) => "name".into(),
            (FRAME, _) => "frame".into(),
            (STORAGE, _) => "data of a tensor".into(),
            (SHARED, _) => "data of pyarrow".into(),
            _ => "tensor of C++".into(),
        }
    }

    /// The cell in which a node's object was allocated, by our id.
    pub fn cell_of(&mut self, py: Python<'_>, node: u32) -> Option<CellId> {
        crate::py::tracer::with(py, |tracer| {
            let site = self.site_of(&tracer.books, node)?;
            tracer.books.cell_of(site)
        })
        .ok()?
    }

    /// The site of the largest block of a node's object. Its own may be an older cell's: Python keeps the heads of lists
    /// and dicts in free lists, and hands them out again.
    pub fn site_of(&mut self, books: &Books, node: u32) -> Option<SiteId> {
        let (Some(kind), Some(object)) = (self.kind(node), self.object(node)) else {
            return self.site_behind(books, node);
        };
        let mut largest = Largest {
            books,
            found: books.block_at(object - kind.before),
        };
        // SAFETY: no Python ran since the walk, so the object lives and is of this kind.
        unsafe { owned(self.layout, &kind, object, &mut largest) };
        largest.found.map(|(site, _)| site)
    }

    /// The same of a class's table of names, or of an object of C++.
    fn site_behind(&self, books: &Books, node: u32) -> Option<SiteId> {
        let (inside, tag) = (self.objects[node as usize] & !TAGS, self.tag(node));
        let mut largest = Largest { books, found: None };
        // SAFETY: no Python ran since the walk, which has read it too.
        unsafe {
            match (tag, self.shared(node)) {
                (_, Some(shared)) => pyarrow::found_in(shared, &mut largest),
                (KEYS, _) => largest.block(inside),
                (TENSOR | STORAGE | COUNTER, _) => tensors::found_in(inside, tag, &mut largest),
                _ => return None,
            }
        }
        largest.found.map(|(site, _)| site)
    }

    /// Of these, in their order, what a cell had allocated.
    pub fn of_cells(&mut self, py: Python<'_>, nodes: &[u32]) -> Vec<u32> {
        let asked = crate::py::tracer::with(py, |tracer| {
            let books = &tracer.books;
            let mut is_cells = |node: &u32| books.cell_of(self.site_of(books, *node)?);
            (nodes.iter().copied())
                .filter(|node| is_cells(node).is_some())
                .collect()
        });
        asked.unwrap_or_default()
    }

    pub fn label_of(&self, py: Python<'_>, cell: CellId) -> String {
        crate::py::tracer::with(py, |tracer| tracer.books.label_of(cell))
            .unwrap_or_else(|_| format!("cell {}", cell.0))
    }

    pub fn origin(&mut self, py: Python<'_>, node: u32) -> Option<String> {
        let cell = self.cell_of(py, node)?;
        Some(self.label_of(py, cell))
    }

    /// Bytes of each cell among these, the most first.
    pub fn origins(&mut self, py: Python<'_>, nodes: &[u32]) -> Vec<(String, u64)> {
        let mut cells: HashMap<Option<CellId>, u64> = HashMap::new();
        let asked = crate::py::tracer::with(py, |tracer| {
            for node in nodes {
                if let Some(site) = self.site_of(&tracer.books, *node) {
                    let cell = tracer.books.cell_of(site);
                    *cells.entry(cell).or_default() += self.bytes[*node as usize];
                }
            }
        });
        let named = |cell: Option<CellId>| match cell {
            Some(cell) => self.label_of(py, cell),
            None => "notebook machinery".into(),
        };
        let mut origins: Vec<(String, u64)> = match asked {
            Ok(()) => cells
                .into_iter()
                .map(|(cell, sum)| (named(cell), sum))
                .collect(),
            Err(_) => Vec::new(),
        };
        origins.sort_by(|a, b| (b.1, &a.0).cmp(&(a.1, &b.0)));
        origins
    }

    /// The sum of a set of nodes.
    pub fn amount(&mut self, nodes: &[u32]) -> Amount {
        let mut amount = Amount::default();
        let older = among(&self.older, nodes).map(u64::from).sum();
        let pooled = among(&self.pooled, nodes).map(|bytes| bytes as u64).sum();
        for node in nodes {
            amount.bytes += self.bytes[*node as usize];
            amount.objects += u64::from(self.is_object(*node));
            amount.finalizers += u64::from(self.has_finalizer(*node));
        }
        Amount {
            older,
            pooled,
            ..amount
        }
    }

    /// Objects and bytes by type, the most bytes first.
    pub fn types(&mut self, nodes: &[u32], most: usize) -> Vec<TypeRow> {
        let mut sums: Sums = HashMap::new();
        for node in nodes {
            self.add_to(&mut sums, *node);
        }
        self.type_rows(sums, most)
    }

    pub fn add_to(&mut self, sums: &mut Sums, node: u32) {
        let of = self.kind(node).map_or(self.tag(node), |kind| kind.of);
        let sum = sums.entry(of).or_default();
        *sum = (
            sum.0 + u64::from(of > TAGS),
            sum.1 + self.bytes[node as usize],
        );
    }

    pub fn type_rows(&self, sums: Sums, most: usize) -> Vec<TypeRow> {
        let mut rows: HashMap<String, TypeRow> = HashMap::new();
        for (of, (objects, bytes)) in sums {
            let name = match of {
                STORAGE => "data of tensors".into(),
                SHARED => "data of pyarrow".into(),
                TENSOR | COUNTER => "tensors of C++".into(),
                0..=TAGS => "names of attributes".into(),
                // SAFETY: the type of an object that lives.
                of => unsafe { type_name(self.layout, of) },
            };
            let row = rows.entry(name.clone()).or_insert(TypeRow {
                name,
                objects: 0,
                bytes: 0,
            });
            (row.objects, row.bytes) = (row.objects + objects, row.bytes + bytes);
        }
        let mut rows: Vec<TypeRow> = rows.into_values().filter(|row| row.bytes > 0).collect();
        rows.sort_by(|a, b| (b.bytes, &a.name).cmp(&(a.bytes, &b.name)));
        rows.truncate(most);
        rows
    }

    /// The weak references to a node's object.
    pub fn weak_references(&mut self, node: u32) -> u64 {
        const LIST_OFFSET: usize = 208;
        const NEXT: usize = 48;
        let (Some(kind), Some(object)) = (self.kind(node), self.object(node)) else {
            return 0;
        };
        // SAFETY: the object lives, and its list of weak references is where its type says.
        unsafe {
            let mut weak = if self.layout.minor >= 12 && kind.has(kind::MANAGED_WEAK) {
                word(object - 32, 0)
            } else {
                match word(kind.of, LIST_OFFSET) as isize {
                    offset if offset > 0 => word(object, offset as usize),
                    _ => 0,
                }
            };
            let mut count = 0;
            while weak != 0 {
                count += 1;
                weak = word(weak, NEXT);
            }
            count
        }
    }

    pub fn adapter(&mut self, node: u32) -> Option<Adapter> {
        self.kind(node).map(|kind| kind.adapter)
    }

    /// The dict of a `functools.lru_cache`, its links, and what those hold.
    pub fn cache_parts(&mut self, node: u32) -> Vec<u32> {
        let Some(object) = self.object(node) else {
            return Vec::new();
        };
        let mut parts = std::collections::HashSet::new();
        // SAFETY: a cache that lives. It refers to its links, and to what those hold.
        unsafe {
            parts.insert(word(object, layout::cache::DICT));
            for link in super::owned::cache_links(object) {
                parts.extend([link, word(link, layout::cache::KEY)]);
                parts.insert(word(link, layout::cache::RESULT));
            }
        }
        let arrows = self.network.of(node).iter().copied();
        let is_part = |to: &u32| self.object(*to).is_some_and(|at| parts.contains(&at));
        let mut parts: Vec<u32> = arrows.filter(is_part).collect();
        parts.sort_unstable();
        parts.dedup();
        parts
    }

    /// Whether a node is the dict in which a `functools.lru_cache` keeps its results.
    pub fn is_cache_dict(&self, cache: u32, node: u32) -> bool {
        let (Some(cache), Some(dict)) = (self.object(cache), self.object(node)) else {
            return false;
        };
        // SAFETY: a cache that lives.
        unsafe { word(cache, layout::cache::DICT) == dict }
    }

    /// Bytes of the tables of dicts, which go when those are emptied.
    pub fn table_bytes(&self, py: Python<'_>, dicts: &[u32]) -> u64 {
        let known = crate::py::tracer::with(py, |tracer| {
            let objects = dicts.iter().filter_map(|dict| self.object(*dict));
            // SAFETY: dicts that live.
            let tables = objects.map(|dict| unsafe { word(dict, layout::dict::KEYS) });
            let blocks = tables.filter_map(|table| tracer.books.block_at(table));
            blocks.map(|(_, size)| size).sum()
        });
        known.unwrap_or_default()
    }

    /// Whether Python keeps a node's object for good.
    pub fn is_immortal(&self, node: u32) -> bool {
        // SAFETY: the object lives.
        self.object(node)
            .is_some_and(|object| unsafe { references(self.layout, object) } == IMMORTAL)
    }

    /// How a frame is called.
    pub fn frame_text(&self, node: u32) -> Option<String> {
        let frame = self.frame(node)?;
        debug_assert!(self.tag(node) == FRAME);
        if self.is_event_loop(node) {
            let of = match frame.here {
                true => "the running event loop",
                false => "the event loop of another thread",
            };
            return Some(of.to_owned());
        }
        // SAFETY: the frame still runs, so its code lives.
        let name = unsafe { code_name(self.layout, frame.code) };
        Some(match frame.here {
            true => format!("{name}, running"),
            false => format!("{name}, running in another thread"),
        })
    }

    /// Whether a node is a frame of an event loop of asyncio's.
    pub fn is_event_loop(&self, node: u32) -> bool {
        // SAFETY: the frame still runs, so its code lives.
        self.frame(node)
            .is_some_and(|frame| unsafe { frames::is_event_loop(self.layout, frame.code) })
    }

    /// What of these would stay, and how many they are, when `first` goes and one collection follows.
    pub fn staying(
        &mut self,
        nodes: &[u32],
        first: &[u32],
        watch: &mut Watch,
    ) -> Result<Vec<u32>, Stopped> {
        if !nodes.iter().any(|node| self.unseen.contains_key(node)) {
            return Ok(Vec::new());
        }
        let tracked: std::collections::HashSet<u32> = (nodes.iter().copied())
            .filter(|node| self.is_tracked(*node))
            .collect();
        let sight = Sight {
            tracked: &tracked,
            unseen: &self.unseen,
        };
        crate::graph::fall::staying(&self.network, nodes, first, &sight, watch)
    }

    /// Whether the collector has an object in its lists.
    fn is_tracked(&mut self, node: u32) -> bool {
        let (Some(kind), Some(object)) = (self.kind(node), self.object(node)) else {
            return false;
        };
        // SAFETY: an object of the collector's has its links before it; they are null where it is not tracked.
        unsafe { kind.is_gc(object) && word(object - 16, 0) != 0 }
    }
}

/// What is said of these nodes in a list that is in the order of their numbers.
fn among<T: Copy>(known: &[(u32, T)], nodes: &[u32]) -> impl Iterator<Item = T> {
    let nodes = if known.is_empty() { &[] } else { nodes };
    let at = |node: &u32| known.binary_search_by_key(node, |(node, _)| *node).ok();
    nodes
        .iter()
        .filter_map(move |node| Some(known[at(node)?].1))
}

struct Sight<'a> {
    tracked: &'a std::collections::HashSet<u32>,
    unseen: &'a HashMap<u32, u32>,
}

impl crate::graph::fall::Sight for Sight<'_> {
    fn tracks(&self, node: u32) -> bool {
        self.tracked.contains(&node)
    }

    fn sees(&self, node: u32, arrows: usize) -> usize {
        self.unseen.get(&node).map_or(arrows, |seen| *seen as usize)
    }
}
