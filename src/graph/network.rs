//! Nodes and arrows, packed: the arrows of node 0, of node 1, and so on. Knows nothing of what they stand for.

use std::io;

use super::columns::Column;
use super::watch::Stopped;

/// Numbers of nodes and of arrows stay below this.
const MOST: u32 = u32::MAX - 1;

pub struct Network {
    /// Where each node's arrows begin.
    starts: Column<u32>,
    arrows: Column<u32>,
}

impl Network {
    /// # Errors
    /// The system's error when no memory is left.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            starts: Column::new()?,
            arrows: Column::new()?,
        })
    }

    /// The next node begins: the arrows that come are its own.
    ///
    /// # Errors
    /// No memory, or too many.
    pub fn begin(&mut self) -> Result<(), Stopped> {
        let (nodes, arrows) = (self.starts.len(), self.arrows.len());
        if nodes.max(arrows) >= MOST as usize {
            return Err(Stopped::TooMany(MOST));
        }
        Ok(self.starts.push(arrows as u32)?)
    }

    /// An arrow of the node that began last; it may lead to a node that has yet to begin.
    ///
    /// # Errors
    /// No memory.
    #[inline(always)]
    pub fn lead_to(&mut self, node: u32) -> io::Result<()> {
        self.arrows.push(node)
    }

    pub fn len(&self) -> usize {
        self.starts.len()
    }

    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    pub fn arrows(&self) -> &[u32] {
        &self.arrows
    }

    /// Where the arrows of a node lead.
    #[inline(always)]
    pub fn of(&self, node: u32) -> &[u32] {
        &self.arrows[self.start(node)..self.end(node)]
    }

    #[inline(always)]
    fn start(&self, node: u32) -> usize {
        self.starts[node as usize] as usize
    }

    #[inline(always)]
    fn end(&self, node: u32) -> usize {
        let next = self.starts.get(node as usize + 1);
        next.map_or(self.arrows.len(), |start| *start as usize)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A network of these arrows.
    pub fn network(nodes: &[&[u32]]) -> Network {
        let mut network = Network::new().unwrap();
        for arrows in nodes {
            network.begin().unwrap();
            for to in *arrows {
                network.lead_to(*to).unwrap();
            }
        }
        network
    }

    #[test]
    fn each_node_has_its_own_arrows() {
        let network = network(&[&[1, 2], &[], &[0, 2]]);
        assert_eq!(
            [network.of(0), network.of(1), network.of(2)],
            [&[1, 2][..], &[], &[0, 2]]
        );
    }
}
