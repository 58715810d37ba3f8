//! What was live as each cell ended, by the cell that had allocated it: the journal's differences added up again.
//! Reads, never changes; knows no lines.

use std::collections::HashMap;

use super::books::Books;
use super::cells::{CellId, Record};
use super::journal::End;
use super::report::{History, Layer, Moment};

/// Live bytes by cell; none stands for small changes of cells of long ago, which are not told apart.
type Live = HashMap<Option<CellId>, i64>;

/// At most so many moments, the last of them now, and so many origins by themselves. Where there were more ends,
/// neighbours share a moment: that at which the most was live.
pub fn history(books: &Books, moments: usize, layers: usize) -> History {
    let ends = &books.journal.ends;
    if ends.is_empty() {
        return History::default();
    }
    let chosen = chosen(books, moments.saturating_sub(1).max(1));
    let shown = most(books, &chosen, layers);
    let mut history = History {
        moments: chosen
            .iter()
            .map(|(at, ends)| moment(books, *at, *ends))
            .collect(),
        layers: shown.iter().map(|cell| layer(books, *cell)).collect(),
    };
    let mut at = 0;
    replay(books, |end, live| {
        if chosen.get(at).is_none_or(|(chosen, _)| *chosen != end) {
            return;
        }
        history.moments[at].live = total(live);
        for (cell, layer) in shown.iter().zip(&mut history.layers) {
            layer.live.push(above_zero(live.get(&Some(*cell))));
        }
        at += 1;
    });
    now(books, &shown, &mut history);
    history
}

/// Ends by their place in the journal, and how many each stands for.
fn chosen(books: &Books, most: usize) -> Vec<(usize, usize)> {
    let mut totals = Vec::with_capacity(books.journal.ends.len());
    replay(books, |_, live| totals.push(total(live)));
    let each = totals.len().div_ceil(most).max(1);
    let highest = |(part, totals): (usize, &[u64])| {
        let at = (0..totals.len()).max_by_key(|at| (totals[*at], *at));
        (part * each + at.unwrap_or(0), totals.len())
    };
    totals.chunks(each).enumerate().map(highest).collect()
}

/// The cells that had the most at one of these ends, or have it now; the oldest first.
fn most(books: &Books, chosen: &[(usize, usize)], count: usize) -> Vec<CellId> {
    let mut most: HashMap<CellId, i64> = HashMap::new();
    let mut at = 0;
    replay(books, |end, live| {
        if chosen.get(at).is_some_and(|(chosen, _)| *chosen == end) {
            at += 1;
            for (cell, bytes) in live {
                if let Some(cell) = cell {
                    let known = most.entry(*cell).or_default();
                    *known = (*known).max(*bytes);
                }
            }
        }
    });
    for record in books.records() {
        let live = books.sum(record.id).live();
        if live > 0 {
            let known = most.entry(record.id).or_default();
            *known = (*known).max(live.cast_signed());
        }
    }
    let mut cells: Vec<(CellId, i64)> = most.into_iter().filter(|(_, bytes)| *bytes > 0).collect();
    cells.sort_unstable_by_key(|(cell, bytes)| (std::cmp::Reverse(*bytes), *cell));
    let mut cells: Vec<CellId> = cells
        .into_iter()
        .take(count)
        .map(|(cell, _)| cell)
        .collect();
    cells.sort_unstable();
    cells
}

/// Goes through all ends, oldest first, with what was live at each by cell.
fn replay(books: &Books, mut visit: impl FnMut(usize, &Live)) {
    let mut live = Live::new();
    let mut table = None;
    for (at, end) in books.journal.ends.iter().enumerate() {
        if table != Some(end.table) {
            table = Some(end.table);
            live = base(books, end);
        }
        for change in &end.changes {
            let cell = change.cell(books.sites()).map(|cell| known(books, cell));
            let bytes = live.entry(cell).or_default();
            *bytes += change.bytes;
            if *bytes == 0 {
                live.remove(&cell);
            }
        }
        visit(at, &live);
    }
}

/// What a live table's first known end begins with.
fn base(books: &Books, end: &End) -> Live {
    let base = &books.journal.base;
    let mut live = Live::new();
    if base.table == end.table {
        for (cell, bytes) in &base.live {
            *live.entry(Some(known(books, *cell))).or_default() += bytes;
        }
    }
    live
}

/// What was forgotten counts as before cells.
fn known(books: &Books, cell: CellId) -> CellId {
    books.record(cell).map_or(CellId(0), |record| record.id)
}

/// What is live now, exact by cell.
fn now(books: &Books, shown: &[CellId], history: &mut History) {
    let running = books.latest_running();
    history.moments.push(Moment {
        cell: running.0,
        label: "now".into(),
        number: None,
        ends: 1,
        live: books.tide.live,
    });
    for (cell, layer) in shown.iter().zip(&mut history.layers) {
        layer.live.push(books.sum(*cell).live());
    }
}

fn moment(books: &Books, at: usize, ends: usize) -> Moment {
    let cell = books.journal.ends[at].cell;
    let record = books.record(cell);
    Moment {
        cell: cell.0,
        label: record.map(Record::label).unwrap_or_default(),
        number: record.and_then(Record::number),
        ends: ends as u64,
        live: 0,
    }
}

fn layer(books: &Books, cell: CellId) -> Layer {
    Layer {
        cell: cell.0,
        label: books.record(cell).map(Record::label).unwrap_or_default(),
        live: Vec::new(),
    }
}

fn total(live: &Live) -> u64 {
    live.values().sum::<i64>().max(0).cast_unsigned()
}

/// Below zero is what a small change of long ago took that is not known to be this cell's.
fn above_zero(bytes: Option<&i64>) -> u64 {
    bytes.copied().unwrap_or(0).max(0).cast_unsigned()
}
