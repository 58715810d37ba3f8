//! Python's free lists: a list, tuple, dict or float that was freed may stay there, for the next one of its type, and the
//! allocators hear of neither. So while a statement of a cell runs the lists are its alone: it begins with empty ones, what it
//! leaves in them is given back, and then others have again what they had left. `kept_place` finds where they lie.

use std::sync::OnceLock;

use parking_lot::Mutex;

use super::free_list::{Array, Chain, Held, LENGTHS, Linked};
use super::kept_place;
use super::python::{Api, Object};

/// In front of objects that the collector knows.
const GC_HEAD: usize = 16;

/// Where the main interpreter's free lists are.
pub struct Lists {
    pub(super) list: Array,
    pub(super) dict: Array,
    /// The tables of small dicts.
    pub(super) keys: Array,
    pub(super) tuples: [Chain; LENGTHS],
    pub(super) float: Chain,
    pub(super) give: Give,
}

/// The interpreter's functions that free an object which the collector knows, another one, and a table of a dict.
#[derive(Clone, Copy)]
pub(super) struct Give {
    pub collected: unsafe extern "C" fn(Object),
    pub plain: unsafe extern "C" fn(Object),
    pub keys: unsafe extern "C" fn(Object),
}

/// What the lists held as the first of the statements began that run now, and how many these are.
struct Statements {
    running: u32,
    away: Option<Away>,
}

/// Arrays and chains as they were.
struct Away {
    arrays: [Held; 3],
    tuples: [Linked; LENGTHS],
    float: Linked,
}

static PLACE: OnceLock<Option<Lists>> = OnceLock::new();
static STATEMENTS: Mutex<Statements> = Mutex::new(Statements {
    running: 0,
    away: None,
});

/// Looks for the lists, once.
///
/// # Safety
/// With the main interpreter's lock, before anything is recorded: objects are made and given back.
pub unsafe fn find(minor: u32) {
    // SAFETY: the caller's promise.
    PLACE.get_or_init(|| unsafe { kept_place::search(minor) });
}

impl Lists {
    /// None where they cannot be read so: before `find`, from 3.14 on, or where they were not found.
    pub fn get() -> Option<&'static Self> {
        PLACE.get()?.as_ref()
    }

    /// Visits the block of each object that is in them, with the name of its type.
    ///
    /// # Safety
    /// With the interpreter's lock.
    pub unsafe fn each(&self, mut visit: impl FnMut(usize, &'static str)) {
        // SAFETY: the caller's promise: the lists stay as they are, and are what `find` has made sure of.
        unsafe {
            self.list.each(|list| visit(list - GC_HEAD, "list"));
            self.dict.each(|dict| visit(dict - GC_HEAD, "dict"));
            self.keys.each(|keys| visit(keys, "dict keys"));
            for tuple in &self.tuples {
                tuple.each(|tuple| visit(tuple - GC_HEAD, "tuple"));
            }
            self.float.each(|float| visit(float, "float"));
        }
    }

    fn arrays(&self) -> [Array; 3] {
        [self.list, self.dict, self.keys]
    }

    /// A statement begins. (One that runs within another, or while another awaits, finds nothing of that one's.)
    ///
    /// # Safety
    /// With the main interpreter's lock.
    pub unsafe fn begin_statement(&self, traced: bool) {
        let mut statements = STATEMENTS.lock();
        statements.running += 1;
        // SAFETY: the caller's promise.
        unsafe {
            match (statements.running, traced) {
                (_, false) => {}
                (1, _) => {
                    statements.away = Some(Away {
                        arrays: self.arrays().map(|array| array.put_away()),
                        tuples: self.tuples.map(|tuples| tuples.put_away()),
                        float: self.float.put_away(),
                    });
                }
                _ => self.empty(),
            }
        }
    }

    /// A statement ends.
    ///
    /// # Safety
    /// With the main interpreter's lock.
    pub unsafe fn end_statement(&self) {
        let mut statements = STATEMENTS.lock();
        statements.running = statements.running.saturating_sub(1);
        let Some(away) = &statements.away else {
            return;
        };
        // SAFETY: the caller's promise; nobody else knows of what was put away.
        unsafe {
            self.empty();
            if statements.running > 0 {
                return;
            }
            for (array, held) in self.arrays().iter().zip(&away.arrays) {
                array.put_back(held);
            }
            for (tuples, linked) in self.tuples.iter().zip(away.tuples) {
                tuples.put_back(linked);
            }
            self.float.put_back(away.float);
        }
        statements.away = None;
    }

    /// Gives back what is in them, as a full collection does.
    ///
    /// # Safety
    /// With the main interpreter's lock.
    unsafe fn empty(&self) {
        // SAFETY: what is taken out of a list is nobody's; each is freed by the function that the interpreter has for it.
        unsafe {
            for lists in [self.list, self.dict] {
                while let Some(object) = lists.take() {
                    (self.give.collected)(object);
                }
            }
            while let Some(keys) = self.keys.take() {
                (self.give.keys)(keys);
            }
            for tuples in self.tuples {
                while let Some(tuple) = tuples.take() {
                    (self.give.collected)(tuple);
                }
            }
            while let Some(float) = self.float.take() {
                (self.give.plain)(float);
            }
        }
    }
}

impl Give {
    pub fn of(minor: u32) -> Option<Self> {
        let api = Api::get();
        let keys = if minor >= 13 {
            api.memory_free
        } else {
            api.object_free
        };
        Some(Self {
            collected: api.collected_free?,
            plain: api.object_free?,
            keys: keys?,
        })
    }
}
