//! Audit events that the tracer needs: a thread is about to start, another interpreter appears.

use std::ffi::{CStr, c_char, c_int, c_void};

use super::control;
use super::python::{Api, Object};

/// Adds the hook, once: CPython has no way to take one away.
///
/// # Safety
/// With the interpreter's lock, the tracer in place.
pub unsafe fn begin() -> bool {
    // SAFETY: the hook lives as long as the process.
    Api::get()
        .add_audit_hook
        .is_some_and(|add| unsafe { add(hook, std::ptr::null_mut()) } == 0)
}

unsafe extern "C" fn hook(event: *const c_char, _: Object, _: *mut c_void) -> c_int {
    // SAFETY: event names are C strings; audit hooks run with the interpreter's lock.
    unsafe {
        // The first letter tells most events apart from ours.
        match *event.cast::<u8>() {
            b'_' => {
                let name = CStr::from_ptr(event);
                if name == c"_thread.start_new_thread" || name == c"_thread.start_joinable_thread" {
                    control::thread_starts();
                }
            }
            b'c' if CStr::from_ptr(event) == c"cpython.PyInterpreterState_New" => {
                control::another_interpreter();
            }
            _ => {}
        }
    }
    0
}
