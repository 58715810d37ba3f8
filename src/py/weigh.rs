//! What an act gives back, to the byte: the act and a collection between two readings of the books.

use std::collections::{HashMap, HashSet};

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use crate::heap::process;
use crate::hooks::arenas;

use super::tracer::with;

/// Bytes and blocks that went by the books, what malloc's use and older arenas fell by, how many objects the last collection
/// found, and those that are still there.
type Weighed<'py> = (i64, i64, i64, i64, Vec<Bound<'py, PyAny>>);

/// Collects all, does `act`, collects `generation`; tells what went between, and which objects that the collector knows are
/// still at `addresses`.
///
/// No bytecode runs here. Where the act is C's alone and no finalizer runs Python, no other thread of Python's comes in
/// between: it would leave blocks in the free lists that the first collection has emptied, and put objects where others were.
#[pyfunction]
pub fn weigh<'py>(
    act: &Bound<'py, PyAny>,
    generation: i32,
    addresses: HashSet<usize>,
) -> PyResult<Weighed<'py>> {
    let py = act.py();
    let gc = py.import("gc")?;
    let (collect, objects) = (gc.getattr("collect")?, gc.getattr("get_objects")?);
    // Made before: what a reading would find of a call is the same both times.
    let (all, some) = (PyTuple::new(py, [2])?, PyTuple::new(py, [generation])?);
    collect.call1(&all)?;
    forget_attributes();
    let beneath = beneath_the_books();
    let (bytes, blocks) = reading(py);
    act.call0()?;
    let found = collect.call1(&some)?.extract()?;
    forget_attributes();
    let (bytes_left, blocks_left) = reading(py);
    let beneath_left = beneath_the_books();
    let mut there = Vec::new();
    if !addresses.is_empty() {
        let all = objects.call0()?.cast_into::<PyList>()?;
        there.extend(
            all.iter()
                .filter(|object| addresses.contains(&(object.as_ptr() as usize))),
        );
    }
    let fell = |before: u64, after: u64| before.cast_signed() - after.cast_signed();
    Ok((
        fell(bytes, bytes_left),
        fell(blocks, blocks_left),
        beneath - beneath_left,
        found,
        there,
    ))
}

/// Empties the interpreter's cache of types' attributes, which keeps the names that were looked up last.
#[pyfunction]
pub fn forget_attributes() {
    // SAFETY: Python functions run with the lock; what is not in the cache is looked up.
    unsafe { ffi::PyType_ClearCache() };
}

/// malloc's use, less the arenas from before tracing that are gone: what it falls by was given back, whoever knew of it.
fn beneath_the_books() -> i64 {
    process::malloc_bytes().cast_signed() - arenas::older_gone().cast_signed()
}

fn reading(py: Python<'_>) -> (u64, u64) {
    with(py, |tracer| tracer.books.sites().within_reach()).unwrap_or_default()
}

/// Puts None in the place of each value of a list that nothing but the list holds, and of what is held by none but those, until
/// all that are left are held by others.
#[pyfunction]
pub fn let_go_unheld(values: &Bound<'_, PyList>) -> PyResult<()> {
    loop {
        let mut places = HashMap::<usize, Vec<usize>>::new();
        for (at, value) in values
            .iter()
            .enumerate()
            .filter(|(_, value)| !value.is_none())
        {
            places.entry(value.as_ptr() as usize).or_default().push(at);
        }
        places.retain(|address, places| {
            // SAFETY: the list holds the object, and nothing was let go of since it was read.
            let held = unsafe { ffi::Py_REFCNT(*address as *mut ffi::PyObject) };
            held == places.len().cast_signed()
        });
        if places.is_empty() {
            return Ok(());
        }
        for at in places.into_values().flatten() {
            values.set_item(at, values.py().None())?;
        }
    }
}
