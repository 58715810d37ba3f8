//! What the black box says: where the process stood, what held its memory, how near it was to its limits; and, read by the
//! next process, how it ended. Plain data and one judgement; files are `boxfile`'s. Holds names of code, nothing of data.

use serde::{Deserialize, Serialize};

use super::boxfile::Found;
use super::kills::Kills;
use super::pressure::Limit;

/// Samples that are kept, and how far they lie apart: the last minute.
pub const SAMPLES: usize = 240;
pub const APART: f64 = 0.25;
/// A crash that the process outlived by so many seconds was none. Its last words take up to one.
const OUTLIVED: f64 = 1.5;

/// Where the process stands: the page that is written often.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Now {
    /// Seconds since the epoch, as all moments here.
    pub at: f64,
    /// A cell runs; else `cell` is the one that ran last.
    pub running: bool,
    /// `In[12]`; empty before the first.
    pub cell: String,
    /// When the cell began.
    pub began: f64,
    pub place: Place,
    pub live: u64,
    pub rss: u64,
    /// How much of the nearest limit is used.
    pub used: u64,
}

/// A line of notebook code.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Place {
    /// How its file is named: `In[12]`; empty where that is not known.
    pub name: String,
    pub file: String,
    /// Zero: not known.
    pub line: u32,
    pub function: String,
}

/// All else that is written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Words {
    pub at: f64,
    /// When the process began to write.
    pub since: f64,
    /// What it may use, the nearest limit first.
    pub limits: Vec<Limit>,
    pub samples: Vec<Sample>,
    /// The lines that hold the most, as of `looked`.
    pub holders: Vec<Holder>,
    pub looked: f64,
    pub kills: Kills,
}

/// One moment of the last minute, as it is written.
type Moment = (f64, u64, u64, Option<u64>);

/// One moment of the last minute. `used` is of the limit that is the nearest at the end; none where another one was the
/// nearest then.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Moment", into = "Moment")]
pub struct Sample {
    pub at: f64,
    pub live: u64,
    pub rss: u64,
    pub used: Option<u64>,
}

impl From<Moment> for Sample {
    fn from((at, live, rss, used): Moment) -> Self {
        Self {
            at,
            live,
            rss,
            used,
        }
    }
}

impl From<Sample> for Moment {
    fn from(sample: Sample) -> Self {
        (sample.at, sample.live, sample.rss, sample.used)
    }
}

/// A line that holds memory, in the cell that ran when it asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Holder {
    pub origin: String,
    pub place: Place,
    pub live: u64,
}

/// How a process ended, as far as can be known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// By a signal that it saw: a fault in native code, or `abort`.
    Crashed,
    /// Without a word, and the counters say that the OOM killer struck in its control group meanwhile.
    OutOfMemory,
    /// Without a word, and the OOM killer struck somewhere on this machine meanwhile.
    PerhapsOutOfMemory,
    /// Without a word, and no counter moved: somebody else's SIGKILL, or `os._exit`.
    Killed,
    /// Without a word, and no counter can be read.
    #[default]
    Unknown,
}

/// What the process before this one was doing when it ended: `%memtrace last`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Last {
    pub end: End,
    /// `SIGSEGV`; empty where none was seen.
    pub signal: String,
    pub now: Now,
    pub words: Words,
}

impl Last {
    /// Judges what was found, by the counters as they are now. None where there is too little to tell of.
    pub fn judge(found: &Found, kills: &Kills) -> Option<Self> {
        let now: Now = serde_json::from_slice(found.now.as_deref()?).ok()?;
        let words: Words = (found.words.as_deref())
            .and_then(|text| serde_json::from_slice(text).ok())
            .unwrap_or_default();
        let crash = found.crash.filter(|(_, at)| now.at <= at + OUTLIVED);
        Some(Self {
            end: match crash {
                Some(_) => End::Crashed,
                None => words.kills.since(kills),
            },
            signal: crash.map_or_else(String::new, |(signal, _)| signal_name(signal)),
            now,
            words,
        })
    }

    /// Whether a cell ever ran in that process.
    pub fn ran_a_cell(&self) -> bool {
        !self.now.cell.is_empty()
    }
}

fn signal_name(signal: i32) -> String {
    match signal {
        libc::SIGSEGV => "SIGSEGV".into(),
        libc::SIGBUS => "SIGBUS".into(),
        libc::SIGFPE => "SIGFPE".into(),
        libc::SIGILL => "SIGILL".into(),
        libc::SIGABRT => "SIGABRT".into(),
        other => format!("signal {other}"),
    }
}
