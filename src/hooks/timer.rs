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

    /// Before all else.
    pub fn open(&self) {
        let flags = libc::TFD_CLOEXEC | libc::TFD_NONBLOCK;
        // SAFETY: asks nothing of its caller.
        let fd = unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, flags) };
        self.since.get_or_init(Instant::now);
        self.fd.store(fd, SeqCst);
    }

    fn fd(&self) -> RawFd {
        self.fd.load(SeqCst)
    }

    /// Has it ring after so long, or earlier where it is set so already. May be called by a handler of signals.
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
    /// A program may close every descriptor that it finds, and open others under the same numbers: then there is a new one.
    fn heard(&self) -> bool {
        self.due.store(0, SeqCst);
        if !self.is_there() {
            self.open();
            return false;
        }
        let mut count = 0_u64;
        // SAFETY: eight bytes, as a timer gives. EAGAIN means that it has not rung.
        unsafe { libc::read(self.fd(), (&raw mut count).cast(), size_of::<u64>()) > 0 }
    }

    fn is_there(&self) -> bool {
        let mut time = std::mem::MaybeUninit::uninit();
        // SAFETY: the time is written to, not read; no other kind of descriptor takes this.
        unsafe { libc::timerfd_gettime(self.fd(), time.as_mut_ptr()) == 0 }
    }

    /// Until it rings, or for so long. Whether it rang.
    pub fn wait(&self, most: Duration) -> bool {
        let mut poll = libc::pollfd {
            fd: self.fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        let most = libc::c_int::try_from(most.as_millis()).unwrap_or(libc::c_int::MAX);
        // SAFETY: one pollfd. Without a descriptor this waits for all the time.
        unsafe { libc::poll(&raw mut poll, 1, most.max(1)) };
        poll.revents != 0 && self.heard()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    #[test]
    fn the_earliest_moment_stands() {
        let timer = Timer::new();
        timer.open();
        timer.ring_in(LONG);
        timer.ring_in(Duration::from_millis(1));
        timer.ring_in(LONG);
        timer.wait(LONG);
        assert!(!timer.wait(Duration::from_millis(1)), "it rings once");
    }

    #[test]
    fn what_has_its_number_now_is_left_alone() {
        let timer = Timer::new();
        timer.open();
        let (old, mut pipe) = (timer.fd(), [0; 2]);
        // SAFETY: the descriptors are this test's own; the timer's number becomes a pipe's end, which holds eight bytes.
        unsafe {
            assert_eq!(libc::pipe(pipe.as_mut_ptr()), 0);
            assert_eq!(libc::write(pipe[1], c"eightby".as_ptr().cast(), 8), 8);
            assert_eq!(libc::dup2(pipe[0], old), old);
        }
        timer.wait(LONG);
        let mut left = [0_u8; 9];
        // SAFETY: as above.
        unsafe { assert_eq!(libc::read(old, left.as_mut_ptr().cast(), 9), 8) };
        assert_ne!(timer.fd(), old);
        timer.ring_in(Duration::from_millis(1));
        timer.wait(LONG);
        for fd in [old, pipe[0], pipe[1]] {
            // SAFETY: as above.
            unsafe { libc::close(fd) };
        }
    }

    #[test]
    fn it_can_be_set_again() {
        let timer = Timer::new();
        timer.open();
        for _ in 0..3 {
            timer.ring_in(Duration::from_millis(1));
            timer.wait(LONG);
        }
    }
}
