//! pyarrow's buffers, arrays and tables: what C++ keeps behind the objects of Python, by shared pointers that count. Owns
//! what is read of them; where it lies is found in `samples`. A pyarrow in which it is not found as expected is not read.

mod capsules;
mod names;
mod samples;

use std::sync::OnceLock;

use pyo3::prelude::*;

use super::check::is_address;
use super::kinds::loaded_type;
use super::layout::word;
use super::listed::uncollected;
use super::owned::Found;
use names::Names;

pub use names::column_name;

/// What an object of C++ is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Buffer,
    /// What arrays share: buffers, and parts that are arrays themselves.
    Data,
    Array,
    Chunks,
    Table,
    Batch,
    /// What an array of numpy has the data of an array by.
    Capsule,
}

/// An object of C++ behind a shared pointer: it dies when what counts its holders says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shared {
    /// What counts, a block of its own or the beginning of the object's.
    pub control: usize,
    pub inside: usize,
    pub form: Form,
}

/// Where a class of arrays has arrays of its parts: a pointer to one, a list of them, or the address of such a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    One(usize),
    List(usize),
    Far(usize),
}

/// Where things lie, in bytes; classes by what their objects begin with.
#[derive(Debug)]
struct Known {
    /// In objects of Python's.
    buffer: usize,
    array: usize,
    chunks: usize,
    table: usize,
    batch: usize,
    /// In a buffer: its data, then the size and how much is set aside for it; what it is a part of.
    data: usize,
    parent: usize,
    /// The class of buffers whose data are a pool's; those that are lent by an object of Python's, which is where.
    of_pool: usize,
    lent: Vec<(usize, usize)>,
    /// In an array, and what is there.
    array_data: usize,
    buffers: usize,
    children: usize,
    dictionary: usize,
    parts: Vec<(usize, Vec<Part>)>,
    /// In chunks, a table, a batch: lists.
    arrays: usize,
    of_table: usize,
    columns: usize,
    of_batch: usize,
    batch_columns: usize,
    batch_arrays: Option<usize>,
    names: Option<Names>,
}

static FOUND: OnceLock<Option<Known>> = OnceLock::new();
/// The class of buffers that numpy lends data to, and where those have the array.
static OF_NUMPY: OnceLock<(usize, usize)> = OnceLock::new();

fn known() -> Option<&'static Known> {
    FOUND.get().and_then(Option::as_ref)
}

/// Finds out where things lie, if pyarrow is loaded and that is not known yet.
pub fn look(py: Python<'_>) {
    if FOUND.get().is_none()
        && loaded_type(c"pyarrow.lib", c"Table").is_some()
        // What is wrong with a pyarrow that is half imported is no business of who asks.
        && let Ok(found) = uncollected(py, || samples::find(py))
    {
        _ = FOUND.set(found);
    }
    if let Some(known) = known()
        && OF_NUMPY.get().is_none()
        && loaded_type(c"numpy", c"ndarray").is_some()
        && let Ok(Some(found)) =
            uncollected(py, || samples::find_numpy(py, known.buffer, known.data))
    {
        _ = OF_NUMPY.set(found);
    }
}

/// Whether pyarrow's objects are read, or there are none.
pub fn is_read() -> bool {
    known().is_some() || loaded_type(c"pyarrow.lib", c"Table").is_none()
}

/// How large each pointer of a list is, in bytes.
const POINTER: usize = 16;
/// More pointers than a list has.
const TOO_MANY: usize = 1 << 28;
/// Behind what counts, where both are one block.
const NEAR: usize = 64;
/// In what counts.
const COUNT: usize = 8;
/// Behind the data of a buffer.
const SET_ASIDE: usize = 16;

/// What lies behind an object of Python's; nothing where that is not known.
///
/// # Safety
/// A live object of pyarrow's of this form, with the interpreter's lock.
pub unsafe fn found_behind(form: Form, object: usize, found: &mut impl Found) {
    let Some(known) = known() else {
        return;
    };
    let at = match form {
        // SAFETY: the caller's promise.
        Form::Capsule => return unsafe { known.found_in_capsule(object, found) },
        Form::Buffer => known.buffer,
        Form::Array | Form::Data => known.array,
        Form::Chunks => known.chunks,
        Form::Table => known.table,
        Form::Batch => known.batch,
    };
    // SAFETY: the caller's promise.
    unsafe { follow(object + at, form, found) };
}

