//! Address space that libraries took for allocators of their own, which ask the system for nothing when they hand out from
//! it. Of it counts what is resident, for the cell in which it was found to be so. Asks the system; its pages are `ranges`.

use std::ops::Range;

use super::books::Books;
use super::pages;
use super::paths::PathId;
use super::ranges::Piece;
use super::sites::Place;
use super::sources::{Layer, ObjectId, Source};

/// Larger ones are address space only: whoever takes so much means to use little, and looking at it takes long.
const LARGEST: usize = 64 << 30;

/// Reserves, and the object whose code took each.
#[derive(Default)]
pub struct Reserves(Vec<(Range<usize>, ObjectId)>);

impl Reserves {
    /// Takes a range out of all of them.
    pub fn cut(&mut self, start: usize, bytes: usize) {
        let end = start.saturating_add(bytes);
        let meets = |held: &Range<usize>| held.start < end && start < held.end;
        if !self.0.iter().any(|(held, _)| meets(held)) {
            return;
        }
        let parts = |(held, object): &(Range<usize>, ObjectId)| {
            let before = held.start..held.end.min(start);
            [(before, *object), (held.start.max(end)..held.end, *object)]
        };
        self.0 = self.0.iter().flat_map(parts).collect();
        self.0.retain(|(held, _)| !held.is_empty());
    }

    /// Whose reserve an address is in.
    pub fn owner(&self, address: usize) -> Option<ObjectId> {
        let (_, object) = self.0.iter().find(|(held, _)| held.contains(&address))?;
        Some(*object)
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }
}

impl Books {
    /// Address space was taken, over whatever was there.
    pub fn reserved(&mut self, start: usize, bytes: usize, object: ObjectId) {
        self.unmapped(start, bytes);
        if bytes <= LARGEST {
            self.reserves.0.push((start..start + bytes, object));
        }
    }

    /// Looks what of the reserves is resident by now: what is so for the first time is the running cell's, what is so no
    /// longer was given back in it. True if there are any.
    pub fn look_at_reserves(&mut self) -> bool {
        if self.reserves.0.is_empty() {
            return false;
        }
        let cell = self.latest_running();
        self.enter(cell);
        for (range, object) in self.reserves.0.clone() {
            for (run, resident) in pages::runs(range) {
                if resident {
                    self.touched(run, object);
                } else {
                    self.give_back_pages(run.start, run.len());
                }
            }
        }
        true
    }

    fn touched(&mut self, run: Range<usize>, object: ObjectId) {
        for gap in self.ranges.gaps(run.start, run.len()) {
            let layer = Layer::Mmap;
            let source = Source { layer, object };
            let key = self.key(self.latest_running(), Place::Reserve, source);
            let site = match self.find(&key) {
                Some(site) => site,
                None => self.add(key, PathId::default()),
            };
            self.came(gap.len(), site);
            let (start, bytes) = (gap.start, gap.len());
            self.ranges.add(Piece { start, bytes, site });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap::cells::{CellId, Reading};
    use crate::heap::pages::{PAGE, Pages};

    #[test]
    fn what_is_touched_of_a_reserve_counts_until_it_is_given_back() {
        let mut books = Books::new().unwrap();
        let pages = Pages::zeroed(300 * PAGE).unwrap();
        let start = pages.as_ptr() as usize;
        let touch = |from: usize, count: usize| {
            for page in from..from + count {
                // SAFETY: in the mapping, which is ours alone.
                unsafe { pages.as_ptr().add(page * PAGE).write(1) };
            }
        };
        let live = |books: &mut Books, cell: CellId| {
            books.look_at_reserves();
            let of_cell = (books.sites().iter()).filter(|(_, cold, _)| cold.key.cell == cell);
            of_cell.map(|(.., hot)| hot.live()).sum::<u64>() / PAGE as u64
        };
        books.reserved(start, 300 * PAGE, ObjectId(1));
        let first = books.begin(Some(1), 0.0, Reading::default());
        touch(10, 20);
        assert_eq!(live(&mut books, first), 20);
        books.end(first, false, 1.0, Reading::default(), None);

        let second = books.begin(Some(2), 2.0, Reading::default());
        touch(5, 10);
        touch(200, 7);
        assert_eq!(
            (live(&mut books, first), live(&mut books, second)),
            (20, 12)
        );

        // SAFETY: whole pages of the mapping.
        unsafe { libc::madvise((start + 12 * PAGE) as *mut _, 8 * PAGE, libc::MADV_DONTNEED) };
        assert_eq!(
            (live(&mut books, first), live(&mut books, second)),
            (12, 12)
        );
        books.unmapped(start, 25 * PAGE);
        assert_eq!((live(&mut books, first), live(&mut books, second)), (5, 7));
    }

    #[test]
    fn a_cut_leaves_two_ends() {
        let mut reserves = Reserves(vec![(100..200, ObjectId(1)), (300..400, ObjectId(2))]);
        reserves.cut(150, 10);
        reserves.cut(350, 100);
        let left = [(100..150, 1), (160..200, 1), (300..350, 2)];
        assert_eq!(
            reserves.0,
            left.map(|(range, object)| (range, ObjectId(object)))
        );
        assert_eq!(
            (reserves.owner(155), reserves.owner(310)),
            (None, Some(ObjectId(2)))
        );
    }
}
