//! The object graph: nodes and arrows as numbers, and what can be read off them. No Python, no addresses: the edge reads
//! objects and hands over a `Network`.
//!
//! A node is a number from 0 on; its arrows lead to what it holds. `order` numbers what the roots reach, `dominators`
//! says what each thing alone keeps alive, `knots` finds cycles, `chains` the shortest ways from a root, `shares` who
//! reaches what together with whom, `fall` what goes when something is let go.
//!
//! All of it lies in pages of its own (`columns`), which go back to the system when it is dropped.

pub mod chains;
pub mod columns;
pub mod dominators;
pub mod fall;
pub mod knots;
pub mod network;
pub mod order;
pub mod reach;
pub mod shares;
pub mod watch;

pub use columns::Column;
pub use network::Network;
pub use watch::{Stopped, Watch};

/// No node.
pub const NONE: u32 = u32::MAX;