/// What an object of C++ owns and holds.
///
/// # Safety
/// A live one, to which a pyarrow that is known has led; with the interpreter's lock.
pub unsafe fn found_in(shared: Shared, found: &mut impl Found) {
    let Some(known) = known() else {
        return;
    };
    let Shared {
        control,
        inside,
        form,
    } = shared;
    found.block(control);
    if inside.wrapping_sub(control) > NEAR {
        found.block(inside);
    }
    // SAFETY: the caller's promise: objects of a form are laid out alike, and tables and batches are of a known class.
    unsafe {
        match form {
            Form::Buffer => known.found_in_buffer(inside, found),
            Form::Data => {
                follow_all(inside + known.buffers, Form::Buffer, found);
                follow_all(inside + known.children, Form::Data, found);
                follow(inside + known.dictionary, Form::Data, found);
            }
            Form::Array => known.found_in_array(inside, found),
            Form::Chunks => follow_all(inside + known.arrays, Form::Array, found),
            Form::Table if word(inside, 0) == known.of_table => {
                follow_all(inside + known.columns, Form::Chunks, found);
            }
            Form::Batch if word(inside, 0) == known.of_batch => {
                follow_all(inside + known.batch_columns, Form::Data, found);
                if let Some(at) = known.batch_arrays {
                    follow_all(inside + at, Form::Array, found);
                }
            }
            Form::Table | Form::Batch | Form::Capsule => {}
        }
    }
}

/// How many hold an object of C++.
///
/// # Safety
/// It lives.
pub unsafe fn holders(shared: Shared) -> u32 {
    // SAFETY: the caller's promise.
    unsafe { word(shared.control, COUNT) as u32 }
}

/// What a buffer has in a pool: where, and how much.
///
/// # Safety
/// A live object, to which a pyarrow that is known has led.
pub unsafe fn in_pool(shared: Shared) -> Option<(usize, usize)> {
    let known = known().filter(|_| shared.form == Form::Buffer)?;
    // SAFETY: the caller's promise.
    unsafe {
        let at = shared.inside + known.data;
        (word(shared.inside, 0) == known.of_pool).then(|| (word(at, 0), word(at, SET_ASIDE)))
    }
}

impl Known {
    unsafe fn found_in_buffer(&self, buffer: usize, found: &mut impl Found) {
        // SAFETY: the caller's promise: a buffer; who lends its data is known by its class.
        unsafe {
            follow(buffer + self.parent, Form::Buffer, found);
            let class = word(buffer, 0);
            if class == self.of_pool {
                found.block(word(buffer, self.data));
            }
            let mut lent = self.lent.iter().chain(OF_NUMPY.get());
            if let Some((_, at)) = lent.find(|(lent, _)| *lent == class) {
                found.object(word(buffer, *at));
            }
        }
    }

    unsafe fn found_in_array(&self, array: usize, found: &mut impl Found) {
        // SAFETY: the caller's promise: an array, of which a class is known by what it begins with.
        unsafe {
            follow(array + self.array_data, Form::Data, found);
            let class = word(array, 0);
            let Some((_, parts)) = self.parts.iter().find(|(of, _)| *of == class) else {
                return;
            };
            for part in parts {
                match part {
                    Part::One(at) => follow(array + at, Form::Array, found),
                    Part::List(at) => follow_all(array + at, Form::Array, found),
                    Part::Far(at) => {
                        let list = word(array, *at);
                        if is_address(list) {
                            found.block(list);
                            follow_all(list, Form::Array, found);
                        }
                    }
                }
            }
        }
    }
}

/// Follows a shared pointer. One that counts nothing owns nothing.
unsafe fn follow(at: usize, form: Form, found: &mut impl Found) {
    // SAFETY: the caller's promise: a pointer is there.
    let (inside, control) = unsafe { (word(at, 0), word(at, 8)) };
    // Each is a block of malloc's, which are 16 bytes apart.
    if is_address(inside) && is_address(control) && control.is_multiple_of(16) {
        found.shared(Shared {
            control,
            inside,
            form,
        });
    }
}

/// Follows all pointers of a list, which is a block.
unsafe fn follow_all(at: usize, form: Form, found: &mut impl Found) {
    // SAFETY: the caller's promise: a list is there, and its pointers lie from its begin to its end.
    unsafe {
        let (begin, end) = (word(at, 0), word(at, 8));
        let length = end.wrapping_sub(begin);
        if !is_address(begin) || !length.is_multiple_of(POINTER) || length / POINTER > TOO_MANY {
            return;
        }
        found.block(begin);
        (begin..end)
            .step_by(POINTER)
            .for_each(|at| follow(at, form, found));
    }
}
