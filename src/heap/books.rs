//! The books as one value: events in, counters out. A plain state machine; the hooks are three lines that call it.

use std::io;

use super::cells::{CellId, FoldedLine, Kind, Meter, Record, Sum};
use super::codes::Codes;
use super::large::Large;
use super::shadow::{Entry, LARGEST, Shadow};
use super::sites::{CELLHEAP, Class, Key, MACHINERY, Place, Site, SiteId, Sites};
use super::tide::Tide;

/// Dead sites of retired cells are swept when this many sites are in use, and at each doubling.
const SWEEP_FROM: usize = 1 << 14;

pub struct Books {
    pub tide: Tide,
    pub(super) shadow: Shadow,
    pub(super) sites: Sites,
    /// The meter of the cell that runs: counts what has no counter of its own in a site.
    pub(super) meter: *mut Meter,
    pub(super) large: Large,
    pub codes: Codes,
    pub(super) records: Vec<Option<Box<Record>>>,
    pub(super) running: Vec<CellId>,
    pub(super) recent: std::collections::VecDeque<CellId>,
    /// The stretch that code outside every cell belongs to.
    pub between: CellId,
    sweep_at: usize,
    pub ids_ran_out: bool,
    /// Grows whenever site ids were given up: caches of ids are void then.
    pub swept: u64,
    /// Closed marks of the whole notebook.
    pub highest: u64,
}

// SAFETY: `meter` points into a boxed record that the books own; calls are serialised.
unsafe impl Send for Books {}

impl Books {
    /// # Errors
    /// The system's error when no address space is left.
    pub fn new() -> io::Result<Self> {
        let mut books = Self {
            tide: Tide::default(),
            shadow: Shadow::new()?,
            sites: Sites::new()?,
            meter: std::ptr::null_mut(),
            large: Large::default(),
            codes: Codes::default(),
            records: Vec::new(),
            running: Vec::new(),
            recent: std::collections::VecDeque::new(),
            between: CellId(0),
            sweep_at: SWEEP_FROM,
            ids_ran_out: false,
            swept: 0,
            highest: 0,
        };
        books.open(Kind::BeforeCells, 0.0);
        books.enter(CellId(0));
        Ok(books)
    }

    // ---- events: the hot path -------------------------------------------------------------------

    /// A block of `size` bytes was made at `address` by `site`.
    #[inline(always)]
    pub fn allocated(&mut self, address: usize, size: usize, site: SiteId) {
        // SAFETY: ids come from this table; nothing else borrows a site now.
        let hot = unsafe { &mut *self.sites.hot(site) };
        if hot.class == Class::Notebook {
            self.tide.rise(hot, size as u64);
        } else {
            // SAFETY: `enter` pointed it at a record that is there for as long as it is entered.
            unsafe { (*self.meter).allocated[hot.class as usize] += size as u64 };
        }
        hot.allocated += size as u64;
        hot.blocks += 1;
        if size >= LARGEST || !self.shadow.set(address, Entry::new(site, size)) {
            self.large.set(address, site, size as u64);
        }
    }

    /// The block at `address` was given back. Unknown addresses are blocks from before tracing.
    #[inline(always)]
    pub fn freed(&mut self, address: usize) {
        if let Some((site, size)) = self.take(address) {
            // SAFETY: as in `allocated`.
            let hot = unsafe { &mut *self.sites.hot(site) };
            self.give_back(hot, size);
        }
    }

    /// The block at `old` became one of `size` bytes at `new`: one net event.
    #[inline]
    pub fn reallocated(&mut self, old: usize, new: usize, size: usize, site: SiteId) {
        let Some((old_site, old_size)) = self.take(old) else {
            return self.allocated(new, size, site);
        };
        let (from, to) = (self.sites.hot(old_site), self.sites.hot(site));
        let size_of = |hot: *mut Site, size: u64| {
            // SAFETY: both ids come from this table; no reference outlives the call.
            if unsafe { (*hot).class } == Class::Notebook {
                size
            } else {
                0
            }
        };
        let (out, into) = (size_of(from, old_size), size_of(to, size as u64));
        self.tide.lean(out, into);
        // SAFETY: as above; `from` and `to` may be one site, so they are borrowed in turn.
        unsafe {
            self.tide.keep(&mut *from);
            self.tide.keep(&mut *to);
            (*from).returned += old_size;
            (*from).blocks_returned += 1;
            (*to).allocated += size as u64;
            (*to).blocks += 1;
            (*self.meter).freed[(*from).class as usize] += old_size;
            if (*to).class != Class::Notebook {
                (*self.meter).allocated[(*to).class as usize] += size as u64;
            }
        }
        self.tide.shift(out, into);
        if size >= LARGEST || !self.shadow.set(new, Entry::new(site, size)) {
            self.large.set(new, site, size as u64);
        }
    }

