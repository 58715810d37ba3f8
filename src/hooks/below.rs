//! What lies below a library frame: a notebook's, our own or nothing. Walks the stack, and remembers the way in the chain.

use crate::heap::paths::PathId;

use super::caches::Owner;
use super::chain::{Base, DEEPEST, Looked, Step};
use super::layout::{Layout, code_of, leaf_frame, word};
use super::shims::runs_code;
use super::tracer::Tracer;

/// Frames that are remembered at once.
const FURTHER: usize = 512;

/// What lies below a library frame.
pub enum Below {
    /// A notebook's frame.
    Line(*const u8),
    /// Our own API.
    Cellheap,
    Nothing,
    /// A notebook's frame under more library frames than are followed, or more frames than are walked.
    TooMany,
}

impl Tracer {
    /// Whether what runs now runs for the notebook: under a frame of it, or in a thread that a cell started.
    ///
    /// # Safety
    /// `turn_to` or `is_turned_to` the thread, which is the current one or null.
    pub(super) unsafe fn is_for_notebook<L: Layout>(&mut self, thread: *const u8) -> bool {
        if self.in_own {
            return false;
        }
        // SAFETY: the caller's promise; frames of the current thread stay while we run.
        unsafe {
            let frame = leaf_frame::<L>(thread);
            if frame.is_null() {
                return self.started;
            }
            match self.owner::<L>(code_of::<L>(frame)) {
                Owner::Notebook => true,
                Owner::Cellheap => false,
                Owner::Library | Owner::Imports(_) => match self.below::<L>(frame) {
                    Below::Line(_) => true,
                    Below::Cellheap => false,
                    Below::Nothing => self.started,
                    Below::TooMany => self.in_cell,
                },
            }
        }
    }

    /// What lies below a library frame.
    #[inline(always)]
    pub(super) unsafe fn below<L: Layout>(&mut self, leaf: *const u8) -> Below {
        // SAFETY: a frame's `previous` is a live frame of the same thread or null.
        unsafe {
            let frame = word(leaf, L::PREVIOUS) as *const u8;
            if let Some(at) = self.chain.find(frame, self.voided)
                && let Some(below) = self.along::<L>(at, &[], 0)
            {
                return below;
            }
            self.walk::<L>(frame)
        }
    }

    /// What lies below, where a walk has come to a frame that the chain has a link of, by frames of which some count. None
    /// where the chain is broken.
    #[inline(always)]
    unsafe fn along<L: Layout>(
        &mut self,
        at: usize,
        fresh: &[Step],
        counted: usize,
    ) -> Option<Below> {
        // What leads to no line is looked at to its end: how deep the line lies is not the question there.
        let most = match self.chain.leads_to_a_line() {
            true => DEEPEST - counted,
            false => usize::MAX,
        };
        // SAFETY: the walk has come to this frame.
        let looked = unsafe { self.chain.look::<L>(at, most) };
        let below = match looked {
            Looked::Base(Base::Notebook, line) => Below::Line(line),
            Looked::Base(Base::Cellheap, _) => Below::Cellheap,
            Looked::Base(..) => Below::Nothing,
            // Whether the chain goes on is known only where it was looked at so far.
            Looked::TooFar if self.chain.counted(at) + 1 + counted >= DEEPEST => Below::TooMany,
            Looked::TooFar | Looked::Broken => return None,
        };
        self.chain.grow(at, fresh);
        Some(below)
    }

    /// The library frames from a notebook's line up to the leaf that asks for it. Most are those that the last path had, and
    /// stand where they stood.
    ///
    /// # Safety
    /// `below` has found the line in this event.
    pub(super) unsafe fn path<L: Layout>(&mut self, leaf: *const u8, line: *const u8) -> PathId {
        // SAFETY: the frames from the leaf down to the line are live, as the caller promises.
        unsafe {
            let top = self
                .chain
                .find(word(leaf, L::PREVIOUS) as *const u8, self.voided);
            let told = top.and_then(|top| Some((top, self.chain.told::<L>(top, line)?)));
            let below = match told {
                Some((top, (still, path))) => self.tell::<L>(path, top - still),
                None => self.path_anew::<L>(word(leaf, L::PREVIOUS) as *const u8, line),
            };
            self.step::<L>(below, leaf)
        }
    }

