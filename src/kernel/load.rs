//! How much waits in the queues of one channel together, and whether that is too much. Holds no message.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::watch;

/// While as much waits, no more is taken in: who sends more finds that its sends wait.
pub const WAITING: usize = 64 << 20;

/// Clones are the same sum.
#[derive(Debug, Clone, Default)]
pub struct Load(Arc<Sum>);

#[derive(Debug, Default)]
struct Sum {
    bytes: AtomicUsize,
    full: watch::Sender<bool>,
}

impl Load {
    pub fn add(&self, bytes: usize) {
        self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.weigh();
    }

    pub fn remove(&self, bytes: usize) {
        self.0.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.weigh();
    }

    /// Whether so much waits that no more should be taken in, and when that changes.
    pub fn full(&self) -> watch::Receiver<bool> {
        self.0.full.subscribe()
    }

    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        self.0.bytes.load(Ordering::Relaxed)
    }

    fn weigh(&self) {
        // Read inside, where one thread is at a time: the last to come sees what all have added.
        self.0.full.send_if_modified(|was| {
            let full = self.0.bytes.load(Ordering::Relaxed) >= WAITING;
            std::mem::replace(was, full) != full
        });
    }
}
