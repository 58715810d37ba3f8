//! What the walk remembers: whose code an object is, and the site of an instruction. Direct-mapped, so that a look is one
//! compare. An entry holds for one stamp: a cell, until the caches are voided. A stamp is never used twice.

use std::cell::UnsafeCell;

use crate::heap::books::Died;
use crate::heap::sites::SiteId;

const LEAVES: usize = 1 << 12;
const PAIRS: usize = 1 << 12;
const NATIVES: usize = 1 << 11;
const OWNERS: usize = 1 << 12;
/// Bytecode dies by the region, of so many bytes each.
const REGIONS: usize = 1 << 10;
const REGION: usize = 512;

/// An instruction that asked for memory.
#[derive(Clone, Copy)]
pub struct Leaf {
    pub instruction: usize,
    /// Of a library's, that of all cells: then the site is zero, and the walk goes on.
    pub stamp: u32,
    pub site: SiteId,
}

/// A library instruction on behalf of a notebook instruction.
#[derive(Clone, Copy)]
pub struct Pair {
    pub leaf: usize,
    pub line: usize,
    pub stamp: u32,
    pub site: SiteId,
    /// Of the leaf's region.
    pub deaths: u32,
}

/// The same, asked of a native layer by code that returns to `caller`.
#[derive(Clone, Copy)]
pub struct Native {
    pub leaf: usize,
    pub line: usize,
    pub caller: usize,
    pub stamp: u32,
    pub site: SiteId,
    /// Of the leaf's region.
    pub deaths: u32,
}

/// Whose code an object is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    Library,
    /// A library, too: the import system.
    Imports(Import),
    Notebook,
    Cellheap,
}

/// A function of the import system. Every import begins in the first; once it has made a lock for the module it calls the second.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Import {
    FindAndLoad,
    FindAndLoadUnlocked,
    Other,
}

#[derive(Clone, Copy)]
struct Known {
    code: usize,
    /// Not of a cell: of the last voiding.
    stamp: u32,
    owner: Owner,
}

/// The leaves first, where the quick way finds them with the least reckoning.
#[repr(C)]
pub struct Caches {
    leaves: [Leaf; LEAVES],
    pairs: [Pair; PAIRS],
    natives: [Native; NATIVES],
    owners: [Known; OWNERS],
    /// How much code has died in each region.
    deaths: [u32; REGIONS],
}

struct Place(UnsafeCell<Caches>);

// SAFETY: reached in a turn at the books only.
unsafe impl Sync for Place {}

// Stamps begin at one: all of these entries are void. All zero, so that pages are there once they are touched.
static CACHES: Place = Place(UnsafeCell::new(Caches {
    leaves: [Leaf {
        instruction: 0,
        stamp: 0,
        site: SiteId(0),
    }; LEAVES],
    pairs: [Pair {
        leaf: 0,
        line: 0,
        stamp: 0,
        site: SiteId(0),
        deaths: 0,
    }; PAIRS],
    natives: [Native {
        leaf: 0,
        line: 0,
        caller: 0,
        stamp: 0,
        site: SiteId(0),
        deaths: 0,
    }; NATIVES],
    owners: [Known {
        code: 0,
        stamp: 0,
        owner: Owner::Library,
    }; OWNERS],
    deaths: [0; REGIONS],
}));

/// # Safety
/// The caller has the turn at the books, and holds the reference no longer than for one look.
#[inline(always)]
pub unsafe fn caches() -> &'static mut Caches {
    // SAFETY: the caller's promise.
    unsafe { &mut *CACHES.0.get() }
}

impl Caches {
    #[inline(always)]
    pub fn leaf(&mut self, instruction: usize) -> &mut Leaf {
        &mut self.leaves[instruction >> 1 & (LEAVES - 1)]
    }

    #[inline(always)]
    pub fn pair(&mut self, leaf: usize, line: usize) -> &mut Pair {
        &mut self.pairs[(leaf >> 1 ^ line >> 3) & (PAIRS - 1)]
    }

    /// The site of a pair, if it was seen under this stamp.
    #[inline(always)]
    pub fn pair_site(&mut self, leaf: usize, line: usize, stamp: u32) -> Option<SiteId> {
        let pair = *self.pair(leaf, line);
        (pair.leaf == leaf
            && pair.line == line
            && pair.stamp == stamp
            && pair.deaths == self.deaths(leaf))
        .then_some(pair.site)
    }

    /// What an entry on a library's instruction carries, so that it is void once code dies there.
    #[inline(always)]
    pub fn deaths(&self, instruction: usize) -> u32 {
        self.deaths[(instruction / REGION) & (REGIONS - 1)]
    }

    #[inline(always)]
    pub fn native(&mut self, leaf: usize, line: usize, caller: usize) -> &mut Native {
        &mut self.natives[(leaf >> 1 ^ line >> 3 ^ caller >> 2) & (NATIVES - 1)]
    }

    /// The site that was asked for a native layer, as `pair_site`.
    #[inline(always)]
    pub fn native_site(
        &mut self,
        leaf: usize,
        line: usize,
        caller: usize,
        stamp: u32,
    ) -> Option<SiteId> {
        let native = *self.native(leaf, line, caller);
        (native.leaf == leaf
            && native.line == line
            && native.caller == caller
            && native.stamp == stamp
            && native.deaths == self.deaths(leaf))
        .then_some(native.site)
    }

    #[inline(always)]
    pub fn owner(&self, code: usize, stamp: u32) -> Option<Owner> {
        let known = self.owners[code >> 4 & (OWNERS - 1)];
        (known.code == code && known.stamp == stamp).then_some(known.owner)
    }

    pub fn set_owner(&mut self, code: usize, stamp: u32, owner: Owner) {
        self.owners[code >> 4 & (OWNERS - 1)] = Known { code, stamp, owner };
    }

    /// A code object is gone. False where more is void than what is remembered of its own instructions: if it was no library's,
    /// or if it is not known whose it was, or where it ended.
    pub fn forget_code(&mut self, Died { address, size }: Died, stamp: u32) -> bool {
        let owner = self.owner(address, stamp);
        let library = matches!(owner, Some(Owner::Library | Owner::Imports(_)));
        let known = &mut self.owners[address >> 4 & (OWNERS - 1)];
        if known.code == address {
            known.stamp = 0;
        }
        if !library || size == 0 {
            return false;
        }
        let range = address..address + size;
        for instruction in range.clone().step_by(2).take(LEAVES) {
            let leaf = self.leaf(instruction);
            if range.contains(&leaf.instruction) {
                leaf.stamp = 0;
            }
        }
        for region in range.start / REGION..=range.end / REGION {
            let deaths = &mut self.deaths[region & (REGIONS - 1)];
            match deaths.checked_add(1) {
                Some(more) => *deaths = more,
                None => return false,
            }
        }
        true
    }

    /// Who asks a native layer may have come to be another object.
    pub fn forget_callers(&mut self) {
        for native in &mut self.natives {
            native.stamp = 0;
        }
    }

    /// Forgets everything at once, so that stamps may begin again.
    pub fn clear(&mut self) {
        for leaf in &mut self.leaves {
            leaf.stamp = 0;
        }
        for pair in &mut self.pairs {
            pair.stamp = 0;
        }
        self.forget_callers();
        for known in &mut self.owners {
            known.stamp = 0;
        }
    }
}
