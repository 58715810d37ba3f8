//! The lines of a cell, and what of them came from which allocator and library. Reads the books, changes nothing.

use std::cmp::Reverse;

use super::books::Books;
use super::cells::{FoldedLine, Record, Sum};
use super::paths::PathId;
use super::places::{Frames, Where};
use super::report::{Frame, Line, Share, State};
use super::sites::{Cold, SIZES, Site, SiteId};
use super::tally::{Row, Tally};

const OLDER: &str = "(other lines, nothing of them live)";

/// What one site adds to its line.
pub struct Part {
    sum: Sum,
    temporary: u64,
    peak: u64,
    sizes: [u64; SIZES],
    share: Share,
    way: PathId,
}

/// The lines of a cell, biggest first; with `all`, also those that have nothing live any more.
pub fn lines(books: &Books, record: &Record, all: bool) -> Vec<Line> {
    let mut tally = Tally::<Line>::new(books);
    for (_, cold, hot) in sites(books, record) {
        if all || hot.live_blocks() > 0 {
            tally.site(cold, &part(books, record, cold, hot));
        }
    }
    if all {
        for folded in &record.lines {
            tally.line(&place_of(folded), &folded_part(folded));
        }
    }
    tally.finish()
}

/// Tells how lines first came to their library functions, by frames of the list that is returned.
pub fn tell_ways(books: &Books, lines: &mut [Line]) -> Vec<Frame> {
    let mut frames = Frames::new(books);
    for row in lines.iter_mut().flat_map(|line| &mut line.library) {
        row.path = frames.path(row.way);
    }
    frames.all
}

/// Leaves each line the `most` library functions that hold the most, and those that held the most; the others are one row.
pub fn fold(lines: &mut [Line], most: usize) {
    for line in lines.iter_mut().filter(|line| line.library.len() > most) {
        let rows = std::mem::take(&mut line.library);
        let mut by_held: Vec<usize> = (0..rows.len()).collect();
        by_held
            .sort_by_key(|at| Reverse((rows[*at].live.max(rows[*at].peak), rows[*at].allocated)));
        let keeps = |at: usize| at < most || by_held[..most].contains(&at);
        let others = rows.iter().enumerate().filter(|(at, _)| !keeps(*at));
        line.others = sum(others.map(|(_, row)| row)).into_iter().collect();
        let kept = rows.iter().enumerate().filter(|(at, _)| keeps(*at));
        line.library = kept.map(|(_, row)| row.clone()).collect();
        line.left_out = (rows.len() - line.library.len()) as u64;
    }
}

/// Some rows as one, which has no name. None where there are none.
fn sum<'a>(mut rows: impl Iterator<Item = &'a Line>) -> Option<Line> {
    let first = Line {
        file: String::new(),
        line: 0,
        function: String::new(),
        ..rows.next()?.clone()
    };
    let mut sum = rows.fold(first, |mut sum, row| {
        sum.allocated += row.allocated;
        sum.returned += row.returned;
        sum.live += row.live;
        sum.temporary += row.temporary;
        sum.peak += row.peak;
        sum.blocks += row.blocks;
        sum.live_blocks += row.live_blocks;
        for (count, more) in sum.sizes.iter_mut().zip(row.sizes) {
            *count += more;
        }
        for share in &row.shares {
            add_share(&mut sum.shares, share);
        }
        sum
    });
    sort_shares(&mut sum.shares);
    Some(sum)
}

/// What the cell's blocks came from, biggest first.
pub fn shares<'a>(books: &Books, records: impl Iterator<Item = &'a Record>) -> Vec<Share> {
    let mut shares = Vec::new();
    for record in records {
        for (_, cold, hot) in sites(books, record) {
            add_share(&mut shares, &part(books, record, cold, hot).share);
        }
    }
    sort_shares(&mut shares);
    shares
}

/// The sites of a cell that the books still have.
pub fn sites<'a>(
    books: &'a Books,
    record: &'a Record,
) -> impl Iterator<Item = (SiteId, &'a Cold, &'a Site)> {
    (record.sites.iter())
        .filter_map(|id| Some((*id, books.sites().cold(*id)?, books.sites().get(*id))))
}

