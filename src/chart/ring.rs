//! A reference cycle as a ring: each object holds the next by the words on the arrow. Knows boxes and words, no objects.

use plotters::prelude::Color;
use serde::Deserialize;

use super::canvas::{Anchor, Area, CODE, ChartError, Pixel, Svg, card, path, text};
use super::knots::{BOX, GAP, HEAD, Kind, MOST_WIDE, boxed, head, heading};
use super::theme;

/// A cycle: each member holds the next by `words`, the last the first.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Ring {
    pub title: String,
    pub members: Vec<Member>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Member {
    pub name: String,
    pub note: String,
    pub words: String,
}

/// The drawing of a cycle: along the top to the right, back along the bottom.
pub fn ring(ring: &Ring, width: i32) -> Result<Svg, ChartError> {
    let count = ring.members.len() as i32;
    let above = (count + 1) / 2;
    let rows = if count > 1 { 2 } else { 1 };
    let height = theme::PAD * 2 + HEAD + rows * (BOX + GAP) - GAP + 4;
    card(width, height, |area| {
        heading(area, &ring.title, width)?;
        if count == 0 {
            return Ok(());
        }
        let column = (width - theme::PAD * 2) / above.max(2);
        let wide = MOST_WIDE.min(column * 3 / 5);
        let place = |at: i32| {
            let (col, row) = if at < above {
                (at, 0)
            } else {
                (above - 1 - (at - above), 1)
            };
            (
                theme::PAD + column / 2 + col * column,
                theme::PAD + HEAD + row * (BOX + GAP),
            )
        };
        for (at, member) in ring.members.iter().enumerate() {
            let at = at as i32;
            hold(
                area,
                place(at),
                place((at + 1) % count),
                (wide / 2, column - wide),
                &member.words,
            )?;
        }
        for (at, member) in ring.members.iter().enumerate() {
            let place = place(at as i32);
            boxed(
                area,
                place,
                (wide, true),
                (&member.name, &member.note),
                Kind::Root,
            )?;
        }
        Ok(())
    })
}

/// The arrow from one box of a ring to the next: beside it, above or below it, around a corner, or to itself.
fn hold(
    area: &Area<'_>,
    from: Pixel,
    to: Pixel,
    (half, room): Pixel,
    words: &str,
) -> Result<(), ChartError> {
    let middle = BOX / 2;
    let line = theme::QUIET.stroke_width(1);
    let side = (to.0 - from.0).signum();
    if from == to {
        let (out, top, low) = (from.0 + half, from.1 + 8, from.1 + BOX - 8);
        path(
            area,
            vec![(out, top), (out + 26, top), (out + 26, low), (out, low)],
            line,
        )?;
        head(area, (out, low), (-1, 0))?;
        return text(
            area,
            (out + 34, from.1 + middle),
            &CODE.clip(words, 260),
            CODE,
            Anchor::Start,
        );
    }
    if from.1 == to.1 {
        let (start, end) = (from.0 + side * half, to.0 - side * half);
        path(
            area,
            vec![(start, from.1 + middle), (end, from.1 + middle)],
            line,
        )?;
        head(area, (end, from.1 + middle), (side, 0))?;
        let words = CODE.clip(words, room - 14);
        return text(
            area,
            ((start + end) / 2, from.1 + middle - 10),
            &words,
            CODE,
            Anchor::Middle,
        );
    }
    if side != 0 {
        let (start, turn) = (from.0 + side * half, to.0);
        path(
            area,
            vec![
                (start, from.1 + middle),
                (turn, from.1 + middle),
                (turn, to.1 + BOX),
            ],
            line,
        )?;
        head(area, (turn, to.1 + BOX), (0, -1))?;
        let words = CODE.clip(words, room + half - 14);
        return text(
            area,
            ((start + turn) / 2, from.1 + middle - 10),
            &words,
            CODE,
            Anchor::Middle,
        );
    }
    let down = to.1 > from.1;
    let (start, end, way) = if down {
        (from.1 + BOX, to.1, 1)
    } else {
        (from.1, to.1 + BOX, -1)
    };
    let x = from.0 + way * 18;
    path(area, vec![(x, start), (x, end)], line)?;
    head(area, (x, end), (0, way))?;
    let anchor = if down { Anchor::Start } else { Anchor::End };
    let words = CODE.clip(words, room / 2 + half - 30);
    text(area, (x + way * 7, (start + end) / 2), &words, CODE, anchor)
}
