use std::collections::HashMap;

use cellheap::chart::lines::{Source, lines};
use cellheap::heap::report::{CellReport, Line};
use proptest::prelude::*;

use super::drawing::{ALLOCATED, Drawing, LIVE, PEAK};
use super::reports::{MIB, line, report};

fn source(code: &[&str]) -> Source {
    Source {
        file: "5.py".into(),
        lines: code.iter().map(|line| (*line).to_owned()).collect(),
        names: HashMap::from([("2.py".to_owned(), "In[2]".to_owned())]),
    }
}

fn with(lines: Vec<Line>) -> CellReport {
    CellReport {
        lines,
        ..report(12 * MIB, 4 * MIB)
    }
}

fn drawn(report: &CellReport, source: &Source) -> Drawing {
    Drawing::read(&lines(report, source, 760).expect("a report can be drawn"))
}

#[test]
fn a_source_is_drawn_as_before() {
    let deep = Line {
        function: "(deep library recursion)".into(),
        ..line("", 0, 4096, 0)
    };
    let report = with(vec![
        line("5.py", 2, 12 * MIB, 4 * MIB),
        line("2.py", 7, MIB, 0),
        deep,
    ]);
    let code = source(&[
        "for k in range(3):",
        "\tq.append('<&>' * k)  # tab",
        "print(len(q))",
        "",
    ]);
    insta::assert_snapshot!(lines(&report, &code, 760).expect("drawn").as_str());
}

#[test]
fn each_line_has_its_bytes_in_words_and_as_bars() {
    let chart = drawn(
        &with(vec![line("5.py", 2, 12 * MIB, 3 * MIB)]),
        &source(&["a = 1", "b = list(c)"]),
    );
    assert!(chart.says("b = list(c)") && chart.says("12.0 MiB") && chart.says("3.00 MiB"));
    for colour in [ALLOCATED, PEAK, LIVE] {
        assert_eq!(
            chart.area(colour),
            500.0,
            "the biggest bar of a column is as long as there is room"
        );
    }
}

#[test]
fn code_from_elsewhere_is_named_under_the_source() {
    let helper = Line {
        function: "helper".into(),
        ..line("2.py", 7, MIB, MIB)
    };
    let chart = drawn(
        &with(vec![line("5.py", 1, MIB, 0), helper]),
        &source(&["helper()"]),
    );
    assert!(chart.says("In[2], line 7 in helper") && chart.says("Code from elsewhere that it ran"));
}

#[test]
fn code_that_is_too_long_ends_in_an_ellipsis() {
    let chart = drawn(&with(Vec::new()), &source(&["x".repeat(400).as_str()]));
    assert!(
        chart
            .words
            .iter()
            .any(|word| word.text.starts_with("xxx") && word.text.ends_with('…'))
    );
    assert_eq!(chart.clipped(), Vec::<String>::new());
}

#[test]
fn of_a_long_source_the_lines_with_memory_are_shown() {
    let code = vec!["pass"; 900];
    let chart = drawn(
        &with(vec![line("5.py", 400, MIB, 0), line("5.py", 2, MIB, 0)]),
        &source(&code),
    );
    assert!(
        chart.says("400")
            && chart.says("2")
            && chart.says("lines 3 to 399 not shown")
            && chart.height < 200.0
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_code_makes_a_whole_chart(
        code in proptest::collection::vec(any::<String>(), 0..60),
        made in proptest::collection::vec((0u32..80, 0u64..1 << 42, any::<bool>()), 0..60),
        width in 600i32..1_600,
    ) {
        let rows = made.into_iter().map(|(number, n, own)| line(if own { "5.py" } else { "2.py" }, number, n, n / 2));
        let given = source(&code.iter().map(String::as_str).collect::<Vec<_>>());
        let svg = lines(&with(rows.collect()), &given, width).expect("a report can be drawn");
        let clipped = Drawing::read(&svg).clipped();
        prop_assert_eq!(clipped, Vec::<String>::new());
    }
}
