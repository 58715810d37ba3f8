//! Signals that end the process: a crash leaves its mark in the file, an end that was asked for leaves no file.
//! What was there before gets the signal next, as if we had not been. Nothing here allocates or takes a lock.

use std::cell::UnsafeCell;
use std::ffi::{CString, c_char, c_int, c_void};
use std::mem::MaybeUninit;
use std::os::fd::RawFd;
use std::sync::OnceLock;
use std::sync::atomic::{
    AtomicBool, AtomicI32, AtomicPtr, AtomicU64, AtomicUsize, Ordering::SeqCst,
};
use std::time::Duration;

use crate::heap::boxfile;

use super::standing::Thread;
use super::thread_state::{me, of_this_thread};
use super::timer::Timer;

const CRASHES: [c_int; 5] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGILL,
    libc::SIGABRT,
];
/// Asked for: by a server that shuts a kernel down, by a terminal that closes.
const ENDS: [c_int; 2] = [libc::SIGTERM, libc::SIGHUP];
const STACK: usize = 64 << 10;
/// A thread that crashed waits this long for its last words: 100 times 10 ms.
const PATIENCE: u32 = 100;
const WAIT: libc::timespec = libc::timespec {
    tv_sec: 0,
    tv_nsec: 10_000_000,
};

static OWNER: AtomicI32 = AtomicI32::new(0);
static FILE: AtomicI32 = AtomicI32::new(-1);
/// The file's path, given up to this for good.
static PATH: AtomicPtr<c_char> = AtomicPtr::new(std::ptr::null_mut());
/// Wakes the thread that writes last words, and that thread.
static WAKER: OnceLock<&Timer> = OnceLock::new();
static WRITER: AtomicUsize = AtomicUsize::new(0);
/// The state of the thread that crashed; one where it has none, zero where none has crashed.
static CRASHED: AtomicUsize = AtomicUsize::new(0);
static WRITTEN: AtomicBool = AtomicBool::new(false);
/// Descriptors 1 and 2 where the kernel has put pipes in their place.
static CAPTURED: [Captured; 2] = [const { Captured::new() }; 2];

struct Captured {
    /// Where its output went before; -1 where nothing is captured.
    original: AtomicI32,
    /// The pipe, as the system numbers files.
    pipe: AtomicU64,
}

impl Captured {
    const fn new() -> Self {
        Self {
            original: AtomicI32::new(-1),
            pipe: AtomicU64::new(0),
        }
    }
}

struct Before([UnsafeCell<MaybeUninit<libc::sigaction>>; CRASHES.len() + ENDS.len()]);

// SAFETY: each is written once, before its handler is there, and only read by handlers.
unsafe impl Sync for Before {}

static BEFORE: Before =
    Before([const { UnsafeCell::new(MaybeUninit::uninit()) }; CRASHES.len() + ENDS.len()]);

/// From here on ends are seen. Signals that somebody else handles already stay theirs, but for crashes, which they get
/// after us. On the main thread, once.
pub fn install(file: RawFd, path: CString) {
    // SAFETY: asks nothing of its caller.
    OWNER.store(unsafe { libc::getpid() }, SeqCst);
    FILE.store(file, SeqCst);
    PATH.store(path.into_raw(), SeqCst);
    give_stack();
    for (at, signal) in CRASHES.into_iter().enumerate() {
        take(at, signal, crashed, |before| before != libc::SIG_IGN);
    }
    for (at, signal) in ENDS.into_iter().enumerate() {
        let at = CRASHES.len() + at;
        take(at, signal, ended, |before| before == libc::SIG_DFL);
    }
}

/// Who is woken to write the last words of a thread that crashed.
pub fn set_writer(waker: &'static Timer) {
    WRITER.store(me(), SeqCst);
    WAKER.get_or_init(|| waker);
}

/// There is no file any more.
pub fn forget() {
    FILE.store(-1, SeqCst);
    PATH.store(std::ptr::null_mut(), SeqCst);
}

/// The thread that has crashed and waits, if one has.
pub fn crashed_thread() -> Option<Thread> {
    match CRASHED.load(SeqCst) {
        0 => None,
        1 => Some(Thread::default()),
        state => Some(Thread { state, id: 0 }),
    }
}

/// The last words are written: the thread may go on to its end.
pub fn let_go() {
    CRASHED.store(0, SeqCst);
    WRITTEN.store(true, SeqCst);
}

/// Descriptors 1 and 2 are pipes that this process reads; these are duplicates of what they were. A process that ends by a
/// crash reads no more: what is said of the crash goes to these.
pub fn captured(originals: [RawFd; 2]) {
    for (fd, (captured, original)) in (1..).zip(CAPTURED.iter().zip(originals)) {
        captured.pipe.store(file_of(fd), SeqCst);
        captured.original.store(original, SeqCst);
    }
}

type Handler = unsafe extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);

