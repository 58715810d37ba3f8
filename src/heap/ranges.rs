//! Pages that were mapped: unlike blocks they are given back in any part, or mapped over.

use std::collections::BTreeMap;
use std::ops::Range;

use super::sites::SiteId;

/// A mapped range, or what is left of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    pub start: usize,
    pub bytes: usize,
    pub site: SiteId,
}

#[derive(Default)]
pub struct Ranges(BTreeMap<usize, (usize, SiteId)>);

impl Ranges {
    /// Notes a mapping; the range is free of others by now.
    pub fn add(&mut self, piece: Piece) {
        self.0.insert(piece.start, (piece.bytes, piece.site));
    }

    /// The bytes of the mapping that begins at an address, and its site.
    pub fn at(&self, start: usize) -> Option<(usize, SiteId)> {
        self.0.get(&start).copied()
    }

    /// Whether a mapping has a part in the range.
    pub fn meets(&self, start: usize, bytes: usize) -> bool {
        let before_end = self.0.range(..start.saturating_add(bytes)).next_back();
        before_end.is_some_and(|(at, (length, _))| at + length > start)
    }

    /// What of a range no mapping has a part in.
    pub fn gaps(&self, start: usize, bytes: usize) -> Vec<Range<usize>> {
        let mut gaps = Vec::new();
        let mut end = start.saturating_add(bytes);
        // The last mapping that begins before the end, then back.
        while start < end {
            let before = self.0.range(..end).next_back();
            let (at, after) = before.map_or((start, start), |(at, (length, _))| (*at, at + length));
            if after < end {
                gaps.push(after.max(start)..end);
            }
            end = at;
        }
        gaps
    }

    /// Cuts a range out. The pieces that were in it, and those left at its two ends of mappings that it cut through.
    pub fn cut(&mut self, start: usize, bytes: usize) -> Vec<Cut> {
        let end = start.saturating_add(bytes);
        let mut cuts = Vec::new();
        // The last mapping that begins before the end, then back.
        while let Some((&at, &(length, site))) = self.0.range(..end).next_back() {
            if at + length <= start {
                break;
            }
            self.0.remove(&at);
            let (from, to) = (at.max(start), (at + length).min(end));
            if at + length > end {
                self.0.insert(end, (at + length - end, site));
            }
            let before = at < start;
            if before {
                self.0.insert(at, (start - at, site));
            }
            let left = usize::from(before) + usize::from(at + length > end);
            cuts.push(Cut {
                piece: Piece {
                    start: from,
                    bytes: to - from,
                    site,
                },
                left,
            });
            if before {
                break;
            }
        }
        cuts
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Bytes that the table itself takes, about two thirds of its nodes being full.
    pub fn bytes(&self) -> u64 {
        (self.0.len() * size_of::<(usize, (usize, SiteId))>() * 3 / 2) as u64
    }
}

/// A piece that was cut out, and how many pieces of its mapping are left: none, one, or two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    pub piece: Piece,
    pub left: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    const SITE: SiteId = SiteId(9);

    fn piece(start: usize, bytes: usize) -> Piece {
        Piece {
            start,
            bytes,
            site: SITE,
        }
    }

    fn ranges(pieces: &[Piece]) -> Ranges {
        let mut ranges = Ranges::default();
        for piece in pieces {
            ranges.add(*piece);
        }
        ranges
    }

    fn cut(start: usize, bytes: usize, left: usize) -> Cut {
        Cut {
            piece: piece(start, bytes),
            left,
        }
    }

    #[test]
    fn a_hole_leaves_two_ends() {
        let mut held = ranges(&[piece(100, 50)]);
        assert_eq!(held.cut(110, 20), [cut(110, 20, 2)]);
        assert_eq!(held.cut(0, 1000), [cut(130, 20, 0), cut(100, 10, 0)]);
        assert_eq!(held.cut(0, 1000), []);
    }

    #[test]
    fn gaps_are_what_no_mapping_has() {
        let held = ranges(&[piece(100, 50), piece(150, 50), piece(300, 10)]);
        assert_eq!(held.gaps(90, 300), [310..390, 200..300, 90..100]);
        assert!(held.gaps(140, 20).is_empty());
        assert_eq!(held.gaps(0, 160), vec![0..100]);
    }

    #[test]
    fn a_cut_goes_through_several_mappings() {
        let mut held = ranges(&[piece(100, 50), piece(150, 50), piece(300, 10)]);
        assert_eq!(held.cut(140, 20), [cut(150, 10, 1), cut(140, 10, 1)]);
        assert_eq!(held.cut(200, 100), []);
        assert_eq!(held.cut(300, 1), [cut(300, 1, 1)]);
    }
}
