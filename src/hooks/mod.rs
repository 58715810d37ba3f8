//! Where allocations are caught: Python allocators, frame reading. The unsafe room.
//!
//! `allocators` holds the hooks themselves, `tracer` what they share, `walk` finds the site of the running
//! instruction and `caches` remembers it, `layout` knows where each CPython minor keeps what is read, `python` is the C API by name.

pub mod allocators;
pub mod arenas;
pub mod audit;
pub mod caches;
pub mod control;
pub mod layout;
pub mod python;
pub mod sampler;
pub mod thread_state;
pub mod tracer;
pub mod walk;
