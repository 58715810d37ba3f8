//! A cell's source with a bar for each line: allocated, at the peak, still live. Lines of code from elsewhere follow.

use plotters::prelude::Color;
use plotters::style::RGBColor;

use crate::heap::report::{CellReport, Line};

use super::bytes::bytes_text;
use super::canvas::{
    Anchor, Area, CODE, ChartError, HEADING, PLAIN, QUIET, Svg, boxes, card, path, text,
};
use super::rows::{Row, code_rows, other_rows};
use super::theme;

pub use super::rows::Source;

const HEAD: i32 = 44;
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

/// The source of the report's cell, with bars.
pub fn lines(report: &CellReport, source: &Source, width: i32) -> Result<Svg, ChartError> {
    let (own, others) = (code_rows(report, source), other_rows(report, source));
    let first = theme::PAD + HEAD;
    let between = first + ROW * own.len() as i32;
    let gap = if others.is_empty() { 0 } else { ROW };
    let height = between + gap + ROW * others.len() as i32 + theme::PAD;
    card(width, height, |area| {
        let (left, right, y) = (theme::PAD, width - theme::PAD, theme::PAD + 8);
        let title = format!("Lines of {}", report.cell.label);
        text(area, (left, y), &title, HEADING, Anchor::Start)?;
        text(
            area,
            (right, y),
            "each column is on a scale of its own",
            QUIET,
            Anchor::End,
        )?;
        heads(area, first - 12, width)?;
        if !others.is_empty() {
            let words = "Code from elsewhere that it ran";
            text(
                area,
                (left, between + ROW / 2 + 2),
                words,
                QUIET,
                Anchor::Start,
            )?;
        }
        let placed = |from: i32| move |at: usize| from + ROW * at as i32 + ROW / 2;
        let (at_own, at_other) = (placed(first), placed(between + gap));
        let rows: Vec<(i32, Row<'_>)> = (own
            .into_iter()
            .enumerate()
            .map(|(at, row)| (at_own(at), row)))
        .chain(
            others
                .into_iter()
                .enumerate()
                .map(|(at, row)| (at_other(at), row)),
        )
        .collect();
        for (y, row) in &rows {
            name_row(area, *y, width, row)?;
        }
        (0..COLUMNS.len()).try_for_each(|at| draw_column(area, width, at, &rows))
    })
}

fn heads(area: &Area<'_>, y: i32, width: i32) -> Result<(), ChartError> {
    for (at, (word, ..)) in COLUMNS.into_iter().enumerate() {
        text(
            area,
            (bars_from(width, at) - 8, y),
            word,
            QUIET,
            Anchor::End,
        )?;
    }
    let ends = vec![(theme::PAD, y + 9), (width - theme::PAD, y + 9)];
    path(area, ends, theme::EDGE.stroke_width(1))
}

/// Where the bars of a column begin; its numbers end just before.
fn bars_from(width: i32, at: usize) -> i32 {
    width - theme::PAD - COLUMN * (COLUMNS.len() - at - 1) as i32 - BAR
}

fn name_row(area: &Area<'_>, y: i32, width: i32, row: &Row<'_>) -> Result<(), ChartError> {
    let left = theme::PAD + NUMBER;
    let room = width - theme::PAD - COLUMN * COLUMNS.len() as i32 - left;
    match row {
        Row::Code(number, code, _) => {
            text(
                area,
                (left - 10, y),
                &number.to_string(),
                QUIET,
                Anchor::End,
            )?;
            let (shift, code) = unindent(code);
            let shift = shift.min(room / 2);
            let code = CODE.clip(&code, room - shift);
            text(area, (left + shift, y), &code, CODE, Anchor::Start)
        }
        Row::Gap(from, to) => {
            let words = if from == to {
                format!("line {from}")
            } else {
                format!("lines {from} to {to}")
            };
            text(
                area,
                (left, y),
                &(words + " not shown"),
                QUIET,
                Anchor::Start,
            )
        }
        Row::Other(words, _) => {
            let words = PLAIN.clip(words, room + NUMBER - 10);
            text(area, (theme::PAD + 10, y), &words, PLAIN, Anchor::Start)
        }
    }
}

/// The code without its indentation, and how far that moves it.
fn unindent(code: &str) -> (i32, String) {
    let code = code.replace('\t', &" ".repeat(INDENT));
    let bare = code.trim_start_matches(' ');
    let shift = CODE.width(&code[..code.len() - bare.len()]);
    (shift, bare.trim_end().to_owned())
}

/// Numbers and bars of one measure.
fn draw_column(
    area: &Area<'_>,
    width: i32,
    at: usize,
    rows: &[(i32, Row<'_>)],
) -> Result<(), ChartError> {
    let (_, colour, value) = COLUMNS[at];
    let known: Vec<(i32, u64)> = rows
        .iter()
        .filter_map(|(y, row)| match row {
            Row::Code(_, _, line) => line.map(|line| (*y, value(line))),
            Row::Gap(..) => None,
            Row::Other(_, line) => Some((*y, value(line))),
        })
        .collect();
    let (from, most) = (
        bars_from(width, at),
        known.iter().map(|(_, n)| *n).max().unwrap_or(0),
    );
    let mut bars = Vec::new();
    for (y, n) in known {
        let kind = if n == 0 { QUIET } else { PLAIN };
        text(
            area,
            (from - 8, y),
            &bytes_text(i128::from(n)),
            kind,
            Anchor::End,
        )?;
        if n > 0 {
            let long = i128::from(n) * i128::from(BAR) / i128::from(most);
            bars.push(((from, y - 5), (from + (long as i32).max(1), y + 5)));
        }
    }
    boxes(area, theme::PAD + HEAD, &bars, colour)
}
