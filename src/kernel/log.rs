//! Lines on the original standard error. Owns its descriptor; never waits for whoever reads there.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// As many lines of `report` in this time.
const LINES: u32 = 20;
const SPAN: Duration = Duration::from_secs(10);

/// A write of this size to a pipe that polls writable does not block.
const PIECE: usize = 4096;

/// Standard error, or its duplicate once descriptor 2 is captured.
static LOG: AtomicI32 = AtomicI32::new(libc::STDERR_FILENO);

pub fn log_to(fd: RawFd) {
    LOG.store(fd, Ordering::Release);
}

/// One line, in one write.
pub fn log(what: impl std::fmt::Display) {
    offer(
        LOG.load(Ordering::Acquire),
        format!("cellheap: {what}\n").as_bytes(),
    );
}

/// What strangers on the wire cause. They can cause as much as they like, so most of it is only counted.
pub fn report(what: &dyn std::fmt::Display) {
    static TOLD: Mutex<Told> = Mutex::new(Told::NOTHING);
    let (tell, untold) = TOLD.lock().count(Instant::now());
    if untold > 0 {
        log(format_args!("{untold} more lines like these"));
    }
    if tell {
        log(what);
    }
}

/// How many lines of late.
struct Told {
    since: Option<Instant>,
    lines: u32,
    untold: u64,
}

impl Told {
    const NOTHING: Self = Self {
        since: None,
        lines: 0,
        untold: 0,
    };

    /// Whether to tell one more, and how many were not told before it.
    fn count(&mut self, now: Instant) -> (bool, u64) {
        if self.since.is_none_or(|since| now - since >= SPAN) {
            let untold = self.untold;
            *self = Self {
                since: Some(now),
                lines: 1,
                untold: 0,
            };
            return (true, untold);
        }
        self.lines += 1;
        let tell = self.lines <= LINES;
        self.untold += u64::from(!tell);
        (tell, 0)
    }
}

/// Writes as far as that does not block: who does not read misses it, and the kernel goes on.
pub fn offer(fd: RawFd, bytes: &[u8]) {
    for piece in bytes.chunks(PIECE) {
        let mut poll = libc::pollfd {
            fd,
            events: libc::POLLOUT,
            revents: 0,
        };
        // SAFETY: one pollfd, and a buffer with its own length.
        unsafe {
            if libc::poll(&raw mut poll, 1, 0) != 1 || poll.revents & libc::POLLOUT == 0 {
                return;
            }
            libc::write(fd, piece.as_ptr().cast(), piece.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_lines_the_first_are_told_and_the_rest_are_counted() {
        let (mut told, now) = (Told::NOTHING, Instant::now());
        let lines = (0..100).filter(|_| told.count(now).0).count();
        assert_eq!(lines, 20);
        assert_eq!(told.count(now + SPAN), (true, 80));
        assert_eq!(told.count(now + SPAN), (true, 0));
    }
}
