//! How near the process is to what it may use, and when that is worth a warning. Limits are `allowance`'s; who is warned,
//! and how, is not known here.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::allowance::{self, Allowance, Source};

/// Limits change seldom: they are read again after so long.
const AGAIN: Duration = Duration::from_secs(1);
/// Where a warning is due, and below which share another one may come: a memory that hovers is told of once.
const ALARM: f64 = 0.9;
const CALM: f64 = 0.8;
/// A machine is full by everybody on it: it concerns a process that has at least this part of what there is.
const PART: f64 = 0.1;

/// What sets a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The control group: a container's, as a rule.
    Container,
    /// `ulimit -v`.
    AddressSpace,
    /// The machine's memory.
    #[default]
    Machine,
    /// `%memtrace limit`.
    Notebook,
}

/// A limit, and how much of it is used, by all who share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Limit {
    pub by: By,
    pub bytes: u64,
    pub used: u64,
}

impl Limit {
    pub fn share(&self) -> f64 {
        self.used as f64 / self.bytes.max(1) as f64
    }
}

/// The limits as they were read last.
#[derive(Default)]
pub struct Limits {
    known: Vec<Allowance>,
    read: Option<Instant>,
}

impl Limits {
    /// How much of each limit is used now, the one that is nearest first. `notebook`: what the notebook set for itself,
    /// which counts live bytes.
    pub fn look(&mut self, now: Instant, live: u64, notebook: Option<u64>) -> Vec<Limit> {
        if self
            .read
            .is_none_or(|read| now.duration_since(read) >= AGAIN)
        {
            self.known = allowance::all();
            self.read = Some(now);
        }
        let own = notebook.map(|bytes| Limit {
            by: By::Notebook,
            bytes,
            used: live,
        });
        let mut limits: Vec<Limit> = (self.known.iter()).filter_map(used).chain(own).collect();
        limits.sort_by(|a, b| b.share().total_cmp(&a.share()));
        limits
    }
}

fn used(allowance: &Allowance) -> Option<Limit> {
    Some(Limit {
        by: match allowance.source {
            Source::ControlGroup(_) => By::Container,
            Source::AddressSpace => By::AddressSpace,
            Source::Machine => By::Machine,
        },
        bytes: allowance.bytes,
        used: allowance.used()?,
    })
}

/// Rings once when a limit is nearly reached, and again only after all were far.
#[derive(Debug, Default)]
pub struct Alarm {
    rang: bool,
}

impl Alarm {
    /// The limit that a warning is due for, of a process with this RSS.
    pub fn look(&mut self, limits: &[Limit], rss: u64) -> Option<Limit> {
        let nearest = nearest(limits, rss)?;
        if self.rang {
            self.rang = nearest.share() >= CALM;
            return None;
        }
        self.rang = nearest.share() >= ALARM;
        self.rang.then_some(nearest)
    }

    /// The same while there is nobody to warn.
    pub fn rest(&mut self, limits: &[Limit], rss: u64) {
        self.rang &= nearest(limits, rss).is_some_and(|nearest| nearest.share() >= CALM);
    }
}

/// The nearest limit that concerns a process with this RSS.
fn nearest(limits: &[Limit], rss: u64) -> Option<Limit> {
    let concerns =
        |limit: &&Limit| limit.by != By::Machine || rss as f64 >= PART * limit.bytes as f64;
    limits.iter().find(concerns).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(used: u64) -> [Limit; 1] {
        let (by, bytes) = (By::Container, 100);
        [Limit { by, bytes, used }]
    }

    #[test]
    fn what_was_low_between_cells_is_told_of_again() {
        let mut alarm = Alarm::default();
        assert!(alarm.look(&container(95), 95).is_some());
        alarm.rest(&container(85), 85);
        assert!(alarm.look(&container(95), 95).is_none());
        alarm.rest(&container(50), 50);
        alarm.rest(&container(95), 95);
        assert!(alarm.look(&container(95), 95).is_some());
    }

    #[test]
    fn a_memory_that_hovers_is_told_of_once() {
        let mut alarm = Alarm::default();
        let heights = [50, 89, 90, 99, 85, 95, 80, 92, 79, 89, 91];
        let rang = heights.map(|used| alarm.look(&container(used), 0).is_some());
        let at: Vec<u64> = (heights.iter().zip(rang))
            .filter_map(|(height, rang)| rang.then_some(*height))
            .collect();
        assert_eq!(at, [90, 91]);
    }

    #[test]
    fn a_machine_that_others_fill_is_not_the_notebooks_concern() {
        let machine = [Limit {
            by: By::Machine,
            bytes: 1000,
            used: 990,
        }];
        let mut alarm = Alarm::default();
        assert_eq!(alarm.look(&machine, 99), None);
        assert_eq!(alarm.look(&machine, 100), Some(machine[0]));
    }

    #[test]
    fn this_machine_is_a_limit_and_the_nearest_comes_first() {
        let mut limits = Limits::default();
        let looked = limits.look(Instant::now(), 70, Some(80));
        assert!(
            looked
                .iter()
                .any(|limit| limit.by == By::Machine && limit.used > 0)
        );
        assert!(
            looked
                .iter()
                .any(|limit| limit.by == By::Notebook && limit.used == 70)
        );
        assert!(looked.is_sorted_by(|a, b| a.share() >= b.share()));
    }
}
