//! The limit as Python sees it: set, asked for, and raised. Where it may be raised `hooks` says; the words are Python's.

use std::ffi::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use pyo3::exceptions::{PyMemoryError, PyRuntimeError};
use pyo3::prelude::*;

use crate::heap::allowance::{self, Source};
use crate::heap::limit::CallId;
use crate::heap::stops::{Stop, Stops};
use crate::hooks::{control, limit, lookout};

use super::tracer::{Inside, with};

/// Makes an error of a stop: `(json, thread)`.
static MAKE: OnceLock<Py<PyAny>> = OnceLock::new();

/// Whether limits can be watched here, and with what an error is made: `make(json, None)` gives the exception to raise in
/// the main thread, `make(json, ident)` an exception's class for another. Raises RuntimeError with one line.
#[pyfunction]
pub fn limit_prepare(py: Python<'_>, make: Py<PyAny>) -> PyResult<()> {
    with(py, |_| ())?;
    if MAKE.get().is_some() {
        return Ok(());
    }
    let any = PyMemoryError::new_err(()).into_value(py).into_any();
    // SAFETY: an event file is ours alone.
    let bell = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
    // SAFETY: there is a tracer, and `Python` proves the lock.
    let right = unsafe { limit::begin(control::minor(), due, bell, any.as_ptr().cast()) };
    if !right || bell < 0 {
        return Err(PyRuntimeError::new_err(
            "code cannot be stopped on this build of CPython",
        ));
    }
    let thread = std::thread::Builder::new().name("cellheap-limit".into());
    thread
        .spawn(move || serve(bell))
        .map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
    // Another thread may have been quicker: then this is the same function.
    let _ = MAKE.set(make);
    Ok(())
}

/// Live bytes may go up to so many; None: to any number. After `limit_prepare`.
#[pyfunction]
pub fn limit_set(py: Python<'_>, most: Option<u64>) -> PyResult<()> {
    with(py, |_| ())?;
    // SAFETY: there is a tracer, and `Python` proves the lock.
    unsafe { limit::change(|limit| limit.set_notebook(most)) };
    lookout::set_notebook_limit(most);
    Ok(())
}

/// The notebook's limit, if one is set, and the live bytes that count, where there is a tracer.
#[pyfunction]
pub fn limit_state(py: Python<'_>) -> (Option<u64>, u64) {
    with(py, |tracer| {
        let tide = &tracer.books.tide;
        (tide.limit.notebook(), tide.live)
    })
    .unwrap_or_default()
}

/// Until `limit_call_end` live bytes may grow by so many. Returns our id of the call. After `limit_prepare`.
#[pyfunction]
pub fn limit_call_begin(py: Python<'_>, growth: u64) -> PyResult<u32> {
    let live = with(py, |tracer| tracer.books.tide.live)?;
    // SAFETY: as in `limit_set`.
    let id = unsafe { limit::change(|limit| limit.begin_call(live.saturating_add(growth))) };
    Ok(id.0)
}

#[pyfunction]
pub fn limit_call_end(py: Python<'_>, id: u32) -> PyResult<()> {
    with(py, |_| ())?;
    // SAFETY: as in `limit_set`.
    unsafe { limit::change(|limit| limit.end_call(CallId(id))) };
    Ok(())
}

/// JSON of the latest requests that were refused, a list of `heap::stops::Stop`, the latest first.
#[pyfunction]
pub fn limit_refusals() -> PyResult<String> {
    let text = limit::stops(|stops| {
        let all: Vec<&Stop> = stops.latest().collect();
        serde_json::to_string(&all)
    });
    text.map_err(|error| PyRuntimeError::new_err(error.to_string()))
}

/// Forgets the requests that were refused: another cell begins.
#[pyfunction]
pub fn limit_forget() {
    limit::stops(Stops::clear);
}

/// For `gc.callbacks`: nobody is stopped during a collection.
#[pyfunction]
#[pyo3(signature = (phase, _info = None))]
pub fn limit_collecting(phase: &str, _info: Option<&Bound<'_, PyAny>>) {
    limit::set_collecting(phase == "start");
}

/// What there is to share, in bytes, and what says so; None where the system does not tell.
#[pyfunction]
pub fn container() -> Option<(u64, &'static str)> {
    let allowance = allowance::container()?;
    let source = match allowance.source {
        Source::ControlGroup(_) => "the container's limit",
        Source::AddressSpace => "the limit of address space",
        Source::Machine => "this machine's memory",
    };
    Some((allowance.bytes, source))
}

/// The interpreter calls us on its main thread, between two instructions: what is raised here is raised there.
unsafe extern "C" fn due(_: *mut c_void) -> c_int {
    let raised = catch_unwind(|| {
        Python::attach(|py| {
            // SAFETY: pending calls run on the main thread, with the lock.
            let Some(stop) = (unsafe { limit::stop_main() }) else {
                return false;
            };
            let _inside = Inside::enter(py);
            let error = match make(py, &stop, None) {
                Ok(error) => PyErr::from_value(error),
                Err(error) => error,
            };
            error.restore(py);
            true
        })
    });
    if raised.unwrap_or(false) { -1 } else { 0 }
}

fn make<'py>(py: Python<'py>, stop: &Stop, thread: Option<usize>) -> PyResult<Bound<'py, PyAny>> {
    let json =
        serde_json::to_string(stop).map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
    match MAKE.get() {
        Some(make) => make.bind(py).call1((json, thread)),
        None => Err(PyMemoryError::new_err("past the limit")),
    }
}

/// Our own thread: sees to threads other than the main one. Whoever waits for Python's lock as it ends waits for good.
fn serve(bell: c_int) {
    crate::hooks::sampler::block_signals();
    let mut rings = 0_u64;
    loop {
        // SAFETY: eight bytes of ours are filled.
        let read = unsafe { libc::read(bell, (&raw mut rings).cast(), size_of::<u64>()) };
        if read > 0 {
            let seen = catch_unwind(AssertUnwindSafe(|| Python::try_attach(stop_worker)));
            limit::worker_done();
            if matches!(seen, Ok(None)) {
                return;
            }
        } else if std::io::Error::last_os_error().kind() != std::io::ErrorKind::Interrupted {
            return;
        }
    }
}

fn stop_worker(py: Python<'_>) {
    let _inside = Inside::enter(py);
    // SAFETY: `Python` proves the lock.
    let Some((thread, stop)) = (unsafe { limit::stop_worker() }) else {
        return;
    };
    let class = make(py, &stop, Some(thread));
    // Python ran for that, and the thread may have gone on meanwhile: into an `except`, or to its end.
    // SAFETY: as above; from here on the lock is not given up. The thread's id is as `threading.get_ident` says; an
    // exception's class may be raised in it.
    unsafe {
        if let Ok(class) = class
            && limit::is_worker_stoppable()
        {
            pyo3::ffi::PyThreadState_SetAsyncExc(thread as _, class.as_ptr());
        }
    }
}
