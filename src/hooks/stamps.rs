//! What the entries of the caches carry: a number for each cell, and one for what is the same in every cell. None is given out
//! twice, so to void entries is to give out others.

use crate::heap::cells::CellId;

use super::caches::caches;
use super::tracer::Map;

/// Of our own API, whichever cell runs. And the first that is given out.
pub const OWN: u32 = 1;
const FIRST: u32 = 2;

pub struct Stamps {
    /// Since the caches were voided last.
    cells: Map<CellId, u32>,
    /// Of libraries' instructions.
    pub libraries: u32,
    last: u32,
}

impl Stamps {
    pub fn new() -> Self {
        Self {
            cells: Map::default(),
            libraries: FIRST,
            last: FIRST,
        }
    }

    /// Of a cell.
    pub fn of(&mut self, cell: CellId) -> u32 {
        if let Some(stamp) = self.cells.get(&cell) {
            return *stamp;
        }
        let stamp = self.next();
        self.cells.insert(cell, stamp);
        stamp
    }

    /// Voids what cells' and libraries' instructions were found to be.
    pub fn void(&mut self) {
        self.cells.clear();
        self.libraries = self.next();
    }

    /// One that nobody has.
    pub fn next(&mut self) -> u32 {
        if self.last == u32::MAX {
            // SAFETY: the tracer is reached under the lock that guards the caches.
            unsafe { caches() }.clear();
            self.cells.clear();
            (self.libraries, self.last) = (FIRST, FIRST);
        }
        self.last += 1;
        self.last
    }
}
