//! pymalloc's arenas as a map: a box is a stretch of addresses, the darker the fuller. Reads a report, knows no books.

use plotters::prelude::Color;

use crate::heap::report::HeapMap;

use super::bytes::{bytes_text, tick_text};
use super::canvas::{
    Anchor, Area, ChartError, HEADING, Pixel, QUIET, Svg, boxes, card, fill, legend, path, text,
};
use super::theme;

/// Boxes in a row.
const COLUMNS: i32 = 64;
const ROW: i32 = 14;
const HEAD: i32 = 74;
const WORDS: [&str; 5] = [
    "empty",
    "to a quarter",
    "to a half",
    "to three quarters",
    "above",
];

/// The map. Addresses grow from left to right, then downwards.
///
/// # Errors
/// plotters' own.
pub fn heapmap(map: &HeapMap, width: i32) -> Result<Svg, ChartError> {
    let rows = (map.boxes.len() as i32 + COLUMNS - 1) / COLUMNS;
    card(width, HEAD + rows * ROW + theme::PAD, |area| {
        let heading =
            |y, words: &str, kind| text(area, (theme::PAD, y), words, kind, Anchor::Start);
        heading(
            theme::PAD + 8,
            "Heap map: pymalloc's arenas by address",
            HEADING,
        )?;
        heading(theme::PAD + 28, &remark(map), QUIET)?;
        legends(area)?;
        for (level, colour) in theme::FULLNESS.into_iter().enumerate() {
            boxes(area, HEAD, &stretches(map, level, width), colour)?;
        }
        lines(area, map.boxes.len() as i32, width)
    })
}

fn remark(map: &HeapMap) -> String {
    if map.boxes.is_empty() {
        return "No arena has been mapped since recording began.".into();
    }
    format!(
        "{} in {} arenas, {} of it live; a box is {}.",
        bytes_text(map.bytes.into()),
        map.arenas,
        bytes_text(map.live.into()),
        tick_text(map.unit as f64),
    )
}

fn legends(area: &Area<'_>) -> Result<(), ChartError> {
    let mut x = theme::PAD;
    for (word, colour) in WORDS.into_iter().zip(theme::FULLNESS) {
        x = legend(area, (x, theme::PAD + 48), word, |area, (x, y)| {
            fill(area, (x - 1, y - 6), (x + 13, y + 6), theme::UNKNOWN)?;
            fill(area, (x, y - 5), (x + 12, y + 5), colour)
        })? + theme::APART;
    }
    Ok(())
}

/// Which of the steps a box is on.
pub fn level(live: u64, unit: u64) -> usize {
    match live * 4 {
        0 => 0,
        quarters => quarters.div_ceil(unit.max(1)).min(4) as usize,
    }
}

fn left_of(column: i32, width: i32) -> i32 {
    theme::PAD + (width - 2 * theme::PAD) * column / COLUMNS
}

/// The boxes on a step, neighbours in a row as one.
fn stretches(map: &HeapMap, level: usize, width: i32) -> Vec<(Pixel, Pixel)> {
    let mut found = Vec::new();
    for (row, boxes) in (0_i32..).zip(map.boxes.chunks(COLUMNS as usize)) {
        let (top, mut column) = (HEAD + row * ROW, 0);
        for same in
            boxes.chunk_by(|one, next| self::level(*one, map.unit) == self::level(*next, map.unit))
        {
            let to = column + same.len() as i32;
            if self::level(same[0], map.unit) == level {
                found.push((
                    (left_of(column, width), top),
                    (left_of(to, width), top + ROW),
                ));
            }
            column = to;
        }
    }
    found
}

/// What parts the boxes.
fn lines(area: &Area<'_>, count: i32, width: i32) -> Result<(), ChartError> {
    let rows = (count + COLUMNS - 1) / COLUMNS;
    let (left, bottom) = (theme::PAD, HEAD + rows * ROW);
    for column in 1..COLUMNS.min(count) {
        let x = left_of(column, width);
        path(
            area,
            vec![(x, HEAD), (x, bottom)],
            theme::CARD.stroke_width(1),
        )?;
    }
    for row in 1..rows {
        let y = HEAD + row * ROW;
        path(
            area,
            vec![(left, y), (width - theme::PAD, y)],
            theme::CARD.stroke_width(1),
        )?;
    }
    Ok(())
}
