//! Whether a thread may be stopped at this moment: at a line of the notebook's, and never in the middle of what must come
//! to its end. Decides only; allocates nothing by Python's allocators and runs no Python.

use crate::heap::sites::Spot;

use super::caches::Owner;
use super::layout::{Layout, running_frame, word};
use super::python::{Api, Object, none};
use super::shims::runs_code;
use super::tracer::Tracer;

/// Frames that are looked at.
const LONGEST: usize = 4096;
/// Functions that must come to their end: finalizers, and the ends of `with` blocks.
const SACRED: [&str; 3] = ["__del__", "__exit__", "__aexit__"];
/// Code whose own state would be left half changed: the kernel's, and what locks and queues are made of.
const GUARDED: [&str; 18] = [
    "/cellheap/app/",
    "/ipykernel/",
    "/IPython/",
    "/jupyter_client/",
    "/traitlets/",
    "/tornado/",
    "/zmq/",
    "/debugpy/",
    "/asyncio/",
    "/concurrent/futures/",
    "/multiprocessing/",
    "/logging/",
    "/contextlib.py",
    "/queue.py",
    "/selectors.py",
    "/socket.py",
    "/threading.py",
    "/weakref.py",
];

/// Whether an exception is being handled in a thread: its `except` or `finally` is at work.
///
/// # Safety
/// `thread` is a state of this layout, and its thread is this one or waits for the interpreter's lock, which is held.
pub unsafe fn handles<L: Layout>(thread: *const u8) -> bool {
    /// In each: the exception, and the next.
    const EXCEPTION: usize = 0;
    const OUTER: usize = 8;
    // SAFETY: the caller's promise; the list ends in null, and lives as long as the frames that it is of.
    unsafe {
        let mut item = word(thread, L::HANDLED) as *const u8;
        while !item.is_null() {
            let exception = word(item, EXCEPTION);
            if exception != 0 && Some(exception) != none() {
                return true;
            }
            item = word(item, OUTER) as *const u8;
        }
        false
    }
}

/// Whether `handles` reads what the interpreter says, with an exception in hand and without.
///
/// # Safety
/// With the interpreter's lock; `exception` is any exception.
pub unsafe fn check<L: Layout>(exception: Object) -> bool {
    let api = Api::get();
    let (Some(state), Some(get), Some(set), Some(decrement)) = (
        api.thread_state,
        api.handled,
        api.set_handled,
        api.decrement,
    ) else {
        return false;
    };
    // SAFETY: documented calls; what was being handled is so again afterwards.
    unsafe {
        let thread = state();
        let before = get();
        let plain = handles::<L>(thread) != before.is_null();
        set(exception);
        let inside = handles::<L>(thread);
        set(before);
        if !before.is_null() {
            decrement(before);
        }
        plain && inside && handles::<L>(thread) != before.is_null()
    }
}

impl Tracer {
    /// The notebook's line that a thread is at, if it may be stopped there now.
    ///
    /// # Safety
    /// As `handles`, in a turn at the books.
    pub(super) unsafe fn stoppable<L: Layout>(&mut self, thread: *const u8) -> Option<Spot> {
        // SAFETY: the caller's promise; the frames of a thread that does not run stay as they are.
        unsafe {
            if handles::<L>(thread) {
                return None;
            }
            let mut way = Way::default();
            let mut frame = running_frame::<L>(thread);
            for _ in 0..LONGEST {
                if frame.is_null() {
                    break;
                }
                if runs_code::<L>(frame) {
                    let (spot, owner) = (self.spot::<L>(frame), self.leaf_owner::<L>(frame));
                    let code = self.books.codes.get(spot.code)?;
                    way.step(spot, &owner, &code.file, &code.function)?;
                }
                frame = word(frame, L::PREVIOUS) as *const u8;
            }
            way.line
        }
    }
}

/// What was seen so far, from the frame that runs outwards.
#[derive(Default)]
struct Way {
    /// The first line of the notebook's.
    line: Option<Spot>,
    /// Code of the user's has begun: who it is called by does not matter.
    users: bool,
    /// Something must come to its end, if the notebook has called it.
    sacred: bool,
}

