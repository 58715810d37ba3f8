//! The notebook's chart: what each cell still keeps, what was freed again, its peak; what it allocated and freed;
//! and the RSS of the process. Reads a report, knows no Python.

use plotters::prelude::Color;

use crate::heap::report::{Cell, Overview, State};

use super::bytes::{Axis, bytes_text};
use super::canvas::{
    Anchor, Area, ChartError, HEADING, PLAIN, SUBHEADING, Svg, boxes, card, fill, legend, path,
    text,
};
use super::names::{Name, names, slot};
use super::panel::{Frame, Panel};
use super::theme;

/// With more bars than this, neighbours share one.
const MOST_BARS: usize = 64;
const WIDEST_BAR: i32 = 64;
/// Bars that have their number written.
const MOST_NUMBERS: usize = 12;

const MEMORY: i32 = 170;
const FLOW: i32 = 84;
const RSS: i32 = 64;
const FLOW_TITLE: &str = "Allocated (up) and freed (down) while it ran";
const RSS_TITLE: &str =
    "RSS of the process, on a scale of its own; spikes are its high-water mark, about";
const HEAD: i32 = 22;
const LABELS: i32 = 34;

/// Memory of each cell, cells by execution count from left to right.
pub fn cells(overview: &Overview, width: i32) -> Result<Svg, ChartError> {
    let (bars, each) = bars(&overview.cells);
    let plot = |top, height| Frame {
        left: theme::PAD,
        top,
        width: width - 2 * theme::PAD,
        height,
    };
    let memory = plot(theme::PAD + 2 * HEAD + 14, MEMORY);
    let flow = plot(memory.top + MEMORY + LABELS + HEAD, FLOW);
    let rss = plot(flow.top + FLOW + HEAD + 16, RSS);
    card(width, rss.top + RSS + HEAD, |area| {
        let title = match each {
            _ if bars.is_empty() => "Memory of each cell: no cell has run yet".to_owned(),
            1 => "Memory of each cell".to_owned(),
            many => {
                format!("Memory of each cell; a bar is {many} cells that ran one after another")
            }
        };
        let heading = |y, words, kind| text(area, (theme::PAD, y), words, kind, Anchor::Start);
        heading(theme::PAD + 8, title.as_str(), HEADING)?;
        memory_legend(area, theme::PAD + HEAD + 8, &bars)?;
        draw_memory(area, memory, &bars)?;
        heading(flow.top - 17, FLOW_TITLE, SUBHEADING)?;
        draw_flow(area, flow, &bars)?;
        heading(rss.top - 17, RSS_TITLE, SUBHEADING)?;
        draw_rss(area, rss, &bars)
    })
}

/// A cell, or neighbours that share a bar.
struct Bar {
    label: String,
    number: Option<u32>,
    cells: u32,
    live: f64,
    /// What there was of it at the most: at its peak, at its end or now.
    top: f64,
    peak: f64,
    allocated: f64,
    freed: f64,
    rss: [Option<u64>; 3],
    state: State,
    traced: bool,
}

/// The bars, and how many cells one is at the most.
fn bars(cells: &[Cell]) -> (Vec<Bar>, usize) {
    let each = cells.len().div_ceil(MOST_BARS).max(1);
    (cells.chunks(each).map(bar).collect(), each)
}

fn bar(cells: &[Cell]) -> Bar {
    let sum = |value: fn(&Cell) -> u64| cells.iter().map(|cell| value(cell) as f64).sum::<f64>();
    let most = |value: fn(&Cell) -> u64| cells.iter().map(value).max().unwrap_or(0) as f64;
    let live = sum(|cell| cell.live);
    let worst = |states: [State; 2]| {
        states
            .into_iter()
            .find(|state| cells.iter().any(|cell| cell.state == *state))
    };
    Bar {
        label: cells
            .first()
            .map(|cell| cell.label.clone())
            .unwrap_or_default(),
        number: cells.iter().find_map(|cell| cell.number),
        cells: cells.len() as u32,
        live,
        top: most(|cell| cell.peak.max(cell.live_at_end)).max(live),
        peak: most(|cell| cell.peak),
        allocated: sum(|cell| cell.allocated),
        freed: sum(|cell| cell.freed),
        rss: [
            cells.first().and_then(|cell| cell.rss_start),
            cells.iter().filter_map(|cell| cell.rss_peak).max(),
            cells.last().and_then(|cell| cell.rss_end),
        ],
        state: worst([State::Running, State::Failed]).unwrap_or_default(),
        traced: cells.iter().all(|cell| cell.traced),
    }
}

/// The pixels of a bar, left and right.
fn span(panel: &Panel<'_, '_>, at: usize) -> (i32, i32) {
    let (left, right) = (panel.at(at as f64, 0.0).0, panel.at(at as f64 + 1.0, 0.0).0);
    let width = ((right - left) * 7 / 10).clamp(1, WIDEST_BAR);
    let from = (left + right - width) / 2;
    (from, from + width)
}

