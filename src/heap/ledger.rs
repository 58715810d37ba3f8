//! The books' pages on cells: begin, end, peaks of each, retirement, reset.

use super::books::Books;
use super::cells::{CellId, Doings, Files, Kind, PagesOf, RECENT, Reading, Record, Sum};
use super::report::State;
use super::sites::{Class, SiteId};

impl Books {
    /// What is counted without a site is counted for `cell` from now on.
    pub fn enter(&mut self, cell: CellId) {
        self.settle();
        let id = if self.record(cell).is_some() {
            cell
        } else {
            CellId(0)
        };
        if let Some(record) = self.record_mut(id) {
            self.meter = &raw mut record.meter;
        }
    }

    /// Gives what was freed to the cell that was entered.
    fn settle(&mut self) {
        // SAFETY: the entered record is there for as long as it is entered.
        unsafe {
            (*self.meter).freed[Class::Notebook as usize] += std::mem::take(&mut self.tide.freed)
        };
    }

    /// Bytes of notebook blocks given back while the cell ran.
    pub fn freed_during(&self, record: &Record) -> u64 {
        let entered = std::ptr::eq(self.meter, &raw const record.meter);
        record.meter.freed[Class::Notebook as usize] + if entered { self.tide.freed } else { 0 }
    }

    pub(super) fn open(&mut self, kind: Kind, started: f64) -> CellId {
        let id = CellId(self.records.len() as u32);
        self.records.push(Some(Box::new(Record::new(
            id,
            kind,
            started,
            self.tide.live,
        ))));
        id
    }

    /// A cell begins.
    pub fn begin(&mut self, number: Option<u32>, started: f64, reading: Reading) -> CellId {
        self.close_stretch();
        self.drop_idle_stretch();
        let id = self.open(Kind::Cell(number), started);
        if let Some(record) = self.record_mut(id) {
            record.rss_start = PagesOf::new(reading.rss);
            record.files_start = Files::new(reading.open_files);
            record.start = Some(Box::new(reading));
        }
        self.running.push(id);
        self.recent.push_back(id);
        if self.recent.len() > RECENT {
            self.retire();
        }
        self.enter(id);
        id
    }

    /// A cell ended; what follows belongs to the stretch after it. Unknown ids are ignored.
    pub fn end(
        &mut self,
        id: CellId,
        failed: bool,
        now: f64,
        reading: Reading,
        rss_peak: Option<u64>,
    ) {
        if !self.running.contains(&id) {
            return;
        }
        self.close_stretch();
        self.running.retain(|running| *running != id);
        let sum = self.sum(id);
        self.keep_temporary(id);
        let Some(record) = self.record_mut(id) else {
            return;
        };
        record.state = if failed { State::Failed } else { State::Done };
        record.seconds = (now - record.started) as f32;
        record.rss_end = PagesOf::new(reading.rss);
        record.files_end = Files::new(reading.open_files);
        if let Some(start) = record.start.take() {
            record.doings = Doings::between(&start, &reading);
        }
        if record.rss_marked {
            record.rss_peak = record.rss_peak.max(PagesOf::new(rss_peak));
        }
        record.live_at_end = sum.live();
        record.temporary = sum.returned;
        let kind = Kind::After(record.number().unwrap_or(id.0));
        self.note_end(id);
        self.drop_idle_stretch();
        self.between = self.open(kind, now);
        // At once: who gives back a block next need not be asked who it is.
        self.enter(self.between);
    }

    /// What its sites have given back by now was temporary.
    fn keep_temporary(&mut self, id: CellId) {
        let Some(record) = self.record(id) else {
            return;
        };
        for site in record.sites.clone() {
            let returned = self.sites.get(site).returned;
            if let Some(cold) = self.sites.cold_mut(site) {
                cold.temporary = returned;
            }
        }
    }

    /// The stretch between two cells keeps a record only if notebook code did something in it.
    fn drop_idle_stretch(&mut self) {
        let id = self.between;
        let idle = |record: &Record| {
            record.meter.freed[Class::Notebook as usize] == 0 && record.sites.is_empty()
        };
        if id.0 == 0 || !self.record(id).is_some_and(idle) {
            return;
        }
        self.between = CellId(0);
        self.enter(CellId(0));
        let Some(gone) = self.records[id.0 as usize].take() else {
            return;
        };
        if let Some(first) = self.record_mut(CellId(0)) {
            first.meter.add(&gone.meter);
        }
    }

    /// The process's RSS mark is about to start anew: cells that run keep what it was.
    pub fn keep_rss_peak(&mut self, peak: Option<u64>) {
        for id in self.running.clone() {
            if let Some(record) = self.record_mut(id)
                && record.rss_marked
            {
                record.rss_peak = record.rss_peak.max(PagesOf::new(peak));
            }
        }
    }

    /// The oldest of the recent cells becomes small: its dead sites are folded to lines. Not while it runs.
    fn retire(&mut self) {
        let Some(at) = self.recent.iter().position(|id| !self.running.contains(id)) else {
            return;
        };
        let Some(id) = self.recent.remove(at) else {
            return;
        };
        let Some(record) = self.record_mut(id) else {
            return;
        };
        let (live, dead): (Vec<_>, Vec<_>) = std::mem::take(&mut record.sites)
            .into_iter()
            .partition(|site| self.is_spoken_of(*site));
        for site in dead {
            self.fold(site);
        }
        self.journal.settle();
        if let Some(record) = self.record_mut(id) {
            record.sites = live;
            record.shrink();
        }
    }

