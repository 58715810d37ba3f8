//! A cell's timeline: live bytes above its start with the exact peak, and the RSS of the process under it.

use plotters::prelude::{Color, Polygon};

use crate::heap::report::{CellReport, Point, State};

use super::bytes::{Axis, bytes_text};
use super::canvas::{
    Anchor, Area, ChartError, HEADING, PLAIN, QUIET, SUBHEADING, Svg, card, path, text,
};
use super::panel::{Frame, Panel};
use super::split::{self, split};
use super::theme;

const LIVE: i32 = 140;
const RSS: i32 = 64;
const RSS_TITLE: &str = "RSS of the process, on a scale of its own";

/// Live bytes and RSS of a cell over time.
pub fn timeline(report: &CellReport, width: i32) -> Result<Svg, ChartError> {
    let plot = |top, height| Frame {
        left: theme::PAD,
        top,
        width: width - 2 * theme::PAD - 10,
        height,
    };
    let parts = split::parts(&report.shares);
    let strip = if parts.is_empty() { 0 } else { split::HEIGHT };
    let live = plot(theme::PAD + 30 + strip, LIVE);
    let rss = plot(live.top + LIVE + 38, RSS);
    card(width, rss.top + RSS + 30, |area| {
        let state = match report.cell.state {
            State::Running => ", still running",
            State::Failed => ", failed",
            State::Done => "",
        };
        let title = format!("{}{state}: live bytes above its start", report.cell.label);
        text(
            area,
            (theme::PAD, theme::PAD + 8),
            &title,
            HEADING,
            Anchor::Start,
        )?;
        let across = (theme::PAD, width - theme::PAD);
        split(area, theme::PAD + 24, across, &parts)?;
        draw_live(area, live, report)?;
        text(
            area,
            (theme::PAD, rss.top - 17),
            RSS_TITLE,
            SUBHEADING,
            Anchor::Start,
        )?;
        draw_rss(area, rss, report)
    })
}

fn draw_live(area: &Area<'_>, frame: Frame, report: &CellReport) -> Result<(), ChartError> {
    let (points, peak) = (&report.timeline, report.cell.peak as f64);
    let low = points.iter().map(|point| point.live).min().unwrap_or(0) as f64;
    let high = points.iter().map(|point| point.live).max().unwrap_or(0) as f64;
    let panel = Panel::new(
        area,
        frame,
        0.0..end(report),
        Axis::spanning(low, high.max(peak), 4),
    )?;
    let line: Vec<_> = points
        .iter()
        .map(|point| panel.at(point.at, point.live as f64))
        .collect();
    if let (Some(first), Some(last)) = (line.first(), line.last()) {
        let zero = panel.at(0.0, 0.0).1;
        let mut shape = vec![(first.0, zero)];
        shape.extend(&line);
        shape.push((last.0, zero));
        area.draw(&Polygon::new(shape, theme::FREED.filled()))
            .map_err(ChartError::drawing)?;
        path(area, line, theme::LIVE.stroke_width(2))?;
    } else {
        let words = "No timeline is kept of this cell; its peak is exact.";
        text(area, panel.middle(), words, QUIET, Anchor::Middle)?;
    }
    name_peak(area, &panel, report)
}

/// The peak comes from the books, not from the samples, which may have missed it.
fn name_peak(
    area: &Area<'_>,
    panel: &Panel<'_, '_>,
    report: &CellReport,
) -> Result<(), ChartError> {
    if report.cell.peak == 0 {
        return Ok(());
    }
    let peak = report.cell.peak as f64;
    let ((_, right), y) = (panel.sides(), panel.y(peak));
    panel.level(peak, theme::PEAK.stroke_width(2))?;
    let words = format!("peak {}", bytes_text(i128::from(report.cell.peak)));
    text(area, (right, y - 9), &words, PLAIN, Anchor::End)
}

fn draw_rss(area: &Area<'_>, frame: Frame, report: &CellReport) -> Result<(), ChartError> {
    let known: Vec<&Point> = report
        .timeline
        .iter()
        .filter(|point| point.rss > 0)
        .collect();
    let most = known.iter().map(|point| point.rss).max().unwrap_or(0) as f64;
    let panel = Panel::new(area, frame, 0.0..end(report), Axis::spanning(0.0, most, 2))?;
    let line: Vec<_> = known
        .iter()
        .map(|point| panel.at(point.at, point.rss as f64))
        .collect();
    if line.len() > 1 {
        path(area, line, theme::RSS.stroke_width(2))?;
    }
    seconds(area, &panel, frame, end(report))
}

/// Where the axis of time ends.
fn end(report: &CellReport) -> f64 {
    let last = report.timeline.last().map_or(0.0, |point| point.at);
    last.max(report.cell.seconds).max(1e-6)
}

fn seconds(
    area: &Area<'_>,
    panel: &Panel<'_, '_>,
    frame: Frame,
    end: f64,
) -> Result<(), ChartError> {
    let step = round_step(end / 5.0);
    let (factor, unit) = if end < 1e-3 {
        (1e6, "µs")
    } else if end < 1.0 {
        (1e3, "ms")
    } else {
        (1.0, "s")
    };
    let y = frame.top + frame.height + 12;
    let decimals = (-(step * factor).log10().floor()).max(0.0) as usize;
    for at in 0..=(end / step + 1e-9) as u32 {
        let (time, x) = (f64::from(at) * step, panel.at(f64::from(at) * step, 0.0).0);
        let words = if at == 0 {
            "0".into()
        } else {
            format!("{:.decimals$} {unit}", time * factor)
        };
        path(
            area,
            vec![(x, y - 12), (x, y - 8)],
            theme::QUIET.stroke_width(1),
        )?;
        text(area, (x, y), &words, QUIET, Anchor::Middle)?;
    }
    Ok(())
}

/// 1, 2 or 5 times a power of ten, at least `least`.
fn round_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|times| times * power)
        .find(|step| *step >= least)
        .unwrap_or(power * 10.0)
}
