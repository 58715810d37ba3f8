//! The books' pages on sites: found, made, swept, folded; and the code objects that they speak of.

use super::aside::{Block, Seen};
use super::books::Books;
use super::cells::{CellId, FoldedLine, Sum};
use super::codes::{Code, CodeId};
use super::paths::PathId;
use super::sites::{Cold, FIRST, Key, Place, SiteId, Spot, machinery};
use super::sources::Source;

/// When ids are all in use, sites are swept again after so many were refused.
const REFUSED: u64 = 1 << 16;
/// With so many times the sites from which on it is swept, dead sites of every cell are.
const MANY: usize = 8;

impl Books {
    /// The copy of the code object at `address`, if one was taken.
    pub fn code(&self, address: usize) -> Option<CodeId> {
        self.aside.get(address)?.code.copy()
    }

    /// A code object runs whose lines nobody asks for yet: its death will be noticed, and nothing is copied.
    pub fn watch_code(&mut self, address: usize) {
        let seen = self
            .aside
            .get(address)
            .is_some_and(|block| block.code != Seen::Not);
        if !seen {
            self.set_aside(address, Seen::Running);
        }
    }

    /// A copy was taken of the code object at `address`.
    pub fn saw_code(&mut self, address: usize, code: Code) -> CodeId {
        let id = self.codes.add(code);
        self.set_aside(address, Seen::Copied(id));
        id
    }

    /// The block of a code object goes aside, so that its death is noticed: no reference to it need be held, nor the
    /// interpreter asked to tell.
    fn set_aside(&mut self, address: usize, code: Seen) {
        let known = match self.shadow.take(address) {
            Some(entry) => Some((entry.site(), entry.size())),
            None => self
                .aside
                .take(address)
                .map(|block| (block.site, block.size)),
        };
        let (site, size) = known.unwrap_or_default();
        self.aside.set(address, Block { site, size, code });
    }

    /// What tells the site of a place in a cell from others. An unknown cell is "before cells".
    pub fn key(&self, cell: CellId, place: Place, source: Source) -> Key {
        let known = self.record(cell).is_some();
        Key {
            cell: if known { cell } else { CellId(0) },
            place,
            source,
        }
    }

    pub fn find(&self, key: &Key) -> Option<SiteId> {
        self.sites.find(key)
    }

    /// A path with one more library frame, for `add`.
    pub fn step(&mut self, before: PathId, spot: Spot) -> PathId {
        self.paths.step(before, spot, &mut self.codes)
    }

    /// The site for a key that `find` does not know, made of what is left of ids. `path` has the library frames under
    /// the line; where no id is left it is a path no more. May begin a new generation, in which others are none either.
    #[cold]
    pub fn add(&mut self, key: Key, path: PathId) -> SiteId {
        self.paths.hold(path);
        if self.sites.len() >= self.sweep_at {
            self.sweep();
        }
        let Some(id) = (self.sites.add(key, path)).or_else(|| self.add_after_sweep(key, path))
        else {
            self.paths.release(path, &mut self.codes);
            return self.other(key);
        };
        self.renew_in_spans(id);
        if let Place::Line { leaf, line } = key.place {
            self.codes.hold(leaf.code);
            self.codes.hold(line.code);
        }
        if let Some(record) = self.record_mut(key.cell) {
            record.sites.push(id);
        }
        id
    }

    /// Where blocks count for which no id is left.
    fn other(&mut self, key: Key) -> SiteId {
        self.ids_ran_out = true;
        let other = Key {
            place: Place::Other,
            ..key
        };
        match key.place {
            Place::Other => machinery(key.source.layer),
            _ => (self.find(&other)).unwrap_or_else(|| self.add(other, PathId::default())),
        }
    }

    /// Ids are all in use: sweeps, but not for every site that is refused.
    fn add_after_sweep(&mut self, key: Key, path: PathId) -> Option<SiteId> {
        self.refused += 1;
        if self.refused % REFUSED == 1 {
            self.sweep();
        }
        self.sites.add(key, path)
    }

    /// Folds dead sites: of retired cells, and where there are very many, of every cell. A running cell keeps
    /// those that have a part in its peak.
    fn sweep(&mut self) {
        let oldest = self.recent.front().copied().unwrap_or_default();
        let all = self.sites.len() >= self.sweep_from * MANY;
        let dead: Vec<SiteId> = (self.sites.iter())
            .filter(|(id, cold, hot)| {
                let spent = || cold.peak == 0 && self.tide.at_highest(hot) == 0;
                *id >= FIRST
                    && hot.live_blocks() == 0
                    && !self.is_in_span(*id)
                    && (all || cold.key.cell < oldest)
                    && (!self.running.contains(&cold.key.cell) || spent())
            })
            .map(|(id, ..)| id)
            .collect();
        for id in dead {
            self.fold(id);
        }
        self.journal.settle();
        let sites = &self.sites;
        for record in self.records.iter_mut().filter_map(Option::as_deref_mut) {
            record.sites.retain(|id| {
                sites
                    .key(*id)
                    .is_some_and(|key| key.cell == record.id || record.id.0 == 0)
            });
            if record.id < oldest {
                record.shrink();
            }
        }
        self.sweep_at = (self.sites.len() * 2).max(self.sweep_from);
    }

    /// Turns a site with nothing live into a line of its cell's record.
    pub(super) fn fold(&mut self, id: SiteId) {
        let sum = Sum::of(self.sites.get(id));
        let Some(cold) = self.sites.remove(id) else {
            return;
        };
        self.generation += 1;
        self.journal.lose(id, cold.key.cell);
        self.paths.release(cold.path, &mut self.codes);
        let line = self.folded_line(&cold, sum);
        if let Place::Line { leaf, line } = cold.key.place {
            self.codes.release(leaf.code);
            self.codes.release(line.code);
        }
        if let Some(record) = self.record_mut(cold.key.cell) {
            record.folded.add(sum);
            if let Some(line) = line {
                record.fold_line(line);
            }
        }
    }

    fn folded_line(&self, cold: &Cold, sum: Sum) -> Option<FoldedLine> {
        let Place::Line { line, .. } = cold.key.place else {
            return None;
        };
        let code = self.codes.get(line.code)?;
        Some(FoldedLine {
            file: code.file.clone(),
            line: code.line(line.offset),
            blocks: u32::try_from(sum.blocks).unwrap_or(u32::MAX),
            allocated: sum.allocated,
            temporary: if self.is_running(cold.key.cell) {
                sum.returned
            } else {
                cold.temporary
            },
            peak: cold.peak,
        })
    }
}
