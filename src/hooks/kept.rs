//! The objects in Python's free lists: a list, tuple or dict that was freed may stay there, for the next one of its type.
//! Where the lists lie is found by what they hold as two objects are given back to them. Reads only.

use std::sync::OnceLock;

use super::layout::word;
use super::python::{Api, Object, symbol};

/// In front of each of these objects.
const GC_HEAD: usize = 16;
/// The objects that a list of lists or of dicts has room for, and the lengths of tuples that are kept.
const MOST: usize = 80;
const LENGTHS: usize = 20;
/// Tuples of one length that are kept.
const MOST_TUPLES: usize = 2_000;
/// Of a tuple: its first item, which is the next tuple of the list.
const FIRST_ITEM: usize = 24;
const WORD: usize = 8;

/// An array of objects, and how far behind its start their number stands.
#[derive(Clone, Copy)]
struct Array {
    start: usize,
    count: usize,
}

/// Where the main interpreter's free lists are.
pub struct Lists {
    list: Array,
    dict: Array,
    /// The first tuple of each length, from 1 on.
    tuple: usize,
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
            for (array, name) in [(self.list, "list"), (self.dict, "dict")] {
                for at in 0..array.len().min(MOST) {
                    visit(read(array.start + at * WORD) - GC_HEAD, name);
                }
            }
            for length in 0..LENGTHS {
                let mut tuple = read(self.tuple + length * WORD);
                for _ in 0..MOST_TUPLES {
                    if tuple == 0 {
                        break;
                    }
                    visit(tuple - GC_HEAD, "tuple");
                    tuple = read(tuple + FIRST_ITEM);
                }
            }
        }
    }
}

impl Array {
    unsafe fn len(self) -> usize {
        // SAFETY: the caller holds the lock, and `find` found an `int` there.
        unsafe { read(self.start + self.count) & 0xffff_ffff }
    }
}

static PLACE: OnceLock<Option<Lists>> = OnceLock::new();

/// Looks for the lists, once.
///
/// # Safety
/// With the main interpreter's lock, before anything is recorded: objects are made and given back.
pub unsafe fn find(minor: u32) {
    // SAFETY: the caller's promise.
    PLACE.get_or_init(|| unsafe { search(minor) });
}

unsafe fn search(minor: u32) -> Option<Lists> {
    if !(11..=13).contains(&minor) {
        return None;
    }
    let api = Api::get();
    let (list, dict, tuple) = (api.list_new?, api.dict_new?, api.tuple_new?);
    // SAFETY: the caller's promise.
    unsafe {
        let state = State::of_main()?;
        Some(Lists {
            list: state.array(&|| list(0))?,
            dict: state.array(&|| dict())?,
            tuple: state.heads(&|length| tuple(length))?,
        })
    }
}

/// The words of the interpreter's state.
struct State {
    start: usize,
    end: usize,
}

impl State {
    /// The main interpreter's is the last part of the runtime's.
    unsafe fn of_main() -> Option<Self> {
        const WITH_SYMBOL: libc::c_int = 1;
        let runtime = symbol(c"_PyRuntime")?;
        // SAFETY: what dladdr1 fills is read after it succeeded; its symbol lies in a loaded object.
        unsafe {
            let mut about = std::mem::zeroed();
            let mut found: *mut libc::c_void = std::ptr::null_mut();
            let known = libc::dladdr1(runtime, &raw mut about, &raw mut found, WITH_SYMBOL) != 0;
            if !known || found.is_null() {
                return None;
            }
            let bytes = (*found.cast::<libc::Elf64_Sym>()).st_size as usize;
            let (start, end) = (Api::get().interpreter?() as usize, runtime as usize + bytes);
            (runtime as usize..end)
                .contains(&start)
                .then_some(Self { start, end })
        }
    }

    /// The places of a word.
    unsafe fn places(&self, wanted: usize) -> impl Iterator<Item = usize> {
        let places = (self.start..self.end - WORD).step_by(WORD);
        // SAFETY: all lie in the state.
        places.filter(move |place| unsafe { read(*place) } == wanted)
    }

    /// The array that two objects go back to one behind the other. The number of all that are there stands behind it, in
    /// 3.12 behind another array of that size.
    unsafe fn array(&self, make: &dyn Fn() -> Object) -> Option<Array> {
        let free = Api::get().decrement?;
        // SAFETY: the caller's promise; what was taken from the list last goes back to it last.
        unsafe {
            let (above, below) = (made(make)?, made(make)?);
            free(below);
            free(above);
            let mut found = Vec::new();
            for place in self.places(below as usize) {
                if read(place + WORD) != above as usize {
                    continue;
                }
                for (before, count) in (0..MOST - 1).flat_map(|n| [(n, MOST), (n, 2 * MOST)]) {
                    let (start, count) = (place - before * WORD, count * WORD);
                    let array = Array { start, count };
                    let inside = start >= self.start && start + count < self.end;
                    found.extend((inside && array.len() == before + 2).then_some(array));
                }
            }
            only(&found)
        }
    }

    /// The array of the lists by length that tuples of the two largest go back to.
    unsafe fn heads(&self, make: &dyn Fn(isize) -> Object) -> Option<usize> {
        let free = Api::get().decrement?;
        // SAFETY: the caller's promise.
        unsafe {
            let (shorter, longer) = (
                made(&|| make(LENGTHS as isize - 1))?,
                made(&|| make(LENGTHS as isize))?,
            );
            free(shorter);
            free(longer);
            let found: Vec<usize> = (self.places(shorter as usize))
                .filter(|place| read(place + WORD) == longer as usize)
                .map(|place| place - (LENGTHS - 2) * WORD)
                .collect();
            only(&found)
        }
    }
}

unsafe fn made(make: &dyn Fn() -> Object) -> Option<Object> {
    let object = make();
    (!object.is_null()).then_some(object)
}

/// What was found, if there is no doubt which it is.
fn only<T: Copy>(found: &[T]) -> Option<T> {
    match found {
        [one] => Some(*one),
        _ => None,
    }
}

unsafe fn read(place: usize) -> usize {
    // SAFETY: the caller knows that a word is there.
    unsafe { word(place as *const u8, 0) }
}
