//! The tracer as Python sees it: start and stop, cells, whose blocks are our own.

use std::sync::atomic::{AtomicPtr, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::heap::cells::{CellId, Reading};
use crate::heap::{descriptors, process, spare};
use crate::hooks::python::Api;
use crate::hooks::tracer::Tracer;
use crate::hooks::{control, lookout, sampler};

/// `gc.get_stats`, looked up once.
static STATS: AtomicPtr<pyo3::ffi::PyObject> = AtomicPtr::new(std::ptr::null_mut());

/// Why the last start did not come about.
static OBSTACLE: Mutex<Option<String>> = Mutex::new(None);

/// Does something with the tracer. Nothing in it may call Python. RuntimeError where none was ever started.
pub(super) fn with<T>(_: Python<'_>, work: impl FnOnce(&mut Tracer) -> T) -> PyResult<T> {
    // SAFETY: `Python` proves that the interpreter's lock is held, and `work` cannot get here again without one.
    unsafe { control::with(work) }
        .ok_or_else(|| PyRuntimeError::new_err("the tracer was never started in this process"))
}

pub(super) fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}

/// Hooks Python's allocators. Blocks that are live now are "before tracing". Harmless while tracing.
///
/// Raises RuntimeError with one line where this build cannot be traced.
#[pyfunction]
pub fn trace_start(py: Python<'_>) -> PyResult<()> {
    let package = py
        .import("cellheap")?
        .getattr("__path__")?
        .get_item(0)?
        .extract::<String>()?;
    // SAFETY: we are called from Python, with the lock.
    let started = unsafe { control::start() };
    *OBSTACLE.lock().unwrap_or_else(PoisonError::into_inner) = started.clone().err();
    started.map_err(PyRuntimeError::new_err)?;
    let first = with(py, |tracer| {
        let first = tracer.own_files.is_empty();
        if first {
            tracer.kernel_files = ["app/", "__main__.py", "statements.py", "wrapped.py"]
                .map(|part| format!("{package}/{part}"))
                .into();
            tracer.own_files.push(package + "/");
            tracer.void();
        }
        first
    })?;
    if first {
        let options = PyDict::new(py);
        options.set_item("after_in_child", wrap_pyfunction!(leave_child, py)?)?;
        py.import("os")?
            .call_method("register_at_fork", (), Some(&options))?;
        py.import("atexit")?
            .call_method1("register", (wrap_pyfunction!(trace_stop, py)?,))?;
    }
    Ok(())
}

/// Unhooks: from here on nothing is recorded and nothing is slower. The live table ends.
#[pyfunction]
pub fn trace_stop() {
    // SAFETY: Python functions run with the lock.
    unsafe { control::stop() };
}

#[pyfunction]
fn leave_child() {
    // SAFETY: Python functions run with the lock.
    unsafe { control::leave_child() };
}

/// Whether allocations are being recorded.
#[pyfunction]
pub fn tracing() -> bool {
    control::is_tracing()
}

/// What to know of the numbers, or why there are none, in one line; None where there is nothing to say.
#[pyfunction]
pub fn trace_note() -> Option<String> {
    let obstacle = OBSTACLE
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .as_ref()
        .map(|why| format!("Memory is not recorded: {why}."));
    let notes: Vec<String> = (control::notes().into_iter().map(str::to_owned))
        .chain(obstacle)
        .collect();
    (!notes.is_empty()).then(|| notes.join(" "))
}

/// Code whose `co_filename` starts with one of these is the notebook's.
#[pyfunction]
pub fn set_notebook_files(py: Python<'_>, prefixes: Vec<String>) -> PyResult<()> {
    lookout::set_notebook_files(prefixes.clone());
    with(py, |tracer| {
        tracer.notebook_files = prefixes;
        tracer.void();
    })
}

