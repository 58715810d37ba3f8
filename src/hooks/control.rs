//! Starting, stopping and looking after the hooks.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

use crate::heap::books::Books;

use super::layout::{self, V311, V312, V313};
use super::python::{self, Api};
use super::tracer::{Tracer, place, tracer};
use super::{allocators, arenas, audit, codewatch, thread_state};

/// The minor version whose hooks are in; zero before the first start.
static MINOR: AtomicU32 = AtomicU32::new(0);
/// Our hooks are in the chain (or were, when last looked at).
static SET: AtomicBool = AtomicBool::new(false);
static LOCKED: AtomicBool = AtomicBool::new(false);

/// Whether there is a tracer at all.
pub fn is_placed() -> bool {
    MINOR.load(Relaxed) != 0
}

/// Whether allocations are being recorded.
pub fn is_tracing() -> bool {
    // SAFETY: placed, and read under the interpreter's lock as all of this module.
    is_placed() && SET.load(Relaxed) && unsafe { !(*tracer()).muted }
}

/// Whether a second interpreter appeared: the hooks take a lock.
pub fn is_locked() -> bool {
    LOCKED.load(Relaxed)
}

/// Hooks the allocators; blocks that are live now stay "before tracing".
///
/// # Errors
/// One line that says why this build cannot be traced. Nothing is changed then.
///
/// # Safety
/// Called from a Python function's frame, with the interpreter's lock.
pub unsafe fn start() -> Result<(), String> {
    // SAFETY: the caller's promise holds for all that is called here.
    unsafe {
        if !is_placed() {
            first_start()?;
        }
        let tracer = &mut *tracer();
        if is_tracing() {
            return Ok(());
        }
        if !SET.load(Relaxed) {
            if !allocators::set(MINOR.load(Relaxed)) {
                return Err("the interpreter's allocators cannot be hooked".into());
            }
            SET.store(true, Relaxed);
        }
        tracer.muted = false;
        tracer.look_again();
    }
    Ok(())
}

unsafe fn first_start() -> Result<(), String> {
    let version = python::version().ok_or("this is not CPython 3.11 or newer")?;
    let minor = version >> 16 & 0xff;
    // SAFETY: the caller's promise.
    unsafe {
        match minor {
            11 => layout::check::<V311>(),
            12 => layout::check::<V312>(),
            13 => layout::check::<V313>(),
            _ => {
                return Err(format!(
                    "CPython 3.{minor} is not known: only process-level numbers are shown"
                ));
            }
        }
        .map_err(|why| format!("{why}: only process-level numbers are shown"))?;
        if !thread_state::begin() {
            return Err("the interpreter does not tell its thread state".into());
        }
        place(prepare()?);
        if !codewatch::begin() {
            return Err("the interpreter does not tell when code objects die".into());
        }
        arenas::begin();
        audit::begin();
        libc::pthread_atfork(None, None, Some(after_fork_in_child));
    }
    MINOR.store(minor, Relaxed);
    Ok(())
}

unsafe fn prepare() -> Result<Tracer, String> {
    let api = Api::get();
    let lacking = "the interpreter lacks a function that the tracer needs";
    let books = Books::new().map_err(|error| format!("no memory for the books: {error}"))?;
    // SAFETY: plain calls under the interpreter's lock.
    unsafe {
        let variable =
            api.context_var_new.ok_or(lacking)?(c"cellheap_cell".as_ptr(), std::ptr::null_mut());
        if variable.is_null() {
            return Err("a ContextVar could not be made".into());
        }
        let thread = api.thread_state.ok_or(lacking)?();
        let mut tracer = Tracer::new(books, variable);
        tracer.main_interpreter = api.interpreter.ok_or(lacking)?();
        tracer.main_thread = api.thread_state_id.ok_or(lacking)?(thread);
        Ok(tracer)
    }
}

/// Unhooks; where others have hooked over us the hooks stay and are mute. The live table ends.
///
/// # Safety
/// With the interpreter's lock.
pub unsafe fn stop() {
    if !is_tracing() {
        return;
    }
    // SAFETY: placed, as it is tracing.
    unsafe {
        let tracer = &mut *tracer();
        tracer.muted = true;
        tracer.look_again();
        tracer.books.end_live_table();
        if allocators::unset() {
            SET.store(false, Relaxed);
        }
    }
}

/// Looks whether events still reach us. `tracemalloc.stop` and the like put back what was there before them:
/// then the live table starts anew, and the hooks with it. True if that stretch was lost.
///
/// # Safety
/// Called from a Python function's frame, with the interpreter's lock.
pub unsafe fn look_after() -> bool {
    if !is_tracing() {
        return false;
    }
    // SAFETY: placed and hooked; PyObject_Malloc is called with the lock.
    unsafe {
        let (Some(malloc), Some(free)) = (Api::get().object_malloc, Api::get().object_free) else {
            return false;
        };
        let block = malloc(16);
        let heard = (*tracer()).books.knows(block as usize);
        free(block);
        if heard {
            return false;
        }
        (*tracer()).books.end_live_table();
        SET.store(allocators::set(MINOR.load(Relaxed)), Relaxed);
        (*tracer()).look_again();
    }
    true
}

/// A subinterpreter with a lock of its own may come: from here on the hooks take one too.
pub fn another_interpreter() {
    if is_placed() && !LOCKED.swap(true, Relaxed) && SET.load(Relaxed) {
        // SAFETY: the audit event comes with the interpreter's lock, before the new one runs.
        unsafe { allocators::lock(MINOR.load(Relaxed)) };
    }
}

/// A forked child goes silent: its blocks are not the notebook's.
unsafe extern "C" fn after_fork_in_child() {
    // SAFETY: the child has one thread, the one that forked.
    unsafe {
        if is_placed() {
            (*tracer()).muted = true;
            (*tracer()).look_again();
        }
    }
}

/// In a forked child, with the interpreter's lock: takes the mute hooks away where that is possible.
///
/// # Safety
/// With the interpreter's lock.
pub unsafe fn leave_child() {
    if is_placed() && SET.load(Relaxed) {
        // SAFETY: as the caller promises.
        unsafe {
            if allocators::unset() {
                SET.store(false, Relaxed);
            }
        }
    }
}
