//! The shortest ways from named places to a thing: one search, breadth first.

use super::NONE;
use super::columns::Column;
use super::network::Network;
use super::watch::{Stopped, Watch};

pub struct Ways {
    /// The node from which each was reached first: itself where the search began, `NONE` where it did not come.
    before: Column<u32>,
}

impl Ways {
    /// From these, the first ones preferred among equals, around `avoid`: no way goes through those. `late` ones begin a
    /// few steps later.
    ///
    /// # Errors
    /// No memory, or interrupted.
    pub fn new(
        network: &Network,
        from: &[u32],
        late: &[u32],
        avoid: &[u32],
        watch: &mut Watch,
    ) -> Result<Self, Stopped> {
        let mut before: Column<u32> = Column::filled(network.len(), NONE)?;
        for node in avoid {
            before[*node as usize] = AVOIDED;
        }
        let mut todo: Column<u32> = Column::new()?;
        let begin = |node: u32, before: &mut Column<u32>, todo: &mut Column<u32>| {
            if before[node as usize] == NONE {
                before[node as usize] = node;
                return todo.push(node);
            }
            Ok(())
        };
        for node in from {
            begin(*node, &mut before, &mut todo)?;
        }
        let (mut at, mut depth, mut depth_ends) = (0, 0, todo.len());
        loop {
            if at == depth_ends {
                if depth == LATE || (depth < LATE && todo.len() == at) {
                    for node in late {
                        begin(*node, &mut before, &mut todo)?;
                    }
                    depth = LATE;
                }
                if at == todo.len() {
                    return Ok(Self { before });
                }
                (depth, depth_ends) = (depth + 1, todo.len());
            }
            watch.step()?;
            let node = todo[at];
            at += 1;
            for to in network.of(node) {
                if before[*to as usize] == NONE {
                    before[*to as usize] = node;
                    todo.push(*to)?;
                }
            }
        }
    }

    /// The way to a node, from where the search began; none where it did not come.
    pub fn to(&self, node: u32) -> Option<Vec<u32>> {
        let mut way = vec![node];
        let mut at = node;
        loop {
            match self.before[at as usize] {
                NONE | AVOIDED => return None,
                before if before == at => break,
                before => {
                    at = before;
                    way.push(at);
                }
            }
        }
        way.reverse();
        Some(way)
    }

    pub fn comes_to(&self, node: u32) -> bool {
        self.before[node as usize] < AVOIDED
    }
}

/// The step at which late ones begin.
const LATE: usize = 4;

/// What no way may go through has this before it.
const AVOIDED: u32 = NONE - 1;
