//! torch's tensors: what C++ keeps behind the objects of Python, where it is counted and shared. Where that lies is looked for
//! once, in tensors that are made for it. A torch in which it is not found as expected is not read.

use std::ffi::CStr;
use std::sync::OnceLock;

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::check::is_address;
use super::kinds::{Adapter, loaded_type};
use super::layout::word;
use super::lenders::{self, CONTEXT};
use super::listed::uncollected;
use super::names::Named;
use super::owned::Found;
use super::walk::{COUNTER, OBJECT, STORAGE, TENSOR};

/// Of an object of C++ that counts its holders: `c10::intrusive_ptr_target` has the count in the low half of this word.
const COUNT: usize = 8;
/// What is looked through, in bytes. All these objects are larger.
const TENSOR_WORDS: std::ops::RangeInclusive<usize> = 16..=64;
const STORAGE_WORDS: std::ops::RangeInclusive<usize> = 16..=48;
const META_WORDS: std::ops::RangeInclusive<usize> = 8..=64;

/// Where things lie, in bytes.
#[derive(Debug)]
pub struct Tensors {
    /// In a tensor, and in a storage, of Python: the object of C++.
    inside_tensor: usize,
    inside_storage: usize,
    /// In a `TensorImpl`.
    object: usize,
    storage: usize,
    version: usize,
    meta: usize,
    /// How many dimensions; then their lengths and steps, in a block of their own where they are many.
    rank: usize,
    /// In a `StorageImpl`.
    data: usize,
    storage_object: usize,
    /// In an `AutogradMeta`: the gradient, and, in that of a view, what it is a view of.
    gradient: usize,
    base: usize,
    /// What an `AutogradMeta` begins with, and that of a view.
    of_leaf: usize,
    of_view: usize,
    /// Whether C++ holds the object of Python while it has other holders.
    holds: bool,
}

/// Makes: `plain`, a tensor; `view`, a part of it; `other`, one more; `leaf`, which has `gradient`.
const SAMPLES: &CStr = c"
import sys
torch = sys.modules['torch']
with torch._C.DisableTorchFunction():
    plain, other, leaf, gradient = (torch.empty(7, dtype=torch.float32, device='cpu') for _ in range(4))
    alone = sys.getrefcount(plain)
    view = plain[3:]
    many = torch.empty((1,) * 7, device='cpu')
    holds = sys.getrefcount(plain) - alone
    leaf.requires_grad_()
    leaf.grad = gradient
    storage, others = plain.untyped_storage(), other.untyped_storage()
    known = {name: value._cdata for name, value in list(globals().items()) if hasattr(value, '_cdata')}
    data = plain.data_ptr()
";

static FOUND: OnceLock<Tensors> = OnceLock::new();

pub fn known() -> Option<&'static Tensors> {
    FOUND.get()
}

/// Finds out where things lie, if torch is loaded and that is not known yet.
pub fn look(py: Python<'_>) {
    if known().is_none() && loaded_type(c"torch._C", c"TensorBase").is_some() {
        // What is wrong with a torch that is half imported is no business of who asks.
        if let Ok(Some(found)) = uncollected(py, || find(py)) {
            _ = FOUND.set(found);
        }
    }
    if let Some(tensors) = known() {
        lenders::look(py, tensors.data);
    }
}

fn find(py: Python<'_>) -> PyResult<Option<Tensors>> {
    let made = PyDict::new(py);
    py.run(SAMPLES, Some(&made), None)?;
    let made = made.as_any();
    let object = |name: &str| -> PyResult<usize> { Ok(made.get_item(name)?.as_ptr() as usize) };
    let inside =
        |name: &str| -> PyResult<usize> { made.get_item("known")?.get_item(name)?.extract() };
    let samples = Samples {
        objects: [object("plain")?, object("storage")?],
        plain: inside("plain")?,
        view: inside("view")?,
        other: inside("other")?,
        many: inside("many")?,
        leaf: inside("leaf")?,
        gradient: inside("gradient")?,
        storage: inside("storage")?,
        others: inside("others")?,
        data: made.get_item("data")?.extract()?,
        holds: made.get_item("holds")?.extract::<usize>()? > 0,
    };
    // SAFETY: the samples live, as objects of the kinds that torch says they are.
    Ok(unsafe { samples.find() })
}

/// Addresses, as torch tells them.
struct Samples {
    /// `plain` and its storage, in Python.
    objects: [usize; 2],
    plain: usize,
    view: usize,
    other: usize,
    many: usize,
    leaf: usize,
    gradient: usize,
    storage: usize,
    others: usize,
    data: usize,
    holds: bool,
}

