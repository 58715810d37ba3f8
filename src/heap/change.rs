//! One change of live memory, as the journal keeps it. In 16 bytes, for there are some for every cell that ever ran.

use super::cells::CellId;
use super::sites::{SiteId, Sites};

/// What a change is of: a site, or a cell where the site is gone, or many together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Who {
    Site(SiteId),
    Cell(CellId),
    Many,
}

/// The same in four bytes: sites have 20 bits, and of cells there are fewer than 31 bits can number.
#[derive(Debug, Clone, Copy)]
struct Packed(u32);

const SITE: u32 = 1 << 31;

#[derive(Debug, Clone, Copy)]
pub(super) struct Change {
    who: Packed,
    pub blocks: i32,
    pub bytes: i64,
}

impl Change {
    pub fn new(who: Who, blocks: i32, bytes: i64) -> Self {
        Self {
            who: who.into(),
            blocks,
            bytes,
        }
    }

    pub fn who(&self) -> Who {
        self.who.into()
    }

    /// Its site is gone, and was of that cell.
    pub fn lose_site(&mut self, cell: CellId) {
        self.who = Who::Cell(cell).into();
    }

    /// The cell whose blocks it is of.
    pub fn cell(&self, sites: &Sites) -> Option<CellId> {
        match self.who() {
            Who::Site(id) => sites.key(id).map(|key| key.cell),
            Who::Cell(cell) => Some(cell),
            Who::Many => None,
        }
    }
}

impl From<Who> for Packed {
    fn from(who: Who) -> Self {
        Self(match who {
            Who::Site(id) => SITE | id.0,
            Who::Cell(cell) => cell.0 & !SITE,
            Who::Many => u32::MAX,
        })
    }
}

impl From<Packed> for Who {
    fn from(Packed(who): Packed) -> Self {
        match who {
            u32::MAX => Self::Many,
            site if site & SITE != 0 => Self::Site(SiteId(site & !SITE)),
            cell => Self::Cell(CellId(cell)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_change_is_of_is_told_again() {
        let all = [
            Who::Site(SiteId(1)),
            Who::Site(SiteId((1 << 20) - 1)),
            Who::Cell(CellId(0)),
            Who::Cell(CellId(2_000_000_000)),
            Who::Many,
        ];
        assert_eq!(all.map(|who| Change::new(who, -3, 1 << 40).who()), all);
        assert_eq!(size_of::<Change>(), 16);
    }
}
