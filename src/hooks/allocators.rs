//! The hooks on `PYMEM_DOMAIN_MEM` and `PYMEM_DOMAIN_OBJ`: call the real allocator, note what it did.
//! RAW is left alone: it may be called without the interpreter's lock.

use std::cell::UnsafeCell;
use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::sync::atomic::{
    AtomicPtr, AtomicUsize, Ordering::Acquire, Ordering::Relaxed, Ordering::Release,
};

use super::layout::{Layout, V311, V312, V313, word};
use super::python::{Allocator, Api};
use super::thread_state;
use super::tracer::{Tracer, tracer};

/// The domains by the number that `PyMem_SetAllocator` knows them by.
const DOMAINS: [c_int; 2] = [1, 2];

struct Originals(UnsafeCell<[MaybeUninit<Allocator>; 2]>);

// SAFETY: written under the interpreter's lock before the hooks that read it are set.
unsafe impl Sync for Originals {}

static ORIGINALS: Originals = Originals(UnsafeCell::new([const { MaybeUninit::uninit() }; 2]));

/// Our `malloc` as it was set last, by domain: how our hook is known again.
static SET: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];

/// In the locked form: the thread state that is inside. Several interpreters may be at it at once.
static INSIDE: AtomicPtr<u8> = AtomicPtr::new(std::ptr::null_mut());

#[inline(always)]
unsafe fn original(domain: usize) -> &'static Allocator {
    // SAFETY: hooks run only once `set` filled both.
    unsafe { (*ORIGINALS.0.get())[domain].assume_init_ref() }
}

/// Runs `note` with the tracer turned to the running thread; in the locked form one thread at a time.
#[inline(always)]
unsafe fn with<L: Layout, const LOCKED: bool>(note: impl FnOnce(&mut Tracer, *mut u8)) {
    // SAFETY: hooks are called with the interpreter's lock, or hold ours.
    unsafe {
        let thread = thread_state::current();
        if LOCKED && !enter(thread) {
            return;
        }
        let tracer = &mut *tracer();
        let same = thread == tracer.thread
            && !thread.is_null()
            && word(thread, L::CONTEXT_VERSION) == tracer.version;
        if same || tracer.turn_to::<L>(thread) {
            note(tracer, thread);
        }
        if LOCKED {
            tracer.look_again();
            INSIDE.store(std::ptr::null_mut(), Release);
        }
    }
}

/// Waits for the lock; false if this thread has it already (an allocation of our own slow path).
#[cold]
fn enter(thread: *mut u8) -> bool {
    let me = if thread.is_null() {
        std::ptr::dangling_mut()
    } else {
        thread
    };
    while let Err(holder) = INSIDE.compare_exchange_weak(std::ptr::null_mut(), me, Acquire, Relaxed)
    {
        if holder == me {
            return false;
        }
        std::hint::spin_loop();
    }
    true
}

unsafe extern "C" fn malloc<L: Layout, const D: usize, const K: bool>(
    _: *mut c_void,
    size: usize,
) -> *mut c_void {
    // SAFETY: a hook is called as its domain's contract says.
    unsafe {
        let real = original(D);
        let block = (real.malloc)(real.context, size);
        if !block.is_null() {
            with::<L, K>(|tracer, thread| {
                let site = tracer.site::<L>(thread);
                tracer.books.allocated(block as usize, size, site);
            });
        }
        block
    }
}

unsafe extern "C" fn calloc<L: Layout, const D: usize, const K: bool>(
    _: *mut c_void,
    count: usize,
    each: usize,
) -> *mut c_void {
    // SAFETY: as in `malloc`; the real calloc refuses a product that overflows.
    unsafe {
        let real = original(D);
        let block = (real.calloc)(real.context, count, each);
        if !block.is_null() {
            with::<L, K>(|tracer, thread| {
                let site = tracer.site::<L>(thread);
                tracer
                    .books
                    .allocated(block as usize, count.wrapping_mul(each), site);
            });
        }
        block
    }
}

