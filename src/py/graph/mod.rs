//! The object graph as Python sees it: questions in, JSON out. The lock is held for the whole of a call, so that what was read
//! of the objects stays true until it was told.

mod check;
mod contexts;
mod cut;
mod frames;
mod garbage;
mod holders;
mod index;
mod kinds;
mod layout;
mod lenders;
mod listed;
mod look;
mod names;
mod origins;
mod owned;
mod parts;
mod patience;
mod picture;
mod places;
mod pyarrow;
mod report;
mod stdlib;
mod steps;
mod suspects;
mod table;
mod tensors;
mod texts;
mod walk;

use std::sync::OnceLock;

use pyo3::exceptions::{PyKeyboardInterrupt, PyMemoryError, PyRuntimeError};
use pyo3::prelude::*;
use pyo3::types::{PyList, PySet};
use serde::Serialize;

use crate::graph::dominators::Dominators;
use crate::graph::{Stopped, Watch};
use crate::heap::cells::CellId;

use super::tracer::Inside;
use crate::hooks::python::{symbol, version};
use layout::Layout;
use patience::Patience;
use picture::{Asked, Picture};
use places::Places;

/// What every question says: named places, and whether to tell how far it is.
struct Call<'a, 'py> {
    py: Python<'py>,
    list: &'a Bound<'py, PyList>,
    /// Objects to find.
    wanted: Vec<usize>,
    /// Arguments besides the list.
    arguments: Vec<usize>,
    progress: bool,
}

impl<'a, 'py> Call<'a, 'py> {
    /// A question about everything.
    fn new(list: &'a Bound<'py, PyList>, progress: bool) -> Self {
        Self {
            py: list.py(),
            list,
            wanted: Vec::new(),
            arguments: Vec::new(),
            progress,
        }
    }

    /// A question about an object, which is an argument.
    fn about(thing: &Bound<'py, PyAny>, list: &'a Bound<'py, PyList>, progress: bool) -> Self {
        let address = thing.as_ptr() as usize;
        Self {
            wanted: vec![address],
            arguments: vec![address],
            ..Self::new(list, progress)
        }
    }

    /// Takes a picture and asks it.
    fn ask<T: Serialize>(
        self,
        question: impl FnOnce(&mut Picture, &Places, &mut Watch) -> Result<T, Stopped>,
    ) -> PyResult<String> {
        let _inside = Inside::enter(self.py);
        let layout = layout(self.py)?;
        let own = own_files(self.py)?;
        let places = Places::read(self.list)?;
        let mut arguments = self.arguments;
        arguments.push(self.list.as_ptr() as usize);
        let asked = Asked {
            layout,
            places: &places,
            wanted: &self.wanted,
            arguments: &arguments,
            own: &own,
        };
        let mut patience = Patience::new(self.progress);
        let mut ask = |done| patience.goes_on(done);
        let mut watch = Watch::new(&mut ask);
        let mut picture = Picture::take(self.py, &asked, &mut watch)?;
        let told = question(&mut picture, &places, &mut watch)
            .map_err(|stopped| raised(self.py, &stopped))?;
        drop(picture);
        serde_json::to_string(&told).map_err(|error| PyRuntimeError::new_err(error.to_string()))
    }
}

