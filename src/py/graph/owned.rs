//! What an object owns and refers to without telling the collector, type by type. Reads memory only: no Python runs, no
//! reference is counted, nothing is made.

use pyo3::ffi;

use super::kinds::{Adapter, Kind};
use super::layout::{
    self, Layout, array, byte, bytearray, bytesio, cache, code, decimal, deque, descriptor, dict,
    hash_table, int, kind, list, module, ndarray, ordered, set, text, word,
};
use super::pyarrow::{self, Shared};
use super::{stdlib, tensors};

/// Where what was found goes.
pub trait Found {
    /// A block that goes with the object.
    fn block(&mut self, address: usize);
    /// Mapped pages that go with the object. Left out unless said otherwise.
    fn pages(&mut self, _address: usize) {}
    /// An object that it refers to; nothing if null. Left out unless said otherwise.
    fn object(&mut self, _address: usize) {}
    /// A table of keys that several objects may share. Left out unless said otherwise.
    fn keys(&mut self, _address: usize) {}
    /// An object of C++ that counts who holds it, by its tag. Left out unless said otherwise.
    fn counted(&mut self, _address: usize, _tag: usize) {}
    /// An object of C++ behind a shared pointer. Left out unless said otherwise.
    fn shared(&mut self, _shared: Shared) {}
}

/// All that the collector is not told of.
///
/// # Safety
/// A live object of this kind, with the interpreter's lock.
pub unsafe fn owned(layout: &Layout, kind: &Kind, object: usize, found: &mut impl Found) {
    // SAFETY: the caller's promise: each arm reads an object of its own type.
    unsafe {
        if kind.has(kind::MANAGED_DICT) {
            found_values(layout, kind, object, found);
        }
        if !kind.has(kind::GC) && kind.has(kind::HEAP) {
            found.object(kind.of);
        }
        match kind.adapter {
            Adapter::Plain | Adapter::Local => {}
            Adapter::Text => found_text(layout, object, found),
            Adapter::Dict => found_dict(layout, object, found),
            Adapter::OrderedDict => {
                found_dict(layout, object, found);
                found_order(object, found);
            }
            Adapter::List => found.block(word(object, list::ITEMS)),
            Adapter::Set => found_table(object, found),
            Adapter::Deque => found_deque(layout, object, found),
            Adapter::ByteArray => found.block(word(object, bytearray::BLOCK)),
            Adapter::Array => found.block(word(object, array::ITEMS)),
            Adapter::BytesIo if layout.minor < 12 => found.object(word(object, bytesio::BUFFER)),
            Adapter::BytesIo => {}
            Adapter::Buffer => found.block(word(object, 16)),
            Adapter::Decimal => {
                let digits = word(object, decimal::DIGITS);
                if digits != object + decimal::FEW {
                    found.block(digits);
                }
            }
            Adapter::Cache => {
                (cache_links(object).iter()).for_each(|link| found.object(*link));
            }
            Adapter::Range => (16..48)
                .step_by(8)
                .for_each(|at| found.object(word(object, at))),
            Adapter::Code => found_code(layout, object, found),
            Adapter::Module => {
                found.object(word(object, module::NAME));
                found.block(word(object, module::STATE));
            }
            Adapter::Descriptor => {
                found.object(word(object, descriptor::NAME));
                found.object(word(object, descriptor::QUALNAME));
            }
            Adapter::Type if kind_of_class(object) => found_class(layout, object, found),
            Adapter::Type => {}
            Adapter::Ndarray => found_ndarray(object, found),
            Adapter::Tensor | Adapter::Storage => {
                tensors::found_behind(kind.adapter, object, found)
            }
            Adapter::Arrow(form) => pyarrow::found_behind(form, object, found),
            Adapter::Library(form) => stdlib::found_behind(form, object, found),
            Adapter::HashTable => {
                let table = word(object, hash_table::TABLE);
                found.block(table);
                if table != 0 {
                    (hash_table::BLOCKS.iter()).for_each(|at| found.block(word(table, *at)));
                }
            }
        }
    }
}

/// Attributes that are kept beside an object with no dict: a block of its own before 3.13. From then on they are in the
/// object, also if it has a dict besides, which the collector is not told of.
unsafe fn found_values(layout: &Layout, kind: &Kind, object: usize, found: &mut impl Found) {
    // SAFETY: the type has managed dicts, so these words are before the object.
    unsafe {
        let values = match layout.minor {
            11 => word(object - 32, 0),
            13.. => {
                let inline = object + word(kind.of, kind::BASIC);
                if kind.has(kind::INLINE_VALUES) && byte(inline, VALUES_VALID) != 0 {
                    found.object(word(object - 24, 0));
                }
                return;
            }
            _ => match word(object - 24, 0) {
                tagged if tagged & 1 == 1 => tagged + 1,
                _ => 0,
            },
        };
        if values != 0 {
            found.block(values - usize::from(byte(values, 0_usize.wrapping_sub(1))));
        }
    }
}

