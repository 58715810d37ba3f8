//! The table of variables: what each keeps alive alone, and what it shares with which others.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use pyo3::prelude::*;

use crate::graph::columns::Bits;
use crate::graph::dominators::Dominators;
use crate::graph::shares::{self, reachers};
use crate::graph::{Column, NONE, Stopped, Watch};

use super::kinds::marks;
use super::picture::Picture;
use super::places::Places;
use super::report::{Amount, Variable, Variables};

/// Names that are told of those that share.
const NAMED: usize = 5;

/// A name and the node of its entry.
struct Row {
    name: String,
    kind: String,
    node: u32,
    value: u32,
}

/// Of variables those with these names: IPython's own are no business of who asks.
pub fn variables(
    py: Python<'_>,
    picture: &mut Picture,
    places: &Places,
    names: Option<&HashSet<String>>,
    watch: &mut Watch,
) -> Result<Variables, Stopped> {
    let begun = Instant::now();
    let mut rows = rows(picture, places);
    rows.retain(|row| match row.kind.as_str() {
        "variable" => names.is_none_or(|names| names.contains(&row.name)),
        // What IPython had at its start; outputs are of another kind.
        "other" => names.is_none(),
        _ => true,
    });
    let roots = picture.roots.to_vec();
    let dominators = Dominators::new(&picture.network, &roots, watch)?;
    let mut sums = Sums::new(picture, &dominators, &rows, watch)?;
    drop(dominators);
    sums.settle(picture, &rows, watch)?;
    let shared = Shared::new(picture, &rows, watch)?;
    let mut names: HashMap<u32, Vec<String>> = HashMap::new();
    for row in &rows {
        names.entry(row.value).or_default().push(row.name.clone());
    }
    let total = sums.total;
    let (mut variables, mut hidden) = (Vec::new(), Vec::new());
    for (at, row) in rows.iter().enumerate() {
        let others = names[&row.value].iter().filter(|name| **name != row.name);
        let (bytes, with, count) = shared.of(at, &rows);
        let cell = picture.cell_of(py, row.value);
        let variable = Variable {
            name: row.name.clone(),
            kind: row.kind.clone(),
            of: picture.type_of(row.value),
            shallow: picture.bytes[row.value as usize],
            retained: sums.amounts[at],
            shared: bytes,
            shared_with: with,
            shared_names: count,
            origin: cell.map(|cell| picture.label_of(py, cell)),
            origin_cell: cell.map(|cell| cell.0),
            same_as: others.cloned().collect(),
        };
        let is_variable = row.kind == "variable";
        if is_variable {
            &mut variables
        } else {
            &mut hidden
        }
        .push(variable);
    }
    let order = |a: &Variable, b: &Variable| {
        let key = |row: &Variable| {
            let frees = row.retained.bytes + row.retained.pooled;
            (frees, row.shared, row.shallow)
        };
        key(b).cmp(&key(a)).then_with(|| a.name.cmp(&b.name))
    };
    variables.sort_by(order);
    hidden.sort_by(order);
    Ok(Variables {
        variables,
        hidden,
        total,
        objects: total.objects,
        seconds: begun.elapsed().as_secs_f64(),
    })
}

fn rows(picture: &mut Picture, places: &Places) -> Vec<Row> {
    let nodes: Vec<u32> = picture.entry_nodes().collect();
    let mut rows = Vec::new();
    for node in nodes {
        let Some((kind, name)) = picture.name_of(node, places) else {
            continue;
        };
        // Caches have many entries, and are told of as a whole elsewhere.
        if matches!(kind.as_str(), "cache" | "callback") {
            continue;
        }
        // The key comes first, then what it stands for.
        let Some(value) = picture.network.of(node).last() else {
            continue;
        };
        rows.push(Row {
            name,
            kind,
            node,
            value: *value,
        });
    }
    rows
}

/// What each name alone keeps alive.
struct Sums {
    amounts: Vec<Amount>,
    total: Amount,
    /// By node: the row that keeps it alive, or `NONE`.
    owners: Column<u32>,
}

impl Sums {
    fn new(
        picture: &mut Picture,
        dominators: &Dominators,
        rows: &[Row],
        watch: &mut Watch,
    ) -> Result<Self, Stopped> {
        let mut owners: Column<u32> = Column::filled(picture.network.len(), NONE)?;
        let mut amounts = vec![Amount::default(); rows.len()];
        let mut total = Amount::default();
        // Rows that another row keeps alive with all that is under them.
        let mut over = vec![NONE; rows.len()];
        let at_node: HashMap<u32, u32> = (rows.iter().enumerate())
            .map(|(at, row)| (row.node, at as u32))
            .collect();
        let order = &dominators.order;
        for at in 1..order.nodes.len() {
            watch.step()?;
            let node = order.nodes[at];
            let above = match dominators.above[at] {
                0 => NONE,
                above => owners[order.nodes[above as usize] as usize],
            };
            let mut owner = above;
            if picture.is(node, marks::ENTRY)
                && let Some(row) = at_node.get(&node)
            {
                owner = *row;
                over[owner as usize] = above;
            }
            owners[node as usize] = owner;
            let one = Amount {
                bytes: picture.bytes[node as usize],
                objects: u64::from(picture.is_object(node)),
                finalizers: u64::from(owner != NONE && picture.has_finalizer(node)),
                ..Amount::default()
            };
            add(&mut total, &one);
            if owner != NONE {
                add(&mut amounts[owner as usize], &one);
            }
        }
        for (node, bytes) in picture.older.iter() {
            total.older += u64::from(*bytes);
            if let Some(amount) = amounts.get_mut(owners[*node as usize] as usize) {
                amount.older += u64::from(*bytes);
            }
        }
        for (node, bytes) in picture.pooled.iter() {
            total.pooled += *bytes as u64;
            if let Some(amount) = amounts.get_mut(owners[*node as usize] as usize) {
                amount.pooled += *bytes as u64;
            }
        }
        // Those below come later in the order, so they are added up from the end.
        let mut nested: Vec<usize> = (0..rows.len()).filter(|at| over[*at] != NONE).collect();
        nested.sort_by_key(|at| std::cmp::Reverse(order.numbers[rows[*at].node as usize]));
        for at in nested {
            let amount = amounts[at];
            add(&mut amounts[over[at] as usize], &amount);
        }
        Ok(Self {
            amounts,
            total,
            owners,
        })
    }

