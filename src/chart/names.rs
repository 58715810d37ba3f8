//! Names of cells under a plot: in full where they fit, else every so many numbers. Knows no bytes.

use super::canvas::{Anchor, Area, ChartError, PLAIN, QUIET, text};
use super::panel::{Frame, Panel};
use super::theme;

/// What stands under a column.
pub struct Name<'a> {
    pub label: &'a str,
    pub number: Option<u32>,
    /// How many cells the column stands for, this and those after it.
    pub cells: u32,
}

/// Draws the names of the columns of a plot, each one unit wide. The last one stands in full where it has no number.
pub fn names(
    area: &Area<'_>,
    panel: &Panel<'_, '_>,
    frame: Frame,
    names: &[Name<'_>],
) -> Result<(), ChartError> {
    let (slot, y) = (slot(panel, names.len()), frame.top + frame.height + 10);
    let widest = names.iter().map(|name| PLAIN.width(name.label)).max();
    let in_full = widest.unwrap_or(0) + 6 <= slot;
    let step = step(names, slot);
    let (mut free_from, mut said) = (i32::MIN, 0);
    if !in_full {
        free_from = theme::PAD + theme::AXIS - 4;
        text(area, (free_from - 4, y), "In[ ]", QUIET, Anchor::End)?;
    }
    let (_, right) = panel.sides();
    let last = names.last().filter(|name| !in_full && name.label == NOW);
    let mut free_to = i32::MAX;
    if let Some(last) = last {
        text(area, (right, y), last.label, PLAIN, Anchor::End)?;
        free_to = right - PLAIN.width(last.label) - 4;
    }
    for (at, name) in names.iter().enumerate() {
        let words = match name.number {
            _ if in_full => name.label.to_owned(),
            Some(number) if step > 1 && at == 0 => number.to_string(),
            Some(number) => {
                let round = number.div_ceil(step) * step;
                if round >= number + name.cells.max(1) || round == said {
                    continue;
                }
                said = round;
                round.to_string()
            }
            None => continue,
        };
        let middle = panel.at(at as f64 + 0.5, 0.0).0;
        let half = PLAIN.width(&words) / 2;
        if middle - half >= free_from && middle + half <= free_to {
            text(area, (middle, y), &words, PLAIN, Anchor::Middle)?;
            free_from = middle + half + 4;
        }
    }
    Ok(())
}

/// How the moment is called that is no cell's end.
pub const NOW: &str = "now";

/// The pixels that a column has.
pub fn slot(panel: &Panel<'_, '_>, count: usize) -> i32 {
    let (left, right) = panel.sides();
    (right - left) / count.max(1) as i32
}

/// Which numbers are written: a round step that leaves room, and every fifth at least where there are many.
fn step(names: &[Name<'_>], slot: i32) -> u32 {
    let numbers = || names.iter().filter_map(|name| name.number);
    let (first, last) = (numbers().min().unwrap_or(0), numbers().max().unwrap_or(0));
    let (need, numbers) = (PLAIN.width(&last.to_string()) + 6, last - first + 1);
    let least = if names.len() > 25 { 5 } else { 1 };
    let per_number = f64::from(slot) * names.len() as f64 / f64::from(numbers);
    [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000]
        .into_iter()
        .find(|step| *step >= least && f64::from(*step) * per_number >= f64::from(need))
        .unwrap_or(100_000)
}
