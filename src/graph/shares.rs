//! Who reaches what together with whom, for up to 64 at once: each node gets a bit for everyone who reaches it.

use super::columns::{Bits, Column};
use super::network::Network;
use super::watch::{Stopped, Watch};

/// How many are told apart at once.
pub const MOST: usize = 64;

/// By node, a bit for each of `from` that reaches it without going through a node in `walls`.
///
/// # Errors
/// No memory, or interrupted.
pub fn reachers(
    network: &Network,
    from: &[u32],
    walls: &Bits,
    watch: &mut Watch,
) -> Result<Column<u64>, Stopped> {
    let mut masks: Column<u64> = Column::zeroed(network.len())?;
    let mut waiting = Bits::new(network.len())?;
    let mut todo: Column<u32> = Column::new()?;
    for (bit, node) in from.iter().enumerate().take(MOST) {
        masks[*node as usize] |= 1 << bit;
        todo.push(*node)?;
        waiting.set(*node);
    }
    // What a node's mask gained is handed on once for all that came while it waited.
    while let Some(node) = todo.pop() {
        watch.step()?;
        waiting.unset(node);
        let mask = masks[node as usize];
        for to in network.of(node) {
            let known = &mut masks[*to as usize];
            if *known | mask != *known && !walls.has(*to) {
                *known |= mask;
                if waiting.set(*to) {
                    todo.push(*to)?;
                }
            }
        }
    }
    Ok(masks)
}
