//! Frames that run: which there are, whose they are, and what they hold. They are no objects, and nobody else tells of
//! their variables.

use pyo3::ffi;

use super::layout::{self, FRAME_SLOTS, FRAME_STACK, Layout, byte, code, int, word};
use crate::hooks::layout as hooks;

/// More frames than this are not told apart: their variables count as held from C.
const MOST: usize = 20_000;

/// Who owns a frame: a generator.
const OF_GENERATOR: u8 = 1;
/// The interpreter's own, on the C stack (from 3.12 on): one a call from C, of which only what it runs is set.
const OF_C_STACK: u8 = 3;

#[derive(Debug, Clone, Copy)]
pub struct Frame {
    pub address: usize,
    /// The code that runs.
    pub code: usize,
    /// Of the thread that looks.
    pub here: bool,
    /// A frame of the call that looks: what it holds is not held.
    pub ours: bool,
}

/// All frames of this interpreter's threads; those at the top of this thread whose file begins with `own` are ours.
///
/// # Safety
/// With the interpreter's lock, from a Python function's frame.
pub unsafe fn running(layout: &Layout, own: &str) -> Vec<Frame> {
    let mut frames = Vec::new();
    // SAFETY: with the lock threads and their frames stay as they are.
    unsafe {
        let this = ffi::PyThreadState_Get();
        let mut thread = ffi::PyInterpreterState_ThreadHead(ffi::PyInterpreterState_Get());
        while !thread.is_null() {
            let mut ours = thread == this;
            let mut frame = top_frame(layout, thread as usize);
            while frame != 0 && frames.len() < MOST {
                let code = word(frame, layout.frame_code);
                let users = byte(frame, layout.frame_owner) != OF_C_STACK;
                if users && crate::hooks::python::is_code(code) {
                    ours = ours && is_of(layout, code, own);
                    frames.push(Frame {
                        address: frame,
                        code,
                        here: thread == this,
                        ours,
                    });
                }
                frame = word(frame, layout.frame_previous);
            }
            thread = ffi::PyThreadState_Next(thread);
        }
    }
    frames
}

/// The frame that a thread runs.
unsafe fn top_frame(layout: &Layout, thread: usize) -> usize {
    use hooks::Layout as _;
    // SAFETY: the caller's promise: a live thread state of this minor.
    unsafe {
        match layout.minor {
            11 => word(
                word(thread, hooks::V311::FRAME),
                hooks::V311::C_FRAME.unwrap_or_default(),
            ),
            12 => word(
                word(thread, hooks::V312::FRAME),
                hooks::V312::C_FRAME.unwrap_or_default(),
            ),
            _ => word(thread, hooks::V313::FRAME),
        }
    }
}

/// Whether the code's file begins so.
unsafe fn is_of(layout: &Layout, code: usize, own: &str) -> bool {
    // SAFETY: a live code object has a str there.
    unsafe { super::texts::text(layout, word(code, code::FILE)) }
        .is_some_and(|file| file.starts_with(own))
}

/// Whether this is code of an event loop of asyncio's, which holds what waits.
///
/// # Safety
/// A live code object, with the interpreter's lock.
pub unsafe fn is_event_loop(layout: &Layout, code: usize) -> bool {
    // SAFETY: a live code object has str there.
    let text = |at: usize| unsafe { super::texts::text(layout, word(code, at)) };
    text(hooks::QUALNAME).is_some_and(|name| name.starts_with("BaseEventLoop."))
        && text(code::FILE).is_some_and(|file| file.ends_with("/asyncio/base_events.py"))
}

/// Visits what a frame owns: its function, its code, its variables, and its stack as far as that can be told.
///
/// # Safety
/// A frame that runs, with the interpreter's lock.
pub unsafe fn owned_by_frame(layout: &Layout, frame: usize, mut visit: impl FnMut(usize)) {
    // SAFETY: the caller's promise; slots hold objects or null.
    unsafe {
        let owner = byte(frame, layout.frame_owner);
        if owner == OF_GENERATOR {
            // Its generator tells the collector of it, but not of variables while it runs C code.
            if int(frame, FRAME_STACK) < 0 {
                visit_slots(layout, frame, &mut visit);
            }
            return;
        }
        for at in [
            layout.frame_function,
            layout.frame_code,
            layout.frame_locals,
            layout.frame_object,
        ] {
            visit(word(frame, at));
        }
        visit_slots(layout, frame, &mut visit);
    }
}

unsafe fn visit_slots(layout: &Layout, frame: usize, visit: &mut impl FnMut(usize)) {
    // SAFETY: as above.
    unsafe {
        let locals = int(word(frame, layout.frame_code), layout.code_locals).max(0);
        // Below zero while it is in a call of C, whose arguments are on it.
        let used = int(frame, FRAME_STACK).max(locals);
        for at in 0..used as usize {
            visit(word(frame, FRAME_SLOTS + at * 8));
        }
    }
}

/// The names of a code object's variables, as str objects.
///
/// # Safety
/// A live code object.
pub unsafe fn local_name(layout: &Layout, code: usize, at: usize) -> Option<String> {
    // SAFETY: the caller's promise: a tuple of str.
    unsafe {
        let names = word(code, code::LOCAL_NAMES);
        (at < word(names, layout::SIZE))
            .then(|| super::texts::text(layout, word(names, layout::tuple::ITEMS + at * 8)))
            .flatten()
    }
}
