//! Python's free lists: a list, tuple, dict or float that was freed may stay there, for the next one of its type, and the
//! allocators hear of neither. So the lists are emptied as a cell begins and as it ends: what it makes is allocated, and what
//! it let go of is freed. `kept_place` finds where they lie.

use std::sync::OnceLock;

use super::kept_place::{self, Array, Chain, LENGTHS};
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

static PLACE: OnceLock<Option<Lists>> = OnceLock::new();

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

    /// Gives back what is in them, as a full collection does.
    ///
    /// # Safety
    /// With the main interpreter's lock.
    pub unsafe fn empty(&self) {
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
