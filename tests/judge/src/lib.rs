//! The tests' judge, loaded into a Python process by ctypes. Shares no code and no idea with the tracer:
//! `reference` is a hash map behind the same hooks, `totals` reads our totals and tracemalloc's at one moment.

mod python;
mod reference;
mod totals;
