//! The shell channel: requests go into the queue, aborts are carried out. Runs no code.

use std::time::{Duration, Instant};

use super::shared::Shared;
use crate::wire::sockets::RouterIn;

/// An abort takes in no longer what comes.
const PATIENCE: Duration = Duration::from_secs(1);

pub async fn serve(shared: &Shared, mut input: RouterIn) {
    let mut full = shared.shell_load.full();
    loop {
        let reads = !*full.borrow_and_update();
        tokio::select! {
            biased;
            frames = input.next(), if reads => receive(shared, frames),
            _ = full.changed() => {}
            () = shared.aborts.asked() => {
                empty(shared, &mut input).await;
                shared.abort();
            }
        }
    }
}

/// Takes in what the socket holds already: what was sent before the error was seen is aborted with the rest.
async fn empty(shared: &Shared, input: &mut RouterIn) {
    // Somebody may send without end.
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        // The runtime looks at its sockets while every task yields.
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        tokio::select! {
            biased;
            frames = input.next() => receive(shared, frames),
            () = std::future::ready(()) => return,
        }
    }
}

fn receive(shared: &Shared, frames: Vec<bytes::Bytes>) {
    if let Some(message) = shared.read("shell", frames) {
        shared.arrived_on_shell(message);
    }
}
