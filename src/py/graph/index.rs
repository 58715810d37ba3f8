//! Which node stands for the object at an address: a word for each 16 bytes of the address space where objects are, found
//! without a hash. Objects take at least 16 bytes, so no two share a word.

use std::io;

use crate::graph::Column;

const FAN_BITS: usize = 14;
const CHUNK_BITS: usize = 20;
const GRANULE_BITS: usize = 4;
const WORDS: usize = 1 << (CHUNK_BITS - GRANULE_BITS);
/// Chunks that were found last, by the low bits of their number.
const NEAR: usize = 256;

/// A chunk's words, or the chunks of a stretch of address space.
type Words = Column<u32>;

pub struct Index {
    /// By the high bits of an address, one up so that zero is none: where its stretch is in `stretches`.
    root: Words,
    /// By the next bits, in the same way: where its chunk is.
    stretches: Vec<Words>,
    chunks: Vec<Words>,
    near: Box<[(usize, *mut u32); NEAR]>,
}

impl Index {
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            root: Column::zeroed(1 << FAN_BITS)?,
            stretches: Vec::new(),
            chunks: Vec::new(),
            near: Box::new([(usize::MAX, std::ptr::null_mut()); NEAR]),
        })
    }

    /// The word for an address: zero where it is new.
    #[inline(always)]
    pub fn word(&mut self, address: usize) -> io::Result<&mut u32> {
        let number = address >> CHUNK_BITS;
        let (known, words) = self.near[number % NEAR];
        let words = if known == number {
            words
        } else {
            self.far(number)?
        };
        // SAFETY: a chunk has WORDS words and stays where it is; the index is masked to that.
        Ok(unsafe { &mut *words.add((address >> GRANULE_BITS) & (WORDS - 1)) })
    }

    #[cold]
    fn far(&mut self, number: usize) -> io::Result<*mut u32> {
        let stretch = place(
            &mut self.root[number >> FAN_BITS & ((1 << FAN_BITS) - 1)],
            &mut self.stretches,
            1 << FAN_BITS,
        )?;
        let chunk = place(
            &mut stretch[number & ((1 << FAN_BITS) - 1)],
            &mut self.chunks,
            WORDS,
        )?;
        let words = chunk.as_mut_ptr();
        self.near[number % NEAR] = (number, words);
        Ok(words)
    }

    /// The node at an address, where there is one.
    pub fn find(&mut self, address: usize) -> Option<u32> {
        self.word(address).ok().and_then(|word| word.checked_sub(1))
    }
}

/// What a word leads to, made first where it leads nowhere yet.
fn place<'a>(
    word: &mut u32,
    among: &'a mut Vec<Words>,
    length: usize,
) -> io::Result<&'a mut Words> {
    if *word == 0 {
        among.push(Column::zeroed(length)?);
        *word = among.len() as u32;
    }
    Ok(&mut among[*word as usize - 1])
}
