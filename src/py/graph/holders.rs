//! Who holds an object: chains from places with names, each arrow by a name that a person knows.

use std::collections::HashSet;

use crate::graph::chains::Ways;
use crate::graph::{Stopped, Watch};

use super::kinds::{Adapter, marks};
use super::layout::word;
use super::names::{key_text, module_name, own_dict};
use super::picture::Picture;
use super::places::{Place, Places};
use super::report::{Chain, Step};
use super::texts::text;

/// Where searches begin: what a person knows first, then the rest.
pub struct Starts {
    pub known: Vec<u32>,
    pub late: Vec<u32>,
    /// What no chain may go through.
    pub around: Vec<u32>,
}

/// Where a way begins.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Begin {
    Place,
    /// Something that C code holds.
    Unseen,
    /// A value that a frame of another thread uses, under no name: what it loops over, say.
    Elsewhere,
    /// The same in this thread, which is about to ask.
    Passing,
}

impl Picture {
    pub fn starts(&mut self, places: &Places) -> Starts {
        let mut ranked: Vec<(u8, u32)> = Vec::new();
        for node in self.entry_nodes().collect::<Vec<_>>() {
            let rank = match self.place_of(node, places) {
                Some((place, name)) => match (place.kind.as_str(), name.starts_with('_')) {
                    ("variable", false) => 0,
                    ("cache" | "callback", _) => 4,
                    (_, false) => 1,
                    ("variable", _) => 3,
                    _ => 4,
                },
                None => 4,
            };
            ranked.push((rank, node));
        }
        for (at, node) in self.places.clone().into_iter().enumerate() {
            if !places.places[at].is_dict {
                ranked.push((2, node));
            }
        }
        let frames = 0..self.frames.len() as u32;
        ranked.extend(
            frames
                .filter(|at| !self.frames[*at as usize].ours)
                .map(|at| (5, at)),
        );
        ranked.extend(self.imported.map(|node| (6, node)));
        ranked.extend(self.modules().into_iter().map(|node| (7, node)));
        ranked.sort_unstable();
        Starts {
            known: ranked.into_iter().map(|(_, node)| node).collect(),
            late: self.roots.to_vec(),
            around: Vec::new(),
        }
    }

    fn modules(&self) -> Vec<u32> {
        let nodes = 0..self.network.len() as u32;
        nodes.filter(|node| self.is(*node, marks::MODULE)).collect()
    }

