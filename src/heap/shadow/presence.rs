//! Which pages of the shadow are in memory: given at once where they will be filled, and given back where nothing is left.

use std::sync::atomic::Ordering::Acquire;

use super::super::pages::{PAGE, populate, resident};
use super::{CHUNK_BITS, CHUNK_BYTES, GRANULE_BITS, Node, Shadow};

impl Shadow {
    /// Small blocks will fill these addresses, which end on pages: an arena. All of its shadow is there at once, as a fault for
    /// each of its pages takes longer than to note what will be there.
    pub fn expect(&self, start: usize, bytes: usize) {
        let mut at = start;
        while at < start + bytes {
            let stop = (((at >> CHUNK_BITS) + 1) << CHUNK_BITS).min(start + bytes);
            if self.grow(at) {
                self.populate(at, stop - at);
            }
            at = stop;
        }
    }

    /// Has the system give the pages of addresses in one chunk.
    fn populate(&self, start: usize, bytes: usize) {
        if let Some(slot) = self.far_slot(start) {
            let from = slot as usize & !(PAGE - 1);
            let to = (slot as usize + (bytes >> GRANULE_BITS << 2)).next_multiple_of(PAGE);
            populate(from, to - from);
        }
    }

    /// Gives back the shadow of an arena that was unmapped: its entries are all zero by then.
    pub fn forget(&self, start: usize, bytes: usize) {
        let per_page = PAGE << GRANULE_BITS >> 2;
        let mut at = start.next_multiple_of(per_page);
        while at + per_page <= start + bytes {
            if let Some(slot) = self.far_slot(at) {
                // SAFETY: the page lies whole in one chunk and shadows nothing but the arena.
                unsafe { libc::madvise(slot.cast(), PAGE, libc::MADV_DONTNEED) };
            }
            at += per_page;
        }
    }

    /// Forgets every block.
    pub fn clear(&self) {
        self.each_chunk(|_, chunk| {
            // SAFETY: a chunk is a private mapping of CHUNK_BYTES.
            unsafe { libc::madvise(chunk.cast(), CHUNK_BYTES, libc::MADV_DONTNEED) };
        });
    }

    /// Resident bytes of the table itself.
    pub fn resident(&self) -> u64 {
        let mut bytes = self.pages.resident();
        for node in self
            .root
            .iter()
            .map(|node| node.load(Acquire))
            .filter(|node| !node.is_null())
        {
            bytes += resident(node as usize, size_of::<Node>());
        }
        self.each_chunk(|_, chunk| bytes += resident(chunk as usize, CHUNK_BYTES));
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_arena_will_fill_is_there_at_once() {
        let shadow = Shadow::new().unwrap();
        let pages = || {
            let mut bytes = 0;
            shadow.each_chunk(|_, chunk| bytes += resident(chunk as usize, CHUNK_BYTES));
            bytes / PAGE as u64
        };
        // Over the border of two chunks; begins and ends within a page of the shadow.
        let (start, bytes) = (0x7f12_345f_1000, 1 << 20);
        shadow.expect(start, bytes);
        assert_eq!(pages(), 64 + 1);
        shadow.forget(start, bytes);
        assert_eq!(pages(), 2);
    }
}
