//! Points the slots through which loaded objects call chosen functions at ours, and back. Owns which objects were
//! looked at; knows neither what the functions do nor Python.
//!
//! `image` reads an object as it lies in memory, `slots` finds and writes the slots, `pages` knows which are sealed.
//! Everything happens inside `dl_iterate_phdr`, whose lock keeps objects mapped; nobody waits for anybody in here,
//! so a thread that holds the loader's lock (a constructor, say) may call in.

mod image;
mod pages;
mod slots;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::ffi::{CStr, c_int, c_void};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use image::Image;
use pages::Maps;

/// A function to be caught: its name, the process's own, and ours.
pub struct Hook {
    pub name: &'static CStr,
    pub real: usize,
    pub ours: usize,
}

/// A loaded object: its path and where its code lies.
#[derive(Clone, Debug)]
pub struct Object {
    pub name: Arc<str>,
    pub code: Range<usize>,
}

/// The objects that were looked at: those loaded since the last time or, when some were unloaded, `all` there are.
#[derive(Debug, Default)]
pub struct Found {
    pub objects: Vec<Object>,
    pub all: bool,
}

/// What slots shall hold.
#[derive(Clone, Copy, PartialEq)]
enum Aim {
    Ours,
    Real,
    /// The real functions in our own object, where the loader had it call a stub of the executable's (one that is loaded
    /// at a fixed address, and takes theirs): the stub goes by a slot that holds ours.
    Straight,
}

/// An object whose sealed part is still open after this long was left so by somebody: no loader is at work on it.
const PATIENCE: Duration = Duration::from_secs(1);

const NOTHING: u8 = 0;
const PATCH: u8 = 1;
const PATCH_ALL: u8 = 2;
const RESTORE: u8 = 3;

/// What was last asked for and not begun.
static ASKED: AtomicU8 = AtomicU8::new(NOTHING);
static SCAN: Mutex<Option<Scan>> = Mutex::new(None);
/// How many objects the loader had added and removed when we last looked.
static ADDED: AtomicU64 = AtomicU64::new(u64::MAX);
static REMOVED: AtomicU64 = AtomicU64::new(u64::MAX);
/// Whether an object was being loaded when we looked.
static UNFINISHED: AtomicBool = AtomicBool::new(false);

/// Where the process's own function of that name begins, past the stub that an executable may have for it.
pub fn resolve(name: &CStr) -> Option<usize> {
    const WITH_SYMBOL: c_int = 1;
    // SAFETY: lookups only; what dladdr1 fills is read after it succeeded, and its symbol lies in a loaded object.
    unsafe {
        let found = libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr());
        let mut about = std::mem::zeroed();
        let mut symbol: *mut c_void = std::ptr::null_mut();
        let known = libc::dladdr1(found, &raw mut about, &raw mut symbol, WITH_SYMBOL) != 0;
        let stub = known && !symbol.is_null() && (*symbol.cast::<libc::Elf64_Sym>()).st_shndx == 0;
        let found = if stub {
            let library = libc::dlopen(c"libc.so.6".as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD);
            libc::dlsym(library, name.as_ptr())
        } else {
            found
        };
        (!found.is_null()).then_some(found as usize)
    }
}

/// Points the slots of objects that were loaded since the last call at ours, where they hold the real function or,
/// not bound yet, would come to, and hands on what it found, one thread after the other. When another thread is at it,
/// that one looks again.
pub fn patch(hooks: &'static [Hook], found: impl FnMut(Found)) {
    ask(hooks, PATCH, found);
}

/// As `patch`, of all objects: another tool may have put the real functions back.
pub fn patch_all(hooks: &'static [Hook], found: impl FnMut(Found)) {
    ask(hooks, PATCH_ALL, found);
}

/// Points every slot that holds one of ours back to the real function. As with `patch` it may be another that does it.
pub fn restore(hooks: &'static [Hook]) {
    ask(hooks, RESTORE, drop);
}

/// Whether objects were loaded or unloaded since they were last looked at.
pub fn changed() -> bool {
    unsafe extern "C" fn first(
        info: *mut libc::dl_phdr_info,
        _: usize,
        data: *mut c_void,
    ) -> c_int {
        // SAFETY: the loader's record, and the pair that `changed` passed.
        unsafe { *data.cast::<(u64, u64)>() = ((*info).dlpi_adds, (*info).dlpi_subs) };
        1
    }
    let mut loads = (0, 0);
    // SAFETY: `first` writes a pair that outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(first), (&raw mut loads).cast()) };
    UNFINISHED.load(Ordering::Relaxed)
        || loads
            != (
                ADDED.load(Ordering::Relaxed),
                REMOVED.load(Ordering::Relaxed),
            )
}

/// Who cannot have the turn leaves the wish to who has it: that one looks at `ASKED` after giving the turn back.
fn ask(hooks: &'static [Hook], what: u8, mut found: impl FnMut(Found)) {
    ASKED.store(what, Ordering::SeqCst);
    while ASKED.load(Ordering::SeqCst) != NOTHING {
        let Some(mut scan) = SCAN.try_lock() else {
            break;
        };
        let asked = ASKED.swap(NOTHING, Ordering::SeqCst);
        let aim = match asked {
            NOTHING => continue,
            RESTORE => Aim::Real,
            _ => Aim::Ours,
        };
        let scan = scan.get_or_insert_default();
        if asked == PATCH_ALL {
            *scan = Scan::default();
        }
        found(scan.run(hooks, aim));
    }
}

