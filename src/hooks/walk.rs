//! From the running instruction to its site. The walk stops at the first notebook frame.
//! Nothing here allocates by Python's allocators or runs Python: a hook is never inside a hook.

use crate::heap::hint::likely;
use crate::heap::paths::PathId;
use crate::heap::sites::{Place, SiteId, cellheap, machinery};
use crate::heap::sources::{Layer, Source};

use super::below::Below;
use super::caches::{Import, Leaf, Native, Owner, Pair, caches};
use super::layout::{Layout, code_of, leaf_frame, running_frame, word};
use super::tracer::Tracer;

impl Tracer {
    /// The site of what runs now, if an instruction runs that was seen before: the common case. Zero if not.
    ///
    /// # Safety
    /// `is_turned_to` the thread, in a turn at the books.
    #[inline(always)]
    pub unsafe fn quick_site<L: Layout>(&mut self, thread: *const u8) -> SiteId {
        // SAFETY: the caller's promise; frames of the current thread stay while we run.
        unsafe {
            let frame = running_frame::<L>(thread);
            if !likely(!frame.is_null()) {
                return SiteId(0);
            }
            let instruction = word(frame, L::INSTRUCTION);
            let leaf = *caches().leaf(instruction);
            if !likely(leaf.instruction == instruction) {
                return SiteId(0);
            }
            if leaf.stamp == self.stamp {
                return leaf.site;
            }
            if likely(leaf.stamp == self.libraries) {
                return self.library::<L>(frame, instruction);
            }
            SiteId(0)
        }
    }

    /// The site of what runs now, of Python's layer.
    ///
    /// # Safety
    /// `turn_to` or `is_turned_to` the thread, which is the current one or null.
    pub unsafe fn site<L: Layout>(&mut self, thread: *const u8) -> SiteId {
        // SAFETY: the caller's promise; frames of the current thread stay while we run.
        unsafe {
            let frame = leaf_frame::<L>(thread);
            if self.in_own {
                return self.own::<L>(frame);
            }
            if frame.is_null() {
                return self.frameless(Source::default());
            }
            let instruction = word(frame, L::INSTRUCTION);
            let leaf = *caches().leaf(instruction);
            match leaf.instruction == instruction {
                true if leaf.stamp == self.stamp => leaf.site,
                true if leaf.stamp == self.libraries => self.library::<L>(frame, instruction),
                _ => self.new_leaf::<L>(frame, instruction),
            }
        }
    }

    /// Our own site, whatever runs; the next time its instruction asks it is found the quick way.
    #[inline(never)]
    unsafe fn own<L: Layout>(&self, frame: *const u8) -> SiteId {
        let site = cellheap(Layer::Python);
        if !frame.is_null() {
            // SAFETY: a live frame, as the caller promises, and our turn.
            unsafe {
                let instruction = word(frame, L::INSTRUCTION);
                *caches().leaf(instruction) = Leaf {
                    instruction,
                    stamp: self.stamp,
                    site,
                };
            }
        }
        site
    }

    /// The site of what runs now, for a native layer that was asked by code which returns to `caller`.
    ///
    /// # Safety
    /// As `site`.
    pub unsafe fn native_site<L: Layout>(
        &mut self,
        thread: *const u8,
        layer: Layer,
        caller: usize,
    ) -> SiteId {
        if self.in_own {
            return cellheap(layer);
        }
        // SAFETY: the caller's promise; frames of the current thread stay while we run.
        unsafe {
            let frame = leaf_frame::<L>(thread);
            if frame.is_null() {
                let source = self.source(layer, caller);
                return self.frameless(source);
            }
            let line = match self.owner::<L>(code_of::<L>(frame)) {
                Owner::Notebook => frame,
                Owner::Cellheap => return cellheap(layer),
                Owner::Library | Owner::Imports(_) => match self.below::<L>(frame) {
                    Below::Line(line) => line,
                    Below::Cellheap => return cellheap(layer),
                    Below::Nothing => {
                        let source = self.source(layer, caller);
                        return self.frameless(source);
                    }
                    Below::TooMany => {
                        let source = self.source(layer, caller);
                        return self.too_many(source);
                    }
                },
            };
            let (leaf, at) = (word(frame, L::INSTRUCTION), word(line, L::INSTRUCTION));
            match caches().native_site(leaf, at, caller, self.stamp) {
                Some(site) => site,
                None => self.new_native::<L>(frame, line, layer, caller),
            }
        }
    }

    /// A library instruction: whose line is it? One that was seen before, mostly, under a line that asked before.
    #[inline(never)]
    unsafe fn library<L: Layout>(&mut self, leaf: *const u8, instruction: usize) -> SiteId {
        // SAFETY: frames of the current thread stay while we run.
        unsafe {
            let below = word(leaf, L::PREVIOUS) as *const u8;
            let frame = self.chain.line::<L>(below, self.voided);
            if !frame.is_null() {
                let line = word(frame, L::INSTRUCTION);
                if let Some(site) = caches().pair_site(instruction, line, self.stamp) {
                    return site;
                }
            }
            self.library_slowly::<L>(leaf, instruction)
        }
    }

    #[inline(never)]
    unsafe fn library_slowly<L: Layout>(&mut self, leaf: *const u8, instruction: usize) -> SiteId {
        // SAFETY: as above.
        unsafe {
            let below = word(leaf, L::PREVIOUS) as *const u8;
            if self.chain.is_bare::<L>(below, self.voided) {
                return self.frameless(Source::default());
            }
            match self.below::<L>(leaf) {
                Below::Cellheap => cellheap(Layer::Python),
                Below::Nothing => self.frameless(Source::default()),
                Below::TooMany => self.too_many(Source::default()),
                Below::Line(frame) => {
                    let line = word(frame, L::INSTRUCTION);
                    match caches().pair_site(instruction, line, self.stamp) {
                        Some(site) => site,
                        None => self.new_pair::<L>(leaf, frame),
                    }
                }
            }
        }
    }

