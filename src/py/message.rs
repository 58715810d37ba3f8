//! Messages as jupyter_client has them, a dict of dicts, and back. Owns the names of the parts.

use bytes::Bytes;
use pyo3::buffer::PyUntypedBuffer;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDateTime, PyDict, PyList, PyMemoryView, PyString};

use super::errors::not_contiguous;
use super::json;
use crate::wire::{Message, Outgoing};

/// `header`, `msg_id`, `msg_type`, `parent_header`, `metadata`, `content` and `buffers`, as `Session.deserialize` gives.
pub fn to_python<'py>(
    message: &Message,
    unpacker: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyDict>> {
    let py = unpacker.py();
    let dict = PyDict::new(py);
    dict.set_item(
        intern!(py, "header"),
        dated(json::load(&message.header.raw, unpacker)?)?,
    )?;
    dict.set_item(intern!(py, "msg_id"), &message.header.msg_id)?;
    dict.set_item(intern!(py, "msg_type"), &message.header.msg_type)?;
    dict.set_item(
        intern!(py, "parent_header"),
        dated(json::load(&message.parent_header, unpacker)?)?,
    )?;
    dict.set_item(
        intern!(py, "metadata"),
        json::load(&message.metadata, unpacker)?,
    )?;
    dict.set_item(
        intern!(py, "content"),
        json::load(&message.content, unpacker)?,
    )?;
    let buffers = PyList::empty(py);
    for buffer in &message.buffers {
        buffers.append(PyMemoryView::from(&PyBytes::new(py, buffer).into_any())?)?;
    }
    dict.set_item(intern!(py, "buffers"), buffers)?;
    Ok(dict)
}

pub fn ids<'py>(py: Python<'py>, message: &Message) -> PyResult<Bound<'py, PyList>> {
    PyList::new(py, message.ids.iter().map(|id| PyBytes::new(py, id)))
}

/// Whether it asks to run a cell of which nothing is published.
pub fn is_silent(message: &Bound<'_, PyDict>) -> PyResult<bool> {
    let py = message.py();
    let content = message.get_item(intern!(py, "content"))?;
    let Some(content) = content
        .as_ref()
        .and_then(|content| content.cast_exact::<PyDict>().ok())
    else {
        return Ok(true);
    };
    match content.get_item(intern!(py, "silent"))? {
        Some(silent) => silent.is_truthy(),
        None => Ok(false),
    }
}

/// Whether a message with this header is the reply to a cell that ran: nothing but idle comes after it.
pub fn is_of_cell(header: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = header.py();
    let Ok(header) = header.cast_exact::<PyDict>() else {
        return Ok(false);
    };
    match header.get_item(intern!(py, "msg_type"))? {
        Some(kind) => kind.eq(intern!(py, "execute_reply")),
        None => Ok(false),
    }
}

/// A header whose date is a datetime, as jupyter_client reads it; a date that is none stays as it is.
fn dated<'py>(header: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = header.py();
    let Ok(fields) = header.cast_exact::<PyDict>() else {
        return Ok(header);
    };
    let key = intern!(py, "date");
    if let Some(text) = fields.get_item(key)?
        && text.is_exact_instance_of::<PyString>()
        && let Ok(date) = py
            .get_type::<PyDateTime>()
            .call_method1(intern!(py, "fromisoformat"), (text,))
        && !date.getattr(intern!(py, "tzinfo"))?.is_none()
    {
        fields.set_item(key, date)?;
    }
    Ok(header)
}

/// The parts of a message that goes out, packed. `header` to `content` are in the order of the wire.
pub fn from_python(
    ids: Vec<Vec<u8>>,
    parts: [&Bound<'_, PyAny>; 4],
    buffers: &Bound<'_, PyAny>,
    packer: &Bound<'_, PyAny>,
) -> PyResult<Outgoing> {
    let [header, parent_header, metadata, content] = parts;
    Ok(Outgoing {
        ids: ids.into_iter().map(Bytes::from).collect(),
        header: packed(header, packer)?,
        parent_header: packed(parent_header, packer)?,
        metadata: packed(metadata, packer)?,
        content: packed(content, packer)?,
        buffers: copies(buffers)?,
    })
}

/// A part that is bytes already is sent as it is.
fn packed(part: &Bound<'_, PyAny>, packer: &Bound<'_, PyAny>) -> PyResult<Bytes> {
    match part.cast_exact::<PyBytes>() {
        Ok(bytes) => Ok(Bytes::copy_from_slice(bytes.as_bytes())),
        Err(_) => Ok(json::dump(part, packer)?.into()),
    }
}

/// Copies: what the cell does to its buffers afterwards does not change what is sent.
fn copies(buffers: &Bound<'_, PyAny>) -> PyResult<Vec<Bytes>> {
    buffers
        .try_iter()?
        .map(|buffer| {
            let buffer = PyUntypedBuffer::get(&buffer?)?;
            if !buffer.is_c_contiguous() && !buffer.is_fortran_contiguous() {
                return Err(not_contiguous());
            }
            if buffer.len_bytes() == 0 {
                return Ok(Bytes::new());
            }
            // SAFETY: contiguous, so its bytes are one run; it is held until they are copied, under the lock.
            let bytes = unsafe {
                std::slice::from_raw_parts(buffer.buf_ptr().cast::<u8>(), buffer.len_bytes())
            };
            Ok(Bytes::copy_from_slice(bytes))
        })
        .collect()
}
