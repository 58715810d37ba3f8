//! Whether to go on: long work asks now and then. Knows neither clocks nor signals.

use std::io;

/// The work was not done.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    #[error("interrupted")]
    Interrupted,
    #[error("no memory for the graph: {0}")]
    Memory(#[from] io::Error),
    #[error("more than {0} objects and references: the graph has no room for so many")]
    TooMany(u32),
}

/// Steps between two questions.
const STEPS: u32 = 1 << 16;

/// Asks once for many steps. The question gets how many steps were done in all, and answers whether to go on.
pub struct Watch<'a> {
    left: u32,
    done: u64,
    ask: &'a mut dyn FnMut(u64) -> bool,
}

impl<'a> Watch<'a> {
    pub fn new(ask: &'a mut dyn FnMut(u64) -> bool) -> Self {
        Self {
            left: STEPS,
            done: 0,
            ask,
        }
    }

    /// A step was done.
    ///
    /// # Errors
    /// `Interrupted` where the answer is no.
    #[inline(always)]
    pub fn step(&mut self) -> Result<(), Stopped> {
        self.left -= 1;
        if self.left == 0 { self.ask() } else { Ok(()) }
    }

    #[cold]
    fn ask(&mut self) -> Result<(), Stopped> {
        self.left = STEPS;
        self.done += u64::from(STEPS);
        if (self.ask)(self.done) {
            Ok(())
        } else {
            Err(Stopped::Interrupted)
        }
    }
}
