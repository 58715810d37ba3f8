//! A timer of the system's that wakes a thread of ours. Whoever sets it wakes nobody: what has ended by then cost no switch
//! of threads. Knows nothing of what is done then.

use std::os::fd::RawFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// Set by any thread, waited for by one. Without a descriptor it never rings.
pub struct Timer {
    fd: AtomicI32,
    /// When it rings, in nanoseconds of `since`; zero where it is not set.
    due: AtomicU64,
    since: OnceLock<Instant>,
}

impl Timer {
    pub const fn new() -> Self {
        Self {
            fd: AtomicI32::new(-1),
            due: AtomicU64::new(0),
            since: OnceLock::new(),
        }
    }

    /// Once, before all else.
    pub fn open(&self) {
        let flags = libc::TFD_CLOEXEC | libc::TFD_NONBLOCK;
        // SAFETY: asks nothing of its caller.
        let fd = unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, flags) };
        self.since.get_or_init(Instant::now);
        self.fd.store(fd, SeqCst);
    }

    /// Readable once it rings.
    pub fn fd(&self) -> RawFd {
        self.fd.load(SeqCst)
    }

    /// Has it ring after so long, or earlier where it is set so already.
    pub fn ring_in(&self, rest: Duration) {
        let Some(now) = self.since.get().map(Instant::elapsed) else {
            return;
        };
        let wanted = u64::try_from((now + rest).as_nanos())
            .unwrap_or(u64::MAX)
            .max(1);
        let set = self.due.load(SeqCst);
        if set != 0 && set <= wanted {
            return;
        }
        self.due.store(wanted, SeqCst);
        let nanos = rest.as_nanos().max(1);
        let time = libc::itimerspec {
            it_interval: libc::timespec {
                tv_sec: 0,
                tv_nsec: 0,
            },
            it_value: libc::timespec {
                tv_sec: (nanos / 1_000_000_000) as libc::time_t,
                tv_nsec: (nanos % 1_000_000_000) as libc::c_long,
            },
        };
        // SAFETY: the time is whole; nothing is asked for about the one before.
        unsafe { libc::timerfd_settime(self.fd(), 0, &raw const time, std::ptr::null_mut()) };
    }

    /// Whether it rang; then it is not set any more. Hear first and look then: who sets it after a look has it ring again.
    pub fn heard(&self) -> bool {
        self.due.store(0, SeqCst);
        let mut count = 0_u64;
        // SAFETY: eight bytes, as a timer gives. EAGAIN means that it has not rung.
        unsafe { libc::read(self.fd(), (&raw mut count).cast(), size_of::<u64>()) > 0 }
    }

    /// Until it rings.
    pub fn wait(&self) {
        let mut poll = libc::pollfd {
            fd: self.fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one pollfd. Without a descriptor this waits for ever.
        unsafe { libc::poll(&raw mut poll, 1, -1) };
        self.heard();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_moment_stands() {
        let timer = Timer::new();
        timer.open();
        timer.ring_in(Duration::from_secs(3600));
        timer.ring_in(Duration::from_millis(1));
        timer.ring_in(Duration::from_secs(3600));
        timer.wait();
        assert!(!timer.heard(), "it rings once");
    }

    #[test]
    fn it_can_be_set_again() {
        let timer = Timer::new();
        timer.open();
        for _ in 0..3 {
            timer.ring_in(Duration::from_millis(1));
            timer.wait();
        }
    }
}
