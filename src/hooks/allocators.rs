//! The hooks on `PYMEM_DOMAIN_MEM` and `PYMEM_DOMAIN_OBJ`: call the real allocator, note what it did.
//! RAW is left alone: what it asks of the C library is seen there (`native`).
//!
//! A hook goes the quick way where the books are the holder's own, the thread that runs is known and its instruction was
//! seen before, and calls a slow one where not.

use std::ffi::c_void;

use crate::heap::books::Lifted;
use crate::heap::hint::likely;
use crate::heap::sites::SiteId;

use super::domains::{original, own};
use super::layout::{Layout, V311, V312, V313, V314};
use super::limit;
use super::python::Allocator;
use super::thread_state::{self, is_mains};
use super::tracer::{in_turn, tracer};
use super::turn::{self, Quick, Turn, beneath};

/// The form of a hook: the thread state is read where it lies.
const DIRECT: u8 = 0;
/// The interpreter is asked for the thread state.
const ASKING: u8 = 1;

#[inline(always)]
unsafe fn thread<L: Layout, const F: u8>() -> *mut u8 {
    // SAFETY: hooks are called with the interpreter's lock, after `thread_state::begin`.
    unsafe {
        match F {
            DIRECT => thread_state::read::<L>(),
            _ => thread_state::ask(),
        }
    }
}

unsafe extern "C" fn malloc<L: Layout, const D: usize, const F: u8>(
    _: *mut c_void,
    size: usize,
) -> *mut c_void {
    // SAFETY: a hook is called as its domain's contract says.
    unsafe {
        let thread = thread::<L, F>();
        match own_turn(size, thread) {
            Some(turn) => {
                let real = original(D);
                made::<L>(turn, (real.malloc)(real.context, size), size, thread)
            }
            None => malloc_slowly::<L, D>(size, thread),
        }
    }
}

#[inline(never)]
unsafe fn malloc_slowly<L: Layout, const D: usize>(size: usize, thread: *mut u8) -> *mut c_void {
    // SAFETY: as in `malloc`.
    unsafe {
        let real = original(D);
        if limit::refuses::<L>(thread, size, 0) {
            return std::ptr::null_mut();
        }
        let block = beneath(|| (real.malloc)(real.context, size));
        made_slowly::<L>(block, size, thread)
    }
}

unsafe extern "C" fn calloc<L: Layout, const D: usize, const F: u8>(
    _: *mut c_void,
    count: usize,
    each: usize,
) -> *mut c_void {
    // SAFETY: as in `malloc`; the real calloc refuses a product that overflows.
    unsafe {
        let real = original(D);
        let (size, thread) = (count.wrapping_mul(each), thread::<L, F>());
        match own_turn(size, thread) {
            Some(turn) => {
                let block = (real.calloc)(real.context, count, each);
                made::<L>(turn, block, size, thread)
            }
            None if limit::refuses::<L>(thread, size, 0) => std::ptr::null_mut(),
            None => {
                let block = beneath(|| (real.calloc)(real.context, count, each));
                made_slowly::<L>(block, size, thread)
            }
        }
    }
}

/// The turn of this thread, where a request of this size is pymalloc's alone: taken before the call, so that whatever it
/// asks of lower layers for itself is seen not to be the notebook's.
#[inline(always)]
fn own_turn(size: usize, thread: *mut u8) -> Option<Quick> {
    if size > own() {
        return None;
    }
    turn::quick(thread)
}

/// Notes a block that the real allocator gave in this turn, if it gave one; hands it on.
#[inline(always)]
unsafe fn made<L: Layout>(
    turn: Quick,
    block: *mut c_void,
    size: usize,
    thread: *mut u8,
) -> *mut c_void {
    if !likely(!block.is_null()) {
        return block;
    }
    // SAFETY: hooks are called with the interpreter's lock, and the tracer is reached in a turn.
    unsafe {
        let tracer = &mut *tracer();
        if likely(tracer.is_turned_to::<L>(thread)) {
            let site = tracer.quick_site::<L>(thread);
            if likely(site.0 != 0)
                && likely(tracer.books.allocated_small(block as usize, size, site))
            {
                return block;
            }
        }
        drop(turn);
        made_slowly::<L>(block, size, thread)
    }
}

