//! Memory by stack: for flame graphs. Reads the books, changes nothing.

use super::books::Books;
use super::cells::{CellId, Record, Sum};
use super::lines::{at_mark, sites};
use super::places::Frames;
use super::report::{Stack, Stacks};
use super::sites::Cold;

/// The stacks of a cell, or of the whole notebook; none where the cell's id is unknown.
pub fn stacks(books: &Books, cell: Option<CellId>, notes: Vec<String>) -> Option<Stacks> {
    let mut frames = Frames::new(books);
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

fn of_record(books: &Books, record: &Record, frames: &mut Frames<'_>) -> Vec<Stack> {
    let origin = record.label();
    sites(books, record)
        .map(|(_, cold, hot)| {
            let sum = Sum::of(hot);
            Stack {
                origin: origin.clone(),
                frames: stack(frames, cold),
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

/// From the notebook's line to the function that asked.
fn stack(frames: &mut Frames<'_>, cold: &Cold) -> Vec<u32> {
    let (line, leaf) = frames.places.read(cold.key.place);
    let mut stack = vec![frames.number(line)];
    stack.extend(frames.path(cold.path));
    if let (1, Some(leaf)) = (stack.len(), leaf) {
        stack.push(frames.number(leaf));
    }
    stack
}
