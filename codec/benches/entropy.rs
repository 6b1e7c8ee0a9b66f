//! Speed of the entropy coder in symbols per second, for 1, 4 and 8 lanes and for low and high rates.
#![allow(missing_docs)] // criterion's macros make undocumented functions

use aecodec::entropy::{Book, Table, decode, encode};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

/// 52 Gaussian tables, sigma `2^((level - 26) / 8)`.
fn book() -> Book {
    let table = |level: i32| {
        let sigma = 2f64.powf(f64::from(level - 26) / 8.0);
        let offset = (3.0 * sigma).ceil() as i32;
        let mut weights: Vec<f64> =
            (-offset..=offset).map(|v| (-0.5 * (f64::from(v) / sigma).powi(2)).exp()).collect();
        weights.push(0.0);
        Table::from_weights(offset as u8, &weights).unwrap()
    };
    Book::gaussian((0..52).map(table).collect()).unwrap()
}

/// Levels from a range, and values that follow them. Twelve uniform numbers make a Gaussian.
fn material(count: usize, levels: std::ops::Range<u32>) -> (Vec<u8>, Vec<i16>) {
    let mut seed = 1u64;
    let mut random = || {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 40) as f64 / f64::from(1 << 24)
    };
    (0..count)
        .map(|_| {
            let level = levels.start + (random() * f64::from(levels.end - levels.start)) as u32;
            let sigma = 2f64.powf((f64::from(level) - 26.0) / 8.0);
            let normal: f64 = (0..12).map(|_| random()).sum::<f64>() - 6.0;
            (level as u8, (normal * sigma).round() as i16)
        })
        .unzip()
}

fn speed(criterion: &mut Criterion) {
    let book = book();
    for (rate, levels) in [("low", 8..32), ("middle", 16..52), ("high", 30..70)] {
        for (lanes, count) in [(1, 16_383), (4, 131_072), (8, 524_288)] {
            let (contexts, values) = material(count, levels.clone());
            let bytes = encode(&book, &contexts, &values);
            let mut group = criterion.benchmark_group(format!("{rate} rate, {lanes} lanes"));
            group.throughput(Throughput::Elements(count as u64));
            group.bench_function("encode", |b| b.iter(|| encode(&book, black_box(&contexts), &values)));
            let mut decoded = vec![0; count];
            group.bench_function("decode", |b| {
                b.iter(|| decode(&book, black_box(&bytes), &contexts, &mut decoded).unwrap());
            });
            assert_eq!(decoded, values);
        }
    }
}

criterion_group!(benches, speed);
criterion_main!(benches);
