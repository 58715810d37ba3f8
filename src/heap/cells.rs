//! What is known of each cell. A record is small and stays small: lines of cells long gone are folded to the biggest.

use std::sync::Arc;

use super::pages::PAGE;
use super::report::{Flow, State};
use super::sites::{CLASSES, Class, Site, SiteId};

/// Our own id of a cell or of a stretch between cells. Grows with time; zero is "before cells".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct CellId(pub u32);

/// How many of the latest cells keep all that was seen of them.
pub const RECENT: usize = 64;
/// Lines that an older cell keeps besides those with live bytes.
pub const FOLDED_LINES: usize = 3;

/// Counters of one class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    pub allocated: u64,
    pub returned: u64,
    pub blocks: u64,
    pub blocks_returned: u64,
}

impl Sum {
    pub fn add(&mut self, other: Self) {
        self.allocated += other.allocated;
        self.returned += other.returned;
        self.blocks += other.blocks;
        self.blocks_returned = (self.blocks_returned).wrapping_add(other.blocks_returned);
    }

    pub fn of(site: &Site) -> Self {
        Self {
            allocated: site.allocated,
            returned: site.returned,
            blocks: site.blocks(),
            blocks_returned: site.blocks_returned,
        }
    }

    pub fn live(&self) -> u64 {
        self.allocated.wrapping_sub(self.returned)
    }

    pub fn live_blocks(&self) -> u64 {
        self.blocks.wrapping_sub(self.blocks_returned)
    }
}

/// What happened while a cell ran, by the class of the blocks' site. Written by the hooks.
#[derive(Debug, Clone, Copy, Default)]
pub struct Meter {
    /// Not of notebook blocks: their sites count that.
    pub allocated: [u64; CLASSES],
    pub freed: [u64; CLASSES],
}

impl Meter {
    pub fn add(&mut self, other: &Self) {
        for class in 0..CLASSES {
            self.allocated[class] += other.allocated[class];
            self.freed[class] += other.freed[class];
        }
    }
}

/// A line whose sites are gone: all of its blocks were returned.
#[derive(Debug, Clone)]
pub struct FoldedLine {
    pub file: Arc<str>,
    /// Zero: the other lines together.
    pub line: u32,
    pub blocks: u32,
    pub allocated: u64,
    pub temporary: u64,
    pub peak: u64,
}

/// Readings of the process at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reading {
    pub rss: Option<u64>,
    pub open_files: Option<u64>,
    pub minor_faults: u64,
    pub major_faults: u64,
    pub collections: [u64; 3],
}

/// A size in whole pages, as small as it can be kept: what the system says of RSS is in pages anyway.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PagesOf(u32);

impl PagesOf {
    pub fn new(bytes: Option<u64>) -> Self {
        let pages = bytes.unwrap_or(0).div_ceil(PAGE as u64);
        Self(u32::try_from(pages).unwrap_or(u32::MAX))
    }

    /// None where it is not known: nothing that runs has no pages.
    pub fn bytes(self) -> Option<u64> {
        (self.0 > 0).then_some(u64::from(self.0) * PAGE as u64)
    }
}

/// A number of open descriptors, in a record: zero where it is not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Files(u16);

impl Files {
    pub fn new(count: Option<u64>) -> Self {
        Self(count.map_or(0, |count| u16::try_from(count).unwrap_or(0)))
    }

    pub fn count(self) -> Option<u64> {
        (self.0 > 0).then_some(self.0.into())
    }
}

/// What the process did while a cell ran.
#[derive(Debug, Clone, Copy, Default)]
pub struct Doings {
    pub minor_faults: u32,
    pub major_faults: u32,
    pub collections: [u32; 3],
}

