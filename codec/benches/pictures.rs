//! Speed of whole encodes and decodes, from samples to bytes and back, on one and on two threads; and of loading a model.

#![expect(missing_docs, reason = "criterion's macro makes a public function")]

use aecodec::{Check, Color, DecodeOptions, EncodeOptions, Model, Picture, Profile};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Waves with a little noise: about one bit per pixel at the middle of the scale.
fn picture(width: usize, height: usize) -> Picture {
    let mut seed = 7u64;
    let mut noise = || {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 40 & 15) as f32
    };
    let wave =
        |x: usize, y: usize, k: usize| ((x * (k + 2) + y * 3) as f32 / 17.0).sin() * (y as f32 / 40.0).cos();
    let samples = (0..width * height * 3)
        .map(|i| (120.0 + 90.0 * wave(i / 3 % width, i / 3 / width, i % 3) + noise()) as u8)
        .collect();
    Picture::new(width as u32, height as u32, Color::Rgb, samples).expect("a picture")
}

/// Pixels per second (as elements per second).
fn pictures(c: &mut Criterion) {
    let (width, height) = (2048, 1536);
    let picture = picture(width, height);
    for (profile, threads) in [Profile::Fast, Profile::Best].into_iter().flat_map(|p| [(p, 1), (p, 2)]) {
        let model = Model::embedded(profile).expect("the built-in model");
        let encoded = aecodec::encode(&picture, &model, &EncodeOptions::default()).expect("an encode");
        let name = profile.name();
        let mut group = c.benchmark_group(format!("{name}, {width}x{height}, threads: {threads}"));
        group.sample_size(10).throughput(Throughput::Elements((width * height) as u64));
        for (name, check) in [("encode and check", Check::Exact), ("encode", Check::None)] {
            let mut options = EncodeOptions::default();
            (options.threads, options.check) = (threads, check);
            group.bench_function(name, |b| b.iter(|| aecodec::encode(&picture, &model, &options)));
        }
        let mut options = DecodeOptions::default();
        options.threads = threads;
        group.bench_function("decode", |b| b.iter(|| aecodec::decode(&encoded.bytes, &model, &options)));
        group.finish();
    }
}

/// Start-up: loads a model file, including its hash.
fn models(c: &mut Criterion) {
    let mut group = c.benchmark_group("load");
    for profile in [Profile::Fast, Profile::Best] {
        let file = Model::embedded_bytes(profile).expect("the built-in model");
        group.throughput(Throughput::Bytes(file.len() as u64));
        group.bench_function(profile.name(), |b| b.iter(|| Model::parse(file)));
    }
}

criterion_group!(benches, models, pictures);
criterion_main!(benches);
