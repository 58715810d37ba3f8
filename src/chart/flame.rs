//! Flame graphs: as a card of ours that every front end shows, and as inferno's page, where a frame can be looked at
//! closer. Both hang from the top: the notebook's line, under it what it called.

use inferno::flamegraph::color::{BackgroundColor, Color, PaletteMap, StrokeColor};
use inferno::flamegraph::{Direction, Options, TextTruncateDirection, from_lines};
use plotters::style::RGBColor;

use super::bytes::bytes_text;
use super::canvas::{
    Anchor, Area, ChartError, HEADING, PLAIN, Pixel, QUIET, Svg, Type, card, fill, legend,
    legend_width, text,
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
        for (whose, word) in kinds(root) {
            x = legend(area, (x, top + 30), word, |area, (x, y)| {
                fill(area, (x, y - 5), (x + 12, y + 5), colour(whose))
            })? + theme::APART;
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

/// Whose frames there are.
fn kinds(root: &Node) -> impl Iterator<Item = (Whose, &'static str)> {
    (KINDS.into_iter()).filter(|(whose, _)| root.under.iter().any(|node| has(node, *whose)))
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
    options.font_type = "sans-serif".into();
    options.palette_map = Some(&mut palette);
    let mut lines = Vec::new();
    for under in &root.under {
        stacks::lines(under, "", &mut lines);
    }
    let mut drawn = Vec::new();
    from_lines(&mut options, lines.iter().map(String::as_str), &mut drawn)
        .map_err(ChartError::drawing)?;
    let svg = String::from_utf8(drawn).map_err(ChartError::drawing)?;
    Ok(Svg::from_text(trimmed(&svg, root)))
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

/// Without what stands before the drawing, which HTML cannot hold; as wide as the page; with our type, our legend and words
/// that can be read on our colours. The line of the frame under the pointer goes to the foot, where nothing else is.
fn trimmed(svg: &str, root: &Node) -> String {
    let start = svg.find("<svg").unwrap_or(0);
    let (family, size, title) = (theme::FAMILY, theme::TEXT, theme::TITLE);
    let words = format!(
        "text{{font-family:{family};font-size:{size}px}}#title{{text-anchor:start;font-size:{title}px;font-weight:bold}}\
         #frames text{{fill:{};stroke:none;pointer-events:none}}#search{{opacity:.7}}",
        theme::hex(theme::CARD)
    );
    let style = format!("body{{margin:0}}body>svg{{width:100%}}{words}</style>");
    let foot = attribute_of(svg, "matched", "y").unwrap_or("40.00");
    svg[start..]
        .replacen("</style>", &style, 1)
        // What ends a closer look is where the title comes to; then the title; then the search.
        .replacen(r#"x="10" y="24.00""#, r#"x="70%" y="20""#, 1)
        .replacen(r#"x="50.0000%" y="24.00""#, r#"x="10" y="20""#, 1)
        .replacen(r#"y="24.00""#, r#"y="20""#, 1)
        .replacen(r#"x="10" y="40.00""#, &format!(r#"x="10" y="{foot}""#), 1)
        .replacen(
            r#"<svg id="frames""#,
            &format!(r#"{}<svg id="frames""#, samples(root)),
            1,
        )
}

/// What an attribute of the text of this id says.
fn attribute_of<'a>(svg: &'a str, id: &str, name: &str) -> Option<&'a str> {
    let (_, text) = svg.split_once(&format!("<text id=\"{id}\""))?;
    let (tag, _) = text.split_once('>')?;
    let (_, value) = tag.split_once(&format!(" {name}=\""))?;
    value.split_once('"').map(|(value, _)| value)
}

/// The legend of the page, as the card has it.
fn samples(root: &Node) -> String {
    let mut x = 10;
    let mut drawn = String::new();
    for (whose, word) in kinds(root) {
        let (fill, ink, from) = (theme::hex(colour(whose)), theme::hex(theme::INK), x + 18);
        drawn += &format!(
            r#"<rect x="{x}" y="33" width="12" height="10" fill="{fill}"/><text x="{from}" y="42" fill="{ink}">{word}</text>"#
        );
        x += legend_width(word) + theme::APART;
    }
    drawn
}