impl Doings {
    pub fn between(start: &Reading, end: &Reading) -> Self {
        let since =
            |now: u64, then: u64| u32::try_from(now.saturating_sub(then)).unwrap_or(u32::MAX);
        Self {
            minor_faults: since(end.minor_faults, start.minor_faults),
            major_faults: since(end.major_faults, start.major_faults),
            collections: std::array::from_fn(|generation| {
                since(end.collections[generation], start.collections[generation])
            }),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    BeforeCells,
    Cell(Option<u32>),
    After(u32),
}

pub struct Record {
    pub id: CellId,
    pub kind: Kind,
    pub state: State,
    pub traced: bool,
    /// The same for runs of the same code; 0 where it is not known.
    pub code: u64,
    pub started: f64,
    pub seconds: f32,
    /// Live bytes of the notebook as it began.
    pub live_start: u64,
    pub meter: Meter,
    /// Sum of the sites that are gone; they had nothing live.
    pub folded: Sum,
    pub peak: u64,
    pub live_at_end: u64,
    pub temporary: u64,
    /// Readings as it began, while it runs.
    pub start: Option<Box<Reading>>,
    pub doings: Doings,
    pub rss_start: PagesOf,
    pub rss_end: PagesOf,
    /// The process's RSS mark started anew with this cell.
    pub rss_marked: bool,
    pub rss_peak: PagesOf,
    pub files_start: Files,
    pub files_end: Files,
    pub lines: Vec<FoldedLine>,
    /// Its sites, while it is recent; later those that have live bytes.
    pub sites: Vec<SiteId>,
}

impl Record {
    pub fn new(id: CellId, kind: Kind, started: f64, live_start: u64) -> Self {
        Self {
            id,
            kind,
            state: State::Running,
            traced: true,
            code: 0,
            started,
            seconds: 0.0,
            live_start,
            meter: Meter::default(),
            folded: Sum::default(),
            peak: 0,
            live_at_end: 0,
            temporary: 0,
            start: None,
            doings: Doings::default(),
            rss_start: PagesOf::default(),
            rss_end: PagesOf::default(),
            rss_marked: false,
            rss_peak: PagesOf::default(),
            files_start: Files::default(),
            files_end: Files::default(),
            lines: Vec::new(),
            sites: Vec::new(),
        }
    }

    pub fn number(&self) -> Option<u32> {
        match self.kind {
            Kind::Cell(number) => number,
            _ => None,
        }
    }

    pub fn label(&self) -> String {
        match self.kind {
            Kind::BeforeCells => "(before cells)".into(),
            Kind::Cell(Some(number)) => format!("In[{number}]"),
            Kind::Cell(None) => format!("cell {}", self.id.0),
            Kind::After(number) => format!("(after {number})"),
        }
    }

    pub fn is_cell(&self) -> bool {
        matches!(self.kind, Kind::Cell(_))
    }

    /// Adds a dead line to the folded ones.
    pub fn fold_line(&mut self, line: FoldedLine) {
        match self
            .lines
            .iter_mut()
            .find(|known| known.line == line.line && known.file == line.file)
        {
            Some(known) => {
                known.allocated += line.allocated;
                known.temporary += line.temporary;
                known.blocks = known.blocks.saturating_add(line.blocks);
                known.peak += line.peak;
            }
            None => self.lines.push(line),
        }
    }

    /// Leaves the biggest folded lines and one sum of the others.
    pub fn shrink(&mut self) {
        if self.lines.len() > FOLDED_LINES {
            self.lines
                .sort_unstable_by_key(|line| std::cmp::Reverse((line.line != 0, line.allocated)));
            let others = self.lines.split_off(FOLDED_LINES - 1);
            let mut sum = FoldedLine {
                file: Arc::from(""),
                line: 0,
                blocks: 0,
                allocated: 0,
                temporary: 0,
                peak: 0,
            };
            for line in others {
                sum.allocated += line.allocated;
                sum.temporary += line.temporary;
                sum.peak += line.peak;
                sum.blocks = sum.blocks.saturating_add(line.blocks);
            }
            self.lines.push(sum);
        }
        self.lines.shrink_to_fit();
        self.sites.shrink_to_fit();
    }

    pub fn flow(&self, class: Class) -> Flow {
        let at = class as usize;
        Flow {
            allocated: self.meter.allocated[at],
            freed: self.meter.freed[at],
        }
    }

    /// Bytes that the record takes, without its sites.
    pub fn bytes(&self) -> u64 {
        (size_of::<Self>()
            + self.lines.capacity() * size_of::<FoldedLine>()
            + self.sites.capacity() * size_of::<SiteId>()) as u64
    }
}
