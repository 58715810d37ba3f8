//! From the running instruction to its site. The walk stops at the first notebook frame.
//! Nothing here allocates by Python's allocators or runs Python: a hook is never inside a hook.

use std::sync::Arc;

use crate::heap::codes::{Code, CodeId};
use crate::heap::sites::{CELLHEAP, MACHINERY, Place, SiteId, Spot};

use super::caches::{Deep, Leaf, Owner, Pair, caches};
use super::layout::{
    BYTES, FILE, LINE_TABLE, Layout, QUALNAME, SIZE, code_of, running_frame, word,
};
use super::python::{Api, Object, is_code};
use super::tracer::Tracer;

/// Library frames that the walk follows.
const DEEPEST: usize = 64;
/// From here on, frames are compared with those that were found to be too many before.
const NEAR: usize = 16;
/// The depth where no notebook frame is under the others.
const ENDLESS: usize = 1 << 30;

impl Tracer {
    /// The site of what runs now, if a notebook instruction runs that was seen before: the common case. Zero if not.
    ///
    /// # Safety
    /// `is_turned_to` the thread, and the interpreter's lock is held.
    #[inline(always)]
    pub unsafe fn quick_site<L: Layout>(&self, thread: *const u8) -> SiteId {
        // SAFETY: the caller's promise; frames of the current thread stay while we run.
        unsafe {
            let frame = running_frame::<L>(thread);
            if frame.is_null() {
                return SiteId(0);
            }
            let instruction = word(frame, L::INSTRUCTION);
            let leaf = *caches().leaf(instruction);
            if leaf.instruction == instruction && leaf.stamp == self.stamp {
                leaf.site
            } else {
                SiteId(0)
            }
        }
    }

    /// The site of what runs now.
    ///
    /// # Safety
    /// `turn_to` or `is_turned_to` the thread, which is the current one or null, and the interpreter's lock is held.
    pub unsafe fn site<L: Layout>(&mut self, thread: *const u8) -> SiteId {
        if thread.is_null() {
            return MACHINERY;
        }
        if self.in_own {
            return CELLHEAP;
        }
        // SAFETY: the caller's promise; frames of the current thread stay while we run.
        unsafe {
            let mut frame = running_frame::<L>(thread);
            // Shims of the evaluation loop run nothing of their own.
            while !frame.is_null() && !is_code(code_of::<L>(frame)) {
                frame = word(frame, L::PREVIOUS) as *const u8;
            }
            if frame.is_null() {
                return self.frameless();
            }
            let instruction = word(frame, L::INSTRUCTION);
            let leaf = *caches().leaf(instruction);
            match leaf.instruction == instruction && leaf.stamp == self.stamp {
                true if leaf.site.0 != 0 => leaf.site,
                true => self.library::<L>(frame, instruction),
                false => self.new_leaf::<L>(frame, instruction),
            }
        }
    }

    /// A library instruction: whose line is it?
    unsafe fn library<L: Layout>(&mut self, leaf: *const u8, instruction: usize) -> SiteId {
        let (mut frame, mut near) = (leaf, leaf);
        for step in 1..=DEEPEST {
            // SAFETY: a frame's `previous` is a live frame of the same thread or null.
            frame = unsafe { word(frame, L::PREVIOUS) } as *const u8;
            if frame.is_null() {
                return self.frameless();
            }
            // SAFETY: as above; the code object runs, so it lives.
            match unsafe { self.owner::<L>(code_of::<L>(frame)) } {
                Owner::Library => {}
                Owner::Cellheap => return CELLHEAP,
                Owner::Notebook => {
                    // SAFETY: as above.
                    let line = unsafe { word(frame, L::INSTRUCTION) };
                    // SAFETY: the lock is held, as the caller promises.
                    let pair = *unsafe { caches() }.pair(instruction, line);
                    if pair.leaf == instruction && pair.line == line && pair.stamp == self.stamp {
                        return pair.site;
                    }
                    // SAFETY: both frames are live.
                    return unsafe { self.new_pair::<L>(leaf, frame) };
                }
            }
            if step == NEAR {
                near = frame;
            }
            if step >= NEAR {
                // SAFETY: both frames are live.
                if let Some(site) = unsafe { self.too_deep::<L>(frame, near, step) } {
                    return site;
                }
            }
        }
        // SAFETY: both frames are live.
        unsafe { self.deep::<L>(frame, near) }
    }

