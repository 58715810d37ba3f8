//! From the running instruction to its site. The walk stops at the first notebook frame.
//! A cache entry holds an instruction's address, which is that of one instruction as long as its code lives;
//! when code dies or sites are given up, the caches are voided (`codewatch`, `Tracer::flush`).

use std::sync::Arc;

use crate::heap::cells::CellId;
use crate::heap::codes::{Code, CodeId};
use crate::heap::sites::{CELLHEAP, MACHINERY, Place, SiteId, Spot};

use super::codewatch;
use super::layout::{BYTES, FILE, LINE_TABLE, Layout, QUALNAME, SIZE, running_frame, word};
use super::python::{Api, Object, is_code};
use super::tracer::{KINDS, LEAVES, Leaf, Owner, PAIRS, Pair, Tracer};

/// Library frames that the walk follows.
const DEEPEST: usize = 64;

impl Tracer {
    /// The site of what runs now.
    ///
    /// # Safety
    /// `thread` is the current thread state or null, the interpreter's lock is held, `turn_to` was called for it.
    #[inline(always)]
    pub unsafe fn site<L: Layout>(&mut self, thread: *mut u8) -> SiteId {
        if thread.is_null() {
            return MACHINERY;
        }
        if self.in_own {
            return CELLHEAP;
        }
        // SAFETY: the caller's promise; frames of the current thread stay while we run.
        unsafe { self.site_of::<L>(running_frame::<L>(thread)) }
    }

    #[inline(always)]
    unsafe fn site_of<L: Layout>(&mut self, frame: *const u8) -> SiteId {
        if frame.is_null() {
            return self.frameless();
        }
        // SAFETY: the frame is live.
        unsafe {
            let instruction = word(frame, L::INSTRUCTION);
            let leaf = self.leaves[instruction >> 1 & (LEAVES - 1)];
            if leaf.instruction == instruction && leaf.cell == self.cell {
                if leaf.site.0 != 0 {
                    return leaf.site;
                }
                return self.library::<L>(frame, instruction);
            }
            self.new_leaf::<L>(frame, instruction)
        }
    }

