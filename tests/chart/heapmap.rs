//! The heap map: how full each box is, is how dark it is drawn.

use cellheap::chart::{Svg, heapmap::heapmap};
use cellheap::heap::report::HeapMap;

use super::drawing::{Drawing, contrast};

const STEPS: [&str; 5] = ["#F0F2F4", "#C4DDEE", "#7FB5DA", "#2F86BD", "#003F66"];

fn map(boxes: Vec<u64>) -> HeapMap {
    let unit = 16 << 10;
    HeapMap {
        arenas: 4,
        bytes: unit * boxes.len() as u64,
        live: boxes.iter().sum(),
        unit,
        boxes,
        ..HeapMap::default()
    }
}

fn svg(map: &HeapMap) -> Svg {
    heapmap(map, 760).expect("a map can be drawn")
}

#[test]
fn each_box_is_as_dark_as_it_is_full() {
    let full = 16 << 10;
    let boxes = [
        0,
        1,
        full / 4,
        full / 4 + 1,
        full / 2,
        full * 3 / 4,
        full * 3 / 4 + 1,
        full,
    ];
    let chart = Drawing::read(&svg(&map(boxes.repeat(8))));
    let swatch = 12.0 * 10.0;
    let areas: Vec<f64> = STEPS.iter().map(|step| chart.area(step) - swatch).collect();
    let one = areas[0] / 8.0;
    for (area, count) in areas.iter().zip([1.0, 2.0, 2.0, 1.0, 2.0]) {
        assert!((area / one / 8.0 - count).abs() < 0.25, "{areas:?}");
    }
    assert!(
        chart
            .words
            .iter()
            .any(|word| word.text.contains("a box is 16 KiB"))
    );
    assert_eq!((chart.clipped(), chart.collisions()), (vec![], vec![]));
}

#[test]
fn each_step_is_darker_and_the_largest_map_is_small() {
    let against = STEPS.map(|step| contrast(step, "#FFFFFF"));
    assert!(
        against.windows(2).all(|pair| pair[1] > pair[0] * 1.2),
        "{against:?}"
    );
    let worst = map((0..1024).map(|at| (at % 5) * (4 << 10)).collect());
    let drawn = svg(&worst);
    assert!(drawn.as_str().len() < 36_000, "{}", drawn.as_str().len());
    assert_eq!(Drawing::read(&drawn).clipped(), Vec::<String>::new());
}

#[test]
fn without_an_arena_it_says_so() {
    let chart = Drawing::read(&svg(&HeapMap::default()));
    assert!(chart.says("No arena has been mapped since recording began."));
}
