use cellheap::chart::{Svg, cells::cells};
use cellheap::heap::report::{Cell, Overview, State};
use proptest::prelude::*;

use super::drawing::{ALLOCATED, Drawing, LIVE, PEAK, contrast};
use super::reports::{MIB, cell, mixed, overview};

fn drawn(report: &Overview) -> Drawing {
    Drawing::read(&svg(report))
}

fn svg(report: &Overview) -> Svg {
    cells(report, 760).expect("a report can be drawn")
}

#[test]
fn five_cells_are_drawn_as_before() {
    insta::assert_snapshot!(svg(&mixed()).as_str());
}

#[test]
fn a_later_cell_that_frees_changes_the_earlier_bar() {
    let before = drawn(&overview(vec![cell(1, 8 * MIB, 8 * MIB), cell(2, 0, 0)]));
    let mut first = cell(1, 8 * MIB, 8 * MIB);
    first.live = 2 * MIB;
    let after = drawn(&overview(vec![first, cell(2, 0, 0)]));
    let swatch = 2.0 * 12.0 * 10.0;
    let (whole, rest) = (before.area(LIVE) - swatch, after.area(LIVE) - swatch);
    assert!(
        (rest / whole - 0.25).abs() < 0.02,
        "a quarter is left: {rest} of {whole}"
    );
}

#[test]
fn bars_and_peaks_say_their_numbers_where_there_is_room() {
    let few = drawn(&mixed());
    assert!(few.says("8.00 MiB") && few.says("In[1]") && few.says("failed") && few.says("running"));
    assert!(few.says("not traced") && few.area(PEAK) > 0.0 && few.area(ALLOCATED) > 0.0);
}

#[test]
fn labels_are_thinned_where_there_are_many_cells() {
    let chart = drawn(&overview(
        (1..=60).map(|number| cell(number, MIB, 0)).collect(),
    ));
    assert!(chart.says("5") && chart.says("60") && !chart.says("7") && !chart.says("In[60]"));
    assert_eq!(chart.collisions(), []);
}

#[test]
fn hundreds_of_cells_share_bars_and_the_title_says_so() {
    let report = overview(
        (1..=350)
            .map(|number| cell(number, u64::from(number) * MIB, MIB))
            .collect(),
    );
    assert!(
        drawn(&report)
            .words
            .iter()
            .any(|word| word.text.contains("a bar is 6 cells"))
    );
    assert!(svg(&report).as_str().len() < 24_000);
    for number in ["1", "100", "300"] {
        assert!(
            drawn(&report).says(number),
            "the bar that has In[{number}] is named"
        );
    }
}

#[test]
fn one_cell_and_none_are_charts_too() {
    assert!(drawn(&overview(vec![cell(1, MIB, 0)])).says("In[1]"));
    assert!(
        drawn(&overview(Vec::new()))
            .words
            .iter()
            .any(|word| word.text.contains("no cell"))
    );
}

#[test]
fn a_byte_beside_a_tebibyte_is_still_seen() {
    let chart = drawn(&overview(vec![cell(1, 1, 1), cell(2, 1 << 40, 1 << 40)]));
    assert!(chart.says("1 B") && chart.says("1.00 TiB") && chart.says("512 GiB"));
    let zero = chart
        .stroked(LIVE)
        .iter()
        .map(|(_, y)| *y)
        .fold(0.0, f64::max);
    assert!(
        chart.stroked(LIVE).iter().any(|(_, y)| *y == zero - 1.0),
        "a bar of one pixel"
    );
}

#[test]
fn words_and_marks_stand_out_from_the_card() {
    let chart = drawn(&mixed());
    for word in &chart.words {
        assert!(contrast(&word.fill, "#FFFFFF") >= 4.5, "{word:?}");
    }
    for mark in [LIVE, PEAK, ALLOCATED, "#008763", "#8C8C8C"] {
        assert!(svg(&mixed()).as_str().contains(mark), "{mark} is in use");
        assert!(contrast(mark, "#FFFFFF") >= 3.0, "{mark}");
    }
}

fn any_cell() -> impl Strategy<Value = Cell> {
    let size = prop_oneof![Just(0u64), 1u64..4096, 0u64..1 << 42];
    let state = prop_oneof![Just(State::Done), Just(State::Failed), Just(State::Running)];
    let rss = proptest::option::of(0u64..1 << 40);
    (
        (size.clone(), size.clone(), size.clone(), size),
        state,
        any::<bool>(),
        (rss.clone(), rss),
    )
        .prop_map(
            |((allocated, freed, peak, live), state, traced, (start, end))| Cell {
                allocated,
                freed,
                net: allocated.cast_signed() - freed.cast_signed(),
                peak,
                live,
                live_at_end: live,
                state,
                traced,
                rss_start: start,
                rss_peak: start.max(end),
                rss_end: end,
                ..Cell::default()
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_a_notebook_did_its_chart_is_whole(
        made in proptest::collection::vec(any_cell(), 0..200), from in 1u32..5_000, width in 560i32..1_600,
    ) {
        let named = made.into_iter().zip(from..).map(|(cell, number)| Cell {
            number: Some(number),
            label: format!("In[{number}]"),
            ..cell
        });
        let svg = cells(&overview(named.collect()), width).expect("a report can be drawn");
        let chart = Drawing::read(&svg);
        prop_assert_eq!(chart.clipped(), Vec::<String>::new());
        prop_assert_eq!(chart.collisions(), vec![]);
        prop_assert!(width > 760 || svg.as_str().len() < 24_000, "{}", svg.as_str().len());
    }
}
