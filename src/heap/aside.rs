//! The side table: what the shadow has no room for. Blocks too large for its twelve bits, and code objects, so that
//! the free of one goes the slow way and is noticed. Few, so a hash map will do.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::codes::CodeId;
use super::sites::SiteId;

/// Whether a block is a code object that was seen running, whose death is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Seen {
    #[default]
    Not,
    /// Nobody asked for its lines so far.
    Running,
    Copied(CodeId),
}

impl Seen {
    pub fn copy(self) -> Option<CodeId> {
        match self {
            Self::Copied(id) => Some(id),
            Self::Not | Self::Running => None,
        }
    }
}

/// What is known of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// Zero for a code object from before tracing.
    pub site: SiteId,
    pub size: u64,
    pub code: Seen,
}

#[derive(Default)]
pub struct Aside(HashMap<usize, Block, BuildHasherDefault<AddressHasher>>);

impl Aside {
    pub fn set(&mut self, address: usize, block: Block) {
        self.0.insert(address, block);
    }

    pub fn take(&mut self, address: usize) -> Option<Block> {
        self.0.remove(&address)
    }

    pub fn get(&self, address: usize) -> Option<&Block> {
        self.0.get(&address)
    }

    /// Blocks that are aside for another reason than their size, by address.
    pub fn small(&self) -> impl Iterator<Item = (usize, &Block)> {
        let small = |block: &Block| block.code != Seen::Not && block.site.0 != 0;
        (self.0.iter())
            .filter(move |(_, block)| small(block))
            .map(|(address, block)| (*address, block))
    }

    /// Forgets every block; gives back the copies of code that were spoken of.
    pub fn clear(&mut self) -> Vec<CodeId> {
        let blocks = std::mem::take(&mut self.0);
        blocks
            .into_values()
            .filter_map(|block| block.code.copy())
            .collect()
    }

    /// Bytes that the table itself takes.
    pub fn bytes(&self) -> u64 {
        (self.0.capacity() * (size_of::<(usize, Block)>() + 1)) as u64
    }
}

/// Addresses are spread by one multiplication (Fibonacci hashing): nobody attacks us with addresses.
#[derive(Default)]
pub struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_usize(usize::from(*byte));
        }
    }

    fn write_usize(&mut self, value: usize) {
        self.0 = (self.0.rotate_left(29) ^ value as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write_u32(&mut self, value: u32) {
        self.write_usize(value as usize);
    }

    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }
}
