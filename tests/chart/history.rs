//! The stack of live memory by origin: what a history says is what the drawing shows.

use cellheap::chart::{Svg, history::history};
use cellheap::heap::report::{History, Layer, Moment};
use proptest::prelude::*;

use super::drawing::{Drawing, contrast};
use super::reports::MIB;

/// Layers by label and what was live of each at the end of In[1], In[2] and so on, the last of it now.
fn made(layers: &[(&str, Vec<u64>)], others: u64) -> History {
    let count = layers.first().map_or(0, |(_, live)| live.len());
    let total = |at: usize| layers.iter().map(|(_, live)| live[at]).sum::<u64>() + others;
    let moment = |at: usize| Moment {
        cell: at as u32 + 1,
        label: if at + 1 == count {
            "now".into()
        } else {
            format!("In[{}]", at + 1)
        },
        number: (at + 1 < count).then_some(at as u32 + 1),
        ends: 1,
        live: total(at),
    };
    History {
        moments: (0..count).map(moment).collect(),
        layers: layers
            .iter()
            .map(|(label, live)| Layer {
                label: (*label).into(),
                live: live.clone(),
                ..Layer::default()
            })
            .collect(),
    }
}

fn svg(report: &History) -> Svg {
    history(report, 760).expect("a history can be drawn")
}

fn three() -> History {
    made(
        &[
            ("In[1]", vec![8 * MIB, 8 * MIB, 8 * MIB, 0, 0]),
            ("In[2]", vec![0, 4 * MIB, 4 * MIB, 4 * MIB, 4 * MIB]),
            ("In[3]", vec![0, 0, 2 * MIB, 2 * MIB, MIB]),
        ],
        0,
    )
}

#[test]
fn a_layer_has_its_bytes_and_goes_where_it_was_freed() {
    let chart = Drawing::read(&svg(&three()));
    let swatch = 12.0 * 10.0;
    let (first, second) = (
        chart.area("#0072B2") - swatch,
        chart.area("#C97B00") - swatch,
    );
    // Three ends of 8 MiB. The layer above goes down to the ground behind it: two ends of 12 MiB, two of 4 MiB.
    assert!(
        (first / second - 24.0 / 32.0).abs() < 0.03,
        "{first} and {second}"
    );
    assert!(chart.says("In[1]") && chart.says("now") && chart.says("14.0 MiB"));
    assert_eq!((chart.clipped(), chart.collisions()), (vec![], vec![]));
}

#[test]
fn what_is_too_thin_to_be_seen_is_not_in_the_legend() {
    let chart = Drawing::read(&svg(&made(
        &[("In[1]", vec![8 * MIB; 3]), ("In[2]", vec![0, 72, 72])],
        100,
    )));
    assert!(chart.says("In[1]") && chart.says("8.00 MiB"));
    let is_told = |words: &str| chart.words.iter().filter(|word| word.text == words).count() > 1;
    assert!(!is_told("In[2]") && !chart.says("other cells"));
}

#[test]
fn words_in_layers_stand_out() {
    let live = |at: u64| vec![MIB * (at + 4); 3];
    let labels: Vec<String> = (1..=7).map(|number| format!("In[{number}]")).collect();
    let layers: Vec<_> = labels
        .iter()
        .zip(0..)
        .map(|(label, at)| (label.as_str(), live(at)))
        .collect();
    let svg = svg(&made(&layers, 9 * MIB));
    let chart = Drawing::read(&svg);
    let named: Vec<_> = chart
        .words
        .iter()
        .filter(|word| word.text == "In[4]")
        .collect();
    assert_eq!(named.len(), 2, "in the legend and in its layer");
    for (mark, word) in [
        ("#0072B2", "#FFFFFF"),
        ("#C97B00", "#1F2328"),
        ("#007052", "#FFFFFF"),
        ("#CC79A7", "#1F2328"),
        ("#5B3A8E", "#FFFFFF"),
        ("#3F9BD1", "#1F2328"),
        ("#7A2E0E", "#FFFFFF"),
        ("#8C8C8C", "#1F2328"),
    ] {
        assert!(svg.as_str().contains(mark), "{mark} is in use");
        assert!(contrast(mark, "#FFFFFF") >= 3.0, "{mark}");
        assert!(contrast(mark, word) >= 4.5, "{word} on {mark}");
    }
}

#[test]
fn shared_moments_are_told_of_and_nothing_is_a_chart_too() {
    let mut many = three();
    many.moments[0].ends = 157;
    let told = Drawing::read(&svg(&many));
    assert!(
        told.words
            .iter()
            .any(|word| word.text.contains("157 cells"))
    );
    let mut thousands = made(&[("In[9]", vec![MIB; 64])], 0);
    for (moment, at) in thousands.moments[..63].iter_mut().zip(0..) {
        (moment.number, moment.ends) = (Some(at * 159 + 80), 159);
        moment.label = format!("In[{}]", at * 159 + 80);
    }
    let chart = Drawing::read(&svg(&thousands));
    assert!(chart.says("1000") && chart.says("9000") && chart.says("now"));
    assert_eq!(chart.collisions(), vec![]);
    let none = Drawing::read(&svg(&History::default()));
    assert!(none.says("No cell has ended yet."));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_was_live_its_chart_is_whole(
        heights in proptest::collection::vec(proptest::collection::vec(0u64..1 << 40, 64), 0..8),
        others in 0u64..1 << 40, count in 1usize..65, width in 560i32..1_600,
    ) {
        let labels: Vec<String> = (0..heights.len()).map(|at| format!("(after {})", at * 10_000)).collect();
        let layers: Vec<_> = (labels.iter().zip(&heights))
            .map(|(label, live)| (label.as_str(), live[..count].to_vec()))
            .collect();
        let svg = history(&made(&layers, others), width).expect("a history can be drawn");
        let chart = Drawing::read(&svg);
        prop_assert_eq!(chart.clipped(), Vec::<String>::new());
        prop_assert_eq!(chart.collisions(), vec![]);
        prop_assert!(svg.as_str().len() < 24_000, "{}", svg.as_str().len());
    }
}
