//! One strip: how much of a peak each allocator had. Drawn where there is more than Python's own.

use crate::heap::report::Share;

use super::bytes::bytes_text;
use super::canvas::{Anchor, Area, ChartError, PLAIN, QUIET, Type, fill, text};
use super::theme;

/// What the strip takes of a card's height.
pub const HEIGHT: i32 = 30;
const BAR: i32 = 18;
const HEAD: &str = "at peak";
const WORDS: Type = Type {
    colour: theme::CARD,
    ..PLAIN
};
const ALLOCATORS: [(&str, plotters::style::RGBColor); 3] = [
    ("pymalloc", theme::PYMALLOC),
    ("malloc", theme::MALLOC),
    ("mmap", theme::MMAP),
];

/// An allocator, by its place in `ALLOCATORS`, and what it had at the peak.
pub type Part = (usize, u64);

/// Of the peak, in hundredths: what is less is not worth a strip.
const LEAST: u64 = 1;

/// Each allocator's part of the peak; none where all is Python's but for a little.
pub fn parts(shares: &[Share]) -> Vec<Part> {
    let sum = |name: &str| {
        let of = shares.iter().filter(|share| share.allocator == name);
        of.map(|share| share.peak).sum()
    };
    let parts: Vec<Part> = (ALLOCATORS.iter().enumerate())
        .map(|(at, (name, _))| (at, sum(name)))
        .filter(|(_, bytes)| *bytes > 0)
        .collect();
    let all: u64 = parts.iter().map(|(_, bytes)| bytes).sum();
    let native = parts.iter().filter(|(at, _)| *at > 0);
    let native: u64 = native.map(|(_, bytes)| bytes).sum();
    if native > 0 && native * 100 >= all * LEAST {
        parts
    } else {
        Vec::new()
    }
}

/// Draws the strip across the card, its head before it.
pub fn split(
    area: &Area<'_>,
    top: i32,
    (left, right): (i32, i32),
    parts: &[Part],
) -> Result<(), ChartError> {
    if parts.is_empty() {
        return Ok(());
    }
    text(area, (left, top + BAR / 2), HEAD, QUIET, Anchor::Start)?;
    let start = left + QUIET.width(HEAD) + 8;
    let all: u64 = parts.iter().map(|(_, bytes)| bytes).sum();
    let place =
        |sum: u64| start + ((right - start) as f64 * sum as f64 / all as f64).round() as i32;
    let mut sum = 0;
    for (at, bytes) in parts {
        let (from, to) = (place(sum), place(sum + bytes).max(place(sum) + 2));
        sum += bytes;
        let (name, colour) = ALLOCATORS[*at];
        fill(area, (from, top), (to - 2, top + BAR), colour)?;
        let words = format!("{name} {}", bytes_text(i128::from(*bytes)));
        let shown = [words.as_str(), name]
            .into_iter()
            .find(|words| WORDS.width(words) + 8 <= to - from);
        if let Some(words) = shown {
            text(area, (from + 4, top + BAR / 2), words, WORDS, Anchor::Start)?;
        }
    }
    Ok(())
}
