//! Where each CPython minor keeps what the graph reads of objects. Offsets in bytes, as the headers have them (`offsetof`,
//! x86-64 and aarch64 alike); the tests' predictions, to the byte, are what shows that they hold.

/// What differs between minors.
pub struct Layout {
    pub minor: u32,
    /// In a code object.
    pub code_locals: usize,
    /// Blocks that a code object owns: what is cached of it, and what others put aside for it.
    pub code_cached: Option<usize>,
    pub code_extra: usize,
    /// In a frame: references that it owns, and what tells how much of its stack is in use.
    pub frame_code: usize,
    pub frame_function: usize,
    pub frame_locals: usize,
    pub frame_object: usize,
    pub frame_previous: usize,
    pub frame_owner: usize,
    /// In a str.
    pub text_utf8: usize,
    pub text_data: usize,
}

/// In a frame, the same for all: how much of the stack is in use, who owns it, and the first local.
pub const FRAME_STACK: usize = 64;
pub const FRAME_SLOTS: usize = 72;

const V311: Layout = Layout {
    minor: 11,
    code_locals: 76,
    code_cached: None,
    code_extra: 176,
    frame_code: 32,
    frame_function: 0,
    frame_locals: 24,
    frame_object: 40,
    frame_previous: 48,
    frame_owner: 69,
    text_utf8: 56,
    text_data: 72,
};

const V312: Layout = Layout {
    minor: 12,
    code_locals: 72,
    code_cached: Some(152),
    code_extra: 184,
    frame_code: 0,
    frame_function: 16,
    frame_locals: 40,
    frame_object: 48,
    frame_previous: 8,
    frame_owner: 70,
    text_utf8: 48,
    text_data: 56,
};

const V313: Layout = Layout {
    minor: 13,
    code_cached: Some(160),
    code_extra: 192,
    ..V312
};

impl Layout {
    /// None for a minor whose objects are not known.
    pub fn of(minor: u32) -> Option<&'static Self> {
        match minor {
            11 => Some(&V311),
            12 => Some(&V312),
            13 => Some(&V313),
            _ => None,
        }
    }
}

/// In every object.
pub const TYPE: usize = 8;
/// In objects of variable size.
pub const SIZE: usize = 16;

/// Where the pointer lies.
///
/// # Safety
/// `object + at` must be readable.
#[inline(always)]
pub unsafe fn word(object: usize, at: usize) -> usize {
    // SAFETY: the caller's promise.
    unsafe { ((object + at) as *const usize).read() }
}

/// References of an object that lives for good.
pub const IMMORTAL: u32 = u32::MAX;

/// How many references there are, as far as 32 bits go.
///
/// # Safety
/// What begins with its count of them.
#[inline(always)]
pub unsafe fn references(layout: &Layout, object: usize) -> u32 {
    // SAFETY: the caller's promise.
    let count = unsafe { word(object, 0) };
    if layout.minor >= 12 && count as i32 <= 0 && count as u32 != 0 {
        return IMMORTAL;
    }
    u32::try_from(count).unwrap_or(IMMORTAL)
}

/// # Safety
/// As `word`.
#[inline(always)]
pub unsafe fn int(object: usize, at: usize) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { ((object + at) as *const i32).read() }
}

/// # Safety
/// As `word`.
#[inline(always)]
pub unsafe fn byte(object: usize, at: usize) -> u8 {
    // SAFETY: the caller's promise.
    unsafe { ((object + at) as *const u8).read() }
}

/// A dict, and the table of its keys.
pub mod dict {
    pub const KEYS: usize = 32;
    pub const VALUES: usize = 40;
    pub const KEYS_LOG_INDEX: usize = 9;
    pub const KEYS_KIND: usize = 10;
    pub const KEYS_COUNT: usize = 24;
    pub const KEYS_INDICES: usize = 32;
    pub const GENERAL: u8 = 0;
}