    /// Whether the site has live blocks, or a part in what is measured now.
    fn is_spoken_of(&self, site: SiteId) -> bool {
        self.sites.get(site).live_blocks() > 0 || self.is_in_span(site)
    }

    /// Closes the stretch of the high-water mark: each running cell keeps its own mark and composition.
    pub fn close_stretch(&mut self) {
        self.settle();
        self.mark_spans();
        self.highest = self.highest.max(self.tide.highest);
        for id in self.running.clone() {
            let highest = self.tide.highest;
            let Some(record) = self.record_mut(id) else {
                continue;
            };
            let peak = highest.saturating_sub(record.live_start);
            if peak <= record.peak && record.peak > 0 {
                continue;
            }
            record.peak = peak;
            for site in record.sites.clone() {
                let at_mark = self.tide.at_highest(self.sites.get(site));
                if let Some(cold) = self.sites.cold_mut(site) {
                    cold.peak = at_mark;
                }
            }
        }
        self.tide.restart();
    }

    /// Counters of the notebook blocks of a cell.
    pub fn sum(&self, id: CellId) -> Sum {
        let Some(record) = self.record(id) else {
            return Sum::default();
        };
        record.sites.iter().fold(record.folded, |mut sum, site| {
            sum.add(Sum::of(self.sites.get(*site)));
            sum
        })
    }

    pub fn record(&self, id: CellId) -> Option<&Record> {
        self.records.get(id.0 as usize)?.as_deref()
    }

    pub fn record_mut(&mut self, id: CellId) -> Option<&mut Record> {
        self.records.get_mut(id.0 as usize)?.as_deref_mut()
    }

    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.records.iter().filter_map(Option::as_deref)
    }

    /// The cell that began last of those that run; the stretch between cells where none does.
    pub fn latest_running(&self) -> CellId {
        self.running.last().copied().unwrap_or(self.between)
    }

    pub fn any_runs(&self) -> bool {
        !self.running.is_empty()
    }

    pub fn is_running(&self, id: CellId) -> bool {
        self.running.contains(&id)
    }

    pub fn is_recent(&self, id: CellId) -> bool {
        self.recent.contains(&id)
    }

    /// The latest run of execution count `number`.
    pub fn latest(&self, number: u32) -> Option<CellId> {
        self.records()
            .filter(|record| record.number() == Some(number))
            .map(|record| record.id)
            .last()
    }

    /// Ends the live table: from here on every block is older than tracing.
    pub fn end_live_table(&mut self) {
        self.close_stretch();
        let ids: Vec<SiteId> = self.sites.iter().map(|(id, ..)| id).collect();
        for id in ids {
            // SAFETY: the id is in use; the blocks it counted are no longer followed.
            let hot = unsafe { &mut *self.sites.hot(id) };
            hot.returned = hot.allocated;
            hot.blocks_returned = hot.blocks();
        }
        self.shadow.clear();
        self.ranges.clear();
        self.reserves.clear();
        self.table += 1;
        for code in self.aside.clear() {
            self.codes.release(code);
        }
        self.generation += 1;
        self.tide.clear();
        self.cut_spans();
        self.journal.cut();
        for id in self.running.clone() {
            if let Some(record) = self.record_mut(id) {
                record.traced = false;
                record.live_start = 0;
            }
        }
    }

    /// Forgets the finished cells. Their live blocks stay and count as "before cells".
    pub fn reset(&mut self) {
        self.enter(self.between);
        let gone: Vec<CellId> = self
            .records()
            .map(|record| record.id)
            .filter(|id| self.forgettable(*id))
            .collect();
        for id in gone {
            let Some(record) = self.records[id.0 as usize].take() else {
                continue;
            };
            for site in record.sites {
                if !self.is_spoken_of(site) {
                    self.fold(site);
                } else if let Some(first) = self.record_mut(CellId(0)) {
                    first.sites.push(site);
                }
            }
        }
        self.recent.retain(|id| self.running.contains(id));
        self.journal.forget(self.table, &self.sites);
        self.highest = self.tide.live;
        self.generation += 1;
    }

    fn forgettable(&self, id: CellId) -> bool {
        id.0 != 0 && id != self.between && !self.running.contains(&id)
    }

    /// Resident bytes of all books.
    pub fn bytes(&self) -> u64 {
        let records: u64 = self.records().map(Record::bytes).sum();
        self.shadow.resident() + self.other_bytes() + records
    }

    /// Of these, what is neither shadow nor records.
    pub fn other_bytes(&self) -> u64 {
        let index = self.records.capacity() * size_of::<Option<Box<Record>>>();
        let places = self.codes.bytes() + self.paths.bytes() + self.objects.bytes();
        self.sites.bytes()
            + self.aside.bytes()
            + self.ranges.bytes()
            + places
            + index as u64
            + self.journal.bytes()
    }
}
