//! The shadow table: for every 16 bytes of address space that hold a small block, the block's site and size.
//! A radix on the address: 14 bits, 14 bits, then a chunk of 65,536 entries for each MiB. No hash, no lock.

use std::cell::UnsafeCell;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicPtr, Ordering::Acquire, Ordering::Release};

use super::hint::likely;
use super::pages::Pages;

use super::sites::SiteId;

mod presence;

const FAN: usize = 1 << 14;
const CHUNK_BITS: usize = 20;
const GRANULE_BITS: usize = 4;
const ENTRIES: usize = 1 << (CHUNK_BITS - GRANULE_BITS);
const CHUNK_BYTES: usize = ENTRIES * size_of::<u32>();
const SIZE_BITS: u32 = 12;

/// Blocks above this are kept aside.
pub const LARGEST: usize = (1 << SIZE_BITS) - 1;

type Node = [AtomicPtr<u32>; FAN];

/// Site (20 bits) and requested size (12 bits) of one block; zero is "no block".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry(u32);

impl Entry {
    #[inline(always)]
    pub fn new(site: SiteId, size: usize) -> Self {
        Self(site.0 << SIZE_BITS | size as u32)
    }

    #[inline(always)]
    pub fn site(self) -> SiteId {
        SiteId(self.0 >> SIZE_BITS)
    }

    #[inline(always)]
    pub fn size(self) -> u64 {
        u64::from(self.0 & LARGEST as u32)
    }
}

/// The place of an entry, and what it held when it was looked at; zero is "no block".
pub(super) struct Noted {
    slot: NonNull<u32>,
    pub entry: Entry,
}

impl Noted {
    #[inline(always)]
    pub fn is_free(&self) -> bool {
        self.entry.0 == 0
    }

    /// In the turn in which it was looked at.
    #[inline(always)]
    pub fn write(self, entry: Option<Entry>) {
        // SAFETY: a slot points into a live chunk; writers are serialised (`hooks::turn`).
        unsafe { self.slot.write(entry.map_or(0, |entry| entry.0)) };
    }
}

/// Chunks that were found, by the low bits of their number.
const NEAR: usize = 1024;

/// No chunk has this number.
const NO_CHUNK: usize = usize::MAX;

pub struct Shadow {
    root: &'static [AtomicPtr<Node>; FAN],
    /// Numbers of chunks that were found. A chunk stays where it is.
    near: UnsafeCell<[usize; NEAR]>,
    /// Where the entry for address zero would be if the chunk went on down to it.
    origins: UnsafeCell<[*mut u32; NEAR]>,
    pages: Pages,
}

impl Shadow {
    /// # Errors
    /// The system's error when no memory is left for the root.
    pub fn new() -> std::io::Result<Self> {
        let pages = Pages::zeroed(size_of::<[AtomicPtr<Node>; FAN]>())?;
        // SAFETY: zeroed pages of the right size are an array of null pointers, and live as long as `self`.
        let root = unsafe { &*pages.as_ptr().cast() };
        Ok(Self {
            root,
            near: UnsafeCell::new([NO_CHUNK; NEAR]),
            origins: UnsafeCell::new([std::ptr::null_mut(); NEAR]),
            pages,
        })
    }

    /// The entry for `address`, if its chunk was found lately. Callers have the turn at the books.
    #[inline(always)]
    fn near_slot(&self, address: usize) -> Option<NonNull<u32>> {
        let number = address >> CHUNK_BITS;
        // SAFETY: whoever has the turn is alone here. A number stands where its chunk's origin does, and from there the
        // entry of any of the chunk's addresses lies in the chunk.
        unsafe {
            if !likely((*self.near.get())[number % NEAR] == number) {
                return None;
            }
            let origin = (*self.origins.get())[number % NEAR];
            Some(NonNull::new_unchecked(
                origin.wrapping_add(address >> GRANULE_BITS),
            ))
        }
    }

    /// The entry for `address`, if its chunk exists. Callers have the turn at the books.
    #[inline(always)]
    fn slot(&self, address: usize) -> Option<*mut u32> {
        match self.near_slot(address) {
            Some(slot) => Some(slot.as_ptr()),
            None => self.find_slot(address),
        }
    }

