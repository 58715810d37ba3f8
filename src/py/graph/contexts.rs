//! What contexts of `contextvars` have: their variables lie in a tree of nodes that no person knows. Layouts as in CPython's
//! `pycore_context.h` and `pycore_hamt.h`, the same for 3.11 to 3.14.

use pyo3::ffi;

use super::kinds::Kind;
use super::layout::{self, Layout, word};
use super::picture::Picture;
use super::texts::{text, type_name};

const NAME: usize = 16;
/// Where a node of the tree has its pairs of key and value, or no key and a node below. In the other kind of node are only
/// nodes.
const PAIRS: usize = 32;

impl Picture {
    /// The way from a context through its tree: which variable has the value, or is it.
    pub(super) unsafe fn variable_of_context(
        &mut self,
        kind: &Kind,
        way: &[u32],
    ) -> Option<(String, &'static str, usize)> {
        if kind.of != &raw mut ffi::PyContext_Type as usize {
            return None;
        }
        let mut node = None;
        let mut inside = 0;
        while let Some(object) = way.get(inside + 1).and_then(|at| self.object(*at)) {
            // SAFETY: objects of a picture live.
            if !unsafe { is_tree(self.layout, object) } {
                break;
            }
            (node, inside) = (Some(object), inside + 1);
        }
        let held = self.object(*way.get(inside + 1)?)?;
        // SAFETY: a node of a tree that lives.
        let variable = unsafe { variable(node?, held) }?;
        // SAFETY: keys of a context are variables.
        let name = unsafe { text(self.layout, word(variable, NAME)) }?;
        Some((format!("ContextVar '{name}'"), "context", inside + 1))
    }
}

unsafe fn is_tree(layout: &Layout, object: usize) -> bool {
    // SAFETY: the caller's promise: a live object.
    unsafe { type_name(layout, word(object, layout::TYPE)) }.starts_with("hamt")
}

/// The variable that an object is, or whose value it is.
unsafe fn variable(node: usize, held: usize) -> Option<usize> {
    // SAFETY: a node with so many words of pairs.
    unsafe {
        let pairs = (0..word(node, layout::SIZE) / 2).map(|at| {
            let pair = node + PAIRS + at * 16;
            (word(pair, 0), word(pair, 8))
        });
        pairs
            .filter(|(variable, _)| *variable != 0)
            .find(|(variable, value)| *variable == held || *value == held)
            .map(|(variable, _)| variable)
    }
}