/// A cell begins: what is allocated in this context from here on is its. Returns our id of the cell; 0 in a forked child.
///
/// Runs of the same code have the same `code`, 0 is unknown. With `reset_hwm` the process's high-water mark of RSS starts
/// anew (and `ru_maxrss` with it); without, the cell has none.
#[pyfunction]
#[pyo3(signature = (number, reset_hwm = true, code = 0))]
pub fn cell_begin(
    py: Python<'_>,
    number: Option<u32>,
    reset_hwm: bool,
    code: u64,
) -> PyResult<u32> {
    if control::is_child() {
        return Ok(0);
    }
    let _inside = Inside::enter(py);
    // SAFETY: called from Python, with the lock.
    let lost = unsafe { control::look_after() };
    let reading = reading(py)?;
    if reset_hwm && with(py, |tracer| tracer.books.any_runs())? {
        let peak = process::rss_peak();
        with(py, |tracer| tracer.books.keep_rss_peak(peak))?;
    }
    let marked = reset_hwm && process::reset_rss_peak();
    let cell = with(py, |tracer| {
        let cell = tracer.books.begin(number, now(), reading);
        tracer.older = control::newest_thread();
        if let Some(record) = tracer.books.record_mut(cell) {
            record.traced = !lost && control::is_tracing();
            record.rss_marked = marked;
            record.code = code;
        }
        cell
    })?;
    name_in_context(py, cell)?;
    let live = with(py, |tracer| {
        tracer.look_again();
        tracer.books.tide.live
    })?;
    sampler::begin(cell, live, reading.rss.unwrap_or(0));
    Ok(cell.0)
}

/// The cell ended. An unknown id is ignored.
#[pyfunction]
#[pyo3(signature = (id, failed = false))]
pub fn cell_end(py: Python<'_>, id: u32, failed: bool) -> PyResult<()> {
    if control::is_child() {
        return Ok(());
    }
    let _inside = Inside::enter(py);
    let reading = reading(py)?;
    let rss_peak = process::rss_peak();
    // SAFETY: called from Python, with the lock.
    let lost = unsafe { control::look_after() };
    let cell = CellId(id);
    let (live, between) = with(py, |tracer| {
        let live = tracer.books.tide.live;
        tracer.books.end(cell, failed, now(), reading, rss_peak);
        if (lost || !control::is_tracing())
            && let Some(record) = tracer.books.record_mut(cell)
        {
            record.traced = false;
        }
        (live, tracer.books.between)
    })?;
    sampler::end(cell, live, reading.rss.unwrap_or(0));
    name_in_context(py, between)?;
    with(py, Tracer::look_again)
}

/// A statement of a cell begins, or a whole cell that is one piece of code: Python's free lists are its own.
#[pyfunction]
pub fn statement_begin() {
    control::begin_statement();
}

/// The statement ended: what it left in free lists is given back.
#[pyfunction]
pub fn statement_end() {
    control::end_statement();
}

/// Lets the running context name a cell.
fn name_in_context(py: Python<'_>, cell: CellId) -> PyResult<()> {
    let (variable, api) = (with(py, |tracer| tracer.variable)?, Api::get());
    let (Some(number), Some(set)) = (api.long_from_long, api.context_var_set) else {
        return Err(PyRuntimeError::new_err(
            "the interpreter has no context variables",
        ));
    };
    // SAFETY: the variable is a ContextVar that we never give up; new references are owned by `Bound`.
    unsafe {
        let value = Bound::from_owned_ptr_or_err(py, number(i64::from(cell.0)).cast())?;
        Bound::from_owned_ptr_or_err(py, set(variable, value.as_ptr().cast()).cast())?;
    }
    Ok(())
}

fn reading(py: Python<'_>) -> PyResult<Reading> {
    let (minor_faults, major_faults) = process::faults();
    Ok(Reading {
        rss: process::rss(),
        open_files: descriptors::open_files(),
        minor_faults,
        major_faults,
        collections: collections(py)?,
    })
}

