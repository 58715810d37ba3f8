//! The books' quick ways, for small blocks whose place in the shadow was found lately: nearly every event. Each does all or
//! nothing; where nothing, the plain way does it.

use super::books::{Books, Lifted};
use super::hint::likely;
use super::shadow::{Entry, LARGEST};
use super::sites::SiteId;

impl Books {
    /// As `allocated`, for a small block, where its place in the shadow is known and free. False, and nothing done, where not.
    #[inline(always)]
    pub fn allocated_small(&mut self, address: usize, size: usize, site: SiteId) -> bool {
        debug_assert!(size < LARGEST);
        match self.shadow.noted(address) {
            Some(noted) if likely(noted.is_free()) => {
                noted.write(Some(Entry::new(site, size)));
                self.came(size, site);
                true
            }
            _ => false,
        }
    }

    /// As `freed`, for the notebook's blocks in the shadow alone, which count by no cell's meter: it need not be known who
    /// gives them back. None for others, which stay.
    #[inline(always)]
    #[must_use]
    pub fn freed_by_anyone(&mut self, address: usize) -> Option<u64> {
        let noted = self.shadow.noted(address)?;
        if !likely(!noted.is_free()) {
            return None;
        }
        let size = noted.entry.size();
        // SAFETY: as in `allocated`.
        let hot = unsafe { &mut *self.sites.hot(noted.entry.site()) };
        self.tide.leave_mark();
        if !self.counts(hot) {
            return None;
        }
        noted.write(None);
        self.tide.fall(size);
        hot.count_back(size);
        Some(size)
    }

    /// As `lift`, for a block in the shadow of no more than `most` bytes; others stay.
    #[inline(always)]
    pub fn lift_up_to(&mut self, address: usize, most: usize) -> Option<Lifted> {
        let noted = self.shadow.noted(address)?;
        let (site, size) = (noted.entry.site(), noted.entry.size());
        if noted.is_free() || size > most as u64 {
            return None;
        }
        noted.write(None);
        Some(Lifted {
            site,
            size,
            table: self.table,
        })
    }
}
