//! A loaded object as it lies in memory: its segments, symbols and relocations. Reads, and writes nothing.

use std::ffi::{CStr, c_char};
use std::ops::Range;
use std::sync::Arc;

use libc::{Elf64_Phdr as Segment, Elf64_Rela as Relocation, Elf64_Sym as Symbol};

use super::Object;
use super::pages;

const DT_PLTRELSZ: u64 = 2;
const DT_STRTAB: u64 = 5;
const DT_SYMTAB: u64 = 6;
const DT_RELA: u64 = 7;
const DT_RELASZ: u64 = 8;
const DT_PLTREL: u64 = 20;
const DT_JMPREL: u64 = 23;
const DT_GNU_HASH: u64 = 0x6fff_fef5;
const DT_RELACOUNT: u64 = 0x6fff_fff9;

pub struct Image<'a> {
    base: usize,
    name: &'a CStr,
    segments: &'a [Segment],
    /// From its first executable page to its last.
    pub code: Range<usize>,
    /// The pages that the loader makes read-only once it has filled them.
    pub sealed: Range<usize>,
    symbols: usize,
    strings: usize,
    hash: usize,
    tables: [&'a [Relocation]; 2],
}

/// What the dynamic section says, zero where it is silent.
#[derive(Default)]
struct Dynamic {
    strings: u64,
    symbols: u64,
    hash: u64,
    relocations: [u64; 2],
    sizes: [u64; 2],
    /// How many of the first table's relocations come first and have no symbol.
    relative: u64,
    of_calls: u64,
}

