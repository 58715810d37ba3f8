//! What the books say, as plain data. Tracer, charts and Python meet here and nowhere else.
//! Serialised, these types are `application/vnd.cellheap.v1+json`. All sizes are exact bytes, all times seconds.

use serde::{Deserialize, Serialize};

use super::paths::PathId;
use super::sites::SIZES;

pub use super::moments::{History, Layer, Moment};

/// One cell (or one stretch between cells), as a row of `%memtrace`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cell {
    /// Our own id: unique in a process, grows with time.
    pub id: u32,
    /// The execution count; `None` for code between cells.
    pub number: Option<u32>,
    /// How the cell is named in output: `In[5]`, `(after 5)`, `(before cells)`.
    pub label: String,
    pub state: State,
    /// Stands for what was run: the same number for runs of the same code, 0 where it is not known.
    pub code: u64,
    /// When it began, in seconds since the epoch.
    pub started: f64,
    /// How long it ran, in seconds.
    pub seconds: f64,
    /// Bytes requested while it ran.
    pub allocated: u64,
    /// Bytes given back while it ran, whoever allocated them.
    pub freed: u64,
    /// `allocated - freed`.
    pub net: i64,
    /// The most that was live during the cell above its start.
    pub peak: u64,
    /// The notebook's live bytes as it began.
    pub live_start: u64,
    /// Bytes that it allocated and that are still live now: what it is the origin of.
    pub live: u64,
    /// Bytes that it allocated and that were live when it ended.
    pub live_at_end: u64,
    /// Bytes allocated and freed within the cell.
    pub temporary: u64,
    /// Blocks requested while it ran.
    pub blocks: u64,
    /// Of those, how many are still live now.
    pub live_blocks: u64,
    /// Blocks made meanwhile with no notebook frame on the stack, a row of their own and in none of the above.
    pub machinery: Flow,
    /// Blocks made meanwhile under our own API, in none of the above either.
    pub cellheap: Flow,
    /// Resident set size of the process at its start and end, bytes.
    pub rss_start: Option<u64>,
    pub rss_end: Option<u64>,
    /// The resident set's high-water mark while it ran, *about* (the kernel batches its counters).
    pub rss_peak: Option<u64>,
    /// Descriptors (files, sockets, pipes) that the process had open at its start and end, as `descriptors::open_files` counts.
    pub open_files_start: Option<u64>,
    pub open_files_end: Option<u64>,
    pub minor_faults: u64,
    pub major_faults: u64,
    /// Collections run meanwhile, by generation.
    pub collections: [u64; 3],
    /// False where the tracer was off for part of the cell: its numbers are missing, not zero.
    pub traced: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Running,
    #[default]
    Done,
    Failed,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Flow {
    pub allocated: u64,
    pub freed: u64,
}

/// The notebook so far: `%memtrace`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Overview {
    pub cells: Vec<Cell>,
    pub history: History,
    /// All live bytes of traced blocks: notebook, machinery and cellheap.
    pub live: u64,
    pub live_machinery: u64,
    pub live_cellheap: u64,
    pub process: Process,
    /// What the reader must know to read the numbers right, one sentence each.
    pub notes: Vec<String>,
}

/// One cell in full: `%memtrace N`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CellReport {
    pub cell: Cell,
    /// Its blocks by allocator and library, biggest first.
    pub shares: Vec<Share>,
    pub lines: Vec<Line>,
    /// Those of the ways to library functions, each once.
    pub frames: Vec<Frame>,
    pub timeline: Vec<Point>,
    pub notes: Vec<String>,
}

/// One line of notebook code in one cell. The line is where the code is; the cell is the one that ran.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Line {
    /// `co_filename` of the code.
    pub file: String,
    pub line: u32,
    /// `co_qualname` of the code.
    pub function: String,
    pub allocated: u64,
    /// Of its blocks, the bytes live at the cell's high-water mark.
    pub peak: u64,
    /// Of its blocks, the bytes given back so far.
    pub returned: u64,
    pub live: u64,
    /// Of its blocks, the bytes given back while the cell ran.
    pub temporary: u64,
    pub blocks: u64,
    pub live_blocks: u64,
    /// Its blocks by size: fewer than 8 B, 64 B, 512 B, 4 KiB, 32 KiB, 256 KiB, 2 MiB, and the larger ones.
    pub sizes: [u64; SIZES],
    /// Its blocks by allocator and library, biggest first.
    pub shares: Vec<Share>,
    /// The functions that really asked, where the line called into a library; biggest first.
    pub library: Vec<Line>,
    /// How many of them are left out, where only the biggest were asked for, and one row that is the sum of these.
    pub left_out: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<Line>,
    /// Of a library function: how the line first came to it, without the line and with the function. Numbers of the report's
    /// frames. What is drawn of a report has no use for it, and a result's own JSON has the frames in place.
    #[serde(skip_deserializing)]
    pub path: Vec<u32>,
    /// That way, before it is told by frames.
    #[serde(skip)]
    pub way: PathId,
}

/// What came from one allocator, asked by the code of one shared object.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Share {
    /// `pymalloc`, `malloc` or `mmap`.
    pub allocator: String,
    /// The file of the shared object; empty for Python itself.
    pub object: String,
    pub allocated: u64,
    pub peak: u64,
    pub live: u64,
    pub temporary: u64,
    pub blocks: u64,
    pub live_blocks: u64,
}

/// A function on a stack, at the line where it stood.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Frame {
    pub file: String,
    pub line: u32,
    pub function: String,
}

