//! Arrays of numpy that lend their data to tensors (`torch.from_numpy`): who gives such data back is a small object of C++,
//! which holds the array. Where it holds it is found in tensors that are made for that; knows nothing else of tensors.

use std::ffi::CStr;
use std::sync::OnceLock;

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::check::is_address;
use super::kinds::loaded_type;
use super::layout::word;
use super::listed::uncollected;
use super::owned::Found;

/// Behind the data of a storage: the function that gives it back, and what that is called with.
const FREE: usize = 8;
pub const CONTEXT: usize = 16;
/// In a `std::function`, behind what it has caught: what manages it, and what is run. Both tell its type.
const MANAGER: usize = 16;
const INVOKER: usize = 24;
/// What a context has at least.
const LEAST: usize = 40;

/// What all such storages have in common.
#[derive(Debug, PartialEq, Eq)]
pub struct Lender {
    free: usize,
    /// In a context: the array, and what is behind it.
    object: usize,
    manager: usize,
    invoker: usize,
}

/// `lent`, storages whose data are those of `arrays`.
const SAMPLES: &CStr = c"
import sys
numpy, torch = sys.modules['numpy'], sys.modules['torch']
with torch._C.DisableTorchFunction():
    arrays = [numpy.zeros(7), numpy.zeros(7)]
    lent = [torch.from_numpy(array).untyped_storage() for array in arrays]
    known = [storage._cdata for storage in lent]
";

static FOUND: OnceLock<Option<Lender>> = OnceLock::new();

/// Finds out where the array is, once both numpy and torch are there. `data` is where a storage has its data.
pub fn look(py: Python<'_>, data: usize) {
    if FOUND.get().is_none() && loaded_type(c"numpy", c"ndarray").is_some() {
        // What is wrong with a torch without numpy, or with an older one's, is no business of who asks.
        let found = uncollected(py, || find(py, data)).ok().flatten();
        _ = FOUND.set(found);
    }
}

fn find(py: Python<'_>, data: usize) -> PyResult<Option<Lender>> {
    let made = PyDict::new(py);
    py.run(SAMPLES, Some(&made), None)?;
    let made = made.as_any();
    let known: [usize; 2] = made.get_item("known")?.extract()?;
    let arrays = made.get_item("arrays")?;
    let arrays = [arrays.get_item(0)?, arrays.get_item(1)?].map(|array| array.as_ptr() as usize);
    // SAFETY: storages that live, and their arrays.
    let [one, other] = [0, 1].map(|at| unsafe { lender(known[at] + data, arrays[at]) });
    Ok(one.filter(|one| Some(one) == other.as_ref()))
}

/// # Safety
/// The data of a storage that lives; its array.
unsafe fn lender(data: usize, array: usize) -> Option<Lender> {
    // SAFETY: the caller's promise; a context is a block that torch made with `new`.
    unsafe {
        let context = word(data, CONTEXT);
        if !is_address(context)
            || context == word(data, 0)
            || libc::malloc_usable_size(context as *mut _) < LEAST
        {
            return None;
        }
        let object = (0..=LEAST - INVOKER - 8)
            .step_by(8)
            .find(|at| word(context, *at) == array)?;
        Some(Lender {
            free: word(data, FREE),
            object,
            manager: word(context, object + MANAGER),
            invoker: word(context, object + INVOKER),
        })
    }
}

/// What stands behind data that are not the storage's own.
///
/// # Safety
/// The data of a storage that lives, with the interpreter's lock.
pub unsafe fn found_behind(data: usize, found: &mut impl Found) {
    let Some(lender) = FOUND.get().and_then(Option::as_ref) else {
        return;
    };
    // SAFETY: the caller's promise; who gives the data back says of which kind the context is.
    unsafe {
        let context = word(data, CONTEXT);
        if word(data, FREE) == lender.free
            && is_address(context)
            && word(context, lender.object + MANAGER) == lender.manager
            && word(context, lender.object + INVOKER) == lender.invoker
        {
            found.block(context);
            found.object(word(context, lender.object));
        }
    }
}
