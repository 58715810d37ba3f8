//! Spans: what happened between two moments, measured on its own whatever cells run meanwhile (`cellheap.trace()`).
//! Owns what must be remembered of the beginning; the counters are the sites'.

use super::books::Books;
use super::kept::Found;
use super::places::Where;
use super::report;
use super::sites::{Class, Site, SiteId, Sites};
use super::tally::{Row, Tally};
use super::tide::Tide;

/// Our own id of a span; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SpanId(pub u64);

/// The counters of a site at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Count {
    allocated: u64,
    returned: u64,
    blocks: u64,
}

impl Count {
    fn of(site: &Site) -> Self {
        Self {
            allocated: site.allocated,
            returned: site.returned,
            blocks: site.blocks(),
        }
    }

    fn live(&self) -> u64 {
        self.allocated.wrapping_sub(self.returned)
    }
}

pub struct Span {
    id: SpanId,
    started: f64,
    live_start: u64,
    /// By site id: its counters as the span began. A site that came later began with nothing.
    starts: Vec<Count>,
    /// What was in free lists as it began: nobody's, though the counters call it live.
    kept: Found,
    peak: u64,
    /// By site id: its live bytes at the peak.
    marks: Vec<u64>,
    traced: bool,
}

impl Span {
    fn start(&self, id: SiteId) -> Count {
        self.starts.get(id.0 as usize).copied().unwrap_or_default()
    }

    /// Whether the site changed since the span began: then it must not be folded.
    fn has_part_in(&self, id: SiteId, site: &Site) -> bool {
        Count::of(site) != self.start(id)
    }

    fn mark(&mut self, tide: &Tide, sites: &Sites) {
        let peak = tide.highest.saturating_sub(self.live_start);
        if peak > self.peak {
            self.peak = peak;
            self.marks = by_id(sites, |site| tide.at_highest(site));
        }
    }

    fn change(&self, id: SiteId, site: &Site, kept: &Found) -> Part {
        let (start, now) = (self.start(id), Count::of(site));
        let mark = match self.peak {
            0 => start.live(),
            _ => self.marks.get(id.0 as usize).copied().unwrap_or(0),
        };
        let (before, after) = (self.kept.of(id), kept.of(id));
        // What went to a free list was given back, and is not when that gives it back; what came from one was asked for.
        let returned = (now.returned.wrapping_sub(start.returned)).cast_signed()
            + after.bytes.cast_signed()
            - before.bytes.cast_signed();
        let came = returned.min(0).unsigned_abs();
        let blocks_came = if came > 0 {
            before.blocks.saturating_sub(after.blocks)
        } else {
            0
        };
        Part {
            allocated: now.allocated.wrapping_sub(start.allocated) + came,
            returned: returned.max(0).unsigned_abs(),
            peak: mark.cast_signed().wrapping_sub(start.live().cast_signed()),
            blocks: now.blocks.wrapping_sub(start.blocks) + blocks_came,
        }
    }
}

/// A value of each notebook site, by its id.
fn by_id<T: Default + Clone>(sites: &Sites, value: impl Fn(&Site) -> T) -> Vec<T> {
    let mut values = Vec::new();
    for (id, _, site) in sites.iter() {
        if site.class == Class::Notebook {
            values.resize(id.0 as usize, T::default());
            values.push(value(site));
        }
    }
    values
}

impl Books {
    /// A span begins, with what is in free lists.
    pub fn begin_span(&mut self, started: f64, kept: Found) -> SpanId {
        self.close_stretch();
        self.last_span.0 += 1;
        self.spans.push(Span {
            id: self.last_span,
            started,
            live_start: self.tide.live,
            starts: by_id(&self.sites, Count::of),
            kept,
            peak: 0,
            marks: Vec::new(),
            traced: true,
        });
        self.last_span
    }

    /// The stretch of the high-water mark is about to close: spans keep it if it is their highest.
    pub(super) fn mark_spans(&mut self) {
        for span in &mut self.spans {
            span.mark(&self.tide, &self.sites);
        }
    }

    /// Whether a site's counters still matter to an open span.
    pub(super) fn is_in_span(&self, id: SiteId) -> bool {
        let site = self.sites.get(id);
        self.spans.iter().any(|span| span.has_part_in(id, site))
    }

    /// A site's id means a new site from here on.
    pub(super) fn renew_in_spans(&mut self, id: SiteId) {
        for span in &mut self.spans {
            if let Some(start) = span.starts.get_mut(id.0 as usize) {
                *start = Count::default();
            }
            span.kept.forget(id);
        }
    }

    /// The live table ended: no open span can be told in full.
    pub(super) fn cut_spans(&mut self) {
        for span in &mut self.spans {
            span.traced = false;
        }
    }

    /// The span ended, with what is in free lists now; none for an unknown id.
    pub fn end_span(&mut self, id: SpanId, now: f64, kept: &Found) -> Option<report::Span> {
        let at = self.spans.iter().position(|span| span.id == id)?;
        self.close_stretch();
        let span = self.spans.remove(at);
        let mut tally = Tally::<report::Change>::new(self);
        let (mut allocated, mut freed, mut blocks) = (0, 0, 0);
        for (id, cold, site) in self.sites.iter() {
            let changed = span.has_part_in(id, site) || span.kept.of(id) != kept.of(id);
            if site.class != Class::Notebook || !changed {
                continue;
            }
            let part = span.change(id, site, kept);
            allocated += part.allocated;
            freed += part.returned;
            blocks += part.blocks;
            tally.site(cold, &part);
        }
        Some(report::Span {
            seconds: (now - span.started).max(0.0),
            allocated,
            freed,
            net: allocated.cast_signed() - freed.cast_signed(),
            peak: span.peak,
            blocks,
            lines: tally.finish(),
            traced: span.traced,
            notes: Vec::new(),
        })
    }
}

/// What one site adds to its line.
pub struct Part {
    allocated: u64,
    returned: u64,
    peak: i64,
    blocks: u64,
}

impl Row for report::Change {
    type Part = Part;

    fn name(&mut self, (file, line, function): &Where) {
        if self.function.is_empty() {
            (self.file, self.line) = (file.to_string(), *line);
            self.function = function.to_string();
        }
    }

    fn count(&mut self, part: &Part) {
        self.allocated += part.allocated;
        self.returned += part.returned;
        self.net += part.allocated.cast_signed() - part.returned.cast_signed();
        self.peak += part.peak;
        self.blocks += part.blocks;
    }

    fn size(&self) -> impl Ord {
        (self.peak, self.net, self.allocated)
    }

    fn place(&self) -> (&str, u32) {
        (&self.file, self.line)
    }

    fn put_library(&mut self, rows: Vec<Self>) {
        self.library = rows;
    }
}
