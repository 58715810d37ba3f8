//! Objects of the standard library's C modules that own memory besides themselves: an open file its buffer, an array of
//! ctypes' its data, a mapping its pages, an element of a tree its children. Layouts as in CPython's sources of `_io`,
//! `_ctypes`, `mmap` and `_elementtree`, the same for 3.11 to 3.14; a word that is no block's address counts nothing.

use std::ffi::CStr;

use super::layout::{int, word};
use super::names::{Named, item_of};
use super::owned::Found;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Ctypes,
    Mapping,
    Buffered,
    Element,
}

/// Where the types are found.
pub const TYPES: [(&CStr, &CStr, Form); 11] = [
    (c"_ctypes", c"Array", Form::Ctypes),
    (c"_ctypes", c"Structure", Form::Ctypes),
    (c"_ctypes", c"Union", Form::Ctypes),
    (c"_ctypes", c"_SimpleCData", Form::Ctypes),
    (c"_ctypes", c"_Pointer", Form::Ctypes),
    (c"_ctypes", c"CFuncPtr", Form::Ctypes),
    (c"mmap", c"mmap", Form::Mapping),
    (c"_io", c"BufferedReader", Form::Buffered),
    (c"_io", c"BufferedWriter", Form::Buffered),
    (c"_io", c"BufferedRandom", Form::Buffered),
    (c"_elementtree", c"Element", Form::Element),
];

mod ctypes {
    pub const DATA: usize = 16;
    pub const OWNS: usize = 24;
}

mod mapping {
    pub const PAGES: usize = 16;
}

mod buffered {
    pub const BUFFER: usize = 56;
    pub const LOCK: usize = 104;
}

mod element {
    pub const MORE: usize = 40;
    /// In what it has more.
    pub const COUNT: usize = 8;
    pub const CHILDREN: usize = 24;
}

/// Visits the blocks of an object.
///
/// # Safety
/// A live object of a type of this form.
pub unsafe fn found_behind(form: Form, object: usize, found: &mut impl Found) {
    // SAFETY: the caller's promise.
    unsafe {
        match form {
            Form::Ctypes if int(object, ctypes::OWNS) == 0 => {}
            Form::Ctypes => found.block(word(object, ctypes::DATA)),
            Form::Mapping => found.pages(word(object, mapping::PAGES)),
            Form::Buffered => {
                found.block(word(object, buffered::BUFFER));
                found.block(word(object, buffered::LOCK));
            }
            Form::Element => {
                let more = word(object, element::MORE);
                if more != 0 {
                    found.block(more);
                    found.block(word(more, element::CHILDREN));
                }
            }
        }
    }
}

/// Which child of an element an object is.
///
/// # Safety
/// As above.
pub unsafe fn name(form: Form, object: usize, held: usize) -> Option<Named> {
    if form != Form::Element {
        return None;
    }
    // SAFETY: the caller's promise; so many children lie there.
    unsafe {
        let more = word(object, element::MORE);
        if more == 0 {
            return None;
        }
        item_of(
            word(more, element::CHILDREN),
            word(more, element::COUNT),
            held,
        )
    }
}
