//! The tracer's books: sites, cells, shadow table, live, peak, timeline, report. No Python API, no Jupyter, no pixels.

pub mod report;
