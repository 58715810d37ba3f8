//! From books to reports. Reads, never changes; `lines` and `stacks` have what is told by line.

use super::books::Books;
use super::cells::{CellId, Record};
use super::history;
use super::kept::Found;
use super::lines::{fold, lines, peak, shares, tell_ways};
use super::report::{
    Arenas, Cell, CellReport, History, Live, Origin, Overview, Point, Process, State,
};
use super::sites::{Class, cellheap, machinery};

/// Moments and origins of a notebook's history: what a chart can show, and a reader tell apart.
const MOMENTS: usize = 64;
const LAYERS: usize = 7;

/// What was live as the notebook's cells ended.
pub fn history(books: &Books) -> History {
    history::history(books, MOMENTS, LAYERS)
}

/// The notebook so far, without its history. `now` is in seconds since the epoch.
pub fn overview(books: &Books, process: Process, now: f64, mut notes: Vec<String>) -> Overview {
    notes.extend(standing_notes(books));
    Overview {
        cells: shown(books)
            .map(|record| cell(books, record, now))
            .collect(),
        history: History::default(),
        live: live_of_everything(books),
        live_machinery: books.sites().live_of(machinery),
        live_cellheap: books.sites().live_of(cellheap),
        process,
        notes,
    }
}

/// One cell in full; none where its id is unknown. With `most`, of the library functions under each line so many are told.
pub fn cell_report(
    books: &Books,
    id: CellId,
    most: Option<usize>,
    points: &[Point],
    now: f64,
    mut notes: Vec<String>,
) -> Option<CellReport> {
    let record = books.record(id)?;
    notes.extend(standing_notes(books));
    if !books.is_recent(id) && record.is_cell() {
        notes.push("This cell is old: lines with nothing live are kept for the biggest only, its timeline is not.".into());
    }
    let mut lines = lines(books, record, true);
    if let Some(most) = most {
        fold(&mut lines, most);
    }
    let frames = tell_ways(books, &mut lines);
    Some(CellReport {
        cell: cell(books, record, now),
        shares: shares(books, std::iter::once(record)),
        lines,
        frames,
        timeline: points.to_vec(),
        notes,
    })
}

/// What is alive now, by origin and line. `most` as in `cell_report`.
pub fn live(
    books: &Books,
    most: Option<usize>,
    process: Process,
    arenas: Arenas,
    kept: Found,
    now: f64,
    mut notes: Vec<String>,
) -> Live {
    notes.extend(standing_notes(books));
    let origins: Vec<Origin> = (books.records())
        .filter(|record| books.sum(record.id).live() > 0)
        .map(|record| Origin {
            cell: cell(books, record, now),
            lines: lines(books, record, false),
        })
        .collect();
    let mut live = Live {
        live: live_of_everything(books),
        blocks: origins.iter().map(|origin| origin.cell.live_blocks).sum(),
        shares: shares(books, books.records()),
        origins,
        kept: Vec::new(),
        arenas,
        live_machinery: books.sites().live_of(machinery),
        live_cellheap: books.sites().live_of(cellheap),
        process,
        notes,
    };
    kept.set_apart(books, &mut live);
    if let Some(most) = most {
        (live.origins.iter_mut()).for_each(|origin| fold(&mut origin.lines, most));
    }
    live.origins.retain(|origin| origin.cell.live_blocks > 0);
    (live.origins).sort_by_key(|origin| std::cmp::Reverse(origin.cell.live));
    live
}

/// All live bytes: the notebook's, the machinery's and ours.
fn live_of_everything(books: &Books) -> u64 {
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
        code: record.code,
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
        live_start: record.live_start,
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
        rss_start: record.rss_start.bytes(),
        rss_end: record.rss_end.bytes(),
        rss_peak: record.rss_peak.bytes(),
        open_files_start: record.files_start.count(),
        open_files_end: record.files_end.count(),
        minor_faults: record.doings.minor_faults.into(),
        major_faults: record.doings.major_faults.into(),
        collections: record.doings.collections.map(u64::from),
        traced: record.traced,
    }
}
