//! The last minute of a process, and what is shown of one that runs.

use cellheap::chart::{last::last, output};
use cellheap::heap::last::{Holder, Last, Place, Sample, Words};
use cellheap::heap::pressure::{By, Limit};
use proptest::prelude::*;

use super::drawing::{ALLOCATED, Drawing, LIVE, PEAK};
use super::reports::{MIB, report};

fn words(by: By, bytes: u64, lives: &[u64]) -> Last {
    let sample = |(at, live): (usize, &u64)| Sample {
        at: 1000.0 + at as f64 / 4.0,
        live: *live,
        rss: live / 2,
        used: Some(*live),
    };
    let used = lives.last().copied().unwrap_or(0);
    Last {
        words: Words {
            limits: vec![Limit { by, bytes, used }],
            samples: lives.iter().enumerate().map(sample).collect(),
            ..Words::default()
        },
        ..Last::default()
    }
}

fn drawn(words: &Last) -> Drawing {
    Drawing::read(&last(words, 760).expect("drawn").expect("there are samples"))
}

#[test]
fn the_limit_is_drawn_where_memory_came_near_to_it() {
    let near = drawn(&words(By::Container, 100 * MIB, &[MIB, 50 * MIB, 99 * MIB]));
    assert!(near.says("limit 100 MiB") && near.says("used in the container"));
    let limit = near.stroked(PEAK)[0].1;
    // What is left of the axis is the legend.
    let curve = near.stroked(LIVE).into_iter().filter(|(x, _)| *x > 62.0);
    let highest = curve.map(|(_, y)| y).fold(f64::INFINITY, f64::min);
    assert!(
        limit < highest,
        "the limit at {limit} is over the curve, that reaches {highest}"
    );
    let far = drawn(&words(By::Machine, 1 << 40, &[MIB, 50 * MIB]));
    assert!(far.stroked(PEAK).is_empty() && !far.says("used in the container"));
}

#[test]
fn what_was_used_of_another_limit_is_not_drawn() {
    let mut words = words(By::Container, 100 * MIB, &[50 * MIB; 4]);
    words.words.samples[0].used = None;
    words.words.samples[1].used = None;
    let drawing = drawn(&words);
    let first = |colour| {
        let curve = drawing.stroked(colour).into_iter();
        curve
            .map(|(x, _)| x)
            .filter(|x| *x > 62.0)
            .fold(f64::INFINITY, f64::min)
    };
    let middle = first(ALLOCATED);
    assert!(first(LIVE) + 100.0 < middle, "it begins at {middle}");
}

#[test]
fn times_are_before_the_end_and_have_no_sign() {
    let drawing = drawn(&words(By::Machine, 1 << 40, &[MIB; 17]));
    let times = drawing
        .words
        .iter()
        .filter(|word| word.text.ends_with(" s"));
    let times: Vec<&str> = times.map(|word| word.text.as_str()).collect();
    assert_eq!(times, ["3.0 s", "2.0 s", "1.0 s"]);
}

#[test]
fn without_two_samples_there_is_no_chart() {
    for lives in [&[][..], &[MIB][..]] {
        assert_eq!(
            last(&words(By::Container, MIB, lives), 760).expect("no error"),
            None
        );
    }
}

#[test]
fn a_warning_names_limit_cell_line_and_the_three_biggest() {
    let place = |name: &str, line, function: &str| Place {
        name: name.into(),
        file: "/tmp/ipykernel_1/5.py".into(),
        line,
        function: function.into(),
    };
    let holder = |origin: &str, place: Place, live| Holder {
        origin: origin.into(),
        place,
        live,
    };
    let holders = [
        holder("In[2]", place("In[2]", 3, "<module>"), 300 * MIB),
        holder("In[2]", place("In[1]", 7, "load<T>"), 20 * MIB),
        holder("", place("", 1, "f"), MIB),
    ];
    let limit = Limit {
        by: By::Container,
        bytes: 400 * MIB,
        used: 364 * MIB,
    };
    let (html, text) = output::warning(&limit, "In[2]", &place("In[2]", 3, "<module>"), &holders);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[..5],
        [
            "Memory is nearly used up: 364 MiB of 400 MiB (91%), the container's limit, while In[2] runs (line 3).",
            "The most is held by",
            "    300 MiB  In[2], line 3",
            "   20.0 MiB  In[2], in In[1], line 7 in load<T>",
            "   1.00 MiB  5.py, line 1 in f",
        ]
    );
    assert!(html.contains("load&lt;T&gt;") && !html.contains("load<T>"));
    roxmltree::Document::parse(&html).expect("tags that close");
}

#[test]
fn a_cell_that_runs_is_shown_by_sentence_chart_and_lines() {
    let report = report(12 * MIB, 4 * MIB);
    let (html, text) = output::cell(&report, |_| String::new()).expect("drawn");
    assert!(
        text.contains("has run for") && text.contains("peak 12.0 MiB"),
        "{text}"
    );
    assert!(html.contains("data:image/svg+xml;base64,") && html.len() < 50_000);
    roxmltree::Document::parse(&html).expect("tags that close");
}

proptest! {
    #[test]
    fn any_last_minute_is_drawn_on_its_card(
        lives in prop::collection::vec(any::<u64>(), 2..60),
        bytes: u64,
        width in 560..1200_i32,
    ) {
        let svg = last(&words(By::Container, bytes, &lives), width).expect("drawn").expect("samples");
        let chart = Drawing::read(&svg);
        for shape in &chart.shapes {
            for (x, y) in &shape.points {
                prop_assert!(*x >= 0.0 && *x <= chart.width && *y >= 0.0 && *y <= chart.height);
            }
        }
    }
}
