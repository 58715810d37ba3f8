//! The notebook's past as plain data: a part of `report`, where it is known under the same names.

use serde::{Deserialize, Serialize};

/// What was live as each cell ended, by its origin. Of the latest 64 ends each byte is known by origin; of older ends the
/// totals are exact, and what is in no layer may be of one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    /// Oldest first; the last is now.
    pub moments: Vec<Moment>,
    /// The origins with the most, oldest first.
    pub layers: Vec<Layer>,
}

/// The end of a cell.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Moment {
    pub cell: u32,
    pub label: String,
    pub number: Option<u32>,
    /// How many ends in a row it stands for: of these the one with the most.
    pub ends: u64,
    /// All live bytes of cells.
    pub live: u64,
}

/// What of one origin was live at each moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Layer {
    pub cell: u32,
    pub label: String,
    pub live: Vec<u64>,
}
