//! The kernel's own threads: no signal is delivered to them, and one that dies takes the process with a line.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

use super::log::log;

/// Counts the threads that run still.
#[derive(Clone, Default)]
pub struct Threads(Arc<(Mutex<usize>, Condvar)>);

impl Threads {
    /// Runs `body` on a thread of this name.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn spawn(
        &self,
        name: &'static str,
        body: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        let threads = self.clone();
        *self.0.0.lock() += 1;
        let run = move || {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(body)) {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
                die(name, text.unwrap_or("unknown panic"));
            }
            *threads.0.0.lock() -= 1;
            threads.0.1.notify_all();
        };
        let blocked = Blocked::all();
        let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(run);
        drop(blocked);
        if spawned.is_err() {
            *self.0.0.lock() -= 1;
        }
        spawned.map(drop)
    }

    /// Waits until every thread has ended, but not beyond `until`.
    pub fn wait(&self, until: Instant) {
        let (running, ended) = &*self.0;
        let mut running = running.lock();
        while *running > 0 && !ended.wait_until(&mut running, until).timed_out() {}
    }
}

/// Ends the process: without this thread the kernel would only look alive.
pub fn die(name: &str, why: impl std::fmt::Display) -> ! {
    log(format_args!(
        "the {name} thread died, and the kernel with it: {why}"
    ));
    // SAFETY: ends the process without running its exit handlers, which could wait for this very thread.
    unsafe { libc::_exit(1) }
}

/// While this lives the calling thread takes no signals; a thread spawned meanwhile never does.
struct Blocked(libc::sigset_t);

impl Blocked {
    fn all() -> Self {
        // SAFETY: both sets are plain data, filled before they are read.
        unsafe {
            let (mut all, mut before) = (std::mem::zeroed(), std::mem::zeroed());
            libc::sigfillset(&raw mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
            Self(before)
        }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        // SAFETY: the mask is the one that this thread had.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, std::ptr::null_mut())
        };
    }
}
