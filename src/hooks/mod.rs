//! Where allocations are caught: Python allocators, slots of loaded objects, frame reading. The unsafe room.
//!
//! `allocators` holds the hooks themselves, `tracer` what they share, `walk` finds the site of the running
//! instruction and `caches` remembers it, `elf` points slots of loaded objects at functions of ours, `layout` knows
//! where each CPython minor keeps what is read, `python` is the C API by name.
//!
//! Closed to other crates, so that what the hot path touches is reached without the detour of a symbol that others share.

// Without the edge to Python nobody calls in.
#![cfg_attr(not(feature = "python"), allow(dead_code))]

pub(crate) mod allocators;
pub(crate) mod arenas;
pub(crate) mod audit;
pub(crate) mod caches;
pub(crate) mod control;
#[cfg_attr(not(test), allow(dead_code))]
pub(crate) mod elf;
pub(crate) mod layout;
pub(crate) mod python;
pub(crate) mod sampler;
pub(crate) mod thread_state;
pub(crate) mod tracer;
pub(crate) mod walk;
