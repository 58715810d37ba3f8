//! From books to reports. Reads, never changes; lines are decoded and summed here.

use std::collections::HashMap;
use std::sync::Arc;

use super::books::Books;
use super::cells::{CellId, Record, Sum};
use super::report::{Cell, CellReport, Line, Live, Origin, Overview, Point, Process, State};
use super::sites::{Class, Cold, Place, Site, Spot, cellheap, machinery};

/// Lines of a cell for which no line number can be told.
const DEEP: &str = "(deep library recursion)";
const THREAD: &str = "(a thread without notebook code)";
const RESERVE: &str = "(a library's own allocator)";
const OTHER: &str = "(other)";
const OLDER: &str = "(other lines, nothing of them live)";

/// The notebook so far. `now` is in seconds since the epoch.
pub fn overview(books: &Books, process: Process, now: f64, mut notes: Vec<String>) -> Overview {
    notes.extend(standing_notes(books));
    Overview {
        cells: shown(books)
            .map(|record| cell(books, record, now))
            .collect(),
        live: live_of_everything(books),
        live_machinery: books.sites().live_of(machinery),
        live_cellheap: books.sites().live_of(cellheap),
        process,
        notes,
    }
}

/// One cell in full; none where its id is unknown.
pub fn cell_report(
    books: &Books,
    id: CellId,
    points: &[Point],
    now: f64,
    mut notes: Vec<String>,
) -> Option<CellReport> {
    let record = books.record(id)?;
    notes.extend(standing_notes(books));
    if !books.is_recent(id) && record.is_cell() {
        notes.push("This cell is old: lines with nothing live are kept for the biggest only, its timeline is not.".into());
    }
    Some(CellReport {
        cell: cell(books, record, now),
        shares: Vec::new(),
        lines: lines(books, record, true),
        timeline: points.to_vec(),
        notes,
    })
}

/// What is alive now, by origin and line.
pub fn live(books: &Books, process: Process, now: f64, mut notes: Vec<String>) -> Live {
    notes.extend(standing_notes(books));
    let mut origins: Vec<Origin> = (books.records())
        .filter(|record| books.sum(record.id).live() > 0)
        .map(|record| Origin {
            cell: cell(books, record, now),
            lines: lines(books, record, false),
        })
        .collect();
    origins.sort_by_key(|origin| std::cmp::Reverse(origin.cell.live));
    Live {
        live: live_of_everything(books),
        blocks: origins.iter().map(|origin| origin.cell.live_blocks).sum(),
        shares: Vec::new(),
        origins,
        live_machinery: books.sites().live_of(machinery),
        live_cellheap: books.sites().live_of(cellheap),
        process,
        notes,
    }
}

/// All live bytes: the notebook's, the machinery's and ours.
pub fn live_of_everything(books: &Books) -> u64 {
    books.tide.live + books.sites().live_of(machinery) + books.sites().live_of(cellheap)
}

fn standing_notes(books: &Books) -> Vec<String> {
    let full = "There were more sites than the books can number: some lines are under \"(other)\".";
    books
        .ids_ran_out
        .then(|| full.to_owned())
        .into_iter()
        .collect()
}

/// Cells, and those stretches in which notebook code did something.
fn shown(books: &Books) -> impl Iterator<Item = &Record> {
    books.records().filter(|record| {
        record.is_cell() || books.sum(record.id).blocks > 0 || books.freed_during(record) > 0
    })
}

fn cell(books: &Books, record: &Record, now: f64) -> Cell {
    let sum = books.sum(record.id);
    let freed = books.freed_during(record);
    let running = record.state == State::Running;
    Cell {
        id: record.id.0,
        number: record.number(),
        label: record.label(),
        state: if record.is_cell() {
            record.state
        } else {
            State::Done
        },
        started: record.started,
        seconds: if running {
            (now - record.started).max(0.0)
        } else {
            f64::from(record.seconds)
        },
        allocated: sum.allocated,
        freed,
        net: sum
            .allocated
            .cast_signed()
            .wrapping_sub(freed.cast_signed()),
        peak: peak(books, record),
        live: sum.live(),
        live_at_end: if running {
            sum.live()
        } else {
            record.live_at_end
        },
        temporary: if running {
            sum.returned
        } else {
            record.temporary
        },
        blocks: sum.blocks,
        live_blocks: sum.live_blocks(),
        machinery: record.flow(Class::Machinery),
        cellheap: record.flow(Class::Cellheap),
        rss_start: record.start.rss,
        rss_end: record.end.rss,
        rss_peak: record.rss_peak,
        minor_faults: record
            .end
            .minor_faults
            .saturating_sub(record.start.minor_faults),
        major_faults: record
            .end
            .major_faults
            .saturating_sub(record.start.major_faults),
        collections: std::array::from_fn(|generation| {
            record.end.collections[generation].saturating_sub(record.start.collections[generation])
        }),
        traced: record.traced,
    }
}

