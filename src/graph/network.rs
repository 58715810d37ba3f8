//! Nodes and arrows, packed: the arrows of node 0, of node 1, and so on. Knows nothing of what they stand for.

use std::io;

use super::columns::{Bits, Column};
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

    /// Some nodes alone, numbered in their order, with the arrows among them; and which each was.
    ///
    /// # Errors
    /// No memory.
    pub fn within(&self, inside: &Bits) -> Result<(Self, Vec<u32>), Stopped> {
        let nodes: Vec<u32> = inside.iter().collect();
        let mut network = Self::new()?;
        for node in &nodes {
            network.begin()?;
            for to in self.of(*node).iter().filter(|to| inside.has(**to)) {
                let at = nodes.partition_point(|known| known < to);
                network.lead_to(at as u32)?;
            }
        }
        Ok((network, nodes))
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

    #[test]
    fn some_nodes_alone_keep_the_arrows_among_them() {
        let network = network(&[&[1, 2], &[3, 1], &[0], &[1, 2, 3]]);
        let mut inside = Bits::new(4).unwrap();
        inside.set(1);
        inside.set(3);
        let (small, nodes) = network.within(&inside).unwrap();
        assert_eq!(nodes, [1, 3]);
        assert_eq!([small.of(0), small.of(1)], [&[1, 0][..], &[0, 1]]);
    }
}
