//! What is kept for answers. Where the notebook may have no more memory (`ulimit -v`) or open no more files (`ulimit -n`), who
//! asks what takes them all is to be told: that takes some of either, for Python's modules mostly.

use std::io;

use parking_lot::Mutex;

use super::pages::Pages;
use super::process;
use super::standing_file::StandingFile;

/// Address space, enough to import what answers, and to answer. A look at many objects may take more.
const BYTES: usize = 32 << 20;
/// What large tables leave to all else.
const LEFT: usize = 8 << 20;
/// A module's file and the folder that it is looked for in; and what SQLite opens meanwhile, to write IPython's history.
const FILES: usize = 4;

/// None while it is given free. Nothing is ever in it: it takes no memory.
static ADDRESSES: Mutex<Option<Pages>> = Mutex::new(None);
/// They lead into `/proc`, and so are none of the files that are counted (`descriptors`).
static DESCRIPTORS: Mutex<[StandingFile; FILES]> =
    Mutex::new([const { StandingFile::new("/proc/self/comm") }; FILES]);

/// Keeps it again, what of it can be had. Descriptors in a kernel alone, as all that stand open.
pub fn hold() {
    let mut held = ADDRESSES.lock();
    if held.is_none() {
        *held = Pages::zeroed(BYTES).ok();
    }
    if process::is_standing() {
        for file in &mut *DESCRIPTORS.lock() {
            file.metadata();
        }
    }
}

/// Gives it free: address space where as much again cannot be had.
pub fn let_go() {
    if Pages::zeroed(BYTES).is_err() {
        ADDRESSES.lock().take();
    }
    for file in &mut *DESCRIPTORS.lock() {
        file.close();
    }
}

/// Asked by who has taken much: who asks for little next, in Python, must get it.
///
/// # Errors
/// The system's for "no memory", where little is left.
pub fn is_left() -> io::Result<()> {
    Pages::zeroed(LEFT).map(drop)
}
