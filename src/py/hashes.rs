//! `MurmurHash2` of 32 bits: what ipykernel and front ends name the file of a cell's code by.

use pyo3::prelude::*;

const MULTIPLIER: u32 = 0x5bd1_e995;

/// As `ipykernel.compiler.murmur2_x86`. Raises `UnicodeEncodeError` for a lone surrogate.
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