impl Samples {
    /// # Safety
    /// All live, and are what they are called.
    unsafe fn find(&self) -> Option<Tensors> {
        // SAFETY: the caller's promise; what is looked through is within these objects.
        unsafe {
            let storage = only(TENSOR_WORDS, |at| {
                (
                    word(self.plain, at),
                    word(self.view, at),
                    word(self.other, at),
                ) == (self.storage, self.storage, self.others)
            })?;
            let meta = only(TENSOR_WORDS, |at| {
                word(self.other, at) == 0 && is_address(word(self.leaf, at))
            })?;
            // A tensor and its views count their changes together.
            let version = only(TENSOR_WORDS, |at| {
                let counter = word(self.plain, at);
                at != storage
                    && counter == word(self.view, at)
                    && is_address(counter)
                    && word(self.other, at) != counter
            })?;
            let data = only(STORAGE_WORDS, |at| {
                word(self.storage, at) == self.data && word(self.storage, at + CONTEXT) == self.data
            })?;
            let metas = [self.leaf, self.view].map(|tensor| word(tensor, meta));
            if !metas.iter().all(|meta| is_address(*meta)) || word(self.storage, COUNT) as u32 != 3
            {
                return None;
            }
            let [leaf, view] = metas;
            // Blocks of malloc's own: torch makes them with `new`.
            let end = libc::malloc_usable_size(view as *mut _);
            Some(Tensors {
                inside_tensor: only(16..=24, |at| word(self.objects[0], at) == self.plain)?,
                inside_storage: only(16..=16, |at| word(self.objects[1], at) == self.storage)?,
                object: only(TENSOR_WORDS, |at| word(self.plain, at) == self.objects[0])?,
                storage,
                version,
                meta,
                rank: only(RANK, |at| {
                    (word(self.plain, at), word(self.many, at)) == (1, 7)
                        && is_address(word(self.many, at + 8))
                })?,
                data,
                storage_object: only(STORAGE_OBJECT, |at| {
                    word(self.storage, at) == self.objects[1]
                })?,
                gradient: only(META_WORDS, |at| word(leaf, at) == self.gradient)?,
                base: only(8..=end.checked_sub(8)?, |at| word(view, at) == self.plain)?,
                of_leaf: word(leaf, 0),
                of_view: word(view, 0),
                holds: self.holds,
            })
        }
    }
}

/// Behind what a tensor points at.
const RANK: std::ops::RangeInclusive<usize> = 40..=72;
/// As many lengths lie in the tensor itself.
const FEW: usize = 5;
/// Behind all else that a storage has.
const STORAGE_OBJECT: std::ops::RangeInclusive<usize> = 56..=88;

/// The one word of which something holds.
fn only(words: std::ops::RangeInclusive<usize>, holds: impl Fn(usize) -> bool) -> Option<usize> {
    let mut found = words.step_by(8).filter(|at| holds(*at));
    found.next().filter(|_| found.next().is_none())
}

/// What lies behind an object of Python's; nothing where that is not known.
///
/// # Safety
/// A live tensor or storage, as its adapter says, with the interpreter's lock.
pub unsafe fn found_behind(adapter: Adapter, object: usize, found: &mut impl Found) {
    let Some(tensors) = known() else {
        return;
    };
    // SAFETY: the caller's promise.
    unsafe {
        match (adapter, tensors.behind(adapter, object)) {
            (_, 0) => {}
            (Adapter::Storage, storage) => tensors.found_in_storage(storage, found),
            (_, tensor) => tensors.found_in_tensor(tensor, found),
        }
    }
}

/// What an object of C++ owns and holds, by its tag.
///
/// # Safety
/// A live one, to which a torch that is known has led; with the interpreter's lock.
pub unsafe fn found_in(inside: usize, tag: usize, found: &mut impl Found) {
    // SAFETY: the caller's promise.
    unsafe {
        match (tag, known()) {
            (TENSOR, Some(tensors)) => tensors.found_in_tensor(inside, found),
            (STORAGE, Some(tensors)) => tensors.found_in_storage(inside, found),
            _ => found.block(inside),
        }
    }
}

impl Tensors {
    /// What an object of Python has behind it.
    ///
    /// # Safety
    /// A live tensor or storage, as its adapter says, with the interpreter's lock.
    pub unsafe fn behind(&self, adapter: Adapter, object: usize) -> usize {
        let at = match adapter {
            Adapter::Storage => self.inside_storage,
            _ => self.inside_tensor,
        };
        // SAFETY: the caller's promise.
        unsafe { word(object, at) }
    }

