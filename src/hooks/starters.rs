//! Which cell started a thread. The start routine of a thread that is started under us is wrapped: the first thing that
//! the thread does is to say whose it is. Nothing here waits for a turn at the books, nor is called in one but to look.

use std::collections::HashMap;
use std::ffi::c_void;
use std::hash::BuildHasherDefault;

use parking_lot::Mutex;

use crate::heap::aside::AddressHasher;
use crate::heap::cells::CellId;

use super::reals::Routine;
use super::thread_state::me;

/// Threads that are remembered; past it all are forgotten. Those of threads that are gone are used again.
const MOST: usize = 8192;

type Starters = HashMap<usize, CellId, BuildHasherDefault<AddressHasher>>;

static STARTERS: Mutex<Option<Starters>> = Mutex::new(None);

/// What a thread is to do, and whose it is.
pub struct Start {
    pub routine: Routine,
    pub argument: *mut c_void,
    pub cell: CellId,
}

/// The routine and its argument, as the stub takes them.
#[repr(C)]
pub struct Begun {
    routine: Routine,
    argument: *mut c_void,
}

/// The first that a started thread does; the stub then goes on to the routine as if it had been called itself.
///
/// # Safety
/// `start` is a boxed `Start`, given up to this call.
pub unsafe extern "C" fn begin(start: *mut Start) -> Begun {
    // SAFETY: the caller's promise.
    let start = unsafe { Box::from_raw(start) };
    let mut starters = STARTERS.lock();
    let starters = starters.get_or_insert_default();
    if starters.len() >= MOST {
        starters.clear();
    }
    starters.insert(me(), start.cell);
    Begun {
        routine: start.routine,
        argument: start.argument,
    }
}

/// The cell that started this thread, if that was seen.
pub fn of_this_thread() -> Option<CellId> {
    STARTERS.lock().as_ref()?.get(&me()).copied()
}