    /// More library frames over a notebook's than are followed, or more than are walked at all: then a notebook's are taken to
    /// be under them where a cell runs.
    fn too_many(&mut self, source: Source) -> SiteId {
        if !self.in_cell {
            return self.frameless(source);
        }
        if source != Source::default() {
            return self.make(Place::Deep, source, PathId::default());
        }
        // Deep recursion asks again and again.
        if self.deep.0 != self.stamp {
            let site = self.make(Place::Deep, source, PathId::default());
            self.deep = (self.stamp, site);
        }
        self.deep.1
    }

    /// No code is the notebook's yet: a kernel starts. Then no line can lie under a library's frames, and those of imports
    /// are many. What is remembered of it is void once files of a notebook are known, and is of no cell's stamp.
    fn is_blank(&self) -> bool {
        self.notebook_files.is_empty() && !self.in_cell
    }

    /// No Python code asked.
    fn frameless(&mut self, source: Source) -> SiteId {
        if self.started {
            self.make(Place::Thread, source, PathId::default())
        } else {
            machinery(source.layer)
        }
    }

    /// The site of `place` in this cell; caches are voided if ids were given up for it.
    fn make(&mut self, place: Place, source: Source, path: PathId) -> SiteId {
        let key = self.books.key(self.cell, place, source);
        let site = match self.books.find(&key) {
            Some(site) => site,
            None => {
                self.tell_box(place);
                self.books.add(key, path)
            }
        };
        self.catch_up();
        site
    }

    #[cold]
    #[inline(never)]
    unsafe fn new_leaf<L: Layout>(&mut self, frame: *const u8, instruction: usize) -> SiteId {
        // SAFETY: the frame runs, so its code lives.
        let owner = unsafe { self.leaf_owner::<L>(frame) };
        let (stamp, kept, site) = match owner {
            Owner::Notebook => {
                // SAFETY: as above.
                let spot = unsafe { self.spot::<L>(frame) };
                let place = Place::Line {
                    leaf: spot,
                    line: spot,
                };
                let site = self.make(place, Source::default(), PathId::default());
                (self.stamp, site, site)
            }
            Owner::Cellheap => {
                let site = cellheap(Layer::Python);
                (self.stamp, site, site)
            }
            Owner::Library | Owner::Imports(_) if self.is_blank() => {
                let site = self.frameless(Source::default());
                (self.stamp, site, site)
            }
            Owner::Imports(Import::FindAndLoad) => {
                // SAFETY: as above. Never remembered, so that each event comes here.
                return unsafe {
                    self.chain.import_begins::<L>(frame);
                    self.library::<L>(frame, instruction)
                };
            }
            Owner::Library | Owner::Imports(_) => {
                // SAFETY: as above.
                let site = unsafe { self.library::<L>(frame, instruction) };
                (self.libraries, SiteId(0), site)
            }
        };
        // SAFETY: it is our turn, as the caller promises.
        *unsafe { caches() }.leaf(instruction) = Leaf {
            instruction,
            stamp,
            site: kept,
        };
        site
    }

    #[cold]
    #[inline(never)]
    unsafe fn new_pair<L: Layout>(&mut self, leaf: *const u8, line: *const u8) -> SiteId {
        // SAFETY: both frames are live, as the caller promises; it is our turn.
        unsafe {
            let site = self.line_site::<L>(leaf, line, Source::default());
            let (leaf, line) = (word(leaf, L::INSTRUCTION), word(line, L::INSTRUCTION));
            *caches().pair(leaf, line) = Pair {
                leaf,
                line,
                stamp: self.stamp,
                site,
                deaths: caches().deaths(leaf),
            };
            site
        }
    }

    #[cold]
    #[inline(never)]
    unsafe fn new_native<L: Layout>(
        &mut self,
        leaf: *const u8,
        line: *const u8,
        layer: Layer,
        caller: usize,
    ) -> SiteId {
        let source = self.source(layer, caller);
        // SAFETY: both frames are live, as the caller promises; it is our turn.
        unsafe {
            let site = self.line_site::<L>(leaf, line, source);
            let (leaf, line) = (word(leaf, L::INSTRUCTION), word(line, L::INSTRUCTION));
            *caches().native(leaf, line, caller) = Native {
                leaf,
                line,
                caller,
                stamp: self.stamp,
                site,
                deaths: caches().deaths(leaf),
            };
            site
        }
    }

    /// The site of a leaf on behalf of a notebook's line, with the library path between them if it is new.
    unsafe fn line_site<L: Layout>(
        &mut self,
        leaf: *const u8,
        line: *const u8,
        source: Source,
    ) -> SiteId {
        // SAFETY: both frames and those between are live, their code too.
        unsafe {
            let place = Place::Line {
                leaf: self.spot::<L>(leaf),
                line: self.spot::<L>(line),
            };
            if let Some(site) = self.books.find(&self.books.key(self.cell, place, source)) {
                return site;
            }
            let path = self.path::<L>(leaf, line);
            let site = self.make(place, source, path);
            if self.books.ids_ran_out {
                self.chain.forget_paths();
            }
            site
        }
    }

    /// Whom a native layer was asked by.
    #[cold]
    fn source(&mut self, layer: Layer, caller: usize) -> Source {
        Source {
            layer,
            object: self.object(caller),
        }
    }
}
