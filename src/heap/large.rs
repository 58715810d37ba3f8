//! The side table: blocks too large for the shadow's twelve bits. Few, so a hash map will do.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::sites::SiteId;

/// Address to site and requested size.
#[derive(Default)]
pub struct Large(HashMap<usize, (SiteId, u64), BuildHasherDefault<AddressHasher>>);

impl Large {
    pub fn set(&mut self, address: usize, site: SiteId, size: u64) {
        self.0.insert(address, (site, size));
    }

    #[inline]
    pub fn take(&mut self, address: usize) -> Option<(SiteId, u64)> {
        if self.0.is_empty() {
            None
        } else {
            self.0.remove(&address)
        }
    }

    pub fn has(&self, address: usize) -> bool {
        self.0.contains_key(&address)
    }

    pub fn clear(&mut self) {
        self.0 = HashMap::default();
    }

    /// Bytes that the table itself takes.
    pub fn bytes(&self) -> u64 {
        (self.0.capacity() * (size_of::<(usize, (SiteId, u64))>() + 1)) as u64
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
