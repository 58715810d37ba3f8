//! Variables as bars: what goes with each, its own blocks, and what others share. Knows names and bytes, no objects.

use plotters::prelude::Color;
use serde::Deserialize;

use super::bytes::bytes_text;
use super::canvas::{
    Anchor, Area, ChartError, HEADING, PLAIN, QUIET, SUBHEADING, Svg, card, fill, legend, path,
    text,
};
use super::theme;

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Variable {
    pub name: String,
    pub note: String,
    pub retained: u64,
    pub shallow: u64,
    pub shared: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Variables {
    pub title: String,
    pub variables: Vec<Variable>,
}

const HEAD: i32 = 52;
const ROW: i32 = 22;
const NAMES: i32 = 250;
const NUMBERS: i32 = 84;

/// One row a variable, on one scale.
pub fn variables(variables: &Variables, width: i32) -> Result<Svg, ChartError> {
    let rows = &variables.variables;
    let height = theme::PAD * 2 + HEAD + ROW * rows.len() as i32;
    card(width, height, |area| {
        let (left, top) = (theme::PAD, theme::PAD);
        let title = HEADING.clip(&variables.title, width - 2 * left);
        text(area, (left, top + 8), &title, HEADING, Anchor::Start)?;
        legends(area, (left, top + 32))?;
        let most = rows
            .iter()
            .map(|row| row.retained + row.shared)
            .max()
            .unwrap_or(0)
            .max(1);
        let room = width - 2 * left - NAMES - NUMBERS;
        let long = |bytes: u64| (i128::from(bytes) * i128::from(room) / i128::from(most)) as i32;
        for (at, row) in rows.iter().enumerate() {
            let y = top + HEAD + ROW * at as i32 + ROW / 2;
            names(area, row, (left, y))?;
            let from = left + NAMES;
            let kept = long(row.retained).max(i32::from(row.retained > 0));
            let own = long(row.shallow.min(row.retained));
            if row.shared > 0 {
                shared(
                    area,
                    (from + kept, y - 7),
                    (from + kept + long(row.shared).max(3), y + 7),
                )?;
            }
            fill(area, (from, y - 7), (from + kept, y + 7), theme::LIVE)?;
            if own > 0 {
                fill(area, (from, y + 3), (from + own, y + 7), theme::INK)?;
            }
            let size = bytes_text(i128::from(row.retained));
            text(area, (width - left, y), &size, PLAIN, Anchor::End)?;
        }
        Ok(())
    })
}

fn names(area: &Area<'_>, row: &Variable, (left, y): (i32, i32)) -> Result<(), ChartError> {
    let name = SUBHEADING.clip(&row.name, NAMES * 3 / 5);
    text(area, (left, y), &name, SUBHEADING, Anchor::Start)?;
    let after = left + SUBHEADING.width(&name) + 10;
    let note = QUIET.clip(&row.note, left + NAMES - 10 - after);
    text(area, (after, y), &note, QUIET, Anchor::Start)
}

fn legends(area: &Area<'_>, (x, y): (i32, i32)) -> Result<(), ChartError> {
    let x = legend(
        area,
        (x, y),
        "goes with del and a collection",
        |area, (x, y)| fill(area, (x, y - 5), (x + 12, y + 5), theme::LIVE),
    )?;
    let x = legend(
        area,
        (x + theme::APART, y),
        "of it the object's own blocks",
        |area, (x, y)| {
            fill(area, (x, y - 5), (x + 12, y + 5), theme::LIVE)?;
            fill(area, (x, y + 1), (x + 12, y + 5), theme::INK)
        },
    )?;
    legend(
        area,
        (x + theme::APART, y),
        "stays: others reach it too",
        |area, (x, y)| shared(area, (x, y - 5), (x + 12, y + 5)),
    )
    .map(|_| ())
}

/// A light box with an outline: what is not this variable's alone.
fn shared(area: &Area<'_>, from: (i32, i32), to: (i32, i32)) -> Result<(), ChartError> {
    fill(area, from, to, theme::FREED)?;
    let edge = vec![from, (to.0, from.1), to, (from.0, to.1), from];
    path(area, edge, theme::LIVE.stroke_width(1))
}
