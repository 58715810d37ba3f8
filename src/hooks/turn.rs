//! Whose turn it is at the books. Nearly every event is of the thread that holds the interpreter's lock, and must cost
//! no atomic read-modify-write; native events come from other threads too.
//!
//! The holder marks that it is *busy*, and looks whether it may be *quick*: never while the books are *shared*. The first
//! event of another thread makes them shared: it takes that leave away, has the system put a barrier through every
//! thread (`membarrier`), and waits until the holder is not busy. From then on everybody takes the lock, until the holder
//! was alone for long. Where the system has no such barrier the books stay shared. A thread that holds another
//! interpreter's lock is one of the others.

use std::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering::Acquire, Ordering::Relaxed,
    Ordering::Release, Ordering::SeqCst, compiler_fence,
};
use std::time::Instant;

use crate::heap::hint::likely;

use super::thread_state::me;

/// What a turn takes longer where the books are shared, nanoseconds, about.
const LONGER: u64 = 32;
/// So many events of the holder in a row, and the books are its own again: as many as take together what it took to share them.
/// That is next to nothing where the process's other threads sleep, and long where they must be interrupted.
static ALONE: AtomicU32 = AtomicU32::new(*ALONE_FOR.end());
const ALONE_FOR: std::ops::RangeInclusive<u32> = 64..=4096;

static BUSY: AtomicBool = AtomicBool::new(false);
static SHARED: AtomicBool = AtomicBool::new(false);
/// The state of the thread that the tracer is turned to, while the books are the holder's own.
static QUICK: AtomicPtr<u8> = AtomicPtr::new(NOBODY);
/// The books are the holder's own, whoever of its interpreter that is: what asks for no more than this looks no further.
static OURS: AtomicBool = AtomicBool::new(false);
/// No thread state is there.
const NOBODY: *mut u8 = std::ptr::dangling_mut();
static FOR_GOOD: AtomicBool = AtomicBool::new(false);
/// The thread that has the lock; zero for none.
static LOCK: AtomicUsize = AtomicUsize::new(0);
/// Events of the holder since the last of another thread. Guarded by the lock.
static IN_A_ROW: AtomicU32 = AtomicU32::new(0);
/// The thread that is inside an allocator beneath one of our Python hooks.
static BENEATH: AtomicUsize = AtomicUsize::new(0);

/// The holder's turn, while the books are its own.
pub struct Quick(());

impl Quick {
    /// Marks that the holder is busy, before it looks whether it may be.
    #[inline(always)]
    fn begin() -> Self {
        BUSY.store(true, Relaxed);
        // The other side's barrier runs on every thread: here it is enough that the compiler keeps the order.
        compiler_fence(SeqCst);
        Self(())
    }
}

/// Takes the holder's turn; none while the books are shared, or if `thread` is not the one to be quick. Asked before, too: a
/// thread that is not the holder must leave the holder's mark alone.
#[inline(always)]
pub fn quick(thread: *mut u8) -> Option<Quick> {
    if !likely(QUICK.load(Relaxed) == thread) {
        return None;
    }
    let turn = Quick::begin();
    likely(QUICK.load(Relaxed) == thread).then_some(turn)
}

/// Takes the turn of a holder of the interpreter's lock, whoever it is; none while the books are shared, or once a thread of
/// another interpreter was here (`alone` of `let_be_quick`).
#[inline(always)]
pub fn anyones() -> Option<Quick> {
    if !likely(OURS.load(Relaxed)) {
        return None;
    }
    let turn = Quick::begin();
    likely(OURS.load(Relaxed)).then_some(turn)
}

/// From here on this thread may be quick, unless the books are shared; `alone`: no other interpreter was seen. In a turn.
pub fn let_be_quick(thread: *mut u8, alone: bool) {
    if !SHARED.load(Relaxed) {
        QUICK.store(thread, Relaxed);
        OURS.store(alone, Relaxed);
    }
}

/// From here on no thread is quick. In a turn.
pub fn let_none_be_quick() {
    QUICK.store(NOBODY, Relaxed);
}

impl Drop for Quick {
    #[inline(always)]
    fn drop(&mut self) {
        BUSY.store(false, Release);
    }
}

