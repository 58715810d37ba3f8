//! Stacks as a tree of named frames, cut to what a drawing has room for, and as text for other viewers.
//! Owns how a frame is called; knows no pixels.

use std::collections::HashMap;

use serde::Deserialize;

use crate::heap::report::{Frame, Stack, Stacks};

use super::bytes::bytes_text;

/// Frames of one stack that a drawing shows; of a deeper one the middle is left out.
const DEEPEST: usize = 16;

/// Columns of a terminal's 80.
const NAME_COLUMNS: usize = 50;
const BAR_COLUMNS: u64 = 18;

/// Which of a stack's bytes count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Measure {
    Allocated,
    Peak,
    Live,
}

impl Measure {
    pub fn of(self, stack: &Stack) -> u64 {
        match self {
            Self::Allocated => stack.allocated,
            Self::Peak => stack.peak,
            Self::Live => stack.live,
        }
    }

    pub fn words(self) -> &'static str {
        match self {
            Self::Allocated => "allocated",
            Self::Peak => "at peak",
            Self::Live => "live",
        }
    }
}

/// Whose a frame is; each has a colour and a word in the legend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    Notebook,
    Library,
    Native,
    Rest,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub name: String,
    pub whose: Whose,
    pub bytes: u64,
    pub under: Vec<Node>,
}

/// How files are named: `In[2]`, `json/decoder.py`.
pub type Names = HashMap<String, String>;

type Named = Vec<(String, Whose)>;

/// The stacks as a tree of at most about `most` frames. The smallest are one frame together, so the sum stays.
pub fn tree(stacks: &Stacks, names: &Names, measure: Measure, most: usize) -> Node {
    let mut root = Node::new("all".into(), Whose::Rest);
    let mut sorted: Vec<&Stack> = (stacks.stacks.iter())
        .filter(|stack| measure.of(stack) > 0)
        .collect();
    sorted.sort_by_key(|stack| std::cmp::Reverse(measure.of(stack)));
    let mut left = most;
    let mut rest = (0, 0);
    for stack in sorted {
        let (frames, bytes) = (shortened(named(stacks, stack, names)), measure.of(stack));
        let new = root.missing(&frames);
        root.bytes += bytes;
        if new > left {
            rest = (rest.0 + 1, rest.1 + bytes);
            continue;
        }
        left -= new;
        root.add(frames, bytes);
    }
    root.sort();
    if rest.0 > 0 {
        let name = match rest.0 {
            1 => "1 smaller stack".into(),
            many => format!("{many} smaller stacks"),
        };
        root.under.push(Node {
            bytes: rest.1,
            ..Node::new(name, Whose::Rest)
        });
    }
    root
}

/// One line for each stack, frames parted by semicolons, then its bytes: what flamegraph.pl, speedscope and others read.
pub fn folded(stacks: &Stacks, names: &Names, measure: Measure) -> String {
    let mut sums: HashMap<String, u64> = HashMap::new();
    for stack in &stacks.stacks {
        let frames = named(stacks, stack, names);
        let line: Vec<String> = frames.into_iter().map(|(name, _)| plain(&name)).collect();
        *sums.entry(line.join(";")).or_default() += measure.of(stack);
    }
    let mut lines: Vec<(String, u64)> = sums.into_iter().filter(|(_, sum)| *sum > 0).collect();
    lines.sort();
    lines
        .iter()
        .map(|(line, bytes)| format!("{line} {bytes}\n"))
        .collect()
}

/// The tree as such lines again.
pub fn lines(node: &Node, above: &str, out: &mut Vec<String>) {
    let line = format!("{above}{}", plain(&node.name));
    let own = node.bytes - node.under.iter().map(|under| under.bytes).sum::<u64>();
    if own > 0 {
        out.push(format!("{line} {own}"));
    }
    for under in &node.under {
        lines(under, &format!("{line};"), out);
    }
}

/// The tree for a terminal of 80 columns: each frame with its bytes and a bar, what it called under it.
pub fn text(root: &Node) -> String {
    let mut out = String::new();
    for node in &root.under {
        add_text(&mut out, node, 0, root.bytes);
    }
    out.trim_end().into()
}

