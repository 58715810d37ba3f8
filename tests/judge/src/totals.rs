//! Our totals and tracemalloc's, started together and read together: in one native call, with no event between.

use std::mem::MaybeUninit;
use std::sync::Mutex;

use crate::python::{
    Allocator, Object, Py_DecRef, PyLong_AsUnsignedLongLong, PyMem_GetAllocator,
    PyMem_SetAllocator, PyObject_CallNoArgs, PyTuple_GetItem, RAW,
};

struct Raw(Allocator);

// SAFETY: used under the interpreter's lock only.
unsafe impl Send for Raw {}

static RAW_BEFORE: Mutex<Option<Raw>> = Mutex::new(None);

/// Before `tracemalloc.start()`: remembers the RAW domain as it is.
#[unsafe(no_mangle)]
pub extern "C" fn judge_keep_raw() {
    let mut raw = MaybeUninit::uninit();
    // SAFETY: PyMem_GetAllocator fills it.
    unsafe {
        PyMem_GetAllocator(RAW, raw.as_mut_ptr());
        *RAW_BEFORE.lock().unwrap() = Some(Raw(raw.assume_init()));
    }
}

/// After `tracemalloc.start()`: takes the RAW domain away from it, which the tracer does not count.
#[unsafe(no_mangle)]
pub extern "C" fn judge_spare_raw() {
    let Raw(mut raw) = RAW_BEFORE
        .lock()
        .unwrap()
        .take()
        .expect("judge_keep_raw came first");
    // SAFETY: the allocator is the one that was there before.
    unsafe { PyMem_SetAllocator(RAW, &raw mut raw) };
}

/// Calls two functions with nothing between: the tracer's start and tracemalloc's clearing.
///
/// # Safety
/// Both are Python functions without arguments.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn judge_begin(start: Object, clear: Object) {
    for function in [start, clear] {
        // SAFETY: the caller's promise; ctypes holds the interpreter's lock.
        unsafe { Py_DecRef(PyObject_CallNoArgs(function)) };
    }
}

/// Fills `read` with our live and peak, then tracemalloc's.
///
/// # Safety
/// `ours` is what `_core.totals_address` gave, `theirs` is `tracemalloc.get_traced_memory`, `read` has four places.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn judge_totals(ours: *const u64, theirs: Object, read: *mut u64) {
    // SAFETY: the caller's promise. tracemalloc reads its totals before it makes the tuple.
    unsafe {
        let (live, peak) = (ours.read_volatile(), ours.add(1).read_volatile());
        let pair = PyObject_CallNoArgs(theirs);
        let number = |at| PyLong_AsUnsignedLongLong(PyTuple_GetItem(pair, at));
        for (at, value) in [live, peak, number(0), number(1)].into_iter().enumerate() {
            read.add(at).write(value);
        }
        Py_DecRef(pair);
    }
}
