//! The stdin channel: answers wait here for the code that asked. Owns their order; asks nothing.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::shared::Shared;
use crate::wire::Message;
use crate::wire::sockets::RouterIn;

/// Answers that are remembered; nobody asks as many questions before one is answered.
const REMEMBERED: usize = 64;

#[derive(Default)]
pub struct Answers {
    waiting: Mutex<VecDeque<Message>>,
    came: Condvar,
}

impl Answers {
    pub fn push(&self, message: Message) {
        let mut waiting = self.waiting.lock();
        if waiting.len() >= REMEMBERED {
            waiting.pop_front();
        }
        waiting.push_back(message);
        drop(waiting);
        self.came.notify_one();
    }

    pub fn purge(&self) {
        self.waiting.lock().clear();
    }

    /// The oldest answer, waiting for at most `patience`.
    pub fn next(&self, patience: Duration) -> Option<Message> {
        let until = Instant::now() + patience;
        let mut waiting = self.waiting.lock();
        while waiting.is_empty() {
            if self.came.wait_until(&mut waiting, until).timed_out() {
                break;
            }
        }
        waiting.pop_front()
    }
}

pub async fn serve(shared: &Shared, mut input: RouterIn) {
    loop {
        let frames = input.next().await;
        if let Some(message) = shared.read("stdin", frames)
            && message.header.msg_type == "input_reply"
        {
            shared.answers.push(message);
        }
    }
}
