//! The books as one value: events in, counters out. A plain state machine; the hooks are three lines that call it.

use std::collections::VecDeque;
use std::io;

use super::aside::{Aside, Block};
use super::cells::{CellId, FoldedLine, Kind, Meter, Record, Sum};
use super::codes::{Code, CodeId, Codes};
use super::shadow::{Entry, LARGEST, Shadow};
use super::sites::{CELLHEAP, Class, Cold, Key, MACHINERY, Place, Site, SiteId, Sites};
use super::tide::Tide;

/// Dead sites of retired cells are swept when this many sites are in use, and at each doubling; with twice as many,
/// of every cell.
const SWEEP_FROM: usize = 1 << 14;

/// When ids are all in use, sites are swept again after so many were refused.
const REFUSED: u64 = 1 << 16;

pub struct Books {
    pub tide: Tide,
    pub(super) shadow: Shadow,
    pub(super) sites: Sites,
    /// The meter of the cell that runs: counts what has no counter of its own in a site.
    pub(super) meter: *mut Meter,
    pub(super) aside: Aside,
    pub codes: Codes,
    pub(super) records: Vec<Option<Box<Record>>>,
    pub(super) running: Vec<CellId>,
    pub(super) recent: VecDeque<CellId>,
    /// The stretch that code outside every cell belongs to.
    pub between: CellId,
    sweep_from: usize,
    sweep_at: usize,
    refused: u64,
    pub ids_ran_out: bool,
    /// Grows whenever an instruction's address or a site's id may come to mean another: caches of them are void then.
    pub generation: u64,
    /// Closed marks of the whole notebook.
    pub highest: u64,
}

// SAFETY: `meter` points into a boxed record that the books own; calls are serialised.
unsafe impl Send for Books {}

impl Books {
    /// # Errors
    /// The system's error when no address space is left.
    pub fn new() -> io::Result<Self> {
        let mut first = Box::new(Record::new(CellId(0), Kind::BeforeCells, 0.0, 0));
        Ok(Self {
            tide: Tide::default(),
            shadow: Shadow::new()?,
            sites: Sites::new()?,
            meter: &raw mut first.meter,
            aside: Aside::default(),
            codes: Codes::default(),
            records: vec![Some(first)],
            running: Vec::new(),
            recent: VecDeque::new(),
            between: CellId(0),
            sweep_from: SWEEP_FROM,
            sweep_at: SWEEP_FROM,
            refused: 0,
            ids_ran_out: false,
            generation: 0,
            highest: 0,
        })
    }

    /// A block of `size` bytes was made at `address` by `site`.
    #[inline(always)]
    pub fn allocated(&mut self, address: usize, size: usize, site: SiteId) {
        // SAFETY: ids come from this table; nothing else borrows a site now.
        let hot = unsafe { &mut *self.sites.hot(site) };
        if self.counts(hot) {
            self.tide.rise(size as u64);
        } else {
            // SAFETY: `enter` pointed it at a record that is there for as long as it is entered.
            unsafe { (*self.meter).allocated[hot.class as usize] += size as u64 };
        }
        hot.allocated += size as u64;
        hot.blocks += 1;
        self.note(address, size, site);
    }

    /// The block at `address` was given back. False if it has no entry in the shadow: it may be `aside` then.
    #[inline(always)]
    #[must_use]
    pub fn freed(&mut self, address: usize) -> bool {
        let Some(entry) = self.shadow.take(address) else {
            return false;
        };
        self.give_back(entry.site(), entry.size());
        true
    }

    /// As `freed`, for what is not in the shadow. Unknown addresses are blocks from before tracing. May begin a
    /// new generation.
    pub fn freed_aside(&mut self, address: usize) {
        if let Some((site, size)) = self.take_aside(address) {
            self.give_back(site, size);
        }
    }

    /// The block at `old` became one of `size` bytes at `new`: one net event. May begin a new generation.
    #[inline]
    pub fn reallocated(&mut self, old: usize, new: usize, size: usize, site: SiteId) {
        let known = match self.shadow.take(old) {
            Some(entry) => Some((entry.site(), entry.size())),
            None => self.take_aside(old),
        };
        let Some((old_site, old_size)) = known else {
            return self.allocated(new, size, site);
        };
        let (from, to) = (self.sites.hot(old_site), self.sites.hot(site));
        let counted = |hot: *mut Site, size: u64| {
            // SAFETY: both ids come from this table; they may be one site, so no reference is kept.
            if unsafe { (*hot).class } == Class::Notebook {
                size
            } else {
                0
            }
        };
        let (out, into) = (counted(from, old_size), counted(to, size as u64));
        if into < out {
            self.tide.leave_mark();
        }
        // SAFETY: as above, borrowed in turn; the meter as in `allocated`.
        unsafe {
            if !self.counts(&mut *from) {
                (*self.meter).freed[(*from).class as usize] += old_size;
            }
            if !self.counts(&mut *to) {
                (*self.meter).allocated[(*to).class as usize] += size as u64;
            }
            (*from).returned += old_size;
            (*from).blocks_returned += 1;
            (*to).allocated += size as u64;
            (*to).blocks += 1;
        }
        self.tide.fall(out);
        self.tide.rise(into);
        self.note(new, size, site);
    }

    /// Whether the site is the notebook's; it is kept in the tide's epoch then and may change.
    #[inline(always)]
    fn counts(&self, hot: &mut Site) -> bool {
        if !self.tide.knows(hot) {
            if hot.class != Class::Notebook {
                return false;
            }
            self.tide.keep(hot);
        }
        true
    }

