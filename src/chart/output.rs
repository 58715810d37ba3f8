//! What is shown while a cell runs, when Python cannot be asked: the chart of the cell, the warning that memory is short.
//! As HTML that an untrusted notebook shows too (no script, no ids, hex colours), and as text for a terminal.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::heap::last::{Holder, Place};
use crate::heap::pressure::{By, Limit};
use crate::heap::report::{CellReport, Line};

use super::bytes::bytes_text;
use super::theme::hex;
use super::{ChartError, theme, timeline};

const WIDTH: i32 = 760;
/// Lines that are named under the chart.
const LINES: usize = 3;

/// A cell that runs. `name` says how a file is named; empty where it is no cell's.
///
/// # Errors
/// plotters' own.
pub fn cell(
    report: &CellReport,
    name: impl Fn(&str) -> String,
) -> Result<(String, String), ChartError> {
    let cell = &report.cell;
    // Of the same moment as the lines; the timeline's last point is somewhat older.
    let live = cell.net.max(0).unsigned_abs();
    let sentence = format!(
        "{} has run for {:.1} s: {} live above its start, peak {}.",
        cell.label,
        cell.seconds,
        bytes_text(live.into()),
        bytes_text(cell.peak.into()),
    );
    let mut most: Vec<&Line> = report.lines.iter().filter(|line| line.live > 0).collect();
    most.sort_by_key(|line| std::cmp::Reverse(line.live));
    let lines: Vec<String> = (most.iter().take(LINES))
        .map(|line| {
            let place = Place {
                name: name(&line.file),
                file: line.file.clone(),
                line: line.line,
                function: line.function.clone(),
            };
            format!(
                "{}: {}",
                place_text(&place, &cell.label),
                bytes_text(line.live.into())
            )
        })
        .collect();
    let svg = String::from(timeline::timeline(report, WIDTH)?);
    let holds = if lines.is_empty() {
        String::new()
    } else {
        format!("Of that, {}.", lines.join("; "))
    };
    let html = boxed(
        theme::EDGE,
        &sentence,
        &format!(
            "{}{}",
            image(&svg, &format!("Live bytes of {} so far", cell.label)),
            paragraph(&holds)
        ),
    );
    Ok((html, [sentence, holds].join("\n").trim_end().to_owned()))
}

/// A limit that is nearly reached while `cell` runs, where its code stands, and who holds the most.
pub fn warning(limit: &Limit, cell: &str, place: &Place, holders: &[Holder]) -> (String, String) {
    let sentence = format!(
        "Memory is nearly used up: {}, while {cell} runs{}.",
        used_text(limit),
        match place.line {
            0 => String::new(),
            _ => format!(" ({})", place_text(place, cell)),
        }
    );
    let holds: Vec<(String, String)> = (holders.iter())
        .map(|holder| (holder_text(holder), bytes_text(holder.live.into())))
        .collect();
    let advice = advice(limit.by);
    let html = boxed(
        theme::PEAK,
        &sentence,
        &(table(&holds) + &paragraph(advice)),
    );
    let rows = holds.iter().fold(String::new(), |mut rows, (who, bytes)| {
        // A String takes all that is written.
        let _ = write!(rows, "\n  {bytes:>9}  {who}");
        rows
    });
    let most = if rows.is_empty() {
        ""
    } else {
        "\nThe most is held by"
    };
    (html, format!("{sentence}{most}{rows}\n{advice}"))
}

/// `3.65 GiB of 4.00 GiB (91%), the container's limit`.
pub fn used_text(limit: &Limit) -> String {
    let of = match limit.by {
        By::Container => "the container's limit",
        By::AddressSpace => "the limit on address space (ulimit -v)",
        By::Machine => "this machine's memory",
        By::Notebook => "the notebook's own limit (%memtrace limit)",
    };
    format!(
        "{} of {} ({:.0}%), {of}",
        bytes_text(limit.used.into()),
        bytes_text(limit.bytes.into()),
        limit.share() * 100.0,
    )
}

fn advice(by: By) -> &'static str {
    match by {
        By::Notebook => {
            "At the limit the cell gets a CellMemoryLimit; variables stay. `%gcclear NAME` lets go of one."
        }
        _ => {
            "At the limit the kernel may be killed, and every variable is lost. Interrupt the cell now to keep them; \
             `%memtrace live` says who holds what, and `%gcclear NAME` lets go of it."
        }
    }
}

/// `In[12], line 3`, of what a line of the cell or of a function of another cell holds.
fn holder_text(holder: &Holder) -> String {
    let place = place_text(&holder.place, &holder.origin);
    if holder.origin.is_empty() || holder.place.name == holder.origin {
        return format!("{}, {place}", holder.origin)
            .trim_start_matches(", ")
            .to_owned();
    }
    format!("{}, in {place}", holder.origin)
}

/// The line, with its file where that is not `at_home`'s own, and its function where it is in one.
fn place_text(place: &Place, at_home: &str) -> String {
    if place.line == 0 {
        return place.function.clone();
    }
    let file = match &place.name[..] {
        "" => format!("{}, ", place.file.rsplit('/').next().unwrap_or_default()),
        name if name == at_home => String::new(),
        name => format!("{name}, "),
    };
    let function = match &place.function[..] {
        "" | "<module>" => String::new(),
        function => format!(" in {function}"),
    };
    format!("{file}line {}{function}", place.line)
}

fn boxed(edge: plotters::style::RGBColor, sentence: &str, inner: &str) -> String {
    format!(
        "<div style=\"background:{};color:{};border:1px solid {};border-left:4px solid {};border-radius:6px;\
         padding:10px 14px;margin:4px 0;max-width:800px;overflow-x:auto;font-size:13px;line-height:1.4;\
         text-align:left\"><p style=\"margin:0 0 6px 0;color:{};font-size:14px\"><b>{}</b></p>{inner}</div>",
        hex(theme::CARD),
        hex(theme::INK),
        hex(theme::EDGE),
        hex(edge),
        hex(theme::INK),
        escaped(sentence),
    )
}

fn paragraph(words: &str) -> String {
    if words.is_empty() {
        return String::new();
    }
    let ink = hex(theme::INK);
    format!(
        "<p style=\"margin:6px 0;color:{ink}\">{}</p>",
        escaped(words)
    )
}

fn table(rows: &[(String, String)]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let (card, ink, quiet) = (hex(theme::CARD), hex(theme::INK), hex(theme::QUIET));
    let body = rows.iter().fold(String::new(), |mut body, (who, bytes)| {
        // A String takes all that is written.
        let _ = write!(
            body,
            "<tr style=\"background:{card}\"><th scope=\"row\" style=\"text-align:left;font-weight:normal;\
             padding:2px 16px 2px 0\">{}</th><td style=\"text-align:right;padding:2px 0\">{}</td></tr>",
            escaped(who),
            escaped(bytes)
        );
        body
    });
    format!(
        "<table style=\"border-collapse:collapse;margin:4px 0;color:{ink};font-size:13px\"><caption \
         style=\"text-align:left;color:{quiet};padding:2px 0\">The most is held by</caption><tbody>{body}</tbody></table>"
    )
}

fn image(svg: &str, alt: &str) -> String {
    format!(
        "<img alt=\"{}\" style=\"max-width:100%;margin:6px 0\" src=\"data:image/svg+xml;base64,{}\"/>",
        escaped(alt),
        STANDARD.encode(svg)
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
