//! Places with names: dicts each of whose entries a person knows by a name, and objects that are known by one. The Python
//! half says which there are; nothing of IPython is known here.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

/// A container, how what it holds is called, and what kind of root it is.
pub struct Place {
    pub container: usize,
    pub is_dict: bool,
    /// `{}` stands for a key.
    pub label: String,
    pub kind: String,
    /// Keys that are of the kind "output", whatever the place is.
    pub outputs: Vec<String>,
}

pub struct Places {
    pub places: Vec<Place>,
    pub containers: Vec<usize>,
}

impl Places {
    /// From `(container, label, kind, outputs)`. All stay borrowed: the caller's list holds them.
    pub fn read(list: &Bound<'_, PyList>) -> PyResult<Self> {
        let mut places = Vec::new();
        for at in 0..list.len() {
            let item = list.get_item(at)?;
            let row = item
                .cast::<PyTuple>()
                .map_err(|_| PyTypeError::new_err("a place is a tuple of four"))?;
            let container = row.get_item(0)?;
            places.push(Place {
                container: container.as_ptr() as usize,
                is_dict: container.is_exact_instance_of::<PyDict>(),
                label: row.get_item(1)?.extract()?,
                kind: row.get_item(2)?.extract()?,
                outputs: row.get_item(3)?.extract()?,
            });
        }
        let containers = places.iter().map(|place| place.container).collect();
        Ok(Self { places, containers })
    }

    pub fn dicts(&self) -> Vec<usize> {
        let dicts = self.places.iter().filter(|place| place.is_dict);
        dicts.map(|place| place.container).collect()
    }
}
