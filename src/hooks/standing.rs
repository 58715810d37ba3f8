//! Where a thread stands, read by another one without the interpreter's lock. Frames may change and go under our hands: so
//! memory is read by a system call that refuses what is not there, and what was read is believed only where it fits.

use std::sync::Arc;

use crate::heap::codes::{Code, IMPORT};

use super::chain::DEEPEST;
use super::control;
use super::layout::{
    BYTES, FILE, LINE_TABLE, Layout, QUALNAME, SIZE, TYPE, V311, V312, V313, V314,
};
use super::python;

/// Frames that are walked.
const FURTHEST: usize = 512;
/// Names and line tables are believed up to this length.
const LONGEST: usize = 64 << 10;

/// A thread state of the interpreter.
#[derive(Debug, Clone, Copy, Default)]
pub struct Thread {
    pub state: usize,
    /// Its id; zero: it is known to be there.
    pub id: u64,
}

/// What `Layout` says of this interpreter, as values.
struct Offsets {
    frame: usize,
    c_frame: Option<usize>,
    thread_id: usize,
    previous: usize,
    code: usize,
    instruction: usize,
    tag: usize,
    first_line: usize,
    bytecode: usize,
    /// In a `str` of ASCII: its first character.
    text: usize,
}

impl Offsets {
    fn of<L: Layout>(text: usize) -> Self {
        Self {
            frame: L::FRAME,
            c_frame: L::C_FRAME,
            thread_id: L::THREAD_ID,
            previous: L::PREVIOUS,
            code: L::CODE,
            instruction: L::INSTRUCTION,
            tag: L::TAG,
            first_line: L::FIRST_LINE,
            bytecode: L::BYTECODE,
            text,
        }
    }

    /// Those of this process; none where its layout was not checked.
    fn known() -> Option<Self> {
        match control::minor() {
            11 => Some(Self::of::<V311>(48)),
            12 => Some(Self::of::<V312>(40)),
            13 => Some(Self::of::<V313>(40)),
            14 => Some(Self::of::<V314>(40)),
            _ => None,
        }
    }
}

/// The code and the line of the topmost frame that runs code of a file that `is_notebook`; none where there is none, or
/// where nothing could be read for sure.
pub fn place_of(thread: Thread, is_notebook: impl Fn(&str) -> bool) -> Option<(Code, u32)> {
    let at = Offsets::known()?;
    if thread.id != 0 && word(thread.state + at.thread_id)? as u64 != thread.id {
        return None;
    }
    let place = word(thread.state + at.frame)?;
    let mut frame = match at.c_frame {
        Some(offset) => word(place + offset)?,
        None => place,
    };
    let is_code = python::symbol(c"PyCode_Type")? as usize;
    let mut counted = 0;
    for _ in 0..FURTHEST {
        if frame == 0 || counted > DEEPEST {
            return None;
        }
        let address = word(frame + at.code)? & !at.tag;
        if word(address + TYPE)? == is_code {
            match text(word(address + FILE)?, &at) {
                Some(file) if is_notebook(&file) => {
                    let instruction = word(frame + at.instruction)?;
                    return read_code(address, file, instruction, &at);
                }
                Some(file) if file.starts_with(IMPORT) => {}
                _ => counted += 1,
            }
        }
        frame = word(frame + at.previous)?;
    }
    None
}

fn read_code(
    address: usize,
    file: String,
    instruction: usize,
    at: &Offsets,
) -> Option<(Code, u32)> {
    let table = word(address + LINE_TABLE)?;
    let code = Code {
        file: file.into(),
        function: text(word(address + QUALNAME)?, at).map_or_else(|| Arc::from("?"), Arc::from),
        first_line: u32::from_ne_bytes(bytes(address + at.first_line)?),
        table: many(table + BYTES, word(table + SIZE)?)?.into(),
    };
    // A frame that has not begun stands before its first instruction.
    let offset = instruction.saturating_sub(address + at.bytecode);
    let line = code.line(u32::try_from(offset).ok()?);
    Some((code, line))
}

/// The text of a `str` that is ASCII, as names of code are, mostly.
fn text(address: usize, at: &Offsets) -> Option<String> {
    let text = many(address + at.text, word(address + SIZE)?)?;
    let printable = text.iter().all(|byte| matches!(byte, b' '..=b'~'));
    printable.then(|| String::from_utf8(text).ok())?
}

fn word(address: usize) -> Option<usize> {
    bytes(address).map(usize::from_ne_bytes)
}

fn bytes<const N: usize>(address: usize) -> Option<[u8; N]> {
    let mut into = [0; N];
    copy(address, &mut into).then_some(into)
}

fn many(address: usize, length: usize) -> Option<Vec<u8>> {
    let mut into = vec![0; Some(length).filter(|length| *length <= LONGEST)?];
    copy(address, &mut into).then_some(into)
}

/// Reads this process's memory as a debugger would: false, and no fault, where there is none.
fn copy(address: usize, into: &mut [u8]) -> bool {
    let here = libc::iovec {
        iov_base: into.as_mut_ptr().cast(),
        iov_len: into.len(),
    };
    let there = libc::iovec {
        iov_base: address as *mut libc::c_void,
        iov_len: into.len(),
    };
    // SAFETY: `here` is ours to write; `there` is only ever read by the system, which checks it.
    let read = unsafe {
        libc::process_vm_readv(libc::getpid(), &raw const here, 1, &raw const there, 1, 0)
    };
    usize::try_from(read).is_ok_and(|read| read == into.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_is_not_there_is_refused() {
        let here = 0x1234_5678_9abc_def0_usize;
        assert_eq!(word(&raw const here as usize), Some(here));
        assert_eq!((word(0), word(8), many(0, LONGEST + 1)), (None, None, None));
    }
}
