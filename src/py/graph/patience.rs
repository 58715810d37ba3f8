//! How long a question takes: past a second it says so once a second, on one line, and an interrupt ends it. No Python runs
//! meanwhile: what is said goes to descriptor 2, and the signal's handler runs when the question was given up.

use std::time::{Duration, Instant};

use pyo3::ffi;
use pyo3::prelude::*;

const EVERY: Duration = Duration::from_secs(1);

pub struct Patience {
    tells: bool,
    next: Instant,
    told: bool,
}

impl Patience {
    pub fn new(tells: bool) -> Self {
        Self {
            tells,
            next: Instant::now() + EVERY,
            told: false,
        }
    }

    /// Whether to go on after so many steps.
    pub fn goes_on(&mut self, done: u64) -> bool {
        // SAFETY: with the lock; it only reads and clears a flag.
        if unsafe { ffi::PyOS_InterruptOccurred() } != 0 {
            return false;
        }
        if self.tells && Instant::now() >= self.next {
            self.next += EVERY;
            // Over what was said before, of which nothing must be left.
            let back = if self.told { "\r" } else { "" };
            let words = format!(
                "cellheap looks at all objects: {:.1} million steps so far",
                done as f64 / 1e6
            );
            tell(&format!("{back}{words:<60}"));
            self.told = true;
        }
        true
    }
}

impl Drop for Patience {
    fn drop(&mut self) {
        if self.told {
            tell("\n");
        }
    }
}

fn tell(words: &str) {
    // SAFETY: plain bytes to a descriptor; where it is closed nothing is said.
    unsafe { libc::write(2, words.as_ptr().cast(), words.len()) };
}

/// Lets the handler of the signal that was seen run.
pub fn interrupt(py: Python<'_>) -> PyResult<()> {
    // SAFETY: with the lock; it sets the flag that was cleared again.
    unsafe { ffi::PyErr_SetInterrupt() };
    py.check_signals()
}
