//! What is to be known of a type before an object of it is read: found once for each type.

use std::collections::HashMap;
use std::ffi::{CStr, c_int, c_void};

use pyo3::ffi;

use super::layout::{self, Layout, kind, word};
use super::pyarrow::Form;
use super::stdlib;
use crate::hooks::python::symbol;

type Visit = unsafe extern "C" fn(*mut ffi::PyObject, *mut c_void) -> c_int;
type Traverse = unsafe extern "C" fn(*mut ffi::PyObject, Visit, *mut c_void) -> c_int;
type IsGc = unsafe extern "C" fn(*mut ffi::PyObject) -> c_int;

/// What objects of a type own or refer to besides what they tell the collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adapter {
    Plain,
    Text,
    Dict,
    OrderedDict,
    List,
    Set,
    Deque,
    ByteArray,
    Array,
    BytesIo,
    /// Objects of C whose first field is a block that they own.
    Buffer,
    Decimal,
    Cache,
    /// A thread's local.
    Local,
    /// A hash table of pandas.
    HashTable,
    Range,
    Code,
    Module,
    Descriptor,
    Type,
    Ndarray,
    /// A tensor of torch, and what several share the data of.
    Tensor,
    Storage,
    /// What pyarrow wraps around an object of C++.
    Arrow(Form),
    /// What else of the standard library owns memory.
    Library(stdlib::Form),
}

#[derive(Clone, Copy)]
pub struct Kind {
    /// The type itself.
    pub of: usize,
    /// Bytes before the object in its block.
    pub before: usize,
    pub traverse: Option<Traverse>,
    is_gc: Option<IsGc>,
    pub adapter: Adapter,
    pub flags: usize,
    /// What is to be remembered of each object of this type: see `marks`.
    pub marks: u8,
}

/// What is remembered of a node, so that its object need not be looked at again.
pub mod marks {
    pub const OBJECT: u8 = 1;
    pub const FINALIZER: u8 = 2;
    pub const MODULE: u8 = 4;
    pub const TYPE: u8 = 8;
    pub const ENTRY: u8 = 16;
}

impl Kind {
    pub fn has(&self, flag: usize) -> bool {
        self.flags & flag != 0
    }

    /// Whether the collector knows of such an object.
    ///
    /// # Safety
    /// A live object of this type, with the interpreter's lock.
    #[inline(always)]
    pub unsafe fn is_gc(&self, object: usize) -> bool {
        self.has(kind::GC)
            // SAFETY: the caller's promise; static types say so that they are none of the collector's.
            && self.is_gc.is_none_or(|asks| unsafe { asks(object as *mut ffi::PyObject) } != 0)
    }

    /// Whether a reference of such an object that the collector does not see may be part of a circle. Strings and tables
    /// of names are not.
    pub fn matters(&self) -> bool {
        use Adapter::{Array, ByteArray, Dict, List, Range, Set, Text};
        !matches!(
            self.adapter,
            Text | Dict | List | Set | ByteArray | Array | Range
        )
    }
}

const NEAR: usize = 256;

pub struct Kinds {
    layout: &'static Layout,
    /// Types of libraries that are loaded, with what is to be known of them.
    special: Vec<(usize, Adapter)>,
    known: HashMap<usize, Kind>,
    near: Vec<Option<Kind>>,
}

impl Kinds {
    pub fn new(layout: &'static Layout, special: Vec<(usize, Adapter)>) -> Self {
        Self {
            layout,
            special,
            known: HashMap::new(),
            near: vec![None; NEAR],
        }
    }

    /// # Safety
    /// A live object, with the interpreter's lock.
    #[inline(always)]
    pub unsafe fn of(&mut self, object: usize) -> Kind {
        // SAFETY: every object has its type there.
        let of = unsafe { word(object, layout::TYPE) };
        let near = &self.near[of >> 5 & (NEAR - 1)];
        match near {
            Some(kind) if kind.of == of => *kind,
            // SAFETY: the type of a live object lives.
            _ => unsafe { self.far(of) },
        }
    }

    #[cold]
    unsafe fn far(&mut self, of: usize) -> Kind {
        // SAFETY: the caller's promise.
        let make = || unsafe { self.make(of) };
        let kind = match self.known.get(&of) {
            Some(kind) => *kind,
            None => {
                let kind = make();
                self.known.insert(of, kind);
                kind
            }
        };
        self.near[of >> 5 & (NEAR - 1)] = Some(kind);
        kind
    }

    unsafe fn make(&self, of: usize) -> Kind {
        // SAFETY: a live type; words of its slots are functions of the types that the headers give, or null.
        unsafe {
            let flags = word(of, kind::FLAGS);
            let adapter = self.adapter(of, flags);
            let has_finalizer =
                flags & kind::HEAP != 0 && word(of, kind::FINALIZE) | word(of, kind::DEL) != 0;
            let slot = |at: usize| (word(of, at) != 0).then(|| word(of, at));
            Kind {
                of,
                before: before(self.layout, flags),
                traverse: slot(kind::TRAVERSE).map(|at| std::mem::transmute::<usize, Traverse>(at)),
                is_gc: slot(kind::IS_GC).map(|at| std::mem::transmute::<usize, IsGc>(at)),
                adapter,
                flags,
                marks: marks::OBJECT
                    | if has_finalizer { marks::FINALIZER } else { 0 }
                    | match adapter {
                        Adapter::Module => marks::MODULE,
                        Adapter::Type => marks::TYPE,
                        _ => 0,
                    },
            }
        }
    }

