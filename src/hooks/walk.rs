//! From the running instruction to its site. The walk stops at the first notebook frame.
//! Nothing here allocates by Python's allocators or runs Python: a hook is never inside a hook.

use crate::heap::sites::{Place, SiteId, Spot, cellheap, machinery};
use crate::heap::sources::{Layer, Source};

use super::caches::{Deep, Deepest, Leaf, Native, Owner, Pair, caches};
use super::layout::{Layout, code_of, running_frame, word};
use super::python::is_code;
use super::tracer::Tracer;

/// Library frames that the walk follows.
const DEEPEST: usize = 64;
/// From here on, frames are compared with those that were found to be too many before.
const NEAR: usize = 16;
/// The depth where no notebook frame is under the others.
const ENDLESS: usize = 1 << 30;

/// What lies below a library frame.
enum Below {
    /// A notebook's frame.
    Line(*const u8),
    Deep(Found),
}

/// No line: what lies there instead, and the site of what Python's layer is asked for, if that is known yet.
#[derive(Clone, Copy)]
struct Found {
    below: Deepest,
    site: SiteId,
}

impl Found {
    fn new(below: Deepest) -> Self {
        Self {
            below,
            site: SiteId(0),
        }
    }
}

impl Tracer {
    /// The site of what runs now, if a notebook instruction runs that was seen before: the common case. Zero if not.
    ///
    /// # Safety
    /// `is_turned_to` the thread, in a turn at the books.
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

    /// The site of what runs now, of Python's layer.
    ///
    /// # Safety
    /// `turn_to` or `is_turned_to` the thread, which is the current one or null.
    pub unsafe fn site<L: Layout>(&mut self, thread: *const u8) -> SiteId {
        if self.in_own {
            return cellheap(Layer::Python);
        }
        // SAFETY: the caller's promise; frames of the current thread stay while we run.
        unsafe {
            let frame = leaf_frame::<L>(thread);
            if frame.is_null() {
                return self.frameless(Source::default());
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
                Owner::Library => match self.below::<L>(frame) {
                    Below::Line(line) => line,
                    Below::Deep(deep) => {
                        let source = self.source(layer, caller);
                        return self.deep_site(deep.below, source);
                    }
                },
            };
            let (leaf, at) = (word(frame, L::INSTRUCTION), word(line, L::INSTRUCTION));
            let known = *caches().native(leaf, at, caller);
            if known.leaf == leaf
                && known.line == at
                && known.caller == caller
                && known.stamp == self.stamp
            {
                return known.site;
            }
            self.new_native::<L>(frame, line, layer, caller)
        }
    }

    /// A library instruction: whose line is it?
    unsafe fn library<L: Layout>(&mut self, leaf: *const u8, instruction: usize) -> SiteId {
        // SAFETY: frames of the current thread stay while we run.
        unsafe {
            match self.below::<L>(leaf) {
                Below::Deep(deep) if deep.site.0 != 0 => deep.site,
                Below::Deep(deep) => self.deep_site(deep.below, Source::default()),
                Below::Line(frame) => {
                    let line = word(frame, L::INSTRUCTION);
                    let pair = *caches().pair(instruction, line);
                    if pair.leaf == instruction && pair.line == line && pair.stamp == self.stamp {
                        return pair.site;
                    }
                    self.new_pair::<L>(leaf, frame)
                }
            }
        }
    }

    /// What lies below a library frame.
    #[inline(always)]
    unsafe fn below<L: Layout>(&mut self, leaf: *const u8) -> Below {
        let (mut frame, mut near) = (leaf, leaf);
        for step in 1..=DEEPEST {
            // SAFETY: a frame's `previous` is a live frame of the same thread or null.
            frame = unsafe { word(frame, L::PREVIOUS) } as *const u8;
            if frame.is_null() {
                return Below::Deep(Found::new(Deepest::Nothing));
            }
            // SAFETY: as above; the code object runs, so it lives.
            match unsafe { self.owner::<L>(code_of::<L>(frame)) } {
                Owner::Library => {}
                Owner::Cellheap => return Below::Deep(Found::new(Deepest::Cellheap)),
                Owner::Notebook => return Below::Line(frame),
            }
            if step == NEAR {
                near = frame;
            }
            if step >= NEAR {
                // SAFETY: both frames are live.
                if let Some(found) = unsafe { self.too_deep::<L>(frame, near, step) } {
                    return Below::Deep(found);
                }
            }
        }
        // SAFETY: both frames are live.
        Below::Deep(unsafe { self.deep::<L>(frame, near) })
    }

    /// So many library frames that the line is given up. What is under them is still the notebook, or not.
    #[cold]
    #[inline(never)]
    unsafe fn deep<L: Layout>(&mut self, end: *const u8, near: *const u8) -> Found {
        let (mut frame, mut depth) = (end, DEEPEST - NEAR);
        let (depth, below) = loop {
            // SAFETY: a frame's `previous` is a live frame of the same thread or null.
            frame = unsafe { word(frame, L::PREVIOUS) } as *const u8;
            depth += 1;
            if frame.is_null() {
                break (ENDLESS, Deepest::Nothing);
            }
            // SAFETY: the frame is live.
            if let Some(known) = unsafe { self.known_deep::<L>(frame) } {
                break (known.depth + depth, known.below);
            }
            // SAFETY: as above; the code object runs, so it lives.
            match unsafe { self.owner::<L>(code_of::<L>(frame)) } {
                Owner::Library => {}
                Owner::Cellheap => break (ENDLESS, Deepest::Cellheap),
                Owner::Notebook => break (depth, Deepest::Notebook),
            }
        };
        let site = self.deep_site(below, Source::default());
        let found = Found { below, site };
        // SAFETY: the frame is live.
        unsafe { self.remember_deep::<L>(near, depth.min(ENDLESS), found) };
        found
    }

