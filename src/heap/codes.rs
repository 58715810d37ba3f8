//! Code objects, as copies: names and line table are taken on first sight, so that no reference to the
//! interpreter's object is ever held. Lines are decoded when a report is made.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::Arc;

use super::large::AddressHasher;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct CodeId(pub u32);

/// What is copied of a code object.
#[derive(Debug, Clone, Default)]
pub struct Code {
    pub file: Arc<str>,
    pub function: Arc<str>,
    pub first_line: u32,
    /// `co_linetable`.
    pub table: Box<[u8]>,
    /// Whether its file is one of the notebook's.
    pub notebook: bool,
}

impl Code {
    /// The line of the instruction at byte `offset`; 0 where the table has none.
    ///
    /// The table is a run of entries: a byte `1cccclll` (form, length less one, in code units), then its numbers
    /// (CPython's `Objects/locations.md`).
    pub fn line(&self, offset: u32) -> u32 {
        let mut bytes = self.table.iter().copied();
        let mut line = i64::from(self.first_line);
        let mut end = 0_u32;
        while let Some(head) = bytes.next() {
            let form = head >> 3 & 15;
            end += (u32::from(head & 7) + 1) * 2;
            match form {
                15 => {}
                14 => {
                    line += signed(&mut bytes);
                    for _ in 0..3 {
                        varint(&mut bytes);
                    }
                }
                13 => line += signed(&mut bytes),
                10..=12 => {
                    line += i64::from(form - 10);
                    bytes.nth(1);
                }
                _ => {
                    bytes.next();
                }
            }
            if offset < end {
                return if form == 15 {
                    0
                } else {
                    u32::try_from(line).unwrap_or(0)
                };
            }
        }
        0
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + self.table.len() + self.function.len() + 32
    }
}

fn varint(bytes: &mut impl Iterator<Item = u8>) -> u64 {
    let (mut value, mut shift) = (0, 0);
    for byte in bytes.by_ref() {
        value |= u64::from(byte & 63) << shift;
        shift += 6;
        if byte & 64 == 0 || shift > 54 {
            break;
        }
    }
    value
}

fn signed(bytes: &mut impl Iterator<Item = u8>) -> i64 {
    let value = varint(bytes);
    let magnitude = (value >> 1) as i64;
    if value & 1 == 1 {
        -magnitude
    } else {
        magnitude
    }
}

/// Copies by id, and the ids of the code objects that are alive.
#[derive(Default)]
pub struct Codes {
    copies: Vec<Option<(Code, u32)>>,
    alive: HashMap<usize, CodeId, BuildHasherDefault<AddressHasher>>,
    free: Vec<CodeId>,
    files: HashMap<Arc<str>, ()>,
    bytes: usize,
}

impl Codes {
    /// The copy of the living code object at `address`.
    pub fn alive(&self, address: usize) -> Option<CodeId> {
        self.alive.get(&address).copied()
    }

    pub fn get(&self, id: CodeId) -> Option<&Code> {
        self.copies
            .get(id.0 as usize)?
            .as_ref()
            .map(|(code, _)| code)
    }

    /// Notes a code object that was just seen for the first time.
    pub fn add(&mut self, address: usize, mut code: Code) -> CodeId {
        code.file = self.file(code.file);
        self.bytes += code.bytes();
        let id = self.free.pop().unwrap_or(CodeId(self.copies.len() as u32));
        if id.0 as usize == self.copies.len() {
            self.copies.push(None);
        }
        // The living object itself is one use.
        self.copies[id.0 as usize] = Some((code, 1));
        if let Some(old) = self.alive.insert(address, id) {
            self.release(old);
        }
        id
    }

    fn file(&mut self, name: Arc<str>) -> Arc<str> {
        if let Some((known, ())) = self.files.get_key_value(&name) {
            return known.clone();
        }
        self.bytes += name.len() + 48;
        self.files.insert(name.clone(), ());
        name
    }

    /// A code object died. True if it was one that we knew.
    pub fn died(&mut self, address: usize) -> bool {
        let Some(id) = self.alive.remove(&address) else {
            return false;
        };
        self.release(id);
        true
    }

    /// Decides anew whose code each copy is.
    pub fn forget_owners(&mut self, notebook: &[String]) {
        for (code, _) in self.copies.iter_mut().flatten() {
            code.notebook = notebook.iter().any(|prefix| code.file.starts_with(prefix));
        }
    }

    /// A site speaks of it.
    pub fn hold(&mut self, id: CodeId) {
        if let Some((_, uses)) = self.copies.get_mut(id.0 as usize).and_then(Option::as_mut) {
            *uses += 1;
        }
    }

    /// A site that spoke of it is gone.
    pub fn release(&mut self, id: CodeId) {
        let Some(place) = self.copies.get_mut(id.0 as usize) else {
            return;
        };
        let Some((code, uses)) = place.as_mut() else {
            return;
        };
        *uses -= 1;
        if *uses == 0 {
            self.bytes -= code.bytes().min(self.bytes);
            let file = code.file.clone();
            *place = None;
            self.free.push(id);
            // One count is the map's key, one is ours.
            if Arc::strong_count(&file) <= 2 {
                self.files.remove(&file);
                self.bytes -= (file.len() + 48).min(self.bytes);
            }
        }
    }

    /// Bytes that the copies take.
    pub fn bytes(&self) -> u64 {
        let tables = self.copies.capacity() * size_of::<Option<(Code, u32)>>()
            + self.alive.capacity() * (size_of::<(usize, CodeId)>() + 1);
        (self.bytes + tables) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_the_line_table_is_read() {
        // short +0, one-line +2, no location, no-column -1, long +100
        let table = [
            0x80 | 3 << 3,
            0x11,
            0x80 | 12 << 3 | 1,
            0,
            9,
            0x80 | 15 << 3,
            0x80 | 13 << 3,
            3,
            0x80 | 14 << 3,
            0x40 | (200 & 63),
            200 >> 6,
            1,
            1,
            1,
        ];
        let code = Code {
            first_line: 10,
            table: table.into(),
            ..Code::default()
        };
        let lines: Vec<u32> = (0..6).map(|unit| code.line(unit * 2)).collect();
        assert_eq!(lines, [10, 12, 12, 0, 11, 111]);
        assert_eq!(code.line(400), 0);
    }

    #[test]
    fn a_copy_lives_while_its_object_or_a_site_does() {
        let mut codes = Codes::default();
        let id = codes.add(
            0x1000,
            Code {
                file: Arc::from("a.py"),
                ..Code::default()
            },
        );
        codes.hold(id);
        assert!(codes.died(0x1000) && codes.get(id).is_some());
        codes.release(id);
        assert!(codes.get(id).is_none() && codes.bytes == 0);
    }
}