#[inline(never)]
unsafe fn made_slowly<L: Layout>(block: *mut c_void, size: usize, thread: *mut u8) -> *mut c_void {
    if !block.is_null() {
        // SAFETY: as in `made`.
        unsafe {
            in_turn::<L>(thread, true, |tracer| {
                let site = tracer.site::<L>(thread);
                tracer.books.allocated(block as usize, size, site);
                tracer.catch_up();
            });
        }
    }
    block
}

unsafe extern "C" fn realloc<L: Layout, const D: usize, const F: u8>(
    _: *mut c_void,
    old: *mut c_void,
    size: usize,
) -> *mut c_void {
    // SAFETY: as in `malloc`.
    unsafe {
        let thread = thread::<L, F>();
        if let Some(turn) = own_turn(size, thread) {
            if old.is_null() {
                let real = original(D);
                let block = (real.realloc)(real.context, old, size);
                return made::<L>(turn, block, size, thread);
            }
            if let Some(lifted) = lift_own::<L>(old, thread) {
                return moved::<L, D>(old, lifted, size, thread);
            }
        }
        realloc_slowly::<L, D>(old, size, thread)
    }
}

/// Takes a block off the books that is pymalloc's alone, if it is known who runs.
#[inline(always)]
unsafe fn lift_own<L: Layout>(old: *mut c_void, thread: *mut u8) -> Option<Lifted> {
    // SAFETY: it is the caller's turn, and the thread is the current one.
    unsafe {
        let tracer = &mut *tracer();
        if !tracer.is_turned_to::<L>(thread) {
            return None;
        }
        tracer.books.lift_up_to(old as usize, own())
    }
}

/// The rest of a realloc that is pymalloc's alone, in the turn in which the block was lifted.
#[inline(always)]
unsafe fn moved<L: Layout, const D: usize>(
    old: *mut c_void,
    lifted: Lifted,
    size: usize,
    thread: *mut u8,
) -> *mut c_void {
    // SAFETY: as in `malloc`; the tracer is turned to the thread. An arena that goes meanwhile tells the tracer, so it is
    // borrowed only after the call.
    unsafe {
        let real = original(D);
        let block = (real.realloc)(real.context, old, size);
        let tracer = &mut *tracer();
        if block.is_null() {
            tracer.books.put_back(old as usize, lifted);
            return block;
        }
        let site = match tracer.quick_site::<L>(thread) {
            SiteId(0) => tracer.site::<L>(thread),
            site => site,
        };
        let books = &mut tracer.books;
        books.reallocated(Some(lifted), block as usize, size, site);
        block
    }
}

/// Another thread may get the old address from the C library before we hear of it: the block is off the books by then. A
/// failed realloc changes nothing.
#[inline(never)]
unsafe fn realloc_slowly<L: Layout, const D: usize>(
    old: *mut c_void,
    size: usize,
    thread: *mut u8,
) -> *mut c_void {
    // SAFETY: as in `malloc`.
    unsafe {
        let real = original(D);
        let lifted = lift::<L>(old, thread);
        let had = lifted.as_ref().map_or(0, Lifted::bytes);
        let block = match limit::refuses::<L>(thread, size, had) {
            true => std::ptr::null_mut(),
            false => beneath(|| (real.realloc)(real.context, old, size)),
        };
        match (block.is_null(), lifted) {
            (false, _) => changed::<L>(lifted, block, size, thread),
            (true, Some(lifted)) => put_back(old, lifted, is_mains(thread)),
            (true, None) => {}
        }
        block
    }
}

#[inline(always)]
unsafe fn lift<L: Layout>(old: *mut c_void, thread: *mut u8) -> Option<Lifted> {
    let mut lifted = None;
    if !old.is_null() {
        // SAFETY: as in `made`.
        unsafe {
            in_turn::<L>(thread, true, |tracer| {
                lifted = tracer.books.lift(old as usize);
                tracer.catch_up();
            });
        }
    }
    lifted
}

