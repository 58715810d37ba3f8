//! Live bytes and their high-water mark, with the composition at the mark kept by epochs:
//! O(1) an event and no snapshots (the rule is argued in docs/how-it-works.md).

use super::sites::Site;

/// Live bytes of notebook blocks, and the most there was since `restart`.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Tide {
    pub live: u64,
    pub highest: u64,
    /// A site whose `epoch` is this one has its bytes at the mark in `snap`; any other has them in `live`.
    epoch: u32,
    /// Live stands at the mark: the next fall closes the composition.
    at_mark: bool,
}

impl Tide {
    /// A block of `size` bytes comes to `site`.
    #[inline(always)]
    pub fn rise(&mut self, site: &mut Site, size: u64) {
        self.keep(site);
        self.live += size;
        if self.live > self.highest {
            self.highest = self.live;
            self.at_mark = true;
        }
    }

    /// A block of `size` bytes leaves `site`.
    #[inline(always)]
    pub fn fall(&mut self, site: &mut Site, size: u64) {
        self.leave_mark();
        self.keep(site);
        self.live = self.live.wrapping_sub(size);
    }

    /// A realloc is one net event: `lean`, then both sites kept and changed, then `shift`.
    pub fn lean(&mut self, old_size: u64, new_size: u64) {
        if new_size <= old_size {
            self.leave_mark();
        }
    }

    pub fn shift(&mut self, old_size: u64, new_size: u64) {
        self.live = self.live.wrapping_sub(old_size).wrapping_add(new_size);
        if self.live > self.highest {
            self.highest = self.live;
            self.at_mark = true;
        }
    }

    #[inline(always)]
    fn leave_mark(&mut self) {
        if self.at_mark {
            self.at_mark = false;
            self.epoch += 1;
        }
    }

    /// Saves what the site had at the mark, before it changes for the first time since.
    #[inline(always)]
    pub fn keep(&mut self, site: &mut Site) {
        if site.epoch != self.epoch {
            site.epoch = self.epoch;
            site.snap = site.live();
        }
    }

    /// The site's bytes at the mark.
    pub fn at_highest(&self, site: &Site) -> u64 {
        if site.epoch == self.epoch && !self.at_mark {
            site.snap
        } else {
            site.live()
        }
    }

    /// The mark starts anew from what is live.
    pub fn restart(&mut self) {
        self.highest = self.live;
        self.at_mark = true;
    }

    pub fn clear(&mut self) {
        self.live = 0;
        self.restart();
    }
}
