//! JSON between the wire and Python objects. Owns the plain cases; what is not plain is jupyter_client's to decide.

use std::io::{self, Write};

use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyBytes, PyDateAccess, PyDateTime, PyDict, PyFloat, PyInt, PyList, PyNone, PyString,
    PyTimeAccess, PyTuple, PyTzInfo, PyTzInfoAccess,
};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Deeper than this is left to Python, which knows how deep its own stack may go.
const DEPTH: usize = 100;

/// What this writer does not know: jupyter_client's packer says what becomes of it.
struct NotPlain;

/// JSON of `value`. `packer` is asked for the whole of it where something in it is not plain JSON.
pub fn dump(value: &Bound<'_, PyAny>, packer: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    let mut out = Vec::with_capacity(256);
    match write(&mut out, value, DEPTH) {
        Ok(()) => Ok(out),
        Err(NotPlain) => packer.call1((value,))?.extract(),
    }
}

fn write(out: &mut Vec<u8>, value: &Bound<'_, PyAny>, depth: usize) -> Result<(), NotPlain> {
    let depth = depth.checked_sub(1).ok_or(NotPlain)?;
    if let Ok(text) = value.cast_exact::<PyString>() {
        write_str(out, text)
    } else if let Ok(map) = value.cast_exact::<PyDict>() {
        write_dict(out, map, depth)
    } else if let Ok(number) = value.cast_exact::<PyInt>() {
        write_int(out, number)
    } else if value.is_exact_instance_of::<PyNone>() {
        out.extend_from_slice(b"null");
        Ok(())
    } else if let Ok(truth) = value.cast_exact::<PyBool>() {
        let word: &[u8] = if truth.is_true() { b"true" } else { b"false" };
        out.extend_from_slice(word);
        Ok(())
    } else if let Ok(number) = value.cast_exact::<PyFloat>() {
        write_float(out, number.value())
    } else if let Ok(list) = value.cast_exact::<PyList>() {
        write_items(out, list.iter(), depth)
    } else if let Ok(tuple) = value.cast_exact::<PyTuple>() {
        write_items(out, tuple.iter(), depth)
    } else if let Ok(date) = value.cast_exact::<PyDateTime>() {
        write_date(out, date)
    } else {
        Err(NotPlain)
    }
}

fn write_str(out: &mut Vec<u8>, text: &Bound<'_, PyString>) -> Result<(), NotPlain> {
    let text = text.to_str().map_err(|_| NotPlain)?;
    serde_json::to_writer(out, text).map_err(|_| NotPlain)
}

fn write_int(out: &mut Vec<u8>, number: &Bound<'_, PyInt>) -> Result<(), NotPlain> {
    let small: i64 = number.extract().map_err(|_| NotPlain)?;
    serde_json::to_writer(out, &small).map_err(|_| NotPlain)
}

fn write_float(out: &mut Vec<u8>, number: f64) -> Result<(), NotPlain> {
    if !number.is_finite() {
        return Err(NotPlain);
    }
    serde_json::to_writer(out, &number).map_err(|_| NotPlain)
}

fn write_items<'py>(
    out: &mut Vec<u8>,
    items: impl Iterator<Item = Bound<'py, PyAny>>,
    depth: usize,
) -> Result<(), NotPlain> {
    out.push(b'[');
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write(out, &item, depth)?;
    }
    out.push(b']');
    Ok(())
}

fn write_dict(out: &mut Vec<u8>, map: &Bound<'_, PyDict>, depth: usize) -> Result<(), NotPlain> {
    out.push(b'{');
    for (at, (key, value)) in map.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_str(out, key.cast_exact::<PyString>().map_err(|_| NotPlain)?)?;
        out.push(b':');
        write(out, &value, depth)?;
    }
    out.push(b'}');
    Ok(())
}

/// As headers have them: ISO 8601 with `Z`. A date without a time zone has a rule of its own, in Python.
fn write_date(out: &mut Vec<u8>, date: &Bound<'_, PyDateTime>) -> Result<(), NotPlain> {
    let zone = date.get_tzinfo().ok_or(NotPlain)?;
    let utc = PyTzInfo::utc(date.py()).map_err(|_| NotPlain)?;
    if zone.is(utc) {
        return write_utc(out, date).map_err(|_| NotPlain);
    }
    let text = date.call_method0("isoformat").map_err(|_| NotPlain)?;
    let text = text.cast_exact::<PyString>().map_err(|_| NotPlain)?;
    let text = text.to_str().map_err(|_| NotPlain)?;
    serde_json::to_writer(out, &text.replace("+00:00", "Z")).map_err(|_| NotPlain)
}

/// What `isoformat` says, read from the object itself: each message has one or two.
fn write_utc(out: &mut Vec<u8>, date: &Bound<'_, PyDateTime>) -> io::Result<()> {
    let (year, month, day) = (date.get_year(), date.get_month(), date.get_day());
    let (hour, minute, second) = (date.get_hour(), date.get_minute(), date.get_second());
    write!(
        out,
        "\"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
    )?;
    match date.get_microsecond() {
        0 => write!(out, "Z\""),
        part => write!(out, ".{part:06}Z\""),
    }
}

/// Python objects of one JSON text. `unpacker` is asked where the text is more than plain JSON (NaN, large integers).
pub fn load<'py>(text: &[u8], unpacker: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = unpacker.py();
    let mut reader = serde_json::Deserializer::from_slice(text);
    if let Ok(value) = Value(py).deserialize(&mut reader)
        && reader.end().is_ok()
    {
        return Ok(value);
    }
    unpacker.call1((PyBytes::new(py, text),))
}

/// Builds the Python object while serde_json reads: no tree in between.
#[derive(Clone, Copy)]
struct Value<'py>(Python<'py>);

impl<'de, 'py> DeserializeSeed<'de> for Value<'py> {
    type Value = Bound<'py, PyAny>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de, 'py> Visitor<'de> for Value<'py> {
    type Value = Bound<'py, PyAny>;

    fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(self.0.None().into_bound(self.0))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(PyBool::new(self.0, value).to_owned().into_any())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        let Ok(number) = value.into_pyobject(self.0);
        Ok(number.into_any())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        let Ok(number) = value.into_pyobject(self.0);
        Ok(number.into_any())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        // serde_json makes a float of an integer that it cannot hold; Python would not.
        if value.abs() >= 9_007_199_254_740_992.0 {
            return Err(E::custom("perhaps an integer"));
        }
        Ok(PyFloat::new(self.0, value).into_any())
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(PyString::new(self.0, value).into_any())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let list = PyList::empty(self.0);
        while let Some(item) = items.next_element_seed(self)? {
            list.append(item).map_err(A::Error::custom)?;
        }
        Ok(list.into_any())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let dict = PyDict::new(self.0);
        while let Some(key) = entries.next_key_seed(self)? {
            let value = entries.next_value_seed(self)?;
            dict.set_item(key, value).map_err(A::Error::custom)?;
        }
        Ok(dict.into_any())
    }
}

/// JSON of `value` as the wire would send it.
#[pyfunction]
pub fn json_dump<'py>(
    value: &Bound<'py, PyAny>,
    packer: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyBytes>> {
    Ok(PyBytes::new(value.py(), &dump(value, packer)?))
}

/// Python objects of one JSON text as the wire would read it.
#[pyfunction]
pub fn json_load<'py>(text: &[u8], unpacker: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    load(text, unpacker)
}
