use cellheap::chart::bytes::{Axis, bytes_text, tick_text};
use proptest::prelude::*;

#[test]
fn sizes_read_in_binary_units_with_three_digits() {
    let said = [
        0,
        1,
        1023,
        1024,
        1536,
        55_994_777,
        125_829_120,
        1 << 40,
        -8,
        -2048,
    ]
    .map(bytes_text);
    let expected = [
        "0 B",
        "1 B",
        "1023 B",
        "1.00 KiB",
        "1.50 KiB",
        "53.4 MiB",
        "120 MiB",
        "1.00 TiB",
        "-8 B",
        "-2.00 KiB",
    ];
    assert_eq!(said, expected);
}

#[test]
fn no_unit_has_four_digits_before_it() {
    assert_eq!(bytes_text(1023 * 1024), "0.999 MiB");
    assert_eq!(bytes_text(999 * 1024), "999 KiB");
    assert_eq!(bytes_text((1 << 20) - 1), "1.00 MiB");
}

#[test]
fn ticks_have_no_idle_zeros() {
    assert_eq!(
        [0.0, 512.0, 262_144.0, 1_572_864.0].map(tick_text),
        ["0", "512 B", "256 KiB", "1.5 MiB"]
    );
}

fn bytes_of(text: &str) -> f64 {
    let (number, unit) = text.split_once(' ').expect("a number and its unit");
    let power = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
        .iter()
        .position(|known| *known == unit);
    number.parse::<f64>().expect("a number") * 1024f64.powi(power.expect("a unit") as i32)
}

proptest! {
    #[test]
    fn a_size_reads_within_half_a_digit_of_itself(n in 0u64..=u64::MAX) {
        let text = bytes_text(i128::from(n));
        prop_assert!((bytes_of(&text) - n as f64).abs() <= n as f64 * 0.00501, "{} reads {}", n, text);
        let digits = text.chars().filter(char::is_ascii_digit).count();
        prop_assert!(n < 1024 || digits == 3 || text.starts_with("0."), "{}", text);
    }

    #[test]
    fn an_axis_has_zero_and_all_values_on_it_in_few_round_steps(
        low in 0u64..=1 << 50, high in 0u64..=1 << 50, intervals in 1u32..6,
    ) {
        let axis = Axis::spanning(-(low as f64), high as f64, intervals);
        let ticks = axis.ticks();
        prop_assert!(axis.low <= -(low as f64) && axis.high >= high as f64);
        prop_assert!(ticks.contains(&0.0) && ticks.first() == Some(&axis.low) && ticks.last() == Some(&axis.high));
        prop_assert!(ticks.len() as u32 <= 2 * intervals + 1 && ticks.len() > 1);
        prop_assert_eq!(axis.step.log2().fract(), 0.0);
    }
}
