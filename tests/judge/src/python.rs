//! The few names of CPython that the judge needs. They are resolved when the library is loaded.

use std::ffi::{c_char, c_int, c_void};

pub type Object = *mut c_void;

pub const RAW: c_int = 0;
pub const MEM: c_int = 1;
pub const OBJ: c_int = 2;

#[derive(Clone, Copy)]
#[repr(C)]
pub struct Allocator {
    pub context: *mut c_void,
    pub malloc: unsafe extern "C" fn(*mut c_void, usize) -> *mut c_void,
    pub calloc: unsafe extern "C" fn(*mut c_void, usize, usize) -> *mut c_void,
    pub realloc: unsafe extern "C" fn(*mut c_void, *mut c_void, usize) -> *mut c_void,
    pub free: unsafe extern "C" fn(*mut c_void, *mut c_void),
}

unsafe extern "C" {
    pub fn PyMem_GetAllocator(domain: c_int, allocator: *mut Allocator);
    pub fn PyMem_SetAllocator(domain: c_int, allocator: *mut Allocator);
    pub fn PyObject_CallNoArgs(callable: Object) -> Object;
    pub fn PyTuple_GetItem(tuple: Object, at: isize) -> Object;
    pub fn PyLong_AsUnsignedLongLong(number: Object) -> u64;
    pub fn Py_DecRef(object: Object);
    pub fn PyCode_Addr2Line(code: Object, offset: c_int) -> c_int;
    pub fn PyUnicode_AsUTF8(text: Object) -> *const c_char;
    pub fn PyThreadState_Get() -> *const u8;
    pub static PyCode_Type: u8;
    pub static Py_Version: std::ffi::c_ulong;
}
