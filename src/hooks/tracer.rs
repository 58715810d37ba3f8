//! What the hooks share: the books, and who runs now.

use std::cell::UnsafeCell;
use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::mem::MaybeUninit;

use crate::heap::aside::AddressHasher;
use crate::heap::books::Books;
use crate::heap::cells::{CellId, Record};
use crate::heap::sites::SiteId;
use crate::heap::sources::ObjectId;

use super::caches::caches;
use super::chain::{Chain, Step};
use super::layout::{Layout, word};
use super::python::{Api, Object};
use super::stamps::{OWN, Stamps};
use super::starters;
use super::thread_state::is_mains;
use super::turn::{self, Turn};

/// No thread state has this id.
const NOBODY: usize = usize::MAX;
/// By an id or an address.
pub(super) type Map<K, V> = HashMap<K, V, BuildHasherDefault<AddressHasher>>;

pub struct Tracer {
    /// The thread state, by its id, that the fields below hold for; `NOBODY` sends the next event the slow way.
    thread: usize,
    /// Its context's version.
    version: usize,
    /// What cache entries of the cell carry.
    pub stamp: u32,
    /// What entries on libraries' instructions carry, which are the same for every cell; but our own API knows none.
    pub libraries: u32,
    pub cell: CellId,
    pub books: Books,
    /// The running thread was started by a cell: its blocks are the cell's even with no notebook frame.
    pub started: bool,
    /// The running thread is inside our own API.
    pub in_own: bool,
    /// A cell runs in this context, or has started this thread.
    pub in_cell: bool,
    /// The library frames of the last walk.
    pub(super) chain: Chain,
    /// Frames of a walk under way.
    pub(super) way: Vec<Step>,
    /// The site of deep library recursion, and the stamp that it is for.
    pub(super) deep: (u32, SiteId),
    /// Record nothing: stopped, or a forked child.
    pub muted: bool,
    stamps: Stamps,
    /// What entries on owners carry.
    pub voided: u32,
    /// The books' generation that the caches are of.
    generation: u64,
    /// The ContextVar that says which cell runs.
    pub variable: Object,
    /// Another interpreter was seen.
    pub others: bool,
    pub main_thread: u64,
    /// Cells of threads by the thread state's id.
    threads: Map<u64, CellId>,
    /// What a thread state's id was turned to last, when its thread held the interpreter's lock: the cell, and whether the
    /// thread is the cell's own.
    turned: Map<u64, (CellId, bool)>,
    /// Loaded objects by the addresses of their code, sorted.
    pub objects: Vec<(usize, usize, ObjectId)>,
    /// Threads with ids up to this are older than the cell that began last, and than tracing.
    pub older: u64,
    /// Threads inside our own API, by the thread state's id.
    own: Vec<u64>,
    pub notebook_files: Vec<String>,
    /// Code of our own API, but for what begins so and is also under everything: the kernel itself.
    pub own_files: Vec<String>,
    pub kernel_files: Vec<String>,
}

struct Place(UnsafeCell<MaybeUninit<Tracer>>);

// SAFETY: the tracer is reached in a turn at the books only.
unsafe impl Sync for Place {}

static TRACER: Place = Place(UnsafeCell::new(MaybeUninit::uninit()));

/// The tracer of this process.
///
/// # Safety
/// `place` must have run, and it must be the caller's turn at the books.
#[inline(always)]
pub unsafe fn tracer() -> *mut Tracer {
    TRACER.0.get().cast()
}

/// Puts the tracer in its place, once.
///
/// # Safety
/// Under the interpreter's lock, before any hook is set.
pub unsafe fn place(tracer: Tracer) {
    // SAFETY: the caller's promise: nobody reads yet.
    unsafe { (*TRACER.0.get()).write(tracer) };
}

/// Does something in a turn, once it is known who runs; nothing where that is not to be counted.
///
/// # Safety
/// As `turn_to`, the tracer in place, not in a turn.
#[inline(always)]
pub unsafe fn in_turn<L: Layout>(thread: *mut u8, holds: bool, work: impl FnOnce(&mut Tracer)) {
    // SAFETY: the caller's promise, and it is our turn.
    unsafe {
        let mains = is_mains(thread);
        let _turn = Turn::of(mains && holds);
        let tracer = &mut *tracer();
        // Ids are of one interpreter only.
        let known = mains && tracer.is_turned_to::<L>(thread);
        if known || tracer.turn_to::<L>(thread, holds) {
            if mains && holds {
                turn::let_be_quick(thread, !tracer.others);
            }
            work(tracer);
        }
    }
}

