//! How full pymalloc's arenas are, and which lines' blocks keep those that are nearly empty: an arena goes back to the
//! system only when its last block is freed.

use std::collections::HashMap;
use std::ops::Range;

use super::books::Books;
use super::places::Places;
use super::report::{Arenas, HeapMap, Pin};
use super::sites::{Class, SiteId};

/// Lines that are told of.
const MOST_PINS: usize = 10;

/// What lies in one arena by the site it is of: blocks and their bytes.
type Filling = HashMap<SiteId, (u64, u64)>;

/// Of arenas that were mapped since the live table began, by start and size, and so many older ones.
pub fn arenas(books: &Books, mapped: &[(usize, usize)], older: Option<u64>) -> Arenas {
    let mut arenas = Arenas {
        count: mapped.len() as u64,
        older,
        ..Arenas::default()
    };
    let mut pins: HashMap<SiteId, (u64, u64, u64)> = HashMap::new();
    for (&(start, size), live) in mapped.iter().zip(live(books, mapped)) {
        let quarter = (live * 4 / (size as u64).max(1)).min(3);
        arenas.bytes += size as u64;
        arenas.live += live;
        arenas.filled[quarter as usize] += 1;
        if quarter == 0 {
            for (site, (blocks, bytes)) in filling(books, start..start + size) {
                let pin = pins.entry(site).or_default();
                *pin = (pin.0 + 1, pin.1 + blocks, pin.2 + bytes);
            }
        }
    }
    arenas.pins = named(books, pins);
    arenas
}

/// Boxes that a map has at the most.
const MOST_BOXES: u64 = 1_024;
/// The smallest box: a page.
const LEAST_BOX: u64 = 4 << 10;

/// The arenas cut into boxes of one size, in the order of their addresses, with what is live in each.
pub fn map(books: &Books, mapped: &[(usize, usize)], older: Option<u64>) -> HeapMap {
    let mut mapped = mapped.to_vec();
    mapped.sort_unstable();
    let bytes: u64 = mapped.iter().map(|(_, size)| *size as u64).sum();
    let unit = (bytes.div_ceil(MOST_BOXES))
        .next_power_of_two()
        .max(LEAST_BOX);
    let mut boxes = vec![0; bytes.div_ceil(unit) as usize];
    let mut before = 0;
    // Where each arena begins, and how far that is from the first.
    let mut starts = Vec::new();
    for (start, size) in &mapped {
        starts.push((*start, *size, before));
        let end = start + size;
        books.shadow.each_between(*start, end, |address, entry| {
            boxes[((before + (address - start) as u64) / unit) as usize] += entry.size();
        });
        before += *size as u64;
    }
    for (address, block) in books.aside.small() {
        let within =
            |(start, size, _): &&(usize, usize, u64)| (*start..start + size).contains(&address);
        if let Some((start, _, before)) = starts.iter().find(within) {
            boxes[((before + (address - start) as u64) / unit) as usize] += block.size;
        }
    }
    HeapMap {
        arenas: mapped.len() as u64,
        bytes,
        live: boxes.iter().sum(),
        unit,
        boxes,
        older,
        notes: Vec::new(),
    }
}

/// Live bytes of each arena.
fn live(books: &Books, mapped: &[(usize, usize)]) -> Vec<u64> {
    let mut live: Vec<u64> = (mapped.iter())
        .map(|(start, size)| books.shadow.live_between(*start, start + size))
        .collect();
    // Code objects that were seen lie aside.
    for (address, block) in books.aside.small() {
        let within = |(start, size): &(usize, usize)| (*start..start + size).contains(&address);
        if let Some(at) = mapped.iter().position(within) {
            live[at] += block.size;
        }
    }
    live
}

fn filling(books: &Books, arena: Range<usize>) -> Filling {
    let mut filling = Filling::new();
    let mut note = |site, size| {
        let (blocks, bytes) = filling.entry(site).or_default();
        (*blocks, *bytes) = (*blocks + 1, *bytes + size);
    };
    books
        .shadow
        .each_between(arena.start, arena.end, |_, entry| {
            note(entry.site(), entry.size());
        });
    for (address, block) in books.aside.small() {
        if arena.contains(&address) {
            note(block.site, block.size);
        }
    }
    filling
}

/// Lines that have blocks in most arenas first.
fn named(books: &Books, pins: HashMap<SiteId, (u64, u64, u64)>) -> Vec<Pin> {
    let mut lines: HashMap<(String, String, u32, String), Pin> = HashMap::new();
    for (site, (arenas, blocks, live)) in pins {
        let mut pin = whose(books, site);
        let key = (
            pin.origin.clone(),
            pin.file.clone(),
            pin.line,
            pin.function.clone(),
        );
        (pin.arenas, pin.blocks, pin.live) = (arenas, blocks, live);
        lines
            .entry(key)
            .and_modify(|known| {
                // Two sites of a line may lie in the same arenas: at least so many.
                known.arenas = known.arenas.max(arenas);
                known.blocks += blocks;
                known.live += live;
            })
            .or_insert(pin);
    }
    let mut pins: Vec<Pin> = lines.into_values().collect();
    let place = |pin: &Pin| (pin.file.clone(), pin.line);
    pins.sort_by(|a, b| {
        let order = (b.arenas, b.live).cmp(&(a.arenas, a.live));
        order.then_with(|| place(a).cmp(&place(b)))
    });
    pins.truncate(MOST_PINS);
    pins
}

fn whose(books: &Books, site: SiteId) -> Pin {
    let Some(cold) = books.sites.cold(site) else {
        let words = match books.sites.get(site).class {
            Class::Cellheap => "(cellheap)",
            _ => "(notebook machinery)",
        };
        return Pin {
            function: words.into(),
            ..Pin::default()
        };
    };
    let ((file, line, function), _) = Places::new(books).read(cold.key.place);
    let origin = books.record(cold.key.cell);
    Pin {
        origin: origin.map(|record| record.label()).unwrap_or_default(),
        file: file.to_string(),
        line,
        function: function.to_string(),
        ..Pin::default()
    }
}
