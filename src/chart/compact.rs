//! A drawing in fewer words: what plotters says for each mark is said once, outlines go step by step. Owns SVG's text and
//! no geometry: what is seen stays the same.

use std::fmt::Write;

use plotters::style::RGBColor;

use super::theme;

/// Half the height of small letters, of a text's size: how far below its middle a text stands.
const HALF_LETTER: f64 = 0.26;

/// The same drawing, shorter.
pub fn compact(svg: &str) -> String {
    let family = format!(" font-family=\"{}\"", theme::FAMILY);
    let RGBColor(red, green, blue) = theme::INK;
    let ink = format!(" fill=\"#{red:02X}{green:02X}{blue:02X}\"");
    let size = format!(" font-size=\"{}\"", theme::TEXT);
    let said_once = svg
        .replace("\n</text>", "</text>")
        .replace(" opacity=\"1\"", "")
        .replace(" stroke=\"none\"", "")
        .replace(" stroke-width=\"1\"", "")
        .replace(" text-anchor=\"start\"", "")
        .replace(" font-family=\"sans-serif\"", "");
    let mut marks: Vec<String> = Vec::new();
    let mut lines = said_once.lines();
    while let Some(line) = lines.next() {
        let mark = match line.strip_prefix("<text") {
            Some(text) => {
                standing(&text.replace(&size, "").replace(&ink, ""))
                    + lines.next().unwrap_or_default()
            }
            None => outline(line),
        };
        match marks.last_mut().and_then(|before| edged(before, &mark)) {
            Some(both) => _ = marks.pop().map(|_| marks.push(both)),
            None => marks.push(mark),
        }
    }
    let root = format!("<svg{family}{size}{ink} ");
    grouped(&marks).replacen("<svg ", &root, 1)
}

/// The start of a text, on the line that it stands on instead of half a letter above.
fn standing(attributes: &str) -> String {
    let moved = (|| {
        let text = attributes.replacen(" dy=\"0.5ex\"", "", 1);
        let (before, rest) = text.split_once(" y=\"")?;
        let (y, after) = rest.split_once('"')?;
        let size = (after.split_once("font-size=\""))
            .and_then(|(_, size)| size.split('"').next()?.parse().ok());
        let below = HALF_LETTER * size.unwrap_or(theme::TEXT);
        let y = y.parse::<f64>().ok()? + below;
        (text.len() < attributes.len()).then(|| format!("<text{before} y=\"{}\"{after}", y.round()))
    })();
    moved.unwrap_or_else(|| format!("<text{attributes}"))
}

/// A polygon or polyline as a path of steps, each from the point before.
fn outline(line: &str) -> String {
    let Some((head, points)) = line.split_once(" points=\"") else {
        return line.into();
    };
    let Some(path) = steps(points.trim_end_matches("/>").trim_end_matches('"')) else {
        return line.into();
    };
    let attributes = head
        .trim_start_matches("<polygon")
        .trim_start_matches("<polyline");
    format!("<path{attributes} d=\"{path}\"/>")
}

fn steps(points: &str) -> Option<String> {
    let mut path = String::new();
    let mut before: Option<(i32, i32)> = None;
    let mut is_aslant = false;
    for point in points.split_whitespace() {
        let (x, y) = point.split_once(',')?;
        let (x, y): (i32, i32) = (x.parse().ok()?, y.parse().ok()?);
        let (across, down) = before.map_or((x, y), |(old_x, old_y)| (x - old_x, y - old_y));
        // A String takes all that is written.
        _ = match (before, across, down) {
            (None, ..) => write!(path, "M{x} {y}"),
            (_, 0, 0) => Ok(()),
            (_, 0, _) => write!(path, "v{down}"),
            (_, _, 0) => write!(path, "h{across}"),
            _ => {
                let start = if !is_aslant {
                    "l"
                } else if across < 0 {
                    ""
                } else {
                    " "
                };
                let space = if down < 0 { "" } else { " " };
                write!(path, "{start}{across}{space}{down}")
            }
        };
        is_aslant = before.is_some()
            && ((across != 0 && down != 0) || (is_aslant && (across, down) == (0, 0)));
        before = Some((x, y));
    }
    Some(path)
}

/// A shape and its outline that come one after the other, as one.
fn edged(shape: &str, outline: &str) -> Option<String> {
    let (stroke, path) = (outline.strip_prefix("<path fill=\"none\"")?).split_once(" d=\"")?;
    let (fill, same) = shape.split_once(" d=\"")?;
    let is_filled = fill.starts_with("<path fill=\"#") && !fill.contains(" stroke");
    (is_filled && same == path).then(|| format!("{fill}{stroke} d=\"{path}"))
}

/// Texts in a row that look alike, under what is alike.
fn grouped(marks: &[String]) -> String {
    let mut svg = String::new();
    let mut rest = marks;
    while let [first, ..] = rest {
        let alike = look(first).map_or(0, |(_, look_of)| {
            (rest.iter())
                .take_while(|mark| look(mark).is_some_and(|(_, other)| other == look_of))
                .count()
        });
        let (run, after) = rest.split_at(alike.max(1));
        match look(first).filter(|(_, look)| run.len() > 1 && !look.is_empty()) {
            Some((_, attributes)) => {
                _ = writeln!(svg, "<g{attributes}>");
                for mark in run {
                    _ = writeln!(svg, "{}", mark.replacen(attributes, "", 1));
                }
                svg += "</g>\n";
            }
            None => run.iter().for_each(|mark| _ = writeln!(svg, "{mark}")),
        }
        rest = after;
    }
    svg
}

/// Where a text is, and how it looks.
fn look(mark: &str) -> Option<(&str, &str)> {
    let start = mark.strip_prefix("<text")?.split_once('>')?.0;
    let place = start.split_once(" y=\"")?.1.find('"')? + start.find(" y=\"")? + 5;
    Some(start.split_at(place))
}