unsafe extern "C" fn realloc<L: Layout, const D: usize, const K: bool>(
    _: *mut c_void,
    old: *mut c_void,
    size: usize,
) -> *mut c_void {
    // SAFETY: as in `malloc`. A failed realloc changes nothing.
    unsafe {
        let real = original(D);
        let block = (real.realloc)(real.context, old, size);
        if !block.is_null() {
            with::<L, K>(|tracer, thread| {
                let site = tracer.site::<L>(thread);
                tracer
                    .books
                    .reallocated(old as usize, block as usize, size, site);
            });
        }
        block
    }
}

unsafe extern "C" fn free<L: Layout, const D: usize, const K: bool>(
    _: *mut c_void,
    block: *mut c_void,
) {
    // SAFETY: as in `malloc`. The books forget the block before another can get its address.
    unsafe {
        if !block.is_null() {
            with::<L, K>(|tracer, _| tracer.books.freed(block as usize));
        }
        let real = original(D);
        (real.free)(real.context, block);
    }
}

fn hooks<L: Layout, const D: usize, const K: bool>() -> Allocator {
    Allocator {
        context: std::ptr::null_mut(),
        malloc: malloc::<L, D, K>,
        calloc: calloc::<L, D, K>,
        realloc: realloc::<L, D, K>,
        free: free::<L, D, K>,
    }
}

fn both<L: Layout, const K: bool>() -> [Allocator; 2] {
    [hooks::<L, 0, K>(), hooks::<L, 1, K>()]
}

/// Our hooks for a minor version; none where its layout is not known.
fn ours(minor: u32, locked: bool) -> Option<[Allocator; 2]> {
    Some(match (minor, locked) {
        (11, _) => both::<V311, false>(),
        (12, false) => both::<V312, false>(),
        (12, true) => both::<V312, true>(),
        (13, false) => both::<V313, false>(),
        (13, true) => both::<V313, true>(),
        _ => return None,
    })
}

/// Sets the hooks over whatever is there now.
///
/// # Safety
/// With the interpreter's lock, the tracer in place and its layout checked.
pub unsafe fn set(minor: u32) -> bool {
    let api = Api::get();
    let (Some(get), Some(set), Some(hooks)) =
        (api.get_allocator, api.set_allocator, ours(minor, false))
    else {
        return false;
    };
    for (at, mut hook) in hooks.into_iter().enumerate() {
        let mut real = MaybeUninit::uninit();
        // SAFETY: PyMem_GetAllocator fills it; it is in place before the hook that reads it.
        unsafe {
            get(DOMAINS[at], real.as_mut_ptr());
            (*ORIGINALS.0.get())[at] = real;
            SET[at].store(hook.malloc as usize, Relaxed);
            set(DOMAINS[at], &raw mut hook);
        }
    }
    true
}

/// Takes the hooks away where nobody has set others over them. False: some stay and must be mute.
///
/// # Safety
/// With the interpreter's lock, after `set`.
pub unsafe fn unset() -> bool {
    let Some(set) = Api::get().set_allocator else {
        return false;
    };
    let mut gone = true;
    for (at, domain) in DOMAINS.into_iter().enumerate() {
        // SAFETY: as the caller promises.
        unsafe {
            if on_top(at) {
                let mut real = *original(at);
                set(domain, &raw mut real);
            } else {
                gone = false;
            }
        }
    }
    gone
}

/// Goes over to the locked form: a second interpreter may run beside ours.
///
/// # Safety
/// With the interpreter's lock, before the other interpreter runs.
pub unsafe fn lock(minor: u32) {
    let (Some(set), Some(hooks)) = (Api::get().set_allocator, ours(minor, true)) else {
        return;
    };
    for (at, mut hook) in hooks.into_iter().enumerate() {
        // SAFETY: as the caller promises.
        unsafe {
            if on_top(at) {
                SET[at].store(hook.malloc as usize, Relaxed);
                set(DOMAINS[at], &raw mut hook);
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
