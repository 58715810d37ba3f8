//! Where the free lists of Python lie. They have no names: they are found by what they hold as two objects are given back to
//! them, and how their parts follow one another is told by CPython's `pycore_freelist.h` and, before 3.13, `pycore_interp.h`.

use super::free_list::{Array, Chain, LENGTHS, MOST, WORD, number, read};
use super::kept::{Give, Lists};
use super::python::{Api, Object, none, symbol};

/// How long a chain of tuples gets, and that of floats.
const MOST_TUPLES: usize = 2_000;
const MOST_FLOATS: usize = 100;
/// What of a free object leads to the next one: where a float has its type, and a tuple its first item.
const TYPE: usize = 8;
const FIRST_ITEM: usize = 24;
/// Where a dict has its table.
const KEYS: usize = 32;

/// Finds them.
///
/// # Safety
/// With the main interpreter's lock, before anything is recorded: objects are made and given back.
pub(super) unsafe fn search(minor: u32) -> Option<Lists> {
    if !(11..=13).contains(&minor) {
        return None;
    }
    let api = Api::get();
    let (list, dict, tuple) = (api.list_new?, api.dict_new?, api.tuple_new?);
    let float = api.float_from_double?;
    // SAFETY: the caller's promise.
    unsafe {
        let state = State::of_main()?;
        let dicts = state.array(minor, &|| dict())?;
        Some(Lists {
            list: state.array(minor, &|| list(0))?,
            dict: dicts,
            keys: keys_behind(dicts, minor)?,
            tuples: state.tuples(&|length| tuple(length))?,
            float: state.floats(&|| float(0.5))?,
            give: Give::of(minor)?,
        })
    }
}

/// The tables of dicts: behind the dicts and, but in 3.12, their number. Made sure of with a table that goes there.
unsafe fn keys_behind(dicts: Array, minor: u32) -> Option<Array> {
    let api = Api::get();
    let keys = if minor == 12 {
        let start = dicts.start + MOST * WORD;
        Array {
            start,
            count: dicts.count + size_of::<libc::c_int>(),
        }
    } else {
        let start = dicts.start + (MOST + 1) * WORD;
        Array {
            start,
            count: start + MOST * WORD,
        }
    };
    // SAFETY: the caller's promise; a dict with one name as its key has a small table of its own.
    unsafe {
        let (new, set, free) = (api.dict_new?, api.dict_set?, api.decrement?);
        let value = none()? as Object;
        let dict = made(&|| new())?;
        let is_set = set(dict, c"name".as_ptr(), value) == 0;
        let table = read(dict as usize + KEYS);
        let before = keys.len();
        free(dict);
        let there = is_set && keys.len() == before + 1 && read(keys.start + before * WORD) == table;
        there.then_some(keys)
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

    /// The array that two objects go back to one behind the other. The number of all that are there stands behind it; that of
    /// dicts, in 3.12, behind the array of their tables.
    unsafe fn array(&self, minor: u32, make: &dyn Fn() -> Object) -> Option<Array> {
        let furthest = if minor == 12 { 2 } else { 1 };
        // SAFETY: the caller's promise; what was taken from the list last goes back to it last.
        unsafe {
            let (below, above) = given_back(make)?;
            let mut found = Vec::new();
            for place in self.places(below) {
                if read(place + WORD) != above {
                    continue;
                }
                for before in 0..MOST - 1 {
                    let start = place - before * WORD;
                    for count in (1..=furthest).map(|times| start + times * MOST * WORD) {
                        let inside = start >= self.start && count < self.end;
                        found.extend(
                            (inside && number(count) == before + 2)
                                .then_some(Array { start, count }),
                        );
                    }
                }
            }
            only(&found)
        }
    }

    /// The chains of tuples by length, found by those of the two largest; their numbers stand behind them.
    unsafe fn tuples(&self, make: &dyn Fn(isize) -> Object) -> Option<[Chain; LENGTHS]> {
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
            let start = only(&found)?;
            let chains = std::array::from_fn(|at| Chain {
                first: start + at * WORD,
                count: start + LENGTHS * WORD + at * size_of::<libc::c_int>(),
                next: FIRST_ITEM,
                most: MOST_TUPLES,
            });
            chains
                .iter()
                .all(|chain| chain.is_whole())
                .then_some(chains)
        }
    }

    /// The chain of floats; their number stands in front of it.
    unsafe fn floats(&self, make: &dyn Fn() -> Object) -> Option<Chain> {
        // SAFETY: the caller's promise.
        unsafe {
            let (below, above) = given_back(make)?;
            let found: Vec<Chain> = (self.places(above))
                .map(|first| Chain {
                    first,
                    count: first - WORD,
                    next: TYPE,
                    most: MOST_FLOATS,
                })
                .filter(|_| read(above + TYPE) == below)
                .filter(|chain| chain.is_whole())
                .collect();
            only(&found)
        }
    }
}

/// Two objects that were made and given back, the one that went first in front.
unsafe fn given_back(make: &dyn Fn() -> Object) -> Option<(usize, usize)> {
    let free = Api::get().decrement?;
    // SAFETY: the caller's promise.
    unsafe {
        let (above, below) = (made(make)?, made(make)?);
        free(below);
        free(above);
        Some((below as usize, above as usize))
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
