//! The wire without a kernel: connection files, layout and addresses.

#![allow(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected has failed"
)]

mod addresses;
mod files;
mod layout;
mod zmtp;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// A path in a directory of its own.
fn fresh(name: &str) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("wire-{}-{count}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    directory.join(name)
}