/// The layout of this CPython, once it is known to hold.
fn layout(py: Python<'_>) -> PyResult<&'static Layout> {
    static CHECKED: OnceLock<Result<(), String>> = OnceLock::new();
    let minor = version().map_or(0, |version| version >> 16 & 0xff);
    let is_threaded = symbol(c"_Py_DecRefShared").is_some();
    let layout = Layout::of(minor).filter(|_| !is_threaded).ok_or_else(|| {
        let threaded = if is_threaded { ", free-threaded" } else { "" };
        PyRuntimeError::new_err(format!(
            "the objects of this CPython (3.{minor}{threaded}) cannot be read: their layout is not known"
        ))
    })?;
    if CHECKED.get().is_none() {
        let checked = check::check(py, layout)?;
        // Two threads find the same.
        _ = CHECKED.set(checked);
    }
    match CHECKED.get() {
        Some(Err(wrong)) => Err(differs(minor, wrong)),
        _ => {
            tensors::look(py);
            pyarrow::look(py);
            Ok(layout)
        }
    }
}

fn differs(minor: u32, wrong: &str) -> PyErr {
    PyRuntimeError::new_err(format!(
        "the objects of this CPython do not lie as those of 3.{minor} do, as seen at {wrong}: they cannot be read"
    ))
}

/// Whether objects here lie as a minor's do; raises RuntimeError with what does not.
#[pyfunction]
pub fn graph_check(py: Python<'_>, minor: u32) -> PyResult<()> {
    let _inside = Inside::enter(py);
    let known = Layout::of(minor)
        .ok_or_else(|| PyRuntimeError::new_err(format!("no layout of 3.{minor} is known")))?;
    check::check(py, known)?.map_err(|wrong| differs(minor, &wrong))
}

fn own_files(py: Python<'_>) -> PyResult<String> {
    let path: String = (py.import("cellheap")?.getattr("__path__")?)
        .get_item(0)?
        .extract()?;
    Ok(path + "/")
}

/// The exception for a question that found no answer.
fn raised(py: Python<'_>, stopped: &Stopped) -> PyErr {
    match stopped {
        Stopped::Interrupted => match patience::interrupt(py) {
            Err(error) => error,
            Ok(()) => PyKeyboardInterrupt::new_err(()),
        },
        Stopped::Memory(error) => {
            PyMemoryError::new_err(format!("no memory for the graph: {error}"))
        }
        Stopped::TooMany(_) => PyRuntimeError::new_err(stopped.to_string()),
    }
}

/// JSON of the variables' table: of these names, or of all.
#[pyfunction]
#[pyo3(signature = (places, names = None, progress = true))]
pub fn graph_variables(
    py: Python<'_>,
    places: &Bound<'_, PyList>,
    names: Option<&Bound<'_, PySet>>,
    progress: bool,
) -> PyResult<String> {
    let known = names.map(|names| names.extract()).transpose()?;
    let call = Call {
        arguments: names.iter().map(|names| names.as_ptr() as usize).collect(),
        ..Call::new(places, progress)
    };
    call.ask(|picture, places, watch| table::variables(py, picture, places, known.as_ref(), watch))
}

/// JSON of what would go if an object went.
#[pyfunction]
#[pyo3(signature = (thing, places, progress = true))]
pub fn graph_retained(
    py: Python<'_>,
    thing: &Bound<'_, PyAny>,
    places: &Bound<'_, PyList>,
    progress: bool,
) -> PyResult<String> {
    let call = Call::about(thing, places, progress);
    call.ask(|picture, _, watch| {
        let node = picture.wanted[0];
        let under = under(picture, node, watch)?;
        Ok(report::Retained {
            of: picture.type_of(node),
            shallow: picture.bytes[node as usize],
            retained: picture.settled(&under, &[node], watch)?,
            types: picture.types(&under, 20),
            origin: picture.origin(py, node),
        })
    })
}

/// What goes if a node goes.
fn under(picture: &Picture, node: u32, watch: &mut Watch) -> Result<Vec<u32>, Stopped> {
    let mut roots = picture.roots.to_vec();
    // It may be held by this call alone.
    roots.push(node);
    let dominators = Dominators::new(&picture.network, &roots, watch)?;
    dominators.under(node)
}

/// JSON of who holds an object.
#[pyfunction]
#[pyo3(signature = (thing, places, most = 5, progress = true))]
pub fn graph_holders(
    py: Python<'_>,
    thing: &Bound<'_, PyAny>,
    places: &Bound<'_, PyList>,
    most: usize,
    progress: bool,
) -> PyResult<String> {
    let call = Call::about(thing, places, progress);
    call.ask(|picture, places, watch| {
        let node = picture.wanted[0];
        let under = under(picture, node, watch)?;
        let starts = picture.starts(places);
        let (chains, holders) = picture.chains(node, &starts, places, most, watch)?;
        Ok(report::Holders {
            of: picture.type_of(node),
            retained: picture.settled(&under, &[node], watch)?,
            chains,
            holders,
            origin: picture.origin(py, node),
            weak: picture.weak_references(node),
            unseen: picture.roots.contains(&node),
            garbage: holders == 0 && !picture.roots.contains(&node),
            immortal: picture.is_immortal(node),
        })
    })
}

/// JSON of the cycles that the next full collection would find.
#[pyfunction]
#[pyo3(signature = (places, most = 10, progress = true))]
pub fn graph_cycles(
    py: Python<'_>,
    places: &Bound<'_, PyList>,
    most: usize,
    progress: bool,
) -> PyResult<String> {
    let call = Call::new(places, progress);
    call.ask(|picture, _, watch| garbage::cycles(py, picture, most, watch))
}

/// JSON of what goes when steps are taken, one after the other.
#[pyfunction]
#[pyo3(signature = (steps, places, progress = true))]
pub fn graph_predict(
    py: Python<'_>,
    steps: &Bound<'_, PyList>,
    places: &Bound<'_, PyList>,
    progress: bool,
) -> PyResult<String> {
    let read = cut::Step::read(steps)?;
    let call = Call {
        wanted: cut::Step::objects(&read),
        arguments: vec![steps.as_ptr() as usize],
        ..Call::new(places, progress)
    };
    call.ask(|picture, places, watch| cut::predict(py, picture, places, &read, watch))
}

/// JSON of all that a report of the notebook asks, of one picture. `steps` let go of outputs and of the last exception;
/// `names` are a person's variables.
#[pyfunction]
#[pyo3(signature = (names, steps, least, places, progress = true))]
pub fn graph_suspects(
    py: Python<'_>,
    names: &Bound<'_, PySet>,
    steps: &Bound<'_, PyList>,
    least: u64,
    places: &Bound<'_, PyList>,
    progress: bool,
) -> PyResult<String> {
    let wanted = suspects::Wanted {
        names: names.extract()?,
        steps: cut::Step::read(steps)?,
        least,
    };
    let call = Call {
        wanted: cut::Step::objects(&wanted.steps),
        arguments: vec![steps.as_ptr() as usize, names.as_ptr() as usize],
        ..Call::new(places, progress)
    };
    call.ask(|picture, places, watch| suspects::suspects(py, picture, places, &wanted, watch))
}

/// JSON of the types of what is alive, by cell.
#[pyfunction]
#[pyo3(signature = (cell, places, most = 10, progress = true))]
pub fn graph_survivors(
    py: Python<'_>,
    cell: Option<u32>,
    places: &Bound<'_, PyList>,
    most: usize,
    progress: bool,
) -> PyResult<String> {
    let call = Call::new(places, progress);
    call.ask(|picture, _, _| Ok(origins::survivors(py, picture, cell.map(CellId), most)))
}

/// JSON of who holds most of what the cells after one up to another left behind; null where that is nothing.
#[pyfunction]
#[pyo3(signature = (since, until, places, progress = true))]
pub fn graph_newer(
    py: Python<'_>,
    since: u32,
    until: u32,
    places: &Bound<'_, PyList>,
    progress: bool,
) -> PyResult<String> {
    let call = Call::new(places, progress);
    let cells = since.saturating_add(1)..=until;
    call.ask(|picture, places, watch| origins::grown(py, picture, places, cells, watch))
}

/// JSON of how many objects of each type the collector knows.
#[pyfunction]
pub fn graph_types(py: Python<'_>) -> PyResult<String> {
    let counts = listed::counts(py, layout(py)?)?;
    serde_json::to_string(&counts).map_err(|error| PyRuntimeError::new_err(error.to_string()))
}

/// Whether what pyarrow's C++ has was read, as far as the last question knew; true where pyarrow is not loaded.
#[pyfunction]
pub fn graph_reads_pyarrow() -> bool {
    pyarrow::is_read()
}
