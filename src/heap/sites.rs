//! Sites: a line (with the library instruction under it) in one cell, and its counters.
//! The counters are touched on every event and lie in one cache line; the rest is cold.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::io;

use super::aside::AddressHasher;
use super::cells::CellId;
use super::codes::CodeId;
use super::pages::Pages;
use super::paths::PathId;
use super::sources::{LAYERS, Layer, Source};

/// 20 bits; zero is no site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SiteId(pub u32);

/// The one site of all notebook machinery in a layer, in whatever cell.
pub const fn machinery(layer: Layer) -> SiteId {
    SiteId(1 + 2 * layer as u32)
}

/// The one site of all that our own API makes in a layer.
pub const fn cellheap(layer: Layer) -> SiteId {
    SiteId(2 + 2 * layer as u32)
}

/// Ids from here on are cells'.
pub const FIRST: SiteId = SiteId(1 + 2 * LAYERS.len() as u32);

/// Ids that fit the shadow's entry.
pub const MOST: u32 = 1 << 20;

/// Ids that are kept for cells' "(other)".
const RESERVED: usize = 1 << 10;

/// Whose a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Class {
    /// A notebook frame was on the stack, or a thread that a cell started.
    #[default]
    Notebook,
    /// No notebook frame on the stack.
    Machinery,
    /// Made under our own API.
    Cellheap,
}

pub const CLASSES: usize = 3;

/// An epoch that never comes.
pub const NEVER: u64 = u64::MAX;

/// Classes of sizes: below 8 bytes, 64, 512, 4 KiB, 32 KiB, 256 KiB, 2 MiB, and the rest.
pub const SIZES: usize = 8;

/// The class of a size.
#[inline(always)]
pub fn size_class(size: usize) -> usize {
    const CLASSES: [u8; 64] = {
        let (mut classes, mut bits) = ([SIZES as u8 - 1; 64], 0);
        while bits / 3 < SIZES {
            classes[bits] = (bits / 3) as u8;
            bits += 1;
        }
        classes
    };
    usize::from(CLASSES[(size | 1).ilog2() as usize & 63])
}

/// The counters of a site. `allocated - returned` is live.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct Site {
    /// Blocks by the class of their size: a cache line of its own.
    pub sizes: [u64; SIZES],
    pub allocated: u64,
    pub returned: u64,
    /// Live bytes at the high-water mark, where `epoch` is the tide's.
    pub snap: u64,
    /// Not next to `returned`: as a pair they would be counted in one vector, which takes longer.
    pub blocks_returned: u64,
    /// `NEVER` where the site is not the notebook's: its blocks are no part of the tide.
    pub epoch: u64,
    pub class: Class,
}

impl Site {
    #[inline(always)]
    pub fn live(&self) -> u64 {
        self.allocated.wrapping_sub(self.returned)
    }

    /// A block of so many bytes was given back.
    #[inline(always)]
    pub fn count_back(&mut self, size: u64) {
        self.returned += size;
        self.blocks_returned = self.blocks_returned.wrapping_add(1);
    }

    pub fn blocks(&self) -> u64 {
        self.sizes.iter().sum()
    }

    pub fn live_blocks(&self) -> u64 {
        self.blocks().wrapping_sub(self.blocks_returned)
    }
}

/// An instruction: a code object and the byte offset in its bytecode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Spot {
    pub code: CodeId,
    pub offset: u32,
}

/// Where a block comes from, without its cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// `leaf` asked, on behalf of the notebook's `line`. They are equal where the notebook itself asked.
    Line { leaf: Spot, line: Spot },
    /// More library frames than the walk follows: the line is not known.
    Deep,
    /// A thread of the cell, with no notebook frame on its stack.
    Thread,
    /// A library's own allocator used more of the address space that it had taken: nobody can tell for which line.
    Reserve,
    /// Site ids ran out.
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    pub cell: CellId,
    pub place: Place,
    pub source: Source,
}

/// What is read only for reports.
#[derive(Debug, Clone)]
pub struct Cold {
    pub key: Key,
    /// The library frames under the line, as they were first seen.
    pub path: PathId,
    /// Returned bytes as its cell ended.
    pub temporary: u64,
    /// Bytes at the mark of its cell, as of the last closed stretch.
    pub peak: u64,
}

pub struct Sites {
    hot: *mut Site,
    pages: Pages,
    cold: Vec<Option<Cold>>,
    ids: HashMap<Key, SiteId, BuildHasherDefault<AddressHasher>>,
    free: Vec<SiteId>,
}

// SAFETY: `hot` points into `pages`, which the table owns; calls are serialised by the interpreter's lock.
unsafe impl Send for Sites {}

