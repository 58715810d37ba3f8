//! The patcher against libraries that the C compiler makes here. It patches the whole test process, so one test at
//! a time; what is caught is told from others' allocations by the thread and by unusual sizes.

mod library;

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_void};
use std::sync::OnceLock;

use parking_lot::{Mutex, MutexGuard};

use library::{Library, compile, folder};

use super::{Found, Hook, changed, patch, patch_all, resolve, restore};

/// A size whose allocation patches anew, wherever it is.
const RESCAN: usize = 54_321;

thread_local! {
    static MALLOCS: Cell<usize> = const { Cell::new(0) };
    static FREES: Cell<usize> = const { Cell::new(0) };
}

unsafe extern "C" fn our_malloc(size: usize) -> *mut c_void {
    MALLOCS.set(MALLOCS.get() + 1);
    if size == RESCAN {
        patch(hooks(), drop);
    }
    // SAFETY: what the caller asked for; this executable is not patched.
    unsafe { libc::malloc(size) }
}

/// For `allocate` of a test's library.
unsafe extern "C" fn our_allocate(size: usize) -> *mut c_void {
    // SAFETY: as above.
    unsafe { our_malloc(size) }
}

unsafe extern "C" fn our_free(block: *mut c_void) {
    FREES.set(FREES.get() + 1);
    // SAFETY: as above.
    unsafe { libc::free(block) }
}

fn hooks() -> &'static [Hook] {
    static HOOKS: OnceLock<[Hook; 2]> = OnceLock::new();
    HOOKS.get_or_init(|| {
        let hook = |name, ours| Hook {
            name,
            real: resolve(name).unwrap(),
            ours,
        };
        [
            hook(c"malloc", our_malloc as *const () as usize),
            hook(c"free", our_free as *const () as usize),
        ]
    })
}

/// The process's slots, as long as a test has them; restored in the end.
struct Turn(#[allow(dead_code)] MutexGuard<'static, ()>);

impl Turn {
    fn take() -> Self {
        static ONE: Mutex<()> = Mutex::new(());
        let turn = Self(ONE.lock());
        std::fs::create_dir_all(folder()).unwrap();
        turn
    }

    fn patch(&self) -> Found {
        found_by_patch(hooks())
    }
}

fn found_by_patch(hooks: &'static [Hook]) -> Found {
    let mut all = Vec::new();
    patch(hooks, |found| all.push(found));
    let [found] = <[Found; 1]>::try_from(all).expect("one test at a time");
    found
}

impl Drop for Turn {
    fn drop(&mut self) {
        restore(hooks());
        std::fs::remove_dir_all(folder()).unwrap();
    }
}

const SOURCE: &str = r"
#include <stdlib.h>
void *make(size_t size) { return malloc(size); }
void drop(void *block) { free(block); }
/* In sealed data, and in data that may be written. */
void *(*const sealed)(size_t) = malloc;
void *(*volatile written)(size_t) = malloc;
void *make_sealed(size_t size) { return sealed(size); }
void *make_written(size_t size) { return written(size); }
/* The address, taken where it is used. */
void *make_taken(size_t size) { void *(*volatile taken)(size_t) = malloc; return taken(size); }
";

/// A function whose address nobody takes is bound at its first call.
const CALLS: &str = r"
#include <stdlib.h>
void *make(size_t size) { return malloc(size); }
void drop(void *block) { free(block); }
";

const MAKERS: [&CStr; 4] = [c"make", c"make_sealed", c"make_written", c"make_taken"];

const BINDINGS: [(&str, &[&str]); 5] = [
    ("lazy", &["-Wl,-z,lazy", "-Wl,-z,relro"]),
    ("lazy_open", &["-Wl,-z,lazy", "-Wl,-z,norelro"]),
    ("now", &["-Wl,-z,now", "-Wl,-z,relro"]),
    ("now_open", &["-Wl,-z,now", "-Wl,-z,norelro"]),
    ("no_plt", &["-fno-plt", "-Wl,-z,now", "-Wl,-z,relro"]),
];

#[test]
fn calls_through_every_kind_of_slot_are_caught_and_pages_keep_their_protection() {
    let turn = Turn::take();
    for (name, flags) in BINDINGS {
        let library = Library::open(&compile(name, SOURCE, flags));
        let pages = library.pages();
        assert_eq!(library.caught(c"make_written"), (0, 0));

        turn.patch();
        assert_eq!(library.pages(), pages);
        for maker in MAKERS {
            assert_eq!(library.caught(maker), (1, 1), "{name} {maker:?}");
        }

        restore(hooks());
        assert_eq!(library.pages(), pages);
        for maker in MAKERS {
            assert_eq!(library.caught(maker), (0, 0), "{name} {maker:?}");
        }
    }
}

#[test]
fn slots_that_were_bound_by_a_call_before_are_caught() {
    let turn = Turn::take();
    let library = Library::open(&compile("called", CALLS, &["-Wl,-z,lazy"]));
    assert_eq!(library.caught(c"make"), (0, 0));
    turn.patch();
    assert_eq!(library.caught(c"make"), (1, 1));
}

#[test]
fn the_c_library_is_caught_and_we_are_not() {
    let turn = Turn::take();
    turn.patch();
    let before = MALLOCS.get();
    // SAFETY: strdup's block is freed once.
    unsafe {
        libc::free(libc::malloc(1000));
        assert_eq!(MALLOCS.get() - before, 0);
        libc::free(libc::strdup(c"a text".as_ptr()).cast());
        assert_eq!(MALLOCS.get() - before, 1);
    }
}

#[test]
fn what_a_caught_function_asks_itself_is_not_caught() {
    let turn = Turn::take();
    let beneath = "#include <stdlib.h>\nvoid *allocate(size_t size) { return malloc(size); }";
    let beneath = compile("beneath", beneath, &[]);
    let above = "#include <stdlib.h>
        void *allocate(size_t);
        void *make(size_t size) { return allocate(size); }
        void drop(void *block) { free(block); }";
    let above = compile("above", above, &[beneath.to_str().unwrap()]);
    let (library, beneath) = (Library::open(&above), Library::open(&beneath));
    // SAFETY: a function of this type.
    let allocate: extern "C" fn(usize) -> *mut c_void = unsafe { beneath.function(c"allocate") };
    let hook = |name, real, ours| Hook { name, real, ours };
    let malloc = resolve(c"malloc").unwrap();
    let hooks: &'static [Hook] = Box::leak(Box::new([
        hook(
            c"allocate",
            allocate as *const () as usize,
            our_allocate as *const () as usize,
        ),
        hook(c"malloc", malloc, our_malloc as *const () as usize),
    ]));
    found_by_patch(hooks);
    assert_eq!(library.caught(c"make"), (1, 0));
    let before = MALLOCS.get();
    let block = allocate(1000);
    // SAFETY: made by malloc, freed once.
    unsafe { libc::free(block) };
    assert_eq!(MALLOCS.get(), before);
    restore(hooks);
    assert_eq!(library.caught(c"make"), (0, 0));
    drop(turn);
}