    unsafe fn adapter(&self, of: usize, flags: usize) -> Adapter {
        let by_flag = [
            (kind::IS_TEXT, Adapter::Text),
            (kind::IS_LIST, Adapter::List),
            (kind::IS_TYPE, Adapter::Type),
        ];
        if let Some((_, adapter)) = by_flag.iter().find(|(flag, _)| flags & flag != 0) {
            return *adapter;
        }
        let of = of as *mut ffi::PyTypeObject;
        // SAFETY: all are live types.
        let is = |base: usize| unsafe { ffi::PyType_IsSubtype(of, base as *mut _) != 0 };
        (self.special.iter())
            .find(|(base, _)| is(*base))
            .map_or(Adapter::Plain, |(_, adapter)| *adapter)
    }
}

/// Bytes before an object: what the collector links, and where its attributes and weak references are.
fn before(layout: &Layout, flags: usize) -> usize {
    let links = if flags & kind::GC != 0 { 16 } else { 0 };
    let managed = match layout.minor {
        11 => flags & kind::MANAGED_DICT,
        _ => flags & (kind::MANAGED_DICT | kind::MANAGED_WEAK),
    };
    links + if managed != 0 { 16 } else { 0 }
}

/// The types that need more than the collector is told, of what is loaded. Most special ones first.
pub fn special() -> Vec<(usize, Adapter)> {
    let ordered = symbol(c"PyODict_Type").map(|of| (of as usize, Adapter::OrderedDict));
    let statics: [(*mut ffi::PyTypeObject, Adapter); 11] = [
        (&raw mut ffi::PyDict_Type, Adapter::Dict),
        (&raw mut ffi::PySet_Type, Adapter::Set),
        (&raw mut ffi::PyFrozenSet_Type, Adapter::Set),
        (&raw mut ffi::PyByteArray_Type, Adapter::ByteArray),
        (&raw mut ffi::PyRange_Type, Adapter::Range),
        (&raw mut ffi::PyCode_Type, Adapter::Code),
        (&raw mut ffi::PyModule_Type, Adapter::Module),
        (&raw mut ffi::PyMemberDescr_Type, Adapter::Descriptor),
        (&raw mut ffi::PyGetSetDescr_Type, Adapter::Descriptor),
        (&raw mut ffi::PyMethodDescr_Type, Adapter::Descriptor),
        (&raw mut ffi::PyCapsule_Type, Adapter::Arrow(Form::Capsule)),
    ];
    let statics = statics.iter().map(|(of, adapter)| (*of as usize, *adapter));
    let mut special: Vec<_> = ordered.into_iter().chain(statics).collect();
    let loaded = [
        (c"_collections", c"deque", Adapter::Deque),
        (c"array", c"array", Adapter::Array),
        (c"_io", c"BytesIO", Adapter::BytesIo),
        (c"_io", c"StringIO", Adapter::Buffer),
        (c"_thread", c"LockType", Adapter::Buffer),
        (c"_thread", c"RLock", Adapter::Buffer),
        (c"_decimal", c"Decimal", Adapter::Decimal),
        (c"_functools", c"_lru_cache_wrapper", Adapter::Cache),
        (c"_thread", c"_local", Adapter::Local),
        (c"numpy", c"ndarray", Adapter::Ndarray),
        (c"torch._C", c"TensorBase", Adapter::Tensor),
        (c"torch._C", c"StorageBase", Adapter::Storage),
        (c"pyarrow.lib", c"Buffer", Adapter::Arrow(Form::Buffer)),
        (c"pyarrow.lib", c"Array", Adapter::Arrow(Form::Array)),
        (
            c"pyarrow.lib",
            c"ChunkedArray",
            Adapter::Arrow(Form::Chunks),
        ),
        (c"pyarrow.lib", c"Table", Adapter::Arrow(Form::Table)),
        (c"pyarrow.lib", c"RecordBatch", Adapter::Arrow(Form::Batch)),
    ];
    for (module, name, adapter) in loaded {
        special.extend(loaded_type(module, name).map(|of| (of, adapter)));
    }
    for (module, name, form) in stdlib::TYPES {
        special.extend(loaded_type(module, name).map(|of| (of, Adapter::Library(form))));
    }
    special.extend(hash_tables().map(|of| (of, Adapter::HashTable)));
    special
}

/// What the hash tables of pandas are based on, where they lie as they are known to: the table is their only field.
fn hash_tables() -> Option<usize> {
    const MODULE: &CStr = c"pandas._libs.hashtable";
    let one = loaded_type(MODULE, c"PyObjectHashTable")?;
    // SAFETY: a live type.
    let size = unsafe { word(one, kind::BASIC) };
    (size == layout::hash_table::TABLE + 8)
        .then(|| loaded_type(MODULE, c"HashTable"))
        .flatten()
}

/// A type of a module that is loaded. Nothing is imported, no code runs.
pub fn loaded_type(module: &CStr, name: &CStr) -> Option<usize> {
    // SAFETY: with the interpreter's lock; all references are borrowed, and dicts with plain str keys run no code.
    unsafe {
        let module = ffi::PyDict_GetItemString(ffi::PyImport_GetModuleDict(), module.as_ptr());
        if module.is_null() || ffi::PyModule_Check(module) == 0 {
            return None;
        }
        let of = ffi::PyDict_GetItemString(ffi::PyModule_GetDict(module), name.as_ptr());
        (!of.is_null() && ffi::PyType_Check(of) != 0).then_some(of as usize)
    }
}
