//! The hooks on the C library's allocators, put in place by patching the slots that loaded objects call them
//! through (`elf`). Called by every thread, with and without the interpreter's lock.
//!
//! Each is a stub that hands on where it returns to, so that the object whose code asked is known, and a function that
//! calls the real allocator and notes what it did. Python's own hooks lie above: what they ask is theirs.

use std::ffi::{c_char, c_int, c_void};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::heap::books::Lifted;
use crate::heap::cells::CellId;
use crate::heap::sources::Layer;

use super::elf::{self, Found, Hook};
use super::layout::Layout;
use super::limit;
use super::reals::{self, Routine};
use super::starters::Start;
use super::stubs;
use super::thread_state::{self, is_mains};
use super::tracer::{Tracer, in_turn, tracer};
use super::turn::{self, Turn};

/// Whether native events are noted.
static ACTIVE: AtomicBool = AtomicBool::new(false);
static HOOKS: OnceLock<Vec<Hook>> = OnceLock::new();

/// Puts the hooks in, or in again.
///
/// # Safety
/// With the interpreter's lock, the tracer in place, its layout checked.
pub unsafe fn begin<L: Layout>() {
    HOOKS.get_or_init(|| {
        (stubs::all::<L>().into_iter())
            .filter_map(|(name, ours)| {
                let real = reals::find(name)?;
                Some(Hook { name, real, ours })
            })
            .collect()
    });
    ACTIVE.store(true, Relaxed);
    scan();
}

/// Takes the hooks out; who kept a pointer to one passes through it.
pub fn end() {
    pass_through();
    if let Some(hooks) = HOOKS.get() {
        elf::restore(hooks);
    }
}

/// Notes nothing from here on.
pub fn pass_through() {
    ACTIVE.store(false, Relaxed);
}

pub fn is_active() -> bool {
    ACTIVE.load(Relaxed)
}

/// Looks for objects that were loaded since the last look, and hooks them too.
pub fn look_for_new_objects() {
    if is_active() && elf::changed() {
        scan();
    }
}

/// Hooks those again that somebody unhooked.
pub fn look_at_all_objects() {
    if let Some(hooks) = HOOKS.get().filter(|_| is_active()) {
        elf::patch_all(hooks, note);
    }
}

/// Another thread may be at it, and even wait for the loader: then it looks again for us.
fn scan() {
    if let Some(hooks) = HOOKS.get() {
        elf::patch(hooks, note);
    }
}

fn note(found: Found) {
    // Whether this thread holds the interpreter's lock does not matter: it is not at the books.
    let _turn = Turn::take_without_interpreter();
    // SAFETY: hooks are begun once the tracer is in place, and it is our turn.
    let tracer = unsafe { &mut *tracer() };
    if found.all {
        tracer.objects.clear();
    }
    for object in found.objects {
        let id = tracer.books.objects.id(&object.name);
        let code = (object.code.start, object.code.end, id);
        tracer.objects.push(code);
    }
    tracer.objects.sort_unstable();
    // What was asked from those addresses may have been another object's.
    tracer.forget_callers();
}

/// The thread state with which this thread holds an interpreter's lock, or null; none where this event is not to be noted.
#[inline(always)]
pub(super) unsafe fn noted<L: Layout>() -> Option<*mut u8> {
    if !is_active() {
        return None;
    }
    // SAFETY: hooks are begun after `thread_state`.
    unsafe {
        let thread = thread_state::holder::<L>();
        (!turn::is_inside(is_mains(thread))).then_some(thread)
    }
}

/// `in_turn` for a thread that may hold no interpreter's lock: `thread` is the state that holds it, or null. What C code
/// reads of `errno` stays what the real function left there.
#[inline(never)]
pub(super) unsafe fn slowly<L: Layout>(thread: *mut u8, work: impl FnOnce(&mut Tracer, *mut u8)) {
    // SAFETY: errno is the thread's own; a thread's own state stays while the thread is here; hooks are not in a turn.
    unsafe {
        let errno = *libc::__errno_location();
        let holds = !thread.is_null();
        let state = if holds {
            thread
        } else {
            thread_state::of_this_thread()
        };
        in_turn::<L>(state, holds, |tracer| work(tracer, state));
        *libc::__errno_location() = errno;
    }
}

