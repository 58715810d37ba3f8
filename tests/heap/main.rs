//! The books against a plain model, under random events: blocks made, freed and changed by lines of cells that begin,
//! run beside each other, end and grow old; code that dies; sweeps; resets.

#![allow(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected has failed"
)]

mod history;
mod journal;
mod model;

use std::collections::BTreeMap;

use cellheap::heap::books::Books;
use cellheap::heap::cells::{CellId, Reading};
use cellheap::heap::codes::Code;
use cellheap::heap::kept::Found;
use cellheap::heap::paths::PathId;
use cellheap::heap::report::{CellReport, Line as Row};
use cellheap::heap::reporter;
use cellheap::heap::sites::{Place, SiteId, Spot};
use cellheap::heap::sources::Source;
use cellheap::heap::spans::SpanId;
use model::{Count, Line, Model};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Event {
    Begin,
    End(usize),
    /// The next events are of another running cell.
    Turn(usize),
    /// So many cells that do nothing.
    Idle(usize),
    Allocate(usize, Line),
    Free(usize),
    Reallocate(usize, usize, Line),
    /// The code object of a line dies; the next use of the line makes it anew.
    Die(Line),
    Reset,
    Span,
    EndSpan(usize),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let size = prop_oneof![0_usize..512, 400_usize..5_000, 4_094_usize..4_097];
    let line = 1_u32..40;
    let event = prop_oneof![
        3 => Just(Event::Begin),
        3 => any::<usize>().prop_map(Event::End),
        3 => any::<usize>().prop_map(Event::Turn),
        1 => (0_usize..40).prop_map(Event::Idle),
        40 => (size.clone(), line.clone()).prop_map(|(size, line)| Event::Allocate(size, line)),
        30 => any::<usize>().prop_map(Event::Free),
        15 => (any::<usize>(), size, line.clone()).prop_map(|(which, size, line)| Event::Reallocate(which, size, line)),
        5 => line.prop_map(Event::Die),
        1 => Just(Event::Reset),
        4 => Just(Event::Span),
        3 => any::<usize>().prop_map(Event::EndSpan),
    ];
    prop::collection::vec(event, 1..400)
}

fn report_of(books: &Books, cell: CellId) -> CellReport {
    reporter::cell_report(books, cell, None, &[], 0.0, Vec::new()).expect("a known cell")
}

/// Books and model, and what tells them the same.
struct Pair {
    books: Books,
    model: Model,
    running: Vec<u32>,
    entered: u32,
    addresses: Vec<usize>,
    spans: Vec<SpanId>,
    next: usize,
}

impl Pair {
    fn new() -> Self {
        let mut books = Books::new().expect("address space");
        books.sweep_from(48);
        let mut model = Model::default();
        model.cells.insert(0, model::Cell::default());
        Self {
            books,
            model,
            running: Vec::new(),
            entered: 0,
            addresses: Vec::new(),
            spans: Vec::new(),
            next: 0x7000_0000,
        }
    }

    fn play(&mut self, event: &Event) {
        match *event {
            Event::Begin => self.begin(),
            Event::End(which) => self.end(which),
            Event::Turn(which) if !self.running.is_empty() => {
                self.enter(self.running[which % self.running.len()])
            }
            Event::Turn(_) => {}
            Event::Idle(count) => {
                for _ in 0..count {
                    self.begin();
                    self.end(self.running.len() - 1);
                }
            }
            Event::Allocate(size, line) => {
                let (address, site) = (self.address(size), self.site(line));
                self.books.allocated(address, size, site);
                self.model
                    .allocated(address, size as u64, self.entered, line);
                self.addresses.push(address);
            }
            Event::Free(which) if !self.addresses.is_empty() => {
                let address = self.addresses.swap_remove(which % self.addresses.len());
                if self.books.freed(address).is_none() {
                    self.books.freed_aside(address);
                }
                self.model.freed(address, self.entered);
            }
            Event::Reallocate(which, size, line) if !self.addresses.is_empty() => {
                let old = self.addresses.swap_remove(which % self.addresses.len());
                let new = if which.is_multiple_of(3) {
                    old
                } else {
                    self.address(size)
                };
                let site = self.site(line);
                let lifted = self.books.lift(old);
                self.books.reallocated(lifted, new, size, site);
                self.model
                    .reallocated(old, new, size as u64, self.entered, line);
                self.addresses.push(new);
            }
            Event::Free(_) | Event::Reallocate(..) => {}
            Event::Die(line) => {
                self.books.freed_aside(code_of(line));
            }
            Event::Reset => {
                self.books.reset();
                let between = self.books.between.0;
                let running = self.running.clone();
                self.model
                    .reset(|id| id == between || running.contains(&id));
                self.enter(between);
            }
            Event::Span => {
                self.spans
                    .push(self.books.begin_span(0.0, Found::default()));
                self.model.begin_span();
            }
            Event::EndSpan(which) if !self.spans.is_empty() => {
                self.end_span(which % self.spans.len())
            }
            Event::EndSpan(_) => {}
        }
    }

