//! What patched slots point to. A stub puts the address that it returns to behind the arguments and jumps on, so that
//! the hook sees it as its last one.

use std::arch::naked_asm;
use std::ffi::CStr;

use super::layout::Layout;
use super::mappings;
use super::native;
use super::reals::{self, Routine};
use super::starters;

/// Hooks whose last argument is where they return to, by the register of their call that comes after the real arguments.
macro_rules! stubs {
    ($($name:ident => $module:ident::$hook:ident, $x86:literal, $aarch:literal;)*) => {
        $(
            #[unsafe(naked)]
            unsafe extern "C" fn $name<L: Layout>() {
                #[cfg(target_arch = "x86_64")]
                naked_asm!(concat!("mov ", $x86, ", [rsp]"), "jmp {}", sym $module::$hook::<L>);
                #[cfg(target_arch = "aarch64")]
                naked_asm!(concat!("mov ", $aarch, ", x30"), "b {}", sym $module::$hook::<L>);
            }
        )*
    };
}

stubs! {
    malloc => native::malloc, "rsi", "x1";
    calloc => native::calloc, "rdx", "x2";
    realloc => native::realloc, "rdx", "x2";
    reallocarray_stub => native::reallocarray, "rcx", "x3";
    posix_memalign => native::posix_memalign, "rcx", "x3";
    memalign => native::memalign, "rdx", "x2";
    aligned_alloc => native::aligned_alloc, "rdx", "x2";
    valloc_stub => native::valloc, "rsi", "x1";
    pvalloc_stub => native::pvalloc, "rsi", "x1";
    mremap => mappings::mremap, "r9", "x5";
}

/// All six registers are taken: the seventh argument goes on the stack.
#[unsafe(naked)]
unsafe extern "C" fn mmap<L: Layout>() {
    #[cfg(target_arch = "x86_64")]
    naked_asm!("push [rsp]", "call {}", "add rsp, 8", "ret", sym mappings::mmap::<L>);
    #[cfg(target_arch = "aarch64")]
    naked_asm!("mov x6, x30", "b {}", sym mappings::mmap::<L>);
}

/// The two handles that are none, zero and minus one, mean what the real function reads from its return address.
#[unsafe(naked)]
unsafe extern "C" fn dlsym() {
    #[cfg(target_arch = "x86_64")]
    naked_asm!(
        "lea rax, [rdi + 1]", "cmp rax, 1", "ja 2f", "jmp [rip + {}]", "2: jmp {}",
        sym reals::dlsym::PLACE, sym native::dlsym
    );
    #[cfg(target_arch = "aarch64")]
    naked_asm!(
        "add x16, x0, 1", "cmp x16, 1", "b.hi 2f", "adrp x16, {0}", "ldr x16, [x16, :lo12:{0}]", "br x16", "2: b {1}",
        sym reals::dlsym::PLACE, sym native::dlsym
    );
}

/// Where a thread begins whose start routine is wrapped. It leaves no frame: what unwinds the thread's stack, as
/// `pthread_exit` does, finds the routine where it would be without us.
#[unsafe(naked)]
unsafe extern "C" fn start_thread_stub() {
    #[cfg(target_arch = "x86_64")]
    naked_asm!("sub rsp, 8", "call {}", "add rsp, 8", "mov rdi, rdx", "jmp rax", sym starters::begin);
    #[cfg(target_arch = "aarch64")]
    naked_asm!(
        "stp x29, x30, [sp, -16]!", "bl {}", "ldp x29, x30, [sp], 16", "mov x9, x0", "mov x0, x1", "br x9",
        sym starters::begin
    );
}

/// The stub as a start routine: it takes a boxed `Start` and returns what the routine in it does.
pub fn start_thread() -> Routine {
    // SAFETY: by the C calling convention a function of one pointer to a pointer, as the stub is.
    unsafe { std::mem::transmute::<unsafe extern "C" fn(), Routine>(start_thread_stub) }
}

/// Every hook by the name of what it stands for.
pub fn all<L: Layout>() -> Vec<(&'static CStr, usize)> {
    vec![
        (c"malloc", malloc::<L> as *const () as usize),
        (c"calloc", calloc::<L> as *const () as usize),
        (c"realloc", realloc::<L> as *const () as usize),
        (
            c"reallocarray",
            reallocarray_stub::<L> as *const () as usize,
        ),
        (c"free", native::free::<L> as *const () as usize),
        (c"posix_memalign", posix_memalign::<L> as *const () as usize),
        (c"memalign", memalign::<L> as *const () as usize),
        (c"aligned_alloc", aligned_alloc::<L> as *const () as usize),
        (c"valloc", valloc_stub::<L> as *const () as usize),
        (c"pvalloc", pvalloc_stub::<L> as *const () as usize),
        (c"mmap", mmap::<L> as *const () as usize),
        (c"mmap64", mmap::<L> as *const () as usize),
        (c"munmap", mappings::munmap::<L> as *const () as usize),
        (c"mremap", mremap::<L> as *const () as usize),
        (
            c"pthread_create",
            native::pthread_create::<L> as *const () as usize,
        ),
        (c"dlsym", dlsym as *const () as usize),
    ]
}
