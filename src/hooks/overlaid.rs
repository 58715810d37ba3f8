//! Whether events still reach us. Another tool may put its own hooks over ours or take ours away. Where it points the slots
//! of loaded objects at functions of its own, as memray does while it records, what libraries allocate is not counted,
//! and that is said.

use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::native;
use super::python::Api;
use super::tracer::tracer;
use super::turn::Turn;

/// Larger than what an allocator of Python's own would keep to itself.
const NATIVE_BYTES: usize = 1000;
/// What Python's debug allocator puts before a block.
const DEBUG_HEADER: usize = 16;
/// Where blocks are the C library's, another thread may take the place of one at once: then it is tried again.
const PROBES: usize = 4;

static HEARD: AtomicBool = AtomicBool::new(false);
static MISSED: AtomicBool = AtomicBool::new(false);

/// Whether we hear that a block comes, and that it goes: one record alone may be of a block that went unheard. The block
/// that we hear of may begin `header` bytes earlier.
///
/// # Safety
/// With the interpreter's lock, the tracer in place, not in a turn; the functions belong together.
pub unsafe fn is_heard(
    malloc: unsafe extern "C" fn(usize) -> *mut c_void,
    free: unsafe extern "C" fn(*mut c_void),
    bytes: usize,
    header: usize,
) -> bool {
    let known = |block: usize| {
        let _turn = Turn::take();
        // SAFETY: the tracer is in place, as the caller promises; it is our turn.
        let books = unsafe { &(*tracer()).books };
        books.knows(block) || books.knows(block.wrapping_sub(header))
    };
    (0..PROBES).any(|_| {
        // SAFETY: as the caller promises.
        unsafe {
            let block = malloc(bytes);
            let came = !block.is_null() && known(block as usize);
            free(block);
            came && !known(block as usize)
        }
    })
}

/// Looks whether the interpreter's own calls of the C library reach us, if they ever did.
///
/// # Safety
/// As `is_heard`.
pub unsafe fn look_at_native() {
    let (Some(malloc), Some(free)) = (Api::get().raw_malloc, Api::get().raw_free) else {
        return;
    };
    if !native::is_active() {
        return;
    }
    // SAFETY: RAW's functions may be called at any time; native hooks are active, so the tracer is in place.
    match unsafe { is_heard(malloc, free, NATIVE_BYTES, DEBUG_HEADER) } {
        true => HEARD.store(true, Relaxed),
        false => {
            MISSED.store(HEARD.load(Relaxed) || MISSED.load(Relaxed), Relaxed);
            // Who is done with the slots has put the real functions back.
            native::look_at_all_objects();
        }
    }
}

/// Whether native events were lost at any time.
pub fn missed() -> bool {
    MISSED.load(Relaxed)
}
