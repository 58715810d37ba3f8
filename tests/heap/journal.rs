//! What changed between the ends of cells, against a map of every block at each end.

use std::collections::{BTreeMap, HashMap};

use cellheap::heap::books::Books;
use cellheap::heap::cells::{CellId, RECENT, Reading};
use cellheap::heap::journal::NoDiff;
use cellheap::heap::report::Diff;
use cellheap::heap::sites::Spot;
use proptest::prelude::*;

use super::{code_of, copy_of, site};

pub type Live = BTreeMap<(u32, u32), (i64, i64)>;

/// A notebook: in each cell blocks are made, by line and size, and others given back.
pub struct Notebook {
    pub books: Books,
    pub blocks: Vec<(usize, (u32, u32), u64)>,
    pub ends: HashMap<u32, Live>,
    next: usize,
}

impl Notebook {
    pub fn new() -> Self {
        let mut books = Books::new().expect("address space");
        books.sweep_from(16);
        Self {
            books,
            blocks: Vec::new(),
            ends: HashMap::new(),
            next: 0x7000_0000,
        }
    }

    pub fn make(&mut self, cell: CellId, line: u32, size: u64) {
        let known = self.books.code(code_of(line));
        let code = known.unwrap_or_else(|| self.books.saw_code(code_of(line), copy_of(line)));
        let site = site(&mut self.books, cell, Spot { code, offset: 0 });
        self.next += size as usize + 16;
        self.next &= !15;
        self.books.allocated(self.next, size as usize, site);
        self.blocks.push((self.next, (cell.0, line), size));
    }

    fn drop_one(&mut self, which: usize) {
        if !self.blocks.is_empty() {
            let (address, ..) = self.blocks.swap_remove(which % self.blocks.len());
            if self.books.freed(address).is_none() {
                self.books.freed_aside(address);
            }
        }
    }

    /// Runs a cell and remembers what is live at its end.
    pub fn run(&mut self, made: &[(u32, u64)], dropped: &[usize]) -> u32 {
        let cell = self.begin();
        for (line, size) in made {
            self.make(cell, *line, *size);
        }
        for which in dropped {
            self.drop_one(*which);
        }
        self.end(cell)
    }

    pub fn begin(&mut self) -> CellId {
        let cell = self.books.begin(Some(1), 0.0, Reading::default());
        self.books.enter(cell);
        cell
    }

    pub fn end(&mut self, cell: CellId) -> u32 {
        (self.books).end(cell, false, 1.0, Reading::default(), None);
        let live = self.live();
        self.ends.insert(cell.0, live);
        cell.0
    }

    pub fn live(&self) -> Live {
        let mut live = Live::new();
        for (_, key, size) in &self.blocks {
            let (bytes, blocks) = live.entry(*key).or_default();
            *bytes += *size as i64;
            *blocks += 1;
        }
        live
    }
}

fn change(from: &Live, to: &Live) -> Live {
    let mut change = to.clone();
    for (key, (bytes, blocks)) in from {
        let (more, many) = change.entry(*key).or_default();
        *more -= bytes;
        *many -= blocks;
    }
    change.retain(|_, sum| *sum != (0, 0));
    change
}

fn told(diff: &Diff) -> Live {
    let rows = diff.origins.iter().flat_map(|origin| {
        let cell = origin.cell.expect("nothing is too old here");
        (origin.lines.iter()).map(move |line| ((cell, line.line), (line.net, line.blocks)))
    });
    rows.collect()
}

fn net(live: &Live) -> (i64, i64) {
    (live.values()).fold((0, 0), |(bytes, blocks), (more, many)| {
        (bytes + more, blocks + many)
    })
}

pub fn a_cell() -> impl Strategy<Value = (Vec<(u32, u64)>, Vec<usize>)> {
    let made = prop::collection::vec((1_u32..6, 1_u64..6_000), 0..6);
    (made, prop::collection::vec(any::<usize>(), 0..6))
}

