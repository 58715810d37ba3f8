//! The walk over all objects: nodes and arrows, the bytes of each object by the books, its references. While it goes no
//! Python runs, no object is made and no reference is counted. Names are found later, for what is shown.

use std::collections::HashMap;
use std::ffi::{c_int, c_void};

use pyo3::ffi;

use crate::graph::{Column, Network, Stopped, Watch};
use crate::heap::shadow::Shadow;

use super::frames::{Frame, owned_by_frame};
use super::index::Index;
use super::kinds::{Adapter, Kind, Kinds, marks};
use super::layout::{Layout, references};
use super::owned::{Found, about, each_entry, found_keys, owned};
use super::pyarrow::{self, Shared};
use super::tensors;

/// What a node stands for, in the low bits of its word; objects and tables of keys are at least 8 bytes apart.
pub const OBJECT: usize = 0;
/// A table of keys that dicts share.
pub const KEYS: usize = 1;
/// An entry of a dict whose entries have names of their own.
pub const ENTRY: usize = 2;
/// A frame that runs.
pub const FRAME: usize = 3;
/// Objects of C++ that torch counts, with no object of Python for them: tensors, storages, and what counts changes.
pub const TENSOR: usize = 4;
pub const STORAGE: usize = 5;
pub const COUNTER: usize = 6;
/// An object of pyarrow's C++.
pub const SHARED: usize = 7;
pub const TAGS: usize = 7;
/// Among the pending: pages that were mapped, and no block.
pub const PAGES: usize = 1;

/// An entry of a named dict: it alone is between the dict and what it holds.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    pub dict: u32,
    pub key: usize,
    pub value: usize,
}

pub struct Walk<'a> {
    pub layout: &'static Layout,
    pub network: Network,
    /// By node, the address of what it stands for, with its tag.
    pub objects: Column<usize>,
    pub bytes: Column<u64>,
    /// By node: how many references there are to it.
    pub references: Column<u32>,
    /// By node: what is remembered of it.
    pub marks: Column<u8>,
    pub kinds: Kinds,
    pub index: Index,
    pub entries: Vec<Entry>,
    pub frames: Vec<Frame>,
    pub shared: Vec<Shared>,
    /// Nodes with arrows that the collector does not see and that may lead to more: from which arrow on.
    pub unseen: HashMap<u32, u32>,
    /// Blocks that the shadow does not have, and whose they are.
    pub pending: Column<(u32, usize)>,
    /// Dicts whose entries are nodes of their own.
    named: Vec<usize>,
    shadow: Option<&'a Shadow>,
    /// The node that is being read: its bytes so far, and whether its arrows are out of the collector's sight.
    node: u32,
    sum: u64,
    mark: u8,
    failed: Option<Stopped>,
}

impl<'a> Walk<'a> {
    pub fn new(
        layout: &'static Layout,
        kinds: Kinds,
        shadow: Option<&'a Shadow>,
        named: Vec<usize>,
    ) -> Result<Self, Stopped> {
        Ok(Self {
            layout,
            network: Network::new()?,
            objects: Column::new()?,
            bytes: Column::new()?,
            references: Column::new()?,
            marks: Column::new()?,
            kinds,
            index: Index::new()?,
            entries: Vec::new(),
            frames: Vec::new(),
            shared: Vec::new(),
            unseen: HashMap::new(),
            pending: Column::new()?,
            named,
            shadow,
            node: 0,
            sum: 0,
            mark: 0,
            failed: None,
        })
    }

    /// Frames come first: their nodes are the first ones.
    pub fn begin_with(&mut self, frames: Vec<Frame>) -> Result<(), Stopped> {
        for at in 0..frames.len() {
            self.objects.push(at << 3 | FRAME)?;
        }
        self.frames = frames;
        Ok(())
    }

    /// An object that the walk is to begin from, once.
    ///
    /// # Errors
    /// No memory.
    pub fn seed(&mut self, object: usize) -> Result<(), Stopped> {
        self.node_of(object, OBJECT).map(|_| ())
    }

