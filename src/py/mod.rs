//! The pyo3 edge: here the halves meet. The only folder that may say `pyo3`.

use pyo3::prelude::*;

/// `cellheap._core`: what the Python package is built on. Private; a list.
#[pymodule]
mod _core {
    #[pymodule_export]
    #[allow(non_upper_case_globals)]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