    /// A library instruction: whose line is it?
    #[inline]
    unsafe fn library<L: Layout>(&mut self, leaf: *const u8, instruction: usize) -> SiteId {
        let mut frame = leaf;
        for _ in 0..DEEPEST {
            // SAFETY: a frame's `previous` is a live frame of the same thread or null.
            frame = unsafe { word(frame, L::PREVIOUS) } as *const u8;
            if frame.is_null() {
                return self.frameless();
            }
            // SAFETY: as above.
            let (code, line) = unsafe { (word(frame, L::CODE), word(frame, L::INSTRUCTION)) };
            let known = self.owners[code >> 4 & (KINDS - 1)];
            let owner = match known {
                (at, owner) if at == code => owner,
                // SAFETY: the code object runs, so it lives.
                _ => unsafe { self.owner::<L>(code) },
            };
            match owner {
                Owner::Library => {}
                Owner::Cellheap => return CELLHEAP,
                Owner::Notebook => {
                    let pair = self.pairs[(instruction >> 1 ^ line >> 3) & (PAIRS - 1)];
                    if pair.leaf == instruction && pair.line == line && pair.cell == self.cell {
                        return pair.site;
                    }
                    // SAFETY: both frames are live.
                    return unsafe { self.new_pair::<L>(leaf, frame) };
                }
            }
        }
        // Before the first cell no notebook code can be under it: imports nest deep.
        match self.cell {
            CellId(0) => MACHINERY,
            _ => self.make(Place::Deep),
        }
    }

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
        if self.swept != self.books.swept {
            self.flush();
        }
        site
    }

    #[cold]
    #[inline(never)]
    unsafe fn new_leaf<L: Layout>(&mut self, frame: *const u8, instruction: usize) -> SiteId {
        // SAFETY: a live frame holds a live object.
        if unsafe { !is_code(word(frame, L::CODE)) } {
            // SAFETY: what precedes a live frame is one, or null.
            return unsafe { self.site_of::<L>(word(frame, L::PREVIOUS) as *const u8) };
        }
        let (thread, was_busy) = (
            std::mem::replace(&mut self.thread, std::ptr::null_mut()),
            self.busy,
        );
        self.busy = true;
        // SAFETY: the frame runs, so its code lives.
        let (spot, owner) = unsafe { self.spot::<L>(frame) };
        let mut leaf = Leaf {
            instruction,
            cell: self.cell,
            site: SiteId(0),
        };
        let site = match owner {
            Owner::Notebook => {
                leaf.site = self.make(Place::Line {
                    leaf: spot,
                    line: spot,
                });
                leaf.site
            }
            Owner::Cellheap => {
                leaf.site = CELLHEAP;
                CELLHEAP
            }
            // SAFETY: as above.
            Owner::Library => unsafe { self.library::<L>(frame, instruction) },
        };
        self.leaves[instruction >> 1 & (LEAVES - 1)] = leaf;
        self.busy = was_busy;
        self.thread = thread;
        site
    }

    #[cold]
    #[inline(never)]
    unsafe fn new_pair<L: Layout>(&mut self, leaf: *const u8, line: *const u8) -> SiteId {
        let (thread, was_busy) = (
            std::mem::replace(&mut self.thread, std::ptr::null_mut()),
            self.busy,
        );
        self.busy = true;
        // SAFETY: both frames are live, their code too.
        let (leaf_spot, line_spot) = unsafe { (self.spot::<L>(leaf).0, self.spot::<L>(line).0) };
        let site = self.make(Place::Line {
            leaf: leaf_spot,
            line: line_spot,
        });
        // SAFETY: as above.
        let (leaf, line) = unsafe { (word(leaf, L::INSTRUCTION), word(line, L::INSTRUCTION)) };
        self.pairs[(leaf >> 1 ^ line >> 3) & (PAIRS - 1)] = Pair {
            leaf,
            line,
            cell: self.cell,
            site,
        };
        self.busy = was_busy;
        self.thread = thread;
        site
    }

    /// The frame's instruction. A frame that has not begun yet is not its own: its caller's line asked.
    unsafe fn spot<L: Layout>(&mut self, frame: *const u8) -> (Spot, Owner) {
        // SAFETY: the frame is live.
        let (address, instruction) = unsafe { (word(frame, L::CODE), word(frame, L::INSTRUCTION)) };
        // SAFETY: its code is too.
        let code = unsafe { self.code::<L>(address) };
        let offset = instruction.wrapping_sub(address + L::BYTECODE);
        // SAFETY: as above.
        let first = unsafe { word(address as *const u8, L::FIRST_TRACEABLE) } as u32 as usize * 2;
        let begun = offset.cast_signed() >= first.cast_signed();
        let owner = match begun {
            // SAFETY: as above.
            true => unsafe { self.owner::<L>(address) },
            false => Owner::Library,
        };
        (
            Spot {
                code,
                offset: u32::try_from(offset).unwrap_or(0),
            },
            owner,
        )
    }

    /// Whose code this is, remembered by its address.
    #[cold]
    #[inline(never)]
    unsafe fn owner<L: Layout>(&mut self, address: usize) -> Owner {
        // SAFETY: the frame's object lives; if it is no code object it is a shim's and stays for good.
        let id = match unsafe { is_code(address) } {
            // SAFETY: as above.
            true => unsafe { self.code::<L>(address) },
            false => return Owner::Library,
        };
        let owner = match self.books.codes.get(id) {
            Some(code) if code.notebook => Owner::Notebook,
            Some(code)
                if self
                    .own_files
                    .iter()
                    .any(|prefix| code.file.starts_with(prefix)) =>
            {
                Owner::Cellheap
            }
            _ => Owner::Library,
        };
        self.owners[address >> 4 & (KINDS - 1)] = (address, owner);
        owner
    }

    /// The copy of a code object, taken on first sight.
    unsafe fn code<L: Layout>(&mut self, address: usize) -> CodeId {
        if let Some(id) = self.books.codes.alive(address) {
            return id;
        }
        let (thread, was_busy) = (
            std::mem::replace(&mut self.thread, std::ptr::null_mut()),
            self.busy,
        );
        self.busy = true;
        // SAFETY: the caller's code object lives.
        let mut code = unsafe { copy::<L>(address as *const u8) };
        code.notebook = self
            .notebook_files
            .iter()
            .any(|prefix| code.file.starts_with(prefix));
        let id = self.books.codes.add(address, code);
        // SAFETY: as above.
        unsafe { codewatch::follow(address as Object) };
        self.busy = was_busy;
        self.thread = thread;
        id
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
            notebook: false,
        }
    }
}

/// # Safety
/// `string` is a live `str`.
unsafe fn text(string: Object) -> Arc<str> {
    let api = Api::get();
    let mut size = 0;
    // SAFETY: the buffer belongs to the string; an unencodable one leaves an error, which is cleared.
    unsafe {
        let start = api
            .utf8
            .map_or(std::ptr::null(), |utf8| utf8(string, &raw mut size));
        if start.is_null() {
            if let Some(clear) = api.error_clear {
                clear();
            }
            return Arc::from("?");
        }
        String::from_utf8_lossy(std::slice::from_raw_parts(
            start.cast(),
            size.cast_unsigned(),
        ))
        .into()
    }
}
