//! Where pyarrow's C++ keeps what: found in small objects that are made for it, by what must be there. Memory is read through
//! the system here, so a word that is no address is an answer like any other.

use std::ffi::CStr;
use std::fs::File;
use std::os::unix::fs::FileExt;

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::super::check::is_address;
use super::names::Names;
use super::{COUNT, Known, NEAR, POINTER, Part};

/// `pooled`, a buffer of a pool (not the usual one, whose peak is told), and `piece`, a part of it; `one` and `other`, arrays;
/// what is made of these; `lent`, buffers whose data are those of an object; `parted`, arrays with parts that are arrays, all
/// of the same two.
const SAMPLES: &CStr = c"
import sys
lib = sys.modules['pyarrow.lib']
pooled = lib.allocate_buffer(24, memory_pool=lib.system_memory_pool())
piece = pooled.slice(8)
def array(*numbers, of=lib.int32()):
    data = b''.join(number.to_bytes(of.bit_width // 8, sys.byteorder) for number in numbers)
    return lib.Array.from_buffers(of, len(numbers), [None, lib.py_buffer(data)])
one, other, codes = array(1, 2, 3), array(0, 1, 2, 2), array(0, 0, 0, of=lib.int8())
buffers = [one.buffers()[1], other.buffers()[1]]
struct = lib.StructArray.from_arrays([one, one], ['a', 'b'])
coded = lib.DictionaryArray.from_arrays(other, one)
chunks, others = lib.chunked_array([one, other]), lib.chunked_array([other])
table = lib.Table.from_arrays([chunks, chunks], ['a', 'b'])
batch = lib.RecordBatch.from_arrays([one, one], ['a', 'b'])
firsts = [batch.column(at) for at in range(2)]
data = b'cellheap' * 3
lent = [(lib.py_buffer(data), data), (lib.foreign_buffer(pooled.address, 24, pooled), pooled)]
keep = [struct.field(0), struct.field(1), coded.dictionary, coded.indices]
parted = [struct, coded]
for make in ('lib.ListArray.from_arrays(other, one)', 'lib.LargeListArray.from_arrays(array(0, 1, 2, 2, of=lib.int64()), one)',
             'lib.FixedSizeListArray.from_arrays(one, 3)', 'lib.MapArray.from_arrays(other, one, one)',
             'lib.Array.from_buffers(lib.run_end_encoded(one.type, one.type), 3, [None], children=[one, one])',
             'lib.UnionArray.from_sparse(codes, [one, one])',
             'lib.UnionArray.from_dense(codes, array(0, 1, 2), [one, one])'):
    try:
        parted.append(eval(make))
        keep += [parted[-1].field(at) for at in range(2)]
    except Exception:
        pass
del array
";

/// `lent`, a buffer whose data are those of an array of numpy. pyarrow imports pandas for it, if that is there: no business
/// of who asks, and who has such a buffer has had it imported.
const SAMPLE_OF_NUMPY: &CStr = c"
import importlib.util, sys
lib, numpy, lent = sys.modules['pyarrow.lib'], sys.modules['numpy'], []
if 'pandas' in sys.modules or importlib.util.find_spec('pandas') is None:
    array = numpy.zeros(7)
    lent.append((lib.array(array).buffers()[1], array))
";

/// A shared pointer: the object, and what counts.
pub type Pointer = (usize, usize);

/// What is looked through, in bytes.
const IN_PYTHON: std::ops::RangeInclusive<usize> = 16..=56;
const IN_BUFFER: std::ops::RangeInclusive<usize> = 8..=40;
const IN_ARRAY: std::ops::RangeInclusive<usize> = 8..=24;
const IN_DATA: std::ops::RangeInclusive<usize> = 0..=136;
const IN_TABLE: std::ops::RangeInclusive<usize> = 0..=136;
/// Behind the data of a buffer.
const LAST: usize = 160;

/// # Errors
/// What Python says of the samples.
pub fn find(py: Python<'_>) -> PyResult<Option<Known>> {
    let made = PyDict::new(py);
    py.run(SAMPLES, Some(&made), None)?;
    let Some(memory) = Memory::open() else {
        return Ok(None);
    };
    let get = |name: &str| made.as_any().get_item(name);
    let all = |name: &str| -> PyResult<Vec<Bound<'_, PyAny>>> { get(name)?.try_iter()?.collect() };
    let samples = Samples {
        pooled: get("pooled")?,
        piece: get("piece")?,
        buffers: all("buffers")?,
        arrays: vec![get("one")?, get("other")?],
        chunks: get("chunks")?,
        table: get("table")?,
        batch: get("batch")?,
        lent: get("lent")?.extract()?,
        parted: all("parted")?,
        memory,
    };
    samples.find()
}

/// The class of buffers that an array of numpy lends its data to, and where those have it; none while it is not to be known.
///
/// # Errors
/// What Python says of the sample.
pub fn find_numpy(py: Python<'_>, buffer: usize, data: usize) -> PyResult<Option<(usize, usize)>> {
    let made = PyDict::new(py);
    py.run(SAMPLE_OF_NUMPY, Some(&made), None)?;
    let samples: Vec<Lent<'_>> = made.as_any().get_item("lent")?.extract()?;
    let found = Memory::open().map(|memory| lent(&memory, &samples, buffer, data));
    Ok(found.and_then(|found| found.first().copied()))
}

/// A buffer of Python's, and who lends its data.
type Lent<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>);

/// Classes of buffers whose data are lent, and where those have who lends.
fn lent(memory: &Memory, samples: &[Lent<'_>], buffer: usize, data: usize) -> Vec<(usize, usize)> {
    let found = samples.iter().filter_map(|(sample, object)| {
        let inside = memory.counted(sample.as_ptr() as usize + buffer)?;
        let mut words = memory.words(inside).filter(|at| *at >= data + 24);
        let is_object = |at: &usize| memory.word(inside.0 + at) == Some(object.as_ptr() as usize);
        Some((memory.word(inside.0)?, words.find(is_object)?))
    });
    found.collect()
}

struct Samples<'py> {
    pooled: Bound<'py, PyAny>,
    piece: Bound<'py, PyAny>,
    buffers: Vec<Bound<'py, PyAny>>,
    arrays: Vec<Bound<'py, PyAny>>,
    chunks: Bound<'py, PyAny>,
    table: Bound<'py, PyAny>,
    batch: Bound<'py, PyAny>,
    lent: Vec<Lent<'py>>,
    /// The first has parts, the second a dictionary.
    parted: Vec<Bound<'py, PyAny>>,
    memory: Memory,
}

/// Of arrays: where Python has them, where they have their data, and where those have their buffers.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Arrays {
    array: usize,
    data: usize,
    buffers: usize,
}

