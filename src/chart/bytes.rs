//! Sizes in words and on axes: binary units, three significant digits.

const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/// `0 B`, `1023 B`, `1.00 KiB`, `53.4 MiB`, `120 MiB`, `-8 B`.
pub fn bytes_text(n: i128) -> String {
    if n.unsigned_abs() < 1024 {
        return format!("{n} B");
    }
    let (value, unit) = scaled(n as f64);
    let decimals = match value.abs() {
        size if size < 0.9995 => 3,
        size if size < 9.995 => 2,
        size if size < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$} {unit}")
}

/// As `bytes_text`, without zeros at the end: `0`, `256 KiB`, `1.5 MiB`.
pub fn tick_text(n: f64) -> String {
    if n == 0.0 {
        return "0".into();
    }
    if n.abs() < 1024.0 {
        return format!("{n} B");
    }
    let (value, unit) = scaled(n);
    format!("{value} {unit}")
}

fn scaled(n: f64) -> (f64, &'static str) {
    let mut value = n;
    let mut unit = "B";
    for next in UNITS {
        value /= 1024.0;
        unit = next;
        if value.abs() < 999.5 {
            break;
        }
    }
    (value, unit)
}

/// A zero-based axis: from its lowest to its highest tick, `step` bytes apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Axis {
    pub low: f64,
    pub high: f64,
    pub step: f64,
}

impl Axis {
    /// The axis that has zero, `low` and `high` on it in at most `intervals` steps up (and as many down), each
    /// step a power of two.
    pub fn spanning(low: f64, high: f64, intervals: u32) -> Self {
        let reach = high.max(-low).max(1.0);
        let step = (reach / f64::from(intervals)).log2().ceil().max(0.0).exp2();
        let least = if low < 0.0 { 0.0 } else { step };
        Self {
            low: (low.min(0.0) / step).floor() * step,
            high: ((high.max(0.0) / step).ceil() * step).max(least),
            step,
        }
    }

    pub fn ticks(&self) -> Vec<f64> {
        let (first, last) = (self.low / self.step, self.high / self.step);
        (first as i64..=last as i64)
            .map(|at| at as f64 * self.step)
            .collect()
    }
}
