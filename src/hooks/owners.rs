//! From a frame to its code: a copy of it, and whose it is. Nothing here allocates by Python's allocators or runs Python.

use std::sync::Arc;

use crate::heap::codes::{Code, CodeId, IMPORT};
use crate::heap::sites::{Place, Spot};

use super::blackbox;
use super::caches::{Import, Owner, caches};
use super::layout::{BYTES, FILE, LINE_TABLE, Layout, QUALNAME, SIZE, code_of, word};
use super::python::{Api, Object, is_code};
use super::tracer::Tracer;

impl Tracer {
    /// The frame's instruction. Takes a copy of its code, which only lines of the notebook, and what runs for them, are
    /// worth: a start runs some thousands of code objects, and no line of theirs is ever told.
    pub(super) unsafe fn spot<L: Layout>(&mut self, frame: *const u8) -> Spot {
        // SAFETY: the frame is live, and so is its code.
        unsafe {
            let address = code_of::<L>(frame);
            let code = self.code::<L>(address);
            let offset = u32::try_from(offset::<L>(frame, address)).unwrap_or(0);
            Spot { code, offset }
        }
    }

    /// Whose the frame's instruction is. A frame that has not begun yet is a library's: its caller's line asked.
    pub(super) unsafe fn leaf_owner<L: Layout>(&mut self, frame: *const u8) -> Owner {
        // SAFETY: the frame is live, and so is its code.
        unsafe {
            let address = code_of::<L>(frame);
            // Asked in any case: what is remembered of an instruction is void when its code dies.
            let owner = self.owner::<L>(address);
            let first = word(address as *const u8, L::FIRST_TRACEABLE) as u32 as isize * 2;
            if offset::<L>(frame, address) < first {
                Owner::Library
            } else {
                owner
            }
        }
    }

    /// Whose code this is, remembered by its address.
    #[inline(always)]
    pub(super) unsafe fn owner<L: Layout>(&mut self, address: usize) -> Owner {
        // SAFETY: it is our turn, as the caller promises.
        match unsafe { caches() }.owner(address, self.voided) {
            Some(owner) => owner,
            // SAFETY: the object is a live frame's.
            None => unsafe { self.new_owner::<L>(address) },
        }
    }

    #[cold]
    #[inline(never)]
    unsafe fn new_owner<L: Layout>(&mut self, address: usize) -> Owner {
        // SAFETY: the frame's object lives; if it is no code object it is a shim's and stays for good. A code object's
        // file is a str.
        let owner = unsafe {
            if is_code(address) {
                self.books.watch_code(address);
                let of = |field| word(address as *const u8, field) as Object;
                self.owner_of(of(FILE), of(QUALNAME))
            } else {
                Owner::Library
            }
        };
        // SAFETY: it is our turn, as the caller promises.
        unsafe { caches() }.set_owner(address, self.voided, owner);
        owner
    }

    /// Whose the code of this file and name is.
    ///
    /// # Safety
    /// Both are live `str`.
    unsafe fn owner_of(&self, file: Object, name: Object) -> Owner {
        // SAFETY: the caller's promise.
        let with = |start: &str| unsafe { begins(file, start) };
        let of = |files: &[String]| files.iter().any(|start| with(start));
        if of(&self.notebook_files) {
            Owner::Notebook
        } else if of(&self.own_files) && !of(&self.kernel_files) {
            Owner::Cellheap
        } else if with(IMPORT) {
            // SAFETY: the caller's promise.
            Owner::Imports(unsafe { import(file, name) })
        } else {
            Owner::Library
        }
    }

    /// A line asks for the first time in this cell: where the process stands.
    pub(super) fn tell_box(&self, place: Place) {
        if let Place::Line { line, .. } = place
            && let Some(code) = self.books.codes.get(line.code)
        {
            blackbox::saw_line(code, line.offset);
        }
    }

    /// The copy of a code object, taken on first sight.
    unsafe fn code<L: Layout>(&mut self, address: usize) -> CodeId {
        match self.books.code(address) {
            Some(id) => id,
            // SAFETY: the caller's code object lives.
            None => self
                .books
                .saw_code(address, unsafe { copy::<L>(address as *const u8) }),
        }
    }
}

/// Where in its code a frame is, in bytes; below zero where it has not begun.
///
/// # Safety
/// The frame is live.
unsafe fn offset<L: Layout>(frame: *const u8, address: usize) -> isize {
    // SAFETY: the caller's promise.
    let instruction = unsafe { word(frame, L::INSTRUCTION) };
    instruction
        .wrapping_sub(address + L::BYTECODE)
        .cast_signed()
}

/// Which function of the import system has this file and name.
///
/// # Safety
/// Both are live `str`.
unsafe fn import(file: Object, name: Object) -> Import {
    // SAFETY: the caller's promise.
    let is = |string, whole: &str| unsafe {
        Api::get().text_length.map(|length| length(string)) == Some(whole.len().cast_signed())
            && begins(string, whole)
    };
    match is(file, "<frozen importlib._bootstrap>") {
        true if is(name, "_find_and_load") => Import::FindAndLoad,
        true if is(name, "_find_and_load_unlocked") => Import::FindAndLoadUnlocked,
        _ => Import::Other,
    }
}

/// Whether a text begins so. Compared from its end: that paths begin alike says little.
///
/// # Safety
/// `string` is a live `str`.
unsafe fn begins(string: Object, start: &str) -> bool {
    let api = Api::get();
    let (Some(length), Some(read)) = (api.text_length, api.text_read) else {
        return false;
    };
    // SAFETY: the caller's promise; the indices are below the length.
    unsafe {
        let characters = start.chars().count().cast_signed();
        length(string) >= characters
            && (start.chars().rev().zip(1..))
                .all(|(character, back)| read(string, characters - back) == u32::from(character))
    }
}

/// # Safety
/// `code` is a live code object of this layout.
unsafe fn copy<L: Layout>(code: *const u8) -> Code {
    // SAFETY: names are str and the table is bytes, by CPython's own checks when a code object is made.
    unsafe {
        let table = word(code, LINE_TABLE) as *const u8;
        let bytes = std::slice::from_raw_parts(table.add(BYTES), word(table, SIZE));
        Code {
            file: text(word(code, FILE) as Object),
            function: text(word(code, QUALNAME) as Object),
            first_line: word(code, L::FIRST_LINE) as u32,
            table: bytes.into(),
        }
    }
}

/// Read character by character: the interpreter's encoders would allocate, and meddle with a raised exception.
///
/// # Safety
/// `string` is a live `str`.
unsafe fn text(string: Object) -> Arc<str> {
    let api = Api::get();
    let (Some(length), Some(read)) = (api.text_length, api.text_read) else {
        return Arc::from("?");
    };
    // SAFETY: the indices are below the length; a lone surrogate reads as one.
    let characters = unsafe { (0..length(string)).map(|at| read(string, at)) };
    let text: String = characters
        .map(|code| char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect();
    text.into()
}
