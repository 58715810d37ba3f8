//! What has come in and was not taken yet. Owns its bound; whoever fills it looks whether it is full first.

use std::collections::VecDeque;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// A queue from the tasks of a socket's peers to the one that takes.
pub struct Inbox<T> {
    limit: usize,
    items: Mutex<Items<T>>,
    came: Notify,
    room: Notify,
}

struct Items<T> {
    queue: VecDeque<(T, usize)>,
    size: usize,
}

impl<T> Inbox<T> {
    /// Full when the sizes of what is in it add up to `limit`.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            items: Mutex::new(Items {
                queue: VecDeque::new(),
                size: 0,
            }),
            came: Notify::new(),
            room: Notify::new(),
        }
    }

    pub fn push(&self, item: T, size: usize) {
        let mut items = self.items.lock();
        items.queue.push_back((item, size));
        items.size += size;
        drop(items);
        self.came.notify_one();
    }

    /// Safe to cancel.
    pub async fn next(&self) -> T {
        loop {
            if let Some(item) = self.take() {
                return item;
            }
            self.came.notified().await;
        }
    }

    pub fn is_full(&self) -> bool {
        self.items.lock().size >= self.limit
    }

    /// Resolves when it was full and something was taken.
    pub fn room(&self) -> Notified<'_> {
        self.room.notified()
    }

    fn take(&self) -> Option<T> {
        let mut items = self.items.lock();
        let (item, size) = items.queue.pop_front()?;
        let was_full = items.size >= self.limit;
        items.size -= size;
        let room = was_full && items.size < self.limit;
        drop(items);
        if room {
            self.room.notify_waiters();
        }
        Some(item)
    }
}
