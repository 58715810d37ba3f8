//! Fields of objects of C that Python shows under a name, where their types keep no list of members that says so.

use pyo3::ffi;

use super::kinds::Kind;
use super::layout::word;
use super::names::Named;

/// In a function, the same for all minors.
pub const FUNCTION_GLOBALS: usize = 16;
pub const FUNCTION_CODE: usize = 48;
pub const FUNCTION_CLOSURE: usize = 72;

/// In a memoryview, the same for all minors.
pub const MEMORYVIEW_BUFFER: usize = 24;

const FUNCTION: [(usize, &str); 11] = [
    (56, ".__defaults__"),
    (64, ".__kwdefaults__"),
    (FUNCTION_CLOSURE, ".__closure__"),
    (FUNCTION_CODE, ".__code__"),
    (FUNCTION_GLOBALS, ".__globals__"),
    (24, ".__builtins__"),
    (32, ".__name__"),
    (40, ".__qualname__"),
    (80, ".__doc__"),
    (104, ".__module__"),
    (112, ".__annotations__"),
];
const CELL: [(usize, &str); 1] = [(16, ".cell_contents")];
const METHOD: [(usize, &str); 2] = [(24, ".__self__"), (32, ".__module__")];
const TOKEN: [(usize, &str); 3] = [(16, "its context"), (24, ".var"), (32, ".old_value")];
const FRAME: [(usize, &str); 2] = [(16, ".f_back"), (32, ".f_trace")];
const EXCEPTION: [(usize, &str); 5] = [
    (24, ".args"),
    (32, ".__notes__"),
    (40, ".__traceback__"),
    (48, ".__context__"),
    (56, ".__cause__"),
];

/// Exceptions say so by a flag.
const IS_EXCEPTION: usize = 1 << 30;

/// How `object` calls a field of its own.
///
/// # Safety
/// A live object of this kind, with the interpreter's lock.
pub unsafe fn part(kind: &Kind, object: usize, held: usize) -> Option<Named> {
    let is = |known: *mut ffi::PyTypeObject| kind.of == known as usize;
    let fields: &[(usize, &str)] = if is(&raw mut ffi::PyFunction_Type) {
        &FUNCTION
    } else if is(&raw mut ffi::PyCell_Type) {
        &CELL
    } else if is(&raw mut ffi::PyCFunction_Type) {
        &METHOD
    } else if is(&raw mut ffi::PyFrame_Type) {
        &FRAME
    } else if is(&raw mut ffi::PyContextToken_Type) {
        &TOKEN
    } else if kind.has(IS_EXCEPTION) {
        &EXCEPTION
    } else {
        return None;
    };
    // SAFETY: the caller's promise: objects of these types are larger than their last field.
    let found = fields
        .iter()
        .find(|(at, _)| unsafe { word(object, *at) } == held);
    found.map(|(_, name)| ((*name).to_owned(), "attribute"))
}

pub fn is_function(kind: &Kind) -> bool {
    kind.of == &raw mut ffi::PyFunction_Type as usize
}

pub fn is_memoryview(kind: &Kind) -> bool {
    kind.of == &raw mut ffi::PyMemoryView_Type as usize
}
