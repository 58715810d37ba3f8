//! Whether objects lie as a layout says: looked at once, before anything is told. Objects of each kind are made, what
//! the layout reads of them is compared with what Python says of them. What may be no address is not followed.

use std::ffi::CStr;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::frames::running;
use super::kinds::{Kinds, special};
use super::layout::{Layout, dict, kind, list, tuple, word};
use super::listed::uncollected;
use super::names::{arrow, code_name};
use super::owned::{Found, each_entry, owned};
use super::texts::text;

/// Makes, in this order: `names`, a list of (holder, what it holds, how it calls that); `texts`, a list of str; `sized`,
/// objects whose blocks are to add up to what `sys.getsizeof` says; `code`, a function's, called `outer`.
const SAMPLES: &CStr = cr#"
import sys
from array import array
from collections import OrderedDict, deque

class Plain:
    def __init__(self, thing):
        self.first, self.thing = 1, thing

class Slots:
    __slots__ = ("thing",)

def outer(thing):
    def inner(other=thing):
        return thing
    return inner

def waits(thing):
    yield thing

def fails(thing):
    raise ValueError(thing)

thing = ["held"]
slots, inner, waiting = Slots(), outer(thing), waits(thing)
slots.thing = next(waiting)
try:
    fails(thing)
except ValueError as error:
    frame = error.__traceback__.tb_next.tb_frame
    failed = error
names = [
    ({"a": thing}, thing, "['a']"),
    ({7: thing}, thing, "[7]"),
    ([0, thing], thing, "[1]"),
    ((0, 1, thing), thing, "[2]"),
    (inner, inner.__defaults__, ".__defaults__"),
    (inner.__closure__[0], thing, ".cell_contents"),
    (slots, thing, ".thing"),
    (Plain(thing), thing, ".thing"),
    (failed, failed.args, ".args"),
    (waiting, thing, "variable thing"),
    (frame, thing, "variable thing"),
]
texts = ["cellheap", "größer", "größer als 5 €", "\U0001F600 ä"]
wide = "ä€" * 3
sized = [[thing], {1}, {"a": 1}, {7: 1}, set(range(99)), bytearray(99), array("d", [1]), deque([1]),
         OrderedDict(a=1), {str(n): n for n in range(99)}, wide]
sizes = [sys.getsizeof(one) for one in sized]
code = outer.__code__
failed.__traceback__ = None
"#;

/// What is wrong, in words.
type Checked = Result<(), String>;

/// # Errors
/// What does not lie as the layout says.
pub fn check(py: Python<'_>, layout: &'static Layout) -> PyResult<Checked> {
    uncollected(py, || look(py, layout))
}

fn look(py: Python<'_>, layout: &'static Layout) -> PyResult<Checked> {
    let made = PyDict::new(py);
    made.set_item("__name__", "cellheap")?;
    py.run(SAMPLES, Some(&made), None)?;
    let checked = compare(py, layout, &made);
    // Classes are circles: kept for good they are no garbage that anybody is told of, and neither is what they name.
    for class in ["Plain", "Slots"] {
        std::mem::forget(made.as_any().get_item(class)?.unbind());
    }
    made.clear();
    checked
}

fn compare(py: Python<'_>, layout: &'static Layout, made: &Bound<'_, PyDict>) -> PyResult<Checked> {
    let get = |name: &str| -> PyResult<Bound<'_, PyAny>> { made.as_any().get_item(name) };
    let first = types(py)?.and_then(|()| containers(py));
    if first.is_err() {
        return Ok(first);
    }
    // In this order: what comes later follows what was looked at before.
    let looks: [&dyn Fn() -> PyResult<Checked>; 4] = [
        &|| letters(layout, &get("texts")?),
        &|| named(layout, &get("names")?),
        &|| code_and_frames(py, layout, &get("code")?),
        &|| blocks(py, layout, &get("sized")?, &get("sizes")?),
    ];
    for look in looks {
        let checked = look()?;
        if checked.is_err() {
            return Ok(checked);
        }
    }
    Ok(Ok(()))
}

fn says(holds: bool, what: &str) -> Checked {
    holds.then_some(()).ok_or_else(|| what.to_owned())
}

/// The fields of types that everything else is read by.
fn types(py: Python<'_>) -> PyResult<Checked> {
    let kinds = [
        (&raw mut ffi::PyTuple_Type, kind::IS_TUPLE),
        (&raw mut ffi::PyList_Type, kind::IS_LIST),
        (&raw mut ffi::PyUnicode_Type, kind::IS_TEXT),
        (&raw mut ffi::PyLong_Type, kind::IS_INT),
        (&raw mut ffi::PyType_Type, kind::IS_TYPE),
    ];
    for (of, flag) in kinds {
        // SAFETY: a static type; so many of its words are there in every minor.
        let known = unsafe { Bound::from_borrowed_ptr(py, of.cast()) };
        let of = of as usize;
        let basic: usize = known.getattr("__basicsize__")?.extract()?;
        let item: usize = known.getattr("__itemsize__")?.extract()?;
        let base = known.getattr("__base__")?.as_ptr() as usize;
        // SAFETY: as above.
        let holds = unsafe {
            (
                word(of, kind::BASIC),
                word(of, kind::ITEM),
                word(of, kind::BASE),
            ) == (basic, item, base)
                && word(of, kind::FLAGS) & flag != 0
        };
        if !holds {
            return Ok(Err(format!("the type {known}")));
        }
    }
    Ok(Ok(()))
}

