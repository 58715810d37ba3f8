//! The graph's algorithms against plain ones that follow from what the words mean, on random networks.

mod plain;

use std::collections::BTreeSet;

use cellheap::graph::chains::Ways;
use cellheap::graph::columns::{Bits, Column};
use cellheap::graph::dominators::Dominators;
use cellheap::graph::fall::{Sight, staying};
use cellheap::graph::knots::knots;
use cellheap::graph::reach::reach;
use cellheap::graph::shares::reachers;
use cellheap::graph::{NONE, Network, Stopped, Watch};
use plain::Plain;
use proptest::prelude::*;

fn network(plain: &Plain) -> Network {
    let mut network = Network::new().expect("there is memory");
    for arrows in &plain.arrows {
        network.begin().expect("there is room");
        for to in arrows {
            network.lead_to(*to).expect("there is memory");
        }
    }
    network
}

fn with<T>(work: impl FnOnce(&mut Watch) -> Result<T, Stopped>) -> T {
    work(&mut Watch::new(&mut |_| true)).expect("nobody interrupts")
}

fn bits(length: usize, nodes: impl IntoIterator<Item = u32>) -> Bits {
    let mut bits = Bits::new(length).expect("there is memory");
    for node in nodes {
        bits.set(node);
    }
    bits
}

proptest! {
    #[test]
    fn what_a_node_dominates_is_what_nothing_else_reaches(plain in plain::any(24)) {
        let network = network(&plain);
        let dominators = with(|watch| Dominators::new(&network, &plain.roots, watch));
        for node in 0..plain.len() {
            let under: BTreeSet<u32> = dominators.under(node).expect("there is memory").into_iter().collect();
            prop_assert_eq!(under, plain.lost_without(node), "under {}", node);
        }
    }

    #[test]
    fn an_immediate_dominator_is_the_nearest(plain in plain::any(16)) {
        let network = network(&plain);
        let dominators = with(|watch| Dominators::new(&network, &plain.roots, watch));
        let order = &dominators.order;
        for node in plain.reached(|_, _| false) {
            let above = order.nodes[dominators.above[order.numbers[node as usize] as usize] as usize];
            let over: BTreeSet<u32> = (0..plain.len())
                .filter(|other| *other != node && plain.lost_without(*other).contains(&node))
                .collect();
            // The nearest is the one that all others are over.
            let nearest = over.iter().copied().find(|one| {
                over.iter().all(|other| plain.lost_without(*other).contains(one))
            });
            prop_assert_eq!(above, nearest.unwrap_or(NONE));
        }
    }

    #[test]
    fn knots_are_nodes_that_reach_each_other(plain in plain::any(24), left_out in 0_u32..24) {
        let network = network(&plain);
        let within: Vec<u32> = (0..plain.len()).filter(|node| *node != left_out).collect();
        let found = with(|watch| knots(&network, &bits(network.len(), within.clone()), watch));
        let found: BTreeSet<BTreeSet<u32>> =
            found.into_iter().map(|knot| knot.into_iter().collect()).collect();
        prop_assert_eq!(found, plain.knots(&within));
    }

    #[test]
    fn ways_are_shortest_and_go_around(plain in plain::any(24), around in 0_u32..24) {
        let network = network(&plain);
        let from: Vec<u32> = plain.roots.iter().copied().filter(|root| *root != around).collect();
        let around = around.min(plain.len() - 1);
        let ways = with(|watch| Ways::new(&network, &from, &[], &[around], watch));
        for node in 0..plain.len() {
            let way = ways.to(node);
            prop_assert_eq!(way.is_some(), ways.comes_to(node));
            prop_assert_eq!(way.as_ref().map(Vec::len), plain.distance(&from, node, around).map(|far| far + 1));
            for step in way.unwrap_or_default().windows(2) {
                prop_assert!(network.of(step[0]).contains(&step[1]) && step[1] != around);
            }
        }
    }

    #[test]
    fn a_bit_is_set_for_everyone_who_reaches(plain in plain::any(24), wall in 0_u32..24) {
        let network = network(&plain);
        let from: Vec<u32> = plain.roots.iter().copied().filter(|root| *root != wall).collect();
        let walls = bits(network.len().max(24), [wall]);
        let masks = with(|watch| reachers(&network, &from, &walls, watch));
        for (bit, one) in from.iter().enumerate() {
            let alone = Plain { arrows: plain.arrows.clone(), roots: vec![*one] };
            let reached = alone.reached(|_, to| to == wall);
            for node in 0..plain.len() {
                prop_assert_eq!(masks[node as usize] >> bit & 1 == 1, reached.contains(&node));
            }
        }
    }

    #[test]
    fn a_cut_arrow_is_not_followed(plain in plain::any(24), from in 0_u32..24, to in 0_u32..24) {
        let network = network(&plain);
        let mut seen = Bits::new(network.len()).expect("there is memory");
        let cut = |one: u32, other: u32| (one, other) == (from, to);
        with(|watch| reach(&network, plain.roots.iter().copied(), &mut seen, cut, watch));
        let seen: BTreeSet<u32> = seen.iter().collect();
        prop_assert_eq!(seen, plain.reached(cut));
    }

    #[test]
    fn what_falls_is_what_counting_and_one_collection_free(
        plain in plain::any(16), untracked in any::<u16>(), blind in any::<u16>()
    ) {
        let network = network(&plain);
        let sight = Seen { untracked, blind };
        let doomed: Vec<u32> = (0..plain.len()).collect();
        let first: Vec<u32> = plain.roots.iter().copied().take(1).collect();
        let stays = with(|watch| staying(&network, &doomed, &first, &sight, watch));
        let stays: BTreeSet<u32> = stays.into_iter().collect();
        prop_assert_eq!(stays, plain.staying(&first, &sight));
    }

    #[test]
    fn bits_are_what_was_set(numbers in prop::collection::btree_set(0_u32..1000, 0..50)) {
        let mut set = bits(1000, numbers.iter().copied());
        prop_assert_eq!(set.iter().collect::<BTreeSet<_>>(), numbers.clone());
        prop_assert_eq!(set.count(), numbers.len());
        for number in &numbers {
            prop_assert!(!set.set(*number));
            set.unset(*number);
            prop_assert!(!set.has(*number));
        }
    }
}

