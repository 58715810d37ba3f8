//! The same questions answered the slow way, straight from the words.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use cellheap::graph::fall::Sight;
use proptest::prelude::*;

#[derive(Debug, Clone)]
pub struct Plain {
    pub arrows: Vec<Vec<u32>>,
    pub roots: Vec<u32>,
}

/// A random network of at most so many nodes.
pub fn any(most: usize) -> impl Strategy<Value = Plain> {
    (1..=most).prop_flat_map(|count| {
        let node = 0..count as u32;
        let arrows = prop::collection::vec(prop::collection::vec(node.clone(), 0..4), count);
        let roots = prop::collection::vec(node, 0..4);
        (arrows, roots).prop_map(|(arrows, roots)| Plain { arrows, roots })
    })
}

impl Plain {
    pub fn len(&self) -> u32 {
        self.arrows.len() as u32
    }

    /// What the roots reach where some arrows are not there.
    pub fn reached(&self, cut: impl Fn(u32, u32) -> bool) -> BTreeSet<u32> {
        let mut todo = self.roots.clone();
        let mut seen = BTreeSet::new();
        while let Some(node) = todo.pop() {
            if seen.insert(node) {
                let arrows = self.arrows[node as usize].iter();
                todo.extend(arrows.filter(|to| !cut(node, **to)));
            }
        }
        seen
    }

    /// What the roots reach no more if a node were not there.
    pub fn lost_without(&self, node: u32) -> BTreeSet<u32> {
        let without = Self {
            arrows: self.arrows.clone(),
            roots: self
                .roots
                .iter()
                .copied()
                .filter(|root| *root != node)
                .collect(),
        };
        let left = without.reached(|_, to| to == node);
        &self.reached(|_, _| false) - &left
    }

    fn reaches(&self, within: &[u32], from: u32, to: u32) -> bool {
        let mut todo: Vec<u32> = self.arrows[from as usize].clone();
        let mut seen = BTreeSet::new();
        while let Some(node) = todo.pop() {
            if within.contains(&node) && seen.insert(node) {
                todo.extend(&self.arrows[node as usize]);
            }
        }
        seen.contains(&to)
    }

    pub fn knots(&self, within: &[u32]) -> BTreeSet<BTreeSet<u32>> {
        let knot = |node: u32| -> BTreeSet<u32> {
            let both = |other: &u32| {
                self.reaches(within, node, *other) && self.reaches(within, *other, node)
            };
            within.iter().copied().filter(both).collect()
        };
        within
            .iter()
            .map(|node| knot(*node))
            .filter(|knot| !knot.is_empty())
            .collect()
    }

    pub fn distance(&self, from: &[u32], to: u32, around: u32) -> Option<usize> {
        let mut far: BTreeMap<u32, usize> = from
            .iter()
            .filter(|node| **node != around)
            .map(|node| (*node, 0))
            .collect();
        let mut todo: VecDeque<u32> = far.keys().copied().collect();
        while let Some(node) = todo.pop_front() {
            let next = far[&node] + 1;
            for to in &self.arrows[node as usize] {
                if *to != around && !far.contains_key(to) {
                    far.insert(*to, next);
                    todo.push_back(*to);
                }
            }
        }
        far.get(&to).copied()
    }

    /// What is left once `first` and what nobody refers to went, and one collection ran.
    pub fn staying(&self, first: &[u32], sight: &impl Sight) -> BTreeSet<u32> {
        let mut left: BTreeSet<u32> = (0..self.len()).collect();
        left.retain(|node| !first.contains(node));
        self.count_down(&mut left);
        let seen = |node: u32| {
            let arrows = &self.arrows[node as usize];
            &arrows[..sight.sees(node, arrows.len())]
        };
        let tracked: BTreeSet<u32> = left
            .iter()
            .copied()
            .filter(|node| sight.tracks(*node))
            .collect();
        let count = |node: u32, arrows: &dyn Fn(u32) -> Vec<u32>, of: &BTreeSet<u32>| -> usize {
            of.iter()
                .map(|from| arrows(*from).iter().filter(|to| **to == node).count())
                .sum()
        };
        let held: Vec<u32> = (tracked.iter().copied())
            .filter(|node| {
                let all = count(*node, &|from| self.arrows[from as usize].clone(), &left);
                all > count(*node, &|from| seen(from).to_vec(), &tracked)
            })
            .collect();
        let visible = Self {
            arrows: (0..self.len()).map(|node| seen(node).to_vec()).collect(),
            roots: held,
        };
        let stays = visible.reached(|from, to| !tracked.contains(&from) || !tracked.contains(&to));
        left.retain(|node| !tracked.contains(node) || stays.contains(node));
        self.count_down(&mut left);
        left
    }

    fn count_down(&self, left: &mut BTreeSet<u32>) {
        loop {
            let alone = |node: &&u32| {
                !left
                    .iter()
                    .any(|from| self.arrows[*from as usize].contains(node))
            };
            let gone: Vec<u32> = left.iter().filter(alone).copied().collect();
            if gone.is_empty() {
                return;
            }
            left.retain(|node| !gone.contains(node));
        }
    }
}
