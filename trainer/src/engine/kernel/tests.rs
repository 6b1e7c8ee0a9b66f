//! Products on every path of this machine against sums in double precision.

use super::product::{Segment, product};
use super::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The largest error of a product of two segments, with operands that every path holds exactly.
fn error<P: Path>(path: P, positions: usize, outputs: usize, lengths: [usize; 2]) -> f64 {
    let rng = &mut ChaCha8Rng::seed_from_u64(1);
    let mut integers = |count: usize| -> Vec<f32> {
        (0..count).map(|_| f32::from(rng.random_range(-100..=100i8))).collect()
    };
    let panels = outputs.div_ceil(LANES);
    let operands = lengths.map(|length| (length, integers(positions * length), integers(length * outputs)));
    let cells = operands.each_ref().map(|(length, a, b)| {
        let mut packed = vec![P::Cell::default(); panels * length * LANES];
        for (k, output) in (0..*length).flat_map(|k| (0..outputs).map(move |output| (k, output))) {
            let (step, within) = (k / P::GROUP, k % P::GROUP);
            let at = (output / LANES * length + step * P::GROUP) * LANES + output % LANES * P::GROUP + within;
            packed[at] = P::cell(b[k * outputs + output]);
        }
        (a.iter().map(|v| P::cell(*v)).collect::<Vec<_>>(), packed)
    });
    let segments: Vec<_> = operands
        .iter()
        .zip(&cells)
        .map(|((length, ..), (a, b))| Segment {
            a,
            strides: Strides { position: *length, step: P::GROUP },
            b,
            panel: length * LANES,
            steps: length / P::GROUP,
        })
        .collect();
    let mut found = vec![f64::NAN; positions * outputs];
    product(path, (positions, outputs), &segments, |position, first, sums| {
        for (lane, sum) in sums.iter().enumerate().take(outputs - first) {
            found[position * outputs + first + lane] = f64::from(*sum);
        }
    });
    let expected = |i: usize| -> f64 {
        let (position, output) = (i / outputs, i % outputs);
        let of = |(length, a, b): &(usize, Vec<f32>, Vec<f32>)| -> f64 {
            (0..*length)
                .map(|k| f64::from(a[position * length + k]) * f64::from(b[k * outputs + output]))
                .sum()
        };
        operands.iter().map(of).sum()
    };
    // Not the maximum of floats, which ignores NaN.
    found.iter().enumerate().map(|(i, v)| (v - expected(i)).abs()).fold(
        0.0,
        |most, v| {
            if v <= most { most } else { v }
        },
    )
}

#[test]
fn products_of_all_sizes_are_exact_on_every_path() {
    for set in Set::available() {
        for positions in [1, 3, 4, 6, 7, 8, 11, 12, 13, 16, 20, 25, 31] {
            for outputs in [1, 10, 16, 17, 32, 40, 48] {
                for lengths in [[2, 0], [8, 6], [32, 32]] {
                    let found = with_path!(set, |path| error(path, positions, outputs, lengths));
                    assert_eq!(found, Some(0.0), "{}: {positions} x {outputs}, {lengths:?}", set.name());
                }
            }
        }
    }
}

#[test]
fn the_path_is_the_one_that_is_asked_for_or_the_fastest() {
    let sets = Set::available();
    assert_eq!(sets[0], Set::Plain);
    // Other tests of this process do not depend on the path.
    let wanted = std::env::var("AECODEC_CPU").unwrap_or_default();
    let named = sets.iter().find(|set| set.name() == wanted);
    assert_eq!(Set::chosen(), *named.unwrap_or(&sets[sets.len() - 1]));
}