pub struct Seen {
    untracked: u16,
    blind: u16,
}

impl Sight for Seen {
    fn tracks(&self, node: u32) -> bool {
        self.untracked >> node & 1 == 0
    }

    fn sees(&self, node: u32, arrows: usize) -> usize {
        if self.blind >> node & 1 == 1 {
            arrows / 2
        } else {
            arrows
        }
    }
}

#[test]
fn a_column_grows_and_shrinks_as_a_vector_does() {
    let mut column = Column::new().expect("there is memory");
    for number in 0..100_000_u32 {
        column.push(number).expect("there is memory");
    }
    assert!(column.iter().copied().eq(0..100_000));
    assert_eq!((column.pop(), column.len()), (Some(99_999), 99_999));
}

#[test]
fn a_chain_of_a_million_is_no_trouble() {
    let length = 1_000_000;
    let mut network = Network::new().expect("there is memory");
    for node in 0..length {
        network.begin().expect("there is room");
        network
            .lead_to((node + 1) % length)
            .expect("there is memory");
    }
    let all = bits(length as usize, 0..length);
    let knot = with(|watch| knots(&network, &all, watch));
    assert_eq!((knot.len(), knot[0].len()), (1, length as usize));
    let dominators = with(|watch| Dominators::new(&network, &[0], watch));
    assert_eq!(
        dominators.under(7).map(|under| under.len()).ok(),
        Some(length as usize - 7)
    );
}

#[test]
fn an_interrupt_ends_the_work() {
    let plain = Plain {
        arrows: vec![(0..200_000).map(|_| 0).collect(); 1],
        roots: vec![0],
    };
    let mut big = Network::new().expect("there is memory");
    for node in 0..200_000_u32 {
        big.begin().expect("there is room");
        big.lead_to((node + 1) % 200_000).expect("there is memory");
    }
    let mut asked = 0;
    let mut no = |_| {
        asked += 1;
        asked < 2
    };
    let stopped = Dominators::new(&big, &plain.roots, &mut Watch::new(&mut no)).err();
    assert!(matches!(stopped, Some(Stopped::Interrupted)));
    assert_eq!(asked, 2);
}