fn over(panel: &Panel<'_, '_>, bars: &[Bar], value: fn(&Bar) -> f64) -> Vec<(i32, i32, f64)> {
    bars.iter()
        .enumerate()
        .map(|(at, bar)| {
            let (left, right) = span(panel, at);
            (left, right, value(bar))
        })
        .collect()
}

fn draw_memory(area: &Area<'_>, frame: Frame, bars: &[Bar]) -> Result<(), ChartError> {
    let most = bars.iter().map(|bar| bar.top).fold(0.0, f64::max);
    let panel = Panel::new(area, frame, across(bars), Axis::spanning(0.0, most, 4))?;
    shade_untraced(area, &panel, frame, bars)?;
    let tops = over(&panel, bars, |bar| bar.top);
    panel.bars(&tops, theme::FREED)?;
    panel.frames(&tops, theme::LIVE)?;
    panel.bars(&over(&panel, bars, |bar| bar.live), theme::LIVE)?;
    panel.zero_line()?;
    peaks(area, &panel, bars)?;
    labels(area, &panel, frame, bars)?;
    states(area, &panel, frame, bars)
}

fn across(bars: &[Bar]) -> std::ops::Range<f64> {
    0.0..bars.len().max(1) as f64
}

/// Thick strokes with a rim of the card's colour, so that they stand out on a solid bar too.
fn peaks(area: &Area<'_>, panel: &Panel<'_, '_>, bars: &[Bar]) -> Result<(), ChartError> {
    let zero = panel.at(0.0, 0.0).1;
    let all = bars.iter().enumerate().filter(|(_, bar)| bar.peak > 0.0);
    let spans: Vec<_> = all.map(|(at, bar)| (span(panel, at), bar)).collect();
    let wider = if slot(panel, bars.len()) > 20 { 2 } else { 1 };
    for (half, colour) in [(2, theme::CARD), (1, theme::PEAK)] {
        // Of the smallest only the number: a row of marks on the axis would read as an axis.
        let seen = spans.iter().filter(|(_, bar)| panel.y(bar.peak) < zero - 2);
        let marks = seen.map(|((left, right), bar)| {
            let y = panel.y(bar.peak);
            ((left - wider, y - half), (right + wider, y + half + 1))
        });
        boxes(area, zero, &marks.collect::<Vec<_>>(), colour)?;
    }
    name_bars(area, panel, bars)
}

/// How high bars are, the highest first, where a number touches neither a bar nor another one.
fn name_bars(area: &Area<'_>, panel: &Panel<'_, '_>, bars: &[Bar]) -> Result<(), ChartError> {
    let (few, seen) = (bars.len() <= MOST_NUMBERS * 2, panel.at(0.0, 0.0).1 - 2);
    let tops = over(panel, bars, |bar| bar.top.max(bar.peak));
    let is_named = |at: &usize| tops[*at].2 > 0.0 && (few || panel.y(tops[*at].2) < seen);
    let mut order: Vec<usize> = (0..bars.len()).filter(is_named).collect();
    order.sort_by(|one, other| tops[*other].2.total_cmp(&tops[*one].2));
    let (first, last) = panel.sides();
    let mut placed: Vec<(i32, i32, i32)> = Vec::new();
    for at in order {
        let (from, to, top) = tops[at];
        let (words, y) = (bytes_text(top as i128), panel.y(top) - 9);
        let half = PLAIN.width(&words) / 2 + 2;
        let middle = ((from + to) / 2).clamp(first + half, last - half);
        let (left, right) = (middle - half, middle + half);
        let is_over =
            |(a, b, height): &(i32, i32, f64)| *a < right && left < *b && panel.y(*height) < y + 8;
        let is_near =
            |(a, b, other): &(i32, i32, i32)| *a < right && left < *b && (other - y).abs() < 12;
        if placed.len() < MOST_NUMBERS && !tops.iter().any(is_over) && !placed.iter().any(is_near) {
            text(area, (middle, y), &words, PLAIN, Anchor::Middle)?;
            placed.push((left, right, y));
        }
    }
    Ok(())
}

fn draw_flow(area: &Area<'_>, frame: Frame, bars: &[Bar]) -> Result<(), ChartError> {
    let most = |value: fn(&Bar) -> f64| bars.iter().map(value).fold(0.0, f64::max);
    let axis = Axis::spanning(-most(|bar| bar.freed), most(|bar| bar.allocated), 2);
    let panel = Panel::new(area, frame, across(bars), axis)?;
    shade_untraced(area, &panel, frame, bars)?;
    panel.bars(&over(&panel, bars, |bar| bar.allocated), theme::ALLOCATED)?;
    let freed = over(&panel, bars, |bar| -bar.freed);
    panel.bars(&freed, theme::FREED)?;
    panel.frames(&freed, theme::LIVE)?;
    panel.zero_line()
}

