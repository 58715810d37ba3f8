//! What the books know of one block: its size, and the cell that it is of. For readers; records nothing.

use super::books::Books;
use super::cells::CellId;
use super::sites::{Class, SiteId};

impl Books {
    /// Site and size of the block at an address; none where it is from before tracing, or no block begins there.
    pub fn block_at(&self, address: usize) -> Option<(SiteId, u64)> {
        let small = self
            .shadow
            .look(address)
            .map(|entry| (entry.site(), entry.size()));
        small.or_else(|| {
            let block = self.aside.get(address)?;
            (block.site.0 != 0).then_some((block.site, block.size))
        })
    }

    /// The same of pages that were mapped.
    pub fn mapping_at(&self, address: usize) -> Option<(SiteId, u64)> {
        let (bytes, site) = self.ranges.at(address)?;
        Some((site, bytes as u64))
    }

    /// The cell that a site is of; none for machinery and our own.
    pub fn cell_of(&self, site: SiteId) -> Option<CellId> {
        if self.sites.get(site).class != Class::Notebook {
            return None;
        }
        self.sites.cold(site).map(|cold| cold.key.cell)
    }

    /// How a cell is called.
    pub fn label_of(&self, cell: CellId) -> String {
        self.record(cell)
            .map_or_else(|| format!("cell {}", cell.0), |record| record.label())
    }
}