    /// Takes out what the collector would not find.
    fn settle(
        &mut self,
        picture: &mut Picture,
        rows: &[Row],
        watch: &mut Watch,
    ) -> Result<(), Stopped> {
        let unseen: Vec<u32> = picture.unseen.keys().copied().collect();
        let mut doubtful: Vec<u32> = unseen
            .into_iter()
            .map(|node| self.owners[node as usize])
            .filter(|owner| *owner != NONE)
            .collect();
        doubtful.sort_unstable();
        doubtful.dedup();
        for at in doubtful {
            let nodes = 0..picture.network.len() as u32;
            let owned: Vec<u32> = nodes
                .filter(|node| self.owners[*node as usize] == at)
                .collect();
            let first = rows[at as usize].node;
            let stays = picture.staying(&owned, &[first], watch)?;
            take_out(&mut self.amounts[at as usize], &picture.amount(&stays));
        }
        Ok(())
    }
}

pub fn add(sum: &mut Amount, other: &Amount) {
    sum.bytes += other.bytes;
    sum.objects += other.objects;
    sum.older += other.older;
    sum.pooled += other.pooled;
    sum.finalizers += other.finalizers;
    sum.uncollectable += other.uncollectable;
}

pub fn take_out(sum: &mut Amount, stays: &Amount) {
    sum.bytes -= stays.bytes.min(sum.bytes);
    sum.older -= stays.older.min(sum.older);
    sum.pooled -= stays.pooled.min(sum.pooled);
    sum.uncollectable += stays.objects;
}

/// What names reach together.
struct Shared {
    /// For each row, bytes that others reach too, and the bytes that it shares with each.
    rows: Vec<(u64, HashMap<usize, u64>)>,
}

impl Shared {
    fn new(picture: &mut Picture, rows: &[Row], watch: &mut Watch) -> Result<Self, Stopped> {
        let mut shared = vec![(0, HashMap::new()); rows.len()];
        let walls = walls(picture)?;
        let chosen: Vec<usize> = (0..rows.len())
            .filter(|at| !walls.has(rows[*at].value))
            .collect();
        // More than a mask has room for are told apart in turns, against each other within a turn.
        for turn in chosen.chunks(shares::MOST) {
            let from: Vec<u32> = turn.iter().map(|at| rows[*at].value).collect();
            let masks = reachers(&picture.network, &from, &walls, watch)?;
            let mut sums: HashMap<u64, u64> = HashMap::new();
            let mut last = (0, 0);
            let mut pooled = picture.pooled.iter().peekable();
            for (node, mask) in masks.iter().enumerate() {
                let in_pool = pooled.next_if(|(of, _)| *of as usize == node);
                if *mask & mask.wrapping_sub(1) == 0 {
                    continue;
                }
                if last.0 != *mask {
                    *sums.entry(last.0).or_default() += last.1;
                    last = (*mask, 0);
                }
                last.1 += picture.bytes[node] + in_pool.map_or(0, |(_, bytes)| *bytes as u64);
            }
            *sums.entry(last.0).or_default() += last.1;
            for (mask, bytes) in sums {
                let members: Vec<usize> =
                    (0..turn.len()).filter(|bit| mask >> bit & 1 == 1).collect();
                for one in &members {
                    let (sum, with): &mut (u64, HashMap<usize, u64>) = &mut shared[turn[*one]];
                    *sum += bytes;
                    for other in members.iter().filter(|other| *other != one) {
                        *with.entry(turn[*other]).or_default() += bytes;
                    }
                }
            }
        }
        Ok(Self { rows: shared })
    }

    fn of(&self, at: usize, rows: &[Row]) -> (u64, Vec<String>, u64) {
        let (bytes, with) = &self.rows[at];
        let mut with: Vec<(u64, &str)> = (with.iter())
            .filter(|(_, bytes)| **bytes > 0)
            .map(|(other, bytes)| (*bytes, rows[*other].name.as_str()))
            .collect();
        with.sort_by(|a, b| (b.0, a.1).cmp(&(a.0, b.1)));
        let count = with.len() as u64;
        let names = with.into_iter().take(NAMED);
        (
            *bytes,
            names.map(|(_, name)| name.to_owned()).collect(),
            count,
        )
    }
}

/// Where data ends: modules with their dicts, classes, functions' globals, frames, named dicts. Through these everything
/// reaches everything.
fn walls(picture: &mut Picture) -> Result<Bits, Stopped> {
    let mut walls = Bits::new(picture.network.len())?;
    for node in 0..picture.network.len() as u32 {
        if picture.is(node, marks::MODULE | marks::TYPE) {
            walls.set(node);
        }
        if picture.is(node, marks::MODULE)
            && let Some(dict) = picture.module_dict(node)
        {
            walls.set(dict);
        }
    }
    for at in 0..picture.entries.len() {
        walls.set(picture.entries[at].dict);
    }
    Ok(walls)
}
