//! Text from `print` to the wire in one native call. Owns whose output a text is; what a hook or an echo asks is Python's.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt, PyList, PyString};

use super::errors::unknown;
use super::json;
use super::kernel::PyKernel;
use crate::kernel::Stream;

/// One of a kernel's two streams.
#[pyclass(frozen, module = "cellheap._core")]
pub struct Writer {
    wire: Py<PyKernel>,
    stream: Stream,
    session: Py<PyAny>,
    /// The ContextVar with the parent header of the thread, or task, that writes.
    parent: Py<PyAny>,
    /// The parent header where that has none.
    fallback: Mutex<Py<PyAny>>,
    /// The last parent header, packed: once for all that is written under it.
    packed: Mutex<Option<(Py<PyAny>, Bytes)>>,
    plain: AtomicBool,
}

#[pymethods]
impl Writer {
    #[new]
    fn new(
        wire: Py<PyKernel>,
        stream: &str,
        session: Py<PyAny>,
        parent: Py<PyAny>,
        fallback: Py<PyAny>,
    ) -> PyResult<Self> {
        let stream = match stream {
            "stdout" => Stream::Stdout,
            "stderr" => Stream::Stderr,
            other => return Err(unknown("stream", other)),
        };
        Ok(Self {
            wire,
            stream,
            session,
            parent,
            fallback: Mutex::new(fallback),
            packed: Mutex::new(None),
            plain: AtomicBool::new(true),
        })
    }

    /// Writes for the request whose parent header is the thread's. A lone surrogate becomes U+FFFD.
    fn write(&self, text: &Bound<'_, PyAny>) -> PyResult<usize> {
        let py = text.py();
        let text = string(text)?;
        let parent = self.pack(py)?;
        let utf8 = text.to_string_lossy();
        let wire = self.wire.get();
        wire.write(py, self.stream, parent, &utf8)?;
        text.len()
    }

    /// Whether `write` is all that writing takes: no hook wants to see messages, and no echo.
    #[getter]
    fn plain(&self) -> bool {
        self.plain.load(Ordering::Relaxed)
    }

    #[setter]
    fn set_plain(&self, plain: bool) {
        self.plain.store(plain, Ordering::Relaxed);
    }

    #[getter]
    fn fallback(&self, py: Python<'_>) -> Py<PyAny> {
        self.fallback.lock().clone_ref(py)
    }

    #[setter]
    fn set_fallback(&self, parent: Py<PyAny>) {
        // Dropped when the lock is free again: that may run anything.
        let _before = std::mem::replace(&mut *self.fallback.lock(), parent);
    }
}

impl Writer {
    fn pack(&self, py: Python<'_>) -> PyResult<Bytes> {
        let parent = self.parent(py)?;
        if let Some((of, packed)) = &*self.packed.lock()
            && parent.is(of)
        {
            return Ok(packed.clone());
        }
        let packer = self.session.bind(py).getattr("pack")?;
        let packed = Bytes::from(json::dump(&parent, &packer)?);
        let new = Some((parent.unbind(), packed.clone()));
        let _before = std::mem::replace(&mut *self.packed.lock(), new);
        Ok(packed)
    }

    fn parent<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let mut found = std::ptr::null_mut();
        // SAFETY: the lock is held and `parent` is a ContextVar, or the call says that it is none; `found` gets a
        // reference that is ours, or null where this context has no value.
        let found = unsafe {
            let failed = pyo3::ffi::PyContextVar_Get(
                self.parent.as_ptr(),
                std::ptr::null_mut(),
                &raw mut found,
            );
            if failed < 0 {
                return Err(PyErr::fetch(py));
            }
            Bound::from_owned_ptr_or_opt(py, found)
        };
        Ok(found.unwrap_or_else(|| self.fallback(py).into_bound(py)))
    }
}

/// A cell's `write`: what it writes is in IPython's history of outputs as well, as IPython's own `_tee` has it there.
#[pyclass(frozen, module = "cellheap._core")]
pub struct Tee {
    writer: Py<Writer>,
    /// The stream's own `write`, for when the writer is not plain.
    slowly: Py<PyAny>,
    /// The history's outputs by cell, and which cell this is.
    outputs: Py<PyDict>,
    count: Py<PyInt>,
    /// Notes a text in Python; says in which output, and the list of its texts.
    note: Py<PyAny>,
    last: Mutex<Option<(Py<PyAny>, Py<PyList>)>>,
    over: AtomicBool,
}

#[pymethods]
impl Tee {
    #[new]
    fn new(
        writer: Py<Writer>,
        slowly: Py<PyAny>,
        outputs: Py<PyDict>,
        count: Py<PyInt>,
        note: Py<PyAny>,
    ) -> Self {
        Self {
            writer,
            slowly,
            outputs,
            count,
            note,
            last: Mutex::new(None),
            over: AtomicBool::new(false),
        }
    }

    #[pyo3(signature = (text, /))]
    fn write(&self, text: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let py = text.py();
        let writer = self.writer.get();
        let written = if writer.plain() {
            writer.write(text)?.into_pyobject(py)?.into_any().unbind()
        } else {
            self.slowly.call1(py, (text,))?
        };
        if text.len()? > 0 {
            self.remember(text)?;
        }
        Ok(written)
    }

    /// Whether its cell has ended.
    #[getter]
    fn over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    #[setter]
    fn set_over(&self, over: bool) {
        self.over.store(over, Ordering::Relaxed);
    }
}

impl Tee {
    fn remember(&self, text: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = text.py();
        if let Some(texts) = self.still_last(py)? {
            return texts.append(text);
        }
        let noted: (Py<PyAny>, Py<PyList>) = self.note.bind(py).call1((text,))?.extract()?;
        let _before = self.last.lock().replace(noted);
        Ok(())
    }

    /// The texts of the output that was noted last, if no other output came after it.
    fn still_last<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyList>>> {
        let Some(outputs) = self.outputs.bind(py).get_item(&self.count)? else {
            return Ok(None);
        };
        let Ok(outputs) = outputs.cast_into_exact::<PyList>() else {
            return Ok(None);
        };
        let last = self.last.lock();
        let Some((output, texts)) = &*last else {
            return Ok(None);
        };
        let newest = outputs.len().checked_sub(1).map(|at| outputs.get_item(at));
        let same = newest.transpose()?.is_some_and(|newest| newest.is(output));
        Ok(same.then(|| texts.bind(py).clone()))
    }
}

fn string<'a, 'py>(text: &'a Bound<'py, PyAny>) -> PyResult<&'a Bound<'py, PyString>> {
    text.cast::<PyString>().map_err(|_| {
        let kind = text.get_type().name();
        let kind = kind.map_or_else(|_| "?".to_owned(), |name| name.to_string());
        PyTypeError::new_err(format!("write() argument must be str, not {kind}"))
    })
}