    /// So many library frames that the line is given up. What is under them is still the notebook, or not.
    #[cold]
    #[inline(never)]
    unsafe fn deep<L: Layout>(&mut self, end: *const u8, near: *const u8) -> SiteId {
        let (mut frame, mut depth) = (end, DEEPEST - NEAR);
        let (depth, site) = loop {
            // SAFETY: a frame's `previous` is a live frame of the same thread or null.
            frame = unsafe { word(frame, L::PREVIOUS) } as *const u8;
            depth += 1;
            if frame.is_null() {
                break (ENDLESS, self.frameless());
            }
            // SAFETY: the frame is live.
            if let Some(known) = unsafe { self.known_deep::<L>(frame) } {
                break (known.depth + depth, known.site);
            }
            // SAFETY: as above; the code object runs, so it lives.
            match unsafe { self.owner::<L>(code_of::<L>(frame)) } {
                Owner::Library => {}
                Owner::Cellheap => break (ENDLESS, CELLHEAP),
                Owner::Notebook => break (depth, self.make(Place::Deep)),
            }
        };
        // SAFETY: the frame is live.
        unsafe { self.remember_deep::<L>(near, depth.min(ENDLESS), site) };
        site
    }

    /// Whether it is known that the notebook's frame is too far under the one that the walk has come to in so many steps.
    #[inline(always)]
    unsafe fn too_deep<L: Layout>(
        &mut self,
        frame: *const u8,
        near: *const u8,
        step: usize,
    ) -> Option<SiteId> {
        // SAFETY: both frames are live, as the caller promises.
        unsafe {
            let known = self.known_deep::<L>(frame)?;
            if known.depth + step <= DEEPEST {
                return None;
            }
            if step > NEAR {
                self.remember_deep::<L>(near, known.depth + step - NEAR, known.site);
            }
            Some(known.site)
        }
    }

    /// What was found under a frame that still stands where it stood.
    #[inline(always)]
    unsafe fn known_deep<L: Layout>(&self, frame: *const u8) -> Option<Deep> {
        // SAFETY: the lock is held and the frame is live, as the caller promises.
        unsafe {
            let known = *caches().deep(frame as usize);
            (known.frame == frame as usize
                && known.stamp == self.stamp
                && known.instruction == word(frame, L::INSTRUCTION)
                && known.caller == caller::<L>(frame))
            .then_some(known)
        }
    }

    unsafe fn remember_deep<L: Layout>(&mut self, frame: *const u8, depth: usize, site: SiteId) {
        // SAFETY: the lock is held and the frame is live, as the caller promises.
        unsafe {
            *caches().deep(frame as usize) = Deep {
                frame: frame as usize,
                instruction: word(frame, L::INSTRUCTION),
                caller: caller::<L>(frame),
                stamp: self.stamp,
                depth,
                site,
            };
        }
    }

    /// No Python code asked.
    fn frameless(&mut self) -> SiteId {
        if self.started {
            self.make(Place::Thread)
        } else {
            MACHINERY
        }
    }

    /// The site of `place` in this cell; caches are voided if ids were given up for it.
    fn make(&mut self, place: Place) -> SiteId {
        let site = self.books.site(self.cell, place);
        self.catch_up();
        site
    }

