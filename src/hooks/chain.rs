//! The library frames between the running one and what lies under them, as the last walk found them. A walk that comes to
//! a frame it knows only makes sure that each link still holds, which waits for no load and looks nothing up: the chain
//! is never believed, so it cannot give another line's bytes.
//!
//! But for imports, which stand in each other, some fifty frames deep: each begins in `_find_and_load`, which asks for memory
//! (its lock) before it calls `_find_and_load_unlocked`. So none begins unseen, and what was found below one holds while it is
//! under way.

use crate::heap::paths::PathId;

use super::caches::{Import, Owner};
use super::layout::{Layout, code_of, word};

/// Library frames that a walk follows, of those that count.
pub const DEEPEST: usize = 64;
/// Frames that are remembered; of a longer chain only the upper part.
const MOST: usize = 1024;
/// Where to look for a frame's link: by its address.
const PLACES: usize = 256;

#[derive(Clone, Copy)]
struct Link {
    frame: usize,
    /// A library's, but for the lowest link where `base` says otherwise.
    code: usize,
}

impl Link {
    /// The frame, read anew: the compiler cannot tell that it was compared with what the frame above has before it. It would
    /// follow that word instead, and each load would wait for the one before.
    #[inline(always)]
    fn frame(&self) -> *const u8 {
        // SAFETY: a field of ours.
        unsafe { (&raw const self.frame).read_volatile() as *const u8 }
    }
}

/// A frame that a walk came by.
#[derive(Clone, Copy)]
pub struct Step {
    pub frame: usize,
    pub code: usize,
    pub owner: Owner,
    /// Neither the import system's nor a shim: half a dozen of these stand under each module that another imports.
    pub counts: bool,
}

/// What is known of a link beside its frame.
#[derive(Clone, Copy)]
struct Known {
    owner: Owner,
    /// How many count of those above the lowest up to it.
    counted: u16,
    /// The highest link below it that needs no look at what is under it: where an import is under way, or the lowest.
    firm: u16,
}

/// What the lowest link is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Base {
    /// A notebook's frame.
    Notebook,
    /// A frame of our own API.
    Cellheap,
    /// A library's frame, the lowest of all.
    Nothing,
    /// A library's frame; the walk went no further.
    Unknown,
}

/// Where a link's frame stood, and the library path up to it, when that was asked for.
struct Told {
    instruction: usize,
    path: PathId,
}

pub struct Chain {
    /// From the lowest up.
    links: Vec<Link>,
    known: Vec<Known>,
    /// Of the links above the lowest, as far as paths were told.
    told: Vec<Told>,
    base: Base,
    places: [u16; PLACES],
    /// What owners are remembered under: code objects are known by their addresses for so long.
    stamp: u32,
    /// Of the links that lead to a notebook's frame, those from which that is near enough.
    near: usize,
    /// The links that lead to no notebook's frame.
    bare: usize,
}

/// How a look along the chain ended.
pub enum Looked {
    /// At its lowest link: the frame that lies there.
    Base(Base, *const u8),
    /// After so many frames as were to be looked at.
    TooFar,
    /// A link does not hold any more.
    Broken,
}

impl Chain {
    pub const fn new() -> Self {
        Self {
            links: Vec::new(),
            known: Vec::new(),
            told: Vec::new(),
            base: Base::Unknown,
            places: [0; PLACES],
            stamp: 0,
            near: 0,
            bare: 0,
        }
    }

    /// The notebook's frame below a live frame, where the chain leads there: the common case. Null where not.
    ///
    /// # Safety
    /// The frame is live and of this thread, or null.
    #[inline(always)]
    pub unsafe fn line<L: Layout>(&self, frame: *const u8, stamp: u32) -> *const u8 {
        // SAFETY: the caller's promise.
        unsafe { self.lowest::<L>(frame, stamp, self.near) }
    }

    /// Whether no notebook's frame, nor one of ours, lies below a live frame: as far as the chain knows.
    ///
    /// # Safety
    /// As `line`.
    #[inline(always)]
    pub unsafe fn is_bare<L: Layout>(&self, frame: *const u8, stamp: u32) -> bool {
        // SAFETY: the caller's promise; what was found is a live frame.
        unsafe {
            let lowest = self.lowest::<L>(frame, stamp, self.bare);
            !lowest.is_null() && word(lowest, L::PREVIOUS) == 0
        }
    }

