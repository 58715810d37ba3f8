//! The thread that looks at running cells without the interpreter's lock: several times a second it writes the black box,
//! looks whether a warning is due, and has the charts of cells drawn. How things are shown is the `Herald`'s.

use std::collections::HashMap;
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::heap::boxfile::now;
use crate::heap::cells::CellId;
use crate::heap::last::{Holder, Place};
use crate::heap::pressure::Limit;
use crate::heap::report::CellReport;
use crate::heap::timeline::FIRST_INTERVAL;

use super::looks::Looks;
use super::standing::Thread;
use super::timer::Timer;
use super::{blackbox, control, crash, sampler};

/// A cell runs this long before its chart is drawn.
const DRAWN_FROM: Duration = Duration::from_secs(1);

/// A cell runs this long before it is looked at first: most have ended by then.
const LOOKED_AT_FROM: Duration = Duration::from_millis(20);

/// A process that crashed is given so long to end.
const END: Duration = Duration::from_secs(2);

/// How what the lookout finds is shown. Called without the interpreter's lock; must not wait for it.
pub trait Herald: Send + Sync {
    fn picture_of_warning(&self, warning: &Warning) -> Picture;
    fn picture_of_cell(&self, report: &CellReport) -> Picture;
    /// A cell begins, in this thread.
    fn began(&self, cell: CellId);
    /// Shows a picture among the outputs of a cell. Charts of a cell are one display, by its id. False where it could not.
    fn show(&self, cell: CellId, picture: &Picture, kind: Kind, display: &str) -> bool;
    /// The cell has ended: nothing is shown for it any more.
    fn ended(&self, cell: CellId);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Warning,
    /// The first chart of a cell, and the later ones in its place.
    Chart,
    NextChart,
}

/// What is shown, for a browser and for a terminal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Picture {
    pub html: String,
    pub text: String,
}

/// A limit is nearly reached.
#[derive(Debug, Clone, PartialEq)]
pub struct Warning {
    pub limit: Limit,
    pub rss: u64,
    /// The cell that runs: `In[12]`.
    pub cell: String,
    /// Where its thread stands.
    pub place: Place,
    /// The lines that hold the most.
    pub holders: Vec<Holder>,
}

/// A cell that runs.
pub struct Running {
    pub id: CellId,
    pub label: String,
    pub thread: Thread,
    /// Its chart is wanted while it runs.
    pub charted: bool,
    began: Instant,
    /// The display that its chart is, once it is drawn.
    display: Option<String>,
}

#[derive(Default)]
pub(super) struct State {
    pub running: Vec<Running>,
    /// How files of cells are named.
    names: HashMap<String, String>,
    /// What the names of files of cells begin with.
    prefixes: Vec<String>,
    herald: Option<std::sync::Arc<dyn Herald>>,
}

/// Names that are remembered; past it all are forgotten.
const MOST_NAMES: usize = 4096;

static STATE: Mutex<Option<State>> = Mutex::new(None);
/// Rings when a cell has run long enough to be looked at, and when a thread has crashed.
static TIMER: Timer = Timer::new();
static THREAD: Once = Once::new();

/// Does something with what is shared. Never in a turn at the books, and never with a turn taken inside.
pub(super) fn with<T>(work: impl FnOnce(&mut State) -> T) -> T {
    work(STATE.lock().get_or_insert_default())
}

/// From here on warnings and charts are shown so.
pub fn set_herald(herald: std::sync::Arc<dyn Herald>) {
    with(|state| state.herald = Some(herald));
}

/// The limit that the notebook set for itself; `u64::MAX` for none. Read at each look, which must not take a turn at the books.
static NOTEBOOK_LIMIT: AtomicU64 = AtomicU64::new(u64::MAX);

pub fn set_notebook_limit(most: Option<u64>) {
    NOTEBOOK_LIMIT.store(most.unwrap_or(u64::MAX), Relaxed);
}

pub(super) fn notebook_limit() -> Option<u64> {
    Some(NOTEBOOK_LIMIT.load(Relaxed)).filter(|most| *most != u64::MAX)
}

pub fn set_notebook_files(prefixes: Vec<String>) {
    with(|state| state.prefixes = prefixes);
}

/// Has the thread there before the first cell is.
pub fn prepare() {
    THREAD.call_once(spawn);
}

