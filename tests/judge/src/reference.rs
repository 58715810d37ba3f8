//! The reference tracer: a hash map from address to size and line, the line decoded by the interpreter
//! at every event, the composition at the peak by copying everything. Slow and plain.

use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::mem::MaybeUninit;
use std::sync::Mutex;

use crate::python::{
    Allocator, MEM, OBJ, Object, Py_Version, PyCode_Addr2Line, PyCode_Type, PyMem_GetAllocator,
    PyMem_SetAllocator, PyThreadState_Get, PyUnicode_AsUTF8,
};

#[derive(Clone, Copy, Default)]
struct Line {
    allocated: u64,
    returned: u64,
    blocks: u64,
    blocks_returned: u64,
}

#[derive(Default)]
struct Reference {
    prefix: String,
    /// Over so many library frames a notebook's line is given up; zero: never.
    deepest: usize,
    blocks: HashMap<usize, (u64, (String, c_int))>,
    lines: HashMap<(String, c_int), Line>,
    live: u64,
    highest: u64,
    at_mark: bool,
    /// Live bytes by line when live stood highest.
    mark: HashMap<(String, c_int), u64>,
}

struct Real([MaybeUninit<Allocator>; 2]);

// SAFETY: used under the interpreter's lock only.
unsafe impl Send for Real {}

/// The numbers of lines that stand for no line at all, and for all that are given up.
const NOWHERE: c_int = -2;
const GIVEN_UP: c_int = -1;

static REAL: Mutex<Real> = Mutex::new(Real([const { MaybeUninit::uninit() }; 2]));
static REFERENCE: Mutex<Option<Reference>> = Mutex::new(None);

impl Reference {
    /// A block of a line that is not the notebook's is remembered, and counts nowhere.
    fn allocated(&mut self, address: usize, size: usize) {
        let place = self.place();
        if place.1 != NOWHERE {
            let line = self.lines.entry(place.clone()).or_default();
            line.allocated += size as u64;
            line.blocks += 1;
            self.live += size as u64;
            if self.live > self.highest {
                (self.highest, self.at_mark) = (self.live, true);
            }
        }
        self.blocks.insert(address, (size as u64, place));
    }

    fn freed(&mut self, address: usize) {
        let Some((size, place)) = self.blocks.remove(&address) else {
            return;
        };
        if place.1 == NOWHERE {
            return;
        }
        self.close();
        let line = self
            .lines
            .get_mut(&place)
            .expect("the line of a block is known");
        line.returned += size;
        line.blocks_returned += 1;
        self.live -= size;
    }

    /// One net event: the mark sees only what is live after it.
    fn reallocated(&mut self, old: usize, new: usize, size: usize) {
        let place = self.place();
        let counted =
            |place: &(String, c_int), size: u64| if place.1 == NOWHERE { 0 } else { size };
        let before = self
            .blocks
            .get(&old)
            .map_or(0, |(size, place)| counted(place, *size));
        if counted(&place, size as u64) <= before {
            self.close();
        }
        let (at_mark, mark) = (std::mem::take(&mut self.at_mark), self.mark.clone());
        self.freed(old);
        (self.at_mark, self.mark) = (at_mark, mark);
        self.allocated(new, size);
    }

    fn place(&self) -> (String, c_int) {
        let (place, library_frames) = notebook_line(&self.prefix);
        match self.deepest {
            0 => place,
            deepest if library_frames <= deepest || place.1 == NOWHERE => place,
            _ => (String::new(), GIVEN_UP),
        }
    }

    fn close(&mut self) {
        if std::mem::take(&mut self.at_mark) {
            self.mark = self.composition();
        }
    }

    fn composition(&self) -> HashMap<(String, c_int), u64> {
        let live = |line: &Line| line.allocated - line.returned;
        self.lines
            .iter()
            .map(|(place, line)| (place.clone(), live(line)))
            .collect()
    }
}

/// Hooks both domains; lines of files that start with `prefix` count.
///
/// # Safety
/// `prefix` is a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn judge_reference_start(prefix: *const c_char) {
    // SAFETY: the caller's promise.
    let prefix = unsafe { CStr::from_ptr(prefix) }
        .to_string_lossy()
        .into_owned();
    *REFERENCE.lock().unwrap() = Some(Reference {
        prefix,
        ..Reference::default()
    });
    let hooks = [
        Allocator {
            context: std::ptr::null_mut(),
            malloc: malloc::<0>,
            calloc: calloc::<0>,
            realloc: realloc::<0>,
            free: free::<0>,
        },
        Allocator {
            context: std::ptr::null_mut(),
            malloc: malloc::<1>,
            calloc: calloc::<1>,
            realloc: realloc::<1>,
            free: free::<1>,
        },
    ];
    for (at, mut hook) in hooks.into_iter().enumerate() {
        // SAFETY: PyMem_GetAllocator fills the place before the hook that reads it is set.
        unsafe {
            PyMem_GetAllocator([MEM, OBJ][at], REAL.lock().unwrap().0[at].as_mut_ptr());
            PyMem_SetAllocator([MEM, OBJ][at], &raw mut hook);
        }
    }
}

/// From now on a line that more library frames lie over is given up.
#[unsafe(no_mangle)]
pub extern "C" fn judge_reference_deepest(library_frames: usize) {
    let mut held = REFERENCE.lock().unwrap();
    held.as_mut().expect("started").deepest = library_frames;
}

