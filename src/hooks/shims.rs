//! Frames of the evaluation loop's own, which lie where C calls Python: they run nothing that a person knows. Knows frames by
//! their layout only.

use super::layout::{Layout, code_of, word};
use super::python::{Api, Object, is_code};

/// What owns a shim: the C stack.
const C_STACK: u8 = 3;

/// Whether a frame runs code. A shim has no code object in its place, or (3.12) one of the interpreter's, whose file is
/// named as if the user's `exec` had made it.
///
/// # Safety
/// `frame` is a live frame of this layout.
#[inline(always)]
pub unsafe fn runs_code<L: Layout>(frame: *const u8) -> bool {
    // SAFETY: the caller's promise.
    unsafe {
        is_code(code_of::<L>(frame)) && L::OWNER.is_none_or(|owner| *frame.add(owner) != C_STACK)
    }
}

/// The next frame that is the known one's: shims of the evaluation loop lie between.
///
/// # Safety
/// `raw` must be a frame of this layout or null.
pub unsafe fn skip_shims<L: Layout>(mut raw: *const u8, known: Object) -> *const u8 {
    let api = Api::get();
    let (Some(code), Some(decrement)) = (api.frame_code, api.decrement) else {
        return raw;
    };
    if known.is_null() {
        return raw;
    }
    // SAFETY: `known` is a live frame object; `raw` and what precedes it are live frames.
    unsafe {
        let expected = code(known);
        for _ in 0..4 {
            if raw.is_null() || code_of::<L>(raw) == expected as usize {
                break;
            }
            raw = word(raw, L::PREVIOUS) as *const u8;
        }
        decrement(expected);
    }
    raw
}
