//! Depth first: what the roots reach gets numbers from 1 on, each before what it leads to. Number 0 stands for all
//! roots together.

use super::columns::Column;
use super::network::Network;
use super::watch::{Stopped, Watch};

pub struct Order {
    /// The number of each node; 0 where no root reaches it.
    pub numbers: Column<u32>,
    /// The node of each number; that of 0 is none.
    pub nodes: Column<u32>,
    /// By number, the number of the node from which it was reached.
    pub parents: Column<u32>,
}

impl Order {
    /// # Errors
    /// No memory, or interrupted.
    pub fn new(network: &Network, roots: &[u32], watch: &mut Watch) -> Result<Self, Stopped> {
        let mut order = Self {
            numbers: Column::zeroed(network.len())?,
            nodes: Column::new()?,
            parents: Column::new()?,
        };
        order.nodes.push(super::NONE)?;
        order.parents.push(0)?;
        // A node, and how many of its arrows were followed.
        let mut path: Column<(u32, u32)> = Column::new()?;
        for root in roots {
            order.enter(network, *root, 0, &mut path)?;
            while let Some((node, followed)) = path.pop() {
                let arrows = &network.of(node)[followed as usize..];
                let fresh = arrows
                    .iter()
                    .position(|to| order.numbers[*to as usize] == 0);
                if let Some(at) = fresh {
                    watch.step()?;
                    // A node whose arrows were all followed is not come back to.
                    if at + 1 < arrows.len() {
                        path.push((node, followed + at as u32 + 1))?;
                    }
                    order.enter(network, arrows[at], order.numbers[node as usize], &mut path)?;
                }
            }
        }
        Ok(order)
    }

    fn enter(
        &mut self,
        network: &Network,
        node: u32,
        parent: u32,
        path: &mut Column<(u32, u32)>,
    ) -> Result<(), Stopped> {
        if self.numbers[node as usize] == 0 {
            self.numbers[node as usize] = self.nodes.len() as u32;
            self.nodes.push(node)?;
            self.parents.push(parent)?;
            if !network.of(node).is_empty() {
                path.push((node, 0))?;
            }
        }
        Ok(())
    }

    /// How many nodes the roots reach.
    pub fn reached(&self) -> usize {
        self.nodes.len() - 1
    }

    pub fn reaches(&self, node: u32) -> bool {
        self.numbers[node as usize] != 0
    }
}
