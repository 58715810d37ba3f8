//! What was live as each cell ended, stacked by origin: the reader sees one cell's memory go at another's `del`.
//! Reads a report, knows no books.

use plotters::prelude::{Color, Polygon};
use plotters::style::RGBColor;

use crate::heap::report::{History, Layer};

use super::bytes::{Axis, bytes_text};
use super::canvas::{
    Anchor, Area, ChartError, HEADING, PLAIN, Pixel, QUIET, Svg, Type, card, fill, legend,
    legend_width, path, text,
};
use super::names::{Name, names};
use super::panel::{Frame, Panel};
use super::theme;

const PLOT: i32 = 180;
const HEAD: i32 = 22;
const ROW: i32 = 18;
/// A layer has its name in it where it is so high.
const NAMED: i32 = 14;

/// Live memory by origin over the notebook's cells.
///
/// # Errors
/// plotters' own.
pub fn history(history: &History, width: i32) -> Result<Svg, ChartError> {
    let bands = bands(history);
    let rows = legend_rows(&bands, width);
    let plot = Frame {
        left: theme::PAD,
        top: theme::PAD + HEAD + ROW + ROW * rows.len() as i32 + 14,
        width: width - 2 * theme::PAD,
        height: PLOT,
    };
    card(width, plot.top + PLOT + HEAD, |area| {
        let heading = |y, words, kind| text(area, (theme::PAD, y), words, kind, Anchor::Start);
        heading(
            theme::PAD + 8,
            "Live memory by origin, as each cell ended",
            HEADING,
        )?;
        heading(theme::PAD + HEAD + 6, &remark(history), QUIET)?;
        for (at, row) in rows.iter().enumerate() {
            let mut x = theme::PAD;
            for band in *row {
                let y = theme::PAD + HEAD + ROW + 8 + ROW * at as i32;
                x = legend(area, (x, y), &band.label, |area, (x, y)| {
                    fill(area, (x, y - 5), (x + 12, y + 5), band.colour)
                })? + theme::APART;
            }
        }
        draw(area, plot, history, &bands)
    })
}

fn remark(history: &History) -> String {
    let each = history.moments.iter().map(|moment| moment.ends).max();
    match each.unwrap_or(0) {
        0 => "No cell has ended yet.".into(),
        1 => "A colour is the cell that allocated it; a column is the end of a cell.".into(),
        many => format!(
            "A colour is the cell that allocated it; a column is {many} cells' ends, that with the most of them."
        ),
    }
}

/// A layer's lower and upper edge at each moment.
struct Band {
    label: String,
    colour: RGBColor,
    edges: Vec<(f64, f64)>,
}

/// The layers on top of each other, and what is in none of them. What would be thinner than half a pixel is left out.
fn bands(history: &History) -> Vec<Band> {
    let totals: Vec<f64> = (history.moments.iter())
        .map(|moment| moment.live as f64)
        .collect();
    let least = totals.iter().copied().fold(1.0, f64::max) / f64::from(2 * PLOT);
    let is_seen = |layer: &&Layer| layer.live.iter().any(|live| *live as f64 >= least);
    let mut below = vec![0.0; totals.len()];
    let mut bands = Vec::new();
    let colours = theme::LAYERS.into_iter().cycle();
    for (layer, colour) in history.layers.iter().filter(is_seen).zip(colours) {
        let height = |at: usize| layer.live.get(at).copied().unwrap_or(0) as f64;
        bands.push(stacked(&mut below, &layer.label, colour, height));
    }
    let rest: Vec<f64> = (below.iter().zip(&totals))
        .map(|(below, total)| (total - below).max(0.0))
        .collect();
    if rest.iter().any(|rest| *rest >= least) {
        let label = if bands.is_empty() {
            "all cells"
        } else {
            "other cells"
        };
        bands.push(stacked(&mut below, label, theme::OTHERS, |at| rest[at]));
    }
    bands
}

fn stacked(
    below: &mut [f64],
    label: &str,
    colour: RGBColor,
    height: impl Fn(usize) -> f64,
) -> Band {
    let edges = (below.iter_mut().enumerate())
        .map(|(at, below)| {
            let from = *below;
            *below += height(at);
            (from, *below)
        })
        .collect();
    Band {
        label: label.into(),
        colour,
        edges,
    }
}

/// The legend in as many rows as it takes.
fn legend_rows(bands: &[Band], width: i32) -> Vec<&[Band]> {
    let mut rows = Vec::new();
    let (mut from, mut x) = (0, theme::PAD);
    for (at, band) in bands.iter().enumerate() {
        let wide = legend_width(&band.label) + theme::APART;
        if x + wide > width - theme::PAD && at > from {
            rows.push(&bands[from..at]);
            (from, x) = (at, theme::PAD);
        }
        x += wide;
    }
    if from < bands.len() {
        rows.push(&bands[from..]);
    }
    rows
}