#[test]
fn a_library_with_a_malloc_of_its_own_keeps_it() {
    let turn = Turn::take();
    let source = r"
#include <stddef.h>
static char pool[4096];
void *malloc(size_t size) { (void)size; return pool; }
void free(void *block) { (void)block; }
void *make(size_t size) { return malloc(size); }
void drop(void *block) { free(block); }
";
    let path = compile("own", source, &["-fno-builtin", "-Wl,-z,lazy"]);
    let mode = libc::RTLD_LAZY | libc::RTLD_LOCAL | libc::RTLD_DEEPBIND;
    let library = Library::open_as(&path, mode);
    turn.patch();
    assert_eq!(library.caught(c"make"), (0, 0));
}

#[test]
fn a_call_that_may_come_to_another_malloc_is_caught_once_it_is_bound() {
    let turn = Turn::take();
    let other = "#include <stddef.h>\nvoid *malloc(size_t size) { (void)size; return NULL; }";
    let other = Library::open(&compile("other", other, &["-fno-builtin"]));
    let path = compile("either", CALLS, &["-Wl,-z,lazy"]);
    let library = Library::open(&path);
    turn.patch();
    assert_eq!(library.caught(c"make"), (0, 1));
    restore(hooks());
    turn.patch();
    assert_eq!(library.caught(c"make"), (1, 1));

    drop((library, other));
    let library = Library::open(&path);
    turn.patch();
    assert_eq!(library.caught(c"make"), (1, 1));
}

#[test]
fn what_another_tool_puts_back_is_caught_again_when_all_are_looked_at() {
    let turn = Turn::take();
    let library = Library::open(&compile("put_back", SOURCE, &["-Wl,-z,norelro"]));
    turn.patch();
    // SAFETY: a variable of the library that holds a function of this type.
    unsafe {
        let written = libc::dlsym(library.handle, c"written".as_ptr());
        *written.cast::<usize>() = resolve(c"malloc").unwrap();
    }
    turn.patch();
    assert_eq!(library.caught(c"make_written"), (0, 1));
    patch_all(hooks(), |found| assert!(found.all));
    assert_eq!(library.caught(c"make_written"), (1, 1));
}

