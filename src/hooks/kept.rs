//! Which blocks are in Python's free lists. A list, tuple or dict that was freed may stay there whole, but for its count of
//! references, which is zero: no object that anybody can reach has that.

use super::python::{Object, symbol};

const GC_HEAD: usize = 16;
const SIZE: usize = 16;
const WORD: usize = 8;
const TUPLE: usize = 24;

/// The types that are kept so, where the interpreter's lists leave the object as it was: not from 3.14 on.
pub struct Types {
    list: Object,
    tuple: Object,
    dict: Object,
}

impl Types {
    /// None where this minor's free lists cannot be read so.
    pub fn find(minor: u32) -> Option<Self> {
        if !(11..=13).contains(&minor) {
            return None;
        }
        Some(Self {
            list: symbol(c"PyList_Type")?,
            tuple: symbol(c"PyTuple_Type")?,
            dict: symbol(c"PyDict_Type")?,
        })
    }

    /// The type of what is kept in the block, if it is in a free list.
    ///
    /// # Safety
    /// A live block of Python's allocators, with the interpreter's lock.
    pub unsafe fn kept(&self, address: usize, size: u64) -> Option<&'static str> {
        let size = size as usize;
        if size < GC_HEAD + SIZE + WORD {
            return None;
        }
        // SAFETY: the block is live and reaches beyond these words; whatever they hold, it is only compared.
        let word = |at: usize| unsafe { ((address + at) as *const usize).read_volatile() };
        if word(GC_HEAD) & 0xffff_ffff != 0 {
            return None;
        }
        let kind = word(GC_HEAD + WORD) as Object;
        if kind == self.tuple {
            let items = word(GC_HEAD + SIZE);
            return (size == GC_HEAD + TUPLE + items * WORD).then_some("tuple");
        }
        match kind {
            kind if kind == self.list && size == GC_HEAD + 40 => Some("list"),
            kind if kind == self.dict && size == GC_HEAD + 48 => Some("dict"),
            _ => None,
        }
    }
}
