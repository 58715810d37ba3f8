//! Chains of holders, cycles and variables: every name is told, nothing is clipped, no two labels meet, arrows go where
//! they say.

use cellheap::chart::chains::{Chain, Chains, Step, chains};
use cellheap::chart::ring::{Member, Ring, ring};
use cellheap::chart::variables::{Variable, Variables, variables};
use proptest::prelude::*;

use super::drawing::{Drawing, LIVE, contrast};

const SHARED: &str = "#D6E8F5";

fn step(words: &str, name: &str, number: u64) -> Step {
    Step {
        words: words.into(),
        name: name.into(),
        number,
    }
}

fn chain(root: &str, steps: Vec<Step>) -> Chain {
    Chain {
        root: root.into(),
        note: "dict".into(),
        steps,
    }
}

fn drawn(list: Vec<Chain>) -> Drawing {
    let all = Chains {
        title: "What keeps x alive".into(),
        target: "x, a list".into(),
        chains: list,
    };
    Drawing::read(&chains(&all, 760).expect("it can be drawn"))
}

#[test]
fn chains_to_one_holder_meet_in_its_one_box() {
    let shared = || vec![step("['a']", "Holder", 3), step(".references", "list", 9)];
    let drawing = drawn(vec![chain("cache", shared()), chain("store", shared())]);
    let count = |words: &str| {
        drawing
            .words
            .iter()
            .filter(|word| word.text == words)
            .count()
    };
    assert_eq!(
        (count("Holder"), count(".references"), count("['a']")),
        (1, 1, 2)
    );
    assert_eq!(
        (count("cache"), count("store"), count("x, a list")),
        (1, 1, 1)
    );
    let height = |words: &str| {
        drawing
            .words
            .iter()
            .find(|word| word.text == words)
            .map(|word| word.y)
    };
    assert!(height("cache") < height("Holder") && height("Holder") < height("x, a list"));
}

#[test]
fn a_name_and_nothing_else_is_a_chain_too() {
    let drawing = drawn(vec![chain("x", Vec::new())]);
    assert!(drawing.says("x") && drawing.says("x, a list"));
    assert!(drawing.clipped().is_empty() && drawing.collisions().is_empty());
}

#[test]
fn words_can_be_read_on_their_boxes() {
    assert!(contrast("#57606A", SHARED) > 4.5 && contrast("#FFFFFF", LIVE) > 4.5);
}

fn round(count: usize, words: &str) -> Drawing {
    let member = |at: usize| Member {
        name: format!("Node {at}"),
        note: "48 B, In[3]".into(),
        words: format!("{words}{at}"),
    };
    let cycle = Ring {
        title: "A cycle".into(),
        members: (0..count).map(member).collect(),
    };
    Drawing::read(&ring(&cycle, 760).expect("it can be drawn"))
}

#[test]
fn a_ring_of_any_size_names_each_member_and_each_arrow() {
    for count in 0..=8 {
        let drawing = round(count, ".n");
        for at in 0..count {
            assert!(
                drawing.says(&format!("Node {at}")) && drawing.says(&format!(".n{at}")),
                "{count}"
            );
        }
        assert_eq!(drawing.clipped(), Vec::<String>::new(), "{count}");
        assert_eq!(drawing.collisions(), Vec::new(), "{count}");
    }
}

#[test]
fn long_words_on_a_ring_are_shortened_and_not_clipped() {
    for count in 1..=8 {
        let drawing = round(
            count,
            ".an_attribute_with_a_name_that_never_ends_and_goes_on",
        );
        assert_eq!(drawing.clipped(), Vec::<String>::new(), "{count}");
        assert_eq!(drawing.collisions(), Vec::new(), "{count}");
    }
}

#[test]
fn a_bar_is_as_long_as_what_goes() {
    let row = |name: &str, retained, shared| Variable {
        name: name.into(),
        note: "list".into(),
        retained,
        shallow: 0,
        shared,
    };
    let all = Variables {
        title: "Variables".into(),
        variables: vec![row("a", 3_000, 0), row("b", 1_000, 2_000)],
    };
    let drawing = Drawing::read(&variables(&all, 760).expect("it can be drawn"));
    let (kept, shared) = (drawing.area(LIVE) - 240.0, drawing.area(SHARED) - 120.0);
    assert!((kept / shared - 2.0).abs() < 0.05, "{kept} {shared}");
    assert!(drawing.says("2.93 KiB") && drawing.says("1000 B"));
    assert!(drawing.clipped().is_empty() && drawing.collisions().is_empty());
}

fn a_name() -> impl Strategy<Value = String> {
    "[a-zA-Z_.'\\[\\]0-9 <&>WM]{1,60}"
}

fn a_chain() -> impl Strategy<Value = Chain> {
    let steps = prop::collection::vec((a_name(), a_name(), 1_u64..5), 0..6);
    (a_name(), a_name(), steps).prop_map(|(root, note, steps)| Chain {
        root,
        note,
        steps: (steps.into_iter())
            .map(|(words, name, number)| Step {
                words,
                name,
                number,
            })
            .collect(),
    })
}

proptest! {
    #[test]
    fn no_chain_leaves_the_card_or_meets_another(list in prop::collection::vec(a_chain(), 1..6)) {
        let drawing = drawn(list);
        prop_assert_eq!(drawing.clipped(), Vec::<String>::new());
        prop_assert_eq!(drawing.collisions(), Vec::new());
    }

    #[test]
    fn no_variable_leaves_the_card(rows in prop::collection::vec((a_name(), a_name(), any::<u32>(), any::<u32>()), 1..30)) {
        let variable = |(name, note, retained, shared): (String, String, u32, u32)| Variable {
            name,
            note,
            retained: retained.into(),
            shallow: u64::from(retained / 2),
            shared: shared.into(),
        };
        let all = Variables { title: "Variables".into(), variables: rows.into_iter().map(variable).collect() };
        let drawing = Drawing::read(&variables(&all, 760).expect("it can be drawn"));
        prop_assert_eq!(drawing.clipped(), Vec::<String>::new());
        prop_assert_eq!(drawing.collisions(), Vec::new());
    }
}