    #[cold]
    #[inline(never)]
    unsafe fn new_leaf<L: Layout>(&mut self, frame: *const u8, instruction: usize) -> SiteId {
        // SAFETY: the frame runs, so its code lives.
        let (spot, owner) = unsafe { self.spot::<L>(frame) };
        let (kept, site) = match owner {
            Owner::Notebook => {
                let site = self.make(Place::Line {
                    leaf: spot,
                    line: spot,
                });
                (site, site)
            }
            Owner::Cellheap => (CELLHEAP, CELLHEAP),
            // SAFETY: as above.
            Owner::Library => (SiteId(0), unsafe { self.library::<L>(frame, instruction) }),
        };
        // SAFETY: the lock is held, as the caller promises.
        *unsafe { caches() }.leaf(instruction) = Leaf {
            instruction,
            stamp: self.stamp,
            site: kept,
        };
        site
    }

    #[cold]
    #[inline(never)]
    unsafe fn new_pair<L: Layout>(&mut self, leaf: *const u8, line: *const u8) -> SiteId {
        // SAFETY: both frames are live, their code too.
        let (leaf_spot, line_spot) = unsafe { (self.spot::<L>(leaf).0, self.spot::<L>(line).0) };
        let site = self.make(Place::Line {
            leaf: leaf_spot,
            line: line_spot,
        });
        // SAFETY: as above.
        let (leaf, line) = unsafe { (word(leaf, L::INSTRUCTION), word(line, L::INSTRUCTION)) };
        // SAFETY: the lock is held, as the caller promises.
        *unsafe { caches() }.pair(leaf, line) = Pair {
            leaf,
            line,
            stamp: self.stamp,
            site,
        };
        site
    }

    /// The frame's instruction, and whose it is. A frame that has not begun yet is a library's: its caller's line asked.
    unsafe fn spot<L: Layout>(&mut self, frame: *const u8) -> (Spot, Owner) {
        // SAFETY: the frame is live, and so is its code.
        unsafe {
            let (address, instruction) = (code_of::<L>(frame), word(frame, L::INSTRUCTION));
            let code = self.code::<L>(address);
            let offset = instruction
                .wrapping_sub(address + L::BYTECODE)
                .cast_signed();
            let first = word(address as *const u8, L::FIRST_TRACEABLE) as u32 as isize * 2;
            let owner = if offset < first {
                Owner::Library
            } else {
                self.owner::<L>(address)
            };
            let offset = u32::try_from(offset).unwrap_or(0);
            (Spot { code, offset }, owner)
        }
    }

    /// Whose code this is, remembered by its address.
    #[inline(always)]
    unsafe fn owner<L: Layout>(&mut self, address: usize) -> Owner {
        // SAFETY: the lock is held, as the caller promises.
        match unsafe { caches() }.owner(address, self.voided) {
            Some(owner) => owner,
            // SAFETY: the object is a live frame's.
            None => unsafe { self.new_owner::<L>(address) },
        }
    }

    #[cold]
    #[inline(never)]
    unsafe fn new_owner<L: Layout>(&mut self, address: usize) -> Owner {
        let begins = |files: &[String], name: &str| files.iter().any(|file| name.starts_with(file));
        // SAFETY: the frame's object lives; if it is no code object it is a shim's and stays for good.
        let id = unsafe { is_code(address).then(|| self.code::<L>(address)) };
        let file = id
            .and_then(|id| self.books.codes.get(id))
            .map_or("", |code| &code.file);
        let owner = if begins(&self.notebook_files, file) {
            Owner::Notebook
        } else if begins(&self.own_files, file) && !begins(&self.kernel_files, file) {
            Owner::Cellheap
        } else {
            Owner::Library
        };
        // SAFETY: the lock is held, as the caller promises.
        unsafe { caches() }.set_owner(address, self.voided, owner);
        owner
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

/// The instruction at which the frame's caller stands.
///
/// # Safety
/// `frame` is live.
unsafe fn caller<L: Layout>(frame: *const u8) -> usize {
    // SAFETY: what precedes a live frame is one, or null.
    unsafe {
        match word(frame, L::PREVIOUS) as *const u8 {
            previous if previous.is_null() => 0,
            previous => word(previous, L::INSTRUCTION),
        }
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
