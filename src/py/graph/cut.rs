//! What goes when names are let go of, one after the other, and who holds what stays.

use std::collections::HashSet;

use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use crate::graph::columns::Bits;
use crate::graph::{Stopped, Watch};

use super::kinds::Adapter;
use super::picture::Picture;
use super::places::Places;
use super::report::{Amount, Prediction};

/// Chains that are told of an object that stays: enough that copies of one output do not hide who else holds it.
const CHAINS: usize = 12;

/// One step of a clearing: what it is called and what it lets go of.
#[derive(Clone)]
pub struct Step {
    pub label: String,
    /// Names by the kind of their place; an empty name stands for all.
    pub names: Vec<(String, String)>,
    /// References: of a holder, or of the dict of its attributes, to an object; to all that it holds where that is none.
    pub arrows: Vec<(usize, Option<usize>)>,
}

impl Step {
    /// From `(label, [(kind, name)], [(holder, value or None)])`. Objects stay borrowed: the caller's list holds them.
    pub fn read(list: &Bound<'_, PyList>) -> PyResult<Vec<Self>> {
        let mut steps = Vec::new();
        for at in 0..list.len() {
            let item = list.get_item(at)?;
            let row = item.cast::<PyTuple>()?;
            let mut arrows = Vec::new();
            for arrow in row.get_item(2)?.try_iter()? {
                let (holder, value): (Bound<PyAny>, Bound<PyAny>) = arrow?.extract()?;
                let value = (!value.is_none()).then_some(value.as_ptr() as usize);
                arrows.push((holder.as_ptr() as usize, value));
            }
            steps.push(Self {
                label: row.get_item(0)?.extract()?,
                names: row.get_item(1)?.extract()?,
                arrows,
            });
        }
        Ok(steps)
    }

    /// The objects that it speaks of.
    pub fn objects(steps: &[Self]) -> Vec<usize> {
        let arrows = steps.iter().flat_map(|step| &step.arrows);
        arrows
            .flat_map(|(holder, value)| std::iter::once(*holder).chain(*value))
            .collect()
    }
}

/// Arrows that are not there any more.
struct Cuts {
    /// Nothing leads to these.
    nodes: Bits,
    /// These have lost arrows, all or some.
    holders: Bits,
    emptied: Bits,
    arrows: HashSet<(u32, u32)>,
    /// Dicts that the step at hand empties: their tables go.
    tables: Vec<u32>,
}

impl Cuts {
    fn new(length: usize) -> Result<Self, Stopped> {
        Ok(Self {
            nodes: Bits::new(length)?,
            holders: Bits::new(length)?,
            emptied: Bits::new(length)?,
            arrows: HashSet::new(),
            tables: Vec::new(),
        })
    }

    fn has(&self, from: u32, to: u32) -> bool {
        self.nodes.has(to)
            || self.holders.has(from)
                && (self.emptied.has(from) || self.arrows.contains(&(from, to)))
    }

    fn cut(&mut self, picture: &mut Picture, holder: u32, value: Option<u32>) {
        if value.is_none() && picture.adapter(holder) == Some(Adapter::Cache) {
            return self.empty_cache(picture, holder);
        }
        let holders = [Some(holder), picture.own_dict_node(holder)];
        for holder in holders.into_iter().flatten() {
            self.holders.set(holder);
            match value {
                Some(value) => _ = self.arrows.insert((holder, value)),
                None => self.empty(picture, holder),
            }
        }
    }

    fn empty(&mut self, picture: &mut Picture, holder: u32) {
        self.holders.set(holder);
        self.emptied.set(holder);
        if picture.adapter(holder) == Some(Adapter::Dict) {
            self.tables.push(holder);
        }
    }

    /// What a `functools.lru_cache` has put by; the function stays.
    fn empty_cache(&mut self, picture: &mut Picture, holder: u32) {
        self.holders.set(holder);
        for inside in picture.cache_parts(holder) {
            if picture.is_cache_dict(holder, inside) {
                self.empty(picture, inside);
            } else {
                self.arrows.insert((holder, inside));
            }
        }
    }
}

