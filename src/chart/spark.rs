//! A cell's timeline as small as a few words, for the line that is shown after a cell.

use crate::heap::report::CellReport;

use super::canvas::{ChartError, Svg, boxes, card, fill};
use super::theme;

const WIDTH: i32 = 180;
const HEIGHT: i32 = 28;
/// How wide a step is.
const STEP: i32 = 2;

/// Live bytes above the cell's start; the line at the top is the cell's peak.
///
/// # Errors
/// plotters' own.
pub fn spark(report: &CellReport) -> Result<Svg, ChartError> {
    let lives = steps(report, (WIDTH / STEP) as usize);
    let peak = i64::try_from(report.cell.peak).unwrap_or(i64::MAX);
    let most = lives.iter().copied().fold(peak, i64::max).max(1);
    let base = HEIGHT - 1;
    card(WIDTH, HEIGHT, |area| {
        let corners: Vec<_> = (0_i32..)
            .zip(&lives)
            .filter(|(_, live)| **live > 0)
            .map(|(at, live)| {
                let height = (*live as f64 / most as f64 * f64::from(base - 2)).round() as i32;
                ((at * STEP, base - height), ((at + 1) * STEP, base))
            })
            .collect();
        boxes(area, base, &corners, theme::LIVE)?;
        fill(area, (0, base), (WIDTH, HEIGHT), theme::QUIET)?;
        if peak > 0 {
            fill(area, (0, 0), (WIDTH, 1), theme::PEAK)?;
        }
        Ok(())
    })
}

/// The most that was live in each of `count` equal stretches of the cell.
fn steps(report: &CellReport, count: usize) -> Vec<i64> {
    let last = report.timeline.last().map_or(0.0, |point| point.at);
    let span = report.cell.seconds.max(last).max(f64::MIN_POSITIVE);
    let mut points = report.timeline.iter().peekable();
    let mut live = 0;
    (1..=count)
        .map(|step| {
            // Shares of a number need not add up to it: what is left is the last one's.
            let end = match step < count {
                true => span * step as f64 / count as f64,
                false => f64::INFINITY,
            };
            let mut most = live;
            while let Some(point) = points.next_if(|point| point.at <= end) {
                live = point.live.max(0);
                most = most.max(live);
            }
            most
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap::report::Point;

    fn report(lives: &[(f64, i64)]) -> CellReport {
        let mut report = CellReport::default();
        report.cell.seconds = 1.0;
        report.timeline = lives
            .iter()
            .map(|(at, live)| Point {
                at: *at,
                live: *live,
                rss: 0,
            })
            .collect();
        report
    }

    #[test]
    fn a_step_has_the_most_that_was_live_in_its_stretch() {
        let seen = report(&[(0.0, 0), (0.3, 9), (0.45, 5), (1.0, -3)]);
        assert_eq!(steps(&seen, 4), [0, 9, 5, 5]);
        assert_eq!(steps(&report(&[]), 2), [0, 0]);
    }

    #[test]
    fn what_was_live_at_the_end_is_seen_however_long_the_cell() {
        for at in 1..1_000 {
            let seconds = f64::from(at) / 1_000.0;
            let mut seen = report(&[(0.0, 0), (seconds, 9)]);
            seen.cell.seconds = seconds;
            assert_eq!(steps(&seen, 90).last(), Some(&9), "{seconds} s");
        }
    }

    #[test]
    fn a_short_cell_and_a_huge_one_are_drawn() {
        let mut huge = report(&[(0.0, 0), (0.5, i64::MAX)]);
        huge.cell.peak = u64::MAX;
        for drawn in [spark(&report(&[])), spark(&huge)] {
            let svg = String::from(drawn.expect("plotters draws into a string"));
            assert!(svg.starts_with("<svg") && svg.len() < 4_000);
        }
    }
}