impl Samples<'_> {
    fn find(&self) -> PyResult<Option<Known>> {
        let (address, size) = (
            &self.pooled.getattr("address")?,
            self.pooled.getattr("size")?,
        );
        let (address, size): (usize, usize) = (address.extract()?, size.extract()?);
        Ok(self.places(address, size))
    }

    fn places(&self, address: usize, size: usize) -> Option<Known> {
        let memory = &self.memory;
        let (buffer, data) = self.buffer(address, size)?;
        let at = |thing: &Bound<'_, PyAny>, at: usize| memory.counted(thing.as_ptr() as usize + at);
        let (pooled, piece) = (at(&self.pooled, buffer)?, at(&self.piece, buffer)?);
        let parent = only(data + 24..=LAST, |at| {
            memory.counted(piece.0 + at) == Some(pooled)
        })?;
        // Its object, its part, and the object that is lent.
        if memory.word(pooled.1 + COUNT)? as u32 != 2 || memory.word(piece.1 + COUNT)? as u32 != 1 {
            return None;
        }
        let leaves = [0, 1].map(|n| at(&self.buffers[n], buffer));
        let leaves = [leaves[0]?, leaves[1]?];
        let arrays = self.arrays(leaves)?;
        let [one, other] = [0, 1].map(|n| at(&self.arrays[n], arrays.array));
        let (one, other) = (one?, other?);
        let of_one = memory.counted(one.0 + arrays.data)?;
        let whole = |n: usize| memory.counted(at(&self.parted[n], arrays.array)?.0 + arrays.data);
        let (parts, coded) = (whole(0)?.0, whole(1)?.0);
        let children = only(IN_DATA, |at| memory.list(parts + at) == [of_one; 2])?;
        let dictionary = only(IN_DATA, |at| memory.counted(coded + at) == Some(of_one))?;
        let (chunks, in_chunks) = self.lists(&self.chunks, &[one, other])?;
        let chunked = at(&self.chunks, chunks)?;
        let (table, columns) = self.lists(&self.table, &[chunked; 2])?;
        let (batch, batch_columns) = self.lists(&self.batch, &[of_one; 2])?;
        let (in_table, in_batch) = (at(&self.table, table)?, at(&self.batch, batch)?);
        let finder = Parts {
            memory,
            arrays,
            children,
            leaves,
        };
        let boxed = |at: &usize| *at != batch_columns && finder.is_list(in_batch.0 + at);
        Some(Known {
            buffer,
            array: arrays.array,
            chunks,
            table,
            batch,
            data,
            parent,
            of_pool: memory.word(pooled.0)?,
            lent: lent(memory, &self.lent, buffer, data),
            array_data: arrays.data,
            buffers: arrays.buffers,
            children,
            dictionary,
            parts: (self.parted.iter())
                .filter_map(|sample| finder.of(at(sample, arrays.array)?))
                .collect(),
            arrays: in_chunks,
            of_table: memory.word(in_table.0)?,
            columns,
            of_batch: memory.word(in_batch.0)?,
            batch_columns,
            batch_arrays: memory.words(in_batch).find(boxed),
            names: Names::find(memory, in_table.0)
                .filter(|names| Names::find(memory, in_batch.0) == Some(*names)),
        })
    }

    /// Where Python has a buffer, and that its data.
    fn buffer(&self, address: usize, size: usize) -> Option<(usize, usize)> {
        let object = self.pooled.as_ptr() as usize;
        let memory = &self.memory;
        let is_data = |at: usize| -> Option<bool> {
            let known = (memory.word(at)?, memory.word(at + 8)?) == (address, size);
            Some(known && (size..1 << 12).contains(&memory.word(at + super::SET_ASIDE)?))
        };
        only_of(IN_PYTHON, IN_BUFFER, |at, data| {
            is_data(memory.counted(object + at)?.0 + data)
        })
    }

    /// Two arrays without missing values: their second buffers are these.
    fn arrays(&self, leaves: [Pointer; 2]) -> Option<Arrays> {
        let memory = &self.memory;
        let found = [0, 1].map(|n| {
            let object = self.arrays[n].as_ptr() as usize;
            let is_data = |data: usize, buffers: usize| {
                let found = memory.list(data + buffers);
                Some(found.len() == 2 && found[1] == leaves[n])
            };
            let (array, data) = only_of(IN_PYTHON, IN_ARRAY, |array, data| {
                let data = memory.counted(memory.counted(object + array)?.0 + data)?.0;
                Some(IN_DATA.step_by(8).any(|at| is_data(data, at) == Some(true)))
            })?;
            let inside = memory.counted(memory.counted(object + array)?.0 + data)?.0;
            let buffers = only(IN_DATA, |at| is_data(inside, at) == Some(true))?;
            Some(Arrays {
                array,
                data,
                buffers,
            })
        });
        found[0].filter(|one| Some(*one) == found[1])
    }

    /// Where Python has an object of C++ with a list of these, and where that list is.
    fn lists(&self, sample: &Bound<'_, PyAny>, expected: &[Pointer]) -> Option<(usize, usize)> {
        let object = sample.as_ptr() as usize;
        let memory = &self.memory;
        only_of(IN_PYTHON, IN_TABLE, |at, list| {
            Some(memory.list(memory.counted(object + at)?.0 + list) == expected)
        })
    }
}

