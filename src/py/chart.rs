//! Charts as Python sees them: a report's JSON in, SVG text out.

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde::de::DeserializeOwned;

use crate::chart::lines::Source;
use crate::chart::stacks::{Measure, Names, folded, text, tree};
use crate::chart::{
    ChartError, Svg, bytes, cells, chains, column, flame, heapmap, history, last, lines, raster,
    ring, spark, timeline, variables,
};
use crate::heap::last::Last;
use crate::heap::report::{CellReport, HeapMap, History, Overview, Stacks};

/// What a chart may measure across, in pixels.
const WIDTHS: std::ops::RangeInclusive<i32> = 560..=4_000;

/// Memory of each cell, drawn from the JSON of `overview`. Raises ValueError for other JSON.
#[pyfunction]
#[pyo3(signature = (overview_json, width = 760))]
pub fn chart_cells(overview_json: &str, width: i32) -> PyResult<String> {
    let report: Overview = read("an overview", overview_json)?;
    drawn(cells::cells(&report, checked(width)?))
}

/// Live memory by origin over the cells, drawn from the JSON of `History`. Raises ValueError for other JSON.
#[pyfunction]
#[pyo3(signature = (history_json, width = 760))]
pub fn chart_history(history_json: &str, width: i32) -> PyResult<String> {
    let report: History = read("a history", history_json)?;
    drawn(history::history(&report, checked(width)?))
}

/// A cell's timeline, drawn from the JSON of `cell_report`. Raises ValueError for other JSON.
#[pyfunction]
#[pyo3(signature = (cell_report_json, width = 760))]
pub fn chart_timeline(cell_report_json: &str, width: i32) -> PyResult<String> {
    let report: CellReport = read("a cell report", cell_report_json)?;
    drawn(timeline::timeline(&report, checked(width)?))
}

/// A cell's timeline as small as a few words. Raises ValueError for other JSON.
#[pyfunction]
pub fn chart_spark(cell_report_json: &str) -> PyResult<String> {
    drawn(spark::spark(&read("cell report", cell_report_json)?))
}

/// A cell's source with bars. `source_json` is `{"file": ..., "lines": [...], "names": {file: "In[2]"}}`.
#[pyfunction]
#[pyo3(signature = (cell_report_json, source_json, width = 760))]
pub fn chart_lines(cell_report_json: &str, source_json: &str, width: i32) -> PyResult<String> {
    let report: CellReport = read("a cell report", cell_report_json)?;
    let source: Source = read("a source", source_json)?;
    drawn(lines::lines(&report, &source, checked(width)?))
}

/// The last minute of a process, drawn from the JSON of `last_words`; None where it left too little. Raises ValueError for
/// other JSON.
#[pyfunction]
#[pyo3(signature = (last_json, width = 760))]
pub fn chart_last(last_json: &str, width: i32) -> PyResult<Option<String>> {
    let words: Last = read("last words", last_json)?;
    let chart = last::last(&words, checked(width)?);
    let chart = chart.map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
    Ok(chart.map(String::from))
}

/// A flame graph of the JSON of `stacks`, with at most about `most` frames; the smallest stacks are one together.
/// `names_json` is `{file: "In[2]"}`; `measure` is "peak", "live" or "allocated". With `page` it is SVG that brings its
/// own script, for a frame of a browser.
#[pyfunction]
#[pyo3(signature = (stacks_json, names_json, measure, title, most, page = false, width = 760))]
pub fn chart_flame(
    stacks_json: &str,
    names_json: &str,
    measure: &str,
    title: &str,
    most: usize,
    page: bool,
    width: i32,
) -> PyResult<String> {
    let stacks: Stacks = read("stacks", stacks_json)?;
    let names: Names = read("names", names_json)?;
    let root = tree(&stacks, &names, read_measure(measure)?, most);
    if page {
        drawn(flame::page(&root, title))
    } else {
        drawn(flame::flame(&root, title, checked(width)?))
    }
}

