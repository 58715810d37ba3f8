//! Knots: things that lead to each other in circles (strongly connected components, by Tarjan's algorithm).

use super::NONE;
use super::columns::{Bits, Column};
use super::network::Network;
use super::watch::{Stopped, Watch};

/// The knots among the nodes in `within`: more than one node, or a node that leads to itself. A knot comes before
/// those that lead to it.
///
/// # Errors
/// No memory, or interrupted.
pub fn knots(
    network: &Network,
    within: &Bits,
    watch: &mut Watch,
) -> Result<Vec<Vec<u32>>, Stopped> {
    let mut search = Search {
        lows: Column::filled(network.len(), NONE)?,
        numbers: Column::zeroed(network.len())?,
        open: Column::new()?,
        path: Column::new()?,
        count: 0,
        found: Vec::new(),
    };
    for root in within.iter() {
        if search.lows[root as usize] != NONE {
            continue;
        }
        search.enter(root)?;
        while let Some((node, followed)) = search.path.pop() {
            watch.step()?;
            search.go_on(network, within, node, followed as usize)?;
        }
    }
    Ok(search.found)
}

/// Nodes of knots that were found have this low; numbers stay below it.
const DONE: u32 = NONE - 1;

struct Search {
    /// The least number that a node was seen to reach, itself included.
    lows: Column<u32>,
    numbers: Column<u32>,
    /// Nodes whose knot is not known yet, in the order of their numbers.
    open: Column<u32>,
    path: Column<(u32, u32)>,
    count: u32,
    found: Vec<Vec<u32>>,
}

impl Search {
    fn enter(&mut self, node: u32) -> Result<(), Stopped> {
        self.lows[node as usize] = self.count;
        self.numbers[node as usize] = self.count;
        self.open.push(node)?;
        self.path.push((node, 0))?;
        self.count += 1;
        Ok(())
    }

    /// Follows the next arrow of a node that leads to something new, or closes the node.
    fn go_on(
        &mut self,
        network: &Network,
        within: &Bits,
        node: u32,
        followed: usize,
    ) -> Result<(), Stopped> {
        for (at, to) in network.of(node).iter().enumerate().skip(followed) {
            if !within.has(*to) {
                continue;
            }
            match self.lows[*to as usize] {
                NONE => {
                    // The arrow is looked at again when what it leads to is closed.
                    self.path.push((node, at as u32))?;
                    return self.enter(*to);
                }
                DONE => {}
                low => self.lows[node as usize] = self.lows[node as usize].min(low),
            }
        }
        self.close(network, node);
        Ok(())
    }

    fn close(&mut self, network: &Network, node: u32) {
        if self.lows[node as usize] != self.numbers[node as usize] {
            return;
        }
        let mut knot = Vec::new();
        while let Some(member) = self.open.pop() {
            self.lows[member as usize] = DONE;
            knot.push(member);
            if member == node {
                break;
            }
        }
        if knot.len() > 1 || network.of(node).contains(&node) {
            self.found.push(knot);
        }
    }
}