    /// The same, and remembers where the chunk is.
    #[inline(never)]
    fn find_slot(&self, address: usize) -> Option<*mut u32> {
        let slot = self.far_slot(address)?;
        let number = address >> CHUNK_BITS;
        // SAFETY: as in `near_slot`.
        unsafe {
            (*self.origins.get())[number % NEAR] = slot.wrapping_sub(address >> GRANULE_BITS);
            (*self.near.get())[number % NEAR] = number;
        }
        Some(slot)
    }

    /// The same from the root, by anybody.
    fn far_slot(&self, address: usize) -> Option<*mut u32> {
        let node = self.root[root_index(address)].load(Acquire);
        if node.is_null() {
            return None;
        }
        // SAFETY: nodes and chunks are never freed before the table; both indices are masked to their size.
        unsafe {
            let chunk = (*node)[(address >> CHUNK_BITS) & (FAN - 1)].load(Acquire);
            if chunk.is_null() {
                None
            } else {
                Some(chunk.add(granule(address)))
            }
        }
    }

    /// Notes a block, unless one is noted there. False then, and where it has no chunk yet: `grow` makes one.
    #[inline(always)]
    pub fn set(&self, address: usize, entry: Entry) -> bool {
        let Some(slot) = self.slot(address) else {
            return false;
        };
        // SAFETY: `slot` points into a live chunk; writers are serialised (`hooks::turn`).
        unsafe {
            if slot.read() != 0 {
                return false;
            }
            slot.write(entry.0);
        }
        true
    }

    /// The block at `address`, if it was noted; forgets it.
    #[inline(always)]
    pub fn take(&self, address: usize) -> Option<Entry> {
        let slot = self.slot(address)?;
        // SAFETY: as in `set`.
        let entry = unsafe { slot.read() };
        if entry == 0 {
            return None;
        }
        // SAFETY: as in `set`.
        unsafe { slot.write(0) };
        Some(Entry(entry))
    }

    /// Where a block at `address` is noted, and what is there now: quicker than `set` and `take`, and less often known.
    #[inline(always)]
    pub(super) fn noted(&self, address: usize) -> Option<Noted> {
        let slot = self.near_slot(address)?;
        // SAFETY: as in `set`.
        let entry = Entry(unsafe { slot.read() });
        Some(Noted { slot, entry })
    }

    /// The block noted at `address`, for anybody who knows that it stays meanwhile.
    #[inline]
    pub fn look(&self, address: usize) -> Option<Entry> {
        let slot = self.far_slot(address)?;
        // SAFETY: `slot` points into a chunk that is never freed; one word is read whole.
        let entry = unsafe { slot.read_volatile() };
        (entry != 0).then_some(Entry(entry))
    }

    pub fn has(&self, address: usize) -> bool {
        // SAFETY: as in `set`.
        self.slot(address)
            .is_some_and(|slot| unsafe { slot.read() } != 0)
    }

    /// Makes the chunk for `address`. False where there is no memory for it.
    pub fn grow(&self, address: usize) -> bool {
        let Some(node) = put(&self.root[root_index(address)], size_of::<Node>()) else {
            return false;
        };
        // SAFETY: `put` returned a live node of FAN pointers.
        put(
            unsafe { &(*node)[(address >> CHUNK_BITS) & (FAN - 1)] },
            CHUNK_BYTES,
        )
        .is_some()
    }

    /// Visits the blocks noted between `start` and `end`.
    pub fn each_between(&self, start: usize, end: usize, mut visit: impl FnMut(usize, Entry)) {
        self.each_stretch(start, end, |at, entries| each(entries, at, &mut visit));
    }

    /// The entries between `start` and `end`, a chunk's at a time, each with the address that its first is for.
    fn each_stretch(&self, start: usize, end: usize, mut visit: impl FnMut(usize, &[u32])) {
        let mut at = start;
        while at < end {
            let stop = ((at >> CHUNK_BITS) + 1) << CHUNK_BITS;
            let count = (stop.min(end) - at) >> GRANULE_BITS;
            if let Some(slot) = self.slot(at) {
                // SAFETY: so many entries of that chunk follow; writers wait for the turn that the caller has.
                visit(at, unsafe { std::slice::from_raw_parts(slot, count) });
            }
            at = stop;
        }
    }