fn draw_rss(area: &Area<'_>, frame: Frame, bars: &[Bar]) -> Result<(), ChartError> {
    let most = bars.iter().flat_map(|bar| bar.rss).flatten().max();
    let panel = Panel::new(
        area,
        frame,
        across(bars),
        Axis::spanning(0.0, most.unwrap_or(0) as f64, 2),
    )?;
    let mut line = Vec::new();
    for (at, bar) in bars.iter().enumerate() {
        for (part, rss) in [0.15, 0.5, 0.85].into_iter().zip(bar.rss) {
            if let Some(rss) = rss.filter(|rss| *rss > 0) {
                line.push(panel.at(at as f64 + part, rss as f64));
            }
        }
    }
    if line.len() > 1 {
        path(area, line, theme::RSS.stroke_width(2))?;
    }
    labels(area, &panel, frame, bars)
}

/// Bands over the cells of which nothing is known, neighbours in one.
fn shade_untraced(
    area: &Area<'_>,
    panel: &Panel<'_, '_>,
    frame: Frame,
    bars: &[Bar],
) -> Result<(), ChartError> {
    let (top, bottom) = (frame.top, frame.top + frame.height);
    let mut at = 0;
    for stretch in bars.chunk_by(|one, next| one.traced == next.traced) {
        let ends = (
            panel.at(at as f64, 0.0).0,
            panel.at((at + stretch.len()) as f64, 0.0).0,
        );
        at += stretch.len();
        if !stretch[0].traced {
            fill(area, (ends.0, top), (ends.1, bottom), theme::GRID)?;
            let edge = vec![
                (ends.0, top),
                (ends.1, top),
                (ends.1, bottom),
                (ends.0, bottom),
                (ends.0, top),
            ];
            path(area, edge, theme::UNKNOWN.stroke_width(1))?;
        }
    }
    Ok(())
}

fn labels(
    area: &Area<'_>,
    panel: &Panel<'_, '_>,
    frame: Frame,
    bars: &[Bar],
) -> Result<(), ChartError> {
    let mut all = Vec::new();
    for bar in bars {
        all.push(Name {
            label: &bar.label,
            number: bar.number,
            cells: bar.cells,
        });
    }
    names(area, panel, frame, &all)
}

/// Under the names: what is special about a cell, as a word or, where there is no room, as a sign.
fn states(
    area: &Area<'_>,
    panel: &Panel<'_, '_>,
    frame: Frame,
    bars: &[Bar],
) -> Result<(), ChartError> {
    let (slot, y) = (slot(panel, bars.len()), frame.top + frame.height + 24);
    let mut free_from = i32::MIN;
    for (at, bar) in bars.iter().enumerate() {
        let (left, right) = span(panel, at);
        let (word, sign) = match bar.state {
            _ if !bar.traced => ("not traced", "?"),
            State::Failed => ("failed", "×"),
            State::Running => ("running", "*"),
            State::Done => continue,
        };
        let words = if PLAIN.width(word) + 6 <= slot {
            word
        } else {
            sign
        };
        let (middle, half) = ((left + right) / 2, PLAIN.width(words) / 2);
        if middle - half >= free_from {
            text(area, (middle, y), words, PLAIN, Anchor::Middle)?;
            free_from = middle + half;
        }
    }
    Ok(())
}

fn memory_legend(area: &Area<'_>, y: i32, bars: &[Bar]) -> Result<(), ChartError> {
    let swatch = |colour| {
        move |area: &Area<'_>, (x, y): (i32, i32)| fill(area, (x, y - 5), (x + 12, y + 5), colour)
    };
    let mut x = legend(area, (theme::PAD, y), "still live", swatch(theme::LIVE))?;
    x = legend(area, (x, y), "freed again", |area, (x, y)| {
        fill(area, (x, y - 5), (x + 12, y + 5), theme::LIVE)?;
        fill(area, (x + 1, y - 4), (x + 11, y + 4), theme::FREED)
    })?;
    x = legend(
        area,
        (x, y),
        "peak, above the cell's start",
        |area, (x, y)| fill(area, (x, y - 1), (x + 12, y + 2), theme::PEAK),
    )?;
    let signs = [
        (
            "×",
            "failed",
            bars.iter().any(|bar| bar.state == State::Failed),
        ),
        (
            "*",
            "running",
            bars.iter().any(|bar| bar.state == State::Running),
        ),
        ("?", "not traced", bars.iter().any(|bar| !bar.traced)),
    ];
    for (sign, word, _) in signs.into_iter().filter(|(.., there)| *there) {
        x = legend(area, (x, y), word, |area, (x, y)| {
            text(area, (x + 6, y), sign, PLAIN, Anchor::Middle)
        })?;
    }
    Ok(())
}
