//! Where each CPython minor keeps what the hooks read, and how that is checked before it is relied on.
//! Offsets are those of the headers (`offsetof`, x86-64 and aarch64 alike; debug builds have the same). At load they are
//! compared with what the interpreter tells of itself, and with a known frame.

use super::python::{self, Api, Object};
use super::shims::{runs_code, skip_shims};

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
    /// In the thread state: the innermost of the exceptions that are being handled.
    const HANDLED: usize = 120;
    /// In the frame.
    const PREVIOUS: usize;
    const CODE: usize;
    const INSTRUCTION: usize;
    /// In the frame, where shims of the evaluation loop have a code object too: who owns it.
    const OWNER: Option<usize> = None;
    /// The low bits of a frame's `CODE` that are no part of the address.
    const TAG: usize = 0;
    /// In the code object.
    const FIRST_LINE: usize;
    const FIRST_TRACEABLE: usize;
    const BYTECODE: usize;
    /// In the interpreter's own table of offsets: where it tells one, and what that must be. None before 3.13.
    const TOLD: &[(usize, usize)] = &[];
}

pub const FILE: usize = 112;
pub const QUALNAME: usize = 128;
pub const LINE_TABLE: usize = 136;
/// In the code object and in bytes: `ob_size`. In bytes: the first byte.
pub const SIZE: usize = 16;
pub const BYTES: usize = 32;
/// In every object.
pub const TYPE: usize = 8;
/// In the thread state: its interpreter.
pub const INTERPRETER: usize = 16;

pub struct V311;
pub struct V312;
pub struct V313;
pub struct V314;

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
    const HANDLED: usize = 104;
    const PREVIOUS: usize = 8;
    const CODE: usize = 0;
    const INSTRUCTION: usize = 56;
    const OWNER: Option<usize> = Some(70);
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
    const TOLD: &[(usize, usize)] = &[
        (176, INTERPRETER),
        (184, Self::FRAME),
        (232, Self::PREVIOUS),
        (240, Self::CODE),
        (248, Self::INSTRUCTION),
        (280, FILE),
        (296, QUALNAME),
        (304, LINE_TABLE),
        (312, Self::FIRST_LINE),
        (344, Self::BYTECODE),
        (360, TYPE),
        (520, SIZE),
        (528, BYTES),
    ];
}

impl Layout for V314 {
    const FRAME: usize = 72;
    const C_FRAME: Option<usize> = None;
    const CONTEXT_VERSION: usize = 216;
    const THREAD_ID: usize = 224;
    const PREVIOUS: usize = 8;
    const CODE: usize = 0;
    const INSTRUCTION: usize = 56;
    const TAG: usize = 7;
    const FIRST_LINE: usize = 68;
    const FIRST_TRACEABLE: usize = 192;
    const BYTECODE: usize = 208;
    const TOLD: &[(usize, usize)] = &[
        (200, INTERPRETER),
        (208, Self::FRAME),
        (256, Self::PREVIOUS),
        (264, Self::CODE),
        (272, Self::INSTRUCTION),
        (320, FILE),
        (336, QUALNAME),
        (344, LINE_TABLE),
        (352, Self::FIRST_LINE),
        (384, Self::BYTECODE),
        (408, TYPE),
        (600, SIZE),
        (608, BYTES),
    ];
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

/// The frame of code that runs; null where none does.
///
/// # Safety
/// `thread` is the current thread state or null.
#[inline(always)]
pub unsafe fn leaf_frame<L: Layout>(thread: *const u8) -> *const u8 {
    if thread.is_null() {
        return thread;
    }
    // SAFETY: the caller's promise; what precedes a live frame is one, or null.
    unsafe {
        let mut frame = running_frame::<L>(thread);
        // Shims of the evaluation loop run nothing of their own.
        while !frame.is_null() && !runs_code::<L>(frame) {
            frame = word(frame, L::PREVIOUS) as *const u8;
        }
        frame
    }
}

/// What a frame runs: a code object, or of a shim of the evaluation loop something else.
///
/// # Safety
/// `frame` is a live frame of this layout.
#[inline(always)]
pub unsafe fn code_of<L: Layout>(frame: *const u8) -> usize {
    // SAFETY: the caller's promise.
    unsafe { word(frame, L::CODE) & !L::TAG }
}

const LACKING: &str = "the interpreter lacks a function that the tracer needs";
const FRAMES: &str = "interpreter frames are not laid out as expected";

/// Compares what is read by offset with what the interpreter says of itself, of the thread and of the frame that called us.
///
/// # Errors
/// One line: what was not as expected.
///
/// # Safety
/// Called from a Python function's frame, with the interpreter's lock.
pub unsafe fn check<L: Layout>() -> Result<(), &'static str> {
    // SAFETY: the caller's promise.
    unsafe {
        check_told::<L>()?;
        check_thread::<L>()?;
        check_context::<L>()?;
        check_frames::<L>()
    }
}

