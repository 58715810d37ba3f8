//! Stops who goes past the limit. Small blocks are given, and the code that asked is stopped at its next instruction: the
//! alarm asks the interpreter's main thread to call us, or our own thread to see to another thread. Large requests of
//! Python's and numpy's are refused. Raises nothing itself: `py` does.

use std::ffi::{c_int, c_void};
use std::sync::atomic::{
    AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering::Acquire,
    Ordering::Relaxed, Ordering::Release,
};

use parking_lot::Mutex;

use crate::heap::books::Books;
use crate::heap::limit::Limit;
use crate::heap::sites::Spot;
use crate::heap::stops::{Stop, Stops};

use super::layout::{Layout, V311, V312, V313, V314};
use super::moment;
use super::python::{Api, Object};
use super::thread_state::{self, is_mains};
use super::tracer::{Tracer, in_turn, tracer};
use super::turn::Turn;

/// Single requests from here on are refused at the call.
pub const LARGE: usize = 1 << 20;
/// The part of numpy that asks for arrays' data: what it asks for may be refused, as it looks at the answer.
const NUMPY: &str = "/_multiarray_umath.";

/// As the tide's limit says, for who looks without a turn.
static MOST: AtomicU64 = AtomicU64::new(u64::MAX);
static MAIN_THREAD: AtomicUsize = AtomicUsize::new(0);
/// Python's collector is at work: what runs now are finalizers.
static COLLECTING: AtomicBool = AtomicBool::new(false);
static STOPS: Mutex<Stops> = Mutex::new(Stops::new());

/// What the interpreter calls.
static CALL: AtomicUsize = AtomicUsize::new(0);
/// It was asked to, and has not done so yet.
static CALLED: AtomicBool = AtomicBool::new(false);
/// What wakes our own thread: a file of the system's for events.
static BELL: AtomicI32 = AtomicI32::new(-1);
/// The other thread that went past the limit: its state, and what `pthread_self` says there.
static WORKER: AtomicPtr<u8> = AtomicPtr::new(std::ptr::null_mut());
static WORKER_ID: AtomicUsize = AtomicUsize::new(0);
/// The minor version whose frames are read.
static MINOR: AtomicU32 = AtomicU32::new(0);

pub type Pending = unsafe extern "C" fn(*mut c_void) -> c_int;

/// Once, before the first limit is set. False where this build of CPython does not keep what it handles where we look.
///
/// # Safety
/// On the main thread with the interpreter's lock, the tracer in place for this minor; `exception` is any exception.
pub unsafe fn begin(minor: u32, call: Pending, bell: c_int, exception: Object) -> bool {
    // SAFETY: the caller's promise.
    let right = unsafe {
        match minor {
            11 => moment::check::<V311>(exception),
            12 => moment::check::<V312>(exception),
            13 => moment::check::<V313>(exception),
            14 => moment::check::<V314>(exception),
            _ => false,
        }
    };
    if right {
        MINOR.store(minor, Relaxed);
        CALL.store(call as usize, Relaxed);
        BELL.store(bell, Relaxed);
        MAIN_THREAD.store(thread_state::me(), Relaxed);
    }
    right
}

/// Changes the limit.
///
/// # Safety
/// With the interpreter's lock, the tracer in place.
pub unsafe fn change<T>(work: impl FnOnce(&mut Limit) -> T) -> T {
    let _turn = Turn::take();
    // SAFETY: the tracer is in place, and it is our turn.
    let tide = unsafe { &mut (*tracer()).books.tide };
    let done = tide.change_limit(|limit| {
        limit.alarm = alarm;
        work(limit)
    });
    MOST.store(tide.limit.most, Relaxed);
    done
}

pub fn set_collecting(now: bool) {
    COLLECTING.store(now, Relaxed);
}

/// Does something with the stops so far.
pub fn stops<T>(work: impl FnOnce(&mut Stops) -> T) -> T {
    work(&mut STOPS.lock())
}

