//! The books as one value: events in, counters out. A plain state machine; the hooks are three lines that call it.

use std::collections::VecDeque;
use std::io;

use super::aside::{Aside, Block, Seen};
use super::cells::{CellId, Kind, Meter, Record};
use super::codes::Codes;
use super::journal::Journal;
use super::paths::Paths;
use super::ranges::{Cut, Piece, Ranges};
use super::reserves::Reserves;
use super::shadow::{Entry, LARGEST, Shadow};
use super::sites::{Class, FIRST, Site, SiteId, Sites, size_class};
use super::sources::Objects;
use super::spans::{Span, SpanId};
use super::tide::Tide;

/// Dead sites of retired cells are swept when this many sites are in use, and at each doubling.
const SWEEP_FROM: usize = 1 << 12;

/// A block that is off the books while its reallocation is under way.
#[derive(Debug, Clone, Copy)]
pub struct Lifted {
    pub(super) site: SiteId,
    pub(super) size: u64,
    /// The live table that it is of.
    pub(super) table: u32,
}

impl Lifted {
    pub fn bytes(&self) -> u64 {
        self.size
    }
}

pub struct Books {
    pub tide: Tide,
    pub(super) shadow: Shadow,
    pub(super) sites: Sites,
    /// The meter of the cell that runs: counts what has no counter of its own in a site.
    pub(super) meter: *mut Meter,
    pub(super) aside: Aside,
    /// Pages that were mapped.
    pub(super) ranges: Ranges,
    pub(super) reserves: Reserves,
    pub codes: Codes,
    pub(super) paths: Paths,
    pub objects: Objects,
    pub(super) records: Vec<Option<Box<Record>>>,
    pub(super) running: Vec<CellId>,
    pub(super) recent: VecDeque<CellId>,
    /// The stretch that code outside every cell belongs to.
    pub between: CellId,
    pub(super) sweep_from: usize,
    pub(super) sweep_at: usize,
    pub(super) refused: u64,
    pub ids_ran_out: bool,
    /// Grows whenever a site's id may come to mean another, or any address: caches of them are void then.
    pub generation: u64,
    /// Code objects that died since the caches were looked through for them: instructions there may come to mean others.
    pub died: Vec<Died>,
    /// How many live tables there were.
    pub(super) table: u32,
    /// Closed marks of the whole notebook.
    pub highest: u64,
    /// What is measured on its own now, and the last that was.
    pub(super) spans: Vec<Span>,
    pub(super) last_span: SpanId,
    /// What changed between the ends of cells.
    pub(super) journal: Journal,
}

