//! One free list of Python's: an array of objects, or a chain of them. What is in it can be visited, taken out, or put away as
//! a whole. Each is the same to the interpreter as if it had done so itself.

use super::layout::word;
use super::python::Object;

pub(super) const WORD: usize = 8;
/// The objects that an array has room for, and how many lengths there is a chain of tuples for.
pub(super) const MOST: usize = 80;
pub(super) const LENGTHS: usize = 20;

/// An array of objects.
#[derive(Clone, Copy)]
pub(super) struct Array {
    pub start: usize,
    /// Where their number stands.
    pub count: usize,
}

/// A chain of objects.
#[derive(Clone, Copy)]
pub(super) struct Chain {
    pub first: usize,
    /// Where their number stands.
    pub count: usize,
    /// Where in an object the next one stands.
    pub next: usize,
    pub most: usize,
}

/// What an array held.
pub(super) struct Held {
    objects: [usize; MOST],
    count: usize,
}

/// The first object of a chain, and how many there were.
#[derive(Clone, Copy)]
pub(super) struct Linked {
    first: usize,
    count: usize,
}

impl Array {
    /// None before, and where the interpreter takes its leave (then it says -1).
    pub unsafe fn len(self) -> usize {
        // SAFETY: the caller holds the lock, and a number was found there.
        unsafe { number(self.count) }.min(MOST)
    }

    pub unsafe fn each(self, mut visit: impl FnMut(usize)) {
        // SAFETY: the caller holds the lock; so many objects are there.
        unsafe {
            for at in 0..self.len() {
                visit(read(self.start + at * WORD));
            }
        }
    }

    /// Leaves it empty.
    pub unsafe fn put_away(self) -> Held {
        let mut objects = [0; MOST];
        // SAFETY: as for `each`.
        unsafe {
            let count = self.len();
            let start = self.start as *const usize;
            start.copy_to_nonoverlapping(objects.as_mut_ptr(), count);
            set_number(self.count, 0);
            Held { objects, count }
        }
    }

    /// It is empty.
    pub unsafe fn put_back(self, held: &Held) {
        // SAFETY: as for `each`; so many lay there before.
        unsafe {
            let start = self.start as *mut usize;
            start.copy_from_nonoverlapping(held.objects.as_ptr(), held.count);
            set_number(self.count, held.count);
        }
    }

    /// Takes the last one out.
    pub unsafe fn take(self) -> Option<Object> {
        // SAFETY: the caller holds the lock: this is what the interpreter does when it needs one.
        unsafe {
            let last = self.len().checked_sub(1)?;
            set_number(self.count, last);
            Some(read(self.start + last * WORD) as Object)
        }
    }
}

impl Chain {
    unsafe fn len(self) -> usize {
        // SAFETY: as for an array.
        unsafe { number(self.count) }.min(self.most)
    }

    pub unsafe fn each(self, mut visit: impl FnMut(usize)) {
        // SAFETY: the caller holds the lock; each free object leads to the next.
        unsafe {
            let mut object = read(self.first);
            for _ in 0..self.len() {
                visit(object);
                object = read(object + self.next);
            }
        }
    }

    /// Leaves it empty.
    pub unsafe fn put_away(self) -> Linked {
        // SAFETY: as for an array; null ends a chain.
        unsafe {
            let linked = Linked {
                first: read(self.first),
                count: self.len(),
            };
            (self.first as *mut usize).write(0);
            set_number(self.count, 0);
            linked
        }
    }

    /// It is empty.
    pub unsafe fn put_back(self, linked: Linked) {
        // SAFETY: as for an array.
        unsafe {
            (self.first as *mut usize).write(linked.first);
            set_number(self.count, linked.count);
        }
    }

    /// Takes the first one out.
    pub unsafe fn take(self) -> Option<Object> {
        // SAFETY: as for an array.
        unsafe {
            let left = self.len().checked_sub(1)?;
            let object = read(self.first);
            (self.first as *mut usize).write(read(object + self.next));
            set_number(self.count, left);
            Some(object as Object)
        }
    }

    /// Whether it ends where its number says.
    pub unsafe fn is_whole(self) -> bool {
        // SAFETY: the caller holds the lock; null ends a chain.
        unsafe {
            let (mut object, mut length) = (read(self.first), 0);
            while object != 0 && length <= self.most {
                (object, length) = (read(object + self.next), length + 1);
            }
            length == number(self.count)
        }
    }
}

pub(super) unsafe fn read(place: usize) -> usize {
    // SAFETY: the caller knows that a word is there.
    unsafe { word(place as *const u8, 0) }
}

/// A number of objects; zero where it is negative.
pub(super) unsafe fn number(place: usize) -> usize {
    // SAFETY: the caller knows that an `int` is there.
    usize::try_from(unsafe { (place as *const libc::c_int).read() }).unwrap_or(0)
}

unsafe fn set_number(place: usize, number: usize) {
    // SAFETY: as above; it is less than what was there.
    unsafe { (place as *mut libc::c_int).write(number as libc::c_int) };
}