/// What is remembered of objects from one look to the next, by the address of their program headers.
#[derive(Default)]
struct Scan {
    done: HashSet<usize>,
    /// Those that a loader seemed to be at work on, and since when.
    unfinished: HashMap<usize, Instant>,
    removed: u64,
}

impl Scan {
    fn run(&mut self, hooks: &[Hook], aim: Aim) -> Found {
        let mut look = Look {
            scan: self,
            hooks,
            aim,
            found: Found::default(),
            maps: Maps::default(),
            twins: None,
            begun: false,
        };
        each(|info| {
            look.begin(info);
            look.object(info);
        });
        let found = look.found;
        if aim == Aim::Real {
            // All are to be patched anew.
            *self = Self::default();
        }
        UNFINISHED.store(!self.unfinished.is_empty(), Ordering::Relaxed);
        found
    }
}

/// One walk over all objects.
struct Look<'a> {
    scan: &'a mut Scan,
    hooks: &'a [Hook],
    aim: Aim,
    found: Found,
    maps: Maps,
    /// Names that more than one object defines, once asked for.
    twins: Option<Vec<&'static CStr>>,
    begun: bool,
}

/// Calls for every loaded object, under the lock that keeps them mapped; it may be taken again inside.
fn each<F: FnMut(&libc::dl_phdr_info)>(mut call: F) {
    unsafe extern "C" fn object<F: FnMut(&libc::dl_phdr_info)>(
        info: *mut libc::dl_phdr_info,
        _: usize,
        call: *mut c_void,
    ) -> c_int {
        // SAFETY: the loader's record, and the function that `each` passed and does not use meanwhile.
        unsafe { (*call.cast::<F>())(&*info) };
        0
    }
    // SAFETY: `call` outlives the walk.
    unsafe { libc::dl_iterate_phdr(Some(object::<F>), (&raw mut call).cast()) };
}

impl Look<'_> {
    /// At the first object: an address may be another object's now if any was removed.
    fn begin(&mut self, info: &libc::dl_phdr_info) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        ADDED.store(info.dlpi_adds, Ordering::Relaxed);
        REMOVED.store(info.dlpi_subs, Ordering::Relaxed);
        let removed = std::mem::replace(&mut self.scan.removed, info.dlpi_subs);
        if self.scan.done.is_empty() || removed != info.dlpi_subs || self.aim == Aim::Real {
            self.scan.done.clear();
            self.scan.unfinished.clear();
            self.found.all = true;
        }
    }

    fn object(&mut self, info: &libc::dl_phdr_info) {
        let key = info.dlpi_phdr as usize;
        if self.scan.done.contains(&key) {
            return;
        }
        // SAFETY: what is listed is mapped while `dl_iterate_phdr` runs.
        let Some(image) = (unsafe { Image::read(info) }) else {
            return;
        };
        self.found.objects.push(image.object());
        let is_own = self
            .hooks
            .iter()
            .any(|hook| image.code.contains(&hook.ours));
        if !is_own && self.is_spared(&image) {
            self.scan.done.insert(key);
            return;
        }
        let aim = if is_own { Aim::Straight } else { self.aim };
        let since = self.scan.unfinished.get(&key);
        let patient = since.is_none_or(|since| since.elapsed() < PATIENCE);
        if slots::point(&image, self, aim, patient) {
            self.scan.unfinished.remove(&key);
            self.scan.done.insert(key);
        } else {
            self.scan.unfinished.entry(key).or_insert_with(Instant::now);
        }
    }

    /// What lies beneath what we catch: the loader, and an allocator that stands in for the C library's.
    /// It may hold a lock when it asks the system for pages, and we would ask it for memory.
    fn is_spared(&self, image: &Image) -> bool {
        let holds = |address: usize| image.code.contains(&address);
        let is_real = self.hooks.iter().any(|hook| holds(hook.real));
        let is_c_library = holds(libc::gnu_get_libc_version as *const () as usize);
        is_real && !is_c_library || image.is_loader()
    }

    /// Whether no other object defines the name: whatever the order in which a library's names are looked up, they
    /// then come to the real function.
    fn is_alone(&mut self, hook: &Hook) -> bool {
        let hooks = self.hooks;
        let twins = self.twins.get_or_insert_with(|| {
            let mut twins = Vec::new();
            each(|info| {
                // SAFETY: as in `object`.
                let Some(image) = (unsafe { Image::read(info) }) else {
                    return;
                };
                let other = |hook: &&Hook| {
                    !image.code.contains(&hook.real)
                        && !image.is_loader()
                        && image.defines(hook.name)
                };
                twins.extend(hooks.iter().filter(other).map(|hook| hook.name));
            });
            twins
        });
        !twins.contains(&hook.name)
    }
}