    /// The frame of the lowest link, where the chain leads there from one of the lowest `most`. Null where not.
    #[inline(always)]
    unsafe fn lowest<L: Layout>(&self, frame: *const u8, stamp: u32, most: usize) -> *const u8 {
        let at = usize::from(self.places[place(frame as usize)]);
        if at >= most || self.stamp != stamp {
            return std::ptr::null();
        }
        let first = self.links.as_ptr();
        // SAFETY: `most` counts links. One is looked into once it is known to be what a live frame has before it.
        unsafe {
            let firm = first.add(usize::from(self.known.get_unchecked(at).firm));
            let mut link = first.add(at);
            if (*link).frame != frame as usize {
                return std::ptr::null();
            }
            loop {
                let frame = (*link).frame();
                if code_of::<L>(frame) != (*link).code {
                    return std::ptr::null();
                }
                if link == firm {
                    return (*first).frame();
                }
                link = link.sub(1);
                if word(frame, L::PREVIOUS) != (*link).frame {
                    return std::ptr::null();
                }
            }
        }
    }

    /// The link of a frame, if it has one.
    #[inline(always)]
    pub fn find(&self, frame: *const u8, stamp: u32) -> Option<usize> {
        let at = usize::from(self.places[place(frame as usize)]);
        let known = self
            .links
            .get(at)
            .is_some_and(|link| link.frame == frame as usize);
        (known && self.stamp == stamp).then_some(at)
    }

    /// How many frames count that lie above the lowest, up to this link.
    pub fn counted(&self, at: usize) -> usize {
        usize::from(self.known[at].counted)
    }

    /// Looks along the chain from a live frame's link down, at no more than `most` frames that count.
    ///
    /// # Safety
    /// The frame of the link `at` is live and of this thread.
    #[inline(always)]
    pub unsafe fn look<L: Layout>(&self, at: usize, most: usize) -> Looked {
        let all = self.counted(at);
        let mut lowest = if all >= most { at + 1 - most } else { 0 };
        while lowest > 0 && self.counted(lowest - 1) + most > all {
            lowest -= 1;
        }
        let firm = lowest.max(usize::from(self.known[at].firm));
        // SAFETY: a link is looked into once it is known to be what a live frame has before it.
        unsafe {
            let mut frame = self.links[at].frame();
            for (link, before) in
                (self.links[..=at].iter().rev()).zip(self.links[firm..at].iter().rev())
            {
                if code_of::<L>(frame) != link.code || word(frame, L::PREVIOUS) != before.frame {
                    return Looked::Broken;
                }
                frame = before.frame();
            }
            if code_of::<L>(frame) != self.links[firm].code {
                return Looked::Broken;
            }
            let frame = self.links[lowest].frame();
            let alone = lowest > 0 || self.base == Base::Unknown;
            match (alone, self.base) {
                (true, _) => Looked::TooFar,
                (_, Base::Nothing) if word(frame, L::PREVIOUS) != 0 => Looked::Broken,
                (_, base) => Looked::Base(base, frame),
            }
        }
    }

    /// Whether a notebook's frame was under it. Where the walk did not come to its end that is not known.
    pub fn leads_to_a_line(&self) -> bool {
        matches!(self.base, Base::Notebook | Base::Unknown)
    }

    /// The chain is what it was up to the link `at`, and above it these frames, the uppermost first.
    #[inline(always)]
    pub fn grow(&mut self, at: usize, fresh: &[Step]) {
        if self.links.len() != at + 1 || !fresh.is_empty() {
            self.replace_above(at + 1, fresh);
        }
    }

    /// A new chain of these frames, the uppermost first.
    pub fn start(&mut self, base: Base, fresh: &[Step], stamp: u32) {
        (self.base, self.stamp) = (base, stamp);
        self.replace_above(0, fresh);
    }

