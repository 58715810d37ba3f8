//! Flame graphs: the widths are the bytes, nothing is lost where there is no room, other viewers can read the text.

use std::collections::HashMap;

use cellheap::chart::flame::{flame, page};
use cellheap::chart::stacks::{Measure, Names, Node, folded, text, tree};
use cellheap::heap::report::Stacks;
use roxmltree::Document;

use super::drawing::Drawing;
use super::reports::{MIB, stack, stacks};

const NOTEBOOK: &str = "#0072B2";
const LIBRARY: &str = "#A84900";
const INFERNO: &str = "http://github.com/jonhoo/inferno";
const NATIVE: &str = "#007052";

fn names() -> Names {
    HashMap::from([
        ("5.py".into(), "In[5]".into()),
        ("/lib/json/decoder.py".into(), "json/decoder.py".into()),
    ])
}

fn two_lines() -> Stacks {
    stacks(vec![
        stack(1, &[], MIB),
        stack(3, &["decode", "raw_decode"], 3 * MIB),
    ])
}

/// How wide the frames of a colour are together, without its sample in the legend.
fn across(drawing: &Drawing, fill: &str) -> f64 {
    (drawing.area(fill) - 12.0 * 10.0) / 18.0
}

fn drawn(stacks: &Stacks, most: usize) -> Drawing {
    let root = tree(stacks, &names(), Measure::Peak, most);
    Drawing::read(&flame(&root, "In[5]", 760).expect("it can be drawn"))
}

#[test]
fn a_frame_is_as_wide_as_its_bytes() {
    let drawing = drawn(&two_lines(), 60);
    assert!(
        (across(&drawing, NOTEBOOK) - 744.0).abs() < 5.0,
        "both lines fill the card"
    );
    assert!(
        (across(&drawing, LIBRARY) - 2.0 * 744.0 * 0.75).abs() < 5.0,
        "two frames of three quarters"
    );
    assert!(drawing.clipped().is_empty() && drawing.collisions().is_empty());
}

#[test]
fn frames_are_named_as_everywhere_with_their_size() {
    let drawing = drawn(&two_lines(), 60);
    let words: Vec<&str> = drawing
        .words
        .iter()
        .map(|word| word.text.as_str())
        .collect();
    let named = |name: &str, size: &str| {
        words
            .iter()
            .any(|words| words.starts_with(name) && words.ends_with(size))
    };
    assert!(named("In[5], line 3", "3.00 MiB"), "{words:?}");
    assert!(
        named("json/decoder.py, line 2 in raw_decode", "3.00 MiB"),
        "{words:?}"
    );
}

#[test]
fn a_native_allocator_is_under_the_function_that_called_it() {
    let mut report = two_lines();
    report.stacks[1].allocator = "malloc".into();
    report.stacks[1].object =
        "/lib/numpy/_core/_multiarray_umath.cpython-312-x86_64-linux-gnu.so".into();
    let drawing = drawn(&report, 60);
    assert!((across(&drawing, NATIVE) - 744.0 * 0.75).abs() < 5.0);
    assert!(
        folded(&report, &names(), Measure::Peak)
            .contains(";malloc in _multiarray_umath.so 3145728\n")
    );
}

#[test]
fn what_has_no_room_is_one_frame_and_the_sum_stays() {
    let many = stacks(
        (1..=100)
            .map(|line| stack(line, &["decode"], u64::from(line)))
            .collect(),
    );
    let root = tree(&many, &names(), Measure::Peak, 20);
    let last = root.under.last().expect("there are frames");
    assert_eq!(
        (root.bytes, last.name.as_str()),
        (5050, "90 smaller stacks")
    );
    assert_eq!(
        root.under.iter().map(|under| under.bytes).sum::<u64>(),
        5050
    );
    assert_eq!(count(&root), 1 + 20 + 1);
}

fn count(node: &Node) -> usize {
    1 + node.under.iter().map(count).sum::<usize>()
}

#[test]
fn of_a_deep_stack_the_middle_is_left_out_in_drawings_only() {
    let deep: Vec<String> = (0..63).map(|at| format!("call_{at}")).collect();
    let deep: Vec<&str> = deep.iter().map(String::as_str).collect();
    let report = stacks(vec![stack(1, &deep, MIB)]);
    let root = tree(&report, &names(), Measure::Peak, 60);
    assert_eq!(count(&root), 1 + 16);
    let text = folded(&report, &names(), Measure::Peak);
    assert_eq!(text.matches(';').count(), 63);
}