/// Notes a block that the real function gave, if it gave one; hands it on.
#[inline(always)]
unsafe fn made<L: Layout>(block: *mut c_void, size: usize, caller: usize) -> *mut c_void {
    if block.is_null() {
        return block;
    }
    // SAFETY: the tracer is reached in a turn.
    unsafe {
        let Some(thread) = noted::<L>() else {
            return block;
        };
        if let Some(_turn) = turn::quick(thread) {
            let tracer = &mut *tracer();
            if tracer.is_turned_to::<L>(thread) {
                let site = tracer.native_site::<L>(thread, Layer::Malloc, caller);
                tracer.books.allocated(block as usize, size, site);
                return block;
            }
        }
        slowly::<L>(thread, |tracer, state| {
            let site = tracer.native_site::<L>(state, Layer::Malloc, caller);
            tracer.books.allocated(block as usize, size, site);
        });
    }
    block
}

#[inline(always)]
unsafe fn gone<L: Layout>(block: *mut c_void) {
    if block.is_null() {
        return;
    }
    // SAFETY: as in `made`.
    unsafe {
        let Some(thread) = noted::<L>() else {
            return;
        };
        if let Some(_turn) = turn::quick(thread) {
            let tracer = &mut *tracer();
            if tracer.is_turned_to::<L>(thread) && tracer.books.freed(block as usize).is_some() {
                return;
            }
        }
        slowly::<L>(thread, |tracer, _| {
            if tracer.books.freed(block as usize).is_none() {
                tracer.books.freed_aside(block as usize);
                tracer.catch_up();
            }
        });
    }
}

pub unsafe extern "C" fn malloc<L: Layout>(size: usize, caller: usize) -> *mut c_void {
    // SAFETY: the real function under its own contract, here and below.
    unsafe {
        if limit::refuses_native::<L>(size, 0, caller) {
            return std::ptr::null_mut();
        }
        made::<L>(reals::malloc(size), size, caller)
    }
}

pub unsafe extern "C" fn calloc<L: Layout>(
    count: usize,
    each: usize,
    caller: usize,
) -> *mut c_void {
    // SAFETY: as in `malloc`; the real calloc refuses a product that overflows.
    unsafe {
        let size = count.wrapping_mul(each);
        if limit::refuses_native::<L>(size, 0, caller) {
            return std::ptr::null_mut();
        }
        made::<L>(reals::calloc(count, each), size, caller)
    }
}

pub unsafe extern "C" fn free<L: Layout>(block: *mut c_void) {
    // SAFETY: as in `malloc`. The books forget the block before another thread can get its address.
    unsafe {
        gone::<L>(block);
        reals::free(block);
    }
}

/// The old block is off the books before another thread can get its address. A call that fails changes nothing; one that
/// asks for no bytes frees.
pub unsafe extern "C" fn realloc<L: Layout>(
    old: *mut c_void,
    size: usize,
    caller: usize,
) -> *mut c_void {
    // SAFETY: as in `malloc`.
    unsafe {
        let Some(thread) = noted::<L>() else {
            return reals::realloc(old, size);
        };
        let mut lifted = None;
        if !old.is_null() {
            slowly::<L>(thread, |tracer, _| {
                lifted = tracer.books.lift(old as usize);
                tracer.catch_up();
            });
        }
        let had = lifted.as_ref().map_or(0, Lifted::bytes);
        let block = match limit::refuses_native::<L>(size, had, caller) {
            true => std::ptr::null_mut(),
            false => reals::realloc(old, size),
        };
        if block.is_null() && (size > 0 || lifted.is_none()) {
            if let Some(lifted) = lifted {
                slowly::<L>(thread, |tracer, _| {
                    tracer.books.put_back(old as usize, lifted);
                });
            }
            return block;
        }
        slowly::<L>(thread, |tracer, state| match (block.is_null(), lifted) {
            (true, Some(lifted)) => tracer.books.let_go(lifted),
            _ => {
                let site = tracer.native_site::<L>(state, Layer::Malloc, caller);
                (tracer.books).reallocated(lifted, block as usize, size, site);
            }
        });
        block
    }
}

