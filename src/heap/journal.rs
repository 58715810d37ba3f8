//! What changed in live memory from the end of one cell to the end of the next, by site: the differences alone.
//! Owns these; the counters are the sites', and names of lines are looked up when a report is made.

use std::collections::{HashMap, HashSet};

use super::books::Books;
use super::cells::{CellId, RECENT};
use super::change::{Change, Who};
use super::places::Where;
use super::report::{Diff, Grown, GrownOrigin};
use super::sites::{FIRST, Site, SiteId, Sites};
use super::tally::{Row, Tally};

/// Changes that are kept by site at an end that is not recent, and sums by cell of the others; the rest is one sum.
const KEPT: usize = 3;
const KEPT_CELLS: usize = 3;
/// What stands for lines that are not told apart any more, and for the sum of small changes long ago.
const GONE: &str = "(other lines)";
const SMALL: &str = "(small changes of old cells)";

/// What changed since the end before this one.
pub(super) struct End {
    pub cell: CellId,
    /// The live table that it is of: changes of two tables do not add up.
    pub table: u32,
    pub changes: Box<[Change]>,
}

/// What was live, by its cell, when the ends before were forgotten.
#[derive(Default)]
pub(super) struct Base {
    pub table: u32,
    pub live: Vec<(CellId, i64)>,
}

/// What a site had at the last end.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Seen {
    live: u64,
    blocks: u32,
}

impl Seen {
    fn of(site: &Site) -> Self {
        Self {
            live: site.live(),
            blocks: u32::try_from(site.live_blocks()).unwrap_or(u32::MAX),
        }
    }

    fn change_to(self, now: Self, who: Who) -> Change {
        let blocks = i64::from(now.blocks) - i64::from(self.blocks);
        Change::new(
            who,
            blocks.clamp(i32::MIN.into(), i32::MAX.into()) as i32,
            now.live.wrapping_sub(self.live).cast_signed(),
        )
    }
}

#[derive(Default)]
pub struct Journal {
    pub(super) base: Base,
    pub(super) ends: Vec<End>,
    /// By site id.
    seen: Vec<Seen>,
    /// Changes of sites that went since the last end.
    loose: Vec<Change>,
    /// Sites that went and that ends may speak of.
    gone: HashMap<SiteId, CellId>,
    /// Sites that ends speak of which are not recent.
    spoken_of: HashSet<SiteId>,
}

impl Journal {
    /// A site is about to go; nothing of it is live.
    pub(super) fn lose(&mut self, id: SiteId, cell: CellId) {
        if let Some(seen) = self.seen.get_mut(id.0 as usize) {
            let seen = std::mem::take(seen);
            if seen != Seen::default() {
                self.loose
                    .push(seen.change_to(Seen::default(), Who::Cell(cell)));
            }
            self.gone.insert(id, cell);
        }
    }

    /// Ends speak of the cells of sites that went: their ids may come to mean others from here on.
    pub(super) fn settle(&mut self) {
        let gone = std::mem::take(&mut self.gone);
        if gone.is_empty() {
            return;
        }
        let old = self.ends.len().saturating_sub(RECENT);
        let is_old_named = gone.keys().any(|id| self.spoken_of.remove(id));
        for end in &mut self.ends[if is_old_named { 0 } else { old }..] {
            for change in &mut end.changes {
                if let Who::Site(id) = change.who()
                    && let Some(cell) = gone.get(&id)
                {
                    change.lose_site(*cell);
                }
            }
        }
    }

    /// Forgets all ends; what is live stays seen, and is what the next ends begin with.
    pub(super) fn forget(&mut self, table: u32, sites: &Sites) {
        let mut live: HashMap<CellId, i64> = HashMap::new();
        for (at, seen) in self
            .seen
            .iter()
            .enumerate()
            .filter(|(_, seen)| seen.live > 0)
        {
            if let Some(key) = sites.key(SiteId(at as u32)) {
                *live.entry(key.cell).or_default() += seen.live.cast_signed();
            }
        }
        self.base = Base {
            table,
            live: live.into_iter().collect(),
        };
        self.ends = Vec::new();
        self.loose = Vec::new();
        self.gone = HashMap::new();
        self.spoken_of = HashSet::new();
    }

