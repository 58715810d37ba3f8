//! Dominators by the Semi-NCA algorithm (Georgiadis, 2005): for each thing the one thing nearest to it that every way from
//! the roots goes through. What a thing dominates is what goes with it.
//!
//! All in numbers of the `Order`, where a dominator is below what it dominates.

use super::columns::{Bits, Column};
use super::network::Network;
use super::order::Order;
use super::watch::{Stopped, Watch};

pub struct Dominators {
    pub order: Order,
    /// By number, the number of its immediate dominator; 0 where only the roots together dominate it.
    pub above: Column<u32>,
}

impl Dominators {
    /// # Errors
    /// No memory, or interrupted.
    pub fn new(network: &Network, roots: &[u32], watch: &mut Watch) -> Result<Self, Stopped> {
        let mut order = Order::new(network, roots, watch)?;
        let holders = Holders::new(network, roots, &order, watch)?;
        let count = order.nodes.len();
        let mut above = Column::zeroed(count)?;
        above.copy_from_slice(&order.parents);
        let mut forest = Forest {
            parents: std::mem::replace(&mut order.parents, Column::new()?),
            least: Column::zeroed(count)?,
            path: Vec::new(),
        };
        let mut semi: Column<u32> = Column::zeroed(count)?;
        for at in 0..count as u32 {
            forest.least[at as usize] = at;
        }
        for at in (1..count as u32).rev() {
            watch.step()?;
            let holders = holders.of(at).iter();
            // What was not done yet is its own least.
            let least = holders.map(|holder| match *holder {
                holder if holder <= at => holder,
                holder => forest.least_above(holder, at + 1),
            });
            let least = least.min().unwrap_or(0);
            semi[at as usize] = least;
            forest.least[at as usize] = least;
        }
        drop(forest);
        for at in 1..count {
            let mut candidate = above[at];
            while candidate > semi[at] {
                candidate = above[candidate as usize];
            }
            above[at] = candidate;
        }
        Ok(Self { order, above })
    }

    /// The nodes that a node dominates, itself included; none where no root reaches it.
    ///
    /// # Errors
    /// No memory.
    pub fn under(&self, node: u32) -> Result<Vec<u32>, Stopped> {
        let first = self.order.numbers[node as usize];
        if first == 0 {
            return Ok(Vec::new());
        }
        let mut inside = Bits::new(self.above.len())?;
        inside.set(first);
        let mut found = vec![node];
        // A dominator is below what it dominates.
        for at in first + 1..self.above.len() as u32 {
            if inside.has(self.above[at as usize]) {
                inside.set(at);
                found.push(self.order.nodes[at as usize]);
            }
        }
        Ok(found)
    }
}

/// Numbers of the holders of each number.
struct Holders {
    starts: Column<u32>,
    holders: Column<u32>,
}

impl Holders {
    fn new(
        network: &Network,
        roots: &[u32],
        order: &Order,
        watch: &mut Watch,
    ) -> Result<Self, Stopped> {
        let count = order.nodes.len();
        let mut starts: Column<u32> = Column::zeroed(count + 1)?;
        let mut total = 0;
        each_arrow(network, roots, order, watch, |_, to| {
            starts[to as usize] += 1;
            total += 1;
        })?;
        // Each start is first where the next begins, and goes down to its place as the holders come in.
        let mut sum = 0;
        for start in starts.iter_mut() {
            sum += *start;
            *start = sum;
        }
        let mut holders: Column<u32> = Column::zeroed(total)?;
        each_arrow(network, roots, order, watch, |from, to| {
            let start = &mut starts[to as usize];
            *start -= 1;
            holders[*start as usize] = from;
        })?;
        Ok(Self { starts, holders })
    }

    fn of(&self, at: u32) -> &[u32] {
        let at = at as usize;
        &self.holders[self.starts[at] as usize..self.starts[at + 1] as usize]
    }
}

/// Visits each arrow, by numbers; the roots' first.
fn each_arrow(
    network: &Network,
    roots: &[u32],
    order: &Order,
    watch: &mut Watch,
    mut visit: impl FnMut(u32, u32),
) -> Result<(), Stopped> {
    for root in roots {
        visit(0, order.numbers[*root as usize]);
    }
    for (at, node) in order.nodes.iter().enumerate().skip(1) {
        watch.step()?;
        for to in network.of(*node) {
            visit(at as u32, order.numbers[*to as usize]);
        }
    }
    Ok(())
}

/// The numbers that were done, linked to their parents, with paths made short as they are walked.
struct Forest {
    parents: Column<u32>,
    /// The least semidominator on the way up that was made short.
    least: Column<u32>,
    path: Vec<u32>,
}

impl Forest {
    /// The least semidominator from `at` up to the last number that is linked: those from `linked` on are.
    #[inline(always)]
    fn least_above(&mut self, at: u32, linked: u32) -> u32 {
        if self.parents[at as usize] < linked {
            return self.least[at as usize];
        }
        self.shorten(at, linked)
    }

    fn shorten(&mut self, mut at: u32, linked: u32) -> u32 {
        while self.parents[at as usize] >= linked {
            self.path.push(at);
            at = self.parents[at as usize];
        }
        while let Some(below) = self.path.pop() {
            self.parents[below as usize] = self.parents[at as usize];
            let least = self.least[at as usize].min(self.least[below as usize]);
            self.least[below as usize] = least;
            at = below;
        }
        self.least[at as usize]
    }
}