impl Sites {
    /// # Errors
    /// The system's error when no address space is left.
    pub fn new() -> io::Result<Self> {
        let pages = Pages::zeroed(MOST as usize * size_of::<Site>())?;
        let hot = pages.as_ptr().cast();
        let cold = vec![None; FIRST.0 as usize];
        let sites = Self {
            hot,
            pages,
            cold,
            ids: HashMap::default(),
            free: Vec::new(),
        };
        for layer in LAYERS {
            for (id, class) in [
                (machinery(layer), Class::Machinery),
                (cellheap(layer), Class::Cellheap),
            ] {
                // SAFETY: the table is new; both ids are in bounds.
                unsafe {
                    (*sites.hot(id)).class = class;
                    (*sites.hot(id)).epoch = NEVER;
                }
            }
        }
        Ok(sites)
    }

    #[inline(always)]
    pub fn hot(&self, id: SiteId) -> *mut Site {
        debug_assert!(id.0 < MOST);
        // SAFETY: an id has at most 20 bits, and the mapping has a site for each.
        unsafe { self.hot.add(id.0 as usize) }
    }

    pub fn get(&self, id: SiteId) -> &Site {
        // SAFETY: in bounds as above; zeroed memory is a valid site.
        unsafe { &*self.hot(id) }
    }

    /// Live bytes of all notebook machinery, or of all that our own API made.
    pub fn live_of(&self, fixed: fn(Layer) -> SiteId) -> u64 {
        LAYERS
            .map(|layer| self.get(fixed(layer)).live())
            .iter()
            .sum()
    }

    /// Live bytes and blocks that may be parts of a variable: the cells', and all of Python's, whose free lists hand on to it
    /// what others had made. What machinery has of C libraries comes and goes by other threads.
    pub fn within_reach(&self) -> (u64, u64) {
        let python = [machinery, cellheap].map(|fixed| fixed(Layer::Python));
        (python.into_iter())
            .chain((FIRST.0..self.slots()).map(SiteId))
            .map(|id| self.get(id))
            .fold((0, 0), |(bytes, blocks): (u64, u64), site| {
                let blocks = blocks.wrapping_add(site.live_blocks());
                (bytes.wrapping_add(site.live()), blocks)
            })
    }

    pub fn find(&self, key: &Key) -> Option<SiteId> {
        self.ids.get(key).copied()
    }

    /// A new site, or none when the ids are all in use.
    pub fn add(&mut self, key: Key, path: PathId) -> Option<SiteId> {
        let reserved = if key.place == Place::Other {
            0
        } else {
            RESERVED
        };
        if self.len() + reserved >= MOST as usize {
            return None;
        }
        let id = match self.free.pop() {
            Some(id) => id,
            None if self.cold.len() < MOST as usize => {
                self.cold.push(None);
                SiteId(self.cold.len() as u32 - 1)
            }
            None => return None,
        };
        self.cold[id.0 as usize] = Some(Cold {
            key,
            path,
            temporary: 0,
            peak: 0,
        });
        self.ids.insert(key, id);
        // SAFETY: the id is ours and has no live block.
        unsafe { self.hot(id).write(Site::default()) };
        Some(id)
    }

    /// Forgets a site that has nothing live, so that its id can be used again.
    pub fn remove(&mut self, id: SiteId) -> Option<Cold> {
        debug_assert_eq!(self.get(id).live_blocks(), 0);
        let cold = self.cold.get_mut(id.0 as usize)?.take()?;
        self.ids.remove(&cold.key);
        self.free.push(id);
        Some(cold)
    }

    pub fn cold(&self, id: SiteId) -> Option<&Cold> {
        self.cold.get(id.0 as usize)?.as_ref()
    }

    pub fn cold_mut(&mut self, id: SiteId) -> Option<&mut Cold> {
        self.cold.get_mut(id.0 as usize)?.as_mut()
    }

    pub fn key(&self, id: SiteId) -> Option<Key> {
        self.cold(id).map(|cold| cold.key)
    }

    /// Every site of a cell in use.
    pub fn iter(&self) -> impl Iterator<Item = (SiteId, &Cold, &Site)> {
        self.cold.iter().enumerate().filter_map(|(id, cold)| {
            let id = SiteId(id as u32);
            Some((id, cold.as_ref()?, self.get(id)))
        })
    }

    /// Ids below this were in use once.
    pub fn slots(&self) -> u32 {
        self.cold.len() as u32
    }

    pub fn len(&self) -> usize {
        self.ids.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Bytes that the table itself takes.
    pub fn bytes(&self) -> u64 {
        let map = self.ids.capacity() * (size_of::<(Key, SiteId)>() + 1);
        let cold = self.cold.capacity() * size_of::<Option<Cold>>();
        self.pages.resident() + (map + cold + self.free.capacity() * size_of::<SiteId>()) as u64
    }
}
