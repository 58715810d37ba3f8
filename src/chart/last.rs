//! The last minute of a process that is gone: what was live, its RSS, and the limit that it came near to.

use plotters::prelude::{Color, Polygon};
use plotters::style::RGBColor;

use crate::heap::last::{Last, Sample};
use crate::heap::pressure::{By, Limit};

use super::bytes::{Axis, bytes_text};
use super::canvas::{
    Anchor, Area, ChartError, HEADING, PLAIN, QUIET, Svg, card, fill, legend, path, text,
};
use super::panel::{Frame, Panel};
use super::theme;

const PLOT: i32 = 170;
/// From this share of a limit on the limit is drawn; below it the curves would be flat.
const NEAR: f64 = 0.4;

/// The last minute; none where no two samples were left.
///
/// # Errors
/// plotters' own.
pub fn last(last: &Last, width: i32) -> Result<Option<Svg>, ChartError> {
    let samples = &last.words.samples;
    let (Some(first), Some(end)) = (samples.first(), samples.last()) else {
        return Ok(None);
    };
    let seconds = end.at - first.at;
    if samples.len() < 2 || seconds <= 0.0 {
        return Ok(None);
    }
    let frame = Frame {
        left: theme::PAD,
        top: theme::PAD + 48,
        width: width - 2 * theme::PAD - 10,
        height: PLOT,
    };
    let limit = last.words.limits.first().filter(|limit| limit.bytes > 0);
    let drawn = card(width, frame.top + PLOT + 30, |area| {
        let title = format!("The last {} before its end", span(seconds));
        let at = (theme::PAD, theme::PAD + 8);
        text(area, at, &title, HEADING, Anchor::Start)?;
        let shared = limit.filter(|limit| matches!(limit.by, By::Container | By::AddressSpace));
        legends(area, shared.map(|limit| limit.by))?;
        curves(area, frame, samples, limit, shared.is_some())
    })?;
    Ok(Some(drawn))
}

fn legends(area: &Area<'_>, shared: Option<By>) -> Result<(), ChartError> {
    let y = theme::PAD + 32;
    let stroke = |colour: RGBColor| {
        move |area: &Area<'_>, (x, y): (i32, i32)| {
            path(area, vec![(x, y), (x + 12, y)], colour.stroke_width(2))
        }
    };
    let live = |area: &Area<'_>, (x, y): (i32, i32)| {
        fill(area, (x, y - 5), (x + 12, y + 5), theme::FREED)?;
        path(
            area,
            vec![(x, y - 5), (x + 12, y - 5)],
            theme::LIVE.stroke_width(2),
        )
    };
    let mut x = legend(area, (theme::PAD, y), "live bytes of the notebook", live)? + theme::APART;
    x = legend(area, (x, y), "RSS of the process", stroke(theme::RSS))? + theme::APART;
    let used = match shared {
        Some(By::AddressSpace) => "address space",
        Some(_) => "used in the container",
        None => return Ok(()),
    };
    legend(area, (x, y), used, stroke(theme::ALLOCATED)).map(drop)
}

fn curves(
    area: &Area<'_>,
    frame: Frame,
    samples: &[Sample],
    limit: Option<&Limit>,
    with_used: bool,
) -> Result<(), ChartError> {
    let end = samples.last().map_or(0.0, |sample| sample.at);
    let start = samples.first().map_or(0.0, |sample| sample.at);
    let of = |what: fn(&Sample) -> u64| samples.iter().map(what).max().unwrap_or(0) as f64;
    let used = if with_used {
        of(|sample| sample.used.unwrap_or(0))
    } else {
        0.0
    };
    let most = of(|sample| sample.live)
        .max(of(|sample| sample.rss))
        .max(used);
    let near = limit.filter(|limit| most >= NEAR * limit.bytes as f64);
    let top = near.map_or(most, |limit| most.max(limit.bytes as f64));
    let panel = Panel::new(area, frame, 0.0..end - start, Axis::spanning(0.0, top, 4))?;
    let curve = |what: fn(&Sample) -> u64| -> Vec<_> {
        let place = |sample: &Sample| panel.at(sample.at - start, what(sample) as f64);
        samples.iter().map(place).collect()
    };
    let live = curve(|sample| sample.live);
    let zero = panel.at(0.0, 0.0).1;
    let mut shape = live.clone();
    shape.extend([(panel.sides().1, zero), (panel.sides().0, zero)]);
    area.draw(&Polygon::new(shape, theme::FREED.filled()))
        .map_err(ChartError::drawing)?;
    path(area, live, theme::LIVE.stroke_width(2))?;
    path(area, curve(|sample| sample.rss), theme::RSS.stroke_width(2))?;
    if with_used {
        for run in samples.split(|sample| sample.used.is_none()) {
            let place = |sample: &Sample| Some(panel.at(sample.at - start, sample.used? as f64));
            let run = run.iter().filter_map(place).collect();
            path(area, run, theme::ALLOCATED.stroke_width(2))?;
        }
    }
    if let Some(limit) = near {
        panel.level(limit.bytes as f64, theme::PEAK.stroke_width(2))?;
        let words = format!("limit {}", bytes_text(limit.bytes.into()));
        let at = (panel.sides().0 + 6, panel.y(limit.bytes as f64) + 9);
        text(area, at, &words, PLAIN, Anchor::Start)?;
    }
    times(area, &panel, frame, end - start)
}

/// Marks of time under the plot: how long before the end.
fn times(
    area: &Area<'_>,
    panel: &Panel<'_, '_>,
    frame: Frame,
    seconds: f64,
) -> Result<(), ChartError> {
    let y = frame.top + frame.height + 12;
    for part in 0..=4_u32 {
        let before = seconds * f64::from(4 - part) / 4.0;
        let x = panel.at(seconds - before, 0.0).0;
        path(
            area,
            vec![(x, y - 12), (x, y - 8)],
            theme::QUIET.stroke_width(1),
        )?;
        let (words, anchor) = match part {
            0 => (format!("{} before", span(before)), Anchor::Start),
            4 => ("the end".into(), Anchor::End),
            _ => (span(before), Anchor::Middle),
        };
        text(area, (x, y), &words, QUIET, anchor)?;
    }
    Ok(())
}

fn span(seconds: f64) -> String {
    if seconds < 10.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{seconds:.0} s")
    }
}
