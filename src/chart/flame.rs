//! Flame graphs: as a card of ours that every front end shows, and as inferno's page, where a frame can be looked at
//! closer. Both hang from the top: the notebook's line, under it what it called.

use inferno::flamegraph::color::{BackgroundColor, Color, PaletteMap, StrokeColor};
use inferno::flamegraph::{Direction, Options, TextTruncateDirection, from_lines};
use plotters::style::RGBColor;

use super::bytes::bytes_text;
use super::canvas::{
    Anchor, Area, ChartError, HEADING, PLAIN, Pixel, QUIET, Svg, Type, card, fill, legend, text,
};
use super::stacks::{Node, Whose, plain};
use super::{stacks, theme};

const HEAD: i32 = 50;
const ROW: i32 = 19;
const LABEL: Type = Type {
    colour: theme::CARD,
    ..PLAIN
};
const KINDS: [(Whose, &str); 4] = [
    (Whose::Notebook, "notebook code"),
    (Whose::Library, "library code"),
    (Whose::Native, "native allocator"),
    (Whose::Rest, "other"),
];

fn colour(whose: Whose) -> RGBColor {
    match whose {
        Whose::Notebook => theme::NOTEBOOK_FRAME,
        Whose::Library => theme::LIBRARY_FRAME,
        Whose::Native => theme::NATIVE_FRAME,
        Whose::Rest => theme::OTHER_FRAME,
    }
}

/// The card.
pub fn flame(root: &Node, title: &str, width: i32) -> Result<Svg, ChartError> {
    let height = theme::PAD + HEAD + ROW * root.depth() as i32 + theme::PAD;
    card(width, height, |area| {
        let (left, top) = (theme::PAD, theme::PAD);
        text(area, (left, top + 8), title, HEADING, Anchor::Start)?;
        let mut x = left;
        for (whose, word) in KINDS {
            if root.under.iter().any(|node| has(node, whose)) {
                x = legend(area, (x, top + 30), word, |area, (x, y)| {
                    fill(area, (x, y - 5), (x + 12, y + 5), colour(whose))
                })? + 14;
            }
        }
        if root.bytes == 0 {
            return text(
                area,
                (left, top + HEAD + 8),
                "Nothing",
                QUIET,
                Anchor::Start,
            );
        }
        let across = f64::from(left)..f64::from(width - theme::PAD);
        frame(area, root, across, top + HEAD)
    })
}

fn has(node: &Node, whose: Whose) -> bool {
    node.whose == whose || node.under.iter().any(|under| has(under, whose))
}

fn frame(
    area: &Area<'_>,
    node: &Node,
    across: std::ops::Range<f64>,
    top: i32,
) -> Result<(), ChartError> {
    let (from, to): (Pixel, Pixel) = (
        (across.start.round() as i32, top),
        ((across.end.round() as i32 - 1), top + ROW - 1),
    );
    if to.0 <= from.0 {
        return Ok(());
    }
    fill(area, from, to, colour(node.whose))?;
    let room = to.0 - from.0 - 6;
    if room > 24 {
        let size = bytes_text(i128::from(node.bytes));
        let words = if PLAIN.width(&size) + 30 < room {
            let name = LABEL.clip(&node.name, room - PLAIN.width(&size) - 8);
            format!("{name}  {size}")
        } else {
            LABEL.clip(&node.name, room)
        };
        text(
            area,
            (from.0 + 3, top + ROW / 2),
            &words,
            LABEL,
            Anchor::Start,
        )?;
    }
    let scale = (across.end - across.start) / node.bytes as f64;
    let mut start = across.start;
    for under in &node.under {
        let end = start + under.bytes as f64 * scale;
        frame(area, under, start..end, top + ROW)?;
        start = end;
    }
    Ok(())
}

/// Inferno's page: SVG with a script of its own, for a frame of a browser.
pub fn page(root: &Node, title: &str) -> Result<Svg, ChartError> {
    let mut palette = PaletteMap::default();
    name_colours(root, &mut palette);
    palette.insert("", rgb(theme::OTHER_FRAME));
    let mut options = Options::default();
    options.title = title.into();
    options.count_name = "bytes".into();
    options.name_type = "Frame:".into();
    options.direction = Direction::Inverted;
    options.text_truncate_direction = TextTruncateDirection::Right;
    options.bgcolors = Some(BackgroundColor::Flat(rgb(theme::CARD)));
    options.uicolor = rgb(theme::INK);
    options.stroke_color = StrokeColor::Color(rgb(theme::CARD));
    options.frame_height = 19;
    options.palette_map = Some(&mut palette);
    let mut lines = Vec::new();
    for under in &root.under {
        stacks::lines(under, "", &mut lines);
    }
    let mut drawn = Vec::new();
    from_lines(&mut options, lines.iter().map(String::as_str), &mut drawn)
        .map_err(ChartError::drawing)?;
    let svg = String::from_utf8(drawn).map_err(ChartError::drawing)?;
    Ok(Svg::from_text(trimmed(&svg)))
}

fn name_colours(node: &Node, palette: &mut PaletteMap) {
    palette.insert(plain(&node.name), rgb(colour(node.whose)));
    node.under
        .iter()
        .for_each(|under| name_colours(under, palette));
}

fn rgb(RGBColor(r, g, b): RGBColor) -> Color {
    Color { r, g, b }
}

/// Without what stands before the drawing, which HTML cannot hold; as wide as the page; with words that can be read on
/// our colours.
fn trimmed(svg: &str) -> String {
    let start = svg.find("<svg").unwrap_or(0);
    let RGBColor(r, g, b) = theme::CARD;
    let words = format!(
        "#frames text{{fill:#{r:02x}{g:02x}{b:02x};pointer-events:none}}#search{{opacity:.7}}"
    );
    let style = format!("body{{margin:0}}body>svg{{width:100%}}{words}</style>");
    svg[start..].replacen("</style>", &style, 1)
}
