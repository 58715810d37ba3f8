//! Drawings: a report in, SVG out. Pure functions; pixels live here and nowhere else.

pub mod bytes;
mod canvas;
pub mod cells;
pub mod column;
pub mod flame;
pub mod last;
pub mod lines;
pub mod output;
mod panel;
pub mod raster;
mod rows;
pub mod spark;
mod split;
pub mod stacks;
mod theme;
pub mod timeline;

pub use canvas::{ChartError, Svg};
