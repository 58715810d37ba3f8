//! The kernel over real sockets: an Echo interpreter behind it, a front end before it.

#![allow(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected has failed"
)]

mod closing;
mod early;
#[allow(dead_code, reason = "the example `echo` uses the rest")]
mod echo;
mod front;
mod hostile;
mod order;
mod pressure;
mod process;
mod strangers;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use cellheap::kernel::Kernel;
use cellheap::wire::Connection;

use echo::{Echo, info};
use front::Front;

/// A directory of this process's own.
fn fresh(name: &str) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let directory =
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{count}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    directory.join(name)
}

/// A kernel on loopback with no interpreter yet.
fn start() -> Kernel {
    let connection = Connection::read(fresh("connection.json")).unwrap();
    Kernel::start(connection, info()).unwrap()
}

/// A kernel with its interpreter, and a front end.
fn served() -> (Echo, Front) {
    let kernel = start();
    let echo = Echo::attach(&kernel);
    (echo, Front::connect(kernel.connection()))
}
