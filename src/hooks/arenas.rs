//! pymalloc's arenas: counted as they are mapped, and their shadow given back when they go.

use std::collections::HashMap;
use std::ffi::{CStr, c_void};
use std::mem::MaybeUninit;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::heap::cells::CellId;

use super::python::{Api, ArenaAllocator, allocator_name};
use super::tracer::tracer;
use super::turn::beneath;

/// Smaller requests are chunks of the frame stack, not arenas.
const SMALLEST_ARENA: usize = 256 << 10;

struct State {
    real: ArenaAllocator,
    /// Sizes by start, and the live table in which they were mapped.
    arenas: HashMap<usize, (usize, u32)>,
    /// How many were mapped before `begin` and are still there; none where the interpreter does not say.
    earlier: Option<u64>,
    /// The cell that mapped the last one.
    cell: Option<CellId>,
    /// Bytes of arenas that were unmapped and older than the live table of that time.
    older_gone: u64,
}

impl State {
    /// An arena is unmapped. Whether it was seen to be mapped.
    fn goes(&mut self, arena: usize, size: usize, table: u32) -> bool {
        if size < SMALLEST_ARENA {
            return false;
        }
        let known = self.arenas.remove(&arena);
        if known.is_none() {
            self.earlier = self.earlier.map(|earlier| earlier.saturating_sub(1));
        }
        if known.is_none_or(|(_, of)| of != table) {
            self.older_gone += size as u64;
        }
        known.is_some()
    }
}

// SAFETY: the context pointer in `real` is only handed back to the functions that came with it.
unsafe impl Send for State {}

static STATE: Mutex<Option<State>> = Mutex::new(None);

fn state() -> MutexGuard<'static, Option<State>> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Wraps the arena allocator, once.
///
/// # Safety
/// With the interpreter's lock.
pub unsafe fn begin() {
    let api = Api::get();
    let (Some(get), Some(set)) = (api.get_arena_allocator, api.set_arena_allocator) else {
        return;
    };
    let mut state = state();
    if state.is_some() {
        return;
    }
    let mut real = MaybeUninit::uninit();
    let mut ours = ArenaAllocator {
        context: std::ptr::null_mut(),
        alloc,
        free,
    };
    // SAFETY: PyObject_GetArenaAllocator fills `real`; our functions live as long as the process.
    unsafe {
        get(real.as_mut_ptr());
        *state = Some(State {
            real: real.assume_init(),
            arenas: HashMap::new(),
            earlier: told(),
            cell: None,
            older_gone: 0,
        });
        set(&raw mut ours);
    }
}

/// How many arenas there are, as the interpreter says. It does so while pymalloc is not hooked, and is asked once: it looks at
/// every pool.
///
/// # Safety
/// With the interpreter's lock.
unsafe fn told() -> Option<u64> {
    // SAFETY: the caller's promise.
    if unsafe { allocator_name() }.is_some_and(|name| name.to_bytes().starts_with(b"malloc")) {
        return Some(0); // There is no pymalloc here.
    }
    let print = Api::get().print_pymalloc?;
    let (mut text, mut length) = (std::ptr::null_mut(), 0);
    // SAFETY: the caller's promise; the text is there, and ends in a zero, once its file is closed, and is ours to free.
    unsafe {
        let file = libc::open_memstream(&raw mut text, &raw mut length);
        if file.is_null() {
            return None;
        }
        print(file);
        libc::fclose(file);
        let said = CStr::from_ptr(text).to_string_lossy().into_owned();
        libc::free(text.cast());
        counted(&said)
    }
}

/// The number in `# arenas allocated current = 2`.
fn counted(said: &str) -> Option<u64> {
    let (_, rest) = said.split_once("arenas allocated current")?;
    let number = rest.trim_start_matches([' ', '=']);
    let end = number.find(|c: char| !c.is_ascii_digit() && c != ',')?;
    number[..end].replace(',', "").parse().ok()
}

/// Start and size of the arenas mapped since `begin`.
pub fn mapped() -> Vec<(usize, usize)> {
    state()
        .as_ref()
        .map(|state| {
            let arenas = state.arenas.iter();
            arenas.map(|(at, (size, _))| (*at, *size)).collect()
        })
        .unwrap_or_default()
}

/// Those mapped in this live table, and how many are older, where that is known.
pub fn known(table: u32) -> (Vec<(usize, usize)>, Option<u64>) {
    let state = state();
    let Some(state) = state.as_ref() else {
        return (Vec::new(), None);
    };
    let known = (state.arenas.iter()).filter(|(_, (_, of))| *of == table);
    let known: Vec<_> = known.map(|(at, (size, _))| (*at, *size)).collect();
    let of_others = (state.arenas.len() - known.len()) as u64;
    let older = state.earlier.map(|earlier| earlier + of_others);
    (known, older)
}

/// Bytes of arenas that were unmapped so far and older than the live table of that time.
pub fn older_gone() -> u64 {
    state().as_ref().map_or(0, |state| state.older_gone)
}

fn real() -> Option<ArenaAllocator> {
    state().as_ref().map(|state| state.real)
}

unsafe extern "C" fn alloc(_: *mut c_void, size: usize) -> *mut c_void {
    let Some(real) = real() else {
        return std::ptr::null_mut();
    };
    // SAFETY: the real allocator's own function and context.
    let arena = beneath(|| unsafe { (real.alloc)(real.context, size) });
    if !arena.is_null()
        && size >= SMALLEST_ARENA
        && let Some(state) = state().as_mut()
    {
        // SAFETY: arenas are mapped under the interpreter's lock, and these words are written under it.
        let (books, muted, cell) =
            unsafe { (&(*tracer()).books, (*tracer()).muted, (*tracer()).cell) };
        state.arenas.insert(arena as usize, (size, books.table()));
        // A cell that asks for a second arena fills the second, too.
        if state.cell.replace(cell) == Some(cell) && !muted {
            books.shadow().expect(arena as usize, size);
        }
    }
    arena
}

unsafe extern "C" fn free(_: *mut c_void, arena: *mut c_void, size: usize) {
    let Some(real) = real() else { return };
    // SAFETY: arenas are freed under the interpreter's lock, and the word is written under it.
    let table = unsafe { (*tracer()).books.table() };
    let known = (state().as_mut()).is_some_and(|state| state.goes(arena as usize, size, table));
    // SAFETY: arenas are freed under the interpreter's lock; an arena that goes has no live block.
    unsafe {
        if known {
            (*tracer()).books.shadow().forget(arena as usize, size);
        }
        beneath(|| (real.free)(real.context, arena, size));
    }
}

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn the_number_of_arenas_is_read_with_and_without_commas() {
        let said = |number| {
            format!(
                "# arenas highwater mark            =       9,999\n\
                 # arenas allocated current         = {number}\n2 arenas * 1048576 bytes/arena     =     2,097,152\n"
            )
        };
        assert_eq!(counted(&said("                   2")), Some(2));
        assert_eq!(counted(&said("               1,234")), Some(1234));
        assert_eq!(counted(""), None);
    }
}