/// Finds arrays within arrays, by the buffers that they come to.
struct Parts<'a> {
    memory: &'a Memory,
    arrays: Arrays,
    children: usize,
    leaves: [Pointer; 2],
}

impl Parts<'_> {
    /// The class of an array, and where it has arrays.
    fn of(&self, array: Pointer) -> Option<(usize, Vec<Part>)> {
        let words = self.memory.words(array).filter(|at| *at > self.arrays.data);
        let parts = words.filter_map(|at| {
            if self.is_list(array.0 + at) {
                return Some(Part::List(at));
            }
            if self
                .memory
                .word(array.0 + at)
                .is_some_and(|list| self.is_list(list))
            {
                return Some(Part::Far(at));
            }
            let inside = self.memory.counted(array.0 + at)?.0;
            self.is_array(inside).then_some(Part::One(at))
        });
        let parts: Vec<Part> = parts.collect();
        Some((self.memory.word(array.0)?, parts))
    }

    fn is_list(&self, at: usize) -> bool {
        let list = self.memory.list(at);
        !list.is_empty() && list.iter().all(|(inside, _)| self.is_array(*inside))
    }

    fn is_array(&self, inside: usize) -> bool {
        let data = self.memory.counted(inside + self.arrays.data);
        data.is_some_and(|(data, _)| self.is_data(data, 2))
    }

    fn is_data(&self, data: usize, deep: usize) -> bool {
        let buffers = self.memory.list(data + self.arrays.buffers);
        let children = self.memory.list(data + self.children);
        buffers.iter().any(|buffer| self.leaves.contains(buffer))
            || deep > 0
                && children
                    .iter()
                    .any(|(child, _)| self.is_data(*child, deep - 1))
    }
}

