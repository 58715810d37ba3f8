//! Blocks that Python keeps in its free lists after the object in them has gone: live to the allocator, and nobody's.
//! `hooks` tells which blocks those are; here they get a row of their own, and are taken out of their origins' rows.

use std::collections::HashMap;

use super::books::Books;
use super::places::{Places, Where};
use super::report::{Kept, Line, Live};
use super::sites::{Cold, SiteId};
use super::sources::Layer;

/// Blocks and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    pub blocks: u64,
    pub bytes: u64,
}

/// What is kept, by site and by type.
#[derive(Default)]
pub struct Found {
    sites: HashMap<SiteId, Count>,
    types: HashMap<&'static str, Count>,
}

impl Found {
    /// Notes that the block at an address is kept, if it is one that the notebook asked Python's allocators for. (What others
    /// gave back may have gone unseen, and its memory with it.)
    pub fn note(&mut self, books: &Books, address: usize, name: &'static str) {
        let Some(entry) = books.shadow.look(address) else {
            return;
        };
        let (site, size) = (entry.site(), entry.size());
        let python = |cold: &Cold| cold.key.source.layer == Layer::Python;
        if books.sites.cold(site).is_some_and(python) {
            add(self.sites.entry(site).or_default(), size);
            add(self.types.entry(name).or_default(), size);
        }
    }

    pub fn of(&self, site: SiteId) -> Count {
        self.sites.get(&site).copied().unwrap_or_default()
    }

    /// A site's id means a new site from here on.
    pub fn forget(&mut self, site: SiteId) {
        self.sites.remove(&site);
    }

    /// Gives them their row.
    pub fn set_apart(self, books: &Books, live: &mut Live) {
        for (name, Count { blocks, bytes }) in self.types {
            let name = name.to_owned();
            live.kept.push(Kept {
                name,
                blocks,
                bytes,
            });
        }
        live.kept
            .sort_by(|a, b| (b.bytes, &a.name).cmp(&(a.bytes, &b.name)));
        let mut places = Places::new(books);
        for (site, count) in self.sites {
            if let Some(cold) = books.sites.cold(site) {
                take_out(&mut places, live, cold, count);
            }
        }
    }
}

fn add(count: &mut Count, size: u64) {
    count.blocks += 1;
    count.bytes += size;
}

fn take_out(places: &mut Places<'_>, live: &mut Live, cold: &Cold, Count { blocks, bytes }: Count) {
    live.blocks -= blocks;
    let python = |allocator: &str| allocator == Layer::Python.name();
    if let Some(share) = live
        .shares
        .iter_mut()
        .find(|share| python(&share.allocator))
    {
        share.live -= bytes;
        share.live_blocks -= blocks;
    }
    let Some(origin) = (live.origins.iter_mut()).find(|origin| origin.cell.id == cold.key.cell.0)
    else {
        return;
    };
    origin.cell.live -= bytes;
    origin.cell.live_blocks -= blocks;
    let (line, leaf) = places.read(cold.key.place);
    if let Some(row) = row_of(&mut origin.lines, &line) {
        lessen(row, blocks, bytes);
        if let Some(row) = leaf.and_then(|leaf| row_of(&mut row.library, &leaf)) {
            lessen(row, blocks, bytes);
        }
    }
}

fn row_of<'a>(lines: &'a mut [Line], (file, line, function): &Where) -> Option<&'a mut Line> {
    lines.iter_mut().find(|row| {
        row.line == *line && *row.file == **file && (*line > 0 || *row.function == **function)
    })
}

fn lessen(row: &mut Line, blocks: u64, bytes: u64) {
    row.live -= bytes;
    row.live_blocks -= blocks;
    if let Some(share) =
        (row.shares.iter_mut()).find(|share| share.allocator == Layer::Python.name())
    {
        share.live -= bytes;
        share.live_blocks -= blocks;
    }
}