/// The table of offsets that begins the interpreter's global state from 3.13 on.
///
/// # Safety
/// In a process with the CPython of this layout.
unsafe fn check_told<L: Layout>() -> Result<(), &'static str> {
    const COOKIE: usize = usize::from_ne_bytes(*b"xdebugpy");
    const VERSION: usize = 8;
    const FREE_THREADED: usize = 16;
    if L::TOLD.is_empty() {
        return Ok(());
    }
    let table = python::runtime().ok_or(LACKING)? as *const u8;
    // SAFETY: the table is longer than what is read of it.
    unsafe {
        if word(table, 0) != COOKIE
            || Some(word(table, VERSION)) != python::version().map(|version| version as usize)
        {
            return Err("the interpreter does not tell its offsets");
        }
        if word(table, FREE_THREADED) != 0 {
            return Err("this is a free-threaded build of CPython");
        }
        let told = |(at, offset): &(usize, usize)| word(table, *at) == *offset;
        if !L::TOLD.iter().all(told) {
            return Err("the interpreter tells other offsets than expected");
        }
    }
    Ok(())
}

/// # Safety
/// With the interpreter's lock.
unsafe fn check_thread<L: Layout>() -> Result<(), &'static str> {
    let api = Api::get();
    let (state, id) = (
        api.thread_state.ok_or(LACKING)?,
        api.thread_state_id.ok_or(LACKING)?,
    );
    let interpreter = api.interpreter.ok_or(LACKING)?;
    // SAFETY: the lock is held, so the thread has a state.
    let right = unsafe {
        let thread = state();
        word(thread, L::THREAD_ID) as u64 == id(thread)
            && word(thread, INTERPRETER) == interpreter() as usize
    };
    right
        .then_some(())
        .ok_or("the thread state is not laid out as expected")
}

/// # Safety
/// As `check`.
unsafe fn check_frames<L: Layout>() -> Result<(), &'static str> {
    let api = Api::get();
    let (frame, code, back) = (
        api.frame.ok_or(LACKING)?,
        api.frame_code.ok_or(LACKING)?,
        api.frame_back.ok_or(LACKING)?,
    );
    let (lasti, decrement) = (
        api.frame_lasti.ok_or(LACKING)?,
        api.decrement.ok_or(LACKING)?,
    );
    // SAFETY: each call is documented for the state we are in; new references are given back.
    unsafe {
        let mut raw = running_frame::<L>(api.thread_state.ok_or(LACKING)?());
        let mut known = frame();
        let mut depth = 0;
        while !known.is_null() && depth < 3 {
            let expected = code(known);
            let at = lasti(known) as usize;
            let same = code_of::<L>(raw) == expected as usize
                && word(raw, L::INSTRUCTION).wrapping_sub(expected as usize + L::BYTECODE) == at
                && is_as_told::<L>(expected, at);
            decrement(expected);
            if !same {
                return Err(FRAMES);
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

/// Whether a code object that runs at an offset reads as its attributes do.
///
/// # Safety
/// `code` is a live code object; the interpreter's lock is held.
unsafe fn is_as_told<L: Layout>(code: Object, at: usize) -> bool {
    let api = Api::get();
    let (Some(attribute), Some(number), Some(decrement)) =
        (api.attribute, api.long_as_long, api.decrement)
    else {
        return false;
    };
    let base = code as *const u8;
    let names = [
        (c"co_filename", FILE),
        (c"co_qualname", QUALNAME),
        (c"co_linetable", LINE_TABLE),
    ];
    // SAFETY: code objects have these attributes and hold what they are.
    unsafe {
        let same = names.iter().all(|(name, offset)| {
            let value = attribute(code, name.as_ptr());
            decrement(value);
            value as usize == word(base, *offset)
        });
        let first = attribute(code, c"co_firstlineno".as_ptr());
        let line = number(first);
        decrement(first);
        let half = |offset| base.add(offset).cast::<u32>().read();
        same && i64::from(half(L::FIRST_LINE)) == line
            && half(L::FIRST_TRACEABLE) as usize * 2 <= at
    }
}

/// # Safety
/// As `check`.
unsafe fn check_context<L: Layout>() -> Result<(), &'static str> {
    let api = Api::get();
    let (new, enter) = (
        api.context_new.ok_or(LACKING)?,
        api.context_enter.ok_or(LACKING)?,
    );
    let (exit, decrement) = (
        api.context_exit.ok_or(LACKING)?,
        api.decrement.ok_or(LACKING)?,
    );
    // SAFETY: an empty context is entered and left at once.
    unsafe {
        let thread = api.thread_state.ok_or(LACKING)?();
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