    /// Whether it is known that the notebook's frame is too far under the one that the walk has come to in so many steps.
    #[inline(always)]
    unsafe fn too_deep<L: Layout>(
        &mut self,
        frame: *const u8,
        near: *const u8,
        step: usize,
    ) -> Option<Found> {
        // SAFETY: both frames are live, as the caller promises.
        unsafe {
            let known = self.known_deep::<L>(frame)?;
            if known.depth + step <= DEEPEST {
                return None;
            }
            let found = Found {
                below: known.below,
                site: known.site,
            };
            if step > NEAR {
                self.remember_deep::<L>(near, known.depth + step - NEAR, found);
            }
            Some(found)
        }
    }

    /// What was found under a frame that still stands where it stood.
    #[inline(always)]
    unsafe fn known_deep<L: Layout>(&self, frame: *const u8) -> Option<Deep> {
        // SAFETY: it is our turn and the frame is live, as the caller promises.
        unsafe {
            let known = *caches().deep(frame as usize);
            (known.frame == frame as usize
                && known.stamp == self.stamp
                && known.instruction == word(frame, L::INSTRUCTION)
                && known.caller == caller::<L>(frame))
            .then_some(known)
        }
    }

    unsafe fn remember_deep<L: Layout>(&mut self, frame: *const u8, depth: usize, found: Found) {
        // SAFETY: it is our turn and the frame is live, as the caller promises.
        unsafe {
            *caches().deep(frame as usize) = Deep {
                frame: frame as usize,
                instruction: word(frame, L::INSTRUCTION),
                caller: caller::<L>(frame),
                stamp: self.stamp,
                depth,
                below: found.below,
                site: found.site,
            };
        }
    }

    /// The site where no line is known.
    fn deep_site(&mut self, below: Deepest, source: Source) -> SiteId {
        match below {
            Deepest::Notebook => self.make(Place::Deep, source, &[]),
            Deepest::Cellheap => cellheap(source.layer),
            Deepest::Nothing => self.frameless(source),
        }
    }

    /// No Python code asked.
    fn frameless(&mut self, source: Source) -> SiteId {
        if self.started {
            self.make(Place::Thread, source, &[])
        } else {
            machinery(source.layer)
        }
    }

    /// The site of `place` in this cell; caches are voided if ids were given up for it.
    fn make(&mut self, place: Place, source: Source, path: &[Spot]) -> SiteId {
        let key = self.books.key(self.cell, place, source);
        let site = match self.books.find(&key) {
            Some(site) => site,
            None => self.books.add(key, path),
        };
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
                let place = Place::Line {
                    leaf: spot,
                    line: spot,
                };
                let site = self.make(place, Source::default(), &[]);
                (site, site)
            }
            Owner::Cellheap => (cellheap(Layer::Python), cellheap(Layer::Python)),
            // SAFETY: as above.
            Owner::Library => (SiteId(0), unsafe { self.library::<L>(frame, instruction) }),
        };
        // SAFETY: it is our turn, as the caller promises.
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
        // SAFETY: both frames are live, as the caller promises; it is our turn.
        unsafe {
            let site = self.line_site::<L>(leaf, line, Source::default());
            let (leaf, line) = (word(leaf, L::INSTRUCTION), word(line, L::INSTRUCTION));
            *caches().pair(leaf, line) = Pair {
                leaf,
                line,
                stamp: self.stamp,
                site,
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
                leaf: self.spot::<L>(leaf).0,
                line: self.spot::<L>(line).0,
            };
            if let Some(site) = self.books.find(&self.books.key(self.cell, place, source)) {
                return site;
            }
            let mut path = Vec::new();
            let mut frame = leaf;
            while frame != line && !frame.is_null() {
                // Shims of the evaluation loop are no frames that a person knows.
                if is_code(code_of::<L>(frame)) {
                    path.push(self.spot::<L>(frame).0);
                }
                frame = word(frame, L::PREVIOUS) as *const u8;
            }
            path.reverse();
            self.make(place, source, &path)
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

/// The frame that runs; null where none does.
///
/// # Safety
/// `thread` is the current thread state or null.
#[inline(always)]
unsafe fn leaf_frame<L: Layout>(thread: *const u8) -> *const u8 {
    if thread.is_null() {
        return thread;
    }
    // SAFETY: the caller's promise; what precedes a live frame is one, or null.
    unsafe {
        let mut frame = running_frame::<L>(thread);
        // Shims of the evaluation loop run nothing of their own.
        while !frame.is_null() && !is_code(code_of::<L>(frame)) {
            frame = word(frame, L::PREVIOUS) as *const u8;
        }
        frame
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
