//! The part of CPython's C API that the hooks call, looked up by name when tracing starts: nothing here
//! links to Python, so the rest of the crate builds and tests without it.

use std::ffi::{CStr, c_char, c_double, c_int, c_long, c_void};
use std::sync::OnceLock;

pub type Object = *mut c_void;

/// `PyMemAllocatorEx`.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Allocator {
    pub context: *mut c_void,
    pub malloc: unsafe extern "C" fn(*mut c_void, usize) -> *mut c_void,
    pub calloc: unsafe extern "C" fn(*mut c_void, usize, usize) -> *mut c_void,
    pub realloc: unsafe extern "C" fn(*mut c_void, *mut c_void, usize) -> *mut c_void,
    pub free: unsafe extern "C" fn(*mut c_void, *mut c_void),
}

/// `PyObjectArenaAllocator`.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct ArenaAllocator {
    pub context: *mut c_void,
    pub alloc: unsafe extern "C" fn(*mut c_void, usize) -> *mut c_void,
    pub free: unsafe extern "C" fn(*mut c_void, *mut c_void, usize),
}

macro_rules! api {
    ($($name:ident: fn($($argument:ty),*) $(-> $result:ty)?, $($symbol:literal)|+;)*) => {
        /// Functions of the running interpreter; an absent one is one that this minor does not have.
        #[allow(non_snake_case)]
        pub struct Api {
            $(pub $name: Option<unsafe extern "C" fn($($argument),*) $(-> $result)?>,)*
        }

        impl Api {
            fn find() -> Self {
                Self {
                    $($name: {
                        let found = [$(symbol($symbol)),+].into_iter().flatten().next();
                        // SAFETY: the signature is the one that CPython's headers give for the name.
                        found.map(|function| unsafe {
                            std::mem::transmute::<*mut c_void, unsafe extern "C" fn($($argument),*) $(-> $result)?>(function)
                        })
                    },)*
                }
            }
        }
    };
}

api! {
    get_allocator: fn(c_int, *mut Allocator), c"PyMem_GetAllocator";
    set_allocator: fn(c_int, *mut Allocator), c"PyMem_SetAllocator";
    get_arena_allocator: fn(*mut ArenaAllocator), c"PyObject_GetArenaAllocator";
    set_arena_allocator: fn(*mut ArenaAllocator), c"PyObject_SetArenaAllocator";
    print_pymalloc: fn(*mut libc::FILE) -> c_int, c"_PyObject_DebugMallocStats";
    object_malloc: fn(usize) -> *mut c_void, c"PyObject_Malloc";
    object_free: fn(*mut c_void), c"PyObject_Free";
    raw_malloc: fn(usize) -> *mut c_void, c"PyMem_RawMalloc";
    raw_free: fn(*mut c_void), c"PyMem_RawFree";
    memory_malloc: fn(usize) -> *mut c_void, c"PyMem_Malloc";
    memory_free: fn(*mut c_void), c"PyMem_Free";
    allocator_name: fn() -> *const c_char, c"_PyMem_GetCurrentAllocatorName";
    thread_state: fn() -> *mut u8, c"PyThreadState_GetUnchecked" | c"_PyThreadState_UncheckedGet";
    thread_state_of_this_thread: fn() -> *mut u8, c"PyGILState_GetThisThreadState";
    thread_state_id: fn(*mut u8) -> u64, c"PyThreadState_GetID";
    interpreter: fn() -> *mut u8, c"PyInterpreterState_Get";
    first_thread: fn(*mut u8) -> *mut u8, c"PyInterpreterState_ThreadHead";
    next_thread: fn(*mut u8) -> *mut u8, c"PyThreadState_Next";
    save_thread: fn() -> *mut u8, c"PyEval_SaveThread";
    restore_thread: fn(*mut u8), c"PyEval_RestoreThread";
    context_var_new: fn(*const c_char, Object) -> Object, c"PyContextVar_New";
    context_var_get: fn(Object, Object, *mut Object) -> c_int, c"PyContextVar_Get";
    context_var_set: fn(Object, Object) -> Object, c"PyContextVar_Set";
    context_new: fn() -> Object, c"PyContext_New";
    context_enter: fn(Object) -> c_int, c"PyContext_Enter";
    context_exit: fn(Object) -> c_int, c"PyContext_Exit";
    long_from_long: fn(c_long) -> Object, c"PyLong_FromLong";
    long_as_long: fn(Object) -> c_long, c"PyLong_AsLong";
    decrement: fn(Object), c"Py_DecRef";
    list_new: fn(isize) -> Object, c"PyList_New";
    tuple_new: fn(isize) -> Object, c"PyTuple_New";
    dict_new: fn() -> Object, c"PyDict_New";
    dict_set: fn(Object, *const c_char, Object) -> c_int, c"PyDict_SetItemString";
    float_from_double: fn(c_double) -> Object, c"PyFloat_FromDouble";
    collected_free: fn(Object), c"PyObject_GC_Del";
    attribute: fn(Object, *const c_char) -> Object, c"PyObject_GetAttrString";
    text_length: fn(Object) -> isize, c"PyUnicode_GetLength";
    text_read: fn(Object, isize) -> u32, c"PyUnicode_ReadChar";
    raised: fn() -> Object, c"PyErr_Occurred";
    handled: fn() -> Object, c"PyErr_GetHandledException";
    set_handled: fn(Object), c"PyErr_SetHandledException";
    add_pending: fn(unsafe extern "C" fn(*mut c_void) -> c_int, *mut c_void) -> c_int, c"Py_AddPendingCall";
    frame: fn() -> Object, c"PyEval_GetFrame";
    frame_code: fn(Object) -> Object, c"PyFrame_GetCode";
    frame_back: fn(Object) -> Object, c"PyFrame_GetBack";
    frame_lasti: fn(Object) -> c_int, c"PyFrame_GetLasti";
}

