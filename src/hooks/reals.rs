//! The functions that the native hooks stand for, by the address where they really begin: an executable may have a stub of
//! its own for one, which goes through a slot that we patch.

use std::ffi::{CStr, c_int, c_void};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::elf;

macro_rules! reals {
    ($($name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {
        $(
            pub mod $name {
                use super::*;
                pub static PLACE: AtomicUsize = AtomicUsize::new(0);
            }

            /// # Safety
            /// As the function of the C library; `find` has found it.
            #[inline(always)]
            pub unsafe fn $name($($argument: $type),*) -> $result {
                let place = $name::PLACE.load(Relaxed);
                // SAFETY: the signature is the C library's own.
                unsafe {
                    std::mem::transmute::<usize, unsafe extern "C" fn($($type),*) -> $result>(place)($($argument),*)
                }
            }
        )*

        /// Where the function of that name really begins; none where the process has none, or we do not know it.
        pub fn find(name: &CStr) -> Option<usize> {
            let place = match name.to_bytes() {
                $(bytes if bytes == stringify!($name).as_bytes() => &$name::PLACE,)*
                b"mmap64" => &mmap::PLACE,
                _ => return None,
            };
            let found = elf::resolve(name)?;
            place.store(found, Relaxed);
            Some(found)
        }
    };
}

pub type Routine = extern "C" fn(*mut c_void) -> *mut c_void;

reals! {
    malloc(size: usize) -> *mut c_void;
    calloc(count: usize, each: usize) -> *mut c_void;
    realloc(old: *mut c_void, size: usize) -> *mut c_void;
    reallocarray(old: *mut c_void, count: usize, each: usize) -> *mut c_void;
    free(block: *mut c_void) -> ();
    posix_memalign(place: *mut *mut c_void, alignment: usize, size: usize) -> c_int;
    memalign(alignment: usize, size: usize) -> *mut c_void;
    aligned_alloc(alignment: usize, size: usize) -> *mut c_void;
    valloc(size: usize) -> *mut c_void;
    pvalloc(size: usize) -> *mut c_void;
    mmap(start: *mut c_void, bytes: usize, protection: c_int, flags: c_int, file: c_int, offset: libc::off_t) -> *mut c_void;
    munmap(start: *mut c_void, bytes: usize) -> c_int;
    mremap(old: *mut c_void, old_bytes: usize, bytes: usize, flags: c_int, wanted: *mut c_void) -> *mut c_void;
    pthread_create(thread: *mut libc::pthread_t, attributes: *const libc::pthread_attr_t, start: Routine, argument: *mut c_void) -> c_int;
    dlsym(handle: *mut c_void, name: *const std::ffi::c_char) -> *mut c_void;
}