    fn end_span(&mut self, which: usize) {
        let (id, model) = (self.spans.remove(which), self.model.spans.remove(which));
        let span = self
            .books
            .end_span(id, 0.0, &Found::default())
            .expect("an open span");
        let rows = || span.lines.iter().map(|row| (row.line, row));
        let changes: BTreeMap<Line, (u64, u64, u64)> = rows()
            .map(|(line, row)| (line, (row.allocated, row.returned, row.blocks)))
            .collect();
        let expected = (model.lines.iter())
            .map(|(line, count)| (*line, (count.allocated, count.returned, count.blocks)))
            .filter(|(_, counts)| *counts != (0, 0, 0));
        assert_eq!(changes, expected.collect());
        assert_eq!(span.peak, model.peak);
        let peaks: BTreeMap<Line, i64> = rows()
            .map(|(line, row)| (line, row.peak))
            .filter(|(_, peak)| *peak != 0)
            .collect();
        assert_eq!(peaks.values().sum::<i64>(), span.peak as i64);
        assert!(
            model.at_peak.contains(&peaks),
            "{peaks:?} is none of {:?}",
            model.at_peak
        );
    }

    fn begin(&mut self) {
        let id = self.books.begin(None, 0.0, Reading::default());
        self.model.begin(id.0);
        self.running.push(id.0);
        self.enter(id.0);
    }

    fn end(&mut self, which: usize) {
        if self.running.is_empty() {
            return;
        }
        let id = self.running.remove(which % self.running.len());
        self.books
            .end(CellId(id), false, 0.0, Reading::default(), None);
        self.model.cells.get_mut(&id).expect("a cell that ran").runs = false;
        self.enter(self.books.between.0);
    }

    fn enter(&mut self, id: u32) {
        self.books.enter(CellId(id));
        self.entered = id;
    }

    /// Blocks lie 16 bytes apart at least.
    fn address(&mut self, size: usize) -> usize {
        let address = self.next;
        self.next += size.max(1).next_multiple_of(16);
        address
    }

    fn site(&mut self, line: Line) -> SiteId {
        let address = code_of(line);
        let known = self.books.code(address);
        let code = known.unwrap_or_else(|| self.books.saw_code(address, copy_of(line)));
        let spot = Spot { code, offset: 0 };
        site(&mut self.books, CellId(self.entered), spot)
    }

    fn check(&self) {
        assert_eq!(self.books.tide.live, self.model.live);
        assert!(self.books.tide.highest >= self.books.tide.live);
        let known: u64 = self
            .books
            .records()
            .map(|record| self.books.sum(record.id).live())
            .sum();
        assert_eq!(known, self.model.live, "every live block has an origin");
        for (id, cell) in &self.model.cells {
            // A stretch between cells that was dropped counts for cell 0.
            if self
                .books
                .record(CellId(*id))
                .is_some_and(|record| record.is_cell())
            {
                self.check_cell(*id, cell);
            }
        }
    }