fn collections(py: Python<'_>) -> PyResult<[u64; 3]> {
    let mut stats = STATS.load(Relaxed);
    if stats.is_null() {
        stats = py.import("gc")?.getattr("get_stats")?.into_ptr();
        STATS.store(stats, Relaxed);
    }
    // SAFETY: the reference was given up to the static, so the function lives.
    let stats = unsafe { Bound::from_borrowed_ptr(py, stats) }.call0()?;
    let mut counts = [0; 3];
    for (generation, count) in counts.iter_mut().enumerate() {
        *count = stats
            .get_item(generation)?
            .get_item(intern!(py, "collections"))?
            .extract()?;
    }
    Ok(counts)
}

/// The cell that runs in this context, by our id; 0 before the first.
#[pyfunction]
pub fn current_cell(py: Python<'_>) -> u32 {
    with(py, |tracer| tracer.cell.0).unwrap_or(0)
}

/// Our id of the latest run of execution count `number`.
#[pyfunction]
pub fn cell_id(py: Python<'_>, number: u32) -> Option<u32> {
    with(py, |tracer| tracer.books.latest(number))
        .ok()?
        .map(|cell| cell.0)
}

/// Forgets the cells recorded so far. What is live stays live, with "(before cells)" as its origin.
#[pyfunction]
pub fn reset(py: Python<'_>) {
    let forget = |tracer: &mut Tracer| {
        tracer.books.reset();
        tracer.look_again();
    };
    if with(py, forget).is_ok() {
        sampler::reset();
    }
}

/// For judges of totals: from the next `trace_start` on every block counts as the notebook's. Raises RuntimeError
/// while tracing. Returns the address of two u64: live bytes, and the most there was since the last cell began.
#[pyfunction]
pub fn totals_address(py: Python<'_>) -> PyResult<usize> {
    if tracing() {
        return Err(PyRuntimeError::new_err("stop tracing first"));
    }
    with(py, |tracer| {
        tracer.books.count_everything();
        &raw const tracer.books.tide as usize
    })
}

/// Blocks made inside are cellheap's, whatever code makes them: `with own(): ...`. Harmless where no tracer is.
#[pyclass(frozen, name = "own", module = "cellheap._core")]
pub struct Own;

#[pymethods]
impl Own {
    #[new]
    fn new() -> Self {
        Self
    }

    fn __enter__(&self, py: Python<'_>) {
        let thread = thread(py);
        with(py, |tracer| tracer.enter_own(thread)).unwrap_or_default();
    }

    #[pyo3(signature = (*_error))]
    fn __exit__(&self, py: Python<'_>, _error: &Bound<'_, pyo3::types::PyTuple>) {
        let thread = thread(py);
        with(py, |tracer| tracer.leave_own(thread)).unwrap_or_default();
    }
}

/// The same for the rest of a function here.
pub(super) struct Inside<'py>(Python<'py>);

impl<'py> Inside<'py> {
    /// Where there is no tracer, nothing is to be said of it.
    pub(super) fn enter(py: Python<'py>) -> Self {
        Own.__enter__(py);
        Self(py)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        let thread = thread(self.0);
        with(self.0, |tracer| tracer.leave_own(thread)).unwrap_or_default();
    }
}

/// The id of this thread's state.
fn thread(_: Python<'_>) -> u64 {
    // SAFETY: called from Python, so this thread has a state.
    unsafe { pyo3::ffi::PyThreadState_GetID(pyo3::ffi::PyThreadState_Get()) }.cast_unsigned()
}

/// Where memory or descriptors are short, what was kept for us is free inside: `with spare(): ...`.
#[pyclass(frozen, name = "spare", module = "cellheap._core")]
pub struct Spare;

#[pymethods]
impl Spare {
    #[new]
    fn new() -> Self {
        Self
    }

    fn __enter__(&self) {
        spare::let_go();
    }

    #[pyo3(signature = (*_error))]
    fn __exit__(&self, _error: &Bound<'_, pyo3::types::PyTuple>) {
        spare::hold();
    }
}
