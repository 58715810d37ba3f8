//! the lookout and the black box as Python sees them, and the two ways in which what the lookout finds is shown: over our own
//! wire, or by a thread of Python's that waits here where the wire is another's.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use pyo3::exceptions::{PyOSError, PyRuntimeError};
use pyo3::prelude::*;
use serde::Serialize;
use serde_json::json;

use crate::chart::output;
use crate::heap::cells::CellId;
use crate::heap::process;
use crate::heap::report::CellReport;
use crate::hooks::lookout::{self, Herald, Kind, Picture, Warning};
use crate::hooks::standing::Thread;
use crate::hooks::{blackbox, control};
use crate::kernel::{Kernel, when_forsaken};

use super::kernel::PyKernel;

/// What waits to be shown; past it the oldest is dropped.
const MOST_SIGHTS: usize = 16;

/// Begins the black box beside a connection file. Raises OSError with one line where there can be none.
#[pyfunction]
pub fn box_begin(py: Python<'_>, connection_file: PathBuf) -> PyResult<()> {
    // Nobody starts this kernel again: whoever starts one at its connection file is not told of a crash that was none.
    when_forsaken(blackbox::end);
    let begun = py.detach(|| {
        process::stand();
        let begun = blackbox::begin(&connection_file);
        blackbox::sweep(&connection_file);
        lookout::prepare();
        begun
    });
    begun.map_err(|error| PyOSError::new_err(error.to_string()))
}

/// The process ends well: the black box leaves nothing behind.
#[pyfunction]
pub fn box_end() {
    blackbox::end();
}

/// Whether the black box is written.
#[pyfunction]
pub fn box_open() -> bool {
    blackbox::is_open()
}

/// JSON of `heap::last::Last`; None where the process before this one ended well.
#[pyfunction]
pub fn last_words() -> PyResult<Option<String>> {
    let text = blackbox::last().map(serde_json::to_string).transpose();
    text.map_err(|error| PyRuntimeError::new_err(error.to_string()))
}

/// Whether nobody was told the last words yet.
#[pyfunction]
pub fn last_words_untold() -> bool {
    blackbox::is_untold()
}

/// They were told: no later process tells them by itself.
#[pyfunction]
pub fn last_words_told() {
    blackbox::told();
}

/// A cell runs in this thread, by our id: the lookout looks at it until `lookout_end`. With `charted` its chart is drawn while
/// it runs. Nothing in a forked child.
#[pyfunction]
pub fn lookout_begin(_py: Python<'_>, cell: u32, label: &str, file: &str, charted: bool) {
    if control::is_child() {
        return;
    }
    // SAFETY: called from Python, so this thread has a state.
    let thread = unsafe {
        let state = pyo3::ffi::PyThreadState_Get();
        Thread {
            state: state as usize,
            id: pyo3::ffi::PyThreadState_GetID(state).cast_unsigned(),
        }
    };
    lookout::begin(CellId(cell), label, file, thread, charted);
}

/// The cell has ended. The id of the display that is its chart, if one was drawn.
#[pyfunction]
pub fn lookout_end(_py: Python<'_>, cell: u32) -> Option<String> {
    if control::is_child() {
        return None;
    }
    lookout::end(CellId(cell))
}

/// The cell's chart is not to be drawn any more.
#[pyfunction]
pub fn lookout_uncharted(_py: Python<'_>, cell: u32) {
    if !control::is_child() {
        lookout::stop_chart(CellId(cell));
    }
}

/// What the lookout finds is shown over our own wire, whatever Python is busy with.
#[pyfunction]
pub fn lookout_by_wire(kernel: &PyKernel) {
    lookout::set_herald(Arc::new(Wire {
        kernel: kernel.handle(),
        parents: Mutex::default(),
    }));
}

/// What the lookout finds is given to whoever waits in `next_sight`.
#[pyfunction]
pub fn lookout_by_waiting() {
    lookout::set_herald(sights().clone());
}

/// JSON of what is to be shown next: `{"cell", "kind": "warning" | "chart", "display", "html", "text"}`. None when
/// nothing came in so many seconds.
#[pyfunction]
pub fn next_sight(py: Python<'_>, seconds: f64) -> Option<String> {
    let until = Instant::now() + Duration::from_secs_f64(seconds.clamp(0.0, 3600.0));
    py.detach(|| sights().next(until))
}