/// Where a code object was, its bytecode in it.
#[derive(Debug, Clone, Copy)]
pub struct Died {
    pub address: usize,
    /// Zero where it was made before tracing.
    pub size: usize,
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
            ranges: Ranges::default(),
            reserves: Reserves::default(),
            codes: Codes::default(),
            paths: Paths::default(),
            objects: Objects::default(),
            records: vec![Some(first)],
            running: Vec::new(),
            recent: VecDeque::new(),
            between: CellId(0),
            sweep_from: SWEEP_FROM,
            sweep_at: SWEEP_FROM,
            refused: 0,
            ids_ran_out: false,
            generation: 0,
            died: Vec::new(),
            table: 0,
            highest: 0,
            spans: Vec::new(),
            last_span: SpanId::default(),
            journal: Journal::default(),
        })
    }

    /// A block of `size` bytes was made at `address` by `site`.
    #[inline(always)]
    pub fn allocated(&mut self, address: usize, size: usize, site: SiteId) {
        self.came(size, site);
        self.note(address, size, site);
    }

    /// Counts a new block.
    #[inline(always)]
    pub(super) fn came(&mut self, size: usize, site: SiteId) {
        // SAFETY: ids come from this table; nothing else borrows a site now.
        let hot = unsafe { &mut *self.sites.hot(site) };
        let counts = self.counts(hot);
        hot.allocated += size as u64;
        hot.sizes[size_class(size)] += 1;
        // Last, as it may call a function: less is to be kept over that.
        if counts {
            self.tide.rise(size as u64, site);
        } else {
            // SAFETY: `enter` pointed it at a record that is there for as long as it is entered.
            unsafe { (*self.meter).allocated[hot.class as usize] += size as u64 };
        }
    }

    /// The block at `address` was given back: its size. None if it has no entry in the shadow: it may be `aside` then.
    #[inline(always)]
    #[must_use]
    pub fn freed(&mut self, address: usize) -> Option<u64> {
        let entry = self.shadow.take(address)?;
        self.give_back(entry.site(), entry.size());
        Some(entry.size())
    }

    /// As `freed`, for what is not in the shadow. Unknown addresses are blocks from before tracing. Code may have died
    /// with it.
    pub fn freed_aside(&mut self, address: usize) -> Option<u64> {
        let block = self.take_aside(address)?;
        self.give_back(block.site, block.size);
        Some(block.size)
    }

    /// Takes a block off the books, uncounted: it is about to be reallocated, and another thread may get its address
    /// before it is known where it went. Code may have died with it.
    #[inline]
    pub fn lift(&mut self, address: usize) -> Option<Lifted> {
        let (site, size) = match self.shadow.take(address) {
            Some(entry) => (entry.site(), entry.size()),
            None => self
                .take_aside(address)
                .map(|block| (block.site, block.size))?,
        };
        Some(Lifted {
            site,
            size,
            table: self.table,
        })
    }

    /// A block that was lifted stays what and where it was.
    pub fn put_back(&mut self, address: usize, lifted: Lifted) {
        if lifted.table == self.table {
            self.note(address, lifted.size as usize, lifted.site);
        }
    }

    /// A block that was lifted is gone.
    pub fn let_go(&mut self, lifted: Lifted) {
        if lifted.table == self.table {
            self.give_back(lifted.site, lifted.size);
        }
    }

    /// The block that was lifted became one of `size` bytes at `new`: one net event.
    #[inline]
    pub fn reallocated(&mut self, lifted: Option<Lifted>, new: usize, size: usize, site: SiteId) {
        match lifted.filter(|old| old.table == self.table) {
            Some(old) => self.exchanged(old.site, old.size, size, site),
            None => self.came(size, site),
        }
        self.note(new, size, site);
    }

    /// Counts a block that became another.
    #[inline]
    fn exchanged(&mut self, old_site: SiteId, old_size: u64, size: usize, site: SiteId) {
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
            (*from).blocks_returned = (*from).blocks_returned.wrapping_add(1);
            (*to).allocated += size as u64;
            (*to).sizes[size_class(size)] += 1;
        }
        self.tide.fall(out);
        self.tide.rise(into, site);
    }

    /// Whether the site is the notebook's; it is kept in the tide's epoch then and may change.
    #[inline(always)]
    pub(super) fn counts(&self, hot: &mut Site) -> bool {
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

    /// A block that is too large for the shadow, or the first of its chunk, or one where another is noted that must
    /// have gone without our seeing it.
    #[cold]
    #[inline(never)]
    fn note_slowly(&mut self, address: usize, size: usize, site: SiteId) {
        if let Some(gone) = self.shadow.take(address) {
            self.give_back(gone.site(), gone.size());
        }
        if size < LARGEST
            && self.shadow.grow(address)
            && self.shadow.set(address, Entry::new(site, size))
        {
            return;
        }
        if let Some(gone) = self.take_aside(address) {
            self.give_back(gone.site, gone.size);
        }
        let block = Block {
            site,
            size: size as u64,
            code: Seen::Not,
        };
        self.aside.set(address, block);
    }

    fn take_aside(&mut self, address: usize) -> Option<Block> {
        let block = self.aside.take(address)?;
        if let Some(code) = block.code.copy() {
            self.codes.release(code);
        }
        if block.code != Seen::Not {
            self.died.push(Died {
                address,
                size: block.size as usize,
            });
        }
        (block.site.0 != 0).then_some(block)
    }

    /// Pages were mapped, over whatever was there.
    pub fn mapped(&mut self, start: usize, bytes: usize, site: SiteId) {
        self.unmapped(start, bytes);
        self.came(bytes, site);
        self.ranges.add(Piece { start, bytes, site });
    }

    /// Whether any of these pages were noted as mapped.
    pub fn has_pages(&self, start: usize, bytes: usize) -> bool {
        self.ranges.meets(start, bytes) || self.reserves.owner(start).is_some()
    }

    /// Pages were unmapped; what of them is unknown counts nowhere.
    pub fn unmapped(&mut self, start: usize, bytes: usize) {
        self.reserves.cut(start, bytes);
        self.give_back_pages(start, bytes);
    }

    pub(super) fn give_back_pages(&mut self, start: usize, bytes: usize) {
        for cut in self.lift_pages(start, bytes) {
            self.give_back(cut.piece.site, cut.piece.bytes as u64);
        }
    }

    /// Takes pages off the books, uncounted but for the pieces that they leave.
    fn lift_pages(&mut self, start: usize, bytes: usize) -> Vec<Cut> {
        let cuts = self.ranges.cut(start, bytes);
        for cut in &cuts {
            // What is left of a mapping, be it two pieces, is so many blocks; the piece that goes is one.
            // SAFETY: the id was in use, as the piece had live bytes.
            let hot = unsafe { &mut *self.sites.hot(cut.piece.site) };
            hot.blocks_returned = hot.blocks_returned.wrapping_sub(cut.left as u64);
        }
        cuts
    }

    /// Pages became others, larger or elsewhere: one net event.
    pub fn remapped(&mut self, old: (usize, usize), new: (usize, usize), site: SiteId) {
        if let Some(object) = self.reserves.owner(old.0) {
            self.unmapped(old.0, old.1);
            return self.reserved(new.0, new.1, object);
        }
        let ((start, bytes), cuts) = (new, self.lift_pages(old.0, old.1));
        let Some((last, others)) = cuts.split_last() else {
            return self.mapped(start, bytes, site);
        };
        for cut in others {
            self.give_back(cut.piece.site, cut.piece.bytes as u64);
        }
        self.unmapped(start, bytes);
        self.exchanged(last.piece.site, last.piece.bytes as u64, bytes, site);
        self.ranges.add(Piece { start, bytes, site });
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
        hot.count_back(size);
    }

    /// Whether the block at `address` was noted.
    pub fn knows(&self, address: usize) -> bool {
        self.shadow.has(address) || self.aside.get(address).is_some()
    }

    /// From now on every class counts as the notebook's: for judges that compare totals.
    /// Only while nothing is live.
    pub fn count_everything(&mut self) {
        for id in 1..FIRST.0 {
            // SAFETY: fixed ids are in the table.
            unsafe { self.sites.hot(SiteId(id)).write(Site::default()) };
        }
    }

    /// Sweeps earlier, for judges that cannot make so many sites.
    pub fn sweep_from(&mut self, sites: usize) {
        (self.sweep_from, self.sweep_at) = (sites, sites);
    }

    pub fn sites(&self) -> &Sites {
        &self.sites
    }

    /// How many live tables there were before this one.
    pub fn table(&self) -> u32 {
        self.table
    }

    pub fn shadow(&self) -> &Shadow {
        &self.shadow
    }
}
