//! Starting, stopping and looking after the hooks.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

use crate::heap::books::Books;
use crate::heap::kept::Found;
use crate::heap::spare;

use super::layout::{self, V311, V312, V313, V314};
#[cfg(target_env = "gnu")]
use super::own_memory;
use super::python::{self, Api};
use super::tracer::{Tracer, place, tracer};
use super::turn::{self, Turn};
use super::{arenas, domains, kept, mappings, native, overlaid, thread_state};

/// Where more threads than this were seen, those that are gone are forgotten.
const MANY_THREADS: usize = 256;

/// The minor version whose hooks are in; zero before the first start.
static MINOR: AtomicU32 = AtomicU32::new(0);
/// The C library's allocators are to be left alone.
static PYTHON_ONLY: AtomicBool = AtomicBool::new(false);
static CHILD: AtomicBool = AtomicBool::new(false);
/// Which allocator Python was started with: an index in `NOTES`.
static KIND: AtomicU32 = AtomicU32::new(0);

const NOTES: [Option<&str>; 3] = [
    None,
    Some(
        "Python's small blocks come from the C library here (PYTHONMALLOC): all are counted, but there are no arenas.",
    ),
    Some("Python's debug allocator is on: blocks are counted as requested, without its padding."),
];
const INTERPRETERS: &str =
    "A second interpreter appeared in this process: its blocks count as between cells.";
const NO_NATIVE: &str = "Native memory is not counted (CELLHEAP_NATIVE=off): only what Python's own allocators were asked for.";
const NATIVE_MISSED: &str = "Another tool took native memory's functions over for a while: what libraries allocated meanwhile is not counted, what they freed still is.";
const RESERVES: &str = "What a library's own allocator (pyarrow's, polars') uses counts by the cell, seen as cells begin and end: its lines are not known.";

/// Blocks in Python's free lists, where they can be told. With the interpreter's lock, in a turn at the books.
pub fn kept(books: &Books) -> Found {
    let mut found = Found::default();
    if let Some(lists) = kept::Lists::get() {
        // SAFETY: the callers hold the lock.
        unsafe { lists.each(|address, name| found.note(books, address, name)) };
    }
    found
}

/// A statement of a cell begins: Python's free lists, where they were found, are its own. With the interpreter's lock.
pub fn begin_statement() {
    if let Some(lists) = kept::Lists::get() {
        // SAFETY: the callers hold the lock.
        unsafe { lists.begin_statement(is_tracing()) };
    }
}

/// It ends. With the interpreter's lock.
pub fn end_statement() {
    if let Some(lists) = kept::Lists::get() {
        // SAFETY: the callers hold the lock.
        unsafe { lists.end_statement() };
    }
}

/// Whether there is a tracer at all.
pub fn is_placed() -> bool {
    MINOR.load(Relaxed) != 0
}

/// The minor version of the CPython that is traced; zero before the first start.
pub fn minor() -> u32 {
    MINOR.load(Relaxed)
}

/// Whether this process was forked from one that traced.
pub fn is_child() -> bool {
    CHILD.load(Relaxed)
}

/// Whether allocations are being recorded.
pub fn is_tracing() -> bool {
    // SAFETY: placed, and read under the interpreter's lock as all of this module.
    is_placed() && unsafe { !(*tracer()).muted }
}

/// What to know of the numbers, one sentence each.
pub fn notes() -> Vec<&'static str> {
    // SAFETY: read under the interpreter's lock.
    let others = is_placed() && unsafe { (*tracer()).others };
    let interpreters = others.then_some(INTERPRETERS);
    let python_only = PYTHON_ONLY.load(Relaxed).then_some(NO_NATIVE);
    [
        NOTES[KIND.load(Relaxed) as usize],
        interpreters,
        python_only,
        overlaid::missed().then_some(NATIVE_MISSED),
        mappings::were_reserved().then_some(RESERVES),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Does something with the tracer, if there is one. Nothing in it may call Python.
///
/// # Safety
/// With the interpreter's lock, and not within itself.
pub unsafe fn with<T>(work: impl FnOnce(&mut Tracer) -> T) -> Option<T> {
    if !is_placed() {
        return None;
    }
    let turn = Turn::take();
    // SAFETY: placed, and it is our turn. Hooks of this thread do not run meanwhile.
    let done = work(unsafe { &mut *tracer() });
    drop(turn);
    Some(done)
}

/// Hooks the allocators; blocks that are live now stay "before tracing".
///
/// # Errors
/// One line that says why this build cannot be traced. Nothing is changed then.
///
/// # Safety
/// Called from a Python function's frame, with the interpreter's lock.
pub unsafe fn start() -> Result<(), String> {
    if is_child() {
        return Err("a forked child of a traced process is not traced".into());
    }
    // SAFETY: the caller's promise holds for all that is called here.
    unsafe {
        if !is_placed() {
            first_start()?;
        }
        if is_tracing() {
            look_after();
            return Ok(());
        }
        with(|tracer| {
            tracer.muted = false;
            tracer.chain.doubt_imports();
            tracer.look_again();
        });
        domains::set_where_deaf(MINOR.load(Relaxed));
        begin_native();
        overlaid::look_at_native();
    }
    Ok(())
}

unsafe fn begin_native() {
    if PYTHON_ONLY.load(Relaxed) {
        return;
    }
    // SAFETY: the caller's promise: the lock is held, the layout of this minor was checked.
    unsafe {
        match MINOR.load(Relaxed) {
            11 => native::begin::<V311>(),
            12 => native::begin::<V312>(),
            13 => native::begin::<V313>(),
            _ => native::begin::<V314>(),
        }
    }
}

unsafe fn first_start() -> Result<(), String> {
    let version = python::version().ok_or("this is not CPython 3.11 or newer")?;
    let minor = version >> 16 & 0xff;
    // SAFETY: the caller's promise.
    unsafe {
        let known = match minor {
            11 => layout::check::<V311>().map(|()| thread_state::begin::<V311>()),
            12 => layout::check::<V312>().map(|()| thread_state::begin::<V312>()),
            13 => layout::check::<V313>().map(|()| thread_state::begin::<V313>()),
            14 => layout::check::<V314>().map(|()| thread_state::begin::<V314>()),
            _ => {
                return Err(format!(
                    "CPython 3.{minor} is not known: only process-level numbers are shown"
                ));
            }
        };
        if !known.map_err(|why| format!("{why}: only process-level numbers are shown"))? {
            return Err("the interpreter does not tell its thread state".into());
        }
        KIND.store(kind(), Relaxed);
        let off = std::env::var_os("CELLHEAP_NATIVE").is_some_and(|native| native == "off");
        PYTHON_ONLY.store(off, Relaxed);
        turn::begin();
        place(prepare()?);
        spare::hold();
        #[cfg(target_env = "gnu")]
        own_memory::prepare();
        kept::find(minor);
        MINOR.store(minor, Relaxed);
        arenas::begin();
        libc::pthread_atfork(None, None, Some(after_fork_in_child));
    }
    Ok(())
}

unsafe fn prepare() -> Result<Tracer, String> {
    let api = Api::get();
    let lacking = "the interpreter lacks a function that the tracer needs";
    if api.set_allocator.is_none() || api.get_allocator.is_none() {
        return Err("the interpreter's allocators cannot be hooked".into());
    }
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
        thread_state::set_main(api.interpreter.ok_or(lacking)?());
        tracer.main_thread = api.thread_state_id.ok_or(lacking)?(thread);
        tracer.older = newest_thread();
        Ok(tracer)
    }
}

