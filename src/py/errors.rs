//! Our errors as Python exceptions: the one place that says which becomes which.

use pyo3::exceptions::{PyException, PyValueError};
use pyo3::prelude::*;

use crate::kernel::KernelError;
use crate::wire::WireError;

pyo3::create_exception!(
    cellheap._core,
    ConnectionError,
    PyException,
    "The kernel cannot listen where its connection file says. One line."
);

impl From<WireError> for PyErr {
    fn from(error: WireError) -> Self {
        ConnectionError::new_err(error.to_string())
    }
}

impl From<KernelError> for PyErr {
    fn from(error: KernelError) -> Self {
        ConnectionError::new_err(error.to_string())
    }
}

/// A name that Python code gave and that names nothing.
pub fn unknown(what: &str, name: &str) -> PyErr {
    PyValueError::new_err(format!("there is no {what} {name:?}"))
}

/// A name that Python code gave to something new and that something has already.
pub fn taken_name(name: &str) -> PyErr {
    PyValueError::new_err(format!("{name:?} is there already"))
}

/// As jupyter_client says it of a buffer with gaps.
pub fn not_contiguous() -> PyErr {
    PyValueError::new_err("a buffer is not contiguous")
}
