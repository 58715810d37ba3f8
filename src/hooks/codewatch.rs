//! The death of code objects. From 3.12 the interpreter tells (`PyCode_AddWatcher`); on 3.11 a free function
//! in the object's extra slot does. No reference to a code object is ever held.

use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicIsize, Ordering::Relaxed};

use super::python::{Api, Object};
use super::tracer::tracer;

/// On 3.11: the index of our extra slot. -1: none.
static EXTRA: AtomicIsize = AtomicIsize::new(-1);
const DESTROYED: c_int = 1;

/// Begins to watch; false where the interpreter has no way to tell.
///
/// # Safety
/// Once, with the interpreter's lock.
pub unsafe fn begin() -> bool {
    let api = Api::get();
    // SAFETY: the callbacks live as long as the process.
    unsafe {
        if let Some(add) = api.add_code_watcher {
            return add(watch) >= 0;
        }
        let Some(request) = api.request_code_extra else {
            return false;
        };
        EXTRA.store(request(freed), Relaxed);
    }
    EXTRA.load(Relaxed) >= 0
}

/// On 3.11, asks to be told when this object dies.
///
/// # Safety
/// `code` is a live code object, and the interpreter's lock is held.
pub unsafe fn follow(code: Object) {
    let index = EXTRA.load(Relaxed);
    if let (0.., Some(set)) = (index, Api::get().set_code_extra) {
        // SAFETY: the object lives; the extra is its own address, never followed.
        unsafe { set(code, index, code) };
    }
}

unsafe extern "C" fn watch(event: c_int, code: Object) -> c_int {
    if event == DESTROYED {
        died(code as usize);
    }
    0
}

unsafe extern "C" fn freed(code: *mut c_void) {
    if !code.is_null() {
        died(code as usize);
    }
}

fn died(address: usize) {
    // SAFETY: code objects die under the interpreter's lock, after `begin`.
    let tracer = unsafe { &mut *tracer() };
    if tracer.books.codes.died(address) {
        tracer.flush();
    }
}