/// Which of `NOTES` there is to say of Python's allocator.
unsafe fn kind() -> u32 {
    // SAFETY: the caller's promise.
    match unsafe { python::allocator_name() } {
        Some(name) if name.to_bytes().ends_with(b"_debug") => 2,
        Some(name) => u32::from(name == c"malloc"),
        None => 0,
    }
}

/// Unhooks; where others have hooked over us the hooks stay and are mute. The live table ends.
///
/// # Safety
/// With the interpreter's lock.
pub unsafe fn stop() {
    // SAFETY: the caller's promise.
    unsafe {
        if is_tracing() {
            native::end();
            with(mute);
            domains::unset();
        }
    }
}

fn mute(tracer: &mut Tracer) {
    tracer.muted = true;
    tracer.look_again();
    tracer.books.end_live_table();
}

/// Looks whether events still reach us. `tracemalloc.stop` and the like put back what was there before them:
/// then the live table starts anew, and the hooks with it. True if that stretch was lost.
///
/// # Safety
/// With the interpreter's lock.
pub unsafe fn look_after() -> bool {
    // SAFETY: the caller's promise.
    unsafe {
        native::look_for_new_objects();
        overlaid::look_at_native();
        with(Tracer::look_at_reserves);
        let lost = is_tracing() && domains::set_where_deaf(MINOR.load(Relaxed));
        if lost {
            with(|tracer| {
                tracer.books.end_live_table();
                tracer.chain.doubt_imports();
                tracer.look_again();
            });
        }
        forget_threads();
        lost
    }
}

/// Forgets the threads that are gone, where there were many.
unsafe fn forget_threads() {
    let api = Api::get();
    let (Some(interpreter), Some(first), Some(next), Some(id)) = (
        api.interpreter,
        api.first_thread,
        api.next_thread,
        api.thread_state_id,
    ) else {
        return;
    };
    // SAFETY: the caller holds the lock: the list of thread states stays as it is.
    unsafe {
        if with(|tracer| tracer.threads()).unwrap_or(0) <= MANY_THREADS {
            return;
        }
        let mut alive = HashSet::new();
        let mut thread = first(interpreter());
        while !thread.is_null() {
            alive.insert(id(thread));
            thread = next(thread);
        }
        with(|tracer| tracer.forget_threads(|id| alive.contains(&id)));
    }
}

/// The id of the youngest thread state of this interpreter. With the interpreter's lock.
pub fn newest_thread() -> u64 {
    let api = Api::get();
    match (api.interpreter, api.first_thread, api.thread_state_id) {
        // SAFETY: the caller holds the lock; the list of thread states begins with the youngest.
        (Some(interpreter), Some(first), Some(id)) => unsafe { id(first(interpreter())) },
        _ => 0,
    }
}

/// A forked child goes silent: its blocks are not the notebook's.
unsafe extern "C" fn after_fork_in_child() {
    CHILD.store(true, Relaxed);
    native::pass_through();
    turn::give_up_all();
    // SAFETY: placed before this was registered; the child has one thread, the one that forked.
    unsafe {
        (*tracer()).muted = true;
        (*tracer()).look_again();
    }
}

/// In a forked child: takes the mute hooks away where that is possible.
///
/// # Safety
/// With the interpreter's lock.
pub unsafe fn leave_child() {
    if is_placed() {
        // SAFETY: as the caller promises.
        unsafe { domains::unset() };
    }
}
