//! The hooks on what maps pages: `mmap` and its kin. What a mapping is to the books, `heap::ranges` and `heap::reserves`
//! keep; putting the hooks in is `native`'s.

use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::heap::pages::PAGE;
use crate::heap::sources::Layer;

use super::layout::Layout;
use super::native::{noted, slowly};
use super::reals;

/// Whether a library has ever reserved address space.
static RESERVED: AtomicBool = AtomicBool::new(false);

pub fn were_reserved() -> bool {
    RESERVED.load(Relaxed)
}

/// What a mapping is to the books.
enum Pages {
    Memory,
    /// Address space that may not be touched yet, or that the system was told will not all be: it counts as it is.
    Reserve,
    /// A file's pages are the file's.
    File,
}

fn pages(protection: c_int, flags: c_int) -> Pages {
    let writable = protection & libc::PROT_WRITE != 0;
    match (flags & libc::MAP_ANONYMOUS, flags & libc::MAP_NORESERVE) {
        (0, _) => Pages::File,
        (_, 0) if writable => Pages::Memory,
        _ => Pages::Reserve,
    }
}

fn whole_pages(bytes: usize) -> usize {
    bytes.next_multiple_of(PAGE)
}

pub unsafe extern "C" fn mmap<L: Layout>(
    address: *mut c_void,
    bytes: usize,
    protection: c_int,
    flags: c_int,
    file: c_int,
    offset: libc::off_t,
    caller: usize,
) -> *mut c_void {
    // SAFETY: as in `malloc`.
    unsafe {
        let start = reals::mmap(address, bytes, protection, flags, file, offset);
        if start == libc::MAP_FAILED {
            return start;
        }
        if let Some(thread) = noted::<L>() {
            let (at, bytes) = (start as usize, whole_pages(bytes));
            slowly::<L>(thread, |tracer, state| match pages(protection, flags) {
                Pages::Memory => {
                    let site = tracer.native_site::<L>(state, Layer::Mmap, caller);
                    tracer.books.mapped(at, bytes, site);
                }
                Pages::Reserve => {
                    let object = tracer.object(caller);
                    tracer.books.reserved(at, bytes, object);
                    RESERVED.store(true, Relaxed);
                }
                Pages::File => tracer.books.unmapped(at, bytes),
            });
        }
        start
    }
}

pub unsafe extern "C" fn munmap<L: Layout>(address: *mut c_void, bytes: usize) -> c_int {
    // SAFETY: as in `malloc`. The books forget the pages before another thread can get their addresses; an address that
    // is not a page's is refused.
    unsafe {
        if (address as usize).is_multiple_of(PAGE)
            && bytes > 0
            && let Some(thread) = noted::<L>()
        {
            slowly::<L>(thread, |tracer, _| {
                tracer.books.unmapped(address as usize, whole_pages(bytes));
            });
        }
        reals::munmap(address, bytes)
    }
}

pub unsafe extern "C" fn mremap<L: Layout>(
    old: *mut c_void,
    old_bytes: usize,
    bytes: usize,
    flags: c_int,
    wanted: *mut c_void,
    caller: usize,
) -> *mut c_void {
    // SAFETY: as in `malloc`. The fifth argument is read by the real function where the flags say so. It is called in the
    // turn: the old pages may be another thread's as soon as they are left, and that is to be noted after this.
    unsafe {
        let real = || reals::mremap(old, old_bytes, bytes, flags, wanted);
        let mut done = None;
        if let Some(thread) = noted::<L>() {
            slowly::<L>(thread, |tracer, state| {
                let start = real();
                done = Some((start, *libc::__errno_location()));
                let old = (old as usize, whole_pages(old_bytes));
                if start != libc::MAP_FAILED && tracer.books.has_pages(old.0, old.1) {
                    let site = tracer.native_site::<L>(state, Layer::Mmap, caller);
                    let new = (start as usize, whole_pages(bytes));
                    tracer.books.remapped(old, new, site);
                }
            });
        }
        let Some((start, errno)) = done else {
            return real();
        };
        if start == libc::MAP_FAILED {
            *libc::__errno_location() = errno;
        }
        start
    }
}