fn take(at: usize, signal: c_int, handler: Handler, is_ours: impl Fn(usize) -> bool) {
    // SAFETY: the actions are whole before they are used; the place is this signal's, and written before its handler is.
    unsafe {
        let mut before: libc::sigaction = std::mem::zeroed();
        if libc::sigaction(signal, std::ptr::null(), &raw mut before) != 0
            || !is_ours(before.sa_sigaction)
        {
            return;
        }
        (*BEFORE.0[at].get()).write(before);
        let mut ours: libc::sigaction = std::mem::zeroed();
        ours.sa_sigaction = handler as usize;
        ours.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        libc::sigemptyset(&raw mut ours.sa_mask);
        libc::sigaction(signal, &raw const ours, std::ptr::null_mut());
    }
}

/// A stack for handlers of this thread, if it has none: a recursion that filled the own one is a crash too.
fn give_stack() {
    // SAFETY: the mapping is new and never given back, as a handler's stack must be.
    unsafe {
        let mut known: libc::stack_t = std::mem::zeroed();
        if libc::sigaltstack(std::ptr::null(), &raw mut known) != 0
            || known.ss_flags & libc::SS_DISABLE == 0
        {
            return;
        }
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let start = libc::mmap(std::ptr::null_mut(), STACK, protection, flags, -1, 0);
        if start != libc::MAP_FAILED {
            let stack = libc::stack_t {
                ss_sp: start,
                ss_flags: 0,
                ss_size: STACK,
            };
            libc::sigaltstack(&raw const stack, std::ptr::null_mut());
        }
    }
}

/// # Safety
/// A handler of signals.
unsafe extern "C" fn crashed(signal: c_int, info: *mut libc::siginfo_t, _: *mut c_void) {
    // SAFETY: every call here may be made in a handler; `info` is the system's.
    unsafe {
        if libc::getpid() == OWNER.load(SeqCst) {
            leave_mark(signal);
            wait_for_last_words();
            give_output_back();
        }
        pass_on(signal, info);
    }
}

/// # Safety
/// A handler of signals.
unsafe extern "C" fn ended(signal: c_int, info: *mut libc::siginfo_t, _: *mut c_void) {
    // SAFETY: as above.
    unsafe {
        let path = PATH.load(SeqCst);
        if !path.is_null() && libc::getpid() == OWNER.load(SeqCst) {
            libc::unlink(path);
        }
        pass_on(signal, info);
    }
}

unsafe fn leave_mark(signal: c_int) {
    // SAFETY: as above; the clock fills its record.
    unsafe {
        let mut now: libc::timespec = std::mem::zeroed();
        libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut now);
        let mark = boxfile::mark(signal, now.tv_sec as f64 + now.tv_nsec as f64 / 1e9);
        let at = boxfile::MARK as libc::off_t;
        libc::pwrite(FILE.load(SeqCst), mark.as_ptr().cast(), mark.len(), at);
    }
}

/// The frames of this thread stay as they are while it is here: another, healthy one reads them. If that one does not
/// answer, there is what was written before.
unsafe fn wait_for_last_words() {
    let Some(waker) = WAKER.get().filter(|_| WRITER.load(SeqCst) != me()) else {
        return;
    };
    // SAFETY: as above; the thread state is read from thread-specific storage.
    unsafe {
        WRITTEN.store(false, SeqCst);
        CRASHED.store((of_this_thread() as usize).max(1), SeqCst);
        waker.ring_in(Duration::ZERO);
        for _ in 0..PATIENCE {
            if WRITTEN.load(SeqCst) {
                return;
            }
            libc::nanosleep(&WAIT, std::ptr::null_mut());
        }
    }
}

/// Those who get the signal after us write to the terminal, not into a pipe that nobody reads any more. What C code wrote
/// just before is read first, if its reader still can.
unsafe fn give_output_back() {
    for (fd, captured) in (1..).zip(&CAPTURED) {
        let original = captured.original.load(SeqCst);
        if original < 0 || file_of(fd) != captured.pipe.load(SeqCst) {
            continue;
        }
        // SAFETY: as above; FIONREAD writes one int.
        unsafe {
            let mut unread: libc::c_int = 0;
            for _ in 0..PATIENCE {
                if libc::ioctl(fd, libc::FIONREAD, &raw mut unread) != 0 || unread == 0 {
                    break;
                }
                libc::nanosleep(&WAIT, std::ptr::null_mut());
            }
            libc::dup2(original, fd);
        }
    }
}

/// The number of the file that a descriptor stands for; zero for none.
fn file_of(fd: RawFd) -> u64 {
    // SAFETY: `stat` is plain data, read only when the call filled it; it may be asked for in a handler.
    unsafe {
        let mut stat: libc::stat = std::mem::zeroed();
        match libc::fstat(fd, &raw mut stat) {
            0 => stat.st_ino,
            _ => 0,
        }
    }
}

/// What was there before us is there again: a fault comes again as we return, a signal that was sent is sent again.
unsafe fn pass_on(signal: c_int, info: *mut libc::siginfo_t) {
    let all = CRASHES.into_iter().chain(ENDS);
    let Some((at, _)) = all.enumerate().find(|(_, known)| *known == signal) else {
        return;
    };
    // SAFETY: our handler was there, so what was before it was written.
    unsafe {
        let before = (*BEFORE.0[at].get()).as_ptr();
        libc::sigaction(signal, before, std::ptr::null_mut());
        if (*info).si_code <= 0 {
            libc::raise(signal);
        }
    }
}
