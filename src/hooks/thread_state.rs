//! The current thread state, as cheaply as it can be had: asked on every event.
//!
//! The interpreter keeps it in a thread-local, before 3.12 in a global. Both are found by what they hold with and without
//! the interpreter's lock, and read directly; where they are not found the interpreter is asked.

use std::sync::atomic::{AtomicIsize, AtomicPtr, AtomicUsize, Ordering::Relaxed};

use super::layout::{INTERPRETER, Layout, word};
use super::python::{self, Api};

static FUNCTION: AtomicPtr<()> = AtomicPtr::new(std::ptr::null_mut());
/// Where it is: from the thread pointer to the thread-local, or the global's address. Zero: ask.
static PLACE: AtomicIsize = AtomicIsize::new(0);

/// The interpreter that tracing began in.
static MAIN: AtomicUsize = AtomicUsize::new(0);

pub fn set_main(interpreter: *mut u8) {
    MAIN.store(interpreter as usize, Relaxed);
}

/// Whether this is a state of the interpreter that tracing began in. Others may have a lock of their own.
///
/// # Safety
/// `thread` is the current thread state or null.
#[inline(always)]
pub unsafe fn is_mains(thread: *const u8) -> bool {
    // SAFETY: the caller's promise.
    !thread.is_null() && unsafe { word(thread, INTERPRETER) } == MAIN.load(Relaxed)
}

/// Looks for the function, and for the place. False where the interpreter has none.
///
/// # Safety
/// With the interpreter's lock, which is given up and taken again.
pub unsafe fn begin<L: Layout>() -> bool {
    let Some(function) = Api::get().thread_state else {
        return false;
    };
    FUNCTION.store(function as *mut (), Relaxed);
    // SAFETY: the caller's promise.
    let place = unsafe {
        if L::THREAD_LOCAL {
            thread_local()
        } else {
            global()
        }
    };
    PLACE.store(place.unwrap_or(0), Relaxed);
    true
}

/// Whether `read` may be called.
pub fn is_direct() -> bool {
    PLACE.load(Relaxed) != 0
}

/// The thread state that holds the interpreter's lock in this thread; null where there is none.
///
/// # Safety
/// With the interpreter's lock held (on 3.11 the answer is the holder's, whoever asks), and where it `is_direct`.
#[inline(always)]
pub unsafe fn read<L: Layout>() -> *mut u8 {
    let place = PLACE.load(Relaxed);
    // SAFETY: `begin` found a word there.
    unsafe {
        if L::THREAD_LOCAL {
            local(place) as *mut u8
        } else {
            (place as *const *mut u8).read_volatile()
        }
    }
}

/// The thread state with which *this* thread holds the interpreter's lock; null where it does not hold it.
///
/// # Safety
/// After `begin`.
#[inline(always)]
pub unsafe fn holder<L: Layout>() -> *mut u8 {
    // SAFETY: the caller's promise; both ways only read a word.
    unsafe {
        let state = if is_direct() { read::<L>() } else { ask() };
        // The global is the holder's, whoever asks; its own state may not be looked into, as it may be going.
        if L::THREAD_LOCAL || state.is_null() || of_this_thread() == state {
            state
        } else {
            std::ptr::null_mut()
        }
    }
}

/// The thread state of this thread, whether it holds the lock or not; null where it has none. Its frames stay as they are
/// while the thread is here.
///
/// # Safety
/// After `begin`.
pub unsafe fn of_this_thread() -> *mut u8 {
    // SAFETY: PyGILState_GetThisThreadState reads thread-specific storage, and needs no lock.
    Api::get()
        .thread_state_of_this_thread
        .map_or(std::ptr::null_mut(), |get| unsafe { get() })
}

/// This thread, as `pthread_self` says.
#[inline(always)]
pub fn me() -> usize {
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    // SAFETY: the first word at the thread pointer is its own address (the ABI's TCB), and that is glibc's `pthread_t`.
    unsafe {
        let me;
        std::arch::asm!("mov {me}, fs:0", me = out(reg) me, options(nostack, preserves_flags, pure, nomem));
        me
    }
    #[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
    // SAFETY: asks nothing of its caller.
    unsafe {
        libc::pthread_self() as usize
    }
}

/// The same, from the interpreter.
///
/// # Safety
/// After `begin`, with the interpreter's lock.
pub unsafe fn ask() -> *mut u8 {
    let function = FUNCTION.load(Relaxed);
    // SAFETY: `begin` stored a function of this type.
    unsafe { std::mem::transmute::<*mut (), unsafe extern "C" fn() -> *mut u8>(function)() }
}