    #[inline(always)]
    fn note(&mut self, address: usize, size: usize, site: SiteId) {
        if size >= LARGEST || !self.shadow.set(address, Entry::new(site, size)) {
            self.note_slowly(address, size, site);
        }
    }

    /// A block that is too large for the shadow, or the first of its chunk.
    #[cold]
    #[inline(never)]
    fn note_slowly(&mut self, address: usize, size: usize, site: SiteId) {
        if size < LARGEST && self.shadow.grow(address) {
            self.shadow.set(address, Entry::new(site, size));
            return;
        }
        let block = Block {
            site,
            size: size as u64,
            code: None,
        };
        self.aside.set(address, block);
    }

    fn take_aside(&mut self, address: usize) -> Option<(SiteId, u64)> {
        let block = self.aside.take(address)?;
        if let Some(code) = block.code {
            self.codes.release(code);
            self.generation += 1;
        }
        (block.site.0 != 0).then_some((block.site, block.size))
    }

    #[inline(always)]
    fn give_back(&mut self, site: SiteId, size: u64) {
        // SAFETY: as in `allocated`.
        let hot = unsafe { &mut *self.sites.hot(site) };
        self.tide.leave_mark();
        if self.counts(hot) {
            self.tide.fall(size);
        } else {
            // SAFETY: as in `allocated`.
            unsafe { (*self.meter).freed[hot.class as usize] += size };
        }
        hot.returned += size;
        hot.blocks_returned += 1;
    }

    /// The copy of the code object at `address`, if it was seen before.
    pub fn code(&self, address: usize) -> Option<CodeId> {
        self.aside.get(address)?.code
    }

    /// A code object was seen for the first time. Its block goes aside, so that its death is noticed: no reference
    /// to it need be held, nor the interpreter asked to tell.
    pub fn saw_code(&mut self, address: usize, code: Code) -> CodeId {
        let id = self.codes.add(code);
        let known = match self.shadow.take(address) {
            Some(entry) => Some((entry.site(), entry.size())),
            None => self
                .aside
                .take(address)
                .map(|block| (block.site, block.size)),
        };
        let (site, size) = known.unwrap_or_default();
        let block = Block {
            site,
            size,
            code: Some(id),
        };
        self.aside.set(address, block);
        id
    }

    /// The site for `place` in `cell`, made if it is new. May begin a new generation.
    #[cold]
    pub fn site(&mut self, cell: CellId, place: Place) -> SiteId {
        let cell = if self.record(cell).is_some() {
            cell
        } else {
            CellId(0)
        };
        let key = Key { cell, place };
        if let Some(id) = self.sites.find(&key) {
            return id;
        }
        if self.sites.len() >= self.sweep_at {
            self.sweep();
        }
        let Some(id) = self.sites.add(key).or_else(|| self.add_after_sweep(key)) else {
            self.ids_ran_out = true;
            return match place {
                Place::Other => MACHINERY,
                _ => self.site(cell, Place::Other),
            };
        };
        if let Place::Line { leaf, line } = place {
            self.codes.hold(leaf.code);
            self.codes.hold(line.code);
        }
        if let Some(record) = self.record_mut(cell) {
            record.sites.push(id);
        }
        id
    }

    /// Ids are all in use: sweeps, but not for every site that is refused.
    fn add_after_sweep(&mut self, key: Key) -> Option<SiteId> {
        self.refused += 1;
        if self.refused % REFUSED == 1 {
            self.sweep();
        }
        self.sites.add(key)
    }

    /// Folds dead sites: of retired cells, and where there are very many, of every cell. A running cell keeps
    /// those that have a part in its peak.
    fn sweep(&mut self) {
        let oldest = self.recent.front().copied().unwrap_or_default();
        let all = self.sites.len() >= self.sweep_from * 2;
        let dead: Vec<SiteId> = (self.sites.iter())
            .filter(|(id, cold, hot)| {
                let spent = || cold.peak == 0 && self.tide.at_highest(hot) == 0;
                *id > CELLHEAP
                    && hot.live_blocks() == 0
                    && (all || cold.key.cell < oldest)
                    && (!self.running.contains(&cold.key.cell) || spent())
            })
            .map(|(id, ..)| id)
            .collect();
        for id in dead {
            self.fold(id);
        }
        let sites = &self.sites;
        for record in self.records.iter_mut().filter_map(Option::as_deref_mut) {
            record.sites.retain(|id| {
                sites
                    .key(*id)
                    .is_some_and(|key| key.cell == record.id || record.id.0 == 0)
            });
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
            peak: cold.peak,
        })
    }

    /// Whether the block at `address` was noted.
    pub fn knows(&self, address: usize) -> bool {
        self.shadow.has(address) || self.aside.get(address).is_some()
    }

    /// From now on every class counts as the notebook's: for judges that compare totals.
    /// Only while nothing is live.
    pub fn count_everything(&mut self) {
        for id in [MACHINERY, CELLHEAP] {
            // SAFETY: both ids are in the table.
            unsafe { self.sites.hot(id).write(Site::default()) };
        }
    }

    /// Sweeps earlier, for judges that cannot make so many sites.
    pub fn sweep_from(&mut self, sites: usize) {
        (self.sweep_from, self.sweep_at) = (sites, sites);
    }

    pub fn sites(&self) -> &Sites {
        &self.sites
    }

    pub fn shadow(&self) -> &Shadow {
        &self.shadow
    }
}
