//! pymalloc's arenas: counted as they are mapped, and their shadow given back when they go.

use std::collections::HashMap;
use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::sync::Mutex;
use std::sync::PoisonError;

use super::python::{Api, ArenaAllocator};
use super::tracer::tracer;
use super::turn::beneath;

/// Smaller requests are chunks of the frame stack, not arenas.
const SMALLEST_ARENA: usize = 256 << 10;

struct State {
    real: ArenaAllocator,
    /// Sizes by start, and the live table in which they were mapped.
    arenas: HashMap<usize, (usize, u32)>,
}

// SAFETY: the context pointer in `real` is only handed back to the functions that came with it.
unsafe impl Send for State {}

static STATE: Mutex<Option<State>> = Mutex::new(None);

/// Wraps the arena allocator, once.
///
/// # Safety
/// With the interpreter's lock.
pub unsafe fn begin() {
    let api = Api::get();
    let (Some(get), Some(set)) = (api.get_arena_allocator, api.set_arena_allocator) else {
        return;
    };
    let mut state = STATE.lock().unwrap_or_else(PoisonError::into_inner);
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
        });
        set(&raw mut ours);
    }
}

/// Start and size of the arenas mapped since `begin`.
pub fn mapped() -> Vec<(usize, usize)> {
    let state = STATE.lock().unwrap_or_else(PoisonError::into_inner);
    state
        .as_ref()
        .map(|state| {
            let arenas = state.arenas.iter();
            arenas.map(|(at, (size, _))| (*at, *size)).collect()
        })
        .unwrap_or_default()
}

/// Those mapped in this live table, and how many are older.
pub fn known(table: u32) -> (Vec<(usize, usize)>, u64) {
    let state = STATE.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(state) = state.as_ref() else {
        return (Vec::new(), 0);
    };
    let known = (state.arenas.iter()).filter(|(_, (_, of))| *of == table);
    let known: Vec<_> = known.map(|(at, (size, _))| (*at, *size)).collect();
    let older = state.arenas.len() - known.len();
    (known, older as u64)
}

fn real() -> Option<ArenaAllocator> {
    STATE
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .as_ref()
        .map(|state| state.real)
}

unsafe extern "C" fn alloc(_: *mut c_void, size: usize) -> *mut c_void {
    let Some(real) = real() else {
        return std::ptr::null_mut();
    };
    // SAFETY: the real allocator's own function and context.
    let arena = beneath(|| unsafe { (real.alloc)(real.context, size) });
    if !arena.is_null()
        && size >= SMALLEST_ARENA
        && let Some(state) = STATE
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_mut()
    {
        // SAFETY: arenas are mapped under the interpreter's lock, and the word is written under it.
        let table = unsafe { (*tracer()).books.table() };
        state.arenas.insert(arena as usize, (size, table));
    }
    arena
}

unsafe extern "C" fn free(_: *mut c_void, arena: *mut c_void, size: usize) {
    let Some(real) = real() else { return };
    let known = (STATE
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .as_mut())
    .is_some_and(|state| state.arenas.remove(&(arena as usize)).is_some());
    // SAFETY: arenas are freed under the interpreter's lock; an arena that goes has no live block.
    unsafe {
        if known {
            (*tracer()).books.shadow().forget(arena as usize, size);
        }
        beneath(|| (real.free)(real.context, arena, size));
    }
}
