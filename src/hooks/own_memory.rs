//! What our own books are made of. Another tool may lead our calls of `malloc` through its own functions, whose locks it
//! holds when it comes to our hooks: so we ask glibc by names that nobody patches.

use std::alloc::{GlobalAlloc, Layout};
use std::ffi::c_void;

use super::last_resort::LastResort;

unsafe extern "C" {
    fn __libc_malloc(size: usize) -> *mut c_void;
    fn __libc_calloc(count: usize, size: usize) -> *mut c_void;
    fn __libc_realloc(block: *mut c_void, size: usize) -> *mut c_void;
    fn __libc_memalign(alignment: usize, size: usize) -> *mut c_void;
    fn __libc_free(block: *mut c_void);
}

/// What every block of glibc's is aligned to.
const ALIGNED: usize = 16;

struct Glibc {
    last: LastResort,
}

#[global_allocator]
static OWN: Glibc = Glibc {
    last: LastResort::new(),
};

/// From here on there is something left when the system has no more.
pub fn prepare() {
    OWN.last.prepare();
}

// SAFETY: glibc's allocator under its own contract; larger alignments are asked for by their name and kept by a copy. Blocks of
// the last resort are told by where they lie.
unsafe impl GlobalAlloc for Glibc {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the layout's size is not zero and its alignment a power of two, by the trait's contract.
        let block = unsafe {
            if layout.align() <= ALIGNED {
                __libc_malloc(layout.size())
            } else {
                __libc_memalign(layout.align(), layout.size())
            }
        };
        match block.is_null() {
            false => block.cast(),
            true => self.last.alloc(layout),
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as in `alloc`; a fresh block is ours to fill.
        unsafe {
            if layout.align() <= ALIGNED {
                let block = __libc_calloc(1, layout.size());
                if !block.is_null() {
                    return block.cast();
                }
            }
            let block = self.alloc(layout);
            if !block.is_null() {
                block.write_bytes(0, layout.size());
            }
            block
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the block is of this allocator and of this layout, by the trait's contract.
        unsafe {
            if layout.align() <= ALIGNED && !self.last.has(block) {
                let new = __libc_realloc(block.cast(), size);
                if !new.is_null() {
                    return new.cast();
                }
            }
            let new = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !new.is_null() {
                new.copy_from_nonoverlapping(block, size.min(layout.size()));
                self.dealloc(block, layout);
            }
            new
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as in `realloc`.
        unsafe {
            match self.last.has(block) {
                true => self.last.dealloc(block, layout),
                false => __libc_free(block.cast()),
            }
        }
    }
}
