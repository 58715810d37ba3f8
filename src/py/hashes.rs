//! Numbers that stand for the text of a cell.

use pyo3::prelude::*;
use pyo3::types::PyString;
use sha2::{Digest, Sha256};

const MULTIPLIER: u32 = 0x5bd1_e995;

/// The same for the same text, but for blanks around it, in the same cell where the front end says which: 48 bits, never zero.
#[pyfunction]
pub fn code_number(
    text: &Bound<'_, PyString>,
    cell_id: Option<&Bound<'_, PyAny>>,
) -> PyResult<u64> {
    let mut hash = Sha256::new();
    if let Some(id) = cell_id {
        hash.update(&*id.str()?.to_string_lossy());
    }
    hash.update([0]);
    hash.update(text.to_string_lossy().trim());
    let number =
        (hash.finalize().iter().take(6)).fold(0, |number, byte| number << 8 | u64::from(*byte));
    Ok(number.max(1))
}

/// `MurmurHash2` of 32 bits, by which ipykernel and front ends name the file of a cell's code. Raises `UnicodeEncodeError` for a lone surrogate.
#[pyfunction]
pub fn murmur2(data: &str, seed: u32) -> u32 {
    let (words, rest) = data.as_bytes().as_chunks::<4>();
    // The length goes in with its lower half.
    let mut hash = seed ^ data.len() as u32;
    for word in words {
        let mut word = u32::from_le_bytes(*word).wrapping_mul(MULTIPLIER);
        word ^= word >> 24;
        hash = hash.wrapping_mul(MULTIPLIER) ^ word.wrapping_mul(MULTIPLIER);
    }
    if !rest.is_empty() {
        let bits = rest
            .iter()
            .rev()
            .fold(0, |bits, byte| bits << 8 | u32::from(*byte));
        hash = (hash ^ bits).wrapping_mul(MULTIPLIER);
    }
    hash = (hash ^ hash >> 13).wrapping_mul(MULTIPLIER);
    hash ^ hash >> 15
}