/// A cell begins in this thread; its code is in `file`.
pub fn begin(id: CellId, label: &str, file: &str, thread: Thread, charted: bool) {
    prepare();
    let at = now();
    with(|state| {
        if state.names.len() >= MOST_NAMES {
            state.names.clear();
        }
        state.names.insert(file.to_owned(), label.to_owned());
        state.running.push(Running {
            id,
            label: label.to_owned(),
            thread,
            charted,
            began: Instant::now(),
            display: None,
        });
        if let Some(herald) = &state.herald {
            herald.began(id);
        }
    });
    blackbox::stand(|now| {
        (now.at, now.began, now.running) = (at, at, true);
        now.cell = label.to_owned();
        now.live = sampler::live();
        now.place = Place {
            name: label.to_owned(),
            file: file.to_owned(),
            ..Place::default()
        };
    });
    TIMER.ring_in(FIRST_INTERVAL);
}

/// The cell has ended: when this returns, nothing more is shown for it. The display that its chart is, if it was drawn.
pub fn end(id: CellId) -> Option<String> {
    let display = with(|state| {
        let at = state.running.iter().position(|cell| cell.id == id)?;
        if let Some(herald) = &state.herald {
            herald.ended(id);
        }
        state.running.remove(at).display
    });
    let still = with(|state| state.running.last().map(|cell| cell.label.clone()));
    blackbox::stand(|now| {
        now.at = crate::heap::boxfile::now();
        now.live = sampler::live();
        match still {
            Some(cell) => now.cell = cell,
            None => now.running = false,
        }
    });
    display
}

/// The chart of the cell is not wanted any more.
pub fn stop_chart(id: CellId) {
    with(|state| {
        for cell in state.running.iter_mut().filter(|cell| cell.id == id) {
            cell.charted = false;
        }
    });
}

/// How a file is named: `In[12]`; empty where it is no cell's.
pub fn name_of(file: &str) -> String {
    with(|state| state.name_of(file))
}

impl State {
    fn name_of(&self, file: &str) -> String {
        self.names.get(file).cloned().unwrap_or_default()
    }

    pub fn is_notebook(&self, file: &str) -> bool {
        self.prefixes.iter().any(|prefix| file.starts_with(prefix))
    }
}

/// The cell whose chart is due, of those that run.
pub(super) fn charted() -> Option<CellId> {
    with(|state| {
        let cell = state.running.last()?;
        (cell.charted && state.herald.is_some() && cell.began.elapsed() >= DRAWN_FROM)
            .then_some(cell.id)
    })
}

/// Shows what was drawn, if the cell still runs.
pub(super) fn show_chart(report: &CellReport) {
    let Some(herald) = with(|state| state.herald.clone()) else {
        return;
    };
    let picture = herald.picture_of_cell(report);
    let id = CellId(report.cell.id);
    with(|state| {
        if let Some(cell) = (state.running.iter_mut()).find(|cell| cell.id == id && cell.charted) {
            let (kind, display) = match &cell.display {
                Some(display) => (Kind::NextChart, display.clone()),
                None => (Kind::Chart, format!("cellheap-{}", uuid::Uuid::new_v4())),
            };
            if herald.show(id, &picture, kind, &display) {
                cell.display = Some(display);
            }
        }
    });
}

/// Warns in the cell, if it still runs.
pub(super) fn warn(id: CellId, warning: &Warning) {
    let Some(herald) = with(|state| state.herald.clone()) else {
        return;
    };
    let picture = herald.picture_of_warning(warning);
    with(|state| {
        if state.running.iter().any(|cell| cell.id == id) {
            herald.show(id, &picture, Kind::Warning, "");
        }
    });
}

/// Without the thread there are no warnings and no charts, and the box knows of cells' edges only.
fn spawn() {
    TIMER.open();
    let thread = std::thread::Builder::new().name("cellheap-lookout".into());
    drop(thread.spawn(|| {
        sampler::block_signals();
        crash::set_writer(&TIMER);
        sampler::leave_waking_to_me();
        let mut looks = Looks::new();
        while !control::is_child() {
            rest(looks.look());
            if let Some(thread) = crash::crashed_thread() {
                looks.last_words(thread);
                crash::let_go();
                // Nothing is written over them while the process ends; it may also live on.
                std::thread::sleep(END);
            }
        }
    }));
}

/// For so long, or until a thread has crashed, or a cell has run long enough to be looked at.
fn rest(long: Duration) {
    let until = Instant::now() + long;
    while crash::crashed_thread().is_none()
        && let Some(rest) = until.checked_duration_since(Instant::now())
    {
        if TIMER.wait(rest) && is_due() {
            return;
        }
    }
}

/// Whether a cell has run long enough to be looked at. One that has not is looked at then; its timeline begins before.
fn is_due() -> bool {
    let oldest = with(|state| state.running.first().map(|cell| cell.began.elapsed()));
    let Some(ran) = oldest else {
        return false;
    };
    sampler::wake();
    match LOOKED_AT_FROM.checked_sub(ran) {
        Some(rest) => {
            TIMER.ring_in(rest);
            false
        }
        None => true,
    }
}
