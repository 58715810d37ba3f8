//! What acts give back, to the byte: each with a collection after it between two readings of the books.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use crate::heap::process;
use crate::hooks::arenas;

use super::tracer::with;

/// Bytes and blocks that went by the books, what malloc's use and older arenas fell by, how many objects the collection
/// found, and those that are still there.
type Weighed<'py> = (i64, i64, i64, i64, Vec<Bound<'py, PyAny>>);

/// Collects all, does each act and collects `generation`; tells what went by each, and which objects that the collector knows
/// are still at its addresses then. Not all acts are done where that takes longer than `most` seconds, but one at least.
///
/// No bytecode runs here. Where the acts are C's alone and no finalizer runs Python, no other thread of Python's comes in
/// between: it would leave blocks in the free lists that the first collection has emptied, and put objects where others were.
#[pyfunction]
pub fn weigh<'py>(
    py: Python<'py>,
    acts: Vec<(Bound<'py, PyAny>, HashSet<usize>)>,
    generation: i32,
    most: f64,
) -> PyResult<Vec<Weighed<'py>>> {
    let until = Instant::now() + Duration::from_secs_f64(most);
    let collector = Collector::new(py, generation)?;
    let mut weighed = Vec::with_capacity(acts.len());
    let mut is_clean = false;
    for (act, addresses) in acts {
        if !weighed.is_empty() && Instant::now() >= until {
            break;
        }
        if !is_clean {
            collector.collect_all()?;
        }
        let beneath = beneath_the_books();
        let (bytes, blocks) = reading(py);
        act.call0()?;
        let found = collector.collect()?;
        let (bytes_left, blocks_left) = reading(py);
        let beneath_left = beneath_the_books();
        // What the collection found may have left more behind as it went.
        is_clean = collector.takes_all && found == 0;
        let fell = |before: u64, after: u64| before.cast_signed() - after.cast_signed();
        weighed.push((
            fell(bytes, bytes_left),
            fell(blocks, blocks_left),
            beneath - beneath_left,
            found,
            collector.known_at(&addresses)?,
        ));
    }
    Ok(weighed)
}

/// `gc`, called with arguments that were made before: what a reading would find of a call is the same each time.
struct Collector<'py> {
    collect: Bound<'py, PyAny>,
    objects: Bound<'py, PyAny>,
    all: Bound<'py, PyTuple>,
    some: Bound<'py, PyTuple>,
    takes_all: bool,
}

impl<'py> Collector<'py> {
    fn new(py: Python<'py>, generation: i32) -> PyResult<Self> {
        const ALL: i32 = 2;
        let gc = py.import("gc")?;
        Ok(Self {
            collect: gc.getattr("collect")?,
            objects: gc.getattr("get_objects")?,
            all: PyTuple::new(py, [ALL])?,
            some: PyTuple::new(py, [generation])?,
            takes_all: generation == ALL,
        })
    }

    fn collect_all(&self) -> PyResult<()> {
        self.collect.call1(&self.all)?;
        forget_attributes();
        Ok(())
    }

    /// Collects the generation; how many objects it found.
    fn collect(&self) -> PyResult<i64> {
        let found = self.collect.call1(&self.some)?.extract()?;
        forget_attributes();
        Ok(found)
    }

    /// The objects that the collector knows at these addresses.
    fn known_at(&self, addresses: &HashSet<usize>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let (Some(lowest), Some(highest)) = (addresses.iter().min(), addresses.iter().max()) else {
            return Ok(Vec::new());
        };
        let is_meant = |object: &Bound<'py, PyAny>| {
            let address = object.as_ptr() as usize;
            (*lowest..=*highest).contains(&address) && addresses.contains(&address)
        };
        let all = self.objects.call0()?.cast_into::<PyList>()?;
        Ok(all.iter().filter(is_meant).collect())
    }
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
