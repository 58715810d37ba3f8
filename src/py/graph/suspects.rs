//! All that a report of the notebook asks of one picture: variables, what goes only together, outputs and exceptions, garbage,
//! and who holds most. Owns which names are judged together; what is shown of it is Python's.

use std::collections::{BTreeSet, HashSet};

use pyo3::prelude::*;

use crate::graph::{Stopped, Watch};

use super::cut::{self, Step};
use super::garbage;
use super::origins;
use super::picture::Picture;
use super::places::Places;
use super::report::{Suspects, Together, Variable};
use super::table;

/// The step that lets go of outputs.
const OUT: &str = "--out";
/// Names that are judged together, and how many sets of such names.
const TOGETHER: usize = 3;
const SETS: usize = 2;
/// Holders of the largest: one more than are named.
const HOLDERS: usize = 4;

/// What a report wants to know of.
pub struct Wanted {
    /// The variables that are a person's own.
    pub names: HashSet<String>,
    /// What lets go of outputs and of the last exception.
    pub steps: Vec<Step>,
    /// Bytes below which nothing is of interest.
    pub least: u64,
}

pub fn suspects(
    py: Python<'_>,
    picture: &mut Picture,
    places: &Places,
    wanted: &Wanted,
    watch: &mut Watch,
) -> Result<Suspects, Stopped> {
    let variables = table::variables(py, picture, places, Some(&wanted.names), watch)?;
    let mut together = Vec::new();
    for mut set in sets(&variables.variables, wanted) {
        let taken = steps(&set, &wanted.steps);
        let told = cut::predict(py, picture, places, &taken, watch)?;
        set.bytes = (told.each.iter())
            .filter(|(step, _)| set.names.contains(step))
            .map(|(_, amount)| amount.bytes)
            .sum();
        together.push(set);
    }
    let newer = origins::grown(py, picture, places, 1..=u32::MAX, watch)?;
    let holders = match &newer {
        Some(grown) if grown.amount.bytes >= wanted.least => {
            let (node, starts) = (grown.chain.end(), picture.starts(places));
            picture.chains(node, &starts, places, HOLDERS, watch)?.0
        }
        _ => Vec::new(),
    };
    Ok(Suspects {
        variables,
        together,
        hidden: cut::predict(py, picture, places, &wanted.steps, watch)?,
        cycles: garbage::cycles(py, picture, 1, watch)?,
        newer,
        holders,
    })
}

/// Names that share much with each other, those that share the most first.
fn sets(variables: &[Variable], wanted: &Wanted) -> Vec<Together> {
    let mut rows: Vec<&Variable> = variables.iter().collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.shared));
    let mut found: Vec<Together> = Vec::new();
    for row in rows {
        if row.shared < wanted.least || found.len() == SETS {
            break;
        }
        let set = set_of(row, &wanted.names);
        let several = set.names.len() + set.outputs.len() > 1;
        let is_new = found.iter().all(|other| other.names != set.names);
        if several && is_new && set.names.len() <= TOGETHER {
            found.push(set);
        }
    }
    found
}

fn set_of(row: &Variable, known: &HashSet<String>) -> Together {
    let others: BTreeSet<&String> = (row.same_as.iter().chain(&row.shared_with))
        .filter(|name| **name != row.name)
        .collect();
    let (outputs, others): (Vec<&String>, Vec<&String>) =
        others.into_iter().partition(|name| is_output(name));
    let mut names = BTreeSet::from([row.name.clone()]);
    names.extend(
        others
            .into_iter()
            .filter(|name| known.contains(*name))
            .cloned(),
    );
    Together {
        name: row.name.clone(),
        names,
        outputs: outputs.into_iter().cloned().collect(),
        bytes: 0,
    }
}

/// `Out[5]`.
fn is_output(name: &str) -> bool {
    let number = name
        .strip_prefix("Out[")
        .and_then(|rest| rest.strip_suffix(']'));
    number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// What is let go of for a set, in the order in which `%gcclear` does.
fn steps(set: &Together, known: &[Step]) -> Vec<Step> {
    let outputs = known
        .iter()
        .filter(|step| step.label == OUT && !set.outputs.is_empty());
    let names = set.names.iter().map(|name| Step {
        label: name.clone(),
        names: vec![("variable".to_owned(), name.clone())],
        arrows: Vec::new(),
    });
    outputs.cloned().chain(names).collect()
}