#[test]
fn a_library_that_is_not_sealed_yet_is_left_until_it_is() {
    let turn = Turn::take();
    let library = Library::open(&compile("loading", SOURCE, &["-Wl,-z,now"]));
    // SAFETY: a variable of the library, in data that the loader has sealed.
    let variable = unsafe { libc::dlsym(library.handle, c"sealed".as_ptr()) } as usize;
    let ranges = library.pages().into_iter().filter_map(|line| {
        let (start, end) = line.split_once(' ')?.0.split_once('-')?;
        Some(usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?)
    });
    let sealed = { ranges }.find(|range| range.contains(&variable)).unwrap();
    let protect = |protection| assert!(super::pages::protect(&sealed, protection));
    protect(libc::PROT_READ | libc::PROT_WRITE);
    turn.patch();
    assert_eq!(library.caught(c"make_sealed"), (0, 0));
    assert!(changed());

    protect(libc::PROT_READ);
    turn.patch();
    assert_eq!(library.caught(c"make_sealed"), (1, 1));
    assert!(!changed());
}

#[test]
fn a_library_opened_again_at_the_same_place_is_caught_again() {
    let turn = Turn::take();
    let path = compile("again", SOURCE, &["-Wl,-z,now"]);
    let start = |found: Found| {
        let name = path.to_str().unwrap();
        let object = (found.objects.into_iter()).find(|object| &*object.name == name);
        object.expect("what was loaded is found").code.start
    };
    let mut places = Vec::new();
    for _ in 0..3 {
        let library = Library::open(&path);
        assert!(changed());
        places.push(start(turn.patch()));
        assert_eq!(library.caught(c"make"), (1, 1));
        drop(library);
        assert!(changed());
    }
    assert_eq!(places[1], places[2]);
}

#[test]
fn only_what_was_loaded_since_is_looked_at() {
    let turn = Turn::take();
    let all = turn.patch();
    assert!(all.all);
    let executable = std::env::current_exe().unwrap();
    let has =
        |found: &Found, name: &str| (found.objects.iter()).any(|object| &*object.name == name);
    assert!(has(&all, executable.to_str().unwrap()));
    let here = only_what_was_loaded_since_is_looked_at as *const () as usize;
    assert!(all.objects.iter().any(|object| object.code.contains(&here)));

    let path = compile("since", SOURCE, &[]);
    let _library = Library::open(&path);
    let new = turn.patch();
    assert!(!new.all && has(&new, path.to_str().unwrap()));
    assert!(!has(&new, executable.to_str().unwrap()));
}

#[test]
fn threads_that_load_and_threads_that_patch_do_not_wait_for_each_other() {
    for restoring in [false, true] {
        storm(restoring);
    }
}

/// Three threads load and unload, two patch and, it may be, restore.
fn storm(restoring: bool) {
    const ROUNDS: usize = 150;
    let turn = Turn::take();
    let base = compile("base", SOURCE, &["-Wl,-z,now"]);
    let _base = Library::open(&base);
    turn.patch();
    // Its constructor, under the loader's lock, comes to us by way of the library that is patched already.
    let source = format!(
        "void *make(unsigned long); void drop(void *);
         static void begin(void) __attribute__((constructor));
         static void begin(void) {{ drop(make({RESCAN})); }}\n{}",
        SOURCE
            .replace("make(", "make_here(")
            .replace("drop(", "drop_here(")
    );
    let link = [base.to_str().unwrap(), "-Wl,-z,now", "-Wl,-z,relro"];
    let paths = ["one", "two", "three"].map(|name| compile(name, &source, &link));
    std::thread::scope(|scope| {
        for path in &paths {
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    drop(Library::open(path));
                }
                assert!(restoring || MALLOCS.get() >= ROUNDS);
            });
        }
        for _ in 0..2 {
            scope.spawn(|| {
                for round in 0..ROUNDS {
                    patch(hooks(), drop);
                    changed();
                    if restoring && round % 16 == 0 {
                        restore(hooks());
                    }
                }
            });
        }
    });
    let library = Library::open(&compile("after", SOURCE, &["-Wl,-z,now"]));
    turn.patch();
    assert_eq!(library.caught(c"make"), (1, 1));
}

#[test]
fn a_name_resolves_to_the_function_that_its_object_defines() {
    let found = resolve(c"malloc").unwrap();
    assert_eq!(found, libc::malloc as *const () as usize);
    assert_eq!(resolve(c"no_such_function"), None);
    let _: unsafe extern "C" fn(*const c_char) -> *mut c_char = libc::strdup;
}
