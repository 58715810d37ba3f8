//! The control channel, on a thread of its own with the heartbeat: answered whatever the shell and iopub are doing.

use std::io;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::interpreter::Lane;
use super::log::report;
use super::shared::Shared;
use super::{heartbeat, parent};
use crate::wire::Outgoing;
use crate::wire::ports::Port;
use crate::wire::sockets::{RouterIn, RouterOut, Sockets};

pub type Replies = mpsc::UnboundedReceiver<Outgoing>;

/// The thread's life: until the kernel closes and the last reply is out.
pub async fn run(
    shared: Arc<Shared>,
    control: Port,
    heartbeat: Port,
    replies: Replies,
) -> io::Result<()> {
    let sockets = Sockets::new(report);
    let (out, input) = sockets.router(control)?;
    let (beat_out, beat_in) = sockets.heart(heartbeat)?;
    // Branches and not tasks: should one of them panic, it takes the thread with it.
    tokio::select! {
        () = send(&shared, out, replies) => {}
        () = serve(&shared, input) => {}
        () = heartbeat::serve(beat_out, beat_in) => {}
        () = parent::watch() => {}
        () = shared.expired() => {}
    }
    sockets.drained(shared.closing().await).await;
    Ok(())
}

async fn serve(shared: &Shared, mut input: RouterIn) {
    let mut full = shared.control_load.full();
    loop {
        // Fails only when the channel has gone, and with it all this.
        let _ = full.wait_for(|full| !full).await;
        let frames = input.next().await;
        if let Some(message) = shared.read("control", frames) {
            shared.arrived(Lane::Control, message);
        }
    }
}

/// Sends replies until the kernel closes, then those that wait.
async fn send(shared: &Shared, out: RouterOut, mut replies: Replies) {
    loop {
        let reply = tokio::select! {
            biased;
            reply = replies.recv() => reply,
            _ = shared.closing() => replies.try_recv().ok(),
        };
        let Some(mut reply) = reply else {
            return;
        };
        let ids = std::mem::take(&mut reply.ids);
        out.send(&reply.frames(ids, &shared.signer));
    }
}
