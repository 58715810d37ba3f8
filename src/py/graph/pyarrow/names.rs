//! How the columns of a table are called: its schema has a list of fields, each with a text of C++'s.

use super::super::layout::word;
use super::samples::Memory;
use super::{Form, POINTER, Shared, TOO_MANY, known};

/// Where, in a table or a batch, its schema is; in that, its inner part; in that, the fields; in each, its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Names {
    schema: usize,
    inner: usize,
    fields: usize,
    name: usize,
}

/// Letters that are told of a name.
const LETTERS: usize = 60;

impl Names {
    /// Of a table whose columns are called a and b.
    pub fn find(memory: &Memory, table: usize) -> Option<Self> {
        let is_name = |at: usize, letter: u8| -> Option<bool> {
            let (text, length) = (memory.word(at)?, memory.word(at + 8)?);
            Some(length == 1 && memory.word(text)?.to_le_bytes()[0] == letter)
        };
        let words = |end: usize| (0..=end).step_by(8);
        words(24).find_map(|schema| {
            let inside = memory.counted(table + schema)?.0;
            words(40).find_map(|inner| {
                let apart = memory.word(inside + inner)?;
                words(40).find_map(|fields| {
                    let list = memory.list(apart + fields);
                    let [(a, _), (b, _)] = list[..] else {
                        return None;
                    };
                    let is_both = |at: &usize| {
                        is_name(a + at, b'a') == Some(true) && is_name(b + at, b'b') == Some(true)
                    };
                    let name = words(64).find(is_both)?;
                    Some(Self {
                        schema,
                        inner,
                        fields,
                        name,
                    })
                })
            })
        })
    }

    /// # Safety
    /// A table or a batch that lives, of a known class, with the interpreter's lock.
    unsafe fn of(&self, table: usize, column: usize) -> Option<String> {
        // SAFETY: the caller's promise; the field is one of its list, and a text of C++'s has its letters and their count.
        unsafe {
            let fields = word(word(word(table, self.schema), self.inner), self.fields);
            let name = word(fields, column * POINTER) + self.name;
            let (letters, length) = (word(name, 0), word(name, 8));
            if length > TOO_MANY {
                return None;
            }
            let bytes = std::slice::from_raw_parts(letters as *const u8, length);
            Some(
                String::from_utf8_lossy(bytes)
                    .chars()
                    .take(LETTERS)
                    .collect(),
            )
        }
    }
}

/// What a column of a table or a batch is called.
///
/// # Safety
/// A live one, to which a pyarrow that is known has led, with so many columns; with the interpreter's lock.
pub unsafe fn column_name(shared: Shared, column: usize) -> Option<String> {
    let known = known()?;
    // SAFETY: the caller's promise.
    unsafe {
        let class = word(shared.inside, 0);
        let is_known = match shared.form {
            Form::Table => class == known.of_table,
            Form::Batch => class == known.of_batch,
            _ => false,
        };
        known.names.filter(|_| is_known)?.of(shared.inside, column)
    }
}