/// A block went past the limit. In a turn at the books, on any thread: neither Python nor a lock may be waited for.
fn alarm() -> bool {
    // SAFETY: errno is the thread's own; the states are only read.
    unsafe {
        let errno = *libc::__errno_location();
        let state = thread_state::of_this_thread();
        let mains = state.is_null() || thread_state::me() == MAIN_THREAD.load(Relaxed);
        let news = match mains {
            true => call_main(),
            false => is_mains(state) && call_for(state),
        };
        *libc::__errno_location() = errno;
        news
    }
}

/// Asks the main thread to call us. It is asked by one thread at a time, as turns are, and not again before it has: so
/// nobody who holds the interpreter's lock waits for the list of such calls, which would give that lock up.
fn call_main() -> bool {
    let (Some(add), call) = (Api::get().add_pending, CALL.load(Relaxed)) else {
        return false;
    };
    if call == 0 || CALLED.swap(true, Relaxed) {
        return false;
    }
    // SAFETY: `begin` stored a function of this type; Py_AddPendingCall may be called by any thread and allocates nothing.
    let full = unsafe {
        add(
            std::mem::transmute::<usize, Pending>(call),
            std::ptr::null_mut(),
        )
    };
    CALLED.store(full == 0, Relaxed);
    full == 0
}

/// Asks our own thread to see to another.
fn call_for(state: *mut u8) -> bool {
    if !WORKER.load(Relaxed).is_null() {
        return false;
    }
    WORKER_ID.store(thread_state::me(), Relaxed);
    WORKER.store(state, Release);
    let one = 1_u64;
    // SAFETY: writes eight bytes of ours to a file of ours, or to none.
    unsafe {
        libc::write(
            BELL.load(Relaxed),
            (&raw const one).cast(),
            size_of::<u64>(),
        )
    };
    true
}

/// The main thread was called: the stop, if it is over the limit and may be stopped here.
///
/// # Safety
/// On the main thread with the interpreter's lock.
pub unsafe fn stop_main() -> Option<Stop> {
    CALLED.store(false, Relaxed);
    let state = Api::get().thread_state?;
    // SAFETY: the caller's promise.
    unsafe { stop(state()) }
}

/// Our own thread was woken: what `pthread_self` says in the thread that is to be stopped, and the stop, as `stop_main`.
/// No other is asked for until `worker_done`.
///
/// # Safety
/// With the interpreter's lock.
pub unsafe fn stop_worker() -> Option<(usize, Stop)> {
    let worker = WORKER.load(Acquire);
    let id = WORKER_ID.load(Relaxed);
    // SAFETY: the caller's promise; the state is looked into only if its thread is still there.
    unsafe { is_there(worker).then(|| stop(worker)).flatten() }.map(|stop| (id, stop))
}

/// Whether that thread may be stopped still: Python may have run since.
///
/// # Safety
/// As `stop_worker`.
pub unsafe fn is_worker_stoppable() -> bool {
    let worker = WORKER.load(Acquire);
    // SAFETY: as in `stop_worker`.
    unsafe { is_there(worker) && at_stop(worker, |_, _| ()).is_some() }
}

/// What our thread was woken for is done with.
pub fn worker_done() {
    WORKER.store(std::ptr::null_mut(), Release);
}

/// # Safety
/// With the interpreter's lock: the list of thread states stays as it is.
unsafe fn is_there(thread: *mut u8) -> bool {
    let api = Api::get();
    let (Some(interpreter), Some(first), Some(next)) =
        (api.interpreter, api.first_thread, api.next_thread)
    else {
        return false;
    };
    // SAFETY: the caller's promise.
    unsafe {
        let mut state = first(interpreter());
        while !state.is_null() && state != thread {
            state = next(state);
        }
        !state.is_null()
    }
}

/// # Safety
/// As `at_stop`.
unsafe fn stop(thread: *mut u8) -> Option<Stop> {
    // SAFETY: the caller's promise.
    unsafe { at_stop(thread, |books, line| Stop::new(books, line, None)) }
}

