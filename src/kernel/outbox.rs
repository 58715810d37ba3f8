//! The iopub queue between writers on any thread and the one sender: who waits for whom. What the queue does is `iopub`'s.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::sync::Notify;

use super::interpreter::Stream;
use super::iopub::{Due, Item, Queue};
use crate::wire::Outgoing;

/// The queue between writers on any thread and the one sender.
#[derive(Default)]
pub struct Outbox {
    queue: Mutex<Queue>,
    full: AtomicBool,
    room: Condvar,
    due: Notify,
}

impl Outbox {
    /// Waits while the queue is full.
    pub fn write(&self, stream: Stream, parent: &Bytes, text: &str) {
        let mut queue = self.with_room();
        let due = queue.write(stream, parent, text, Instant::now());
        self.added(queue, due);
    }

    /// Waits while the queue is full.
    pub fn publish(&self, topic: Bytes, message: Outgoing) {
        let mut queue = self.with_room();
        queue.push(Item::Publish { topic, message });
        self.added(queue, true);
    }

    /// Never waits: for the kernel's own messages, which are few and small.
    pub fn push(&self, items: impl IntoIterator<Item = Item>) {
        let mut queue = self.queue.lock();
        for item in items {
            queue.push(item);
        }
        self.added(queue, true);
    }

    /// As `push`, of what more follows at once: the sender is not woken for it alone.
    pub fn push_ahead(&self, item: Item) {
        let mut queue = self.queue.lock();
        queue.push(item);
        self.added(queue, false);
    }

    /// Has the sender look.
    pub fn wake(&self) {
        self.due.notify_one();
    }

    pub fn flush(&self) {
        let mut queue = self.queue.lock();
        let due = queue.seal();
        self.added(queue, due);
    }

    /// Has writers wait, or wait no longer, for a front end that has too much to read.
    pub fn press(&self, pressed: bool) {
        let mut queue = self.queue.lock();
        queue.pressed = pressed;
        self.added(queue, false);
        self.room.notify_all();
    }

    /// From now on nobody waits for readers.
    pub fn stop_waiting(&self) {
        let mut queue = self.queue.lock();
        queue.boundless = true;
        self.added(queue, false);
        self.room.notify_all();
    }

    pub fn close(&self) {
        let mut queue = self.queue.lock();
        queue.close();
        self.added(queue, true);
    }

    pub fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// Whether there is room, waiting for at most `patience`.
    pub fn wait_for_room(&self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        let mut queue = self.queue.lock();
        while queue.is_full() {
            if self.room.wait_until(&mut queue, until).timed_out() {
                return !queue.is_full();
            }
        }
        true
    }

    /// The next item to send; None when the queue is closed and empty. Safe to cancel.
    pub async fn next(&self) -> Option<Item> {
        loop {
            let due = self.take();
            match due {
                Due::Now(item) => return Some(item),
                Due::Never => return None,
                Due::Nothing => self.due.notified().await,
                Due::At(until) => {
                    tokio::select! {
                        () = self.due.notified() => {}
                        () = tokio::time::sleep_until(until.into()) => {}
                    }
                }
            }
        }
    }

    fn take(&self) -> Due {
        let mut queue = self.queue.lock();
        let due = queue.take(Instant::now());
        if self.is_full() && !queue.is_full() {
            self.full.store(false, Ordering::Relaxed);
            self.room.notify_all();
        }
        due
    }

    fn with_room(&self) -> MutexGuard<'_, Queue> {
        let mut queue = self.queue.lock();
        while queue.is_full() {
            self.room.wait(&mut queue);
        }
        queue
    }

    fn added(&self, queue: MutexGuard<'_, Queue>, due: bool) {
        self.full.store(queue.is_full(), Ordering::Relaxed);
        drop(queue);
        if due {
            self.due.notify_one();
        }
    }
}
