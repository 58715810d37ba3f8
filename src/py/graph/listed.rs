//! The collector's objects, one after the other. Knows neither nodes nor arrows.

use std::collections::HashMap;
use std::ops::Range;

use pyo3::ffi;
use pyo3::prelude::*;

use crate::graph::Stopped;
use crate::hooks::python::symbol;

use super::layout::{self, Layout, word};
use super::texts::type_name;

/// Does something whose new objects must not set off a collection.
pub fn uncollected<T>(_py: Python<'_>, work: impl FnOnce() -> T) -> T {
    // SAFETY: `Python` proves the lock.
    let was_on = unsafe { ffi::PyGC_Disable() } != 0;
    let done = work();
    if was_on {
        // SAFETY: as above.
        unsafe { ffi::PyGC_Enable() };
    }
    done
}

/// The collector's objects.
pub enum Listed<'py> {
    /// It visits them itself.
    Visits(Visits),
    /// It lists them, and the list holds each once (3.11).
    List(Bound<'py, PyAny>),
}

pub type Visits = unsafe extern "C" fn(Visitor, *mut std::ffi::c_void);
pub type Visitor =
    unsafe extern "C" fn(*mut ffi::PyObject, *mut std::ffi::c_void) -> std::ffi::c_int;

impl<'py> Listed<'py> {
    pub fn new(py: Python<'py>, layout: &Layout) -> PyResult<Self> {
        if layout.minor >= 12
            && let Some(visits) = symbol(c"PyUnstable_GC_VisitObjects")
        {
            // SAFETY: the signature is the one that CPython's headers give for the name.
            return Ok(Self::Visits(unsafe {
                std::mem::transmute::<*mut std::ffi::c_void, Visits>(visits)
            }));
        }
        let list = py.import("gc")?.getattr("get_objects")?;
        Ok(Self::List(uncollected(py, || list.call0())?))
    }

    pub fn each(&self, visit: &mut dyn FnMut(usize) -> Result<(), Stopped>) -> Result<(), Stopped> {
        let mut state = (visit, Ok(()));
        match self {
            // SAFETY: the visitor gets what it expects, and touches no object.
            Self::Visits(visits) => unsafe { visits(seen, (&raw mut state).cast()) },
            // SAFETY: a list that nobody else has; items are borrowed.
            Self::List(list) => unsafe {
                for at in 0..ffi::PyList_GET_SIZE(list.as_ptr()) {
                    let object = ffi::PyList_GET_ITEM(list.as_ptr(), at);
                    (state.0)(object as usize)?;
                }
            },
        }
        state.1
    }

    /// Those of the seeds that are held once more by the list.
    pub fn counts(&self, seeds: Range<usize>) -> Range<usize> {
        match self {
            Self::Visits(_) => 0..0,
            Self::List(_) => seeds,
        }
    }
}

type State<'a> = (
    &'a mut dyn FnMut(usize) -> Result<(), Stopped>,
    Result<(), Stopped>,
);

unsafe extern "C" fn seen(
    object: *mut ffi::PyObject,
    state: *mut std::ffi::c_void,
) -> std::ffi::c_int {
    // SAFETY: `each` handed its state over, and waits.
    let (visit, result) = unsafe { &mut *state.cast::<State>() };
    *result = visit(object as usize);
    std::ffi::c_int::from(result.is_ok())
}

/// How many objects of each type the collector knows.
pub fn counts(py: Python<'_>, layout: &Layout) -> PyResult<HashMap<String, u64>> {
    let mut of_type: HashMap<usize, u64> = HashMap::new();
    let listed = Listed::new(py, layout)?;
    let seen = listed.each(&mut |object| {
        // SAFETY: the collector's objects live, and each has its type there.
        *of_type
            .entry(unsafe { word(object, layout::TYPE) })
            .or_default() += 1;
        Ok(())
    });
    seen.map_err(|stopped| super::raised(py, &stopped))?;
    let mut counts = HashMap::new();
    for (of, count) in of_type {
        // SAFETY: the type of an object that lives.
        *counts.entry(unsafe { type_name(layout, of) }).or_default() += count;
    }
    Ok(counts)
}
