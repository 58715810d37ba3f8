//! A cell's source with a bar for each line: allocated, at the peak, live now. Lines of code from elsewhere follow.

use std::collections::HashMap;

use serde::Deserialize;

use crate::heap::report::{CellReport, Line};

use super::bytes::bytes_text;
use super::canvas::{
    Anchor, Area, CODE, ChartError, HEADING, PLAIN, QUIET, Svg, card, fill, path, text,
};
use super::theme;
use plotters::prelude::Color;
use plotters::style::RGBColor;

/// What is known of the code of a cell.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Source {
    /// `co_filename` of the cell's own code.
    pub file: String,
    pub lines: Vec<String>,
    /// How other files are named: `In[2]`.
    pub names: HashMap<String, String>,
}

/// Rows of source that a chart has at the most; then lines without memory are folded.
const MOST_ROWS: usize = 30;
const MOST_OTHERS: usize = 6;
const ROW: i32 = 17;
const NUMBER: i32 = 34;
const COLUMN: i32 = 116;
const BAR: i32 = 50;
const INDENT: usize = 4;

type Measure = fn(&Line) -> u64;
const COLUMNS: [(&str, RGBColor, Measure); 3] = [
    ("allocated", theme::ALLOCATED, |line| line.allocated),
    ("at peak", theme::PEAK, |line| line.peak),
    ("still live", theme::LIVE, |line| line.live),
];

enum Row<'a> {
    Code(usize, &'a str, Option<&'a Line>),
    Gap(usize, usize),
    Other(String, Line),
}

/// The source of the report's cell, with bars.
pub fn lines(report: &CellReport, source: &Source, width: i32) -> Result<Svg, ChartError> {
    let mut rows = code_rows(report, source);
    let own = rows.len();
    rows.extend(other_rows(report, source));
    let split = if rows.len() > own { ROW } else { 0 };
    let head = theme::PAD + 44;
    let height = head + ROW * rows.len().max(1) as i32 + split + theme::PAD;
    card(width, height, |area| {
        let title = format!("Lines of {}", report.cell.label);
        text(
            area,
            (theme::PAD, theme::PAD + 8),
            &title,
            HEADING,
            Anchor::Start,
        )?;
        heads(area, head - 12, width)?;
        let most = COLUMNS.map(|(_, _, value)| report.lines.iter().map(value).max().unwrap_or(0));
        for (at, row) in rows.iter().enumerate() {
            let y = head + ROW * at as i32 + if at >= own { split } else { 0 } + ROW / 2;
            if at == own {
                let words = "Code from elsewhere that it ran";
                text(area, (theme::PAD, y - ROW + 2), words, QUIET, Anchor::Start)?;
            }
            draw_row(area, y, width, row, most)?;
        }
        Ok(())
    })
}

fn heads(area: &Area<'_>, y: i32, width: i32) -> Result<(), ChartError> {
    for (at, (word, ..)) in COLUMNS.into_iter().enumerate() {
        text(
            area,
            (column(width, at) + COLUMN - BAR - 8, y),
            word,
            QUIET,
            Anchor::End,
        )?;
    }
    let ends = vec![(theme::PAD, y + 9), (width - theme::PAD, y + 9)];
    path(area, ends, theme::EDGE.stroke_width(1))
}

/// Where a column of bars begins.
fn column(width: i32, at: usize) -> i32 {
    width - theme::PAD - COLUMN * (COLUMNS.len() - at) as i32
}

fn draw_row(
    area: &Area<'_>,
    y: i32,
    width: i32,
    row: &Row<'_>,
    most: [u64; 3],
) -> Result<(), ChartError> {
    let (left, room) = (theme::PAD + NUMBER, column(width, 0) - theme::PAD - NUMBER);
    match row {
        Row::Code(number, code, line) => {
            text(
                area,
                (left - 10, y),
                &number.to_string(),
                QUIET,
                Anchor::End,
            )?;
            let (shift, code) = unindent(code);
            text(
                area,
                (left + shift, y),
                &CODE.clip(&code, room - shift),
                CODE,
                Anchor::Start,
            )?;
            line.map_or(Ok(()), |line| bars(area, y, width, line, most))
        }
        Row::Gap(from, to) => {
            let words = format!("lines {from} to {to}: no memory");
            text(area, (left, y), &words, QUIET, Anchor::Start)
        }
        Row::Other(words, line) => {
            text(
                area,
                (theme::PAD + 10, y),
                &PLAIN.clip(words, left + room - theme::PAD - 10),
                PLAIN,
                Anchor::Start,
            )?;
            bars(area, y, width, line, most)
        }
    }
}

/// The code without its indentation, and how far that moves it.
fn unindent(code: &str) -> (i32, String) {
    let code = code.replace('\t', &" ".repeat(INDENT));
    let bare = code.trim_start_matches(' ');
    (CODE.width(&code[bare.len()..]), bare.trim_end().to_owned())
}

fn bars(
    area: &Area<'_>,
    y: i32,
    width: i32,
    line: &Line,
    most: [u64; 3],
) -> Result<(), ChartError> {
    for (at, (_, colour, value)) in COLUMNS.into_iter().enumerate() {
        let (n, right) = (value(line), column(width, at) + COLUMN);
        let from = right - BAR;
        if n == 0 {
            text(area, (from - 8, y), "0 B", QUIET, Anchor::End)?;
            continue;
        }
        text(
            area,
            (from - 8, y),
            &bytes_text(i128::from(n)),
            PLAIN,
            Anchor::End,
        )?;
        let long = (i128::from(n) * i128::from(BAR) / i128::from(most[at].max(1))).max(1) as i32;
        fill(area, (from, y - 5), (from + long, y + 5), colour)?;
    }
    Ok(())
}

fn is_own(line: &Line, source: &Source) -> bool {
    line.line > 0 && !source.file.is_empty() && line.file == source.file
}

/// The source; where it is long, the lines with memory and their neighbours.
fn code_rows<'a>(report: &'a CellReport, source: &'a Source) -> Vec<Row<'a>> {
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
fn other_rows<'a>(report: &CellReport, source: &Source) -> Vec<Row<'a>> {
    let others: Vec<&Line> = report
        .lines
        .iter()
        .filter(|line| !is_own(line, source))
        .collect();
    let (named, rest) = others.split_at(others.len().min(MOST_OTHERS));
    let mut rows: Vec<Row<'a>> = named
        .iter()
        .map(|line| Row::Other(place(line, source), (*line).clone()))
        .collect();
    if !rest.is_empty() {
        let mut sum = Line::default();
        for line in rest {
            sum.allocated += line.allocated;
            sum.peak += line.peak;
            sum.live += line.live;
        }
        rows.push(Row::Other(format!("{} other lines", rest.len()), sum));
    }
    rows
}

fn place(line: &Line, source: &Source) -> String {
    if line.line == 0 {
        return line.function.clone();
    }
    let file = source.names.get(&line.file).map_or_else(
        || line.file.rsplit('/').next().unwrap_or_default().to_owned(),
        Clone::clone,
    );
    match line.function.as_str() {
        "" | "<module>" => format!("{file}, line {}", line.line),
        function => format!("{file}, line {} in {function}", line.line),
    }
}