    /// The node of an object, new or known.
    #[inline(always)]
    fn node_of(&mut self, address: usize, tag: usize) -> Result<u32, Stopped> {
        let word = self.index.word(address)?;
        if *word == 0 {
            self.objects.push(address | tag)?;
            *word = self.objects.len() as u32;
        }
        Ok(*word - 1)
    }

    #[inline(always)]
    fn lead_to(&mut self, address: usize, tag: usize) -> bool {
        let led = self
            .node_of(address, tag)
            .and_then(|node| Ok(self.network.lead_to(node)?));
        match led {
            Ok(()) => true,
            Err(stopped) => {
                self.failed = Some(stopped);
                false
            }
        }
    }

    /// Reads everything that can be reached from the seeds.
    ///
    /// # Safety
    /// With the interpreter's lock; all that was seeded lives.
    pub unsafe fn run(&mut self, watch: &mut Watch) -> Result<(), Stopped> {
        let mut at = 0;
        while at < self.objects.len() {
            watch.step()?;
            if let Some(ahead) = self.objects.get(at + 6) {
                prefetch(*ahead & !TAGS);
            }
            self.network.begin()?;
            (self.node, self.sum, self.mark) = (at as u32, 0, 0);
            let object = self.objects[at];
            // SAFETY: objects of live objects live, as nothing runs that could end them.
            let references = unsafe {
                match object & TAGS {
                    OBJECT => self.read_object(object),
                    KEYS => self.read_keys(object & !TAGS),
                    ENTRY => self.read_entry(self.entries[object >> 3]),
                    FRAME => self.read_frame(object >> 3),
                    SHARED => self.read_shared(self.shared[object >> 3]),
                    tag => self.read_counted(object & !TAGS, tag),
                }
            };
            if let Some(stopped) = self.failed.take() {
                return Err(stopped);
            }
            self.bytes.push(self.sum)?;
            self.references.push(references)?;
            self.marks.push(self.mark)?;
            at += 1;
        }
        Ok(())
    }

    unsafe fn read_object(&mut self, object: usize) -> u32 {
        // SAFETY: the caller's promise.
        unsafe {
            let kind = self.kinds.of(object);
            self.mark = kind.marks;
            self.block(object - kind.before);
            if kind.adapter == Adapter::Dict && self.named.contains(&object) {
                self.read_named(object);
            } else {
                if let Some(traverse) = kind.traverse
                    && kind.is_gc(object)
                {
                    let this: *mut Self = self;
                    traverse(object as *mut ffi::PyObject, visit, this.cast());
                }
                self.read_unseen(&kind, object);
            }
            let count = references(self.layout, object);
            // Most objects are neither: what is known of torch is asked for these two alone.
            match kind.adapter {
                Adapter::Tensor | Adapter::Storage => tensors::known().map_or(count, |tensors| {
                    tensors.references(kind.adapter, object, count)
                }),
                _ => count,
            }
        }
    }

    /// Adds what the collector is not told of.
    #[inline(always)]
    unsafe fn read_unseen(&mut self, kind: &Kind, object: usize) {
        let before = self.network.arrows().len();
        let layout = self.layout;
        // SAFETY: the caller's promise.
        unsafe { owned(layout, kind, object, self) };
        if kind.matters() && self.network.arrows().len() > before {
            let own = before - (self.network.arrows().len() - self.network.of(self.node).len());
            self.unseen.insert(self.node, own as u32);
        }
    }

    /// A dict whose entries are nodes.
    unsafe fn read_named(&mut self, object: usize) {
        let layout = self.layout;
        let dict = self.node;
        let mut found = Vec::new();
        // SAFETY: a live dict.
        unsafe {
            each_entry(layout, object, |key, value| {
                found.push(Entry { dict, key, value });
            });
            owned(
                layout,
                &self.kinds.of(object),
                object,
                &mut OnlyBlocks(self),
            );
        }
        for entry in found {
            let tagged = self.entries.len() << 3 | ENTRY;
            self.entries.push(entry);
            let node = self.objects.len() as u32;
            let led = (self.objects.push(tagged)).and_then(|()| self.network.lead_to(node));
            self.failed = self.failed.take().or(led.err().map(Stopped::from));
        }
    }