impl Tracer {
    pub fn new(books: Books, variable: Object) -> Self {
        Self {
            thread: NOBODY,
            version: 0,
            stamp: 0,
            libraries: OWN,
            cell: CellId(0),
            books,
            started: false,
            in_own: false,
            in_cell: false,
            chain: Chain::new(),
            way: Vec::new(),
            deep: (0, SiteId::default()),
            muted: true,
            stamps: Stamps::new(),
            voided: 1,
            generation: 0,
            variable,
            others: false,
            main_thread: 0,
            threads: Map::default(),
            turned: Map::default(),
            objects: Vec::new(),
            older: 0,
            own: Vec::new(),
            notebook_files: Vec::new(),
            own_files: Vec::new(),
            kernel_files: Vec::new(),
        }
    }

    /// Whether the fields hold for this thread, and nothing was set that needs the slow way.
    ///
    /// # Safety
    /// `thread` is the current thread state, of the interpreter that tracing began in.
    #[inline(always)]
    pub unsafe fn is_turned_to<L: Layout>(&self, thread: *const u8) -> bool {
        // SAFETY: the caller's promise. Ids and versions are never used again, unlike addresses.
        let (id, version) =
            unsafe { (word(thread, L::THREAD_ID), word(thread, L::CONTEXT_VERSION)) };
        id == self.thread && version == self.version
    }

    /// Sends the next event the slow way, so that it sees what changed.
    pub fn look_again(&mut self) {
        self.thread = NOBODY;
        turn::let_none_be_quick();
    }

    /// Finds out who runs. False: this event is not to be counted at all. Without the interpreter's lock the context cannot
    /// be asked: a thread is what it was when it had the lock.
    ///
    /// # Safety
    /// `thread` is the state of the current thread or null; with `holds`, its interpreter's lock is held.
    #[inline(never)]
    pub unsafe fn turn_to<L: Layout>(&mut self, thread: *mut u8, holds: bool) -> bool {
        self.look_again();
        if self.muted {
            return false;
        }
        // SAFETY: the caller's promise; ids are of one interpreter only.
        let id = unsafe { is_mains(thread).then(|| word(thread, L::THREAD_ID) as u64) };
        let (cell, started) = match id {
            // SAFETY: as above.
            Some(id) if holds => unsafe { self.cell_of(id) },
            Some(id) => self.lockless_cell(id),
            None if thread.is_null() && !holds => self.native_cell(),
            None => {
                self.others |= !thread.is_null();
                (self.books.between, false)
            }
        };
        (self.cell, self.started) = (cell, started);
        self.in_cell = (self.books.record(cell)).is_some_and(Record::is_cell);
        self.books.enter(cell);
        self.catch_up();
        self.in_own = id.is_some_and(|id| self.own.contains(&id));
        self.take_stamps();
        if let Some(id) = id {
            self.thread = id as usize;
            // SAFETY: as above.
            self.version = unsafe { word(thread, L::CONTEXT_VERSION) };
            if holds {
                self.turned.insert(id, (cell, started));
            }
        }
        true
    }

    fn lockless_cell(&mut self, id: u64) -> (CellId, bool) {
        match self.turned.get(&id) {
            Some((cell, started)) if self.books.is_running(*cell) || *started => (*cell, *started),
            _ if id == self.main_thread => (self.books.latest_running(), false),
            _ => self.own_cell(id),
        }
    }

    /// The cell that started this thread, which Python knows nothing of. A thread that was not seen to start is none of a
    /// cell's: it is older than tracing, or our own.
    fn native_cell(&self) -> (CellId, bool) {
        self.as_own(starters::of_this_thread().unwrap_or_default())
    }

    /// The object whose code `address` lies in.
    pub fn object(&self, address: usize) -> ObjectId {
        let after = self
            .objects
            .partition_point(|(start, ..)| *start <= address);
        match after.checked_sub(1).map(|at| self.objects[at]) {
            Some((_, end, id)) if address < end => id,
            _ => ObjectId::default(),
        }
    }

    /// Counts what libraries' own allocators use by now.
    pub fn look_at_reserves(&mut self) {
        if !self.muted && self.books.look_at_reserves() {
            self.catch_up();
            self.look_again();
        }
    }

