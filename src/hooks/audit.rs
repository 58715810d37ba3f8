//! Audit events that the tracer needs: a thread is about to start, a module is about to be imported, another interpreter
//! may appear.

use std::ffi::{CStr, c_char, c_int, c_void};

use super::control;
use super::native;
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

/// The modules that make interpreters. From 3.13 those come without an event, but the import has one.
const MAKERS: [&CStr; 2] = [c"_interpreters", c"_xxsubinterpreters"];

/// Whether interpreters may have been made, or could be, without our hearing of it.
///
/// # Safety
/// With the interpreter's lock.
pub unsafe fn missed_interpreters() -> bool {
    let api = Api::get();
    let (Some(first), Some(next), Some(modules), Some(get)) = (
        api.first_interpreter,
        api.next_interpreter,
        api.modules,
        api.dict_get,
    ) else {
        return false;
    };
    // SAFETY: as the caller promises; `modules` and `get` borrow.
    unsafe {
        let several = !next(first()).is_null();
        several
            || MAKERS
                .iter()
                .any(|name| !get(modules(), name.as_ptr()).is_null())
    }
}

unsafe fn is_maker(arguments: Object) -> bool {
    let api = Api::get();
    let (Some(get), Some(compare)) = (api.tuple_get, api.text_compare) else {
        return false;
    };
    // SAFETY: an import's arguments are a tuple that begins with the module's name.
    unsafe {
        let name = get(arguments, 0);
        !name.is_null()
            && MAKERS
                .iter()
                .any(|maker| compare(name, maker.as_ptr()) == 0)
    }
}

unsafe extern "C" fn hook(event: *const c_char, arguments: Object, _: *mut c_void) -> c_int {
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
            b'i' if CStr::from_ptr(event) == c"import" => {
                native::look_for_new_objects();
                if is_maker(arguments) {
                    control::another_interpreter();
                }
            }
            _ => {}
        }
    }
    0
}
