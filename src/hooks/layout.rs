//! Where each CPython minor keeps what the hooks read, and how that is checked before it is relied on.
//! Offsets are those of the headers (`offsetof`, x86-64 and aarch64 alike) and are compared with a known frame at load.

use super::python::Api;

/// Offsets in bytes for one minor version.
pub trait Layout {
    /// Whether the current thread state is kept in a thread-local; where not, it is in a global.
    const THREAD_LOCAL: bool = true;
    /// In the thread state: the frame that runs, or (3.11, 3.12) the C frame that knows it.
    const FRAME: usize;
    /// In that C frame, where there is one.
    const C_FRAME: Option<usize>;
    /// In the thread state: grows whenever the thread's context changes.
    const CONTEXT_VERSION: usize;
    const THREAD_ID: usize;
    /// In the frame.
    const PREVIOUS: usize;
    const CODE: usize;
    const INSTRUCTION: usize;
    /// In the code object.
    const FIRST_LINE: usize;
    const FIRST_TRACEABLE: usize;
    const BYTECODE: usize;
}

pub const FILE: usize = 112;
pub const QUALNAME: usize = 128;
pub const LINE_TABLE: usize = 136;
/// In the code object and in bytes: `ob_size`. In bytes: the first byte.
pub const SIZE: usize = 16;
pub const BYTES: usize = 32;
/// In the thread state: its interpreter.
pub const INTERPRETER: usize = 16;

pub struct V311;
pub struct V312;
pub struct V313;

impl Layout for V311 {
    const THREAD_LOCAL: bool = false;
    const FRAME: usize = 56;
    const C_FRAME: Option<usize> = Some(8);
    const CONTEXT_VERSION: usize = 232;
    const THREAD_ID: usize = 240;
    const PREVIOUS: usize = 48;
    const CODE: usize = 32;
    const INSTRUCTION: usize = 56;
    const FIRST_LINE: usize = 72;
    const FIRST_TRACEABLE: usize = 168;
    const BYTECODE: usize = 184;
}

impl Layout for V312 {
    const FRAME: usize = 56;
    const C_FRAME: Option<usize> = Some(0);
    const CONTEXT_VERSION: usize = 216;
    const THREAD_ID: usize = 224;
    const PREVIOUS: usize = 8;
    const CODE: usize = 0;
    const INSTRUCTION: usize = 56;
    const FIRST_LINE: usize = 68;
    const FIRST_TRACEABLE: usize = 176;
    const BYTECODE: usize = 192;
}

impl Layout for V313 {
    const FRAME: usize = 72;
    const C_FRAME: Option<usize> = None;
    const CONTEXT_VERSION: usize = 216;
    const THREAD_ID: usize = 224;
    const PREVIOUS: usize = 8;
    const CODE: usize = 0;
    const INSTRUCTION: usize = 56;
    const FIRST_LINE: usize = 68;
    const FIRST_TRACEABLE: usize = 184;
    const BYTECODE: usize = 200;
}

/// Reads a word.
///
/// # Safety
/// `base + offset` must be a readable word.
#[inline(always)]
pub unsafe fn word(base: *const u8, offset: usize) -> usize {
    // SAFETY: the caller's promise.
    unsafe { base.add(offset).cast::<usize>().read() }
}

/// The running frame of a thread; null where it runs none.
///
/// # Safety
/// `thread` must be the current thread state of a build with this layout.
#[inline(always)]
pub unsafe fn running_frame<L: Layout>(thread: *const u8) -> *const u8 {
    // SAFETY: the caller's promise; the C frame lives on the stack of the evaluation loop or in the thread state.
    unsafe {
        let place = word(thread, L::FRAME);
        match L::C_FRAME {
            Some(offset) => word(place as *const u8, offset) as *const u8,
            None => place as *const u8,
        }
    }
}

/// Compares what is read by offset with what the interpreter says of the frame that called us.
///
/// # Errors
/// One line: what was not as expected.
///
/// # Safety
/// Called from a Python function's frame, with the interpreter's lock.
pub unsafe fn check<L: Layout>() -> Result<(), &'static str> {
    let missing = "the interpreter lacks a function that the tracer needs";
    let api = Api::get();
    let (state, id) = (
        api.thread_state.ok_or(missing)?,
        api.thread_state_id.ok_or(missing)?,
    );
    let (frame, code, back) = (
        api.frame.ok_or(missing)?,
        api.frame_code.ok_or(missing)?,
        api.frame_back.ok_or(missing)?,
    );
    let (lasti, decrement) = (
        api.frame_lasti.ok_or(missing)?,
        api.decrement.ok_or(missing)?,
    );
    // SAFETY: each call is documented for the state we are in; new references are given back.
    unsafe {
        let thread = state();
        if word(thread, L::THREAD_ID) as u64 != id(thread) {
            return Err("the thread state is not laid out as expected");
        }
        check_context::<L>(thread)?;
        let mut raw = running_frame::<L>(thread);
        let mut known = frame();
        let mut depth = 0;
        while !known.is_null() && depth < 3 {
            let expected = code(known);
            let same = word(raw, L::CODE) == expected as usize
                && word(raw, L::INSTRUCTION).wrapping_sub(expected as usize + L::BYTECODE)
                    == lasti(known) as usize;
            decrement(expected);
            if !same {
                return Err("interpreter frames are not laid out as expected");
            }
            let older = back(known);
            if depth > 0 {
                decrement(known);
            }
            known = older;
            raw = skip_shims::<L>(word(raw, L::PREVIOUS) as *const u8, known);
            depth += 1;
        }
        if depth > 0 && !known.is_null() {
            decrement(known);
        }
    }
    Ok(())
}

/// The next frame that is the known one's: shims of the evaluation loop lie between.
///
/// # Safety
/// `raw` must be a frame of this layout or null.
unsafe fn skip_shims<L: Layout>(mut raw: *const u8, known: *mut std::ffi::c_void) -> *const u8 {
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
            if raw.is_null() || word(raw, L::CODE) == expected as usize {
                break;
            }
            raw = word(raw, L::PREVIOUS) as *const u8;
        }
        decrement(expected);
    }
    raw
}

/// # Safety
/// As `check`.
unsafe fn check_context<L: Layout>(thread: *const u8) -> Result<(), &'static str> {
    let missing = "the interpreter lacks a function that the tracer needs";
    let api = Api::get();
    let (new, enter) = (
        api.context_new.ok_or(missing)?,
        api.context_enter.ok_or(missing)?,
    );
    let (exit, decrement) = (
        api.context_exit.ok_or(missing)?,
        api.decrement.ok_or(missing)?,
    );
    // SAFETY: an empty context is entered and left at once.
    unsafe {
        let before = word(thread, L::CONTEXT_VERSION);
        let context = new();
        if context.is_null() || enter(context) != 0 {
            return Err("a context could not be entered");
        }
        let inside = word(thread, L::CONTEXT_VERSION);
        exit(context);
        decrement(context);
        let after = word(thread, L::CONTEXT_VERSION);
        if inside != before + 1 || after != before + 2 {
            return Err("the thread's context is not laid out as expected");
        }
    }
    Ok(())
}
