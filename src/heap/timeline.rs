//! The timeline of running cells: live bytes and RSS, sampled by a thread of ours that needs no interpreter.
//! The peak is not read from it (the books know it exactly); the samples only draw the way there.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::cells::{CellId, RECENT};
use super::report::Point;

/// Samples that one cell keeps; past it every second one is dropped and the interval doubles.
const MOST_POINTS: usize = 160;
/// From a cell's begin to its first sample, and between two at first.
pub const FIRST_INTERVAL: Duration = Duration::from_millis(10);

struct Track {
    began: Instant,
    live_start: u64,
    interval: Duration,
    due: Instant,
    points: Vec<Point>,
}

/// Tracks of the running cells and of the latest finished ones.
#[derive(Default)]
pub struct Timeline {
    running: HashMap<CellId, Track>,
    finished: VecDeque<(CellId, Vec<Point>)>,
}

impl Timeline {
    pub fn begin(&mut self, cell: CellId, now: Instant, live: u64, rss: u64) {
        let points = vec![Point {
            at: 0.0,
            live: 0,
            rss,
        }];
        let track = Track {
            began: now,
            live_start: live,
            interval: FIRST_INTERVAL,
            due: now + FIRST_INTERVAL,
            points,
        };
        self.running.insert(cell, track);
    }

    /// Adds a sample to each running cell that is due one; `memory` tells live bytes and RSS, and is asked only then. The
    /// earliest next due moment, if any cell runs.
    pub fn sample(&mut self, now: Instant, memory: impl FnOnce() -> (u64, u64)) -> Option<Instant> {
        if self.running.values().any(|track| track.due <= now) {
            let (live, rss) = memory();
            for track in self.running.values_mut().filter(|track| track.due <= now) {
                track.add(now, live, rss);
            }
        }
        self.running.values().map(|track| track.due).min()
    }

    pub fn end(&mut self, cell: CellId, now: Instant, live: u64, rss: u64) {
        let Some(mut track) = self.running.remove(&cell) else {
            return;
        };
        track.add(now, live, rss);
        track.points.shrink_to_fit();
        self.finished.push_back((cell, track.points));
        if self.finished.len() > RECENT {
            self.finished.pop_front();
        }
    }

    /// The samples of a cell; empty where they are no longer kept.
    pub fn points(&self, cell: CellId) -> &[Point] {
        match self.running.get(&cell) {
            Some(track) => &track.points,
            None => self
                .finished
                .iter()
                .find(|(id, _)| *id == cell)
                .map_or(&[], |(_, points)| points),
        }
    }

    pub fn is_idle(&self) -> bool {
        self.running.is_empty()
    }

    /// Forgets the finished cells.
    pub fn reset(&mut self) {
        self.finished.clear();
    }

    pub fn bytes(&self) -> u64 {
        let finished: usize = self
            .finished
            .iter()
            .map(|(_, points)| points.capacity())
            .sum();
        let running: usize = self
            .running
            .values()
            .map(|track| track.points.capacity())
            .sum();
        ((finished + running) * size_of::<Point>()) as u64
    }
}

impl Track {
    fn add(&mut self, now: Instant, live: u64, rss: u64) {
        let at = now.duration_since(self.began).as_secs_f64();
        let live = live
            .cast_signed()
            .wrapping_sub(self.live_start.cast_signed());
        self.points.push(Point { at, live, rss });
        if self.points.len() >= MOST_POINTS {
            let mut keep = false;
            self.points.retain(|_| {
                keep = !keep;
                keep
            });
            self.interval *= 2;
        }
        self.due = now + self.interval;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_cell_keeps_a_bounded_number_of_samples_from_end_to_end() {
        let (mut timeline, start) = (Timeline::default(), Instant::now());
        timeline.begin(CellId(1), start, 100, 7);
        let mut now = start;
        for step in 0..100_000 {
            now = start + Duration::from_millis(step);
            timeline.sample(now, || (100 + step, 7));
        }
        timeline.end(CellId(1), now, 50, 7);
        let points = timeline.points(CellId(1));
        assert!(points.len() > MOST_POINTS / 4 && points.len() <= MOST_POINTS);
        assert_eq!(points[0].live, 0);
        assert_eq!(points.last().map(|point| point.live), Some(-50));
        assert!(points.is_sorted_by(|a, b| a.at < b.at));
    }
}