    /// Of the links that lead from `at` to the notebook's frame `line`, how many from there up still stand where they stood as
    /// their path was told, and the path of the last of these. None where the chain leads to another frame, or none.
    ///
    /// # Safety
    /// The chain was found to hold from `at` down in this event.
    pub unsafe fn told<L: Layout>(
        &mut self,
        at: usize,
        line: *const u8,
    ) -> Option<(usize, PathId)> {
        let lowest = self.links.first().filter(|_| self.base == Base::Notebook)?;
        if lowest.frame != line as usize {
            return None;
        }
        let links = self.links[1..=at].iter();
        // SAFETY: the links' frames are live, as the caller promises.
        let stands = |link: &Link, told: &Told| unsafe {
            word(link.frame as *const u8, L::INSTRUCTION) == told.instruction
        };
        let still = (links.zip(&self.told))
            .take_while(|(link, told)| stands(link, told))
            .count();
        if still < at {
            self.told.truncate(still);
        }
        let path = still
            .checked_sub(1)
            .map_or_else(PathId::default, |last| self.told[last].path);
        Some((still, path))
    }

    /// The frame of the lowest link whose path was not told.
    pub fn untold(&self) -> *const u8 {
        self.links[self.told.len() + 1].frame as *const u8
    }

    /// The path of that link, whose frame stands at this instruction.
    pub fn tell(&mut self, instruction: usize, path: PathId) {
        self.told.push(Told { instruction, path });
    }

    /// An import begins in a live frame, which may be what stands in the place of an earlier one's: what was found below
    /// that holds no longer.
    ///
    /// # Safety
    /// As `line`.
    pub unsafe fn import_begins<L: Layout>(&mut self, frame: *const u8) {
        // SAFETY: the caller's promise.
        let below = unsafe { word(frame, L::PREVIOUS) };
        match self.links.iter().position(|link| link.frame == below) {
            Some(at) => self.replace_above(at + 1, &[]),
            None => self.forget(),
        }
    }

    /// Imports may have begun unseen.
    pub fn doubt_imports(&mut self) {
        self.known.iter_mut().for_each(|known| known.firm = 0);
    }

    /// Paths may have come to be others.
    pub fn forget_paths(&mut self) {
        self.told.clear();
    }

    /// A code object has died. None of its frames is live: nor is any above one.
    pub fn forget_code(&mut self, code: usize) {
        match self.links.iter().position(|link| link.code == code) {
            Some(0) => self.forget(),
            Some(first) => self.replace_above(first, &[]),
            None => {}
        }
    }

    /// Code at some address may be another's by now.
    pub fn forget(&mut self) {
        self.start(Base::Unknown, &[], 0);
    }

    fn replace_above(&mut self, from: usize, fresh: &[Step]) {
        self.links.truncate(from);
        self.known.truncate(from);
        self.told.truncate(from.saturating_sub(1));
        if self.links.len() + fresh.len() > MOST {
            self.links.clear();
            self.known.clear();
            self.told.clear();
            self.base = Base::Unknown;
        }
        self.near = self.near.min(self.links.len());
        for step in fresh.iter().rev() {
            let (frame, code) = (step.frame, step.code);
            let known = self.known_above(step);
            self.places[place(frame)] = self.links.len() as u16;
            self.links.push(Link { frame, code });
            self.known.push(known);
            if usize::from(known.counted) < DEEPEST {
                self.near = self.links.len();
            }
        }
        if self.base != Base::Notebook {
            self.near = 0;
        }
        self.bare = match self.base {
            Base::Nothing => self.links.len(),
            _ => 0,
        };
    }

    /// What is known of the link that comes next.
    fn known_above(&self, step: &Step) -> Known {
        use Import::{FindAndLoad, FindAndLoadUnlocked};
        let below = self.known.last();
        let firm = match (below.map(|below| below.owner), step.owner) {
            (Some(Owner::Imports(FindAndLoad)), Owner::Imports(FindAndLoadUnlocked)) => {
                self.known.len() as u16 - 1
            }
            _ => below.map_or(0, |below| below.firm),
        };
        Known {
            owner: step.owner,
            counted: below.map_or(0, |below| below.counted + u16::from(step.counts)),
            firm,
        }
    }
}

#[inline(always)]
fn place(frame: usize) -> usize {
    (frame >> 4 ^ frame >> 12) & (PLACES - 1)
}
