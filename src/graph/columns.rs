//! Columns of plain numbers in pages of their own: no allocator is asked, nothing is copied as they grow, and they go back
//! to the system whole. Knows nothing of graphs.

use std::io;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use crate::heap::pages::{PAGE, Pages};
use crate::heap::spare;

/// Numbers that zeroed memory is valid for.
pub trait Plain: Copy {}
impl Plain for u8 {}
impl Plain for u32 {}
impl Plain for u64 {}
impl Plain for usize {}
impl Plain for (u32, u32) {}
impl Plain for (u32, usize) {}

/// Columns of so many bytes may lie in huge pages, which waste at most one each.
const HUGE_FROM: usize = 8 << 20;
/// Columns of so many bytes must leave something.
const LARGE: usize = 256 << 10;

pub struct Column<T> {
    pages: Pages,
    room: usize,
    length: usize,
    kind: PhantomData<T>,
}

impl<T: Plain> Column<T> {
    /// # Errors
    /// The system's error when no memory is left.
    pub fn new() -> io::Result<Self> {
        Self::with_room(PAGE / size_of::<T>())
    }

    fn with_room(room: usize) -> io::Result<Self> {
        let bytes = (room * size_of::<T>()).next_multiple_of(PAGE).max(PAGE);
        let pages = Pages::zeroed(bytes)?;
        taken(&pages, bytes)?;
        Ok(Self {
            pages,
            room: bytes / size_of::<T>(),
            length: 0,
            kind: PhantomData,
        })
    }

    /// So many zeroes.
    ///
    /// # Errors
    /// The system's error when no memory is left.
    pub fn zeroed(length: usize) -> io::Result<Self> {
        let mut column = Self::with_room(length)?;
        column.length = length;
        Ok(column)
    }

    /// So many of the same.
    ///
    /// # Errors
    /// The system's error when no memory is left.
    pub fn filled(length: usize, value: T) -> io::Result<Self> {
        let mut column = Self::zeroed(length)?;
        column.fill(value);
        Ok(column)
    }

    /// # Errors
    /// The system's error when no memory is left.
    #[inline(always)]
    pub fn push(&mut self, value: T) -> io::Result<()> {
        if self.length == self.room {
            self.grow()?;
        }
        // SAFETY: below `room`, which the pages have place for.
        unsafe { self.start().add(self.length).write(value) };
        self.length += 1;
        Ok(())
    }

    #[inline(always)]
    pub fn pop(&mut self) -> Option<T> {
        self.length = self.length.checked_sub(1)?;
        // SAFETY: it was below the length, so it was written or is a zero of the pages.
        Some(unsafe { self.start().add(self.length).read() })
    }

    #[cold]
    fn grow(&mut self) -> io::Result<()> {
        let bytes = self.room * size_of::<T>() * 2;
        self.pages.resize(bytes.next_multiple_of(PAGE))?;
        taken(&self.pages, bytes)?;
        self.room = bytes / size_of::<T>();
        Ok(())
    }

    #[inline(always)]
    fn start(&self) -> *mut T {
        self.pages.as_ptr().cast()
    }
}

/// So many bytes of pages were taken.
fn taken(pages: &Pages, bytes: usize) -> io::Result<()> {
    if bytes >= HUGE_FROM {
        pages.be_huge();
    }
    if bytes >= LARGE {
        spare::is_left()?;
    }
    Ok(())
}

impl<T: Plain> Deref for Column<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        // SAFETY: so many were written, or are zeroes, which `Plain` allows.
        unsafe { std::slice::from_raw_parts(self.start(), self.length) }
    }
}

impl<T: Plain> DerefMut for Column<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, and `&mut` says that nobody else looks.
        unsafe { std::slice::from_raw_parts_mut(self.start(), self.length) }
    }
}

/// A bit for each node.
pub struct Bits(Column<u64>);

impl Bits {
    /// # Errors
    /// The system's error when no memory is left.
    pub fn new(length: usize) -> io::Result<Self> {
        Column::zeroed(length.div_ceil(64)).map(Self)
    }

    /// All of so many are set.
    ///
    /// # Errors
    /// The system's error when no memory is left.
    pub fn full(length: usize) -> io::Result<Self> {
        let mut bits = Self::new(length)?;
        (0..length as u32).for_each(|at| _ = bits.set(at));
        Ok(bits)
    }

    #[inline(always)]
    pub fn has(&self, at: u32) -> bool {
        self.0[at as usize / 64] >> (at % 64) & 1 == 1
    }

    /// Sets a bit; whether it was not set before.
    #[inline(always)]
    pub fn set(&mut self, at: u32) -> bool {
        let (word, bit) = (&mut self.0[at as usize / 64], 1 << (at % 64));
        let fresh = *word & bit == 0;
        *word |= bit;
        fresh
    }

    #[inline(always)]
    pub fn unset(&mut self, at: u32) {
        self.0[at as usize / 64] &= !(1 << (at % 64));
    }

    pub fn count(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Those that are set, in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        self.0.iter().enumerate().flat_map(|(at, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros())?;
                left &= left - 1;
                Some(at as u32 * 64 + bit)
            })
        })
    }
}
