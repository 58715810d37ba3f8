//! All objects at one moment: the walk's nodes and arrows, with what the books say of their bytes, and the roots. Good for as
//! long as no Python runs: names are read from the objects themselves.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use pyo3::ffi;
use pyo3::prelude::*;

use crate::graph::columns::Bits;
use crate::graph::reach::reach;
use crate::graph::{Column, Network, Stopped, Watch};
use crate::heap::shadow::Shadow;
use crate::hooks::control;

use super::frames::{Frame, running};
use super::kinds::{Kind, Kinds, marks, special};
use super::layout::{IMMORTAL, Layout};
use super::listed::Listed;
use super::places::Places;
use super::pyarrow::{self, Shared};
use super::walk::{ENTRY, Entry, FRAME, OBJECT, PAGES, SHARED, TAGS, Walk};

pub struct Picture {
    pub layout: &'static Layout,
    pub network: Network,
    pub objects: Column<usize>,
    pub bytes: Column<u64>,
    /// What is remembered of each node.
    pub marks: Column<u8>,
    /// What is from before tracing, about.
    pub older: Column<(u32, u32)>,
    /// What is in a pool of pyarrow's, which the books see as a whole.
    pub pooled: Column<(u32, usize)>,
    pub kinds: Kinds,
    pub entries: Vec<Entry>,
    pub frames: Vec<Frame>,
    pub shared: Vec<Shared>,
    pub unseen: HashMap<u32, u32>,
    /// What holds everything that is held.
    pub roots: Column<u32>,
    /// What only this call holds.
    ours: Vec<u32>,
    /// The nodes that were asked for.
    pub wanted: Vec<u32>,
    /// Nodes of the named places, in their order.
    pub places: Vec<u32>,
    /// The node of `sys.modules`.
    pub imported: Option<u32>,
}

/// What the caller hands over: borrowed by its frame's stack, so each is held once more than anybody can see.
pub struct Asked<'a> {
    pub layout: &'static Layout,
    pub places: &'a Places,
    /// Objects to find the nodes of.
    pub wanted: &'a [usize],
    /// Arguments of the call.
    pub arguments: &'a [usize],
    /// What the files of our own package begin with.
    pub own: &'a str,
}

impl Picture {
    /// Reads everything there is.
    pub fn take(py: Python<'_>, asked: &Asked, watch: &mut Watch) -> PyResult<Self> {
        let layout = asked.layout;
        let listed = Listed::new(py, layout)?;
        // SAFETY: with the lock, not within itself.
        let shadow = unsafe { control::with(|tracer| &raw const *tracer.books.shadow()) };
        // SAFETY: the table is the tracer's, which stays for the life of the process; entries of live objects are not
        // written meanwhile.
        let shadow: Option<&Shadow> = shadow.map(|shadow| unsafe { &*shadow });
        let kinds = Kinds::new(layout, special());
        let taken = (|| {
            let mut walk = Walk::new(layout, kinds, shadow, asked.places.dicts())?;
            // SAFETY: called from a Python function's frame, with the lock.
            unsafe {
                walk.begin_with(running(layout, asked.own))?;
                let first = walk.objects.len();
                listed.each(&mut |object| walk.seed(object))?;
                let seeds = first..walk.objects.len();
                for object in (asked.wanted.iter()).chain(&asked.places.containers) {
                    walk.seed(*object)?;
                }
                walk.run(watch)?;
                Self::of(py, walk, asked, listed.counts(seeds))
            }
        })();
        taken.map_err(|stopped: Stopped| super::raised(py, &stopped))
    }

    unsafe fn of(
        py: Python<'_>,
        mut walk: Walk,
        asked: &Asked,
        counted: Range<usize>,
    ) -> Result<Self, Stopped> {
        // SAFETY: the caller's promise.
        let (older, pooled) = unsafe { look_up(py, &mut walk)? };
        let mut find = |address: &usize| walk.index.find(*address);
        let wanted = asked.wanted.iter().map(|at| find(at).unwrap_or(0));
        let wanted: Vec<u32> = wanted.collect();
        let places = asked.places.containers.iter().filter_map(&mut find);
        let places: Vec<u32> = places.collect();
        // SAFETY: with the lock; the dict is borrowed and lives as long as the interpreter.
        let imported = unsafe { ffi::PyImport_GetModuleDict() } as usize;
        let imported = find(&imported);
        let arguments: Vec<u32> = asked.arguments.iter().filter_map(find).collect();
        let roots = roots(&mut walk, &arguments, counted)?;
        let ours = (0..walk.frames.len() as u32).filter(|at| walk.frames[*at as usize].ours);
        let ours = ours.chain(arguments).collect();
        Ok(Self {
            layout: walk.layout,
            network: walk.network,
            objects: walk.objects,
            bytes: walk.bytes,
            marks: walk.marks,
            older,
            pooled,
            kinds: walk.kinds,
            entries: walk.entries,
            frames: walk.frames,
            shared: walk.shared,
            unseen: walk.unseen,
            roots,
            ours,
            wanted,
            places,
            imported,
        })
    }

    pub fn tag(&self, node: u32) -> usize {
        self.objects[node as usize] & TAGS
    }

    /// The address of an object's node.
    pub fn object(&self, node: u32) -> Option<usize> {
        let object = self.objects[node as usize];
        (object & TAGS == OBJECT).then_some(object)
    }

    pub fn is(&self, node: u32, mark: u8) -> bool {
        self.marks[node as usize] & mark != 0
    }

