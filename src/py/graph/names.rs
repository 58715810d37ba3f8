//! Names of arrows that a person knows, found for the few that are shown: an item, an attribute, a variable of a closure.
//! Reads the objects themselves; no Python runs.

use std::ffi::CStr;

use super::layout::{
    self, Layout, byte, code, dict, int, kind, list, module, ndarray, tuple, word,
};
use super::owned::{cached_keys, each_entry, first_value, key_of};
use super::parts::part;
use super::texts::{text, type_name};
use super::{stdlib, tensors};
use crate::py::graph::kinds::{Adapter, Kind};

/// A name, and what it is a name of.
pub type Named = (String, &'static str);

/// Items of a list that are looked through for one.
const MOST_ITEMS: usize = 50_000_000;

/// Where the dict of an object's own attributes is, if it has one.
///
/// # Safety
/// A live object of this kind, with the interpreter's lock.
pub unsafe fn own_dict(layout: &Layout, kind: &Kind, object: usize) -> usize {
    // SAFETY: the caller's promise: each word is where the type says.
    unsafe {
        if kind.adapter == Adapter::Type {
            return word(object, kind::DICT);
        }
        if kind.adapter == Adapter::Module {
            return word(object, 16);
        }
        if kind.has(kind::MANAGED_DICT) {
            let managed = word(object - 24, 0);
            return if layout.minor == 12 && managed & 1 == 1 {
                0
            } else {
                managed
            };
        }
        let offset = word(kind.of, DICT_OFFSET) as isize;
        if offset > 0 {
            word(object, offset as usize)
        } else {
            0
        }
    }
}

const DICT_OFFSET: usize = 288;
const TRACEBACK_FRAME: usize = 24;

/// How an entry of a dict is written.
///
/// # Safety
/// A live object.
pub unsafe fn key_text(layout: &Layout, key: usize) -> String {
    // SAFETY: the caller's promise.
    unsafe {
        if let Some(text) = text(layout, key) {
            let quoted: String = text.chars().take(60).collect();
            let dots = if text.chars().count() > 60 { "…" } else { "" };
            return format!(
                "['{}{dots}']",
                quoted.replace('\\', "\\\\").replace('\'', "\\'")
            );
        }
        let of = word(key, layout::TYPE);
        if word(of, kind::FLAGS) & kind::IS_INT != 0
            && let Some(number) = small_int(layout, key)
        {
            return format!("[{number}]");
        }
        format!("[{}]", with_article(&type_name(layout, of)))
    }
}

/// `a list`, `an int`.
fn with_article(name: &str) -> String {
    let vowel = name
        .trim_start_matches('_')
        .starts_with(['a', 'e', 'i', 'o', 'u', 'A', 'E', 'I', 'O', 'U']);
    format!("{} {name}", if vowel { "an" } else { "a" })
}

/// The value of an int of one digit.
unsafe fn small_int(layout: &Layout, object: usize) -> Option<i64> {
    // SAFETY: an int: the sign and the count of digits, then the digits.
    unsafe {
        let tag = word(object, 16);
        let digit = i64::from(int(object, 24));
        if layout.minor == 11 {
            match tag as isize {
                0 => Some(0),
                1 => Some(digit),
                -1 => Some(-digit),
                _ => None,
            }
        } else {
            (tag >> 3 <= 1).then(|| digit * (1 - (tag & 3) as i64))
        }
    }
}

/// How `object` calls `held`: what it is to it. Dicts of attributes are skipped by the caller.
///
/// # Safety
/// Two live objects, the first of this kind and referring to the second; with the interpreter's lock.
pub unsafe fn arrow(layout: &Layout, kind: &Kind, object: usize, held: usize) -> Named {
    // SAFETY: the caller's promise.
    unsafe {
        let special = match kind.adapter {
            Adapter::Dict | Adapter::OrderedDict => entry_of(layout, object, held),
            Adapter::List => item_of(word(object, list::ITEMS), word(object, layout::SIZE), held),
            Adapter::Set => Some(("an element".into(), "item")),
            Adapter::Deque => Some(("an item".into(), "item")),
            Adapter::Ndarray if word(object, ndarray::BASE) == held => {
                Some((".base".into(), "base"))
            }
            Adapter::Ndarray if word(object, ndarray::DTYPE) == held => {
                Some((".dtype".into(), "attribute"))
            }
            Adapter::Ndarray => Some((item_of_array(object, held), "item")),
            Adapter::Code => Some((code_part(layout, object, held), "other")),
            Adapter::Module => Some((".__dict__".into(), "attribute")),
            Adapter::Tensor => tensors::known().and_then(|known| known.name(object, held)),
            Adapter::Library(form) => stdlib::name(form, object, held),
            _ => None,
        };
        if let Some(named) = special {
            return named;
        }
        if kind.has(kind::IS_TUPLE)
            && let Some(named) = item_of(object + tuple::ITEMS, word(object, layout::SIZE), held)
        {
            return named;
        }
        if kind.of == &raw mut pyo3::ffi::PyTraceBack_Type as usize {
            let frame = (word(object, TRACEBACK_FRAME) == held)
                .then(|| frame_in(layout, held))
                .flatten();
            return match frame {
                Some(frame) => {
                    let of = code_name(layout, word(frame, layout.frame_code));
                    (format!("frame of {of}"), "frame")
                }
                None => (".tb_next".into(), "frame"),
            };
        }
        if word(object, layout::TYPE) == held {
            return ("its class".into(), "type");
        }
        (inline(layout, kind, object, held))
            .or_else(|| part(kind, object, held))
            .or_else(|| member(layout, kind, object, held))
            .or_else(|| local(layout, object, held))
            .or_else(|| of_task(layout, kind, held))
            .unwrap_or_else(|| {
                (
                    format!("something in {}", with_article(&type_name(layout, kind.of))),
                    "other",
                )
            })
    }
}

unsafe fn entry_of(layout: &Layout, object: usize, held: usize) -> Option<Named> {
    let (mut found, mut is_key) = (None, false);
    // SAFETY: a live dict.
    unsafe {
        each_entry(layout, object, |key, value| {
            if value == held && found.is_none() {
                found = Some(key);
            }
            is_key |= key == held;
        });
        match found {
            Some(key) => Some((key_text(layout, key), "item")),
            None if is_key => Some((format!("the key {}", key_text(layout, held)), "key")),
            None => None,
        }
    }
}

/// Which of so many objects one is.
///
/// # Safety
/// So many pointers lie there.
pub unsafe fn item_of(items: usize, count: usize, held: usize) -> Option<Named> {
    // SAFETY: the caller's promise: so many pointers lie there.
    let at = (0..count.min(MOST_ITEMS)).find(|at| unsafe { word(items, at * 8) } == held)?;
    Some((format!("[{at}]"), "item"))
}

/// Where an array of objects has one, if its items lie in the order of their numbers.
unsafe fn item_of_array(object: usize, held: usize) -> String {
    // SAFETY: the caller's promise: an array of numpy, with so many lengths.
    unsafe {
        let rank = int(object, ndarray::DIMENSIONS) as usize;
        let lengths = (0..rank).map(|at| word(word(object, ndarray::SHAPE), at * 8));
        let lengths: Vec<usize> = lengths.collect();
        let flags = ndarray::ORDERED | ndarray::OWNS;
        let kind = byte(word(object, ndarray::DTYPE), ndarray::DTYPE_KIND);
        let is_ordered = kind == b'O' && int(object, ndarray::FLAGS) & flags == flags;
        let items = lengths.iter().product::<usize>().min(MOST_ITEMS);
        let data = word(object, ndarray::DATA);
        let found = (0..items).find(|at| is_ordered && word(data, at * 8) == held);
        let Some(mut at) = found else {
            return "an item".into();
        };
        let mut numbers: Vec<String> = Vec::new();
        for length in lengths.iter().rev() {
            numbers.insert(0, (at % length).to_string());
            at /= length;
        }
        format!("[{}]", numbers.join(", "))
    }
}

unsafe fn code_part(layout: &Layout, object: usize, held: usize) -> String {
    // SAFETY: a code object.
    unsafe {
        if word(object, code::HELD[0]) == held {
            ".co_consts".into()
        } else if word(object, layout.code_extra) == held {
            "what is kept with the code".into()
        } else {
            "a name in the code".into()
        }
    }
}

/// An attribute that lies in the object itself or beside it.
unsafe fn inline(layout: &Layout, kind: &Kind, object: usize, held: usize) -> Option<Named> {
    if !kind.has(kind::MANAGED_DICT) {
        return None;
    }
    // SAFETY: the type has managed dicts, and keys that its instances share.
    unsafe {
        let values = match layout.minor {
            11 => word(object - 32, 0),
            12 => match word(object - 24, 0) {
                tagged if tagged & 1 == 1 => tagged + 1,
                _ => 0,
            },
            _ if kind.has(kind::INLINE_VALUES) => object + word(kind.of, kind::BASIC),
            _ => 0,
        };
        let keys = cached_keys(layout, kind.of);
        if values == 0 || keys == 0 || (layout.minor > 12 && byte(values, 3) == 0) {
            return None;
        }
        let at = (0..word(keys, dict::KEYS_COUNT))
            .find(|at| word(first_value(layout, values), at * 8) == held)?;
        Some((format!(".{}", text(layout, key_of(keys, at))?), "attribute"))
    }
}

/// An attribute that a type, or one under it, says where it lies: slots, and the fields of types made in C.
unsafe fn member(layout: &Layout, kind: &Kind, object: usize, held: usize) -> Option<Named> {
    let mut of = kind.of;
    while of != 0 {
        // SAFETY: a type and those that it is based on; lists of members end in a null name.
        unsafe {
            let mut member = word(of, kind::MEMBERS);
            while member != 0 && word(member, 0) != 0 {
                let is_object = matches!(int(member, 8), 6 | 16);
                if is_object && word(object, word(member, 16)) == held {
                    let name = CStr::from_ptr(word(member, 0) as *const _);
                    let is_slot = word(of, kind::FLAGS) & kind::HEAP != 0;
                    let named = format!(".{}", name.to_string_lossy());
                    return Some((named, if is_slot { "slot" } else { "attribute" }));
                }
                member += 40;
            }
            of = word(of, kind::BASE);
        }
    }
    let _ = layout;
    None
}

/// A variable of a generator or of a frame that outlived its run.
unsafe fn local(layout: &Layout, object: usize, held: usize) -> Option<Named> {
    // SAFETY: each is asked by its type.
    unsafe {
        let frame = frame_in(layout, object)?;
        let code = word(frame, layout.frame_code);
        let count = int(code, layout.code_locals).max(0) as usize;
        let at = (0..count).find(|at| word(frame, layout::FRAME_SLOTS + at * 8) == held)?;
        let name = super::frames::local_name(layout, code, at)?;
        Some((format!("variable {name}"), "local"))
    }
}

/// What a task or a future of asyncio's has: they are C's, and keep no list of their fields.
unsafe fn of_task(layout: &Layout, kind: &Kind, held: usize) -> Option<Named> {
    use pyo3::ffi;
    // SAFETY: the caller's promise.
    let of = unsafe { word(held, layout::TYPE) };
    let is = |known: *mut ffi::PyTypeObject| of == known as usize;
    let words = if is(&raw mut ffi::PyCoro_Type) {
        ".get_coro()"
    } else if is(&raw mut ffi::PyFunction_Type) || is(&raw mut ffi::PyCFunction_Type) {
        "a callback"
    } else {
        return None;
    };
    // SAFETY: the type of an object that lives.
    let name = unsafe { type_name(layout, kind.of) };
    matches!(name.as_str(), "_asyncio.Task" | "_asyncio.Future")
        .then(|| (words.into(), "attribute"))
}

/// The frame in a generator or a frame object.
///
/// # Safety
/// A live object.
pub unsafe fn frame_in(layout: &Layout, object: usize) -> Option<usize> {
    use pyo3::ffi;
    // SAFETY: the caller's promise; the offsets are those of the headers.
    unsafe {
        let of = word(object, layout::TYPE);
        let is = |known: *mut ffi::PyTypeObject| of == known as usize;
        if is(&raw mut ffi::PyFrame_Type) {
            return Some(word(object, 24)).filter(|frame| *frame != 0);
        }
        let (state, frame) = if layout.minor == 11 {
            (75, 80)
        } else {
            (67, 72)
        };
        let suspends = is(&raw mut ffi::PyGen_Type)
            || is(&raw mut ffi::PyCoro_Type)
            || is(&raw mut ffi::PyAsyncGen_Type);
        (suspends && (byte(object, state) as i8) <= 0).then_some(object + frame)
    }
}

/// How the function of a frame or a piece of code is called.
///
/// # Safety
/// A live code object.
pub unsafe fn code_name(layout: &Layout, code: usize) -> String {
    // SAFETY: the caller's promise.
    unsafe { text(layout, word(code, code::NAME)) }.unwrap_or_else(|| "?".into())
}

/// A module's name.
///
/// # Safety
/// A live module.
pub unsafe fn module_name(layout: &Layout, object: usize) -> String {
    // SAFETY: the caller's promise.
    unsafe { text(layout, word(object, module::NAME)) }.unwrap_or_else(|| "?".into())
}