/// In values that lie in their object: whether they are the attributes.
const VALUES_VALID: usize = 3;

unsafe fn found_text(layout: &Layout, object: usize, found: &mut impl Found) {
    // SAFETY: a str.
    unsafe {
        let state = byte(object, text::STATE);
        let (compact, ascii) = (state & text::COMPACT != 0, state & text::ASCII != 0);
        if compact && ascii {
            return;
        }
        let utf8 = word(object, layout.text_utf8);
        let data = if compact {
            0
        } else {
            word(object, layout.text_data)
        };
        found.block(data);
        if utf8 != data {
            found.block(utf8);
        }
    }
}

unsafe fn found_dict(layout: &Layout, object: usize, found: &mut impl Found) {
    // SAFETY: a dict; its table lives as long.
    unsafe {
        let (keys, values) = (word(object, dict::KEYS), word(object, dict::VALUES));
        if values == 0 {
            found.block(keys);
            found_keys(keys, found);
            return;
        }
        found.keys(keys);
        // Values that lie in the object they are of (3.13) are no block: then this finds none.
        let before = match layout.minor {
            11 | 12 => usize::from(byte(values, 0_usize.wrapping_sub(1))),
            _ if byte(values, 2) != 0 => return,
            _ => 0,
        };
        found.block(values - before);
    }
}

/// The str keys of a table: the collector is told of other keys only.
///
/// # Safety
/// A live table of keys, with the interpreter's lock.
pub unsafe fn found_keys(keys: usize, found: &mut impl Found) {
    // SAFETY: the caller's promise; entries up to the count are written.
    unsafe {
        if byte(keys, dict::KEYS_KIND) == dict::GENERAL {
            return;
        }
        for at in 0..word(keys, dict::KEYS_COUNT) {
            found.object(key_of(keys, at));
        }
    }
}

/// The key of an entry of a table of str keys.
///
/// # Safety
/// A live table of that kind with so many entries.
pub unsafe fn key_of(keys: usize, at: usize) -> usize {
    // SAFETY: the caller's promise; each entry has room for a value, in a shared table too.
    unsafe { word(entries(keys), at * 16) }
}

/// Where the entries of a table begin.
///
/// # Safety
/// A live table of keys.
pub unsafe fn entries(keys: usize) -> usize {
    // SAFETY: the caller's promise.
    keys + dict::KEYS_INDICES + (1 << unsafe { byte(keys, dict::KEYS_LOG_INDEX) })
}

/// Visits keys and values of a dict, in order.
///
/// # Safety
/// A live dict, with the interpreter's lock.
pub unsafe fn each_entry(layout: &Layout, object: usize, mut visit: impl FnMut(usize, usize)) {
    // SAFETY: the caller's promise; what was deleted is null.
    unsafe {
        let (keys, values) = (word(object, dict::KEYS), word(object, dict::VALUES));
        let general = byte(keys, dict::KEYS_KIND) == dict::GENERAL;
        for at in 0..word(keys, dict::KEYS_COUNT) {
            let (key, value) = if general {
                let entry = entries(keys) + at * 24;
                (word(entry, 8), word(entry, 16))
            } else if values == 0 {
                let entry = entries(keys) + at * 16;
                (word(entry, 0), word(entry, 8))
            } else {
                (key_of(keys, at), word(first_value(layout, values), at * 8))
            };
            if value != 0 {
                visit(key, value);
            }
        }
    }
}

/// Where the values of a table of values begin.
pub fn first_value(layout: &Layout, values: usize) -> usize {
    if layout.minor < 13 {
        values
    } else {
        values + 8
    }
}

/// The links of a `functools.lru_cache`: a ring that comes back to the cache.
///
/// # Safety
/// A live cache, with the interpreter's lock.
pub unsafe fn cache_links(object: usize) -> Vec<usize> {
    let mut links = Vec::new();
    // SAFETY: the caller's promise.
    unsafe {
        let mut link = word(object, cache::NEXT);
        while link != object && link != 0 {
            links.push(link);
            link = word(link, cache::NEXT);
        }
    }
    links
}

unsafe fn found_order(object: usize, found: &mut impl Found) {
    // SAFETY: an OrderedDict; its nodes are a list that ends in null.
    unsafe {
        found.block(word(object, ordered::FAST));
        let mut node = word(object, ordered::FIRST);
        while node != 0 {
            found.block(node);
            found.object(word(node, ordered::NODE_KEY));
            node = word(node, ordered::NODE_NEXT);
        }
    }
}

