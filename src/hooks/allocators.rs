//! The hooks on `PYMEM_DOMAIN_MEM` and `PYMEM_DOMAIN_OBJ`: call the real allocator, note what it did.
//! RAW is left alone: it may be called without the interpreter's lock.
//!
//! A hook goes the quick way where the thread that runs is known and its instruction was seen before, and calls
//! a slow one where not. In the locked form, for several interpreters, every event goes the slow way, one at a time.

use std::cell::UnsafeCell;
use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::sync::atomic::{
    AtomicBool, AtomicUsize, Ordering::Acquire, Ordering::Relaxed, Ordering::Release,
};

use super::layout::{Layout, V311, V312, V313, V314};
use super::python::{Allocator, Api};
use super::thread_state;
use super::tracer::tracer;

/// The form of a hook: the thread state is read where it lies.
const DIRECT: u8 = 0;
/// The interpreter is asked for the thread state.
const ASKING: u8 = 1;
/// Several interpreters: one event at a time.
const LOCKED: u8 = 2;

/// The domains by the number that `PyMem_SetAllocator` knows them by.
const DOMAINS: [c_int; 2] = [1, 2];

struct Originals(UnsafeCell<[MaybeUninit<Allocator>; 2]>);

// SAFETY: written under the interpreter's lock before the hooks that read it are set.
unsafe impl Sync for Originals {}

static ORIGINALS: Originals = Originals(UnsafeCell::new([const { MaybeUninit::uninit() }; 2]));

/// Our `malloc` as it was set last, by domain: how our hook is known again.
static SET: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];

#[inline(always)]
unsafe fn original(domain: usize) -> &'static Allocator {
    // SAFETY: hooks run only once `set` filled both.
    unsafe { (*ORIGINALS.0.get())[domain].assume_init_ref() }
}

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
        let real = original(D);
        let block = (real.malloc)(real.context, size);
        if !block.is_null() {
            made::<L, F>(block, size);
        }
        block
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
        let block = (real.calloc)(real.context, count, each);
        if !block.is_null() {
            made::<L, F>(block, count.wrapping_mul(each));
        }
        block
    }
}

#[inline(always)]
unsafe fn made<L: Layout, const F: u8>(block: *mut c_void, size: usize) {
    // SAFETY: hooks are called with the interpreter's lock.
    unsafe {
        let thread = thread::<L, F>();
        let tracer = &mut *tracer();
        if F != LOCKED && tracer.is_turned_to::<L>(thread) {
            let site = tracer.quick_site::<L>(thread);
            if site.0 != 0 {
                return tracer.books.allocated(block as usize, size, site);
            }
        }
        made_slowly::<L, F>(block, size, thread);
    }
}

#[inline(never)]
unsafe fn made_slowly<L: Layout, const F: u8>(block: *mut c_void, size: usize, thread: *mut u8) {
    let held = (F == LOCKED).then(Turn::wait);
    // SAFETY: hooks are called with the interpreter's lock, or hold ours.
    unsafe {
        let tracer = &mut *tracer();
        if F != LOCKED && tracer.is_turned_to::<L>(thread) || tracer.turn_to::<L>(thread) {
            let site = tracer.site::<L>(thread);
            tracer.books.allocated(block as usize, size, site);
        }
    }
    drop(held);
}

unsafe extern "C" fn realloc<L: Layout, const D: usize, const F: u8>(
    _: *mut c_void,
    old: *mut c_void,
    size: usize,
) -> *mut c_void {
    // In the locked form nobody may get `old` before it is noted that it went.
    let held = (F == LOCKED).then(Turn::wait);
    // SAFETY: as in `malloc`. A failed realloc changes nothing.
    let block = unsafe {
        let real = original(D);
        let block = (real.realloc)(real.context, old, size);
        if !block.is_null() {
            changed::<L, F>(old, block, size);
        }
        block
    };
    drop(held);
    block
}

#[inline(always)]
unsafe fn changed<L: Layout, const F: u8>(old: *mut c_void, block: *mut c_void, size: usize) {
    // SAFETY: hooks are called with the interpreter's lock, or hold ours.
    unsafe {
        let thread = thread::<L, F>();
        let tracer = &mut *tracer();
        if F != LOCKED && tracer.is_turned_to::<L>(thread) || tracer.turn_to::<L>(thread) {
            let site = match tracer.quick_site::<L>(thread) {
                site if site.0 != 0 && F != LOCKED => site,
                _ => tracer.site::<L>(thread),
            };
            tracer
                .books
                .reallocated(old as usize, block as usize, size, site);
            tracer.catch_up();
        }
    }
}

unsafe extern "C" fn free<L: Layout, const D: usize, const F: u8>(
    _: *mut c_void,
    block: *mut c_void,
) {
    // SAFETY: as in `malloc`. The books forget the block before another can get its address.
    unsafe {
        if !block.is_null() {
            gone::<L, F>(block);
        }
        let real = original(D);
        (real.free)(real.context, block);
    }
}

#[inline(always)]
unsafe fn gone<L: Layout, const F: u8>(block: *mut c_void) {
    // SAFETY: hooks are called with the interpreter's lock.
    unsafe {
        let thread = thread::<L, F>();
        let tracer = &mut *tracer();
        if F == LOCKED || !tracer.is_turned_to::<L>(thread) || !tracer.books.freed(block as usize) {
            gone_slowly::<L, F>(block, thread);
        }
    }
}

