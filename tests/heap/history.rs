//! Live bytes by origin at each end, against a map of every block at each end.

use std::collections::BTreeMap;

use cellheap::heap::books::Books;
use cellheap::heap::cells::{CellId, RECENT};
use cellheap::heap::history::history;
use cellheap::heap::report::History;
use proptest::prelude::*;

use super::journal::{Live, Notebook, a_cell};

fn by_cell(live: &Live) -> BTreeMap<u32, u64> {
    let mut sums = BTreeMap::new();
    for ((cell, _), (bytes, _)) in live {
        *sums.entry(*cell).or_default() += bytes.cast_unsigned();
    }
    sums
}

fn told(history: &History, at: usize) -> BTreeMap<u32, u64> {
    let layers = history.layers.iter();
    let told = layers.map(|layer| (layer.cell, layer.live[at]));
    told.filter(|(_, live)| *live > 0).collect()
}

fn whole(books: &Books) -> History {
    history(books, 10_000, 10_000)
}

fn totals(history: &History) -> Vec<u64> {
    history.moments.iter().map(|moment| moment.live).collect()
}

proptest! {
    #[test]
    fn each_end_has_what_was_live_of_each_origin(cells in prop::collection::vec(a_cell(), 1..40)) {
        let mut notebook = Notebook::new();
        let ids: Vec<u32> = cells.iter().map(|(made, dropped)| notebook.run(made, dropped)).collect();
        let history = whole(&notebook.books);
        prop_assert_eq!(history.moments.len(), ids.len() + 1);
        for (at, id) in ids.iter().enumerate() {
            let live = by_cell(&notebook.ends[id]);
            prop_assert_eq!((history.moments[at].cell, history.moments[at].ends), (*id, 1));
            prop_assert_eq!(history.moments[at].live, live.values().sum::<u64>());
            prop_assert_eq!(told(&history, at), live);
        }
        prop_assert_eq!(told(&history, ids.len()), by_cell(&notebook.live()));
    }
}

#[test]
fn of_ends_long_ago_totals_stay_exact_and_origins_are_told_apart() {
    let mut notebook = Notebook::new();
    let lines: Vec<(u32, u64)> = (1..=5).map(|line| (line, u64::from(line) * 100)).collect();
    let mut ids = Vec::new();
    for _ in 0..RECENT * 2 {
        ids.push(notebook.run(&lines, &[0, 2, 4, 6]));
    }
    let history = whole(&notebook.books);
    for (at, id) in ids.iter().enumerate() {
        let live = by_cell(&notebook.ends[id]);
        assert_eq!(history.moments[at].live, live.values().sum::<u64>(), "{at}");
        assert_eq!(told(&history, at), live, "{at}");
    }
}

#[test]
fn many_ends_share_a_moment_and_the_highest_is_told() {
    let mut notebook = Notebook::new();
    for at in 0..100 {
        // The seventh of each ten makes much; the next gives it back.
        let size = if at % 10 == 6 { 1 << 20 } else { 64 };
        let last = notebook.blocks.len().saturating_sub(1);
        let dropped = if at % 10 == 7 { vec![last] } else { vec![] };
        notebook.run(&[(1, size)], &dropped);
    }
    let history = history(&notebook.books, 11, 3);
    assert_eq!(history.moments.len(), 11);
    assert_eq!(history.layers.len(), 3);
    for moment in &history.moments[..10] {
        assert_eq!(moment.ends, 10);
        assert!(moment.live > 1 << 20, "{moment:?}");
    }
    assert_eq!(history.moments[10].label, "now");
    assert!(history.moments[10].live < 100 * 64);
}

#[test]
fn after_a_reset_the_past_is_before_cells_and_after_a_stop_nothing() {
    let mut notebook = Notebook::new();
    notebook.run(&[(1, 700)], &[]);
    notebook.books.reset();
    assert_eq!(whole(&notebook.books), History::default());
    let second = notebook.run(&[(2, 10)], &[]);
    let third = notebook.run(&[], &[0]);
    let history = whole(&notebook.books);
    assert_eq!(totals(&history), [710, 10, 10]);
    assert_eq!(told(&history, 0), BTreeMap::from([(0, 700), (second, 10)]));
    assert_eq!(told(&history, 1), BTreeMap::from([(second, 10)]));
    assert_eq!(history.layers[0].label, "(before cells)");
    notebook.books.end_live_table();
    notebook.blocks.clear();
    notebook.run(&[(3, 30)], &[]);
    assert_eq!(totals(&whole(&notebook.books)), [710, 10, 30, 30]);
    assert_eq!(history.moments[1].cell, third);
}

#[test]
fn the_cell_that_runs_is_in_what_is_live_now() {
    let mut notebook = Notebook::new();
    notebook.run(&[(1, 100)], &[]);
    let cell: CellId = notebook.begin();
    notebook.make(cell, 2, 5_000);
    let history = whole(&notebook.books);
    assert_eq!(totals(&history), [100, 5_100]);
    assert_eq!(told(&history, 1).get(&cell.0), Some(&5_000));
}