proptest! {
    #[test]
    fn the_difference_of_any_two_ends_is_that_of_what_was_live(
        cells in prop::collection::vec(a_cell(), 2..40), from: usize, to: usize
    ) {
        let mut notebook = Notebook::new();
        let ids: Vec<u32> = cells.iter().map(|(made, dropped)| notebook.run(made, dropped)).collect();
        let (from, to) = (from % ids.len(), to % ids.len());
        let diff = notebook.books.diff(CellId(ids[from]), CellId(ids[to]));
        if from >= to {
            prop_assert_eq!(diff, Err(NoDiff::Backwards));
        } else {
            let expected = change(&notebook.ends[&ids[from]], &notebook.ends[&ids[to]]);
            let diff = diff.expect("both ended");
            prop_assert_eq!((diff.net, diff.blocks), net(&expected));
            // A line whose site is gone is told by its cell.
            let by_cell = |live: &Live| {
                let mut sums = BTreeMap::<u32, i64>::new();
                live.iter().for_each(|((cell, _), (bytes, _))| *sums.entry(*cell).or_default() += bytes);
                sums.retain(|_, bytes| *bytes != 0);
                sums
            };
            prop_assert_eq!(by_cell(&told(&diff)), by_cell(&expected));
            let now = notebook.live();
            for (key, sum) in told(&diff) {
                prop_assert!(key.1 == 0 || expected.get(&key) == Some(&sum), "{key:?} {sum:?}");
            }
            for (key, sum) in expected.iter().filter(|(key, _)| now.contains_key(key)) {
                prop_assert_eq!(told(&diff).get(key).copied(), Some(*sum));
            }
        }
    }
}

#[test]
fn the_cell_that_runs_is_told_up_to_now() {
    let mut notebook = Notebook::new();
    let first = notebook.run(&[(1, 100)], &[]);
    let cell = notebook.begin();
    notebook.make(cell, 2, 5_000);
    let diff = notebook.books.diff(CellId(first), cell).expect("it runs");
    assert!(diff.to_now);
    assert_eq!(told(&diff), Live::from([((cell.0, 2), (5_000, 1))]));
    assert_eq!(
        notebook.books.diff(cell, CellId(first)),
        Err(NoDiff::NoEnd(cell))
    );
}

#[test]
fn ends_of_long_ago_keep_sums_and_the_biggest_lines() {
    let mut notebook = Notebook::new();
    let first = notebook.run(&[], &[]);
    let lines: Vec<(u32, u64)> = (1..=9)
        .map(|line| (line, u64::from(line) * 1_000))
        .collect();
    let big = notebook.run(&lines, &[]);
    for _ in 0..RECENT + 2 {
        notebook.run(&[(1, 8)], &[]);
    }
    let diff = (notebook.books)
        .diff(CellId(first), CellId(big))
        .expect("both ended");
    assert_eq!((diff.net, diff.blocks), (45_000, 9));
    let origin = &diff.origins[0];
    let kept: Vec<(u32, i64)> = origin
        .lines
        .iter()
        .map(|line| (line.line, line.net))
        .collect();
    assert_eq!(
        (origin.cell, kept),
        (
            Some(big),
            vec![(0, 21_000), (9, 9_000), (8, 8_000), (7, 7_000)]
        )
    );
}

#[test]
fn a_stretch_without_recording_is_no_difference() {
    let mut notebook = Notebook::new();
    let first = notebook.run(&[(1, 100)], &[]);
    notebook.books.end_live_table();
    notebook.blocks.clear();
    let second = notebook.run(&[(1, 100)], &[]);
    let third = notebook.run(&[(2, 50)], &[]);
    let diff = |from, to| notebook.books.diff(CellId(from), CellId(to));
    assert_eq!(diff(first, third), Err(NoDiff::Cut));
    assert_eq!(
        told(&diff(second, third).expect("recorded")),
        Live::from([((third, 2), (50, 1))])
    );
}

#[test]
fn what_was_forgotten_counts_as_before_cells() {
    let mut notebook = Notebook::new();
    let first = notebook.run(&[(1, 100)], &[]);
    notebook.books.reset();
    assert_eq!(
        notebook.books.diff(CellId(first), CellId(first)),
        Err(NoDiff::NoEnd(CellId(first)))
    );
    let second = notebook.run(&[(2, 10)], &[]);
    let third = notebook.run(&[], &[0]);
    let diff = (notebook.books)
        .diff(CellId(second), CellId(third))
        .expect("both ended");
    assert_eq!(
        (diff.net, diff.origins[0].label.as_str()),
        (-100, "(before cells)")
    );
}
