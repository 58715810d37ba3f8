//! Memory of our own for when the system has no more: Rust ends the process where memory for a list cannot be had, and with it
//! go the notebook's variables. The notebook gets none of it, so that what it fills up is not this.
//!
//! Blocks are of powers of two, and a freed one waits for the next of its size: it is for the short time until something of
//! the notebook's is let go.

use std::alloc::Layout;
use std::cell::UnsafeCell;
use std::sync::atomic::{
    AtomicBool, AtomicUsize, Ordering::Acquire, Ordering::Relaxed, Ordering::Release,
};

use crate::heap::pages::Pages;

const BYTES: usize = 16 << 20;
/// The least block, and what all are aligned to.
const LEAST: usize = 64;
/// The largest block is of `LEAST << (CLASSES - 1)` bytes: 4 MiB.
const CLASSES: usize = 17;

pub struct LastResort {
    /// Where it lies; zero until `prepare`.
    start: AtomicUsize,
    taken: AtomicBool,
    blocks: UnsafeCell<Blocks>,
}

struct Blocks {
    /// How much of it was ever handed out.
    used: usize,
    /// The first free block of each size; each says where the next is.
    free: [usize; CLASSES],
}

// SAFETY: `blocks` are reached by who has `taken` them.
unsafe impl Sync for LastResort {}

impl LastResort {
    pub const fn new() -> Self {
        Self {
            start: AtomicUsize::new(0),
            taken: AtomicBool::new(false),
            blocks: UnsafeCell::new(Blocks {
                used: 0,
                free: [0; CLASSES],
            }),
        }
    }

    /// Takes the address space for it, once. No memory: that comes as pages are touched.
    pub fn prepare(&self) {
        if let Ok(pages) = Pages::zeroed(BYTES)
            && (self.start)
                .compare_exchange(0, pages.as_ptr() as usize, Release, Relaxed)
                .is_ok()
        {
            pages.leak();
        }
    }

    #[inline(always)]
    pub fn has(&self, block: *const u8) -> bool {
        (block as usize).wrapping_sub(self.start.load(Relaxed)) < BYTES
    }

    /// A block; null where there is none.
    pub fn alloc(&self, layout: Layout) -> *mut u8 {
        let (start, class) = (self.start.load(Acquire), class(layout.size()));
        if start == 0 || class >= CLASSES || layout.align() > LEAST {
            return std::ptr::null_mut();
        }
        self.alone(|blocks| {
            let first = blocks.free[class];
            if first != 0 {
                // SAFETY: a free block of ours begins with where the next is.
                blocks.free[class] = unsafe { *(first as *const usize) };
                return first as *mut u8;
            }
            let (at, bytes) = (blocks.used, LEAST << class);
            if bytes > BYTES - at {
                return std::ptr::null_mut();
            }
            blocks.used += bytes;
            (start + at) as *mut u8
        })
    }

    /// # Safety
    /// The block is one of `alloc`, for this layout, and nobody's any more.
    pub unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let class = class(layout.size());
        self.alone(|blocks| {
            // SAFETY: the caller's promise; the least block has room for it.
            unsafe { *block.cast::<usize>() = blocks.free[class] };
            blocks.free[class] = block as usize;
        });
    }

    fn alone<T>(&self, work: impl FnOnce(&mut Blocks) -> T) -> T {
        while self.taken.swap(true, Acquire) {
            std::hint::spin_loop();
        }
        // SAFETY: taken, until it is said that it is not.
        let done = work(unsafe { &mut *self.blocks.get() });
        self.taken.store(false, Release);
        done
    }
}

/// The size of block that so many bytes need: `LEAST` shifted by it.
fn class(bytes: usize) -> usize {
    (bytes.max(LEAST).next_power_of_two() / LEAST).trailing_zeros() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: usize) -> Layout {
        Layout::from_size_align(bytes, 16).unwrap()
    }

    #[test]
    fn blocks_do_not_meet_and_come_again() {
        let resort = LastResort::new();
        assert!(resort.alloc(of(1)).is_null());
        resort.prepare();
        let sizes: Vec<usize> = (0..200).map(|n| 1 + n * n * 3).collect();
        for round in 0..200_u8 {
            let blocks: Vec<_> = sizes
                .iter()
                .map(|size| (resort.alloc(of(*size)), *size))
                .collect();
            for (block, size) in &blocks {
                assert!(resort.has(*block) && (*block as usize).is_multiple_of(LEAST));
                // SAFETY: a block of so many bytes.
                unsafe { block.write_bytes(round, *size) };
            }
            for (block, size) in blocks {
                // SAFETY: as above; nobody reads it later.
                unsafe {
                    assert!((0..size).all(|at| *block.add(at) == round));
                    resort.dealloc(block, of(size));
                }
            }
        }
    }

    #[test]
    fn what_it_has_not_is_refused() {
        let resort = LastResort::new();
        resort.prepare();
        assert!(resort.alloc(of((4 << 20) + 1)).is_null());
        let large: Vec<_> = std::iter::from_fn(|| {
            let block = resort.alloc(of(4 << 20));
            (!block.is_null()).then_some(block)
        })
        .collect();
        assert_eq!(large.len(), BYTES / (4 << 20));
        assert!(resort.alloc(of(1)).is_null());
        assert!(!resort.has(std::ptr::null()));
        assert!(!resort.has((&raw const resort).cast()));
    }
}