/// The JSON of `stacks` as text for a terminal, at most about `most` rows.
#[pyfunction]
pub fn flame_text(
    stacks_json: &str,
    names_json: &str,
    measure: &str,
    most: usize,
) -> PyResult<String> {
    let stacks: Stacks = read("stacks", stacks_json)?;
    let names: Names = read("names", names_json)?;
    Ok(text(&tree(&stacks, &names, read_measure(measure)?, most)))
}

/// The JSON of `stacks` as collapsed stacks: `frame;frame;frame bytes`, one line each.
#[pyfunction]
pub fn folded_stacks(stacks_json: &str, names_json: &str, measure: &str) -> PyResult<String> {
    let stacks: Stacks = read("stacks", stacks_json)?;
    let names: Names = read("names", names_json)?;
    Ok(folded(&stacks, &names, read_measure(measure)?))
}

/// Chains of holders, from the JSON of `chart::chains::Chains`.
#[pyfunction]
#[pyo3(signature = (chains_json, width = 760))]
pub fn chart_chains(chains_json: &str, width: i32) -> PyResult<String> {
    drawn(chains::chains(
        &read("chains", chains_json)?,
        checked(width)?,
    ))
}

/// A reference cycle, from the JSON of `chart::ring::Ring`.
#[pyfunction]
#[pyo3(signature = (ring_json, width = 760))]
pub fn chart_ring(ring_json: &str, width: i32) -> PyResult<String> {
    drawn(ring::ring(&read("a ring", ring_json)?, checked(width)?))
}

/// Variables as bars, from the JSON of `chart::variables::Variables`.
#[pyfunction]
#[pyo3(signature = (variables_json, width = 760))]
pub fn chart_variables(variables_json: &str, width: i32) -> PyResult<String> {
    drawn(variables::variables(
        &read("variables", variables_json)?,
        checked(width)?,
    ))
}

/// How full pymalloc's arenas are, drawn from the JSON of `HeapMap`. Raises ValueError for other JSON.
#[pyfunction]
#[pyo3(signature = (map_json, width = 760))]
pub fn chart_map(map_json: &str, width: i32) -> PyResult<String> {
    let map: HeapMap = read("a heap map", map_json)?;
    drawn(heapmap::heapmap(&map, checked(width)?))
}

/// Several charts as one, under each other.
#[pyfunction]
pub fn chart_column(charts: Vec<String>) -> PyResult<String> {
    drawn(column::column(&charts))
}

/// A chart as PNG, `scale` pixels for each of its own.
#[pyfunction]
#[pyo3(signature = (svg, scale = 2.0))]
pub fn chart_png(py: Python<'_>, svg: &str, scale: f32) -> PyResult<Py<PyBytes>> {
    let png = py.detach(|| raster::png(svg, scale));
    let png = png.map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
    Ok(PyBytes::new(py, &png).unbind())
}

fn read_measure(measure: &str) -> PyResult<Measure> {
    serde_json::from_value(measure.into()).map_err(|_| {
        PyValueError::new_err(format!(
            "a measure is peak, live or allocated, not {measure:?}"
        ))
    })
}

/// Binary units with three significant digits: `0 B`, `1023 B`, `1.00 KiB`, `53.4 MiB`.
#[pyfunction]
pub fn bytes_text(n: i128) -> String {
    bytes::bytes_text(n)
}

fn read<T: DeserializeOwned>(what: &str, json: &str) -> PyResult<T> {
    serde_json::from_str(json)
        .map_err(|error| PyValueError::new_err(format!("not the JSON of {what}: {error}")))
}

fn checked(width: i32) -> PyResult<i32> {
    if WIDTHS.contains(&width) {
        return Ok(width);
    }
    let (least, most) = (WIDTHS.start(), WIDTHS.end());
    Err(PyValueError::new_err(format!(
        "a chart is {least} to {most} pixels wide, not {width}"
    )))
}

fn drawn(chart: Result<Svg, ChartError>) -> PyResult<String> {
    chart
        .map(String::from)
        .map_err(|error| PyRuntimeError::new_err(error.to_string()))
}