impl Api {
    /// The functions of the interpreter in this process.
    pub fn get() -> &'static Self {
        static API: OnceLock<Api> = OnceLock::new();
        API.get_or_init(Self::find)
    }
}

/// `Py_Version`, as in `0x030c01f0`; none where no CPython 3.11 or newer is in the process.
pub fn version() -> Option<u32> {
    // SAFETY: `Py_Version` is a constant `unsigned long` since 3.11.
    symbol(c"Py_Version").map(|version| unsafe { *version.cast::<std::ffi::c_ulong>() } as u32)
}

/// Where the interpreter keeps its global state.
pub fn runtime() -> Option<usize> {
    symbol(c"_PyRuntime").map(|found| found as usize)
}

/// The interpreter's name of its allocators; none where they are hooked, or it tells none.
///
/// # Safety
/// With the interpreter's lock.
pub unsafe fn allocator_name() -> Option<&'static CStr> {
    // SAFETY: the caller's promise; the name is a constant, or null.
    unsafe {
        let name = Api::get().allocator_name?();
        (!name.is_null()).then(|| CStr::from_ptr(name))
    }
}

/// Whether an object is a code object. Shims of the evaluation loop have something else in its place.
///
/// # Safety
/// `object` must be a live object.
pub unsafe fn is_code(object: usize) -> bool {
    static TYPE: OnceLock<usize> = OnceLock::new();
    let code = *TYPE.get_or_init(|| symbol(c"PyCode_Type").map_or(0, |found| found as usize));
    // SAFETY: every object has its type behind its reference count.
    object != 0 && unsafe { (object as *const usize).add(1).read() } == code
}

/// Where Python's `None` is.
pub fn none() -> Option<usize> {
    static NONE: OnceLock<Option<usize>> = OnceLock::new();
    *NONE.get_or_init(|| symbol(c"_Py_NoneStruct").map(|found| found as usize))
}

/// What the interpreter has under a name: a function, or an object of its own.
pub fn symbol(name: &CStr) -> Option<Object> {
    // SAFETY: dlsym only looks the name up.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    (!found.is_null()).then_some(found)
}