impl Way {
    /// None: it may not be stopped.
    fn step(&mut self, spot: Spot, owner: &Owner, file: &str, function: &str) -> Option<()> {
        let name = function.rsplit('.').next().unwrap_or(function);
        // What the import system runs would be left half imported.
        self.sacred |= SACRED.contains(&name) || matches!(owner, Owner::Imports(_));
        match owner {
            Owner::Cellheap => return None,
            Owner::Notebook if self.sacred => return None,
            Owner::Notebook => {
                self.line.get_or_insert(spot);
                self.users = true;
            }
            Owner::Library if is_typed(file, name) => self.users = true,
            Owner::Library if !self.users && GUARDED.iter().any(|part| file.contains(part)) => {
                return None;
            }
            Owner::Library | Owner::Imports(_) => {}
        }
        Some(())
    }
}

/// Whether code without a file is what a person typed: `exec`, `%prun`, `%%time` and `%timeit` run it so. Libraries make
/// functions of text (a dataclass its `__init__`), and there are frozen modules: those are nobody's.
fn is_typed(file: &str, name: &str) -> bool {
    file == "<magic-timeit>"
        || name == "<module>" && file.starts_with('<') && !file.starts_with("<frozen")
}

#[cfg(test)]
mod tests {
    use super::super::caches::Import;
    use super::super::caches::Owner::{Cellheap, Imports, Library, Notebook};
    use super::*;
    use crate::heap::codes::CodeId;

    /// The line at which a stack may be stopped, by its frames from the one that runs outwards.
    fn line(frames: &[(Owner, &str, &str)]) -> Option<u32> {
        let mut way = Way::default();
        for (at, (owner, file, function)) in frames.iter().enumerate() {
            let code = CodeId(at as u32);
            way.step(Spot { code, offset: 0 }, owner, file, function)?;
        }
        way.line.map(|spot| spot.code.0)
    }

    const CELL: (Owner, &str, &str) = (Notebook, "<ipython-input-1>", "<module>");
    const SHELL: (Owner, &str, &str) = (Library, "/lib/IPython/core/shell.py", "run_code");

    #[test]
    fn the_notebooks_innermost_line_is_stopped() {
        let library = (Library, "/lib/pandas/core/frame.py", "merge");
        assert_eq!(line(&[CELL, SHELL]), Some(0));
        assert_eq!(line(&[library, CELL, SHELL]), Some(1));
        assert_eq!(line(&[library, SHELL]), None);
    }

    #[test]
    fn what_must_come_to_its_end_does() {
        for name in ["Thing.__del__", "__exit__", "C.<locals>.D.__aexit__"] {
            assert_eq!(line(&[(Notebook, "<cell>", name), CELL]), None);
            let library = (Library, "/lib/thing.py", name);
            assert_eq!(line(&[CELL, library, CELL, SHELL]), None);
            // The notebook itself is what that calls.
            assert_eq!(line(&[CELL, library]), Some(0));
        }
        let import = (
            Imports(Import::FindAndLoad),
            "<frozen importlib._bootstrap>",
            "_find_and_load",
        );
        assert_eq!(
            line(&[(Library, "/lib/big.py", "<module>"), import, CELL]),
            None
        );
    }

    #[test]
    fn the_kernels_own_state_is_left_whole() {
        let stream = (Library, "/lib/ipykernel/iostream.py", "write");
        let encoder = (Library, "/lib/json/encoder.py", "iterencode");
        assert_eq!(line(&[encoder, stream, CELL, SHELL]), None);
        assert_eq!(
            line(&[(Cellheap, "/lib/cellheap/api.py", "live"), CELL]),
            None
        );
        for made in [
            ("<string>", "__create_fn__.<locals>.__init__"),
            ("<frozen abc>", "ABCMeta.__instancecheck__"),
        ] {
            assert_eq!(line(&[(Library, made.0, made.1), SHELL, CELL]), None);
        }
        // These run the user's code under IPython's.
        for typed in [("<magic-timeit>", "inner"), ("<timed exec>", "<module>")] {
            assert_eq!(line(&[(Library, typed.0, typed.1), SHELL, CELL]), Some(2));
        }
    }
}
