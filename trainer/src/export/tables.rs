//! Frequency tables with the fewest expected bits (docs/format.md, section 6).

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// The sum of a table's frequencies.
const TOTAL: i64 = 4096;
/// The number of levels that have a table.
pub(super) const LEVELS: usize = 52;
/// The largest magnitude that a table can hold.
pub(super) const REACH: usize = 127;
/// The number of values from `-REACH` to `REACH`.
pub(super) const VALUES: usize = 2 * REACH + 1;

/// The frequencies of `-K..=K` and of the escape.
pub(crate) type Table = Vec<u16>;

/// The tables of the levels, from the counts of the values that are coded with each, `[LEVELS][VALUES]`.
///
/// The values of a level are slightly narrower or wider than the normal distribution that the network was trained with,
/// and have longer tails. The normal distribution counts as much as 500 values.
pub(super) fn of_levels(counts: &[Vec<f64>]) -> Vec<Table> {
    let mixed = |(level, counts): (usize, &Vec<f64>)| {
        let normal = normal(2f64.powf((level as f64 - 26.0) / 8.0));
        let mirrored = counts.iter().zip(counts.iter().rev()).map(|(a, b)| (a + b) / 2.0);
        best(&shares(mirrored.zip(normal).map(|(count, p)| count + 500.0 * p).collect()))
    };
    counts.iter().enumerate().map(mixed).collect()
}

/// The tables of the hyper-latents in a quality band, from counts in crops and from the learned density, `[Z][VALUES]`
/// each.
///
/// The density counts as much as 16 values, so that rare values keep a plausible share.
pub(super) fn of_hyper(counts: &[Vec<f64>], learned: &[Vec<f64>]) -> Vec<Table> {
    let mixed = |(counts, learned): (&Vec<f64>, &Vec<f64>)| {
        let sum: f64 = learned.iter().sum();
        best(&shares(counts.iter().zip(learned).map(|(count, p)| count + 16.0 * p / sum).collect()))
    };
    counts.iter().zip(learned).map(mixed).collect()
}

fn shares(values: Vec<f64>) -> Vec<f64> {
    let sum: f64 = values.iter().sum();
    values.into_iter().map(|v| v / sum).collect()
}

/// The probabilities of the values under a zero-mean normal distribution.
fn normal(sigma: f64) -> Vec<f64> {
    let edge = |i: usize| (i as f64 - REACH as f64 - 0.5) / (sigma * std::f64::consts::SQRT_2);
    // Differences are taken in the tail, where no digits are lost, and not near 1.
    let bin = |i: usize| {
        let (low, high) = (edge(i), edge(i + 1));
        if high <= 0.0 {
            libm::erfc(-high) / 2.0 - libm::erfc(-low) / 2.0
        } else {
            libm::erfc(low) / 2.0 - libm::erfc(high) / 2.0
        }
    };
    (0..VALUES).map(bin).collect()
}

/// The table with the fewest expected bits for these probabilities, among all values of K.
fn best(p: &[f64]) -> Table {
    let width = p.len() / 2;
    let mut found: Option<(f64, Vec<i64>)> = None;
    let mut worse = 0;
    for k in 0..=width {
        let outside = || p[width + k + 1..].iter().zip(p[..width - k].iter().rev()).map(|(a, b)| a + b);
        let escape = outside().sum::<f64>().max(1.0 - p.iter().sum::<f64>()).max(1e-9);
        let inner: Vec<f64> = p[width - k..=width + k].iter().copied().chain([escape]).collect();
        let table = apportion(&inner);
        let coded: f64 = inner.iter().zip(&table).map(|(p, &f)| -p * (f as f64 / TOTAL as f64).log2()).sum();
        // The raw bits of an escape are a sign and the distance in Exp-Golomb code.
        let raw = |e: usize| (1 + 2 * (usize::BITS - (e + 1).leading_zeros()) - 1) as f64;
        let cost = coded + outside().enumerate().map(|(e, p)| p * raw(e)).sum::<f64>();
        if found.as_ref().is_none_or(|(least, _)| cost < *least) {
            (found, worse) = (Some((cost, table)), 0);
        } else {
            worse += 1;
            if worse > 8 {
                break;
            }
        }
    }
    found.map_or_else(Vec::new, |(_, table)| table.into_iter().map(|f| f as u16).collect())
}

/// The worth of a unit of frequency and the index of its value, ordered by worth and then by index.
#[derive(PartialEq)]
struct Unit(f64, usize);

impl Eq for Unit {}

impl PartialOrd for Unit {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Unit {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0).then(self.1.cmp(&other.1))
    }
}

/// Frequencies of at least 1 that add up to the total and have the lowest cross-entropy.
fn apportion(p: &[f64]) -> Vec<i64> {
    let sum: f64 = p.iter().sum();
    let p: Vec<f64> = p.iter().map(|v| (v / sum).max(1e-12)).collect();
    let mut table: Vec<i64> = p.iter().map(|v| ((v * TOTAL as f64) as i64).max(1)).collect();
    let short = TOTAL - table.iter().sum::<i64>();
    // Single units are added where they save most, or removed where they cost least.
    let gain = |i: usize, f: i64| -p[i] * ((f + 1) as f64 / f as f64).log2();
    let loss = |i: usize, f: i64| p[i] * (f as f64 / (f - 1) as f64).log2();
    let worth = |i: usize, f: i64| match (short > 0, f) {
        (true, _) => Some(Reverse(Unit(gain(i, f), i))),
        (false, 2..) => Some(Reverse(Unit(loss(i, f), i))),
        (false, _) => None,
    };
    let mut heap: BinaryHeap<_> = table.iter().enumerate().filter_map(|(i, &f)| worth(i, f)).collect();
    for _ in 0..short.abs() {
        let Some(Reverse(Unit(_, i))) = heap.pop() else { break };
        table[i] += short.signum();
        heap.extend(worth(i, table[i]));
    }
    table
}
