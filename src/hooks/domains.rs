//! The domains whose hooks are ours: what lies below them, how they are set and taken away.

use std::cell::UnsafeCell;
use std::ffi::c_int;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::allocators::ours;
use super::overlaid;
use super::python::{Allocator, Api, allocator_name};

/// The domains by the number that `PyMem_SetAllocator` knows them by.
const DOMAINS: [c_int; 2] = [1, 2];

/// pymalloc serves requests up to here itself; what is above goes to the C library.
const PYMALLOC: usize = 512;

/// Requests up to here are served by pymalloc alone, which waits for nobody: zero where Python was told to use another
/// allocator, or where another tool's hooks lie between.
static OWN: AtomicUsize = AtomicUsize::new(0);

/// Requests up to here are pymalloc's alone.
#[inline(always)]
pub fn own() -> usize {
    OWN.load(Relaxed)
}

/// Finds out what lies below hooks that are about to be set.
///
/// # Safety
/// With the interpreter's lock.
unsafe fn look_below() {
    // SAFETY: the caller's promise.
    let pymalloc = unsafe { allocator_name() } == Some(c"pymalloc");
    OWN.store(if pymalloc { PYMALLOC } else { 0 }, Relaxed);
}

struct Originals(UnsafeCell<[MaybeUninit<Allocator>; 2]>);

// SAFETY: written under the interpreter's lock before the hooks that read it are set.
unsafe impl Sync for Originals {}

static ORIGINALS: Originals = Originals(UnsafeCell::new([const { MaybeUninit::uninit() }; 2]));

/// Our `malloc` as it was set last, by domain: how our hook is known again.
static SET: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];

/// The allocator below our hook on a domain.
///
/// # Safety
/// From a hook.
#[inline(always)]
pub unsafe fn original(domain: usize) -> &'static Allocator {
    // SAFETY: hooks run only once `set` filled both.
    unsafe { (*ORIGINALS.0.get())[domain].assume_init_ref() }
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
pub unsafe fn set_where_deaf(minor: u32) -> bool {
    let api = Api::get();
    let makers = [
        (api.memory_malloc, api.memory_free),
        (api.object_malloc, api.object_free),
    ];
    let Some(hooks) = ours(minor) else {
        return false;
    };
    let mut deaf = false;
    for (domain, (maker, hook)) in makers.into_iter().zip(hooks).enumerate() {
        let (Some(malloc), Some(free)) = maker else {
            continue;
        };
        // SAFETY: both are called with the lock; a domain that does not reach us has no hook of ours.
        unsafe {
            if !overlaid::is_heard(malloc, free, 16, 0) {
                // Once one of ours is set, the interpreter has no name for them any more.
                if !deaf {
                    look_below();
                }
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