#[inline(always)]
unsafe fn changed<L: Layout>(
    lifted: Option<Lifted>,
    block: *mut c_void,
    size: usize,
    thread: *mut u8,
) {
    // SAFETY: as in `made`.
    unsafe {
        in_turn::<L>(thread, true, |tracer| {
            let site = tracer.site::<L>(thread);
            let books = &mut tracer.books;
            books.reallocated(lifted, block as usize, size, site);
            tracer.catch_up();
        });
    }
}

#[cold]
fn put_back(old: *mut c_void, lifted: Lifted, mains: bool) {
    let _turn = Turn::of(mains);
    // SAFETY: it is our turn.
    unsafe { (*tracer()).books.put_back(old as usize, lifted) };
}

unsafe extern "C" fn free<L: Layout, const D: usize, const F: u8>(
    _: *mut c_void,
    block: *mut c_void,
) {
    // SAFETY: as in `malloc`. The books forget the block before another can get its address.
    unsafe {
        if likely(!block.is_null()) {
            let Some(turn) = turn::anyones() else {
                return free_slowly::<L, D, F>(block);
            };
            let gone = (*tracer()).books.freed_by_anyone(block as usize);
            drop(turn);
            match gone {
                None => return free_slowly::<L, D, F>(block),
                Some(size) if size > own() as u64 => return free_beneath::<D>(block),
                Some(_) => {}
            }
        }
        let real = original(D);
        (real.free)(real.context, block);
    }
}

#[inline(never)]
unsafe fn free_beneath<const D: usize>(block: *mut c_void) {
    // SAFETY: as in `malloc`.
    unsafe {
        let real = original(D);
        beneath(|| (real.free)(real.context, block));
    }
}

#[inline(never)]
unsafe fn free_slowly<L: Layout, const D: usize, const F: u8>(block: *mut c_void) {
    // SAFETY: as in `malloc`.
    unsafe {
        if gone::<L, F>(block) > own() as u64 {
            return free_beneath::<D>(block);
        }
        let real = original(D);
        (real.free)(real.context, block);
    }
}

/// More than a block can have.
const UNKNOWN: u64 = u64::MAX;

/// Takes any block off the books: its size, `UNKNOWN` where it has none there.
#[inline(always)]
unsafe fn gone<L: Layout, const F: u8>(block: *mut c_void) -> u64 {
    // SAFETY: as in `made`.
    unsafe {
        let thread = thread::<L, F>();
        if let Some(_turn) = turn::quick(thread) {
            let tracer = &mut *tracer();
            if tracer.is_turned_to::<L>(thread)
                && let Some(size) = tracer.books.freed(block as usize)
            {
                return size;
            }
        }
        let mut gone = UNKNOWN;
        in_turn::<L>(thread, true, |tracer| {
            let books = &mut tracer.books;
            let size = books
                .freed(block as usize)
                .or_else(|| books.freed_aside(block as usize));
            gone = size.unwrap_or(gone);
            tracer.catch_up();
        });
        gone
    }
}

fn hooks<L: Layout, const D: usize, const F: u8>() -> Allocator {
    Allocator {
        context: std::ptr::null_mut(),
        malloc: malloc::<L, D, F>,
        calloc: calloc::<L, D, F>,
        realloc: realloc::<L, D, F>,
        free: free::<L, D, F>,
    }
}

fn both<L: Layout, const F: u8>() -> [Allocator; 2] {
    [hooks::<L, 0, F>(), hooks::<L, 1, F>()]
}

/// Our hooks for a minor version; none where its layout is not known.
pub fn ours(minor: u32) -> Option<[Allocator; 2]> {
    Some(match (minor, thread_state::is_direct()) {
        (11, true) => both::<V311, DIRECT>(),
        (11, false) => both::<V311, ASKING>(),
        (12, true) => both::<V312, DIRECT>(),
        (12, false) => both::<V312, ASKING>(),
        (13, true) => both::<V313, DIRECT>(),
        (13, false) => both::<V313, ASKING>(),
        (14, true) => both::<V314, DIRECT>(),
        (14, false) => both::<V314, ASKING>(),
        _ => return None,
    })
}
