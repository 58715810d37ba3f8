//! The tracer's books: sites, cells, shadow table, live, peak, timeline, report. No Python API, no Jupyter, no pixels.
//!
//! `books` is the whole of it as one value; the others are its parts. Callers hold the interpreter's lock
//! (or the lock of `hooks`) around every call that is not said to be safe from any thread.

pub mod allowance;
pub mod aside;
pub mod books;
pub mod boxfile;
pub mod cells;
mod change;
pub mod codes;
pub mod descriptors;
pub mod forks;
pub mod fullness;
pub mod hint;
pub mod history;
pub mod holders;
pub mod journal;
pub mod kept;
pub mod kills;
pub mod last;
pub mod ledger;
pub mod limit;
mod lines;
pub mod lookup;
mod moments;
pub mod pages;
pub mod paths;
mod places;
pub mod pressure;
pub mod process;
mod quick;
pub mod ranges;
pub mod registry;
pub mod report;
pub mod reporter;
pub mod reserves;
pub mod shadow;
pub mod sites;
pub mod sources;
pub mod spans;
pub mod spare;
pub mod stacks;
pub mod standing_file;
pub mod stops;
mod tally;
pub mod tide;
pub mod timeline;