/// From now on the mark is sought anew.
#[unsafe(no_mangle)]
pub extern "C" fn judge_reference_mark() {
    let mut held = REFERENCE.lock().unwrap();
    let reference = held.as_mut().expect("started");
    (reference.highest, reference.at_mark) = (reference.live, true);
}

/// A line for each notebook line: file, line, allocated, returned, blocks, blocks returned, bytes at the mark.
#[unsafe(no_mangle)]
pub extern "C" fn judge_reference_report() -> *mut c_char {
    let mut held = REFERENCE.lock().unwrap();
    let reference = held.as_mut().expect("started");
    reference.close();
    let rows = reference.lines.iter().map(|((file, number), line)| {
        let mark = reference.mark.get(&(file.clone(), *number)).unwrap_or(&0);
        let Line {
            allocated,
            returned,
            blocks,
            blocks_returned,
        } = line;
        format!("{file}\t{number}\t{allocated}\t{returned}\t{blocks}\t{blocks_returned}\t{mark}\n")
    });
    CString::new(rows.collect::<String>())
        .expect("no zero byte")
        .into_raw()
}

/// Notes nothing more; the hooks pass through.
#[unsafe(no_mangle)]
pub extern "C" fn judge_reference_stop() {
    *REFERENCE.lock().unwrap() = None;
}

fn note(event: impl FnOnce(&mut Reference)) {
    if let Some(reference) = REFERENCE.lock().unwrap().as_mut() {
        event(reference);
    }
}

unsafe fn real(domain: usize) -> Allocator {
    // SAFETY: hooks run once `judge_reference_start` filled it.
    unsafe { REAL.lock().unwrap().0[domain].assume_init() }
}

unsafe extern "C" fn malloc<const D: usize>(_: *mut c_void, size: usize) -> *mut c_void {
    // SAFETY: called as the domain's contract says.
    unsafe {
        let real = real(D);
        let block = (real.malloc)(real.context, size);
        if !block.is_null() {
            note(|reference| reference.allocated(block as usize, size));
        }
        block
    }
}

unsafe extern "C" fn calloc<const D: usize>(
    _: *mut c_void,
    count: usize,
    each: usize,
) -> *mut c_void {
    // SAFETY: as in `malloc`.
    unsafe {
        let real = real(D);
        let block = (real.calloc)(real.context, count, each);
        if !block.is_null() {
            note(|reference| reference.allocated(block as usize, count * each));
        }
        block
    }
}

unsafe extern "C" fn realloc<const D: usize>(
    _: *mut c_void,
    old: *mut c_void,
    size: usize,
) -> *mut c_void {
    // SAFETY: as in `malloc`.
    unsafe {
        let real = real(D);
        let block = (real.realloc)(real.context, old, size);
        if !block.is_null() {
            note(|reference| reference.reallocated(old as usize, block as usize, size));
        }
        block
    }
}

unsafe extern "C" fn free<const D: usize>(_: *mut c_void, block: *mut c_void) {
    // SAFETY: as in `malloc`.
    unsafe {
        note(|reference| reference.freed(block as usize));
        let real = real(D);
        (real.free)(real.context, block);
    }
}

/// Offsets by the headers of CPython: thread state to frame (through a C frame before 3.13), then in the frame
/// `previous`, code and instruction, then in the code the first traceable unit and the first instruction.
fn offsets() -> (Option<usize>, usize, usize, usize, usize, usize) {
    // SAFETY: a constant.
    match (unsafe { Py_Version } >> 16) & 0xff {
        11 => (Some(8), 56, 48, 32, 168, 184),
        12 => (Some(0), 56, 8, 0, 176, 192),
        13 => (None, 72, 8, 0, 184, 200),
        _ => (None, 72, 8, 0, 192, 208),
    }
}

/// File and line of the innermost frame whose file starts with `prefix`, and the frames of other code over it;
/// `NOWHERE` where there is none.
fn notebook_line(prefix: &str) -> ((String, c_int), usize) {
    let mut over = 0;
    let (c_frame, frame_at, previous, code_at, first_at, bytecode) = offsets();
    let word = |base: *const u8, offset: usize| {
        // SAFETY: frames and code objects on the stack are live and laid out as `offsets` says.
        unsafe { base.add(offset).cast::<*const u8>().read() }
    };
    // SAFETY: hooks run with the interpreter's lock.
    let mut frame = word(unsafe { PyThreadState_Get() }, frame_at);
    if let Some(offset) = c_frame {
        frame = word(frame, offset);
    }
    while !frame.is_null() {
        // From 3.14 on the low bits are marks.
        let (code, instruction) = (word(frame, code_at).map_addr(|at| at & !7), word(frame, 56));
        frame = word(frame, previous);
        if word(code, 8) != &raw const PyCode_Type {
            continue;
        }
        let offset = instruction as isize - code as isize - bytecode as isize;
        // SAFETY: an int in a live code object.
        let first = unsafe { code.add(first_at).cast::<c_int>().read() } as isize * 2;
        if offset < first {
            continue;
        }
        // SAFETY: the name is an ASCII str in these tests, so its text needs no allocation.
        let file = unsafe { CStr::from_ptr(PyUnicode_AsUTF8(word(code, 112) as Object)) };
        if file.to_bytes().starts_with(prefix.as_bytes()) {
            // SAFETY: a live code object and an offset in it.
            let line = unsafe { PyCode_Addr2Line(code as Object, offset as c_int) };
            return ((file.to_string_lossy().into_owned(), line), over);
        }
        over += 1;
    }
    ((String::new(), NOWHERE), over)
}