    fn read_entry(&mut self, entry: Entry) -> u32 {
        self.mark = marks::ENTRY;
        self.object(entry.key);
        self.object(entry.value);
        1
    }

    unsafe fn read_keys(&mut self, keys: usize) -> u32 {
        self.block(keys);
        // SAFETY: a table lives as long as one of its dicts or its class.
        unsafe {
            found_keys(keys, self);
            references(self.layout, keys)
        }
    }

    unsafe fn read_counted(&mut self, inside: usize, tag: usize) -> u32 {
        // SAFETY: it lives as long as who led here; only a torch that is known leads here.
        unsafe {
            tensors::found_in(inside, tag, self);
            tensors::holders(inside)
        }
    }

    unsafe fn read_shared(&mut self, shared: Shared) -> u32 {
        // SAFETY: as above; only a pyarrow that is known leads here.
        unsafe {
            pyarrow::found_in(shared, self);
            pyarrow::holders(shared)
        }
    }

    unsafe fn read_frame(&mut self, at: usize) -> u32 {
        let (frame, layout) = (self.frames[at].address, self.layout);
        // SAFETY: the frame runs, or waits for one that does.
        unsafe { owned_by_frame(layout, frame, |object| self.object(object)) };
        1
    }

    /// An object's own bytes where the books do not know it, about.
    ///
    /// # Safety
    /// As `run`.
    pub unsafe fn about(&mut self, node: u32) -> usize {
        let object = self.objects[node as usize];
        if object & TAGS != OBJECT {
            return 0;
        }
        // SAFETY: the caller's promise.
        unsafe {
            let kind = self.kinds.of(object);
            about(self.layout, &kind, object)
        }
    }

    /// The books are asked for this of the node.
    fn ask_later(&mut self, address: usize) {
        let pending = self.pending.push((self.node, address));
        self.failed = self.failed.take().or(pending.err().map(Stopped::from));
    }
}

impl Found for Walk<'_> {
    #[inline(always)]
    fn block(&mut self, address: usize) {
        if address == 0 {
            return;
        }
        match self.shadow.and_then(|shadow| shadow.look(address)) {
            Some(entry) => self.sum += entry.size(),
            None => self.ask_later(address),
        }
    }

    fn pages(&mut self, address: usize) {
        self.ask_later(address | PAGES);
    }

    #[inline(always)]
    fn object(&mut self, address: usize) {
        if address != 0 {
            self.lead_to(address, OBJECT);
        }
    }

    fn keys(&mut self, address: usize) {
        self.lead_to(address, KEYS);
    }

    fn counted(&mut self, address: usize, tag: usize) {
        if address == 0 {
            return;
        }
        // torch tells the collector of some of these: what a view is of, mostly.
        let known = self.index.find(address);
        if !known.is_some_and(|node| self.network.of(self.node).contains(&node)) {
            self.lead_to(address, tag);
        }
    }

    fn shared(&mut self, shared: Shared) {
        let led = (|| {
            let word = self.index.word(shared.control)?;
            if *word == 0 {
                self.objects.push(self.shared.len() << 3 | SHARED)?;
                self.shared.push(shared);
                *word = self.objects.len() as u32;
            }
            self.network.lead_to(*word - 1)
        })();
        self.failed = self.failed.take().or(led.err().map(Stopped::from));
    }
}

/// Leaves out what a named dict's entries lead to themselves.
struct OnlyBlocks<'a, 'b>(&'a mut Walk<'b>);

impl Found for OnlyBlocks<'_, '_> {
    fn block(&mut self, address: usize) {
        self.0.block(address);
    }

    fn pages(&mut self, address: usize) {
        self.0.pages(address);
    }

    fn keys(&mut self, address: usize) {
        self.0.keys(address);
    }
}

unsafe extern "C" fn visit(object: *mut ffi::PyObject, walk: *mut c_void) -> c_int {
    // SAFETY: `read_object` handed itself over, and waits.
    let walk = unsafe { &mut *walk.cast::<Walk>() };
    c_int::from(!walk.lead_to(object as usize, OBJECT))
}

#[inline(always)]
fn prefetch(address: usize) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint; any address will do.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(
            (address as *const i8).wrapping_sub(0),
        );
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
