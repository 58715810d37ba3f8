//! Drawings: a report in, SVG out. Pure functions; pixels live here and nowhere else.

pub mod bytes;
mod canvas;
pub mod cells;
pub mod lines;
mod panel;
mod rows;
pub mod spark;
mod theme;
pub mod timeline;

pub use canvas::{ChartError, Svg};
