//! Code objects, as copies: names and line table are taken on first sight, so that no reference to the
//! interpreter's object is ever held. Lines are decoded when a report is made.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The import system's own files begin so.
pub const IMPORT: &str = "<frozen importlib";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct CodeId(pub u32);

/// What is copied of a code object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Code {
    pub file: Arc<str>,
    pub function: Arc<str>,
    pub first_line: u32,
    /// `co_linetable`.
    pub table: Box<[u8]>,
}

/// Instructions up to the byte `end` that stand at one line; 0 where none is told.
#[derive(Debug, Clone, Copy)]
pub struct Stretch {
    pub end: u32,
    pub line: u32,
}

impl Code {
    /// The line of the instruction at byte `offset`; 0 where the table has none.
    pub fn line(&self, offset: u32) -> u32 {
        let mut stretches = self.stretches();
        stretches
            .find(|stretch| offset < stretch.end)
            .map_or(0, |stretch| stretch.line)
    }

    /// The stretches of instructions that stand at one line, in order.
    ///
    /// The table is a run of entries: a byte `1cccclll` (form, length less one, in code units), then its numbers
    /// (CPython's `Objects/locations.md`).
    pub fn stretches(&self) -> impl Iterator<Item = Stretch> {
        let mut bytes = self.table.iter().copied();
        let mut line = i64::from(self.first_line);
        let mut end = 0_u32;
        std::iter::from_fn(move || {
            let head = bytes.next()?;
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
            let known = if form == 15 { 0 } else { line };
            Some(Stretch {
                end,
                line: u32::try_from(known).unwrap_or(0),
            })
        })
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + self.table.len() + self.function.len() + 64
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

/// Copies by id. Code objects that are alike (a cell run again, an `exec` in a loop) share one.
#[derive(Default)]
pub struct Codes {
    /// The copy and how many speak of it: living code objects and sites.
    copies: Vec<Option<(Arc<Code>, u32)>>,
    ids: HashMap<Arc<Code>, CodeId>,
    free: Vec<CodeId>,
    files: HashSet<Arc<str>>,
    bytes: usize,
}

impl Codes {
    pub fn get(&self, id: CodeId) -> Option<&Code> {
        let (code, _) = self.copies.get(id.0 as usize)?.as_ref()?;
        Some(code)
    }

    /// The same, to be read where the books are not at hand.
    pub fn shared(&self, id: CodeId) -> Option<Arc<Code>> {
        let (code, _) = self.copies.get(id.0 as usize)?.as_ref()?;
        Some(code.clone())
    }

    /// The copy of a code object that was just seen for the first time, which speaks of it from now on.
    pub fn add(&mut self, mut code: Code) -> CodeId {
        if let Some(id) = self.ids.get(&code).copied() {
            self.hold(id);
            return id;
        }
        code.file = self.file(code.file);
        self.bytes += code.bytes();
        let code = Arc::new(code);
        let id = self.free.pop().unwrap_or(CodeId(self.copies.len() as u32));
        if id.0 as usize == self.copies.len() {
            self.copies.push(None);
        }
        self.copies[id.0 as usize] = Some((code.clone(), 1));
        self.ids.insert(code, id);
        id
    }

    fn file(&mut self, name: Arc<str>) -> Arc<str> {
        if let Some(known) = self.files.get(&name) {
            return known.clone();
        }
        self.bytes += name.len() + 48;
        self.files.insert(name.clone());
        name
    }

    /// One more speaks of it.
    pub fn hold(&mut self, id: CodeId) {
        if let Some((_, uses)) = self.copies.get_mut(id.0 as usize).and_then(Option::as_mut) {
            *uses += 1;
        }
    }

    /// One that spoke of it is gone; the copy goes with the last.
    pub fn release(&mut self, id: CodeId) {
        let Some(place) = self.copies.get_mut(id.0 as usize) else {
            return;
        };
        let Some((_, uses @ 2..)) = place.as_mut() else {
            let Some((code, _)) = place.take() else {
                return;
            };
            self.ids.remove(&code);
            self.free.push(id);
            self.bytes -= code.bytes().min(self.bytes);
            // One count is the set's, one is ours.
            if Arc::strong_count(&code.file) <= 2 {
                self.files.remove(&code.file);
                self.bytes -= (code.file.len() + 48).min(self.bytes);
            }
            return;
        };
        *uses -= 1;
    }

    /// Bytes that the copies take.
    pub fn bytes(&self) -> u64 {
        let tables = self.copies.capacity() * size_of::<Option<(Arc<Code>, u32)>>()
            + self.ids.capacity() * (size_of::<(Arc<Code>, CodeId)>() + 1);
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
        let id = codes.add(named("a.py"));
        codes.hold(id);
        codes.release(id);
        assert!(codes.get(id).is_some());
        codes.release(id);
        assert!(codes.get(id).is_none() && codes.bytes == 0);
    }

    #[test]
    fn code_objects_that_are_alike_share_a_copy() {
        let mut codes = Codes::default();
        let (one, two, other) = (
            codes.add(named("a.py")),
            codes.add(named("a.py")),
            codes.add(named("b.py")),
        );
        assert!(one == two && one != other);
        codes.release(one);
        assert!(codes.get(two).is_some());
        codes.release(two);
        assert_eq!(codes.add(named("c.py")), one);
    }

    fn named(file: &str) -> Code {
        Code {
            file: Arc::from(file),
            ..Code::default()
        }
    }
}