impl<'a> Image<'a> {
    /// None for what has no code or no dynamic section.
    ///
    /// # Safety
    /// The object must stay mapped for as long as the image is used.
    pub unsafe fn read(info: &'a libc::dl_phdr_info) -> Option<Self> {
        if info.dlpi_phdr.is_null() || info.dlpi_name.is_null() {
            return None;
        }
        // SAFETY: the loader's own pointers, and the caller's promise.
        let (segments, name) = unsafe {
            (
                std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)),
                CStr::from_ptr(info.dlpi_name),
            )
        };
        let mut image = Self {
            base: info.dlpi_addr as usize,
            name,
            segments,
            code: 0..0,
            sealed: 0..0,
            symbols: 0,
            strings: 0,
            hash: 0,
            tables: [&[], &[]],
        };
        image.code = image.code_range()?;
        image.sealed = image.sealed_range();
        let dynamic = image.dynamic()?;
        image.symbols = image.pointer(dynamic.symbols);
        image.strings = image.pointer(dynamic.strings);
        image.hash = image.pointer(dynamic.hash);
        image.tables = image.relocation_tables(&dynamic);
        Some(image)
    }

    pub fn object(&self) -> Object {
        let name: Arc<str> = if self.name.is_empty() {
            // The executable.
            let path = std::env::current_exe().unwrap_or_default();
            path.to_string_lossy().into()
        } else {
            self.name.to_string_lossy().into()
        };
        let code = self.code.clone();
        Object { name, code }
    }

    /// The loader itself: it runs before and beneath everything.
    pub fn is_loader(&self) -> bool {
        // SAFETY: reads a word of the auxiliary vector.
        let base = unsafe { libc::getauxval(libc::AT_BASE) } as usize;
        let path = self.name.to_bytes();
        let file = path.rsplit(|byte| *byte == b'/').next();
        self.base == base && base != 0 || file.is_some_and(|file| file.starts_with(b"ld-linux"))
    }

    /// The relocations that may name a symbol.
    pub fn relocations(&self) -> impl Iterator<Item = &'a Relocation> + use<'a> {
        self.tables.into_iter().flatten()
    }

    /// Where a relocation's word lies, if that is a word that the object may write.
    pub fn slot(&self, relocation: &Relocation) -> Option<usize> {
        let at = self.base.wrapping_add(relocation.r_offset as usize);
        let word = size_of::<usize>();
        let writable = |segment: &&Segment| segment.p_flags & libc::PF_W != 0;
        (at.is_multiple_of(word)
            && self.loaded().filter(writable).any(|segment| {
                let range = self.range(segment);
                range.start <= at && range.end.saturating_sub(word) >= at
            }))
        .then_some(at)
    }

    /// A symbol's name, and whether it is another object's.
    pub fn symbol(&self, index: u32) -> Option<(&'a CStr, bool)> {
        let at = (self.symbols).checked_add(index as usize * size_of::<Symbol>())?;
        if self.symbols == 0 || self.strings == 0 || !self.holds(at, size_of::<Symbol>()) {
            return None;
        }
        // SAFETY: inside the object's mapped segments, where the loader reads symbols too.
        let symbol = unsafe { &*(at as *const Symbol) };
        let name = self.strings.checked_add(symbol.st_name as usize)?;
        if !self.holds(name, 1) {
            return None;
        }
        // SAFETY: as above; strings in the table end in zero.
        let name = unsafe { CStr::from_ptr(name as *const c_char) };
        Some((name, symbol.st_shndx == 0))
    }

    /// Whether the object offers a symbol of that name to others.
    pub fn defines(&self, name: &CStr) -> bool {
        let hash = (name.to_bytes().iter()).fold(5381_u32, |hash, byte| {
            hash.wrapping_mul(33).wrapping_add(u32::from(*byte))
        });
        self.find(name, hash).is_some()
    }

    /// Walks the chain of the hash table that the name would be in.
    fn find(&self, name: &CStr, hash: u32) -> Option<()> {
        let word = |index: usize| {
            let at = (self.hash).checked_add(index.checked_mul(size_of::<u32>())?)?;
            // SAFETY: inside the object's mapped segments; the table is of such words.
            (self.hash != 0 && self.holds(at, size_of::<u32>()))
                .then(|| unsafe { (at as *const u32).read() })
        };
        let [buckets, hidden, filter] = [word(0)?, word(1)?, word(2)?];
        let start = 4 + 2 * filter as usize;
        let mut index = word(start + hash.checked_rem(buckets)? as usize)?;
        loop {
            let offset = index.checked_sub(hidden)? as usize;
            let entry = word(start + buckets as usize + offset)?;
            if entry | 1 == hash | 1 && self.symbol(index)? == (name, false) {
                return Some(());
            }
            if entry & 1 == 1 {
                return None;
            }
            index += 1;
        }
    }

    fn loaded(&self) -> impl Iterator<Item = &'a Segment> {
        (self.segments.iter()).filter(|segment| segment.p_type == libc::PT_LOAD)
    }

    fn range(&self, segment: &Segment) -> Range<usize> {
        let start = self.base.wrapping_add(segment.p_vaddr as usize);
        start..start.saturating_add(segment.p_memsz as usize)
    }

    fn holds(&self, at: usize, bytes: usize) -> bool {
        self.loaded().any(|segment| {
            let range = self.range(segment);
            range.start <= at && at.checked_add(bytes).is_some_and(|end| end <= range.end)
        })
    }

    fn code_range(&self) -> Option<Range<usize>> {
        let executable = |segment: &&Segment| segment.p_flags & libc::PF_X != 0;
        let ranges = || {
            self.loaded()
                .filter(executable)
                .map(|segment| self.range(segment))
        };
        let start = ranges().map(|range| range.start).min()?;
        let end = ranges().map(|range| range.end).max()?;
        Some(start..end)
    }

    fn sealed_range(&self) -> Range<usize> {
        let sealed = |segment: &&Segment| segment.p_type == libc::PT_GNU_RELRO;
        let Some(segment) = self.segments.iter().find(sealed) else {
            return 0..0;
        };
        let range = self.range(segment);
        let down = |at: usize| at & !(pages::size() - 1);
        down(range.start)..down(range.end)
    }

    fn dynamic(&self) -> Option<Dynamic> {
        let dynamic = |segment: &&Segment| segment.p_type == libc::PT_DYNAMIC;
        let range = self.range(self.segments.iter().find(dynamic)?);
        if !self.holds(range.start, range.len()) {
            return None;
        }
        let count = range.len() / size_of::<[u64; 2]>();
        // SAFETY: inside the object's mapped segments; pairs of a tag and a value.
        let entries = unsafe { std::slice::from_raw_parts(range.start as *const [u64; 2], count) };
        let mut said = Dynamic::default();
        for [tag, value] in entries.iter().take_while(|[tag, _]| *tag != 0) {
            match *tag {
                DT_STRTAB => said.strings = *value,
                DT_SYMTAB => said.symbols = *value,
                DT_GNU_HASH => said.hash = *value,
                DT_RELA => said.relocations[0] = *value,
                DT_RELASZ => said.sizes[0] = *value,
                DT_JMPREL => said.relocations[1] = *value,
                DT_PLTRELSZ => said.sizes[1] = *value,
                DT_PLTREL => said.of_calls = *value,
                DT_RELACOUNT => said.relative = *value,
                _ => {}
            }
        }
        Some(said)
    }

    /// The loader writes most objects' pointers where it found offsets, but not all.
    fn pointer(&self, value: u64) -> usize {
        let value = value as usize;
        if value == 0 || self.holds(value, 1) {
            value
        } else {
            self.base.wrapping_add(value)
        }
    }

    fn relocation_tables(&self, said: &Dynamic) -> [&'a [Relocation]; 2] {
        let mut tables = [0, 1].map(|table| self.table(said.relocations[table], said.sizes[table]));
        tables[0] = tables[0].get(said.relative as usize..).unwrap_or_default();
        if said.of_calls != DT_RELA {
            tables[1] = &[];
        }
        tables
    }

    fn table(&self, at: u64, bytes: u64) -> &'a [Relocation] {
        let (at, bytes) = (self.pointer(at), bytes as usize);
        if at == 0 || !at.is_multiple_of(align_of::<Relocation>()) || !self.holds(at, bytes) {
            return &[];
        }
        // SAFETY: inside the object's mapped segments, aligned, and plain words.
        unsafe {
            std::slice::from_raw_parts(at as *const Relocation, bytes / size_of::<Relocation>())
        }
    }
}