#[test]
fn collapsed_stacks_have_each_byte_once() {
    let text = folded(&two_lines(), &names(), Measure::Allocated);
    let lines: Vec<(&str, u64)> = (text.lines())
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(stack, bytes)| (stack, bytes.parse().expect("a number ends the line")))
        .collect();
    let deep = "In[5], line\u{A0}3;json/decoder.py, line 1 in decode;json/decoder.py, line 2 in raw_decode";
    assert_eq!(lines, [("In[5], line\u{A0}1", 2 * MIB), (deep, 6 * MIB)]);
}

#[test]
fn a_name_cannot_break_the_format() {
    let report = stacks(vec![stack(1, &["a;b\nc"], 7)]);
    let text = folded(&report, &names(), Measure::Peak);
    assert_eq!(text.lines().count(), 1);
    assert!(text.ends_with("in a:b c 7\n"), "{text}");
}

#[test]
fn the_page_has_every_frame_with_exact_bytes() {
    let root = tree(&two_lines(), &names(), Measure::Peak, 60);
    let svg = page(&root, "In[5] at peak").expect("it can be drawn");
    let document = Document::parse(svg.as_str()).expect("an SVG is XML");
    let titles: Vec<&str> = (document.descendants())
        .filter(|node| node.has_tag_name(("http://www.w3.org/2000/svg", "title")))
        .filter_map(|node| node.text())
        .collect();
    let line = "In[5], line\u{A0}3 (3,145,728 bytes, 75.00%)";
    assert!(titles.contains(&line), "{titles:?}");
    assert_eq!(titles.len(), 1 + 4);
    let mut fills: Vec<&str> = (document.descendants())
        .filter(|node| node.has_attribute((INFERNO, "w")))
        .filter_map(|node| node.attribute("fill"))
        .collect();
    let (grey, blue, brown) = ("rgb(87,96,106)", "rgb(0,114,178)", "rgb(168,73,0)");
    fills.sort_unstable();
    assert_eq!(
        fills,
        [blue, blue, brown, brown, grey],
        "no colour is inferno's own"
    );
}

#[test]
fn nothing_is_drawn_of_nothing() {
    assert!(drawn(&stacks(Vec::new()), 60).says("Nothing"));
    assert_eq!(folded(&stacks(Vec::new()), &names(), Measure::Live), "");
}

#[test]
fn a_terminal_has_the_same_tree_in_eighty_columns() {
    let shown = text(&tree(&two_lines(), &names(), Measure::Peak, 24));
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines[0].starts_with("In[5], line 3 ") && lines[0].contains("3.00 MiB"));
    assert!(
        lines[2].starts_with(" └ json/decoder.py, line 2 in raw_decode"),
        "{shown}"
    );
    assert!(
        lines.iter().all(|line| line.chars().count() <= 80),
        "{shown}"
    );
    let bar = |line: &str| line.matches('█').count();
    assert_eq!((bar(lines[0]), bar(lines[3])), (14, 5));
}

#[test]
fn the_page_has_the_title_and_the_legend_of_the_card() {
    let root = tree(&two_lines(), &names(), Measure::Peak, 60);
    let card = Drawing::read(&flame(&root, "In[5] at peak", 760).expect("it can be drawn"));
    let svg = page(&root, "In[5] at peak").expect("it can be drawn");
    let document = Document::parse(svg.as_str()).expect("an SVG is XML");
    let texts: Vec<_> = (document.descendants())
        .filter(|node| node.has_tag_name(("http://www.w3.org/2000/svg", "text")))
        .collect();
    for word in ["notebook code", "library code"] {
        assert!(card.words.iter().any(|said| said.text == word));
        let sample = texts.iter().find(|text| text.text() == Some(word));
        let fill = sample.and_then(|text| text.prev_sibling()?.attribute("fill"));
        let colour = if word.starts_with('n') {
            NOTEBOOK
        } else {
            LIBRARY
        };
        assert_eq!(fill.map(str::to_uppercase).as_deref(), Some(colour));
    }
    let of = |id: &str, what: &str| {
        let text = texts.iter().find(|text| text.attribute("id") == Some(id));
        text.and_then(|text| text.attribute(what))
            .map(str::to_owned)
    };
    assert_eq!(of("title", "x").as_deref(), Some("10"));
    assert_ne!(
        of("unzoom", "x"),
        of("title", "x"),
        "it comes beside the title"
    );
    assert_eq!(of("details", "y"), of("matched", "y"), "both at the foot");
}
