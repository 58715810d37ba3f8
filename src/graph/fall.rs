//! What goes when something is let go of: first what nobody refers to any more, then, in one collection, what only refers
//! to itself. The collector does not see every reference, so a circle through one that it does not see stays.

use std::collections::HashSet;

use super::columns::Column;
use super::network::Network;
use super::watch::{Stopped, Watch};

/// What the collector sees.
pub trait Sight {
    /// Whether it looks at a node at all.
    fn tracks(&self, node: u32) -> bool;
    /// How many of a node's arrows it sees: the first ones.
    fn sees(&self, node: u32, arrows: usize) -> usize;
}

/// Of nodes that are let go of, those that stay: `first` go, and what none of the others refers to.
///
/// # Errors
/// No memory, or interrupted.
pub fn staying(
    network: &Network,
    doomed: &[u32],
    first: &[u32],
    sight: &impl Sight,
    watch: &mut Watch,
) -> Result<Vec<u32>, Stopped> {
    let mut fall = Fall::new(network, doomed, watch)?;
    for node in first {
        fall.go(*node, watch)?;
    }
    for node in doomed {
        if fall.counts[*node as usize] == ALONE {
            fall.go(*node, watch)?;
        }
    }
    fall.collect(doomed, sight, watch)?;
    Ok(fall.left(doomed))
}

/// A count for a node that is not of the doomed, or is gone.
const AWAY: u32 = 0;
/// The count of a node that none of the doomed refers to.
const ALONE: u32 = AWAY + 1;

struct Fall<'a> {
    network: &'a Network,
    /// References to each node from the doomed that are left, one up; `AWAY` for others.
    counts: Column<u32>,
}

impl<'a> Fall<'a> {
    fn new(network: &'a Network, doomed: &[u32], watch: &mut Watch) -> Result<Self, Stopped> {
        let mut counts = Column::zeroed(network.len())?;
        for node in doomed {
            counts[*node as usize] = ALONE;
        }
        for node in doomed {
            watch.step()?;
            for to in network.of(*node) {
                if counts[*to as usize] != AWAY {
                    counts[*to as usize] += 1;
                }
            }
        }
        Ok(Self { network, counts })
    }

    /// A node goes, and with it what nothing else refers to.
    fn go(&mut self, node: u32, watch: &mut Watch) -> Result<(), Stopped> {
        if self.counts[node as usize] == AWAY {
            return Ok(());
        }
        self.counts[node as usize] = AWAY;
        let mut todo = vec![node];
        while let Some(node) = todo.pop() {
            watch.step()?;
            for to in self.network.of(node) {
                match &mut self.counts[*to as usize] {
                    &mut AWAY => {}
                    count if *count == ALONE + 1 => {
                        *count = AWAY;
                        todo.push(*to);
                    }
                    count => *count -= 1,
                }
            }
        }
        Ok(())
    }

    fn left(&self, doomed: &[u32]) -> Vec<u32> {
        let left = |node: &&u32| self.counts[**node as usize] != AWAY;
        doomed.iter().filter(left).copied().collect()
    }

    /// One collection.
    fn collect(
        &mut self,
        doomed: &[u32],
        sight: &impl Sight,
        watch: &mut Watch,
    ) -> Result<(), Stopped> {
        let left = self.left(doomed);
        let tracked: Vec<u32> = (left.into_iter())
            .filter(|node| sight.tracks(*node))
            .collect();
        let seen = |node: u32| {
            let arrows = self.network.of(node);
            &arrows[..sight.sees(node, arrows.len())]
        };
        let mut unseen: Column<u32> = Column::zeroed(self.network.len())?;
        for node in &tracked {
            unseen[*node as usize] = self.counts[*node as usize] - ALONE;
        }
        for node in &tracked {
            for to in seen(*node) {
                unseen[*to as usize] = unseen[*to as usize].saturating_sub(1);
            }
        }
        let held = tracked.iter().filter(|node| unseen[**node as usize] > 0);
        let mut todo: Vec<u32> = held.copied().collect();
        let mut stays: HashSet<u32> = todo.iter().copied().collect();
        while let Some(node) = todo.pop() {
            watch.step()?;
            let there = |to: &&u32| self.counts[**to as usize] != AWAY && sight.tracks(**to);
            let fresh = seen(node).iter().filter(there);
            todo.extend(fresh.filter(|to| stays.insert(**to)));
        }
        for node in tracked.iter().filter(|node| !stays.contains(node)) {
            self.go(*node, watch)?;
        }
        Ok(())
    }
}
