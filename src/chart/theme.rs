//! How charts look: colours, type and spacing. The one place that names a colour.
//!
//! A chart is a light card of its own, so it reads the same in a light and in a dark notebook. Marks have at least
//! 3:1 against the card and words 4.5:1. Hues are Okabe and Ito's, and no two marks differ by hue alone.

use plotters::style::RGBColor;

pub const CARD: RGBColor = RGBColor(0xFF, 0xFF, 0xFF);
pub const EDGE: RGBColor = RGBColor(0xD0, 0xD7, 0xDE);
pub const INK: RGBColor = RGBColor(0x1F, 0x23, 0x28);
pub const QUIET: RGBColor = RGBColor(0x57, 0x60, 0x6A);
pub const GRID: RGBColor = RGBColor(0xE4, 0xE8, 0xEC);

/// Live bytes: solid.
pub const LIVE: RGBColor = RGBColor(0x00, 0x72, 0xB2);
/// Bytes freed again: light, with an outline of `LIVE`.
pub const FREED: RGBColor = RGBColor(0xD6, 0xE8, 0xF5);
pub const PEAK: RGBColor = RGBColor(0xD5, 0x5E, 0x00);
pub const ALLOCATED: RGBColor = RGBColor(0x77, 0x77, 0x77);
pub const RSS: RGBColor = RGBColor(0x00, 0x87, 0x63);
/// What marks a stretch without numbers.
pub const UNKNOWN: RGBColor = RGBColor(0x8C, 0x8C, 0x8C);

/// Frames of a flame graph, under words in `CARD`: 4.5:1 and more.
pub const NOTEBOOK_FRAME: RGBColor = LIVE;
pub const LIBRARY_FRAME: RGBColor = RGBColor(0xA8, 0x49, 0x00);
pub const NATIVE_FRAME: RGBColor = RGBColor(0x00, 0x70, 0x52);
pub const OTHER_FRAME: RGBColor = QUIET;

/// What Python's allocators, `malloc` and `mmap` have, under words in `CARD`.
pub const PYMALLOC: RGBColor = LIVE;
pub const MALLOC: RGBColor = NATIVE_FRAME;
pub const MMAP: RGBColor = LIBRARY_FRAME;

/// Origins in a stack, oldest first: dark and light in turn, so that neighbours differ without their hue too.
pub const LAYERS: [RGBColor; 7] = [
    LIVE,
    RGBColor(0xC9, 0x7B, 0x00),
    NATIVE_FRAME,
    RGBColor(0xCC, 0x79, 0xA7),
    RGBColor(0x5B, 0x3A, 0x8E),
    RGBColor(0x3F, 0x9B, 0xD1),
    RGBColor(0x7A, 0x2E, 0x0E),
];
/// How full a part of the heap is, from empty to full: one hue, each step darker.
pub const FULLNESS: [RGBColor; 5] = [
    RGBColor(0xF0, 0xF2, 0xF4),
    RGBColor(0xC4, 0xDD, 0xEE),
    RGBColor(0x7F, 0xB5, 0xDA),
    RGBColor(0x2F, 0x86, 0xBD),
    RGBColor(0x00, 0x3F, 0x66),
];
/// All other origins together.
pub const OTHERS: RGBColor = UNKNOWN;

/// The colour of words on a mark: 4.5:1 and more.
pub fn on(mark: RGBColor) -> RGBColor {
    if luminance(mark) < 0.18 { CARD } else { INK }
}

/// As WCAG has it: 0 is black, 1 is white.
fn luminance(RGBColor(red, green, blue): RGBColor) -> f64 {
    let linear = |part: u8| {
        let part = f64::from(part) / 255.0;
        if part <= 0.04045 {
            part / 12.92
        } else {
            ((part + 0.055) / 1.055).powf(2.4)
        }
    };
    0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
}

/// On every system, in this order. Set once on the drawing; texts that say nothing have it.
pub const FAMILY: &str = "Helvetica, Arial, sans-serif";

/// Sizes of type, in pixels.
pub const TITLE: f64 = 14.0;
pub const TEXT: f64 = 11.0;

/// The width of a character of code in ems.
pub const MONO_CHAR: f64 = 0.61;

pub const PAD: i32 = 8;
/// Between two words of a legend, where there is room.
pub const APART: i32 = 8;
/// Room for the numbers of a vertical axis.
pub const AXIS: i32 = 62;

/// As HTML writes a colour.
pub fn hex(RGBColor(red, green, blue): RGBColor) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}
