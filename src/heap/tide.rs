//! Live bytes and their high-water mark, with the composition at the mark kept by epochs:
//! O(1) an event and no snapshots (the rule is argued in docs/how-it-works.md).

use super::limit::Limit;
use super::sites::{Site, SiteId};

/// Live bytes of notebook blocks, and the most there was since `restart`.
///
/// While `live` is `highest`, the composition at the mark is what lives. The first fall from there begins an epoch, and in
/// it a site saves what it had at the mark before it changes for the first time.
#[derive(Debug)]
#[repr(C)]
pub struct Tide {
    pub live: u64,
    pub highest: u64,
    /// Given back since it was last taken from here.
    pub freed: u64,
    /// Sites are born in epoch zero, which is over.
    epoch: u64,
    /// A rise above it is looked at: the mark, or the limit where that is lower.
    watched: u64,
    pub limit: Limit,
}

impl Default for Tide {
    fn default() -> Self {
        Self {
            live: 0,
            highest: 0,
            freed: 0,
            epoch: 1,
            watched: 0,
            limit: Limit::default(),
        }
    }
}

impl Tide {
    /// Whether the site saved what it had at the mark in this epoch.
    #[inline(always)]
    pub fn knows(&self, site: &Site) -> bool {
        site.epoch == self.epoch
    }

    /// Saves what the site has, before it changes for the first time in this epoch.
    #[inline(always)]
    pub fn keep(&self, site: &mut Site) {
        if !self.knows(site) {
            site.snap = site.live();
            site.epoch = self.epoch;
        }
    }

    /// A block of `size` bytes came to a site that is kept.
    #[inline(always)]
    pub fn rise(&mut self, size: u64, site: SiteId) {
        self.live += size;
        if self.live > self.watched {
            if self.live <= self.limit.most {
                // Watched was the mark itself.
                self.highest = self.live;
                self.watched = self.live;
            } else {
                self.pass_limit(size, site);
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn pass_limit(&mut self, size: u64, site: SiteId) {
        self.highest = self.highest.max(self.live);
        self.watched = self.limit.most;
        self.limit.passed(size, site);
    }

    /// The limit becomes another.
    pub fn change_limit<T>(&mut self, change: impl FnOnce(&mut Limit) -> T) -> T {
        let done = change(&mut self.limit);
        self.watched = self.highest.min(self.limit.most);
        done
    }

    /// Before any fall: leaves the mark, if this is it.
    #[inline(always)]
    pub fn leave_mark(&mut self) {
        if self.live == self.highest {
            self.epoch += 1;
        }
    }

    /// A block of `size` bytes left a site that is kept, after `leave_mark`.
    #[inline(always)]
    pub fn fall(&mut self, size: u64) {
        self.live = self.live.wrapping_sub(size);
        self.freed += size;
    }

    /// The site's bytes at the mark.
    pub fn at_highest(&self, site: &Site) -> u64 {
        if self.live != self.highest && self.knows(site) {
            site.snap
        } else {
            site.live()
        }
    }

    /// The mark starts anew from what is live.
    pub fn restart(&mut self) {
        self.highest = self.live;
        self.watched = self.live.min(self.limit.most);
    }

    pub fn clear(&mut self) {
        self.live = 0;
        self.restart();
    }
}