pub unsafe extern "C" fn reallocarray<L: Layout>(
    old: *mut c_void,
    count: usize,
    each: usize,
    caller: usize,
) -> *mut c_void {
    // SAFETY: as in `malloc`. The real function asks realloc, through a slot that is patched too, or refuses.
    unsafe {
        match count.checked_mul(each) {
            Some(size) => realloc::<L>(old, size, caller),
            None => reals::reallocarray(old, count, each),
        }
    }
}

pub unsafe extern "C" fn posix_memalign<L: Layout>(
    place: *mut *mut c_void,
    alignment: usize,
    size: usize,
    caller: usize,
) -> c_int {
    // SAFETY: as in `malloc`; a call that succeeds has filled the place.
    unsafe {
        let failed = reals::posix_memalign(place, alignment, size);
        if failed == 0 {
            made::<L>(*place, size, caller);
        }
        failed
    }
}

pub unsafe extern "C" fn memalign<L: Layout>(
    alignment: usize,
    size: usize,
    caller: usize,
) -> *mut c_void {
    // SAFETY: as in `malloc`.
    unsafe { made::<L>(reals::memalign(alignment, size), size, caller) }
}

pub unsafe extern "C" fn aligned_alloc<L: Layout>(
    alignment: usize,
    size: usize,
    caller: usize,
) -> *mut c_void {
    // SAFETY: as in `malloc`.
    unsafe { made::<L>(reals::aligned_alloc(alignment, size), size, caller) }
}

pub unsafe extern "C" fn valloc<L: Layout>(size: usize, caller: usize) -> *mut c_void {
    // SAFETY: as in `malloc`.
    unsafe { made::<L>(reals::valloc(size), size, caller) }
}

pub unsafe extern "C" fn pvalloc<L: Layout>(size: usize, caller: usize) -> *mut c_void {
    // SAFETY: as in `malloc`.
    unsafe { made::<L>(reals::pvalloc(size), size, caller) }
}

/// A thread is the cell's whose code starts it. One that machinery starts while a cell runs is nobody's: IPython's history
/// begins a thread anew after a fork, in the next cell.
pub unsafe extern "C" fn pthread_create<L: Layout>(
    thread: *mut libc::pthread_t,
    attributes: *const libc::pthread_attr_t,
    routine: Routine,
    argument: *mut c_void,
) -> c_int {
    // SAFETY: as in `malloc`; the box is the new thread's, or ours again where there is none. The call is not made in a turn:
    // it waits for the loader, and who has that may wait for a turn.
    unsafe {
        let mut cell = None;
        if let Some(holder) = noted::<L>() {
            slowly::<L>(holder, |tracer, state| {
                let is_cells = tracer.is_for_notebook::<L>(state);
                cell = Some(if is_cells { tracer.cell } else { CellId(0) });
            });
        }
        let Some(cell) = cell else {
            return reals::pthread_create(thread, attributes, routine, argument);
        };
        let start = Box::into_raw(Box::new(Start {
            routine,
            argument,
            cell,
        }));
        let failed = reals::pthread_create(thread, attributes, stubs::start_thread(), start.cast());
        if failed != 0 {
            drop(Box::from_raw(start));
        }
        failed
    }
}

/// By the time a name is looked up, the object that it is looked up in is loaded and none of its functions was called yet.
/// Who asks for an allocator by name gets our hook on it.
pub unsafe extern "C" fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void {
    look_for_new_objects();
    // SAFETY: as in `malloc`; the stub has sent the two special handles elsewhere.
    let found = unsafe { reals::dlsym(handle, name) };
    let hooks = HOOKS.get().filter(|_| is_active() && !found.is_null());
    let hook = hooks.and_then(|hooks| hooks.iter().find(|hook| hook.real == found as usize));
    hook.map_or(found, |hook| hook.ours as *mut c_void)
}