/// The peak of a cell. That of one that runs may still be open.
pub fn peak(books: &Books, record: &Record) -> u64 {
    let open = books.tide.highest.saturating_sub(record.live_start);
    match books.is_running(record.id) {
        true => record.peak.max(open),
        false => record.peak,
    }
}

/// The site's bytes at the mark of its cell, which may still be open.
pub fn at_mark(books: &Books, record: &Record, cold: &Cold, hot: &Site) -> u64 {
    if peak(books, record) > record.peak {
        books.tide.at_highest(hot)
    } else {
        cold.peak
    }
}

fn part(books: &Books, record: &Record, cold: &Cold, hot: &Site) -> Part {
    let running = record.state == State::Running;
    let (sum, peak) = (Sum::of(hot), at_mark(books, record, cold, hot));
    let temporary = if running {
        hot.returned
    } else {
        cold.temporary
    };
    let source = cold.key.source;
    Part {
        sum,
        temporary,
        peak,
        sizes: hot.sizes,
        share: Share {
            allocator: source.layer.name().into(),
            object: books.objects.path(source.object).into(),
            allocated: sum.allocated,
            peak,
            live: sum.live(),
            temporary,
            blocks: sum.blocks,
            live_blocks: sum.live_blocks(),
        },
        way: cold.path,
    }
}

fn add_share(shares: &mut Vec<Share>, share: &Share) {
    let same =
        |known: &&mut Share| known.allocator == share.allocator && known.object == share.object;
    match shares.iter_mut().find(same) {
        Some(known) => {
            known.allocated += share.allocated;
            known.peak += share.peak;
            known.live += share.live;
            known.temporary += share.temporary;
            known.blocks += share.blocks;
            known.live_blocks += share.live_blocks;
        }
        None => {
            // Most lines have one.
            shares.reserve_exact(1);
            shares.push(share.clone());
        }
    }
}

fn sort_shares(shares: &mut [Share]) {
    shares.sort_by(|a, b| {
        let size = |share: &Share| (share.live, share.peak, share.allocated);
        let order = size(b).cmp(&size(a));
        order.then_with(|| a.object.cmp(&b.object))
    });
}

fn place_of(folded: &FoldedLine) -> Where {
    let words = if folded.line == 0 { OLDER } else { "" };
    (folded.file.clone(), folded.line, words.into())
}

fn folded_part(folded: &FoldedLine) -> Part {
    let blocks = u64::from(folded.blocks);
    Part {
        sum: Sum {
            allocated: folded.allocated,
            returned: folded.allocated,
            blocks,
            blocks_returned: blocks,
        },
        temporary: folded.temporary,
        peak: folded.peak,
        sizes: [0; SIZES],
        share: Share::default(),
        way: PathId::default(),
    }
}

impl Row for Line {
    type Part = Part;

    fn name(&mut self, (file, line, function): &Where) {
        if self.function.is_empty() {
            (self.file, self.line) = (file.to_string(), *line);
            self.function = function.to_string();
        }
    }

    fn count(&mut self, part: &Part) {
        self.allocated += part.sum.allocated;
        self.returned += part.sum.returned;
        self.live += part.sum.live();
        self.temporary += part.temporary;
        self.peak += part.peak;
        self.blocks += part.sum.blocks;
        self.live_blocks += part.sum.live_blocks();
        for (count, more) in self.sizes.iter_mut().zip(part.sizes) {
            *count += more;
        }
        if !part.share.allocator.is_empty() {
            add_share(&mut self.shares, &part.share);
        }
        if self.way == PathId::default() {
            self.way = part.way;
        }
    }

    fn size(&self) -> impl Ord {
        (self.live, self.peak, self.allocated)
    }

    fn place(&self) -> (&str, u32) {
        (&self.file, self.line)
    }

    fn put_library(&mut self, rows: Vec<Self>) {
        self.library = rows;
        sort_shares(&mut self.shares);
        self.library
            .iter_mut()
            .for_each(|row| sort_shares(&mut row.shares));
    }
}