    /// The live table ended.
    pub(super) fn cut(&mut self) {
        self.seen = Vec::new();
        self.loose = Vec::new();
    }

    /// What changed since the last end.
    fn changes(&self, sites: &Sites) -> Vec<Change> {
        let mut changes = self.loose.clone();
        for at in FIRST.0..sites.slots() {
            let id = SiteId(at);
            let seen = self.seen.get(at as usize).copied().unwrap_or_default();
            let now = Seen::of(sites.get(id));
            if now != seen {
                changes.push(seen.change_to(now, Who::Site(id)));
            }
        }
        changes
    }

    /// A cell ended.
    fn note(&mut self, cell: CellId, table: u32, sites: &Sites) {
        let changes = self.changes(sites);
        self.seen.resize(sites.slots() as usize, Seen::default());
        for change in &changes {
            if let Who::Site(id) = change.who() {
                self.seen[id.0 as usize] = Seen::of(sites.get(id));
            }
        }
        self.loose.clear();
        self.ends.push(End {
            cell,
            table,
            changes: changes.into(),
        });
        self.shorten(sites);
    }

    /// The end that is recent no more keeps its biggest changes.
    fn shorten(&mut self, sites: &Sites) {
        let Some(at) = self.ends.len().checked_sub(RECENT + 1) else {
            return;
        };
        let mut changes = std::mem::take(&mut self.ends[at].changes).into_vec();
        if changes.len() > KEPT + 1 {
            changes.sort_unstable_by_key(|change| std::cmp::Reverse(change.bytes.unsigned_abs()));
            let rest = changes.split_off(KEPT);
            changes.extend(by_cell(&rest, sites));
        }
        for change in &changes {
            if let Who::Site(id) = change.who() {
                self.spoken_of.insert(id);
            }
        }
        self.ends[at].changes = changes.into();
    }

    fn at(&self, cell: CellId) -> Option<usize> {
        self.ends.iter().rposition(|end| end.cell == cell)
    }

    pub(super) fn bytes(&self) -> u64 {
        let changes: usize = self.ends.iter().map(|end| end.changes.len()).sum();
        let ids = self.spoken_of.capacity() * (size_of::<SiteId>() + 1);
        (self.ends.capacity() * size_of::<End>()
            + changes * size_of::<Change>()
            + self.seen.capacity() * size_of::<Seen>()
            + ids) as u64
    }
}

/// Sums of changes by cell, the biggest; what is left is one sum of many.
fn by_cell(changes: &[Change], sites: &Sites) -> Vec<Change> {
    let mut sums: HashMap<Who, Change> = HashMap::new();
    for change in changes {
        add(
            &mut sums,
            change.cell(sites).map_or(Who::Many, Who::Cell),
            change,
        );
    }
    let mut cells: Vec<Change> = sums.into_values().collect();
    cells.sort_unstable_by_key(|change| {
        let many = change.who() == Who::Many;
        (many, std::cmp::Reverse(change.bytes.unsigned_abs()))
    });
    let mut many = HashMap::new();
    for change in cells.split_off(cells.len().min(KEPT_CELLS)) {
        add(&mut many, Who::Many, &change);
    }
    cells.extend(many.into_values());
    cells.retain(|change| (change.bytes, change.blocks) != (0, 0));
    cells
}

fn add(sums: &mut HashMap<Who, Change>, who: Who, change: &Change) {
    let sum = sums.entry(who).or_insert(Change::new(who, 0, 0));
    sum.blocks = sum.blocks.saturating_add(change.blocks);
    sum.bytes += change.bytes;
}

/// Why there is no difference to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoDiff {
    /// The cell has not ended, or its end is forgotten.
    NoEnd(CellId),
    /// The second cell ended before the first.
    Backwards,
    /// Recording stopped between the two.
    Cut,
}

impl Books {
    /// A cell ended: what changed since the last end is kept.
    pub(super) fn note_end(&mut self, cell: CellId) {
        self.journal.note(cell, self.table, &self.sites);
    }