/// A turn at the books, whether they are shared or not.
pub enum Turn {
    Quick(#[allow(dead_code, reason = "held for its drop")] Quick),
    Locked(#[allow(dead_code, reason = "held for its drop")] Lock),
}

pub struct Lock(());

impl Drop for Lock {
    fn drop(&mut self) {
        LOCK.store(0, Release);
    }
}

impl Turn {
    /// For the thread that holds the interpreter's lock.
    pub fn take() -> Self {
        let turn = Quick::begin();
        if !SHARED.load(Relaxed) {
            return Self::Quick(turn);
        }
        drop(turn);
        let lock = Lock::wait();
        let alone = IN_A_ROW.fetch_add(1, Relaxed) >= ALONE.load(Relaxed);
        if !alone || FOR_GOOD.load(Relaxed) {
            return Self::Locked(lock);
        }
        // Whoever gets the lock next finds the books not shared, and waits for us as for any holder that is busy.
        let turn = Quick::begin();
        SHARED.store(false, Release);
        Self::Quick(turn)
    }

    /// For a thread that holds the interpreter's lock, or for any other.
    pub fn of(holds: bool) -> Self {
        if holds {
            Self::take()
        } else {
            Self::take_without_interpreter()
        }
    }

    /// For any other thread.
    pub fn take_without_interpreter() -> Self {
        let lock = Lock::wait();
        IN_A_ROW.store(0, Relaxed);
        if !SHARED.load(Relaxed) {
            share();
        }
        Self::Locked(lock)
    }
}

impl Lock {
    fn wait() -> Self {
        let me = me();
        let mut tries = 0_u32;
        while LOCK.compare_exchange_weak(0, me, Acquire, Relaxed).is_err() {
            tries += 1;
            if tries.is_multiple_of(64) {
                std::thread::yield_now();
            } else {
                std::hint::spin_loop();
            }
        }
        Self(())
    }
}

/// With the lock: makes the books shared, and waits until the holder has seen it or is done. Twice: a holder that was at
/// the books as it began may have let itself be quick, and only after the first time none does.
#[cold]
fn share() {
    let since = Instant::now();
    SHARED.store(true, SeqCst);
    for _ in 0..2 {
        QUICK.store(NOBODY, SeqCst);
        OURS.store(false, SeqCst);
        barrier();
        while BUSY.load(Acquire) {
            std::thread::yield_now();
        }
    }
    let events = since.elapsed().as_nanos() as u64 / LONGER;
    let events = u32::try_from(events).unwrap_or(u32::MAX);
    ALONE.store(events.clamp(*ALONE_FOR.start(), *ALONE_FOR.end()), Relaxed);
}

/// Tells the system that `barrier` will be wanted; where it has none the books are shared for good.
pub fn begin() {
    if !membarrier(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) {
        FOR_GOOD.store(true, SeqCst);
        SHARED.store(true, SeqCst);
    }
}

fn barrier() {
    membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED);
}

fn membarrier(command: libc::c_int) -> bool {
    // SAFETY: the call reads nothing of ours.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}

/// Whether what this thread asks of a native layer is not to be counted: it is beneath one of our Python hooks, or at the
/// books (a signal's handler, say, that interrupted it there). `holds`: it holds the interpreter's lock.
#[inline(always)]
pub fn is_inside(holds: bool) -> bool {
    let me = me();
    BENEATH.load(Relaxed) == me || LOCK.load(Relaxed) == me || holds && BUSY.load(Relaxed)
}

/// Calls an allocator that lies beneath a Python hook, which counts for it: pymalloc's own bookkeeping is not the
/// notebook's. Threads of other interpreters may be here too, and take the mark from one another: then a block is noted
/// twice, and the second note replaces the first.
#[inline(always)]
pub fn beneath<T>(call: impl FnOnce() -> T) -> T {
    let me = me();
    // pymalloc asks for an arena, say: the outer call ends it.
    let nested = BENEATH.load(Relaxed) == me;
    BENEATH.store(me, Relaxed);
    let done = call();
    if !nested {
        BENEATH.store(0, Relaxed);
    }
    done
}

/// In a forked child, whose one thread is none of those that had a turn.
pub fn give_up_all() {
    LOCK.store(0, Relaxed);
    BUSY.store(false, Relaxed);
    BENEATH.store(0, Relaxed);
    let_none_be_quick();
    OURS.store(false, Relaxed);
    FOR_GOOD.store(true, Relaxed);
    SHARED.store(true, Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

    /// A thread that may not be quick asks while the holder has its turn.
    fn leaves_the_mark_alone() {
        let turn = Turn::take();
        assert!(quick(std::ptr::null_mut()).is_none());
        assert!(anyones().is_none());
        assert!(BUSY.load(Relaxed));
        drop(turn);
        assert!(!BUSY.load(Relaxed));
    }

    /// Plain words that only turns keep whole; and the holder's own lock stands for the interpreter's.
    #[test]
    fn events_of_all_threads_come_one_at_a_time() {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        static INTERPRETER: std::sync::Mutex<()> = std::sync::Mutex::new(());
        const EACH: u64 = 200_000;
        const SELF: *mut u8 = std::ptr::without_provenance_mut(64);
        fn event() {
            // Not atomic together: a lost update is a broken turn.
            COUNT.store(COUNT.load(Relaxed) + 1, Relaxed);
        }
        begin();
        leaves_the_mark_alone();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..EACH {
                        assert!(quick(std::ptr::null_mut()).is_none());
                    }
                });
                scope.spawn(|| {
                    for _ in 0..EACH {
                        let held = INTERPRETER.lock().unwrap();
                        match quick(SELF) {
                            Some(_turn) => event(),
                            None => {
                                let _turn = Turn::take();
                                let_be_quick(SELF, true);
                                event();
                            }
                        }
                        drop(held);
                    }
                });
                scope.spawn(|| {
                    for at in 0..EACH / 20 {
                        let turn = Turn::take_without_interpreter();
                        event();
                        drop(turn);
                        if at.is_multiple_of(50) {
                            std::thread::yield_now();
                        }
                    }
                });
            }
        });
        assert_eq!(COUNT.load(Relaxed), 2 * (EACH + EACH / 20));
    }
}
