//! What the lookout does at each look, and how often. Owns what it remembers from one look to the next; shows nothing itself.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::heap::boxfile::now;
use crate::heap::cells::CellId;
use crate::heap::holders::Taken;
use crate::heap::kills::Kills;
use crate::heap::last::{APART, Holder, Place, SAMPLES, Sample, Words};
use crate::heap::pressure::{Alarm, By, Limit, Limits};
use crate::heap::report::CellReport;
use crate::heap::{process, reporter};

use super::lookout::{self, Warning};
use super::standing::{self, Thread};
use super::tracer::{Tracer, tracer};
use super::turn::Turn;
use super::{blackbox, control, sampler};

/// Between two looks while a cell runs; while memory is short; while none runs.
const OFTEN: Duration = Duration::from_millis(100);
const HASTY: Duration = Duration::from_millis(25);
const SELDOM: Duration = Duration::from_secs(1);
/// From this share of a limit on memory is short.
const SHORT: f64 = 0.7;
/// Between two writings of all that is known, two looks at the books, two charts.
const PAGE: Duration = Duration::from_millis(500);
/// The same between cells, where nothing but the time changes.
const IDLE_PAGE: Duration = Duration::from_secs(10);
/// A look at the books takes at most such a part of the time: whoever allocates waits for it.
const PART: u32 = 200;
/// Where so large a part of a limit was used since, all is written at once.
const LEAP: f64 = 1.0 / 32.0;
const HOLDERS: usize = 5;
const WARNED_OF: usize = 3;

pub struct Looks {
    limits: Limits,
    alarm: Alarm,
    words: Words,
    /// The last minute, each with what set the limit that was the nearest.
    samples: VecDeque<(By, Sample)>,
    page_due: Instant,
    books_due: Instant,
    chart_due: Instant,
    /// The nearest limit's share as all was written last.
    written_at: f64,
}

impl Looks {
    pub fn new() -> Self {
        let at = Instant::now();
        Self {
            limits: Limits::default(),
            alarm: Alarm::default(),
            words: Words {
                since: now(),
                ..Words::default()
            },
            samples: VecDeque::new(),
            page_due: at,
            books_due: at,
            chart_due: at,
            written_at: 0.0,
        }
    }

    /// One look; how long to rest after it.
    pub fn look(&mut self) -> Duration {
        let running =
            lookout::with(|state| state.running.last().map(|cell| (cell.id, cell.thread)));
        let (at, rss) = (Instant::now(), process::rss().unwrap_or(0));
        self.sample(at, rss);
        self.stand(running.map(|(_, thread)| thread), rss);
        let share = self.words.limits.first().map_or(0.0, Limit::share);
        if at >= self.page_due || share > self.written_at + LEAP {
            self.look_at_books(at);
            self.write();
            let rest = if running.is_some() { PAGE } else { IDLE_PAGE };
            (self.page_due, self.written_at) = (at + rest, share);
        }
        let Some((cell, thread)) = running else {
            self.alarm.rest(&self.words.limits, rss);
            return SELDOM;
        };
        self.warn(cell, thread, rss);
        self.draw(at);
        if share < SHORT { OFTEN } else { HASTY }
    }

    /// A thread has crashed and waits: where it stands is written, and nothing is asked for that it may hold.
    pub fn last_words(&mut self, thread: Thread) {
        let main = lookout::with(|state| state.running.last().map(|cell| cell.thread));
        let thread = if thread.state == 0 {
            main.unwrap_or_default()
        } else {
            thread
        };
        let rss = process::rss().unwrap_or(0);
        self.sample(Instant::now(), rss);
        self.stand(Some(thread), rss);
        self.write();
    }

    /// Reads the limits and, if it is time, adds to the last minute.
    fn sample(&mut self, at: Instant, rss: u64) {
        let live = sampler::live();
        self.words.limits = self.limits.look(at, live, lookout::notebook_limit());
        self.words.at = now();
        let nearest = self.words.limits.first();
        let sample = Sample {
            at: self.words.at,
            live,
            rss,
            used: nearest.map(|limit| limit.used),
        };
        let by = nearest.map_or(By::default(), |limit| limit.by);
        let last = self.samples.back().map_or(0.0, |(_, sample)| sample.at);
        if sample.at >= last + APART {
            self.samples.push_back((by, sample));
        }
        let minute = SAMPLES as f64 * APART;
        while (self.samples.front()).is_some_and(|(_, sample)| sample.at < self.words.at - minute) {
            self.samples.pop_front();
        }
    }

