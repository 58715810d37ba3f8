//! What is told of the graph: plain values as JSON. No object, no address.

use std::collections::BTreeSet;

use serde::Serialize;

/// Bytes of a set of objects.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Amount {
    pub bytes: u64,
    pub objects: u64,
    pub older: u64,
    pub pooled: u64,
    pub finalizers: u64,
    pub uncollectable: u64,
}

#[derive(Debug, Serialize)]
pub struct TypeRow {
    #[serde(rename = "type")]
    pub name: String,
    pub objects: u64,
    pub bytes: u64,
}

#[derive(Debug, Serialize)]
pub struct Step {
    pub words: String,
    pub kind: &'static str,
    #[serde(rename = "type")]
    pub of: String,
    pub number: u32,
}

#[derive(Debug, Serialize)]
pub struct Chain {
    pub root: String,
    pub kind: String,
    pub steps: Vec<Step>,
    pub text: String,
    pub clears: Option<&'static str>,
    #[serde(rename = "type")]
    pub of: String,
    pub number: u32,
}

impl Chain {
    /// The number of the object that it leads to.
    pub fn end(&self) -> u32 {
        self.steps.last().map_or(self.number, |step| step.number)
    }
}

#[derive(Debug, Serialize)]
pub struct Variable {
    pub name: String,
    pub kind: String,
    #[serde(rename = "type")]
    pub of: String,
    pub shallow: u64,
    pub retained: Amount,
    pub shared: u64,
    pub shared_with: Vec<String>,
    pub shared_names: u64,
    pub origin: Option<String>,
    pub origin_cell: Option<u32>,
    pub same_as: Vec<String>,
}

#[derive(Debug, Serialize)]
pub struct Variables {
    pub variables: Vec<Variable>,
    pub hidden: Vec<Variable>,
    pub total: Amount,
    pub objects: u64,
    pub seconds: f64,
}

#[derive(Debug, Serialize)]
pub struct Retained {
    #[serde(rename = "type")]
    pub of: String,
    pub shallow: u64,
    pub retained: Amount,
    pub types: Vec<TypeRow>,
    pub origin: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct Holders {
    #[serde(rename = "type")]
    pub of: String,
    pub retained: Amount,
    pub chains: Vec<Chain>,
    pub holders: u64,
    pub origin: Option<String>,
    pub weak: u64,
    /// Something holds it that does not say so: C code.
    pub unseen: bool,
    pub garbage: bool,
    pub immortal: bool,
}

#[derive(Debug, Serialize)]
pub struct Member {
    pub number: u32,
    #[serde(rename = "type")]
    pub of: String,
    pub origin: Option<String>,
    pub bytes: u64,
    pub finalizer: bool,
}

#[derive(Debug, Serialize)]
pub struct Cycle {
    pub objects: u64,
    pub bytes: u64,
    pub retained: Amount,
    pub types: Vec<TypeRow>,
    pub origins: Vec<(String, u64)>,
    pub members: Vec<Member>,
    pub arrows: Vec<(u32, u32, String)>,
    pub text: String,
    pub finalizers: u64,
}

#[derive(Debug, Serialize)]
pub struct Cycles {
    pub cycles: Vec<Cycle>,
    pub count: u64,
    pub garbage: Amount,
    pub origins: Vec<(String, u64)>,
    pub types: Vec<TypeRow>,
}

#[derive(Debug, Serialize)]
pub struct Prediction {
    pub freed: Amount,
    /// Of the garbage in the beginning, what no cell had made.
    pub others: Amount,
    pub each: Vec<(String, Amount)>,
    pub types: Vec<TypeRow>,
    pub origins: Vec<(String, u64)>,
    pub kept: Vec<(String, Vec<Chain>)>,
}

#[derive(Debug, Serialize)]
pub struct Survivors {
    pub cells: Vec<(u32, String, Vec<TypeRow>)>,
}

#[derive(Debug, Serialize)]
pub struct Grown {
    pub chain: Chain,
    pub amount: Amount,
}

/// Names that keep something alive only together, and what goes with them all.
#[derive(Debug, Serialize)]
pub struct Together {
    /// The one that was asked for first.
    pub name: String,
    pub names: BTreeSet<String>,
    pub outputs: Vec<String>,
    pub bytes: u64,
}

#[derive(Debug, Serialize)]
pub struct Suspects {
    pub variables: Variables,
    pub together: Vec<Together>,
    /// Outputs and the last exception.
    pub hidden: Prediction,
    pub cycles: Cycles,
    /// Who holds most of what cells have made.
    pub newer: Option<Grown>,
    /// All who hold that, if it is of interest.
    pub holders: Vec<Chain>,
}