    #[inline(always)]
    fn take(&mut self, address: usize) -> Option<(SiteId, u64)> {
        match self.shadow.take(address) {
            Some(entry) => Some((entry.site(), entry.size())),
            None => self.large.take(address),
        }
    }

    #[inline(always)]
    fn give_back(&mut self, hot: &mut Site, size: u64) {
        if hot.class == Class::Notebook {
            self.tide.fall(hot, size);
        }
        hot.returned += size;
        hot.blocks_returned += 1;
        // SAFETY: as in `allocated`.
        unsafe { (*self.meter).freed[hot.class as usize] += size };
    }

    // ---- sites ------------------------------------------------------------------------------------

    /// The site for `place` in `cell`, made if it is new.
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
        match self.sites.add(key, Class::Notebook) {
            Some(id) => {
                if let Place::Line { leaf, line } = place {
                    self.codes.hold(leaf.code);
                    self.codes.hold(line.code);
                }
                if let Some(record) = self.record_mut(cell) {
                    record.sites.push(id);
                }
                id
            }
            None => {
                self.ids_ran_out = true;
                self.sites
                    .find(&Key {
                        cell,
                        place: Place::Other,
                    })
                    .unwrap_or(MACHINERY)
            }
        }
    }

    /// Folds dead sites: of retired cells, and where there are very many, of every cell.
    fn sweep(&mut self) {
        let oldest = self.recent.front().copied().unwrap_or_default();
        let all = self.sites.len() > SWEEP_FROM * 2;
        let dead: Vec<SiteId> = (self.sites.iter())
            .filter(|(id, cold, hot)| {
                *id > CELLHEAP && hot.live_blocks() == 0 && (all || cold.key.cell < oldest)
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
        self.sweep_at = (self.sites.len() * 2).max(SWEEP_FROM);
        self.swept += 1;
    }

    /// Turns a site with nothing live into a line of its cell's record.
    pub(super) fn fold(&mut self, id: SiteId) {
        let hot = self.sites.get(id);
        let (sum, at_mark) = (Sum::of(hot), self.tide.at_highest(hot));
        let Some(cold) = self.sites.remove(id) else {
            return;
        };
        let peak = if self.running.contains(&cold.key.cell) {
            at_mark
        } else {
            cold.peak
        };
        let Place::Line { leaf, line } = cold.key.place else {
            if let Some(record) = self.record_mut(cold.key.cell) {
                record.folded.add(sum);
            }
            return;
        };
        let place = self
            .codes
            .get(line.code)
            .map(|code| (code.file.clone(), code.line(line.offset)));
        self.codes.release(leaf.code);
        self.codes.release(line.code);
        if let (Some(record), Some((file, line))) = (self.record_mut(cold.key.cell), place) {
            record.folded.add(sum);
            let blocks = u32::try_from(sum.blocks).unwrap_or(u32::MAX);
            record.fold_line(FoldedLine {
                file,
                line,
                blocks,
                allocated: sum.allocated,
                peak,
            });
        }
    }

    /// Whether the block at `address` was noted.
    pub fn knows(&self, address: usize) -> bool {
        self.shadow.has(address) || self.large.has(address)
    }

    /// From now on every class counts as the notebook's: for judges that compare totals.
    /// Only while nothing is live.
    pub fn count_everything(&mut self) {
        for id in [MACHINERY, CELLHEAP] {
            // SAFETY: both ids are in the table.
            unsafe { (*self.sites.hot(id)).class = Class::Notebook };
        }
    }

    pub fn sites(&self) -> &Sites {
        &self.sites
    }

    pub fn shadow(&self) -> &Shadow {
        &self.shadow
    }
}