fn draw(
    area: &Area<'_>,
    frame: Frame,
    history: &History,
    bands: &[Band],
) -> Result<(), ChartError> {
    let count = history.moments.len();
    let most = bands.last().map_or(0.0, |band| {
        band.edges.iter().map(|(_, top)| *top).fold(0.0, f64::max)
    });
    let panel = Panel::new(
        area,
        frame,
        0.0..count.max(1) as f64,
        Axis::spanning(0.0, most, 4),
    )?;
    for band in bands.iter().rev() {
        draw_band(area, &panel, band)?;
    }
    panel.zero_line()?;
    for band in bands {
        name_band(area, &panel, band)?;
    }
    name_highest(area, &panel, history, bands)?;
    let name = |at: usize| Name {
        label: &history.moments[at].label,
        number: history.moments[at].number,
        cells: history.moments[at].ends as u32,
    };
    names(
        area,
        &panel,
        frame,
        &(0..count).map(name).collect::<Vec<_>>(),
    )
}

/// Columns as one shape down to the ground, with a thread of the card's colour around it that parts it from the layers
/// above: those lie below it, so they are drawn before it.
fn draw_band(area: &Area<'_>, panel: &Panel<'_, '_>, band: &Band) -> Result<(), ChartError> {
    let ground = panel.at(0.0, 0.0).1;
    for (from, to) in stretches(band) {
        let side = |at: usize| panel.at(at as f64, 0.0).0;
        let top = (from..to).flat_map(|at| {
            let high = panel.y(band.edges[at].1);
            [(side(at), high), (side(at + 1), high)]
        });
        let shape: Vec<Pixel> = std::iter::once((side(from), ground))
            .chain(top)
            .chain([(side(to), ground)])
            .collect();
        area.draw(&Polygon::new(shape.clone(), band.colour.filled()))
            .map_err(ChartError::drawing)?;
        path(area, shape, theme::CARD.stroke_width(1))?;
    }
    Ok(())
}

/// Moments in a row at which there is something of a layer.
fn stretches(band: &Band) -> Vec<(usize, usize)> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    for (at, (low, high)) in band.edges.iter().enumerate() {
        match found.last_mut() {
            _ if high <= low => {}
            Some((_, to)) if *to == at => *to = at + 1,
            _ => found.push((at, at + 1)),
        }
    }
    found
}

/// The layer's name where there is most room for it.
fn name_band(area: &Area<'_>, panel: &Panel<'_, '_>, band: &Band) -> Result<(), ChartError> {
    let kind = Type {
        colour: theme::on(band.colour),
        ..PLAIN
    };
    let slot = panel.at(1.0, 0.0).0 - panel.at(0.0, 0.0).0;
    let columns = ((kind.width(&band.label) + 8) / slot.max(1) + 1) as usize;
    let room = |columns: &[(f64, f64)]| {
        let low = columns.iter().map(|(low, _)| *low).fold(0.0, f64::max);
        let high = columns
            .iter()
            .map(|(_, high)| *high)
            .fold(f64::MAX, f64::min);
        (panel.at(0.0, low).1, panel.at(0.0, high.max(low)).1)
    };
    let best = (band.edges.windows(columns).enumerate())
        .map(|(at, columns)| (at, room(columns)))
        .max_by_key(|(at, (low, high))| (low - high, std::cmp::Reverse(*at)));
    let Some((at, (low, high))) = best.filter(|(_, (low, high))| low - high >= NAMED) else {
        return Ok(());
    };
    let middle = panel.at(at as f64 + columns as f64 / 2.0, 0.0).0;
    text(
        area,
        (middle, (low + high) / 2),
        &band.label,
        kind,
        Anchor::Middle,
    )
}

/// The most that was live at the end of a cell, in numbers.
fn name_highest(
    area: &Area<'_>,
    panel: &Panel<'_, '_>,
    history: &History,
    bands: &[Band],
) -> Result<(), ChartError> {
    let top = |at: usize| bands.last().map_or(0.0, |band| band.edges[at].1);
    let highest = (0..history.moments.len())
        .rev()
        .max_by(|one, other| top(*one).total_cmp(&top(*other)));
    let Some(at) = highest.filter(|at| top(*at) > 0.0) else {
        return Ok(());
    };
    let words = bytes_text(i128::from(history.moments[at].live));
    let ((left, right), half) = (panel.sides(), PLAIN.width(&words) / 2 + 2);
    let middle = panel
        .at(at as f64 + 0.5, 0.0)
        .0
        .clamp(left + half, right - half);
    text(
        area,
        (middle, panel.y(top(at)) - 9),
        &words,
        PLAIN,
        Anchor::Middle,
    )
}
