//! Our errors as Python exceptions: the one place that says which becomes which.

use pyo3::exceptions::PyException;
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
