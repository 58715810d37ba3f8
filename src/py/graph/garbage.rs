//! What the next full collection would free, before it runs: knots of objects that only hold each other, and what hangs
//! on them.

use std::collections::{HashMap, HashSet};

use pyo3::prelude::*;

use crate::graph::columns::Bits;
use crate::graph::dominators::Dominators;
use crate::graph::knots::knots;
use crate::graph::reach::reach;
use crate::graph::{Network, Stopped, Watch};

use super::picture::Picture;
use super::report::{Amount, Cycle, Cycles, Member};
use super::table::take_out;

/// Members that are told of a knot.
const MEMBERS: usize = 12;

impl Picture {
    /// The amount of nodes that go when `first` goes, less what the collector would not find.
    pub fn settled(
        &mut self,
        nodes: &[u32],
        first: &[u32],
        watch: &mut Watch,
    ) -> Result<Amount, Stopped> {
        let mut amount = self.amount(nodes);
        let stays = self.staying(nodes, first, watch)?;
        take_out(&mut amount, &self.amount(&stays));
        Ok(amount)
    }
}

pub fn cycles(
    py: Python<'_>,
    picture: &mut Picture,
    most: usize,
    watch: &mut Watch,
) -> Result<Cycles, Stopped> {
    let held = picture.held(|_, _| false, watch)?;
    let garbage = picture.garbage(&held, watch)?;
    // Garbage is few, and nothing that lives leads to it: it is a network of its own.
    let (network, nodes) = picture.network.within(&garbage)?;
    let everything = Bits::full(network.len())?;
    let mut found = knots(&network, &everything, watch)?;
    // A knot that another leads to goes with that one; both are told, each with what hangs on it alone.
    let roots: Vec<u32> = found.iter().map(|knot| knot[0]).collect();
    let dominators = Dominators::new(&network, &roots, watch)?;
    // Those with something that a cell made come first: they are the ones that are told of.
    found.sort_by_cached_key(|knot| {
        let members: Vec<u32> = knot.iter().map(|at| nodes[*at as usize]).collect();
        let size = members.iter().map(|node| picture.bytes[*node as usize]);
        let size: u64 = size.sum();
        let is_others = picture.of_cells(py, &members).is_empty();
        (is_others, std::cmp::Reverse(size), knot[0])
    });
    let count = found.len() as u64;
    let mut cycles = Vec::new();
    for knot in found.iter().take(most) {
        let under = dominators.under(knot[0])?;
        let has_all = under.len() >= knot.len() && {
            let under: HashSet<u32> = under.iter().copied().collect();
            knot.iter().all(|member| under.contains(member))
        };
        let hanging = if has_all {
            under
        } else {
            // Another leads to several of its members, so none of them is above the others.
            going_with(&network, knot, watch)?
        };
        let hanging = hanging.iter().map(|at| nodes[*at as usize]).collect();
        let knot: Vec<u32> = knot.iter().map(|at| nodes[*at as usize]).collect();
        cycles.push(cycle(py, picture, &knot, hanging, watch)?);
    }
    Ok(Cycles {
        cycles,
        count,
        garbage: picture.settled(&nodes, &[], watch)?,
        origins: picture.origins(py, &nodes),
        types: picture.types(&nodes, 20),
    })
}

/// A knot, and what only it leads to.
fn going_with(network: &Network, knot: &[u32], watch: &mut Watch) -> Result<Vec<u32>, Stopped> {
    let mut with = Bits::new(network.len())?;
    reach(
        network,
        knot.iter().copied(),
        &mut with,
        |_, _| false,
        watch,
    )?;
    let mut others = Bits::new(network.len())?;
    knot.iter().for_each(|member| _ = others.set(*member));
    let rest = (0..network.len() as u32).filter(|node| !with.has(*node));
    reach(network, rest, &mut others, |_, _| false, watch)?;
    let alone = with.iter().filter(|node| !others.has(*node));
    Ok(alone.chain(knot.iter().copied()).collect())
}

