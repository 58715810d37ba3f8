//! What the hooks share: the books, who runs now, and the caches from instruction to site.

use std::cell::UnsafeCell;
use std::collections::HashMap;
use std::collections::VecDeque;
use std::mem::MaybeUninit;
use std::ptr::null_mut;

use crate::heap::books::Books;
use crate::heap::cells::CellId;
use crate::heap::sites::SiteId;

use super::layout::{INTERPRETER, Layout, word};
use super::python::{Api, Object};

pub const LEAVES: usize = 1 << 12;
pub const PAIRS: usize = 1 << 12;
pub const KINDS: usize = 1 << 10;

/// The site of an instruction that runs notebook code; site zero: a library instruction, walk on.
#[derive(Clone, Copy, Default)]
pub struct Leaf {
    pub instruction: usize,
    pub cell: CellId,
    pub site: SiteId,
}

/// The site of a library instruction on behalf of a notebook instruction.
#[derive(Clone, Copy, Default)]
pub struct Pair {
    pub leaf: usize,
    pub line: usize,
    pub cell: CellId,
    pub site: SiteId,
}

/// Whose code an object is.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Owner {
    #[default]
    Library,
    Notebook,
    Cellheap,
}

pub struct Tracer {
    /// The thread state that the fields below hold for; null sends the next event the slow way.
    pub thread: *mut u8,
    /// Its context's version.
    pub version: usize,
    pub cell: CellId,
    /// It was started by a cell: its blocks are the cell's even with no notebook frame.
    pub started: bool,
    pub books: Books,
    pub leaves: Box<[Leaf; LEAVES]>,
    pub pairs: Box<[Pair; PAIRS]>,
    pub owners: Box<[(usize, Owner); KINDS]>,
    /// A slow path runs: what it allocates is not ours to count.
    pub busy: bool,
    /// Record nothing: stopped, or a forked child.
    pub muted: bool,
    /// The running thread is inside our own API.
    pub in_own: bool,
    /// Threads inside our own API.
    pub own: Vec<*mut u8>,
    /// The ContextVar that says which cell runs.
    pub variable: Object,
    pub main_interpreter: *mut u8,
    pub main_thread: u64,
    /// Cells of threads by the thread state's id; and threads announced by an audit event, not yet seen.
    pub threads: HashMap<u64, CellId>,
    pub starting: VecDeque<CellId>,
    pub notebook_files: Vec<String>,
    pub own_files: Vec<String>,
    pub swept: u64,
}

struct Place(UnsafeCell<MaybeUninit<Tracer>>);

// SAFETY: the tracer is reached under the interpreter's lock only, or under `allocators`' lock.
unsafe impl Sync for Place {}

static TRACER: Place = Place(UnsafeCell::new(MaybeUninit::uninit()));

/// The tracer of this process.
///
/// # Safety
/// `install` must have run, and the caller must hold the interpreter's lock.
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

impl Tracer {
    pub fn new(books: Books, variable: Object) -> Self {
        Self {
            thread: null_mut(),
            version: 0,
            cell: CellId(0),
            started: false,
            books,
            leaves: Box::new([Leaf::default(); LEAVES]),
            pairs: Box::new([Pair::default(); PAIRS]),
            owners: Box::new([(0, Owner::Library); KINDS]),
            busy: false,
            muted: true,
            in_own: false,
            own: Vec::new(),
            variable,
            main_interpreter: null_mut(),
            main_thread: 0,
            threads: HashMap::new(),
            starting: VecDeque::new(),
            notebook_files: Vec::new(),
            own_files: Vec::new(),
            swept: 0,
        }
    }

    /// Voids the caches: sites or code objects are gone.
    pub fn flush(&mut self) {
        self.leaves.fill(Leaf::default());
        self.pairs.fill(Pair::default());
        self.owners.fill((0, Owner::Library));
        self.swept = self.books.swept;
    }

    /// Sends the next event the slow way, so that it sees what changed.
    pub fn look_again(&mut self) {
        self.thread = null_mut();
    }

    /// Finds out who runs. False: this event is not to be counted at all.
    ///
    /// # Safety
    /// `thread` is the current thread state or null; the interpreter's lock is held.
    #[cold]
    #[inline(never)]
    pub unsafe fn turn_to<L: Layout>(&mut self, thread: *mut u8) -> bool {
        self.thread = null_mut();
        if self.busy || self.muted {
            return false;
        }
        if thread.is_null() {
            self.cell = self.books.between;
            self.started = false;
            self.in_own = false;
            self.books.enter(self.cell);
            return true;
        }
        self.busy = true;
        // SAFETY: the caller's promise.
        let cell = unsafe { self.cell_of::<L>(thread) };
        self.busy = false;
        self.cell = cell;
        self.books.enter(cell);
        self.in_own = self.own.contains(&thread);
        if !self.in_own {
            self.thread = thread;
            // SAFETY: as above.
            self.version = unsafe { word(thread, L::CONTEXT_VERSION) };
        }
        true
    }

    /// The cell that the thread's context names, else the one that started the thread, else the stretch between cells.
    unsafe fn cell_of<L: Layout>(&mut self, thread: *mut u8) -> CellId {
        // SAFETY: `thread` is a live thread state.
        let (id, interpreter) =
            unsafe { (word(thread, L::THREAD_ID) as u64, word(thread, INTERPRETER)) };
        self.started = false;
        if interpreter != self.main_interpreter as usize {
            return self.books.between;
        }
        // SAFETY: the variable is ours and immortal to us; a lookup runs no Python.
        if let Some(cell) = unsafe { self.named_by_context() } {
            return cell;
        }
        if id == self.main_thread {
            return self.books.between;
        }
        let cell = match self.threads.get(&id) {
            Some(cell) => *cell,
            None => {
                // Before 3.12 threads are not announced. `Thread.start` waits for its thread, so the cell still runs.
                let cell = self
                    .starting
                    .pop_front()
                    .unwrap_or_else(|| self.books.latest_running());
                self.threads.insert(id, cell);
                cell
            }
        };
        self.started = self
            .books
            .record(cell)
            .is_some_and(|record| record.is_cell());
        if self.started {
            cell
        } else {
            self.books.between
        }
    }

    unsafe fn named_by_context(&self) -> Option<CellId> {
        let api = Api::get();
        let mut value = null_mut();
        // SAFETY: PyContextVar_Get and PyLong_AsLong neither allocate nor run Python for an int.
        unsafe {
            if api.context_var_get?(self.variable, null_mut(), &raw mut value) != 0 {
                api.error_clear?();
                return None;
            }
            if value.is_null() {
                return None;
            }
            let cell = api.long_as_long?(value);
            api.decrement?(value);
            Some(CellId(u32::try_from(cell).ok()?))
        }
    }
}
