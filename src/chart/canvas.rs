//! The card that a chart is drawn on: SVG, text, and what is known of text without a font. Knows no reports.

use std::fmt;

use plotters::coord::Shift;
use plotters::prelude::{
    Color, DrawingArea, FontFamily, IntoDrawingArea, PathElement, Polygon, Rectangle, SVGBackend,
    Text,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, RGBColor, ShapeStyle, TextStyle};
use thiserror::Error;

use super::compact::compact;
use super::theme;

#[derive(Debug, Error)]
pub enum ChartError {
    #[error("could not draw the chart: {reason}")]
    Draw { reason: String },
}

impl ChartError {
    pub fn drawing(error: impl fmt::Display) -> Self {
        Self::Draw {
            reason: error.to_string(),
        }
    }
}

/// A finished drawing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Svg(String);

impl Svg {
    pub fn from_text(svg: String) -> Self {
        Self(svg)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Svg> for String {
    fn from(svg: Svg) -> Self {
        svg.0
    }
}

/// A place on the card.
pub type Pixel = (i32, i32);
pub type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Draws on a card of its own.
pub fn card(
    width: i32,
    height: i32,
    paint: impl FnOnce(&Area<'_>) -> Result<(), ChartError>,
) -> Result<Svg, ChartError> {
    let mut svg = String::new();
    {
        let size = (width.unsigned_abs(), height.unsigned_abs());
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        fill(&area, (0, 0), (width, height), theme::CARD)?;
        paint(&area)?;
        area.present().map_err(ChartError::drawing)?;
    }
    Ok(Svg(compact(&svg)))
}

pub fn fill(area: &Area<'_>, from: Pixel, to: Pixel, colour: RGBColor) -> Result<(), ChartError> {
    area.draw(&Rectangle::new([from, to], colour.filled()))
        .map_err(ChartError::drawing)
}

pub fn path(
    area: &Area<'_>,
    points: Vec<Pixel>,
    style: impl Into<ShapeStyle>,
) -> Result<(), ChartError> {
    area.draw(&PathElement::new(points, style))
        .map_err(ChartError::drawing)
}

/// Where a text's point is: at its start, middle or end, always halfway up.
#[derive(Debug, Clone, Copy)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

#[derive(Debug, Clone, Copy)]
pub struct Type {
    pub size: f64,
    pub colour: RGBColor,
    pub bold: bool,
    pub mono: bool,
}

pub const PLAIN: Type = Type {
    size: theme::TEXT,
    colour: theme::INK,
    bold: false,
    mono: false,
};
pub const QUIET: Type = Type {
    colour: theme::QUIET,
    ..PLAIN
};
pub const HEADING: Type = Type {
    size: theme::TITLE,
    bold: true,
    ..PLAIN
};
pub const SUBHEADING: Type = Type {
    bold: true,
    ..PLAIN
};
pub const CODE: Type = Type {
    mono: true,
    ..PLAIN
};

impl Type {
    /// About how wide a text comes out, rather too wide than too narrow.
    pub fn width(&self, text: &str) -> i32 {
        let ems: f64 = text
            .chars()
            .map(|c| if self.mono { mono_width(c) } else { width(c) })
            .sum();
        let wider = if self.bold { BOLD } else { 1.0 };
        (ems * wider * self.size).ceil() as i32
    }

    /// The text, or its beginning and an ellipsis where it is wider than `room`.
    pub fn clip(&self, text: &str, room: i32) -> String {
        if self.width(text) <= room {
            return text.into();
        }
        let mut kept = String::new();
        for c in text.chars() {
            kept.push(c);
            if self.width(&kept) + self.width("…") > room {
                kept.pop();
                break;
            }
        }
        kept + "…"
    }

    pub fn style(&self, anchor: Anchor) -> TextStyle<'_> {
        let family = if self.mono {
            FontFamily::Monospace
        } else {
            FontFamily::SansSerif
        };
        let weight = if self.bold {
            FontStyle::Bold
        } else {
            FontStyle::Normal
        };
        let across = match anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        };
        // The backend divides by 1.24 what it is asked for.
        TextStyle::from((family, self.size * 1.24, weight))
            .color(&self.colour)
            .pos(Pos::new(across, VPos::Center))
    }
}

/// How much wider bold letters are.
const BOLD: f64 = 1.12;

/// The width of a character in ems, in the widest of the fonts that may stand in. There is no font to ask.
fn width(c: char) -> f64 {
    match c {
        'i' | 'j' | 'l' | 't' | 'f' | 'r' | ' ' | '.' | ',' | ';' | ':' | '!' | '|' | '\''
        | '(' | ')' | '[' | ']' | '/' => 0.4,
        'm' | 'w' | 'M' | 'W' => 0.95,
        'A'..='Z' | '…' => 0.72,
        c if is_wide(c) => 1.0,
        _ => 0.62,
    }
}

fn mono_width(c: char) -> f64 {
    if is_wide(c) { 1.0 } else { theme::MONO_CHAR }
}

/// East Asian characters and emoji.
fn is_wide(c: char) -> bool {
    matches!(c as u32, 0x1100..=0x115F | 0x2E80..=0xA4CF | 0xAC00..=0xD7A3 | 0xF900..=0xFAFF | 0xFE30..=0xFE6F
        | 0xFF00..=0xFF60 | 0xFFE0..=0xFFE6 | 0x1F300..=0x1FAFF | 0x20000..=0x3FFFD)
}

pub fn text(
    area: &Area<'_>,
    at: Pixel,
    words: &str,
    kind: Type,
    anchor: Anchor,
) -> Result<(), ChartError> {
    area.draw(&Text::new(printable(words), at, kind.style(anchor)))
        .map_err(ChartError::drawing)
}

/// Only what XML may hold, and spaces that it does not fold.
fn printable(words: &str) -> String {
    words
        .chars()
        .map(|c| match c {
            ' ' => '\u{A0}',
            c if c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}') => '\u{FFFD}',
            c => c,
        })
        .collect()
}

/// Fills boxes, each given by two corners, as one shape: it goes out to each box from `base` and back the same way.
pub fn boxes(
    area: &Area<'_>,
    base: i32,
    corners: &[(Pixel, Pixel)],
    colour: RGBColor,
) -> Result<(), ChartError> {
    if corners.is_empty() {
        return Ok(());
    }
    let shape: Vec<_> = (corners.iter())
        .flat_map(|((left, top), (right, bottom))| {
            [
                (*left, base),
                (*left, *top),
                (*right, *top),
                (*right, *bottom),
                (*left, *bottom),
                (*left, base),
            ]
        })
        .collect();
    area.draw(&Polygon::new(shape, colour.filled()))
        .map_err(ChartError::drawing)
}

/// What a mark with its word takes.
pub fn legend_width(word: &str) -> i32 {
    22 + PLAIN.width(word)
}

/// A sample of a mark with its word, for legends. Returns where the next may begin.
pub fn legend(
    area: &Area<'_>,
    at: Pixel,
    word: &str,
    mark: impl Fn(&Area<'_>, Pixel) -> Result<(), ChartError>,
) -> Result<i32, ChartError> {
    mark(area, at)?;
    text(area, (at.0 + 18, at.1), word, PLAIN, Anchor::Start)?;
    Ok(at.0 + legend_width(word))
}
