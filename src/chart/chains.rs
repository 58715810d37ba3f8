//! Who holds an object: chains of holders from named roots down to it, as a small graph without crossings. Names of
//! attributes stand on the arrows. Knows boxes and words, no objects.

use plotters::prelude::Color;
use serde::Deserialize;

use super::canvas::{Area, ChartError, Svg, card, path};
use super::knots::{BOX, GAP, HEAD, Kind, MOST_WIDE, boxed, head, heading, words_on};
use super::theme;

/// A chain: the root's name and type, then what each arrow says and the type that it leads to.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Chain {
    pub root: String,
    pub note: String,
    pub steps: Vec<Step>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Step {
    pub words: String,
    pub name: String,
    /// The same number is the same object.
    pub number: u64,
}

/// Chains to one object, which `target` names.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Chains {
    pub title: String,
    pub target: String,
    pub chains: Vec<Chain>,
}

/// A box and those that hold it: their tree hangs upside down.
struct Node {
    name: String,
    note: String,
    is_root: bool,
    words: String,
    number: u64,
    holders: Vec<Node>,
}

impl Node {
    fn new(name: &str, number: u64) -> Self {
        Self {
            name: name.into(),
            note: String::new(),
            is_root: false,
            words: String::new(),
            number,
            holders: Vec::new(),
        }
    }

    fn leaves(&self) -> i32 {
        self.holders.iter().map(Self::leaves).sum::<i32>().max(1)
    }

    fn depth(&self) -> i32 {
        1 + self.holders.iter().map(Self::depth).max().unwrap_or(0)
    }

    /// The holder that is this object and holds by these words; a new one where there is none.
    fn holder(&mut self, name: &str, number: u64, words: &str) -> &mut Node {
        let same = |node: &Node| {
            node.number == number && number > 0 && node.words == words && !node.is_root
        };
        let at = self.holders.iter().position(same).unwrap_or_else(|| {
            let mut node = Node::new(name, number);
            node.words = words.into();
            self.holders.push(node);
            self.holders.len() - 1
        });
        &mut self.holders[at]
    }
}

/// The object at the bottom, its holders above it, the roots at the top.
fn tree(chains: &Chains) -> Node {
    let mut target = Node::new(&chains.target, 0);
    for chain in &chains.chains {
        let mut node = &mut target;
        let mut words = "";
        for (at, step) in chain.steps.iter().enumerate().rev() {
            words = &step.words;
            if let Some(before) = at.checked_sub(1).map(|at| &chain.steps[at]) {
                node = node.holder(&before.name, before.number, words);
            }
        }
        let mut root = Node::new(&chain.root, 0);
        root.note.clone_from(&chain.note);
        root.words = words.into();
        root.is_root = true;
        node.holders.push(root);
    }
    target
}

/// The drawing. Chains that do not fit beside each other are left to words.
pub fn chains(chains: &Chains, width: i32) -> Result<Svg, ChartError> {
    let target = tree(chains);
    let height = theme::PAD * 2 + HEAD + target.depth() * (BOX + GAP) - GAP;
    card(width, height, |area| {
        heading(area, &chains.title, width)?;
        let column = (width - theme::PAD * 2) / target.leaves();
        let bottom = height - theme::PAD - BOX;
        node(area, &target, theme::PAD, bottom, column).map(|_| ())
    })
}

/// Draws a box and what is above it, from `left` on. Returns the middle of the box.
fn node(area: &Area<'_>, node: &Node, left: i32, top: i32, column: i32) -> Result<i32, ChartError> {
    let x = left + column * node.leaves() / 2;
    let mut from = left;
    let turn = top - GAP / 4 - 4;
    for holder in &node.holders {
        let at = self::node(area, holder, from, top - BOX - GAP, column)?;
        path(
            area,
            vec![(at, top - GAP), (at, turn), (x, turn), (x, top)],
            theme::QUIET.stroke_width(1),
        )?;
        words_on(area, (at, top - GAP + 16), &holder.words, column - 8)?;
        from += column * holder.leaves();
    }
    if !node.holders.is_empty() {
        head(area, (x, top), (0, 1))?;
    }
    let kind = if node.is_root {
        Kind::Root
    } else if node.number == 0 {
        Kind::Target
    } else {
        Kind::Between
    };
    let wide = if kind == Kind::Target {
        column.max(2 * MOST_WIDE)
    } else {
        MOST_WIDE
    };
    boxed(
        area,
        (x, top),
        (wide.min(column * node.leaves() - 14), false),
        (&node.name, &node.note),
        kind,
    )?;
    Ok(x)
}