#[inline(never)]
unsafe fn gone_slowly<L: Layout, const F: u8>(block: *mut c_void, thread: *mut u8) {
    let held = (F == LOCKED).then(Turn::wait);
    // SAFETY: hooks are called with the interpreter's lock, or hold ours.
    unsafe {
        let tracer = &mut *tracer();
        if (F != LOCKED && tracer.is_turned_to::<L>(thread) || tracer.turn_to::<L>(thread))
            && !tracer.books.freed(block as usize)
        {
            tracer.books.freed_aside(block as usize);
            tracer.catch_up();
        }
    }
    drop(held);
}

/// In the locked form: somebody is inside. Several interpreters may be at it at once.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// A thread's turn at the books; the next thread has it when this is dropped.
pub struct Turn(());

impl Turn {
    #[cold]
    pub fn wait() -> Self {
        while TAKEN
            .compare_exchange_weak(false, true, Acquire, Relaxed)
            .is_err()
        {
            std::thread::yield_now();
        }
        Self(())
    }

    /// In a forked child, whose one thread is not the one that had it.
    pub fn give_up_all() {
        TAKEN.store(false, Relaxed);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        TAKEN.store(false, Release);
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
fn ours(minor: u32, locked: bool) -> Option<[Allocator; 2]> {
    let form = match locked {
        true => LOCKED,
        false if thread_state::is_direct() => DIRECT,
        false => ASKING,
    };
    Some(match (minor, form) {
        (11, DIRECT) => both::<V311, DIRECT>(),
        (11, ASKING) => both::<V311, ASKING>(),
        (11, _) => both::<V311, LOCKED>(),
        (12, DIRECT) => both::<V312, DIRECT>(),
        (12, ASKING) => both::<V312, ASKING>(),
        (12, _) => both::<V312, LOCKED>(),
        (13, DIRECT) => both::<V313, DIRECT>(),
        (13, ASKING) => both::<V313, ASKING>(),
        (13, _) => both::<V313, LOCKED>(),
        (14, DIRECT) => both::<V314, DIRECT>(),
        (14, ASKING) => both::<V314, ASKING>(),
        (14, _) => both::<V314, LOCKED>(),
        _ => return None,
    })
}

/// Sets the hook of a domain over whatever is there now.
///
/// # Safety
/// With the interpreter's lock, the tracer in place, its layout checked, and no hook of ours in the domain's chain.
unsafe fn set(domain: usize, mut hook: Allocator) {
    let api = Api::get();
    let (Some(get), Some(set)) = (api.get_allocator, api.set_allocator) else {
        return;
    };
    let mut real = MaybeUninit::uninit();
    // SAFETY: PyMem_GetAllocator fills it; it is in place before the hook that reads it.
    unsafe {
        get(DOMAINS[domain], real.as_mut_ptr());
        (*ORIGINALS.0.get())[domain] = real;
        SET[domain].store(hook.malloc as usize, Relaxed);
        set(DOMAINS[domain], &raw mut hook);
    }
}

/// Sets our hooks where no event reaches us. True if there was such a domain.
///
/// # Safety
/// With the interpreter's lock, the tracer in place, not mute, its layout checked.
pub unsafe fn set_where_deaf(minor: u32, locked: bool) -> bool {
    let api = Api::get();
    let makers = [
        (api.memory_malloc, api.memory_free),
        (api.object_malloc, api.object_free),
    ];
    let Some(hooks) = ours(minor, locked) else {
        return false;
    };
    let mut deaf = false;
    for (domain, (maker, hook)) in makers.into_iter().zip(hooks).enumerate() {
        let (Some(malloc), Some(free)) = maker else {
            continue;
        };
        // SAFETY: both are called with the lock; a domain that does not reach us has no hook of ours.
        unsafe {
            let block = malloc(16);
            let heard = (*tracer()).books.knows(block as usize);
            free(block);
            if !heard {
                deaf = true;
                set(domain, hook);
            }
        }
    }
    deaf
}

/// Takes the hooks away where nobody has set others over them; the others must be mute.
///
/// # Safety
/// With the interpreter's lock.
pub unsafe fn unset() {
    let Some(set) = Api::get().set_allocator else {
        return;
    };
    for (at, domain) in DOMAINS.into_iter().enumerate() {
        // SAFETY: as the caller promises.
        unsafe {
            if on_top(at) {
                let mut real = *original(at);
                set(domain, &raw mut real);
            }
        }
    }
}

/// Goes over to the locked form: a second interpreter may run beside ours. False where others have hooked over us.
///
/// # Safety
/// With the interpreter's lock, before the other interpreter runs.
pub unsafe fn lock(minor: u32) -> bool {
    let (Some(set), Some(hooks)) = (Api::get().set_allocator, ours(minor, true)) else {
        return false;
    };
    // SAFETY: as the caller promises.
    unsafe {
        if !(0..DOMAINS.len()).all(|at| on_top(at)) {
            return false;
        }
        for (at, mut hook) in hooks.into_iter().enumerate() {
            SET[at].store(hook.malloc as usize, Relaxed);
            set(DOMAINS[at], &raw mut hook);
        }
    }
    true
}

unsafe fn on_top(at: usize) -> bool {
    let Some(get) = Api::get().get_allocator else {
        return false;
    };
    let mut now = MaybeUninit::<Allocator>::uninit();
    // SAFETY: PyMem_GetAllocator fills it.
    let now = unsafe {
        get(DOMAINS[at], now.as_mut_ptr());
        now.assume_init()
    };
    now.malloc as usize == SET[at].load(Relaxed)
}
