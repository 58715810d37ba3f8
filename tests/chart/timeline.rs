use cellheap::chart::timeline::timeline;
use cellheap::heap::report::{CellReport, Point, Share};
use proptest::prelude::*;

use super::drawing::{Drawing, LIVE, PEAK};
use super::reports::{MIB, report};

fn drawn(report: &CellReport) -> Drawing {
    Drawing::read(&timeline(report, 760).expect("a report can be drawn"))
}

#[test]
fn a_timeline_is_drawn_as_before() {
    insta::assert_snapshot!(
        timeline(&report(12 * MIB, 4 * MIB), 760)
            .expect("drawn")
            .as_str()
    );
}

#[test]
fn the_peak_is_the_exact_one_and_no_sample() {
    let chart = drawn(&report(12 * MIB, 4 * MIB));
    assert!(chart.says("peak 12.0 MiB"));
    let (peak, highest) = (top(&chart, PEAK), top(&chart, LIVE));
    assert!(
        peak < highest,
        "the mark at {peak} is over the samples, that reach {highest}"
    );
}

fn top(chart: &Drawing, colour: &str) -> f64 {
    chart
        .stroked(colour)
        .iter()
        .map(|(_, y)| *y)
        .fold(f64::INFINITY, f64::min)
}

#[test]
fn an_old_cell_without_samples_still_has_its_peak() {
    let old = CellReport {
        timeline: Vec::new(),
        ..report(12 * MIB, 0)
    };
    let chart = drawn(&old);
    assert!(
        chart.says("peak 12.0 MiB")
            && chart.says("No timeline is kept of this cell; its peak is exact.")
    );
}

#[test]
fn a_cell_that_frees_more_than_it_makes_falls_under_zero() {
    let mut falls = report(MIB, 0);
    falls.timeline = vec![
        Point {
            at: 0.0,
            live: 0,
            rss: 7,
        },
        Point {
            at: 1.0,
            live: -(8 << 20),
            rss: 7,
        },
    ];
    assert!(drawn(&falls).says("-8 MiB"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_a_cell_did_its_timeline_is_whole(
        steps in proptest::collection::vec((1e-7f64..100.0, -(1i64 << 42)..1 << 42, 0u64..1 << 42), 0..240),
        peak in 0u64..1 << 42, width in 560i32..1_600,
    ) {
        let mut at = 0.0;
        let mut any = report(peak, 0);
        any.timeline = steps.into_iter().map(|(step, live, rss)| {
            at += step;
            Point { at, live, rss }
        }).collect();
        let chart = Drawing::read(&timeline(&any, width).expect("a report can be drawn"));
        prop_assert_eq!(chart.clipped(), Vec::<String>::new());
        prop_assert_eq!(chart.collisions(), vec![]);
    }
}

#[test]
fn the_peak_is_split_by_allocator_where_there_are_several() {
    let share = |allocator: &str, peak: u64| Share {
        allocator: allocator.into(),
        peak,
        ..Share::default()
    };
    let mut both = report(8 * MIB, MIB);
    both.shares = vec![
        share("malloc", 3 * MIB),
        share("pymalloc", 2 * MIB),
        share("malloc", 3 * MIB),
    ];
    let drawing = Drawing::read(&timeline(&both, 760).expect("it can be drawn"));
    assert!(drawing.says("malloc 6.00 MiB") && drawing.says("pymalloc 2.00 MiB"));
    assert!((drawing.area("#007052") / drawing.area("#0072B2") - 3.0).abs() < 0.3);
    assert!(drawing.clipped().is_empty() && drawing.collisions().is_empty());
    let mut one = report(8 * MIB, MIB);
    one.shares = vec![share("pymalloc", 8 * MIB), share("malloc", 500)];
    assert!(!Drawing::read(&timeline(&one, 760).expect("it can be drawn")).says("at peak"));
}