    /// Tells the chain the paths of so many links more, and which the last one is.
    unsafe fn tell<L: Layout>(&mut self, mut path: PathId, links: usize) -> PathId {
        for _ in 0..links {
            let frame = self.chain.untold();
            // SAFETY: the links' frames are live, as the caller promises.
            unsafe {
                path = self.step::<L>(path, frame);
                self.chain.tell(word(frame, L::INSTRUCTION), path);
            }
        }
        path
    }

    /// The path of a frame that the chain does not lead from.
    unsafe fn path_anew<L: Layout>(&mut self, mut frame: *const u8, line: *const u8) -> PathId {
        let mut frames = Vec::new();
        while frame != line && !frame.is_null() {
            frames.push(frame);
            // SAFETY: as above.
            frame = unsafe { word(frame, L::PREVIOUS) } as *const u8;
        }
        (frames.into_iter().rev()).fold(PathId::default(), |path, frame| {
            // SAFETY: as above.
            unsafe { self.step::<L>(path, frame) }
        })
    }

    /// A path with one more frame. Shims of the evaluation loop are no frames that a person knows.
    unsafe fn step<L: Layout>(&mut self, path: PathId, frame: *const u8) -> PathId {
        // SAFETY: a live frame, as the caller promises.
        unsafe {
            match runs_code::<L>(frame) {
                true => {
                    let spot = self.spot::<L>(frame);
                    self.books.step(path, spot)
                }
                false => path,
            }
        }
    }

    /// Walks from a frame, and remembers the way: further than it is asked for, so that a recursion that returns finds the
    /// frames below.
    #[inline(never)]
    unsafe fn walk<L: Layout>(&mut self, frame: *const u8) -> Below {
        let mut way = std::mem::take(&mut self.way);
        way.clear();
        // SAFETY: the caller's promise.
        let below = unsafe { self.walk_on::<L>(frame, &mut way) };
        self.way = way;
        below
    }

    unsafe fn walk_on<L: Layout>(&mut self, mut frame: *const u8, way: &mut Vec<Step>) -> Below {
        let mut counted = 0;
        for step in 0..FURTHER {
            if frame.is_null() {
                self.chain.start(Base::Nothing, way, self.voided);
                return Below::Nothing;
            }
            // SAFETY: what precedes a live frame is one, or null; the code object runs, so it lives.
            unsafe {
                if step > 0
                    && counted < DEEPEST
                    && let Some(at) = self.chain.find(frame, self.voided)
                    && let Some(below) = self.along::<L>(at, way, counted)
                {
                    return below;
                }
                let code = code_of::<L>(frame);
                let owner = self.owner::<L>(code);
                let counts = !matches!(owner, Owner::Imports(_)) && runs_code::<L>(frame);
                way.push(Step {
                    frame: frame as usize,
                    code,
                    owner,
                    counts,
                });
                let (base, below) = match owner {
                    Owner::Library | Owner::Imports(_) => {
                        counted += usize::from(counts);
                        frame = word(frame, L::PREVIOUS) as *const u8;
                        continue;
                    }
                    Owner::Notebook if counted < DEEPEST => (Base::Notebook, Below::Line(frame)),
                    Owner::Notebook => (Base::Notebook, Below::TooMany),
                    Owner::Cellheap => (Base::Cellheap, Below::Cellheap),
                };
                self.chain.start(base, way, self.voided);
                return below;
            }
        }
        self.chain.start(Base::Unknown, way, self.voided);
        Below::TooMany
    }
}