fn add_text(out: &mut String, node: &Node, depth: usize, all: u64) {
    let under = match depth {
        0 => String::new(),
        _ => format!("{}└ ", " ".repeat((depth - 1).min(12))),
    };
    let name: Vec<char> = (under + &node.name).chars().collect();
    let name: String = match name.len() > NAME_COLUMNS {
        true => (name[..NAME_COLUMNS - 1].iter()).chain(&['…']).collect(),
        false => name.into_iter().collect(),
    };
    let share = (node.bytes * BAR_COLUMNS).div_ceil(all.max(1)) as usize;
    let (size, bar) = (bytes_text(i128::from(node.bytes)), "█".repeat(share));
    *out += &format!("{name:NAME_COLUMNS$}  {size:>8}  {bar}\n");
    for next in &node.under {
        add_text(out, next, depth + 1, all);
    }
}

/// A name that the format can hold. One that ends in a number is tied to it: readers would take it for a count.
pub fn plain(name: &str) -> String {
    let name = name.replace(';', ":").replace(char::is_control, " ");
    match name.rsplit_once(' ') {
        Some((head, last)) if last.parse::<f64>().is_ok() => format!("{head}\u{A0}{last}"),
        _ => name,
    }
}

fn named(stacks: &Stacks, stack: &Stack, names: &Names) -> Named {
    let mut frames: Named = Vec::new();
    if stacks.label.is_empty() {
        frames.push((stack.origin.clone(), Whose::Rest));
    }
    let known = stack
        .frames
        .iter()
        .filter_map(|place| stacks.frames.get(*place as usize));
    for (at, frame) in known.enumerate() {
        let whose = if at == 0 {
            Whose::Notebook
        } else {
            Whose::Library
        };
        frames.push((place(frame, names), whose));
    }
    if !stack.object.is_empty() {
        let name = format!("{} in {}", stack.allocator, library(&stack.object));
        frames.push((name, Whose::Native));
    }
    frames
}

/// The name of a shared object without what says how it was built.
fn library(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or_default();
    match name
        .split_once(".cpython-")
        .or_else(|| name.split_once(".abi3"))
    {
        Some((stem, rest)) if rest.ends_with(".so") => format!("{stem}.so"),
        _ => name.into(),
    }
}

/// How a place in code is called: `In[2], line 5 in make`.
pub fn place(frame: &Frame, names: &Names) -> String {
    if frame.file.is_empty() || frame.line == 0 && frame.function.starts_with('(') {
        return frame.function.clone();
    }
    let file = names.get(&frame.file).map_or_else(
        || frame.file.rsplit('/').next().unwrap_or_default(),
        String::as_str,
    );
    // Some instructions are of no line: those that begin a function, say.
    let number = match frame.line {
        0 => String::new(),
        number => format!(", line {number}"),
    };
    match frame.function.as_str() {
        "" | "<module>" => format!("{file}{number}"),
        function => format!("{file}{number} in {function}"),
    }
}

fn shortened(mut frames: Named) -> Named {
    if frames.len() > DEEPEST {
        let gone = frames.len() - DEEPEST + 1;
        let from = DEEPEST / 2;
        let words = format!("{gone} frames not shown");
        frames.splice(from..from + gone, [(words, Whose::Rest)]);
    }
    frames
}

impl Node {
    fn new(name: String, whose: Whose) -> Self {
        Self {
            name,
            whose,
            bytes: 0,
            under: Vec::new(),
        }
    }

    /// How many frames of a stack are not in the tree.
    fn missing(&self, frames: &[(String, Whose)]) -> usize {
        let mut node = self;
        for (at, (name, _)) in frames.iter().enumerate() {
            match node.under.iter().find(|under| under.name == *name) {
                Some(under) => node = under,
                None => return frames.len() - at,
            }
        }
        0
    }

    /// Adds a stack under this node, whose own bytes have it already.
    fn add(&mut self, frames: Named, bytes: u64) {
        let mut node = self;
        for (name, whose) in frames {
            let at = match node.under.iter().position(|under| under.name == name) {
                Some(at) => at,
                None => {
                    node.under.push(Self::new(name, whose));
                    node.under.len() - 1
                }
            };
            node = &mut node.under[at];
            node.bytes += bytes;
        }
    }

    fn sort(&mut self) {
        self.under
            .sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.name.cmp(&b.name)));
        self.under.iter_mut().for_each(Self::sort);
    }

    /// How many frames lie on top of each other, this one too.
    pub fn depth(&self) -> usize {
        1 + self.under.iter().map(Self::depth).max().unwrap_or(0)
    }
}