unsafe fn found_table(object: usize, found: &mut impl Found) {
    // SAFETY: a set; its small table is in itself.
    unsafe {
        let table = word(object, set::TABLE);
        if table != object + set::SMALL {
            found.block(table);
        }
    }
}

unsafe fn found_deque(layout: &Layout, object: usize, found: &mut impl Found) {
    // SAFETY: a deque: blocks in a list from the left to the right.
    unsafe {
        let (mut block, last) = (word(object, deque::LEFT), word(object, deque::RIGHT));
        while block != 0 {
            found.block(block);
            if block == last {
                break;
            }
            block = word(block, deque::RIGHT_LINK);
        }
        if layout.minor >= 12 {
            for at in 0..word(object, deque::SPARE_COUNT) {
                found.block(word(object, deque::SPARE + at * 8));
            }
        }
    }
}

unsafe fn found_code(layout: &Layout, object: usize, found: &mut impl Found) {
    // SAFETY: a code object.
    unsafe {
        for at in code::HELD {
            found.object(word(object, at));
        }
        if let Some(at) = layout.code_cached {
            let cached = word(object, at);
            found.block(cached);
            if cached != 0 {
                (0..32)
                    .step_by(8)
                    .for_each(|at| found.object(word(cached, at)));
            }
        } else {
            // 3.11 keeps the bytes of the code itself there.
            found.object(word(object, 152));
        }
        found.block(word(object, layout.code_extra));
    }
}

unsafe fn kind_of_class(object: usize) -> bool {
    // SAFETY: a type.
    unsafe { word(object, kind::FLAGS) & kind::HEAP != 0 }
}

unsafe fn found_class(layout: &Layout, object: usize, found: &mut impl Found) {
    let class = object as *const ffi::PyHeapTypeObject;
    // SAFETY: a type that was made at run time.
    unsafe {
        found.object((*class).ht_name as usize);
        found.object((*class).ht_qualname as usize);
        found.object((*class).ht_slots as usize);
        found.object(word(object, kind::SUBCLASSES));
        let keys = cached_keys(layout, object);
        if keys != 0 {
            found.keys(keys);
        }
        found.block(word(object, kind::DOC));
        found.block(word(object, class_name_block(layout)));
    }
}

/// The table of names that instances of a class share, or null.
///
/// # Safety
/// A type that was made at run time.
pub unsafe fn cached_keys(layout: &Layout, class: usize) -> usize {
    // SAFETY: the caller's promise.
    unsafe { word(class, if layout.minor == 11 { 872 } else { 880 }) }
}

fn class_name_block(layout: &Layout) -> usize {
    if layout.minor == 11 { 888 } else { 896 }
}

unsafe fn found_ndarray(object: usize, found: &mut impl Found) {
    // SAFETY: an array of numpy; its layout has been the same since 1.7.
    unsafe {
        found.object(word(object, ndarray::BASE));
        found.object(word(object, ndarray::DTYPE));
        found.block(word(object, ndarray::SHAPE));
        if int(object, ndarray::FLAGS) & ndarray::OWNS == 0 {
            return;
        }
        let data = word(object, ndarray::DATA);
        found.block(data);
        if byte(word(object, ndarray::DTYPE), ndarray::DTYPE_KIND) == b'O' {
            let shape = word(object, ndarray::SHAPE);
            let rank = int(object, ndarray::DIMENSIONS) as usize;
            let items: usize = (0..rank).map(|at| word(shape, at * 8)).product();
            (0..items).for_each(|at| found.object(word(data, at * 8)));
        }
    }
}

/// The size of an object from before tracing, about: what its type says of it.
///
/// # Safety
/// A live object of this kind.
pub unsafe fn about(layout: &Layout, kind: &Kind, object: usize) -> usize {
    // SAFETY: the caller's promise; only objects of variable size have a count of items.
    unsafe {
        let (basic, item) = (word(kind.of, kind::BASIC), word(kind.of, kind::ITEM));
        let items = if kind.has(kind::IS_INT) {
            let size = word(object, layout::SIZE);
            if layout.minor == 11 {
                (size as isize).unsigned_abs()
            } else {
                size >> 3
            }
        } else if item > 0 && item < 1 << 16 {
            (word(object, layout::SIZE) as isize).unsigned_abs()
        } else {
            0
        };
        let text = if kind.has(kind::IS_TEXT) {
            word(object, 16)
        } else {
            0
        };
        kind.before + basic + item.saturating_mul(items.min(1 << 40)) + text
    }
}