    /// The cell that the thread's context names, else the one that started the thread, else the one that runs. And
    /// whether the thread is a cell's own.
    unsafe fn cell_of(&mut self, id: u64) -> (CellId, bool) {
        // SAFETY: the lock is held, as the caller promises.
        if let Some(cell) = unsafe { self.named_by_context() } {
            return (cell, false);
        }
        if id == self.main_thread {
            return (self.books.latest_running(), false);
        }
        self.own_cell(id)
    }

    /// The cell that started the running thread.
    fn own_cell(&mut self, id: u64) -> (CellId, bool) {
        let cell = match self.threads.get(&id) {
            Some(cell) => *cell,
            None => {
                let cell = self.starter_of(id);
                self.threads.insert(id, cell);
                cell
            }
        };
        self.as_own(cell)
    }

    fn as_own(&self, cell: CellId) -> (CellId, bool) {
        match self.books.record(cell) {
            Some(record) if record.is_cell() => (cell, true),
            _ => (self.books.between, false),
        }
    }

    /// The cell that the context names, if any.
    unsafe fn named_by_context(&self) -> Option<CellId> {
        let api = Api::get();
        let mut value = std::ptr::null_mut();
        // SAFETY: the variable is ours for good. PyContextVar_Get and PyLong_AsLong neither allocate nor run Python for
        // an int; the reference is not the last, as the context has one.
        unsafe {
            if api.context_var_get?(self.variable, std::ptr::null_mut(), &raw mut value) != 0
                || value.is_null()
            {
                return None;
            }
            let cell = api.long_as_long?(value);
            api.decrement?(value);
            Some(CellId(u32::try_from(cell).ok()?))
        }
    }

    /// The cell that started the thread. Where that was not seen it is the cell that runs, if it began before the thread
    /// was there: `Thread.start` waits.
    fn starter_of(&self, id: u64) -> CellId {
        match starters::of_this_thread() {
            Some(cell) => cell,
            None if id > self.older => self.books.latest_running(),
            None => self.books.between,
        }
    }

    /// Forgets threads that are gone.
    pub fn forget_threads(&mut self, alive: impl Fn(u64) -> bool) {
        self.threads.retain(|id, _| alive(*id));
        self.turned.retain(|id, _| alive(*id));
    }

    pub fn threads(&self) -> usize {
        self.threads.len().max(self.turned.len())
    }

    /// The thread enters our own API.
    pub fn enter_own(&mut self, thread: u64) {
        self.own.push(thread);
        self.look_again();
    }

    /// The thread leaves our own API.
    pub fn leave_own(&mut self, thread: u64) {
        if let Some(at) = self.own.iter().rposition(|own| *own == thread) {
            self.own.swap_remove(at);
        }
        // What our own API imports is not looked at.
        self.chain.doubt_imports();
        self.look_again();
    }

    /// Voids of the caches what may have come to mean another.
    pub fn catch_up(&mut self) {
        if self.generation != self.books.generation {
            self.void();
        } else if !self.books.died.is_empty() {
            self.forget_code();
        }
    }

    /// Voids the caches.
    pub fn void(&mut self) {
        self.generation = self.books.generation;
        self.books.died.clear();
        self.voided = self.stamps.next();
        self.void_instructions();
    }

    /// Code has died. Each module that is imported leaves some, and only what was remembered of that is void. With a
    /// notebook's, which each cell leaves, lines may come to mean others under any instruction; whose the rest is stays
    /// known, which takes longest to find out.
    fn forget_code(&mut self) {
        let mut libraries = true;
        for died in self.books.died.drain(..) {
            // SAFETY: the tracer is reached in a turn.
            libraries &= unsafe { caches() }.forget_code(died, self.voided);
            self.chain.forget_code(died.address);
        }
        if !libraries {
            self.chain.forget();
            self.void_instructions();
        }
    }

    /// An object was loaded: who asks a native layer may be another from there on.
    pub fn forget_callers(&mut self) {
        // SAFETY: the tracer is reached in a turn.
        unsafe { caches() }.forget_callers();
    }

    fn void_instructions(&mut self) {
        self.stamps.void();
        self.take_stamps();
    }

    fn take_stamps(&mut self) {
        (self.stamp, self.libraries) = match self.in_own {
            true => (OWN, OWN),
            false => (self.stamps.of(self.cell), self.stamps.libraries),
        };
    }
}
