//! cellheap: a Jupyter kernel for Python that knows where every byte went.
//!
//! The map. Arrows point one way, and `tests/layering.rs` fails on one that turns back:
//!
//! ```text
//! python/cellheap -> py -> kernel -> wire
//!                    py -> hooks  -> heap
//!                    py -> graph  -> heap
//!                    py -> chart  -> heap, graph
//! ```

pub mod chart;
pub mod graph;
pub mod heap;
pub mod hooks;
pub mod kernel;
pub mod wire;

#[cfg(feature = "python")]
mod py;
