//! Libraries that the C compiler makes for the tests: compiled, opened, called, looked at.

use std::ffi::{CStr, CString, c_int, c_void};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{FREES, MALLOCS};

/// Where the libraries are compiled.
pub fn folder() -> PathBuf {
    std::env::temp_dir().join(format!("cellheap-elf-{}", std::process::id()))
}

/// A shared library, compiled from `source` as `name`.
pub fn compile(name: &str, source: &str, flags: &[&str]) -> PathBuf {
    let code = folder().join(format!("{name}.c"));
    let library = folder().join(format!("lib{name}.so"));
    std::fs::write(&code, source).unwrap();
    let done = Command::new("cc")
        .args(["-O1", "-fPIC", "-shared", "-o"])
        .args([&library, &code])
        .args(flags)
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    library
}

pub struct Library {
    pub handle: *mut c_void,
    path: PathBuf,
}

impl Library {
    pub fn open(path: &Path) -> Self {
        Self::open_as(path, libc::RTLD_LAZY | libc::RTLD_LOCAL)
    }

    pub fn open_as(path: &Path, mode: c_int) -> Self {
        let name = CString::new(path.to_str().unwrap()).unwrap();
        // SAFETY: a library of this file's sources.
        let handle = unsafe { libc::dlopen(name.as_ptr(), mode) };
        assert!(!handle.is_null(), "{} does not load", path.display());
        let path = path.to_path_buf();
        Self { handle, path }
    }

    /// Allocates with one of its functions and frees with its `drop`; how many of either were caught.
    pub fn caught(&self, maker: &CStr) -> (usize, usize) {
        let before = (MALLOCS.get(), FREES.get());
        // SAFETY: functions of this file's sources, of these types.
        unsafe {
            let make: extern "C" fn(usize) -> *mut c_void = self.function(maker);
            let drop: extern "C" fn(*mut c_void) = self.function(c"drop");
            let block = make(1000);
            block.cast::<u8>().write_bytes(7, 1000);
            drop(block);
        }
        (MALLOCS.get() - before.0, FREES.get() - before.1)
    }

    pub unsafe fn function<F: Copy>(&self, name: &CStr) -> F {
        // SAFETY: the caller knows the type.
        unsafe {
            let found = libc::dlsym(self.handle, name.as_ptr());
            assert!(!found.is_null());
            std::mem::transmute_copy(&found)
        }
    }

    /// Ranges and protections of its pages.
    pub fn pages(&self) -> Vec<String> {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let name = self.path.file_name().unwrap().to_str().unwrap();
        (maps.lines().filter(|line| line.ends_with(name)))
            .map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" "))
            .collect()
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        // SAFETY: opened once and closed once; no pointer into it outlives it.
        unsafe { libc::dlclose(self.handle) };
    }
}