    /// What changed in live memory from the end of one cell to the end of another, or to now where that one runs.
    ///
    /// # Errors
    /// Where the books cannot tell.
    pub fn diff(&self, from: CellId, to: CellId) -> Result<Diff, NoDiff> {
        let journal = &self.journal;
        let start = journal.at(from).ok_or(NoDiff::NoEnd(from))?;
        let runs = self.is_running(to);
        let stop = match journal.at(to) {
            _ if runs => journal.ends.len() - 1,
            Some(stop) => stop,
            None => return Err(NoDiff::NoEnd(to)),
        };
        if stop < start || (stop == start && !runs) {
            return Err(NoDiff::Backwards);
        }
        let ends = &journal.ends[start + 1..=stop];
        let table = journal.ends[start].table;
        if ends.iter().any(|end| end.table != table) || (runs && self.table != table) {
            return Err(NoDiff::Cut);
        }
        let now = runs.then(|| journal.changes(&self.sites));
        let changes = ends.iter().flat_map(|end| end.changes.iter());
        let origins = self.grown(changes.chain(now.iter().flatten()));
        Ok(Diff {
            from: self
                .record(from)
                .map(|record| record.label())
                .unwrap_or_default(),
            to: self
                .record(to)
                .map(|record| record.label())
                .unwrap_or_default(),
            net: origins.iter().map(|origin| origin.net).sum(),
            blocks: origins.iter().map(|origin| origin.blocks).sum(),
            to_now: runs,
            origins,
            notes: Vec::new(),
        })
    }

    /// Changes by origin and line, what grew most first.
    fn grown<'a>(&self, changes: impl Iterator<Item = &'a Change>) -> Vec<GrownOrigin> {
        let mut sums: HashMap<Who, (i64, i64)> = HashMap::new();
        for change in changes {
            let (bytes, blocks) = sums.entry(change.who()).or_default();
            *bytes += change.bytes;
            *blocks += i64::from(change.blocks);
        }
        sums.retain(|_, sum| *sum != (0, 0));
        let mut tallies: HashMap<Option<CellId>, Tally<'_, Grown>> = HashMap::new();
        for (who, part) in &sums {
            let cold = match who {
                Who::Site(id) => self.sites.cold(*id),
                _ => None,
            };
            let cell = match who {
                Who::Cell(cell) => Some(*cell),
                _ => cold.map(|cold| cold.key.cell),
            };
            // What was forgotten counts as before cells.
            let cell = cell.map(|cell| self.record(cell).map_or(CellId(0), |record| record.id));
            let tally = tallies.entry(cell).or_insert_with(|| Tally::new(self));
            match cold {
                Some(cold) => tally.site(cold, part),
                None => tally.line(&nowhere(if cell.is_some() { GONE } else { SMALL }), part),
            }
        }
        let mut origins: Vec<GrownOrigin> = (tallies.into_iter())
            .map(|(cell, tally)| self.grown_origin(cell, tally.finish()))
            .collect();
        origins.sort_by_key(|origin| (std::cmp::Reverse(origin.net), origin.cell));
        origins
    }

    fn grown_origin(&self, cell: Option<CellId>, lines: Vec<Grown>) -> GrownOrigin {
        let record = cell.and_then(|cell| self.record(cell));
        GrownOrigin {
            cell: record.map(|record| record.id.0),
            label: record.map(|record| record.label()).unwrap_or_default(),
            net: lines.iter().map(|line| line.net).sum(),
            blocks: lines.iter().map(|line| line.blocks).sum(),
            lines,
        }
    }
}

fn nowhere(words: &str) -> Where {
    ("".into(), 0, words.into())
}

impl Row for Grown {
    /// Bytes and blocks.
    type Part = (i64, i64);

    fn name(&mut self, (file, line, function): &Where) {
        if self.function.is_empty() {
            (self.file, self.line) = (file.to_string(), *line);
            self.function = function.to_string();
        }
    }

    fn count(&mut self, (bytes, blocks): &Self::Part) {
        self.net += bytes;
        self.blocks += blocks;
    }

    fn size(&self) -> impl Ord {
        (self.net.unsigned_abs(), self.net)
    }

    fn place(&self) -> (&str, u32) {
        (&self.file, self.line)
    }

    fn put_library(&mut self, rows: Vec<Self>) {
        self.library = rows;
    }
}