/// Of some words, the one that holds the thread state while the lock is held and null while it is not.
///
/// # Safety
/// With the interpreter's lock; `word` gives the word at each place.
unsafe fn found(
    places: impl Iterator<Item = isize> + Clone,
    word: unsafe fn(isize) -> usize,
) -> Option<isize> {
    let api = Api::get();
    let (leave, enter) = (api.save_thread?, api.restore_thread?);
    // SAFETY: the caller's promise; the lock is given up and taken again as its functions want it.
    unsafe {
        let state = leave();
        let left: Vec<usize> = places.clone().map(|at| word(at)).collect();
        enter(state);
        let mut found = places
            .zip(left)
            .filter(|(at, left)| *left == 0 && word(*at) == state as usize);
        let (at, _) = found.next()?;
        found.next().is_none().then_some(at)
    }
}

/// The global, among the first words of `_PyRuntime`.
///
/// # Safety
/// With the interpreter's lock, on a version that has the state there.
unsafe fn global() -> Option<isize> {
    /// `_PyRuntime` of 3.11 is far longer.
    const BYTES: isize = 4096;
    unsafe fn word(at: isize) -> usize {
        // SAFETY: a word of `_PyRuntime`.
        unsafe { (at as *const usize).read_volatile() }
    }
    let start = python::runtime()?.cast_signed();
    // SAFETY: the caller's promise.
    unsafe { found((start..start + BYTES).step_by(size_of::<usize>()), word) }
}

/// The word at a distance from the thread pointer.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[inline(always)]
unsafe fn local(distance: isize) -> usize {
    let word;
    // SAFETY: the caller knows that a thread-local of every thread lies there.
    unsafe {
        std::arch::asm!("mov {word}, fs:[{distance}]", word = out(reg) word, distance = in(reg) distance,
            options(nostack, preserves_flags, readonly));
    }
    word
}

/// The word at a distance from the thread pointer.
#[cfg(all(target_os = "linux", target_arch = "aarch64"))]
#[inline(always)]
unsafe fn local(distance: isize) -> usize {
    // SAFETY: the caller knows that a thread-local of every thread lies there.
    unsafe { ((thread_pointer() + distance) as *const usize).read() }
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn thread_pointer() -> isize {
    // SAFETY: the first word at the thread pointer is its own address (the ABI's TCB).
    unsafe { local(0).cast_signed() }
}

#[cfg(all(target_os = "linux", target_arch = "aarch64"))]
#[inline(always)]
fn thread_pointer() -> isize {
    let pointer: usize;
    // SAFETY: reads the register that holds it.
    unsafe {
        std::arch::asm!("mrs {pointer}, tpidr_el0", pointer = out(reg) pointer, options(nostack, nomem, preserves_flags));
    }
    pointer.cast_signed()
}

#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
unsafe fn local(_: isize) -> usize {
    0
}

#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
unsafe fn thread_local() -> Option<isize> {
    None
}

/// The thread-local, as its distance from the thread pointer: where the interpreter was loaded at start.
///
/// # Safety
/// As `begin`.
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
unsafe fn thread_local() -> Option<isize> {
    let function = Api::get().save_thread? as usize;
    let (start, bytes) = locals(function)?;
    // A module that was loaded later has its thread-locals at another distance in each thread.
    if std::thread::spawn(move || locals(function)).join().ok()?? != (start, bytes) {
        return None;
    }
    let places = (start..start + bytes.cast_signed()).step_by(size_of::<usize>());
    // SAFETY: the words are thread-locals of this thread.
    unsafe { found(places, local) }
}

/// The thread-locals of the module that `function` lies in: their distance from this thread's pointer, and their size.
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
fn locals(function: usize) -> Option<(isize, usize)> {
    struct Search {
        function: usize,
        found: Option<(isize, usize)>,
    }

    unsafe extern "C" fn visit(
        module: *mut libc::dl_phdr_info,
        _: usize,
        search: *mut libc::c_void,
    ) -> libc::c_int {
        // SAFETY: the loader hands a module that is there for the call; `search` is ours.
        let (module, search) = unsafe { (&*module, &mut *search.cast::<Search>()) };
        // SAFETY: the loader's own table of that many entries.
        let parts =
            unsafe { std::slice::from_raw_parts(module.dlpi_phdr, module.dlpi_phnum.into()) };
        let here = |part: &libc::Elf64_Phdr| {
            let start = (module.dlpi_addr + part.p_vaddr) as usize;
            part.p_type == libc::PT_LOAD
                && (start..start + part.p_memsz as usize).contains(&search.function)
        };
        if !parts.iter().any(here) {
            return 0;
        }
        let size = parts
            .iter()
            .find(|part| part.p_type == libc::PT_TLS)
            .map(|part| part.p_memsz as usize);
        if let (Some(size), false) = (size, module.dlpi_tls_data.is_null()) {
            search.found = Some((module.dlpi_tls_data as isize - thread_pointer(), size));
        }
        1
    }

    let mut search = Search {
        function,
        found: None,
    };
    // SAFETY: `visit` keeps to the loader's contract and allocates nothing.
    unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut search).cast()) };
    search.found
}