/// Our own wire.
struct Wire {
    kernel: Kernel,
    /// The request that each running cell is.
    parents: Mutex<HashMap<CellId, Bytes>>,
}

impl Herald for Wire {
    fn picture_of_warning(&self, warning: &Warning) -> Picture {
        picture_of_warning(warning)
    }

    fn picture_of_cell(&self, report: &CellReport) -> Picture {
        picture_of_cell(report)
    }

    fn began(&self, cell: CellId) {
        let parent = self.kernel.shell_parent();
        self.parents.lock().insert(cell, parent);
    }

    fn show(&self, cell: CellId, picture: &Picture, kind: Kind, display: &str) -> bool {
        let Some(parent) = self.parents.lock().get(&cell).cloned() else {
            return false;
        };
        let transient = match kind {
            Kind::Warning => json!({}),
            Kind::Chart | Kind::NextChart => json!({ "display_id": display }),
        };
        let msg_type = match kind {
            Kind::NextChart => "update_display_data",
            Kind::Warning | Kind::Chart => "display_data",
        };
        let content = json!({
            "data": { "text/html": picture.html, "text/plain": picture.text },
            "metadata": {},
            "transient": transient,
        });
        let content = Bytes::from(content.to_string());
        self.kernel.announce(msg_type, parent, content)
    }

    fn ended(&self, cell: CellId) {
        self.parents.lock().remove(&cell);
    }
}

#[derive(Serialize)]
struct Sight {
    cell: u32,
    kind: &'static str,
    display: String,
    html: String,
    text: String,
}

/// Another's wire.
#[derive(Default)]
struct Sights {
    waiting: Mutex<VecDeque<Sight>>,
    came: Condvar,
}

fn sights() -> &'static Arc<Sights> {
    static SIGHTS: OnceLock<Arc<Sights>> = OnceLock::new();
    SIGHTS.get_or_init(Arc::default)
}

impl Sights {
    fn next(&self, until: Instant) -> Option<String> {
        let mut waiting = self.waiting.lock();
        while waiting.is_empty() {
            if self.came.wait_until(&mut waiting, until).timed_out() {
                return None;
            }
        }
        serde_json::to_string(&waiting.pop_front()?).ok()
    }
}

impl Herald for Sights {
    fn picture_of_warning(&self, warning: &Warning) -> Picture {
        picture_of_warning(warning)
    }

    fn picture_of_cell(&self, report: &CellReport) -> Picture {
        picture_of_cell(report)
    }

    fn began(&self, _: CellId) {}

    /// Whether it comes to be shown is for Python to say.
    fn show(&self, cell: CellId, picture: &Picture, kind: Kind, display: &str) -> bool {
        let mut waiting = self.waiting.lock();
        let kind = match kind {
            Kind::Warning => "warning",
            Kind::Chart | Kind::NextChart => "chart",
        };
        // While the interpreter's lock is held elsewhere only the latest chart is worth showing.
        if kind == "chart" {
            waiting.retain(|sight| sight.cell != cell.0 || sight.kind != kind);
        }
        if waiting.len() >= MOST_SIGHTS {
            waiting.pop_front();
        }
        waiting.push_back(Sight {
            cell: cell.0,
            kind,
            display: display.to_owned(),
            html: picture.html.clone(),
            text: picture.text.clone(),
        });
        self.came.notify_all();
        true
    }

    /// What waits comes too late.
    fn ended(&self, cell: CellId) {
        self.waiting.lock().retain(|sight| sight.cell != cell.0);
    }
}

fn picture_of_warning(warning: &Warning) -> Picture {
    let (html, text) = output::warning(
        &warning.limit,
        &warning.cell,
        &warning.place,
        &warning.holders,
    );
    Picture { html, text }
}

/// Where it cannot be drawn there is nothing to show, and nobody to tell.
fn picture_of_cell(report: &CellReport) -> Picture {
    let (html, text) = output::cell(report, lookout::name_of).unwrap_or_default();
    Picture { html, text }
}
