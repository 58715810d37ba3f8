//! The thread that samples the timeline. It needs no interpreter: it draws also while C code holds the lock.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Condvar, Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant};

use crate::heap::cells::CellId;
use crate::heap::process;
use crate::heap::report::Point;
use crate::heap::timeline::Timeline;

use super::control;
use super::tracer::tracer;

static TIMELINE: Mutex<Option<Timeline>> = Mutex::new(None);
static WAKE: Condvar = Condvar::new();
/// Another thread calls `wake`, once a cell has run long enough.
static IS_WOKEN: AtomicBool = AtomicBool::new(false);
static THREAD: Once = Once::new();

/// A cell begins: sample it until `end`.
pub fn begin(cell: CellId, live: u64, rss: u64) {
    THREAD.call_once(spawn);
    timeline()
        .get_or_insert_default()
        .begin(cell, Instant::now(), live, rss);
    if !IS_WOKEN.load(SeqCst) {
        wake();
    }
}

/// From here on who calls this calls `wake` when a cell has run for the first interval: a cell that ends before costs no
/// switch of threads.
pub fn leave_waking_to_me() {
    IS_WOKEN.store(true, SeqCst);
}

pub fn wake() {
    WAKE.notify_one();
}

pub fn end(cell: CellId, live: u64, rss: u64) {
    if let Some(timeline) = timeline().as_mut() {
        timeline.end(cell, Instant::now(), live, rss);
    }
}

pub fn points(cell: CellId) -> Vec<Point> {
    timeline()
        .as_ref()
        .map(|timeline| timeline.points(cell).to_vec())
        .unwrap_or_default()
}

pub fn reset() {
    if let Some(timeline) = timeline().as_mut() {
        timeline.reset();
    }
}

pub fn bytes() -> u64 {
    timeline().as_ref().map_or(0, Timeline::bytes)
}

fn timeline() -> MutexGuard<'static, Option<Timeline>> {
    TIMELINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Without the thread timelines have their two ends only.
fn spawn() {
    let thread = std::thread::Builder::new().name("cellheap-timeline".into());
    drop(thread.stack_size(64 << 10).spawn(|| {
        block_signals();
        sample();
    }));
}

/// Signals are for the main thread: Python's handlers expect them there.
pub fn block_signals() {
    // SAFETY: the set is filled before it is used; the mask is this thread's own.
    unsafe {
        let mut all = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const all, std::ptr::null_mut());
    }
}

fn sample() {
    let memory = || (live(), process::rss().unwrap_or(0));
    let mut held = timeline();
    loop {
        let now = Instant::now();
        let due = held
            .as_mut()
            .and_then(|timeline| timeline.sample(now, memory));
        held = match due {
            Some(due) => {
                let rest = due
                    .saturating_duration_since(Instant::now())
                    .max(Duration::from_millis(1));
                WAKE.wait_timeout(held, rest)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0
            }
            None => WAKE.wait(held).unwrap_or_else(PoisonError::into_inner),
        };
    }
}

/// Live bytes of the notebook, as of now or one event ago; nothing where there is no tracer.
pub fn live() -> u64 {
    if !control::is_placed() {
        return 0;
    }
    // SAFETY: placed; an aligned word that is only ever written whole; a sample may be one event old.
    unsafe { (&raw const (*tracer()).books.tide.live).read_volatile() }
}
