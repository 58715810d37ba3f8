//! Data of pyarrow's that pandas and numpy use without a copy: their array's base is a capsule, which has a shared pointer.
//! No sample can be made of it without pandas, so each is looked at through the system before it is followed.

use std::ffi::CStr;

use super::super::check::is_address;
use super::super::layout::word;
use super::super::owned::Found;
use super::samples::Memory;
use super::{Form, Known, POINTER, SET_ASIDE, follow};

/// In a capsule: what it has, and what it is called.
const HAS: usize = 16;
const NAME: usize = 24;
/// How pyarrow calls those.
const NAMES: [(&CStr, Form); 2] = [
    (c"arrow::Array", Form::Array),
    (c"arrow::Buffer", Form::Buffer),
];
/// More than a buffer has.
const TOO_LARGE: usize = 1 << 48;

impl Known {
    /// What a capsule has, if it is one of those.
    ///
    /// # Safety
    /// A live capsule, with the interpreter's lock.
    pub unsafe fn found_in_capsule(&self, capsule: usize, found: &mut impl Found) {
        // SAFETY: the caller's promise: a capsule has a name or null; what pyarrow's has is a block that C++ made with `new`.
        unsafe {
            let (has, name) = (word(capsule, HAS), word(capsule, NAME));
            if name == 0 {
                return;
            }
            let name = CStr::from_ptr(name as *const _);
            let Some((_, form)) = NAMES.iter().find(|(known, _)| *known == name) else {
                return;
            };
            if !is_address(has) || libc::malloc_usable_size(has as *mut _) < POINTER {
                return;
            }
            let is = |memory: Memory| self.is(&memory, has, *form);
            if Memory::open().and_then(is) == Some(true) {
                found.block(has);
                follow(has, *form, found);
            }
        }
    }

    /// Whether a pointer to a buffer or an array is there, as all of those are: an array with data, which have buffers.
    fn is(&self, memory: &Memory, at: usize, form: Form) -> Option<bool> {
        let (inside, _) = memory.counted(at)?;
        if form == Form::Array {
            let (data, _) = memory.counted(inside + self.array_data)?;
            return Some(!memory.list(data + self.buffers).is_empty());
        }
        let at = inside + self.data;
        let (size, aside) = (memory.word(at + 8)?, memory.word(at + SET_ASIDE)?);
        Some(size <= aside && aside < TOO_LARGE)
    }
}
