//! The books as anybody would keep them: every block in a map, every number counted anew. Knows nothing of `cellheap`.

use std::collections::{BTreeMap, HashMap};

pub type Line = u32;

#[derive(Clone, Copy)]
pub struct Block {
    pub size: u64,
    pub cell: u32,
    pub line: Line,
}

#[derive(Clone, Default, Debug, PartialEq)]
pub struct Count {
    pub allocated: u64,
    pub returned: u64,
    pub blocks: u64,
    pub blocks_returned: u64,
}

#[derive(Default)]
pub struct Cell {
    pub runs: bool,
    pub freed: u64,
    pub live_start: u64,
    pub peak: u64,
    /// What it had by line each time that live stood at the peak.
    pub at_peak: Vec<BTreeMap<Line, u64>>,
    pub lines: BTreeMap<Line, Count>,
}

/// What is measured between two moments, whoever runs.
#[derive(Default)]
pub struct Span {
    pub lines: BTreeMap<Line, Count>,
    pub peak: u64,
    /// What each line had above the start each time that live stood at the peak.
    pub at_peak: Vec<BTreeMap<Line, i64>>,
    live_start: u64,
    start: BTreeMap<Line, u64>,
}

#[derive(Default)]
pub struct Model {
    pub blocks: HashMap<usize, Block>,
    pub cells: BTreeMap<u32, Cell>,
    pub spans: Vec<Span>,
    pub live: u64,
}

impl Cell {
    pub fn sum(&self) -> Count {
        self.lines.values().fold(Count::default(), |mut sum, line| {
            sum.allocated += line.allocated;
            sum.returned += line.returned;
            sum.blocks += line.blocks;
            sum.blocks_returned += line.blocks_returned;
            sum
        })
    }

    fn live_by_line(&self) -> BTreeMap<Line, u64> {
        let live = |count: &Count| count.allocated - count.returned;
        (self.lines.iter())
            .map(|(line, count)| (*line, live(count)))
            .filter(|(_, live)| *live > 0)
            .collect()
    }
}

impl Span {
    fn look(&mut self, live: u64, lines: &BTreeMap<Line, u64>) {
        let height = live.saturating_sub(self.live_start);
        if height > self.peak {
            self.at_peak.clear();
        }
        if height >= self.peak && height > 0 {
            self.peak = height;
            let of =
                |lines: &BTreeMap<Line, u64>, line| lines.get(line).copied().unwrap_or(0) as i64;
            let above = (lines.keys().chain(self.start.keys()))
                .map(|line| (*line, of(lines, line) - of(&self.start, line)))
                .filter(|(_, above)| *above != 0);
            self.at_peak.push(above.collect());
        }
    }
}

impl Model {
    pub fn begin(&mut self, id: u32) {
        let cell = Cell {
            runs: true,
            live_start: self.live,
            at_peak: vec![BTreeMap::new()],
            ..Cell::default()
        };
        self.cells.insert(id, cell);
    }

    pub fn allocated(&mut self, address: usize, size: u64, cell: u32, line: Line) {
        self.add(address, Block { size, cell, line });
        self.look();
    }

    pub fn freed(&mut self, address: usize, by: u32) {
        self.remove(address, by);
        self.look();
    }

    pub fn reallocated(&mut self, old: usize, new: usize, size: u64, cell: u32, line: Line) {
        self.remove(old, cell);
        self.add(new, Block { size, cell, line });
        self.look();
    }

    fn add(&mut self, address: usize, block: Block) {
        let cell = self.cells.entry(block.cell).or_default();
        for lines in [&mut cell.lines]
            .into_iter()
            .chain(self.spans.iter_mut().map(|span| &mut span.lines))
        {
            let count = lines.entry(block.line).or_default();
            count.allocated += block.size;
            count.blocks += 1;
        }
        self.live += block.size;
        self.blocks.insert(address, block);
    }

    fn remove(&mut self, address: usize, by: u32) {
        let Some(block) = self.blocks.remove(&address) else {
            return;
        };
        let cell = self.cells.entry(block.cell).or_default();
        for lines in [&mut cell.lines]
            .into_iter()
            .chain(self.spans.iter_mut().map(|span| &mut span.lines))
        {
            let count = lines.entry(block.line).or_default();
            count.returned += block.size;
            count.blocks_returned += 1;
        }
        self.cells.entry(by).or_default().freed += block.size;
        self.live -= block.size;
    }

    fn look(&mut self) {
        for cell in self.cells.values_mut().filter(|cell| cell.runs) {
            let height = self.live.saturating_sub(cell.live_start);
            if height > cell.peak {
                cell.at_peak.clear();
            }
            if height >= cell.peak {
                cell.peak = height;
                cell.at_peak.push(cell.live_by_line());
            }
        }
        let lines = if self.spans.is_empty() {
            BTreeMap::new()
        } else {
            self.live_by_line()
        };
        for span in &mut self.spans {
            span.look(self.live, &lines);
        }
    }

    pub fn begin_span(&mut self) {
        self.spans.push(Span {
            live_start: self.live,
            start: self.live_by_line(),
            at_peak: vec![BTreeMap::new()],
            ..Span::default()
        });
    }

    fn live_by_line(&self) -> BTreeMap<Line, u64> {
        let mut lines = BTreeMap::new();
        for block in self.blocks.values() {
            *lines.entry(block.line).or_default() += block.size;
        }
        lines
    }

    /// Finished cells are forgotten; what lives of them counts as of cell 0.
    pub fn reset(&mut self, keep: impl Fn(u32) -> bool) {
        let gone: Vec<u32> = self
            .cells
            .keys()
            .copied()
            .filter(|id| *id != 0 && !keep(*id))
            .collect();
        for id in gone {
            self.cells.remove(&id);
        }
        let Self { blocks, cells, .. } = self;
        for block in blocks
            .values_mut()
            .filter(|block| !cells.contains_key(&block.cell))
        {
            block.cell = 0;
        }
    }
}