pub fn predict(
    py: Python<'_>,
    picture: &mut Picture,
    places: &Places,
    steps: &[Step],
    watch: &mut Watch,
) -> Result<Prediction, Stopped> {
    let mut held = picture.held(|_, _| false, watch)?;
    let garbage: Vec<u32> = picture.garbage(&held, watch)?.iter().collect();
    let mut each = vec![(
        "garbage in cycles".into(),
        picture.settled(&garbage, &[], watch)?,
    )];
    let mut gone = picture.of_cells(py, &garbage);
    let others: Vec<u32> = garbage
        .iter()
        .copied()
        .filter(|node| gone.binary_search(node).is_err())
        .collect();
    let others = picture.settled(&others, &[], watch)?;
    let mut cuts = Cuts::new(picture.network.len())?;
    let mut stays = Vec::new();
    let mut wanted = picture.wanted.clone().into_iter();
    for step in steps {
        let values = cut(picture, places, step, &mut cuts, &mut wanted);
        let left = picture.held(|from, to| cuts.has(from, to), watch)?;
        let fallen: Vec<u32> = held.iter().filter(|node| !left.has(*node)).collect();
        let mut amount = picture.settled(&fallen, &[], watch)?;
        let tables: Vec<u32> = cuts
            .tables
            .drain(..)
            .filter(|dict| left.has(*dict))
            .collect();
        amount.bytes += picture.table_bytes(py, &tables);
        each.push((step.label.clone(), amount));
        for value in values.into_iter().filter(|value| left.has(*value)) {
            stays.push((step.label.clone(), value));
        }
        gone.extend(fallen);
        held = left;
    }
    let mut freed = Amount::default();
    for (_, amount) in &each {
        super::table::add(&mut freed, amount);
    }
    let kept = kept(picture, places, &cuts, &held, stays, watch)?;
    Ok(Prediction {
        freed,
        others,
        each,
        types: picture.types(&gone, 20),
        origins: picture.origins(py, &gone),
        kept,
    })
}

/// Cuts what a step lets go of; the objects that its names stood for.
fn cut(
    picture: &mut Picture,
    places: &Places,
    step: &Step,
    cuts: &mut Cuts,
    wanted: &mut impl Iterator<Item = u32>,
) -> Vec<u32> {
    let mut values = Vec::new();
    for node in picture.entry_nodes().collect::<Vec<_>>() {
        let Some((kind, name)) = picture.name_of(node, places) else {
            continue;
        };
        let is_meant =
            |(of, called): &(String, String)| *of == kind && (called.is_empty() || *called == name);
        if step.names.iter().any(is_meant) {
            cuts.nodes.set(node);
            if kind == "variable" {
                values.extend(picture.network.of(node).last());
            }
        }
    }
    for (_, value) in &step.arrows {
        let (Some(holder), value) = (wanted.next(), value.and_then(|_| wanted.next())) else {
            break;
        };
        cuts.cut(picture, holder, value);
    }
    values
}

/// Those that stay, with who holds them.
fn kept(
    picture: &mut Picture,
    places: &Places,
    cuts: &Cuts,
    held: &Bits,
    stays: Vec<(String, u32)>,
    watch: &mut Watch,
) -> Result<Vec<(String, Vec<super::report::Chain>)>, Stopped> {
    let mut kept = Vec::new();
    let mut starts = None;
    for (label, value) in stays.into_iter().filter(|(_, value)| held.has(*value)) {
        if starts.is_none() {
            // What the steps before let go of holds nothing any more.
            let stays = |node: &u32| held.has(*node) && !cuts.nodes.has(*node);
            let mut found = picture.starts(places);
            found.known.retain(stays);
            found.late.retain(stays);
            let all = 0..picture.network.len() as u32;
            found.around = all.filter(|node| !stays(node)).collect();
            starts = Some(found);
        }
        if let Some(starts) = &starts {
            let (chains, _) = picture.chains(value, starts, places, CHAINS, watch)?;
            kept.push((label, chains));
        }
    }
    Ok(kept)
}
