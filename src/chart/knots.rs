//! Boxes and arrows of small graphs, with words on the arrows. Knows no objects and no layout.

use plotters::prelude::{Color, Polygon};

use super::canvas::{
    Anchor, Area, CODE, ChartError, HEADING, PLAIN, Pixel, QUIET, SUBHEADING, Type, fill, path,
    text,
};
use super::theme;

pub const HEAD: i32 = 32;
pub const BOX: i32 = 34;
/// From box to box, with the arrow's words halfway.
pub const GAP: i32 = 52;
pub const MOST_WIDE: i32 = 170;

pub fn heading(area: &Area<'_>, title: &str, width: i32) -> Result<(), ChartError> {
    let title = HEADING.clip(title, width - 2 * theme::PAD);
    text(
        area,
        (theme::PAD, theme::PAD + 8),
        &title,
        HEADING,
        Anchor::Start,
    )
}

/// What a box stands for.
#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    Root,
    Between,
    Target,
}

/// A box whose top has its middle at a point: as wide as its words need, or where `is_fixed` as wide as it may be.
pub fn boxed(
    area: &Area<'_>,
    (x, top): Pixel,
    (wide, is_fixed): (i32, bool),
    (name, note): (&str, &str),
    kind: Kind,
) -> Result<(), ChartError> {
    let (name_type, note_type) = match kind {
        Kind::Target => (
            Type {
                colour: theme::CARD,
                ..SUBHEADING
            },
            Type {
                colour: theme::CARD,
                ..PLAIN
            },
        ),
        Kind::Root => (SUBHEADING, QUIET),
        Kind::Between => (PLAIN, QUIET),
    };
    let (name, note) = (
        name_type.clip(name, wide - 12),
        note_type.clip(note, wide - 12),
    );
    let needed = name_type.width(&name).max(note_type.width(&note)) + 16;
    let half = if is_fixed {
        wide
    } else {
        needed.clamp(wide.min(56), wide)
    } / 2;
    let (left, right, bottom) = (x - half, x + half, top + BOX);
    match kind {
        Kind::Target => fill(area, (left, top), (right, bottom), theme::LIVE)?,
        Kind::Root => fill(area, (left, top), (right, bottom), theme::FREED)?,
        Kind::Between => fill(area, (left, top), (right, bottom), theme::CARD)?,
    }
    if kind != Kind::Target {
        let edge = vec![
            (left, top),
            (right, top),
            (right, bottom),
            (left, bottom),
            (left, top),
        ];
        path(area, edge, theme::LIVE.stroke_width(1))?;
    }
    let middle = top + BOX / 2;
    if note.is_empty() {
        return text(area, (x, middle), &name, name_type, Anchor::Middle);
    }
    text(area, (x, middle - 7), &name, name_type, Anchor::Middle)?;
    text(area, (x, middle + 8), &note, note_type, Anchor::Middle)
}

/// Words on an arrow, on a patch of the card.
pub fn words_on(area: &Area<'_>, (x, y): Pixel, words: &str, room: i32) -> Result<(), ChartError> {
    if words.is_empty() {
        return Ok(());
    }
    let words = CODE.clip(words, room);
    let half = CODE.width(&words) / 2 + 2;
    fill(area, (x - half, y - 8), (x + half, y + 8), theme::CARD)?;
    text(area, (x, y), &words, CODE, Anchor::Middle)
}

/// The head of an arrow that comes to `at` in a direction.
pub fn head(area: &Area<'_>, (x, y): Pixel, (dx, dy): Pixel) -> Result<(), ChartError> {
    let back = (x - dx * 7, y - dy * 7);
    let sides = [
        (back.0 - dy * 4, back.1 + dx * 4),
        (back.0 + dy * 4, back.1 - dx * 4),
    ];
    let shape = Polygon::new(vec![(x, y), sides[0], sides[1]], theme::QUIET.filled());
    area.draw(&shape).map_err(ChartError::drawing)
}
