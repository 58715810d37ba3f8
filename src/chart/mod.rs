//! Drawings: a report in, SVG out. Pure functions; pixels live here and nowhere else.

pub mod bytes;
mod canvas;
pub mod cells;
pub mod chains;
pub mod column;
mod compact;
pub mod flame;
pub mod heapmap;
pub mod history;
mod knots;
pub mod last;
pub mod lines;
mod names;
pub mod output;
mod panel;
pub mod raster;
pub mod ring;
mod rows;
pub mod spark;
mod split;
pub mod stacks;
mod theme;
pub mod timeline;
pub mod variables;

pub use canvas::{ChartError, Svg};
