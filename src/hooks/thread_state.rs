//! The current thread state, as cheaply as it can be had: asked on every event.

use std::sync::atomic::{AtomicPtr, Ordering::Relaxed};

use super::python::Api;

static FUNCTION: AtomicPtr<()> = AtomicPtr::new(std::ptr::null_mut());

/// Looks the function up. False where the interpreter has none.
pub fn begin() -> bool {
    let Some(function) = Api::get().thread_state else {
        return false;
    };
    FUNCTION.store(function as *mut (), Relaxed);
    true
}

/// The thread state that holds the interpreter's lock in this thread; null where there is none.
///
/// # Safety
/// After `begin`, with the interpreter's lock held (on 3.11 the answer is the holder's, whoever asks).
#[inline(always)]
pub unsafe fn current() -> *mut u8 {
    // SAFETY: `begin` stored a function of this type.
    unsafe {
        let function = FUNCTION.load(Relaxed);
        std::mem::transmute::<*mut (), unsafe extern "C" fn() -> *mut u8>(function)()
    }
}
