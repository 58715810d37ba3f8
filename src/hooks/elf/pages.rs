//! Protection of pages: what it is, and changing it.

use std::ffi::c_void;
use std::ops::Range;

use crate::heap::pages::PAGE;

/// The size of a page, a power of two.
pub fn size() -> usize {
    // SAFETY: asks for a constant.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap_or(PAGE)
}

/// Whether the pages have the protection now.
pub fn protect(pages: &Range<usize>, protection: i32) -> bool {
    // SAFETY: whole pages of a loaded object's data, which nobody executes.
    unsafe { libc::mprotect(pages.start as *mut c_void, pages.len(), protection) == 0 }
}

/// The process's mappings that cannot be written, as they were when first asked for.
#[derive(Default)]
pub struct Maps(Option<Vec<Range<usize>>>);

impl Maps {
    /// Whether the page at an address is known to be read-only.
    pub fn read_only(&mut self, at: usize) -> bool {
        let ranges = self.0.get_or_insert_with(|| {
            let maps = std::fs::read("/proc/self/maps").unwrap_or_default();
            maps.split(|byte| *byte == b'\n')
                .filter_map(read_only)
                .collect()
        });
        ranges.iter().any(|range| range.contains(&at))
    }
}

/// The range of a line such as `55d0a000-55d0b000 r--p ...`.
fn read_only(line: &[u8]) -> Option<Range<usize>> {
    let line = std::str::from_utf8(line.get(..line.len().min(64))?).ok()?;
    let (range, rest) = line.split_once(' ')?;
    let (start, end) = range.split_once('-')?;
    if !rest.starts_with("r--") {
        return None;
    }
    Some(usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?)
}
