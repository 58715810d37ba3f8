//! Address space that is kept free for answers. Where the notebook may have no more (`ulimit -v`), who asks what takes it all is
//! to be told: that takes memory, of Python's mostly.

use std::io;

use parking_lot::Mutex;

use super::pages::Pages;

/// Enough to import what answers, and to answer. A look at many objects may take more.
const BYTES: usize = 32 << 20;
/// What large tables leave to all else.
const LEFT: usize = 8 << 20;

/// None while it is given free. Nothing is ever in it: it takes no memory.
static HELD: Mutex<Option<Pages>> = Mutex::new(None);

/// Keeps it again, if it can be had.
pub fn hold() {
    let mut held = HELD.lock();
    if held.is_none() {
        *held = Pages::zeroed(BYTES).ok();
    }
}

/// Gives it free, where as much again cannot be had.
pub fn let_go_if_short() {
    if Pages::zeroed(BYTES).is_err() {
        HELD.lock().take();
    }
}

/// Asked by who has taken much: who asks for little next, in Python, must get it.
///
/// # Errors
/// The system's for "no memory", where little is left.
pub fn is_left() -> io::Result<()> {
    Pages::zeroed(LEFT).map(drop)
}
