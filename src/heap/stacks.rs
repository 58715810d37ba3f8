//! Memory by stack: for flame graphs. Reads the books, changes nothing.

use std::collections::HashMap;

use super::books::Books;
use super::cells::{CellId, Record, Sum};
use super::lines::{at_mark, sites};
use super::report::{Frame, Stack, Stacks};
use super::sites::{Cold, Spot};
use super::tally::{frame, frame_of, path, read};

/// The stacks of a cell, or of the whole notebook; none where the cell's id is unknown.
pub fn stacks(books: &Books, cell: Option<CellId>, notes: Vec<String>) -> Option<Stacks> {
    let mut frames = Frames::default();
    let mut stacks = Vec::new();
    let mut label = String::new();
    if let Some(id) = cell {
        let record = books.record(id)?;
        label = record.label();
        stacks.extend(of_record(books, record, &mut frames));
    } else {
        for record in books.records() {
            stacks.extend(of_record(books, record, &mut frames));
        }
    }
    Some(Stacks {
        label,
        frames: frames.all,
        stacks,
        notes,
    })
}

fn of_record(books: &Books, record: &Record, frames: &mut Frames) -> Vec<Stack> {
    let origin = record.label();
    sites(books, record)
        .map(|(_, cold, hot)| {
            let sum = Sum::of(hot);
            Stack {
                origin: origin.clone(),
                frames: frames.of(books, cold),
                allocator: cold.key.source.layer.name().into(),
                object: books.objects.path(cold.key.source.object).into(),
                allocated: sum.allocated,
                peak: at_mark(books, record, cold, hot),
                live: sum.live(),
                blocks: sum.blocks,
            }
        })
        .filter(|stack| stack.allocated > 0)
        .collect()
}

/// Frames by their place, each once.
#[derive(Default)]
struct Frames {
    all: Vec<Frame>,
    by_frame: HashMap<Frame, u32>,
    by_spot: HashMap<Spot, u32>,
}

impl Frames {
    /// From the notebook's line to the function that asked.
    fn of(&mut self, books: &Books, cold: &Cold) -> Vec<u32> {
        let (line, leaf) = read(books, cold.key.place);
        let mut stack = vec![self.place(frame(&line))];
        stack.extend(path(books, cold).map(|spot| self.spot(books, spot)));
        if let (1, Some(leaf)) = (stack.len(), leaf) {
            stack.push(self.place(frame(&leaf)));
        }
        stack
    }

    fn spot(&mut self, books: &Books, spot: Spot) -> u32 {
        match self.by_spot.get(&spot) {
            Some(place) => *place,
            None => {
                let place = self.place(frame_of(books, spot));
                self.by_spot.insert(spot, place);
                place
            }
        }
    }

    fn place(&mut self, frame: Frame) -> u32 {
        let next = self.all.len() as u32;
        *self.by_frame.entry(frame).or_insert_with_key(|frame| {
            self.all.push(frame.clone());
            next
        })
    }
}