pub mod list {
    pub const ITEMS: usize = 24;
}

pub mod tuple {
    pub const ITEMS: usize = 24;
}

pub mod set {
    pub const TABLE: usize = 40;
    pub const SMALL: usize = 64;
}

pub mod deque {
    pub const LEFT: usize = 24;
    pub const RIGHT: usize = 32;
    pub const RIGHT_LINK: usize = 8 + 64 * 8;
    /// From 3.12 on, at the end: spare blocks of this deque.
    pub const SPARE_COUNT: usize = 72;
    pub const SPARE: usize = 80;
}

pub mod ordered {
    pub const FIRST: usize = 48;
    pub const FAST: usize = 64;
    pub const NODE_KEY: usize = 0;
    pub const NODE_NEXT: usize = 16;
}

pub mod text {
    pub const STATE: usize = 32;
    pub const COMPACT: u8 = 1 << 5;
    pub const ASCII: u8 = 1 << 6;
}

pub mod bytearray {
    pub const BLOCK: usize = 32;
}

pub mod array {
    pub const ITEMS: usize = 24;
}

pub mod decimal {
    pub const DIGITS: usize = 64;
    /// Few digits are in the object itself.
    pub const FEW: usize = 72;
}

pub mod cache {
    /// The first link of a ring; the object itself is in the ring too.
    pub const NEXT: usize = 24;
    /// In a link.
    pub const KEY: usize = 40;
    pub const RESULT: usize = 48;
    /// The dict of its results.
    pub const DICT: usize = 72;
}

/// In pandas: behind the table of its methods, a struct of khash's with three blocks.
pub mod hash_table {
    pub const TABLE: usize = 24;
    pub const BLOCKS: [usize; 3] = [16, 24, 32];
}

pub mod bytesio {
    pub const BUFFER: usize = 16;
}

pub mod module {
    pub const STATE: usize = 32;
    pub const NAME: usize = 48;
}

pub mod descriptor {
    pub const NAME: usize = 24;
    pub const QUALNAME: usize = 32;
}

pub mod ndarray {
    pub const DATA: usize = 16;
    pub const DIMENSIONS: usize = 24;
    pub const SHAPE: usize = 32;
    pub const BASE: usize = 48;
    pub const DTYPE: usize = 56;
    pub const FLAGS: usize = 64;
    pub const OWNS: i32 = 4;
    pub const ORDERED: i32 = 1;
    pub const DTYPE_KIND: usize = 24;
}

pub mod code {
    /// Objects that a code object refers to.
    pub const HELD: [usize; 9] = [24, 32, 40, 96, 104, 112, 120, 128, 136];
    pub const LOCAL_NAMES: usize = 96;
    pub const FILE: usize = 112;
    pub const NAME: usize = 120;
}

pub mod kind {
    pub const FLAGS: usize = 168;
    pub const NAME: usize = 24;
    pub const BASIC: usize = 32;
    pub const ITEM: usize = 40;
    pub const DOC: usize = 176;
    pub const TRAVERSE: usize = 184;
    pub const BASE: usize = 256;
    pub const MEMBERS: usize = 240;
    pub const DICT: usize = 264;
    pub const IS_GC: usize = 328;
    pub const SUBCLASSES: usize = 360;
    pub const DEL: usize = 376;
    pub const FINALIZE: usize = 392;

    pub const INLINE_VALUES: usize = 1 << 2;
    /// 3.12 on.
    pub const MANAGED_WEAK: usize = 1 << 3;
    pub const MANAGED_DICT: usize = 1 << 4;
    pub const HEAP: usize = 1 << 9;
    pub const GC: usize = 1 << 14;
    pub const IS_TEXT: usize = 1 << 28;
    pub const IS_TYPE: usize = 1 << 31;
    pub const IS_LIST: usize = 1 << 25;
    pub const IS_TUPLE: usize = 1 << 26;
    pub const IS_INT: usize = 1 << 24;
}