/// Memory by where it was asked for: `%memtrace flame`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stacks {
    /// The cell; empty for the whole notebook.
    pub label: String,
    /// Each once; stacks name them by their place here.
    pub frames: Vec<Frame>,
    pub stacks: Vec<Stack>,
    pub notes: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stack {
    /// The cell that was running: `In[5]`.
    pub origin: String,
    /// From the notebook's line to the function that asked, by their places in `Stacks::frames`.
    pub frames: Vec<u32>,
    pub allocator: String,
    pub object: String,
    pub allocated: u64,
    pub peak: u64,
    pub live: u64,
    pub blocks: u64,
}

/// What was measured between two moments: `cellheap.trace()`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Span {
    pub seconds: f64,
    pub allocated: u64,
    pub freed: u64,
    pub net: i64,
    /// The most that was live above the beginning.
    pub peak: u64,
    pub blocks: u64,
    /// The lines that changed, biggest first. Their parts of the peak add up to it.
    pub lines: Vec<Change>,
    /// False where the tracer was off for part of it: the numbers are missing, not zero.
    pub traced: bool,
    pub notes: Vec<String>,
}

/// A line's part in a span.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Change {
    pub file: String,
    pub line: u32,
    pub function: String,
    pub allocated: u64,
    /// Bytes of its blocks given back meanwhile, older blocks too.
    pub returned: u64,
    pub net: i64,
    /// Its live bytes at the peak above those at the beginning: below zero where older blocks went.
    pub peak: i64,
    pub blocks: u64,
    /// The functions that really asked, where the line called into a library; biggest first.
    pub library: Vec<Change>,
}

/// What changed in live memory from the end of one cell to the end of another: `%memtrace 3 7`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Diff {
    /// How the two cells are named.
    pub from: String,
    pub to: String,
    /// The second cell has not ended: up to now.
    pub to_now: bool,
    pub net: i64,
    pub blocks: i64,
    /// By the cell that allocated, what grew most first.
    pub origins: Vec<GrownOrigin>,
    pub notes: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GrownOrigin {
    /// Our own id of the cell; none for what is too small and too long ago to be told by cell.
    pub cell: Option<u32>,
    pub label: String,
    pub net: i64,
    pub blocks: i64,
    pub lines: Vec<Grown>,
}

/// By how much a line's live blocks became more; below zero where they became fewer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Grown {
    pub file: String,
    pub line: u32,
    pub function: String,
    pub net: i64,
    pub blocks: i64,
    pub library: Vec<Grown>,
}

/// One sample of a cell's timeline.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Point {
    /// Seconds since the cell began.
    pub at: f64,
    /// Live bytes above the cell's start; below zero where it freed more than it made.
    pub live: i64,
    pub rss: u64,
}

/// What is alive now: `%memtrace live`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Live {
    pub live: u64,
    pub blocks: u64,
    /// By allocator and library, biggest first: the notebook's blocks.
    pub shares: Vec<Share>,
    /// By the cell each block was allocated in, biggest first; lines within, biggest first.
    pub origins: Vec<Origin>,
    /// Blocks that Python keeps in its free lists, by the type that was in them: in no origin.
    pub kept: Vec<Kept>,
    pub arenas: Arenas,
    pub live_machinery: u64,
    pub live_cellheap: u64,
    pub process: Process,
    pub notes: Vec<String>,
}

/// Blocks of a type in Python's free lists.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Kept {
    pub name: String,
    pub blocks: u64,
    pub bytes: u64,
}

/// How full pymalloc's arenas are. One goes back to the system when its last block is freed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Arenas {
    /// Those mapped since the live table began, the bytes they span and the live bytes in them.
    pub count: u64,
    pub bytes: u64,
    pub live: u64,
    /// How many are filled up to a quarter, a half, three quarters, and above.
    pub filled: [u64; 4],
    /// Lines with blocks in arenas filled up to a quarter, those in most arenas first.
    pub pins: Vec<Pin>,
    /// Arenas from before the live table: not all that is in them is known. None where the interpreter does not say.
    pub older: Option<u64>,
}

/// pymalloc's arenas, cut into boxes in the order of their addresses: `%memtrace live --map`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HeapMap {
    /// Arenas mapped since the live table began, the bytes they span and the live bytes in them.
    pub arenas: u64,
    pub bytes: u64,
    pub live: u64,
    /// The bytes that a box spans; the last box may span less.
    pub unit: u64,
    /// Live bytes in each box.
    pub boxes: Vec<u64>,
    /// Arenas from before the live table, which are not in the map. None where the interpreter does not say.
    pub older: Option<u64>,
    pub notes: Vec<String>,
}

/// A line that keeps arenas from going back to the system.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pin {
    /// The cell that ran: `In[5]`; empty where no cell's code asked.
    pub origin: String,
    pub file: String,
    pub line: u32,
    pub function: String,
    /// How many nearly empty arenas hold blocks of it, at least.
    pub arenas: u64,
    pub blocks: u64,
    pub live: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Origin {
    pub cell: Cell,
    pub lines: Vec<Line>,
}

/// What the operating system and the allocators say of the process. `None`: could not be known here.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Process {
    pub rss: Option<u64>,
    /// Memory that this process may use: the smallest limit of its control groups.
    pub cgroup_limit: Option<u64>,
    /// RSS of this process and all its descendants.
    pub tree_rss: Option<u64>,
    pub open_files: Option<u64>,
    /// pymalloc's arenas that were mapped since tracing began, and the bytes they span.
    pub arenas: u64,
    pub arena_bytes: u64,
    /// Live pymalloc bytes in those arenas.
    pub arena_live: u64,
    /// Bytes of arenas that were unmapped so far and older than the live table of that time.
    pub older_unmapped: u64,
    /// glibc's `mallinfo2`: in use in the heap, mapped, free but kept.
    pub malloc_used: Option<u64>,
    pub malloc_mapped: Option<u64>,
    pub malloc_free: Option<u64>,
    /// Our own resident bytes: shadow table and all other books.
    pub books: u64,
}