    /// Writes where the process stands.
    fn stand(&self, thread: Option<Thread>, rss: u64) {
        let place = thread.and_then(place_of);
        let used = self.words.limits.first().map_or(0, |limit| limit.used);
        blackbox::stand(|now| {
            (now.at, now.live, now.rss, now.used) = (self.words.at, sampler::live(), rss, used);
            match place {
                Some(place) => now.place = place,
                None if now.place.name.is_empty() => {
                    now.place.name = lookout::name_of(&now.place.file);
                }
                None => {}
            }
        });
    }

    /// Finds who holds the most, if it is time.
    fn look_at_books(&mut self, at: Instant) {
        if at < self.books_due {
            return;
        }
        let began = Instant::now();
        let Some(taken) = with_books(|tracer| Taken::from(&tracer.books)) else {
            return;
        };
        self.books_due = at + (began.elapsed() * PART).max(PAGE / 2);
        self.words.holders = told(&taken, HOLDERS);
        self.words.looked = now();
    }

    fn write(&mut self) {
        if !blackbox::is_open() {
            return;
        }
        self.words.kills = Kills::read();
        let nearest = self.words.limits.first().map(|limit| limit.by);
        let told = self.samples.iter().map(|(by, sample)| Sample {
            used: sample.used.filter(|_| nearest == Some(*by)),
            ..*sample
        });
        self.words.samples = told.collect();
        blackbox::write(&self.words);
    }

    fn warn(&mut self, cell: CellId, thread: Thread, rss: u64) {
        let Some(limit) = self.alarm.look(&self.words.limits, rss) else {
            return;
        };
        let taken = with_books(|tracer| Taken::from(&tracer.books));
        let label = lookout::with(|state| {
            let mut running = state.running.iter();
            running
                .find(|running| running.id == cell)
                .map_or_else(String::new, |running| running.label.clone())
        });
        let warning = Warning {
            limit,
            rss,
            cell: label,
            place: place_of(thread).unwrap_or_default(),
            holders: taken.map_or_else(Vec::new, |taken| told(&taken, WARNED_OF)),
        };
        lookout::warn(cell, &warning);
    }

    fn draw(&mut self, at: Instant) {
        if at < self.chart_due {
            return;
        }
        let Some(cell) = lookout::charted() else {
            return;
        };
        let began = Instant::now();
        if let Some(report) = report_of(cell) {
            lookout::show_chart(&report);
        }
        self.chart_due = at + (began.elapsed() * PART / 10).max(PAGE);
    }
}

/// The line of notebook code that a thread runs.
fn place_of(thread: Thread) -> Option<Place> {
    let (code, line) = standing::place_of(thread, |file| {
        lookout::with(|state| state.is_notebook(file))
    })?;
    Some(Place {
        name: lookout::name_of(&code.file),
        file: code.file.to_string(),
        line,
        function: code.function.to_string(),
    })
}

fn told(taken: &Taken, count: usize) -> Vec<Holder> {
    taken.most(count, lookout::name_of)
}

fn report_of(cell: CellId) -> Option<CellReport> {
    let points = sampler::points(cell);
    // What is drawn of it has lines, and nothing of what is under them.
    with_books(|tracer| {
        reporter::cell_report(&tracer.books, cell, Some(0), &points, now(), Vec::new())
    })
    .flatten()
}

/// Does something with the books in a turn; nothing where nothing is recorded.
fn with_books<T>(work: impl FnOnce(&Tracer) -> T) -> Option<T> {
    if !control::is_tracing() {
        return None;
    }
    let _turn = Turn::take_without_interpreter();
    // SAFETY: tracing, so it is placed, and it is our turn.
    Some(work(unsafe { &*tracer() }))
}
