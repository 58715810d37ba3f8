//! Reports as Python sees them: JSON of the types of `heap::report`.

use pyo3::exceptions::{PyKeyError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use serde::Serialize;

use crate::heap::books::Books;
use crate::heap::cells::CellId;
use crate::heap::journal::NoDiff;
use crate::heap::report::Process;
use crate::heap::sites::cellheap;
use crate::heap::spans::SpanId;
use crate::heap::{fullness, process, reporter, stacks};
use crate::hooks::{arenas, control, sampler};
use crate::wire;

use super::tracer::{Inside, now, with};

/// JSON of `heap::report::Overview`; its history, which takes going through all ends of cells, only where it is asked for.
#[pyfunction]
#[pyo3(signature = (history = false))]
pub fn overview(py: Python<'_>, history: bool) -> PyResult<String> {
    json(&with(py, |tracer| {
        tracer.look_at_reserves();
        let books = &tracer.books;
        let mut overview = reporter::overview(books, process_of(books), now(), notes());
        if history {
            overview.history = reporter::history(books);
        }
        overview
    })?)
}

/// JSON of `heap::report::CellReport`; of the library functions under each line the `most` biggest, where that is given. Raises
/// KeyError for an unknown id.
#[pyfunction]
#[pyo3(signature = (id, most = None))]
pub fn cell_report(py: Python<'_>, id: u32, most: Option<usize>) -> PyResult<String> {
    let (cell, points) = (CellId(id), sampler::points(CellId(id)));
    let report = with(py, |tracer| {
        tracer.look_at_reserves();
        reporter::cell_report(&tracer.books, cell, most, &points, now(), notes())
    })?;
    json(&report.ok_or_else(|| PyKeyError::new_err(id))?)
}

/// JSON of `heap::report::Diff`, between the ends of two cells by our ids. Raises ValueError where it cannot be told:
/// its argument is "from" or "to" (that cell's end is not known), "backwards" or "cut".
#[pyfunction]
pub fn diff(py: Python<'_>, from_cell: u32, to_cell: u32) -> PyResult<String> {
    let (from, to) = (CellId(from_cell), CellId(to_cell));
    let diff = with(py, |tracer| {
        tracer.look_at_reserves();
        tracer.books.diff(from, to)
    })?;
    let mut diff = diff.map_err(|why| {
        PyValueError::new_err(match why {
            NoDiff::NoEnd(cell) if cell == from => "from",
            NoDiff::NoEnd(_) => "to",
            NoDiff::Backwards => "backwards",
            NoDiff::Cut => "cut",
        })
    })?;
    diff.notes = notes();
    json(&diff)
}

/// Bytes live now that our own API made.
#[pyfunction]
pub fn own_live(py: Python<'_>) -> PyResult<u64> {
    with(py, |tracer| tracer.books.sites().live_of(cellheap))
}

/// JSON of `heap::report::Live`; `most` as in `cell_report`.
#[pyfunction]
#[pyo3(signature = (most = None))]
pub fn live(py: Python<'_>, most: Option<usize>) -> PyResult<String> {
    json(&with(py, |tracer| {
        tracer.look_at_reserves();
        let books = &tracer.books;
        let (known, older) = arenas::known(books.table());
        let arenas = fullness::arenas(books, &known, older);
        let process = Process {
            arena_live: arenas.live,
            ..process_of(books)
        };
        let kept = control::kept(books);
        reporter::live(books, most, process, arenas, kept, now(), notes())
    })?)
}

/// JSON of `heap::report::HeapMap`.
#[pyfunction]
pub fn heap_map(py: Python<'_>) -> PyResult<String> {
    let mut map = with(py, |tracer| {
        let books = &tracer.books;
        let (known, older) = arenas::known(books.table());
        fullness::map(books, &known, older)
    })?;
    map.notes = notes();
    json(&map)
}

/// JSON of `heap::report::Process`.
#[pyfunction]
#[pyo3(name = "process")]
pub fn process_json(py: Python<'_>) -> PyResult<String> {
    json(&with(py, |tracer| process_of(&tracer.books)).unwrap_or_else(|_| process::read()))
}

/// Hands malloc's free memory back to the system. False where this C library cannot.
#[pyfunction]
pub fn trim(py: Python<'_>) -> bool {
    py.detach(wire::trim)
}

fn process_of(books: &Books) -> Process {
    let arenas = arenas::mapped();
    Process {
        arenas: arenas.len() as u64,
        arena_bytes: arenas.iter().map(|(_, size)| *size as u64).sum(),
        older_unmapped: arenas::older_gone(),
        books: books.bytes() + sampler::bytes(),
        ..process::read()
    }
}

fn notes() -> Vec<String> {
    control::notes().into_iter().map(str::to_owned).collect()
}

/// JSON of `heap::report::Stacks`, of a cell by our id or of the whole notebook. Raises KeyError for an unknown id.
#[pyfunction]
#[pyo3(name = "stacks", signature = (id = None))]
pub fn stacks_json(py: Python<'_>, id: Option<u32>) -> PyResult<String> {
    let stacks = with(py, |tracer| {
        tracer.look_at_reserves();
        stacks::stacks(&tracer.books, id.map(CellId), notes())
    })?;
    json(&stacks.ok_or_else(|| PyKeyError::new_err(id))?)
}

/// What happens from here on is measured on its own until `span_end`. Returns our id of the span; 0 in a forked child.
#[pyfunction]
pub fn span_begin(py: Python<'_>) -> PyResult<u64> {
    if control::is_child() {
        return Ok(0);
    }
    let _inside = Inside::enter(py);
    with(py, |tracer| {
        tracer.look_at_reserves();
        let kept = control::kept(&tracer.books);
        tracer.books.begin_span(now(), kept).0
    })
}

/// JSON of `heap::report::Span`. Raises KeyError for an unknown id.
#[pyfunction]
pub fn span_end(py: Python<'_>, id: u64) -> PyResult<String> {
    let _inside = Inside::enter(py);
    let span = with(py, |tracer| {
        tracer.look_at_reserves();
        let kept = control::kept(&tracer.books);
        tracer.books.end_span(SpanId(id), now(), &kept)
    })?;
    let mut span = span.ok_or_else(|| PyKeyError::new_err(id))?;
    span.traced &= control::is_tracing();
    span.notes = notes();
    json(&span)
}

fn json(report: &impl Serialize) -> PyResult<String> {
    serde_json::to_string(report).map_err(|error| PyRuntimeError::new_err(error.to_string()))
}