fn cycle(
    py: Python<'_>,
    picture: &mut Picture,
    knot: &[u32],
    mut hanging: Vec<u32>,
    watch: &mut Watch,
) -> Result<Cycle, Stopped> {
    hanging.sort_unstable();
    let members = drawn(picture, knot);
    let amount = picture.amount(knot);
    let told: Vec<Member> = members
        .iter()
        .map(|node| Member {
            number: *node,
            of: picture.type_of(*node),
            origin: picture.origin(py, *node),
            bytes: picture.bytes[*node as usize],
            finalizer: picture.has_finalizer(*node),
        })
        .collect();
    let way = around(picture, knot);
    Ok(Cycle {
        objects: amount.objects,
        bytes: amount.bytes,
        retained: picture.settled(&hanging, &[], watch)?,
        types: picture.types(knot, 20),
        origins: picture.origins(py, knot),
        arrows: arrows(picture, &members),
        members: told,
        text: in_words(picture, &way),
        finalizers: amount.finalizers,
    })
}

/// The members to draw: those of the shortest way around first, then the biggest. Dicts of attributes are drawn as the
/// object that they are of.
fn drawn(picture: &mut Picture, knot: &[u32]) -> Vec<u32> {
    let mut members: Vec<u32> = around(picture, knot);
    let mut rest: Vec<u32> = knot.to_vec();
    rest.sort_by_key(|node| (std::cmp::Reverse(picture.bytes[*node as usize]), *node));
    members.extend(rest);
    let skipped: Vec<u32> = members
        .iter()
        .copied()
        .filter(|node| !picture.is_object(*node))
        .collect();
    let mut seen = std::collections::HashSet::new();
    members.retain(|node| seen.insert(*node) && !skipped.contains(node));
    let dicts: Vec<u32> = members
        .iter()
        .filter_map(|node| picture.own_dict_node(*node))
        .collect();
    members.retain(|node| !dicts.contains(node));
    members.truncate(MEMBERS);
    members
}

/// The shortest way around in a knot, through its first member.
fn around(picture: &Picture, knot: &[u32]) -> Vec<u32> {
    let inside: std::collections::HashSet<u32> = knot.iter().copied().collect();
    let start = knot
        .iter()
        .copied()
        .find(|node| picture.is_object(*node))
        .unwrap_or(knot[0]);
    let mut before: HashMap<u32, u32> = HashMap::new();
    let mut todo = std::collections::VecDeque::from([start]);
    while let Some(node) = todo.pop_front() {
        for to in picture
            .network
            .of(node)
            .iter()
            .filter(|to| inside.contains(to))
        {
            if *to == start {
                let mut way = vec![node];
                while let Some(node) = before.get(&way[way.len() - 1]) {
                    way.push(*node);
                }
                way.reverse();
                return way;
            }
            if *to != start && !before.contains_key(to) {
                before.insert(*to, node);
                todo.push_back(*to);
            }
        }
    }
    vec![start]
}

/// Arrows among the members, with their names; the dict of an object's attributes is no stop.
fn arrows(picture: &mut Picture, members: &[u32]) -> Vec<(u32, u32, String)> {
    let mut arrows = Vec::new();
    for from in members {
        let dict = picture.own_dict_node(*from);
        for to in members {
            if picture.network.of(*from).contains(to) {
                let (words, ..) = picture.step(&[*from, *to]);
                arrows.push((*from, *to, words));
            } else if let Some(dict) = dict
                && picture.network.of(dict).contains(to)
            {
                let (words, ..) = picture.step(&[*from, dict, *to]);
                arrows.push((*from, *to, words));
            }
        }
    }
    arrows
}

/// `Node.partner -> Node.partner`, and around again.
fn in_words(picture: &mut Picture, way: &[u32]) -> String {
    let mut circle = way.to_vec();
    circle.push(way[0]);
    let (mut at, mut text) = (0, String::new());
    while at + 1 < circle.len() {
        let of = picture.type_of(circle[at]);
        let (words, _, steps) = picture.step(&circle[at..]);
        let joined = if words.starts_with(['.', '[']) {
            ""
        } else {
            ": "
        };
        text += &format!("{of}{joined}{words} -> ");
        at += steps;
    }
    text + &picture.type_of(circle[circle.len() - 1])
}
