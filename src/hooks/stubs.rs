//! What patched slots point to. A stub puts the address that it returns to behind the arguments and jumps on, so that
//! the hook sees it as its last one.

use std::arch::naked_asm;
use std::ffi::CStr;

use super::layout::Layout;
use super::mappings;
use super::native;
use super::reals;

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
