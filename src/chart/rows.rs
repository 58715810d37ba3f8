//! Which rows the chart of a cell's source has: its lines, folded where it is long, and code from elsewhere.

use std::collections::HashMap;

use serde::Deserialize;

use crate::heap::report::{CellReport, Frame, Line};

use super::stacks;

/// What is known of the code of a cell.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Source {
    /// `co_filename` of the cell's own code.
    pub file: String,
    pub lines: Vec<String>,
    /// How files are named: `In[2]`.
    pub names: HashMap<String, String>,
}

/// Rows of source that a chart has at the most; of a longer one the lines with the most memory are shown.
const MOST_ROWS: usize = 28;
const MOST_OTHERS: usize = 6;

pub enum Row<'a> {
    /// A line of the cell's own code, by its number, and what it allocated.
    Code(usize, &'a str, Option<&'a Line>),
    /// Lines from one number to another that are not shown.
    Gap(usize, usize),
    /// Code from elsewhere, or several such lines as one.
    Other(String, Box<Line>),
}

fn is_own(line: &Line, source: &Source) -> bool {
    line.line > 0 && !source.file.is_empty() && line.file == source.file
}

/// The source; where it is long, the lines with memory and their neighbours.
pub fn code_rows<'a>(report: &'a CellReport, source: &'a Source) -> Vec<Row<'a>> {
    let own: HashMap<usize, &Line> = (report.lines.iter())
        .filter(|line| is_own(line, source))
        .map(|line| (line.line as usize, line))
        .collect();
    let written = source
        .lines
        .iter()
        .rposition(|code| !code.trim().is_empty())
        .map_or(0, |at| at + 1);
    let last = own.keys().copied().max().unwrap_or(0).max(written);
    let shown = chosen(&own, last);
    let mut rows = Vec::new();
    let mut next = 1;
    for number in shown {
        if number > next {
            rows.push(Row::Gap(next, number - 1));
        }
        let code = source.lines.get(number - 1).map_or("", String::as_str);
        rows.push(Row::Code(number, code, own.get(&number).copied()));
        next = number + 1;
    }
    if next <= last {
        rows.push(Row::Gap(next, last));
    }
    rows
}

fn chosen(own: &HashMap<usize, &Line>, last: usize) -> Vec<usize> {
    if last <= MOST_ROWS {
        return (1..=last).collect();
    }
    let mut numbers: Vec<usize> = own.keys().copied().collect();
    numbers.sort_by_key(|number| {
        let line = own[number];
        std::cmp::Reverse((line.live.max(line.peak), line.allocated))
    });
    numbers.truncate(MOST_ROWS * 2 / 3);
    numbers.sort_unstable();
    numbers
}

/// Lines of other cells and what has no line, the biggest by name and the rest as a sum.
pub fn other_rows<'a>(report: &CellReport, source: &Source) -> Vec<Row<'a>> {
    let others: Vec<&Line> = report
        .lines
        .iter()
        .filter(|line| !is_own(line, source))
        .collect();
    let (named, rest) = others.split_at(others.len().min(MOST_OTHERS));
    let mut rows: Vec<Row<'a>> = named
        .iter()
        .map(|line| Row::Other(place(line, source), Box::new((*line).clone())))
        .collect();
    if !rest.is_empty() {
        let mut sum = Line::default();
        for line in rest {
            sum.allocated += line.allocated;
            sum.peak += line.peak;
            sum.live += line.live;
        }
        rows.push(Row::Other(
            format!("{} other lines", rest.len()),
            Box::new(sum),
        ));
    }
    rows
}

fn place(line: &Line, source: &Source) -> String {
    let frame = Frame {
        file: line.file.clone(),
        line: line.line,
        function: line.function.clone(),
    };
    stacks::place(&frame, &source.names)
}
