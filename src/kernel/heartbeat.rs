//! The heartbeat: whatever comes goes back. A ROUTER does it for every kind of peer, also for one that never reads.

use crate::wire::sockets::{RouterIn, RouterOut};

pub async fn serve(out: RouterOut, mut input: RouterIn) {
    loop {
        let frames = input.next().await;
        out.send(&frames);
    }
}
