//! Reports to draw.

use cellheap::heap::report::{
    Cell, CellReport, Frame, Line, Overview, Point, Stack, Stacks, State,
};

pub const MIB: u64 = 1 << 20;

/// A cell that allocated `allocated`, of which `live` is left; its peak was all of it.
pub fn cell(number: u32, allocated: u64, live: u64) -> Cell {
    Cell {
        id: number,
        number: Some(number),
        label: format!("In[{number}]"),
        seconds: 1.5,
        allocated,
        freed: allocated - live,
        net: live.cast_signed(),
        peak: allocated,
        live,
        live_at_end: live,
        rss_start: Some(100 * MIB),
        rss_end: Some(100 * MIB + allocated),
        rss_peak: Some(101 * MIB + allocated),
        traced: true,
        ..Cell::default()
    }
}

pub fn overview(cells: Vec<Cell>) -> Overview {
    Overview {
        live: cells.iter().map(|cell| cell.live).sum(),
        cells,
        ..Overview::default()
    }
}

/// Five cells: one that stays, one that went, a failed, an untraced and a running one.
pub fn mixed() -> Overview {
    overview(vec![
        cell(1, 8 * MIB, 8 * MIB),
        cell(2, 6 * MIB, 0),
        Cell {
            state: State::Failed,
            ..cell(3, 3 * MIB, MIB)
        },
        Cell {
            traced: false,
            ..cell(4, 0, 0)
        },
        Cell {
            state: State::Running,
            rss_end: None,
            ..cell(5, 2 * MIB, 2 * MIB)
        },
    ])
}

pub fn line(file: &str, number: u32, allocated: u64, live: u64) -> Line {
    Line {
        file: file.into(),
        line: number,
        function: "<module>".into(),
        allocated,
        peak: allocated,
        returned: allocated - live,
        live,
        blocks: 2,
        live_blocks: 1,
        ..Line::default()
    }
}

/// A cell that rises to `peak` and falls to `live`; no sample met its peak.
pub fn report(peak: u64, live: u64) -> CellReport {
    let sample = |at: f64, live: u64| Point {
        at,
        live: live.cast_signed(),
        rss: 100 * MIB + live,
    };
    CellReport {
        cell: Cell {
            peak,
            ..cell(5, peak, live)
        },
        lines: vec![line("5.py", 2, peak, live)],
        timeline: vec![sample(0.0, 0), sample(0.75, peak / 2), sample(1.5, live)],
        ..CellReport::default()
    }
}

/// A stack of `peak` bytes: a line of In[5], then these functions of `json/decoder.py`.
pub fn stack(line: u32, library: &[&str], peak: u64) -> (Vec<Frame>, Stack) {
    let frame = |file: &str, line: u32, function: &str| Frame {
        file: file.into(),
        line,
        function: function.into(),
    };
    let mut frames = vec![frame("5.py", line, "<module>")];
    frames.extend(
        (1..)
            .zip(library)
            .map(|(at, name)| frame("/lib/json/decoder.py", at, name)),
    );
    let stack = Stack {
        origin: "In[5]".into(),
        allocator: "pymalloc".into(),
        allocated: 2 * peak,
        peak,
        live: peak / 2,
        blocks: 1,
        ..Stack::default()
    };
    (frames, stack)
}

pub fn stacks(of: Vec<(Vec<Frame>, Stack)>) -> Stacks {
    let mut stacks = Stacks {
        label: "In[5]".into(),
        ..Stacks::default()
    };
    for (frames, stack) in of {
        let first = stacks.frames.len() as u32;
        let places = (first..).take(frames.len()).collect();
        stacks.frames.extend(frames);
        stacks.stacks.push(Stack {
            frames: places,
            ..stack
        });
    }
    stacks
}