/// This process's memory, as the system reads it: what is not there is no word.
pub struct Memory(File);

impl Memory {
    pub fn open() -> Option<Self> {
        File::open("/proc/self/mem").ok().map(Self)
    }

    pub fn word(&self, at: usize) -> Option<usize> {
        let mut bytes = [0; 8];
        let found = is_address(at).then(|| self.0.read_exact_at(&mut bytes, at as u64));
        found?.ok().map(|()| usize::from_ne_bytes(bytes))
    }

    /// A shared pointer, as far as can be seen: what it points at begins with words, and who counts has few holders.
    pub fn counted(&self, at: usize) -> Option<Pointer> {
        let (inside, control) = (self.word(at)?, self.word(at + 8)?);
        self.word(inside)?;
        let counts = self.word(control + COUNT)?;
        let is_few = |count: usize| (1..64).contains(&count);
        let counts = is_few(counts & 0xffff_ffff) && is_few(counts >> 32);
        (counts && control.is_multiple_of(16) && inside != control).then_some((inside, control))
    }

    /// The pointers of a short list; none where there is no list.
    pub fn list(&self, at: usize) -> Vec<Pointer> {
        let (Some(begin), Some(end)) = (self.word(at), self.word(at + 8)) else {
            return Vec::new();
        };
        let length = end.wrapping_sub(begin);
        if length > 4 * POINTER || !length.is_multiple_of(POINTER) {
            return Vec::new();
        }
        let pointer = |at| {
            self.counted(at)
                .or_else(|| (self.word(at)? == 0).then_some((0, 0)))
        };
        let found: Option<Vec<Pointer>> = (begin..end).step_by(POINTER).map(pointer).collect();
        found.unwrap_or_default()
    }

    /// Where the words of an object are.
    fn words(&self, (inside, control): Pointer) -> impl Iterator<Item = usize> {
        let block = if inside.wrapping_sub(control) <= NEAR {
            control
        } else {
            inside
        };
        // SAFETY: who counts, or the object apart from it, is a block that C++ made with `new`.
        let end = block + unsafe { libc::malloc_usable_size(block as *mut _) };
        (0..end.saturating_sub(inside)).step_by(8)
    }
}

/// The one word of which something holds.
fn only(words: std::ops::RangeInclusive<usize>, holds: impl Fn(usize) -> bool) -> Option<usize> {
    let mut found = words.step_by(8).filter(|at| holds(*at));
    found.next().filter(|_| found.next().is_none())
}

/// The same of a word in an object and one in what it leads to.
fn only_of(
    first: std::ops::RangeInclusive<usize>,
    second: std::ops::RangeInclusive<usize>,
    holds: impl Fn(usize, usize) -> Option<bool>,
) -> Option<(usize, usize)> {
    let pairs = first.step_by(8).flat_map(|at| {
        let second = second.clone().step_by(8);
        second.map(move |next| (at, next))
    });
    let mut found = pairs.filter(|(at, next)| holds(*at, *next) == Some(true));
    found.next().filter(|_| found.next().is_none())
}