/// A running cell's mark may still be open.
fn peak(books: &Books, record: &Record) -> u64 {
    if books.is_running(record.id) {
        record
            .peak
            .max(books.tide.highest.saturating_sub(record.live_start))
    } else {
        record.peak
    }
}

/// The lines of a cell, biggest first; with `all`, also those that have nothing live any more.
fn lines(books: &Books, record: &Record, all: bool) -> Vec<Line> {
    let mut tally = Tally::default();
    let open = books.is_running(record.id) && peak(books, record) > record.peak;
    for id in &record.sites {
        let (Some(cold), hot) = (books.sites().cold(*id), books.sites().get(*id)) else {
            continue;
        };
        if all || hot.live_blocks() > 0 {
            let at_mark = if open {
                books.tide.at_highest(hot)
            } else {
                cold.peak
            };
            tally.site(books, cold, hot, at_mark);
        }
    }
    if all {
        for folded in &record.lines {
            let function: Arc<str> = if folded.line == 0 {
                OLDER.into()
            } else {
                "".into()
            };
            let sum = Sum {
                allocated: folded.allocated,
                returned: folded.allocated,
                blocks: u64::from(folded.blocks),
                blocks_returned: u64::from(folded.blocks),
            };
            tally.add(
                (folded.file.clone(), folded.line, function),
                None,
                sum,
                folded.peak,
            );
        }
    }
    tally.finish()
}

type Where = (Arc<str>, u32, Arc<str>);

/// A line and, under it, the library places that asked for it.
type Row = (Line, HashMap<Where, Line>);

#[derive(Default)]
struct Tally {
    lines: HashMap<(Arc<str>, u32), Row>,
}

impl Tally {
    fn site(&mut self, books: &Books, cold: &Cold, hot: &Site, at_mark: u64) {
        let nowhere = |word: &str| (Arc::from(""), 0, Arc::from(word));
        let (line, leaf) = match cold.key.place {
            Place::Line { leaf, line } if leaf == line => (place(books, line), None),
            Place::Line { leaf, line } => (place(books, line), Some(place(books, leaf))),
            Place::Deep => (nowhere(DEEP), None),
            Place::Thread => (nowhere(THREAD), None),
            Place::Reserve => (nowhere(RESERVE), None),
            Place::Other => (nowhere(OTHER), None),
        };
        self.add(line, leaf, Sum::of(hot), at_mark);
    }

    fn add(&mut self, (file, line, function): Where, leaf: Option<Where>, sum: Sum, peak: u64) {
        // Without a line the words tell rows apart.
        let key = if line == 0 {
            (function.clone(), 0)
        } else {
            (file.clone(), line)
        };
        let (total, library) = self
            .lines
            .entry(key)
            .or_insert_with(|| (named(&file, line, &function), HashMap::new()));
        if total.function.is_empty() {
            total.function = function.to_string();
        }
        count(total, sum, peak);
        if let Some(leaf) = leaf {
            let row = library
                .entry(leaf.clone())
                .or_insert_with(|| named(&leaf.0, leaf.1, &leaf.2));
            count(row, sum, peak);
        }
    }

    fn finish(self) -> Vec<Line> {
        let by_size = |a: &Line, b: &Line| {
            let size = |line: &Line| (line.live, line.peak, line.allocated);
            let name = |line: &Line| (line.file.clone(), line.line);
            size(b).cmp(&size(a)).then_with(|| name(a).cmp(&name(b)))
        };
        let mut lines: Vec<Line> = (self.lines.into_values())
            .map(|(mut line, library)| {
                line.library = library.into_values().collect();
                line.library.sort_by(by_size);
                line
            })
            .collect();
        lines.sort_by(by_size);
        lines
    }
}

fn place(books: &Books, spot: Spot) -> Where {
    let code = books.codes.get(spot.code);
    code.map_or_else(
        || (Arc::from(""), 0, Arc::from(OTHER)),
        |code| {
            (
                code.file.clone(),
                code.line(spot.offset),
                code.function.clone(),
            )
        },
    )
}

fn named(file: &str, line: u32, function: &str) -> Line {
    Line {
        file: file.into(),
        line,
        function: function.into(),
        ..Line::default()
    }
}

fn count(line: &mut Line, sum: Sum, peak: u64) {
    line.allocated += sum.allocated;
    line.returned += sum.returned;
    line.live += sum.live();
    line.peak += peak;
    line.blocks += sum.blocks;
    line.live_blocks += sum.live_blocks();
}