    fn check_cell(&self, id: u32, model: &model::Cell) {
        let report = report_of(&self.books, CellId(id));
        let (cell, sum) = (&report.cell, model.sum());
        assert_eq!(cell.allocated, sum.allocated);
        assert_eq!(cell.freed, model.freed);
        assert_eq!(cell.net, cell.allocated as i64 - cell.freed as i64);
        assert_eq!(cell.live, sum.allocated - sum.returned);
        assert_eq!(
            (cell.blocks, cell.live_blocks),
            (sum.blocks, sum.blocks - sum.blocks_returned)
        );
        assert_eq!(cell.peak, model.peak, "peak of cell {id}");
        if self.books.is_recent(CellId(id)) {
            assert_eq!(
                by_line(&report.lines, counts),
                model
                    .lines
                    .iter()
                    .map(|(line, count)| (*line, count.clone()))
                    .collect()
            );
            let peaks: BTreeMap<Line, u64> = by_line(&report.lines, |row| row.peak)
                .into_iter()
                .filter(|(_, peak)| *peak > 0)
                .collect();
            assert!(
                model.at_peak.contains(&peaks),
                "cell {id}: {peaks:?} is none of {:?}",
                model.at_peak
            );
        }
    }
}

fn site(books: &mut Books, cell: CellId, spot: Spot) -> SiteId {
    let place = Place::Line {
        leaf: spot,
        line: spot,
    };
    let key = books.key(cell, place, Source::default());
    books
        .find(&key)
        .unwrap_or_else(|| books.add(key, PathId::default()))
}

/// Code whose first eight units have this line.
fn copy_of(line: Line) -> Code {
    Code {
        file: "cell.py".into(),
        function: "f".into(),
        first_line: line,
        // One entry: no step from the first line.
        table: [0x80 | 7, 0].into(),
    }
}

fn by_line<T>(rows: &[Row], of: impl Fn(&Row) -> T) -> BTreeMap<Line, T> {
    rows.iter().map(|row| (row.line, of(row))).collect()
}

fn counts(row: &Row) -> Count {
    Count {
        allocated: row.allocated,
        returned: row.returned,
        blocks: row.blocks,
        blocks_returned: row.blocks - row.live_blocks,
    }
}

fn code_of(line: Line) -> usize {
    0x5000_0000 + line as usize * 0x100
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, max_shrink_iters: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_books_are_the_models(events in events()) {
        let mut pair = Pair::new();
        for event in &events {
            pair.play(event);
            if pair.model.cells.len() < 8 {
                pair.check();
            }
        }
        pair.check();
        while !pair.spans.is_empty() {
            pair.end_span(0);
        }
    }
}

#[test]
fn the_peak_is_composed_of_its_lines_where_a_cell_begins_with_nothing() {
    let mut pair = Pair::new();
    pair.begin();
    for line in 1..20 {
        pair.play(&Event::Allocate(line as usize * 1000, line));
        pair.play(&Event::Free(line as usize * 7));
        pair.play(&Event::Allocate(line as usize * 1500, line + 20));
    }
    let report = report_of(&pair.books, CellId(pair.entered));
    assert_eq!(
        report.lines.iter().map(|line| line.peak).sum::<u64>(),
        report.cell.peak
    );
    assert_eq!(report.cell.peak, pair.books.tide.highest);
}

#[test]
fn a_site_with_live_blocks_keeps_its_id_through_sweeps_and_a_dead_one_gives_it_up() {
    let mut pair = Pair::new();
    pair.begin();
    pair.play(&Event::Allocate(100, 1));
    let (cell, site) = (CellId(pair.entered), pair.site(1));
    for round in 0..200 {
        pair.play(&Event::Begin);
        pair.play(&Event::Allocate(8, 2 + round % 30));
        pair.play(&Event::Free(1));
        pair.play(&Event::End(1));
    }
    assert_eq!(pair.books.sites().key(site).map(|key| key.cell), Some(cell));
    assert!(
        pair.books.sites().len() < 150,
        "{} sites",
        pair.books.sites().len()
    );
    pair.check();
}

#[test]
fn when_ids_run_out_bytes_are_still_counted_under_other() {
    let mut books = Books::new().expect("address space");
    let cell = books.begin(Some(1), 0.0, Reading::default());
    books.enter(cell);
    for at in 0..(1 << 20) + 100_usize {
        let spot = Spot {
            code: Default::default(),
            offset: at as u32,
        };
        let site = site(&mut books, cell, spot);
        books.allocated(0x7000_0000 + at * 16, 16, site);
    }
    let report = report_of(&books, cell);
    assert_eq!(report.cell.live, ((1 << 20) + 100) * 16);
    assert_eq!(
        report.lines.iter().map(|line| line.live).sum::<u64>(),
        report.cell.live
    );
    assert!(report.notes.iter().any(|note| note.contains("(other)")));
}
