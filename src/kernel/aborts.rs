//! Aborts that were asked for and wait for what is in the socket already. Who is aborted is the queues' business.

use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tokio::sync::Notify;

use super::interpreter::Lane;

#[derive(Default)]
pub struct Aborts {
    asked: Mutex<Vec<Lane>>,
    /// Rings when a lane is to be aborted.
    rings: Notify,
    /// Rings when it is known what that takes.
    known: Condvar,
}

impl Aborts {
    /// Has the shell's task abort a lane, and waits until it is known what that takes, but not for long.
    pub fn ask(&self, lane: Lane, patience: Duration) {
        let until = Instant::now() + patience;
        let mut asked = self.asked.lock();
        asked.push(lane);
        self.rings.notify_one();
        while asked.contains(&lane) && !self.known.wait_until(&mut asked, until).timed_out() {}
    }

    /// When a lane is to be aborted.
    pub async fn asked(&self) {
        self.rings.notified().await;
    }

    /// Carries out what was asked for.
    pub fn carry_out(&self, abort: impl Fn(Lane)) {
        let lanes = self.asked.lock().clone();
        for &lane in &lanes {
            abort(lane);
        }
        self.asked.lock().retain(|lane| !lanes.contains(lane));
        self.known.notify_all();
    }
}