    /// How many hold an object of Python or what is behind it, which are one to us.
    ///
    /// # Safety
    /// As `behind`; `count` is the object's own.
    pub unsafe fn references(&self, adapter: Adapter, object: usize, count: u32) -> u32 {
        // SAFETY: the caller's promise.
        let others = unsafe {
            match self.behind(adapter, object) {
                0 => 0,
                inside => holders(inside).saturating_sub(1),
            }
        };
        count
            .saturating_sub(u32::from(self.holds && others > 0))
            .saturating_add(others)
    }

    /// What a tensor of C++ owns and holds.
    ///
    /// # Safety
    /// A live `TensorImpl`, with the interpreter's lock.
    pub unsafe fn found_in_tensor(&self, tensor: usize, found: &mut impl Found) {
        // SAFETY: the caller's promise: an `AutogradMeta` is known by what it begins with.
        unsafe {
            found.block(tensor);
            self.counted_at(tensor, self.storage, (self.storage_object, STORAGE), found);
            found.counted(word(tensor, self.version), COUNTER);
            if word(tensor, self.rank) > FEW {
                found.block(word(tensor, self.rank + 8));
            }
            let meta = word(tensor, self.meta);
            found.block(meta);
            for (at, _) in self.held_by(meta) {
                self.counted_at(meta, at, (self.object, TENSOR), found);
            }
        }
    }

    /// Where an `AutogradMeta` points at tensors, and how a person calls them. It is known by what it begins with.
    ///
    /// # Safety
    /// Null, or a live one.
    unsafe fn held_by(
        &self,
        meta: usize,
    ) -> impl Iterator<Item = (usize, (&'static str, &'static str))> {
        let begins = match meta {
            0 => 0,
            // SAFETY: the caller's promise.
            meta => unsafe { word(meta, 0) },
        };
        let is_view = begins != 0 && begins == self.of_view;
        let is_known = is_view || (begins != 0 && begins == self.of_leaf);
        let base = is_view.then_some((self.base, ("._base", "base")));
        let gradient = is_known.then_some((self.gradient, (".grad", "attribute")));
        base.into_iter().chain(gradient)
    }

    /// # Safety
    /// A live `StorageImpl`, with the interpreter's lock.
    pub unsafe fn found_in_storage(&self, storage: usize, found: &mut impl Found) {
        found.block(storage);
        // SAFETY: the caller's promise.
        let (data, context) =
            unsafe { (word(storage, self.data), word(storage, self.data + CONTEXT)) };
        if data == context {
            found.block(data);
        } else {
            // It is somebody else's: numpy's, a file's, a graphics card's.
            // SAFETY: the caller's promise.
            unsafe { lenders::found_behind(storage + self.data, found) };
        }
    }

    /// Follows a pointer to an object of C++: to the object of Python that stands for it, where there is one.
    unsafe fn counted_at(
        &self,
        holder: usize,
        at: usize,
        (object, tag): (usize, usize),
        found: &mut impl Found,
    ) {
        // SAFETY: the caller's promise: a pointer or null is there, and what it leads to is counted.
        unsafe {
            match word(holder, at) {
                0 => {}
                inside if word(inside, object) == 0 => found.counted(inside, tag),
                inside => found.counted(word(inside, object), OBJECT),
            }
        }
    }

    /// How a tensor calls an object that it holds.
    ///
    /// # Safety
    /// A live tensor, with the interpreter's lock.
    pub unsafe fn name(&self, tensor: usize, held: usize) -> Option<Named> {
        // SAFETY: the caller's promise, as in `found_in_tensor`.
        unsafe {
            let inside = word(tensor, self.inside_tensor);
            let stands_for = |of: usize, at: usize, object: usize| {
                word(of, at) != 0 && word(word(of, at), object) == held
            };
            if inside == 0 {
                return None;
            }
            if stands_for(inside, self.storage, self.storage_object) {
                return Some((".untyped_storage()".into(), "attribute"));
            }
            let meta = word(inside, self.meta);
            let mut tensors = self.held_by(meta);
            let (_, (words, kind)) = tensors.find(|(at, _)| stands_for(meta, *at, self.object))?;
            Some((words.into(), kind))
        }
    }
}

/// How many hold an object of C++.
///
/// # Safety
/// It lives.
pub unsafe fn holders(inside: usize) -> u32 {
    // SAFETY: the caller's promise.
    unsafe { word(inside, COUNT) as u32 }
}
