//! Charts as files: PNG of every chart, and several charts as one.

use cellheap::chart::column::column;
use cellheap::chart::raster::png;
use cellheap::chart::{cells, timeline};

use super::drawing::Drawing;
use super::reports::{MIB, mixed, report};

fn overview() -> String {
    cells::cells(&mixed(), 760).expect("it can be drawn").into()
}

/// Width and height that the file's header tells.
fn size(png: &[u8]) -> (u32, u32) {
    let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().expect("four bytes"));
    assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
    (number(16), number(20))
}

#[test]
fn a_png_is_as_large_as_the_chart_times_the_scale() {
    let svg = overview();
    let chart = Drawing::read(&cells::cells(&mixed(), 760).expect("it can be drawn"));
    let (width, height) = size(&png(&svg, 2.0).expect("it can be drawn"));
    assert_eq!(
        (f64::from(width), f64::from(height)),
        (2.0 * chart.width, 2.0 * chart.height)
    );
}

#[test]
fn words_are_in_the_picture() {
    let svg = overview();
    let blank = svg.replace("<text", "<desc").replace("</text", "</desc");
    let (with, without) = (png(&svg, 1.0), png(&blank, 1.0));
    assert_ne!(
        with.expect("it can be drawn"),
        without.expect("it can be drawn")
    );
}

#[test]
fn charts_lie_under_each_other() {
    let (one, two) = (overview(), timeline::timeline(&report(9 * MIB, MIB), 760));
    let two: String = two.expect("it can be drawn").into();
    let both: String = column(&[one.clone(), two.clone()])
        .expect("they tell their sizes")
        .into();
    let heights = [one, two, both].map(|svg| size(&png(&svg, 1.0).expect("it can be drawn")).1);
    assert_eq!(heights[2], heights[0] + heights[1]);
}

#[test]
fn what_is_no_chart_is_refused() {
    assert!(column(&["<svg>".into()]).is_err());
    assert!(png("no picture", 1.0).is_err());
}