/// Looks at the line at which a thread is over the limit, if it may be stopped there.
///
/// # Safety
/// With the interpreter's lock; the thread's state is there.
unsafe fn at_stop<T>(thread: *mut u8, look: impl FnOnce(&Books, Spot) -> T) -> Option<T> {
    let _turn = Turn::take();
    // SAFETY: limits are set once the tracer is in place, and it is our turn; `begin` has checked the layout.
    unsafe {
        let tracer = &mut *tracer();
        let tide = &mut tracer.books.tide;
        if tide.live <= tide.limit.most || tracer.muted {
            return None;
        }
        tide.limit.bear();
        if COLLECTING.load(Relaxed) {
            return None;
        }
        let line = match MINOR.load(Relaxed) {
            11 => tracer.stoppable::<V311>(thread),
            12 => tracer.stoppable::<V312>(thread),
            13 => tracer.stoppable::<V313>(thread),
            _ => tracer.stoppable::<V314>(thread),
        }?;
        Some(look(&tracer.books, line))
    }
}

/// Whether a request of Python's own allocators for `size` bytes is to be refused, in the place of a block of `had`.
///
/// # Safety
/// As a hook, not in a turn.
#[inline(always)]
pub unsafe fn refuses<L: Layout>(thread: *mut u8, size: usize, had: u64) -> bool {
    // SAFETY: the caller's promise.
    size >= LARGE && passes(size, had) && unsafe { refuses_now::<L>(thread, true, size, had, None) }
}

/// The same of the C library's, asked by code that returns to `caller`: numpy has given up the interpreter's lock when it
/// asks for zeros.
///
/// # Safety
/// As `refuses`.
#[inline(always)]
pub unsafe fn refuses_native<L: Layout>(size: usize, had: u64, caller: usize) -> bool {
    if size < LARGE || !passes(size, had) {
        return false;
    }
    // SAFETY: the caller's promise; a thread's own state stays while the thread is here.
    unsafe {
        let Some(holder) = super::native::noted::<L>() else {
            return false;
        };
        let (holds, mut thread) = (!holder.is_null(), holder);
        if !holds {
            thread = thread_state::of_this_thread();
        }
        let refused = is_mains(thread) && refuses_now::<L>(thread, holds, size, had, Some(caller));
        if refused {
            *libc::__errno_location() = libc::ENOMEM;
        }
        refused
    }
}

/// Whether so many more bytes would be too many. Looks without a turn: where it seems so, it is looked at again in one.
#[inline(never)]
fn passes(size: usize, had: u64) -> bool {
    let most = MOST.load(Relaxed);
    // SAFETY: a limit is set once the tracer is in place; an aligned word that is only ever written whole.
    most != u64::MAX
        && size as u64 > had
        && unsafe {
            let live = (&raw const (*tracer()).books.tide.live).read_volatile();
            live.saturating_sub(had).saturating_add(size as u64) > most
        }
}

#[cold]
#[inline(never)]
unsafe fn refuses_now<L: Layout>(
    thread: *mut u8,
    holds: bool,
    size: usize,
    had: u64,
    caller: Option<usize>,
) -> bool {
    let Some(raised) = Api::get().raised else {
        return false;
    };
    let mut refused = None;
    // SAFETY: the thread is this one, and not in a turn; PyErr_Occurred only looks, with the lock.
    unsafe {
        if COLLECTING.load(Relaxed) || !is_mains(thread) || holds && !raised().is_null() {
            return false;
        }
        in_turn::<L>(thread, holds, |tracer| {
            let tide = &tracer.books.tide;
            let after = tide.live.saturating_sub(had).saturating_add(size as u64);
            if after > tide.limit.most && !tracer.in_own && tracer.may_refuse(caller) {
                let line = tracer.stoppable::<L>(thread);
                refused = line.map(|line| Stop::new(&tracer.books, line, Some(size as u64)));
            }
        });
    }
    let is_refused = refused.is_some();
    if let Some(stop) = refused {
        stops(|stops| stops.add(stop));
    }
    is_refused
}

impl Tracer {
    /// Whether who asks is known to take a no: Python itself, and numpy for arrays' data.
    fn may_refuse(&self, caller: Option<usize>) -> bool {
        caller.is_none_or(|caller| {
            let object = self.object(caller);
            self.books.objects.path(object).contains(NUMPY)
        })
    }
}