    /// Bytes of the blocks noted between `start` and `end`: quicker than to visit them, as no block is only nothing to add.
    pub fn live_between(&self, start: usize, end: usize) -> u64 {
        let mut live = 0;
        self.each_stretch(start, end, |_, entries| {
            // A thousand sizes of 12 bits fit into a word.
            live += (entries.chunks(1024))
                .map(|part| u64::from(part.iter().map(|entry| entry & LARGEST as u32).sum::<u32>()))
                .sum::<u64>();
        });
        live
    }

    fn each_chunk(&self, mut visit: impl FnMut(usize, *mut u32)) {
        for (high, node) in self.root.iter().enumerate() {
            let node = node.load(Acquire);
            if node.is_null() {
                continue;
            }
            // SAFETY: a node, once put, lives as long as the table.
            for (low, chunk) in unsafe { (*node).iter().enumerate() } {
                let chunk = chunk.load(Acquire);
                if !chunk.is_null() {
                    visit((high << 14 | low) << CHUNK_BITS, chunk);
                }
            }
        }
    }
}

impl Drop for Shadow {
    fn drop(&mut self) {
        self.each_chunk(|_, chunk| {
            // SAFETY: the table goes, so does all that it mapped.
            unsafe { libc::munmap(chunk.cast(), CHUNK_BYTES) };
        });
        for node in self
            .root
            .iter()
            .map(|node| node.load(Acquire))
            .filter(|node| !node.is_null())
        {
            // SAFETY: as above.
            unsafe { libc::munmap(node.cast(), size_of::<Node>()) };
        }
    }
}

/// Visits the blocks among some entries, the first of which is for `start`.
fn each(entries: &[u32], start: usize, visit: &mut impl FnMut(usize, Entry)) {
    for (at, entry) in entries.iter().enumerate() {
        if *entry != 0 {
            visit(start + (at << GRANULE_BITS), Entry(*entry));
        }
    }
}

/// User space ends below 48 bits: neither x86-64 nor aarch64 gives more to a process that does not ask by address.
#[inline(always)]
fn root_index(address: usize) -> usize {
    debug_assert!(address >> 48 == 0);
    address >> (CHUNK_BITS + 14) & (FAN - 1)
}

#[inline(always)]
fn granule(address: usize) -> usize {
    (address >> GRANULE_BITS) & (ENTRIES - 1)
}

/// What `place` points to, mapped first where it is null. Two threads may race: one mapping wins.
fn put<T>(place: &AtomicPtr<T>, bytes: usize) -> Option<*mut T> {
    let now = place.load(Acquire);
    if !now.is_null() {
        return Some(now);
    }
    let fresh = Pages::zeroed(bytes).ok()?;
    match place.compare_exchange(
        std::ptr::null_mut(),
        fresh.as_ptr().cast(),
        Release,
        Acquire,
    ) {
        Ok(_) => Some(fresh.leak().cast()),
        Err(winner) => Some(winner),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_found_once_and_then_forgotten() {
        let shadow = Shadow::new().unwrap();
        let entry = Entry::new(SiteId(77), 512);
        assert!(!shadow.set(0x7f12_3456_7890, entry) && shadow.grow(0x7f12_3456_7890));
        assert!(shadow.set(0x7f12_3456_7890, entry));
        assert_eq!(shadow.take(0x7f12_3456_7890), Some(entry));
        assert_eq!(shadow.take(0x7f12_3456_7890), None);
        assert_eq!((entry.site(), entry.size()), (SiteId(77), 512));
    }

    #[test]
    fn live_bytes_of_a_range_are_summed_across_chunks() {
        let shadow = Shadow::new().unwrap();
        let start = 0x10_0000 * 5 - 32;
        for at in [start, start + 16, start + 32, start + 48] {
            assert!(shadow.grow(at) && shadow.set(at, Entry::new(SiteId(3), 100)));
        }
        let (mut live, mut places) = (0, Vec::new());
        shadow.each_between(start, start + 48, |address, entry| {
            live += entry.size();
            places.push(address);
        });
        assert_eq!((live, places), (300, vec![start, start + 16, start + 32]));
        assert_eq!(shadow.live_between(start, start + 48), 300);
    }
}