/// Tables of keys and of items, before they are followed.
fn containers(py: Python<'_>) -> Checked {
    let thing = PyTuple::new(py, [1, 2]).map_err(|error| error.to_string())?;
    let (held, items) = (thing.as_ptr() as usize, [&thing]);
    let listed = pyo3::types::PyList::new(py, items).map_err(|error| error.to_string())?;
    let tupled = PyTuple::new(py, items).map_err(|error| error.to_string())?;
    let table = PyDict::new(py);
    table
        .set_item("a", &thing)
        .map_err(|error| error.to_string())?;
    // SAFETY: live objects of their types; what is followed was looked at first.
    unsafe {
        says(
            word(tupled.as_ptr() as usize, tuple::ITEMS) == held,
            "tuples",
        )?;
        let items = word(listed.as_ptr() as usize, list::ITEMS);
        says(is_address(items) && word(items, 0) == held, "lists")?;
        let keys = word(table.as_ptr() as usize, dict::KEYS);
        says(
            is_address(keys)
                && word(keys, dict::KEYS_COUNT) == 1
                && word(table.as_ptr() as usize, dict::VALUES) == 0,
            "dicts",
        )
    }
}

/// Whether it may be followed: above the first pages, and a multiple of a word.
pub fn is_address(word: usize) -> bool {
    word > 1 << 16 && word.is_multiple_of(8)
}

fn letters(layout: &Layout, texts: &Bound<'_, PyAny>) -> PyResult<Checked> {
    for known in texts.try_iter()? {
        let known = known?;
        // SAFETY: a live str.
        let read = unsafe { text(layout, known.as_ptr() as usize) };
        if read != Some(known.extract()?) {
            return Ok(Err("text".into()));
        }
    }
    Ok(Ok(()))
}

/// Arrows are called as a person calls them.
fn named(layout: &'static Layout, names: &Bound<'_, PyAny>) -> PyResult<Checked> {
    let mut kinds = Kinds::new(layout, special());
    for row in names.try_iter()? {
        let (holder, held, expected): (Bound<'_, PyAny>, Bound<'_, PyAny>, String) =
            row?.extract()?;
        // SAFETY: live objects, the first of which holds the second.
        let words = unsafe {
            let (object, held) = (holder.as_ptr() as usize, held.as_ptr() as usize);
            let kind = kinds.of(object);
            if kind.of == &raw mut ffi::PyDict_Type as usize {
                let mut found = false;
                each_entry(layout, object, |_, value| found |= value == held);
                if !found {
                    return Ok(Err("dicts".into()));
                }
            }
            arrow(layout, &kind, object, held).0
        };
        if words != expected {
            let of = holder.get_type().name()?;
            return Ok(Err(format!("{expected} of a {of} (it reads as {words})")));
        }
    }
    Ok(Ok(()))
}

/// What an object owns adds up to what it says itself, where the books count.
fn blocks(
    py: Python<'_>,
    layout: &'static Layout,
    sized: &Bound<'_, PyAny>,
    sizes: &Bound<'_, PyAny>,
) -> PyResult<Checked> {
    let mut kinds = Kinds::new(layout, special());
    for (thing, size) in sized.try_iter()?.zip(sizes.try_iter()?) {
        let (thing, size) = (thing?, size?.extract::<u64>()?);
        let object = thing.as_ptr() as usize;
        let mut blocks = Blocks(Vec::new());
        // SAFETY: a live object.
        unsafe {
            let kind = kinds.of(object);
            blocks.block(object - kind.before);
            owned(layout, &kind, object, &mut blocks);
        }
        let known = crate::py::tracer::with(py, |tracer| {
            let sizes = blocks
                .0
                .iter()
                .map(|block| Some(tracer.books.block_at(*block)?.1));
            sizes.sum::<Option<u64>>()
        });
        // Nothing counts while tracing is off.
        if let Ok(Some(known)) = known
            && known != size
        {
            let of = thing.get_type().name()?;
            return Ok(Err(format!(
                "the blocks of a {of} ({known} bytes, not {size})"
            )));
        }
    }
    Ok(Ok(()))
}

struct Blocks(Vec<usize>);

impl Found for Blocks {
    fn block(&mut self, address: usize) {
        if address != 0 {
            self.0.push(address);
        }
    }
}

/// Code has its name, and the frame that runs is the first of those that run.
fn code_and_frames(py: Python<'_>, layout: &Layout, code: &Bound<'_, PyAny>) -> PyResult<Checked> {
    // SAFETY: a live code object.
    let name = unsafe { code_name(layout, code.as_ptr() as usize) };
    if name != "outer" {
        return Ok(Err("code".into()));
    }
    let top = py
        .import("sys")?
        .getattr("_getframe")?
        .call0()?
        .getattr("f_code")?;
    // SAFETY: with the lock, within a Python function's call.
    let frames = unsafe { running(layout, "") };
    // Frames of other threads may come first.
    let mine = frames.iter().find(|frame| frame.ours);
    let holds = mine.is_some_and(|frame| frame.code == top.as_ptr() as usize);
    Ok(says(holds, "frames"))
}
