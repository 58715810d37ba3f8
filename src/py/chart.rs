//! Charts as Python sees them: a report's JSON in, SVG text out.

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use serde::de::DeserializeOwned;

use crate::chart::lines::Source;
use crate::chart::{ChartError, Svg, bytes, cells, lines, spark, timeline};
use crate::heap::report::{CellReport, Overview};

/// What a chart may measure across, in pixels.
const WIDTHS: std::ops::RangeInclusive<i32> = 560..=4_000;

/// Memory of each cell, drawn from the JSON of `overview`. Raises ValueError for other JSON.
#[pyfunction]
#[pyo3(signature = (overview_json, width = 760))]
pub fn chart_cells(overview_json: &str, width: i32) -> PyResult<String> {
    let report: Overview = read("an overview", overview_json)?;
    drawn(cells::cells(&report, checked(width)?))
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
