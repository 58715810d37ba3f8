//! Whether this process is the one that began something, or a fork of it.

use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Forks that lie between this process and the one that first had an owner. The system's number of the process is a call for it.
static FORKS: AtomicU32 = AtomicU32::new(0);
const NOBODY: u32 = u32::MAX;

extern "C" fn count() {
    FORKS.fetch_add(1, Relaxed);
}

/// The process that something belongs to.
pub struct Owner(AtomicU32);

impl Owner {
    pub const fn nobody() -> Self {
        Self(AtomicU32::new(NOBODY))
    }

    /// It belongs to this process from here on, and to no fork of it.
    pub fn become_mine(&self) {
        static WATCHED: Once = Once::new();
        // SAFETY: the handler does one atomic operation, which is allowed between fork and anything else.
        WATCHED.call_once(|| unsafe {
            libc::pthread_atfork(None, None, Some(count));
        });
        self.0.store(FORKS.load(Relaxed), Relaxed);
    }

    pub fn is_me(&self) -> bool {
        self.0.load(Relaxed) == FORKS.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fork_owns_nothing() {
        static OURS: Owner = Owner::nobody();
        assert!(!OURS.is_me());
        OURS.become_mine();
        assert!(OURS.is_me());
        let mut status = 0;
        // SAFETY: the child does nothing that needs another thread.
        unsafe {
            let child = libc::fork();
            if child == 0 {
                libc::_exit(i32::from(OURS.is_me()));
            }
            assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
        }
        assert_eq!(status, 0);
        assert!(OURS.is_me());
    }
}
