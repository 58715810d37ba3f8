//! What can be reached from where.

use super::columns::{Bits, Column};
use super::network::Network;
use super::watch::{Stopped, Watch};

/// Adds to `seen` what these nodes reach, they themselves included; an arrow that `cut` names is not followed, and
/// neither is a node that is in `seen` already.
///
/// # Errors
/// No memory, or interrupted.
pub fn reach(
    network: &Network,
    from: impl IntoIterator<Item = u32>,
    seen: &mut Bits,
    cut: impl Fn(u32, u32) -> bool,
    watch: &mut Watch,
) -> Result<(), Stopped> {
    let mut todo = Column::new()?;
    for root in from {
        if seen.set(root) {
            todo.push(root)?;
        }
        while let Some(node) = todo.pop() {
            watch.step()?;
            for to in network.of(node) {
                if !cut(node, *to) && seen.set(*to) {
                    todo.push(*to)?;
                }
            }
        }
    }
    Ok(())
}
