//! How long it takes to compare a hash with a million others, on one thread.

#![expect(missing_docs, reason = "criterion's macro makes a public function")]

use std::hint::black_box;

use aecodec_search::{SemanticHash, nearest};
use criterion::{Criterion, criterion_group, criterion_main};

fn scan(criterion: &mut Criterion) {
    let mut state = 1_u64;
    let mut random = || {
        // The generator of Steele, Lea and Flood (SplitMix64).
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    };
    let hashes: Vec<SemanticHash> =
        (0..1_000_000).map(|_| SemanticHash(std::array::from_fn(|_| random()))).collect();
    let wanted = hashes[123_456];
    criterion.bench_function("a million hashes", |bencher| {
        bencher.iter(|| nearest(black_box(&hashes), black_box(wanted), 200));
    });
}

criterion_group!(benches, scan);
criterion_main!(benches);
