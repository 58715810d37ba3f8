//! Where allocations are caught: Python allocators, slots of loaded objects, frame reading. The unsafe room.
//!
//! `allocators` holds the hooks on Python's allocators, which `domains` sets; `native` and `mappings` those on the C
//! library's, which `stubs` lead to and which `elf` points slots of loaded objects at; `overlaid` sees where others take
//! either away; `turn` lets one event at a time at the books. `tracer` is what hooks share, `walk` finds the site of the
//! running instruction, `owners` whose code it is; `caches` and `chain` remember. `limit` stops who goes past the limit,
//! where `moment` finds that it may. `layout` knows where each CPython minor keeps what is read, `python` is the C API by
//! name, `reals` the C library's functions. `own_memory` is what our own code allocates by, `last_resort` what it gets when there
//! is no more.
//!
//! `lookout` is the thread that looks at running cells: it writes the `blackbox`, warns, and has charts drawn. `standing`
//! reads for it where a thread stands, `crash` sees the process's end.
//!
//! Closed to other crates, so that what the hot path touches is reached without the detour of a symbol that others share.

// Without the edge to Python nobody calls in.
#![cfg_attr(not(feature = "python"), allow(dead_code))]

pub(crate) mod allocators;
pub(crate) mod arenas;
mod below;
pub(crate) mod blackbox;
pub(crate) mod caches;
pub(crate) mod chain;
pub(crate) mod control;
pub(crate) mod crash;
pub(crate) mod domains;
pub(crate) mod elf;
mod free_list;
pub(crate) mod kept;
mod kept_place;
#[cfg(target_env = "gnu")]
mod last_resort;
pub(crate) mod layout;
pub(crate) mod limit;
pub(crate) mod lookout;
mod looks;
pub(crate) mod mappings;
pub(crate) mod moment;
pub(crate) mod native;
pub(crate) mod overlaid;
#[cfg(target_env = "gnu")]
mod own_memory;
pub(crate) mod owners;
pub(crate) mod python;
pub(crate) mod reals;
pub(crate) mod sampler;
mod shims;
pub(crate) mod stamps;
pub(crate) mod standing;
mod starters;
pub(crate) mod stubs;
pub(crate) mod thread_state;
mod timer;
pub(crate) mod tracer;
pub(crate) mod turn;
pub(crate) mod walk;