    /// Whether a node is what people call an object.
    pub fn is_object(&self, node: u32) -> bool {
        self.is(node, marks::OBJECT)
    }

    pub fn entry(&self, node: u32) -> Option<&Entry> {
        let object = self.objects[node as usize];
        (object & TAGS == ENTRY).then(|| &self.entries[object >> 3])
    }

    pub fn frame(&self, node: u32) -> Option<&Frame> {
        let object = self.objects[node as usize];
        (object & TAGS == FRAME).then(|| &self.frames[object >> 3])
    }

    /// The nodes of all entries of named dicts.
    pub fn entry_nodes(&self) -> impl Iterator<Item = u32> {
        let dicts = self.entries.iter().map(|entry| entry.dict);
        let dicts: HashSet<u32> = dicts.collect();
        let arrows = dicts.into_iter().flat_map(|dict| self.network.of(dict));
        let mut nodes: Vec<u32> = arrows
            .copied()
            .filter(|node| self.tag(*node) == ENTRY)
            .collect();
        nodes.sort_unstable();
        nodes.into_iter()
    }

    /// The object of pyarrow's C++ that a node is.
    pub fn shared(&self, node: u32) -> Option<Shared> {
        let object = self.objects[node as usize];
        (object & TAGS == SHARED).then(|| self.shared[object >> 3])
    }

    pub fn kind(&mut self, node: u32) -> Option<Kind> {
        let object = self.object(node)?;
        // SAFETY: no Python ran since the walk, so the object lives.
        Some(unsafe { self.kinds.of(object) })
    }

    /// Whether what a node's object does as it dies is code of somebody's.
    pub fn has_finalizer(&self, node: u32) -> bool {
        self.is(node, marks::FINALIZER)
    }

    /// What no root holds: what the next collection finds.
    pub fn garbage(&self, held: &Bits, watch: &mut Watch) -> Result<Bits, Stopped> {
        let mut known = Bits::new(self.network.len())?;
        reach(
            &self.network,
            self.ours.iter().copied(),
            &mut known,
            |_, to| held.has(to),
            watch,
        )?;
        let mut garbage = Bits::new(self.network.len())?;
        for node in 0..self.network.len() as u32 {
            if !held.has(node) && !known.has(node) {
                garbage.set(node);
            }
        }
        Ok(garbage)
    }

    /// What the roots hold, where arrows that `cut` names are not there.
    pub fn held(&self, cut: impl Fn(u32, u32) -> bool, watch: &mut Watch) -> Result<Bits, Stopped> {
        let mut held = Bits::new(self.network.len())?;
        let roots = self.roots.iter().copied();
        reach(&self.network, roots, &mut held, cut, watch)?;
        Ok(held)
    }
}

/// Bytes by node that are not in the books: what is older than tracing, about, and what is in a pool.
type Beside = (Column<(u32, u32)>, Column<(u32, usize)>);

/// Asks the books for what the shadow does not have.
unsafe fn look_up(py: Python<'_>, walk: &mut Walk) -> Result<Beside, Stopped> {
    let pending = std::mem::replace(&mut walk.pending, Column::new()?);
    let mut unknown: Column<(u32, usize)> = Column::new()?;
    let bytes = &mut walk.bytes;
    let asked = crate::py::tracer::with(py, |tracer| {
        for (node, address) in pending.iter() {
            let known = match address & PAGES {
                0 => tracer.books.block_at(*address),
                _ => tracer.books.mapping_at(*address & !PAGES),
            };
            match known {
                Some((_, size)) => bytes[*node as usize] += size,
                None => unknown.push((*node, *address))?,
            }
        }
        Ok::<_, Stopped>(())
    });
    let unknown = match asked {
        Ok(looked) => looked.map(|()| unknown)?,
        Err(_) => pending,
    };
    let (mut older, mut pooled) = (Column::new()?, Column::new()?);
    for (node, address) in unknown.iter() {
        let object = walk.objects[*node as usize];
        if object & TAGS == SHARED {
            // SAFETY: the caller's promise.
            let in_pool = unsafe { pyarrow::in_pool(walk.shared[object >> 3]) };
            if let Some((_, size)) = in_pool.filter(|(data, _)| data == address) {
                pooled.push((*node, size))?;
            }
            continue;
        }
        let is_own = object & TAGS == OBJECT && object.wrapping_sub(*address) <= 32;
        if is_own && walk.references[*node as usize] != IMMORTAL {
            // SAFETY: the caller's promise.
            let about = unsafe { walk.about(*node) };
            older.push((*node, u32::try_from(about).unwrap_or(u32::MAX)))?;
        }
    }
    Ok((older, pooled))
}

/// Nodes that are referred to more often than anybody can see.
fn roots(
    walk: &mut Walk,
    arguments: &[u32],
    counted: Range<usize>,
) -> Result<Column<u32>, Stopped> {
    let references = &mut walk.references;
    let mut see = |node: u32| {
        let left = &mut references[node as usize];
        if *left != IMMORTAL {
            *left = left.saturating_sub(1);
        }
    };
    walk.network.arrows().iter().for_each(|to| see(*to));
    arguments.iter().for_each(|node| see(*node));
    counted.for_each(|node| see(node as u32));
    for (at, frame) in walk.frames.iter().enumerate() {
        references[at] = u32::from(!frame.ours);
    }
    let mut roots = Column::new()?;
    for (node, left) in references.iter().enumerate() {
        if *left > 0 {
            roots.push(node as u32)?;
        }
    }
    Ok(roots)
}