    /// The place that an entry is of, and the text of its key.
    fn place_of<'p>(&self, node: u32, places: &'p Places) -> Option<(&'p Place, String)> {
        let entry = self.entry(node)?;
        let container = self.object(entry.dict)?;
        let place = (places.places.iter()).find(|place| place.container == container)?;
        // SAFETY: the key of an entry of a dict that lives.
        let name = unsafe {
            text(self.layout, entry.key).unwrap_or_else(|| {
                let written = key_text(self.layout, entry.key);
                written
                    .trim_start_matches('[')
                    .trim_end_matches(']')
                    .to_owned()
            })
        };
        Some((place, name))
    }

    /// At most `most` chains to an object, as different as can be, the shortest first; and how many hold it directly.
    pub fn chains(
        &mut self,
        node: u32,
        starts: &Starts,
        places: &Places,
        most: usize,
        watch: &mut Watch,
    ) -> Result<(Vec<Chain>, u64), Stopped> {
        let mut around = starts.around.clone();
        around.push(node);
        let ways = Ways::new(&self.network, &starts.known, &starts.late, &around, watch)?;
        let mut direct = Vec::new();
        for holder in 0..self.network.len() as u32 {
            watch.step()?;
            if holder != node && ways.comes_to(holder) && self.network.of(holder).contains(&node) {
                direct.push(holder);
            }
        }
        let rank = |way: &[u32]| {
            let known = starts.known.iter().position(|start| *start == way[0]);
            known.unwrap_or(usize::MAX)
        };
        let mut found: Vec<(Begin, usize, usize, Vec<u32>)> = Vec::new();
        for holder in &direct {
            watch.step()?;
            if let Some(way) = ways.to(*holder).filter(|_| found.len() < 10_000) {
                found.push((Begin::Place, way.len(), 0, way));
            }
        }
        found.sort_by_key(|(_, length, _, _)| *length);
        found.truncate(most.saturating_mul(20).max(100));
        for (from, _, place, way) in &mut found {
            *place = rank(way);
            *from = match *place {
                _ if self.is_unnamed(way, node) => match self.runs_elsewhere(way) {
                    true => Begin::Elsewhere,
                    false => Begin::Passing,
                },
                usize::MAX => Begin::Unseen,
                _ => Begin::Place,
            };
        }
        found.sort_by_key(|(from, length, place, _)| (*from, *length, *place));
        if self.is(node, marks::MODULE) && found.iter().any(|(.., way)| self.is_imported(way)) {
            // Modules that import a module are many, and none of them matters while `sys.modules` has it.
            found.retain(|(.., way)| !self.is(way[0], marks::MODULE));
        }
        let mut seen = HashSet::new();
        let (mut first, mut rest) = (Vec::new(), Vec::new());
        for (from, _, _, mut way) in found {
            way.push(node);
            let is_told = match from {
                Begin::Passing => !first.is_empty(),
                // By a variable of that thread's, most likely.
                Begin::Elsewhere => first.iter().any(|way: &Vec<u32>| self.runs_elsewhere(way)),
                _ => false,
            };
            if is_told {
                continue;
            }
            let other = seen.insert(way[0]);
            if other { &mut first } else { &mut rest }.push(way);
        }
        first.extend(rest);
        Ok((self.told(&first, places, most), direct.len() as u64))
    }

    /// At most so many of these ways in words. What one option clears is one holder, whose other names come last.
    fn told(&mut self, ways: &[Vec<u32>], places: &Places, most: usize) -> Vec<Chain> {
        let (mut chains, mut others): (Vec<Chain>, Vec<Chain>) = (Vec::new(), Vec::new());
        for way in ways.iter().take(most.saturating_mul(4)) {
            let chain = self.chain(way, places);
            if (chains.iter().chain(&others)).any(|known| known.text == chain.text) {
                continue;
            }
            let cleared = |known: &Chain| known.clears.is_some() && known.clears == chain.clears;
            match chains.iter().any(cleared) {
                true => others.push(chain),
                false => chains.push(chain),
            }
        }
        chains.extend(others);
        chains.truncate(most);
        chains
    }

    /// Whether a way begins in a frame of another thread.
    fn runs_elsewhere(&self, way: &[u32]) -> bool {
        self.frame(way[0]).is_some_and(|frame| !frame.here)
    }

    /// Whether a way begins with a value that a running frame uses just now, under no name.
    fn is_unnamed(&self, way: &[u32], node: u32) -> bool {
        let (Some(frame), next) = (self.frame(way[0]), way.get(1).copied().unwrap_or(node)) else {
            return false;
        };
        self.local_of(frame.address, next).is_none()
    }

    /// Whether a way is from `sys.modules` straight.
    fn is_imported(&self, way: &[u32]) -> bool {
        way.len() == 1 && self.imported == Some(way[0])
    }

    /// A way in words.
    pub fn chain(&mut self, way: &[u32], places: &Places) -> Chain {
        let first = way[0];
        let (root, kind) = self.root(first, places);
        let mut steps = Vec::new();
        // An entry and what it holds are one: the entry is the name, not a holder.
        let mut at = usize::from(self.entry(first).is_some() && way.len() > 1);
        let number = way[at];
        while at + 1 < way.len() {
            let (words, kind, to) = self.step(&way[at..]);
            at += to;
            steps.push(Step {
                words,
                kind,
                of: self.type_of(way[at]),
                number: way[at],
            });
        }
        // The frames of a loop are known by the loop.
        let told = match &steps[..] {
            [own, rest @ ..] if own.words == "variable self" && self.is_event_loop(first) => rest,
            all => all,
        };
        Chain {
            text: in_words(&root, &kind, told),
            clears: clears(&kind),
            of: self.type_of(number),
            root,
            kind,
            steps,
            number,
        }
    }

    /// How a named entry is called, and what kind of place that is.
    pub fn name_of(&self, node: u32, places: &Places) -> Option<(String, String)> {
        let (place, name) = self.place_of(node, places)?;
        let is_output = place.outputs.contains(&name);
        let kind = if is_output { "output" } else { &place.kind };
        Some((kind.to_owned(), place.label.replace("{}", &name)))
    }

    /// The node of a module's dict.
    pub fn module_dict(&self, node: u32) -> Option<u32> {
        const DICT: usize = 16;
        let object = self.object(node)?;
        // SAFETY: a module that lives.
        let dict = unsafe { word(object, DICT) };
        let arrows = self.network.of(node).iter().copied();
        arrows.into_iter().find(|to| self.object(*to) == Some(dict))
    }

    /// The node of the dict of an object's own attributes.
    pub fn own_dict_node(&mut self, node: u32) -> Option<u32> {
        let (kind, object) = (self.kind(node)?, self.object(node)?);
        // SAFETY: the object lives.
        let dict = unsafe { own_dict(self.layout, &kind, object) };
        let mut arrows = self.network.of(node).iter().copied();
        arrows.find(|to| dict != 0 && self.object(*to) == Some(dict))
    }

    fn root(&mut self, node: u32, places: &Places) -> (String, String) {
        if let Some((kind, name)) = self.name_of(node, places) {
            return (name, kind);
        }
        if let Some(at) = self.places.iter().position(|place| *place == node) {
            let place = &places.places[at];
            return (place.label.clone(), place.kind.clone());
        }
        if let Some(frame) = self.frame_text(node) {
            return (frame, "frame".into());
        }
        if self.imported == Some(node) {
            return ("sys.modules".into(), "module".into());
        }
        let (Some(kind), Some(object)) = (self.kind(node), self.object(node)) else {
            return ("C code".into(), "C".into());
        };
        // SAFETY: the object lives.
        unsafe {
            if kind.adapter == Adapter::Module {
                return (
                    format!("module {}", module_name(self.layout, object)),
                    "module".into(),
                );
            }
            if self.is_of_thread(object, kind.adapter) {
                return ("a thread's local".into(), "thread".into());
            }
        }
        let name = self.type_of(node);
        (format!("C code, which holds a {name}"), "C".into())
    }

    /// Whether a dict is where a thread keeps its locals.
    unsafe fn is_of_thread(&self, object: usize, adapter: Adapter) -> bool {
        let mut found = false;
        if adapter == Adapter::Dict {
            // SAFETY: a live dict.
            unsafe {
                super::owned::each_entry(self.layout, object, |key, _| {
                    found |= text(self.layout, key).is_some_and(|key| {
                        key.starts_with("_thread._localdummy") || key.starts_with("thread.local.")
                    });
                });
            }
        }
        found
    }
}

fn clears(kind: &str) -> Option<&'static str> {
    match kind {
        "output" | "hidden" => Some("--out"),
        "traceback" => Some("--traceback"),
        "cache" => Some("--caches"),
        "figure" => Some("--figures"),
        _ => None,
    }
}

/// A chain as a person says it: as Python where it can be written so.
fn in_words(root: &str, kind: &str, steps: &[Step]) -> String {
    let mut text = match kind {
        "module" => root.trim_start_matches("module ").to_owned(),
        _ => root.to_owned(),
    };
    for step in steps {
        if step.kind == "frame" {
            // The frames of a traceback are known by their functions, not by how far down they are.
            if step.words != ".tb_next" {
                text = format!("{} in {root}", step.words);
            }
        } else if let Some(name) = step.words.strip_prefix('.')
            && text == root
            && root.starts_with("%run ")
        {
            text = format!("{name} in {root}");
        } else if step.words.starts_with(['.', '[']) {
            text += &step.words;
        } else if ["closure", "data"].contains(&step.kind) {
            text = format!("{} ({text})", step.words);
        } else {
            text = format!("{text}, {}", step.words);
        }
    }
    text
}
