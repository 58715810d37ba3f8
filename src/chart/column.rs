//! Charts under each other, as one drawing for a file. Knows of a chart no more than its size.

use std::fmt::Write;

use super::{ChartError, Svg};

/// The charts as one, each under the one before.
///
/// # Errors
/// If one of them does not begin with its width and height.
pub fn column(charts: &[String]) -> Result<Svg, ChartError> {
    let (mut width, mut height, mut body) = (0, 0, String::new());
    for chart in charts {
        let (Some(across), Some(down)) = (size(chart, "width"), size(chart, "height")) else {
            return Err(ChartError::drawing("a chart does not tell its size"));
        };
        let placed = chart.replacen("<svg ", &format!("<svg y=\"{height}\" "), 1);
        write!(body, "{placed}").map_err(ChartError::drawing)?;
        (width, height) = (width.max(across), height + down);
    }
    let head = format!(
        r#"<svg width="{width}" height="{height}" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">"#
    );
    Ok(Svg::from_text(head + &body + "</svg>\n"))
}

/// The number that an attribute of the drawing itself has.
fn size(chart: &str, attribute: &str) -> Option<u32> {
    let (head, _) = chart.split_once('>')?;
    let (_, value) = head.split_once(&format!(" {attribute}=\""))?;
    value.split_once('"')?.0.parse().ok()
}
