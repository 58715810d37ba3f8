//! Objects by the cell that allocated them: the types of what is alive, and who holds what certain cells left behind.

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;

use pyo3::prelude::*;

use crate::graph::chains::Ways;
use crate::graph::dominators::Dominators;
use crate::graph::{Column, Stopped, Watch};
use crate::heap::cells::CellId;
use crate::heap::sites::SiteId;

use super::look::Sums;
use super::picture::Picture;
use super::places::Places;
use super::report::{Amount, Grown, Survivors};

/// Of what a holder keeps, the part that something under it must keep to be the better answer.
const MOSTLY: f64 = 0.8;

impl Picture {
    /// Visits each object with its cell, where it has one.
    fn each_origin(&mut self, py: Python<'_>, mut visit: impl FnMut(&mut Self, u32, CellId)) {
        let mut cells: HashMap<SiteId, Option<CellId>> = HashMap::new();
        let visited = crate::py::tracer::with(py, |tracer| {
            for node in 0..self.network.len() as u32 {
                let books = &tracer.books;
                let Some(site) = self.site_of(books, node) else {
                    continue;
                };
                if let Some(cell) = *cells.entry(site).or_insert_with(|| books.cell_of(site)) {
                    visit(self, node, cell);
                }
            }
        });
        // Where nothing was ever traced no object has a cell.
        drop(visited);
    }
}

/// Types of what is alive, by cell.
pub fn survivors(
    py: Python<'_>,
    picture: &mut Picture,
    only: Option<CellId>,
    most: usize,
) -> Survivors {
    let mut sums: HashMap<CellId, Sums> = HashMap::new();
    picture.each_origin(py, |picture, node, cell| {
        if only.is_none_or(|only| only == cell) {
            picture.add_to(sums.entry(cell).or_default(), node);
        }
    });
    let mut cells: Vec<_> = sums.into_iter().collect();
    cells.sort_by_key(|(cell, _)| *cell);
    let cells = cells.into_iter().map(|(cell, types)| {
        let label = picture.label_of(py, cell);
        (cell.0, label, picture.type_rows(types, most))
    });
    Survivors {
        cells: cells.collect(),
    }
}

/// Who holds most of what these cells left behind: the thing furthest from the roots that still holds most of it.
pub fn grown(
    py: Python<'_>,
    picture: &mut Picture,
    places: &Places,
    cells: RangeInclusive<u32>,
    watch: &mut Watch,
) -> Result<Option<Grown>, Stopped> {
    let mut weights: Column<u64> = Column::zeroed(picture.network.len())?;
    picture.each_origin(py, |picture, node, cell| {
        if cells.contains(&cell.0) {
            weights[node as usize] = picture.bytes[node as usize];
        }
    });
    let roots = picture.roots.to_vec();
    let dominators = Dominators::new(&picture.network, &roots, watch)?;
    // The notebook's namespace holds all that its cells left: who asks is told which of its variables.
    let dicts = picture.places.iter().zip(&places.places);
    let shared = dicts
        .filter(|(_, place)| place.is_dict)
        .map(|(node, _)| *node);
    let shared: HashSet<u32> = shared.collect();
    let Some((node, bytes)) = heaviest(picture, &dominators, &weights, &shared, watch)? else {
        return Ok(None);
    };
    let under = dominators.under(node)?;
    let young = under.iter().filter(|node| weights[**node as usize] > 0);
    let objects = young.count() as u64;
    drop(dominators);
    let starts = picture.starts(places);
    let ways = Ways::new(&picture.network, &starts.known, &starts.late, &[], watch)?;
    let way = ways.to(node).unwrap_or_else(|| vec![node]);
    Ok(Some(Grown {
        chain: picture.chain(&way, places),
        amount: Amount {
            bytes,
            objects,
            ..Amount::default()
        },
    }))
}

/// The node furthest down that keeps most of the weight of the heaviest; the heaviest under what is `shared`.
fn heaviest(
    picture: &Picture,
    dominators: &Dominators,
    weights: &[u64],
    shared: &HashSet<u32>,
    watch: &mut Watch,
) -> Result<Option<(u32, u64)>, Stopped> {
    let nodes = &dominators.order.nodes;
    let mut sums: Column<u64> = Column::zeroed(nodes.len())?;
    let mut best: Column<u32> = Column::zeroed(nodes.len())?;
    for at in (1..nodes.len()).rev() {
        watch.step()?;
        sums[at] += weights[nodes[at] as usize];
        let above = dominators.above[at] as usize;
        sums[above] += sums[at];
        if best[above] == 0 || sums[best[above] as usize] < sums[at] {
            best[above] = at as u32;
        }
    }
    let mut at = best[0] as usize;
    if at == 0 || sums[at] == 0 {
        return Ok(None);
    }
    let mut found = at;
    let mostly = |at: usize, below: usize| sums[below] as f64 >= sums[at] as f64 * MOSTLY;
    while best[at] != 0 && (shared.contains(&nodes[at]) || mostly(at, best[at] as usize)) {
        at = best[at] as usize;
        if picture.is_object(nodes[at]) {
            found = at;
        }
    }
    Ok(Some((nodes[found], sums[found])))
}
