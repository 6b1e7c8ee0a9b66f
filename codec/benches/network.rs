//! Speed of the products on each kernel path, and of whole encodes and decodes on one thread.

#![expect(missing_docs, reason = "criterion's macro makes a public function")]

use aecodec::kernel::{self, Epilogue, Packed, Path, Segment, Target};
use aecodec::{Color, DecodeOptions, EncodeOptions, Model, Picture, Profile};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

/// Multiply-accumulates a second (as elements a second), on the shapes of `fast`.
fn products(c: &mut Criterion) {
    const POSITIONS: usize = 48;
    for (inputs, outputs) in [(128, 128), (128, 384), (512, 384), (1152, 192)] {
        let mut group = c.benchmark_group(format!("product {inputs}x{outputs}"));
        group.throughput(Throughput::Elements((inputs * outputs * POSITIONS) as u64));
        let weights: Vec<i16> = (0..inputs * outputs).map(|i| (i * 7919 % 2001) as i16 - 1000).collect();
        let layer = Packed::new(inputs, 9, &vec![5; outputs], &weights);
        let x: Vec<i16> = (0..inputs * POSITIONS).map(|i| (i * 104_729 % 16_383) as i16 - 8191).collect();
        let mut out = vec![0; outputs * POSITIONS];
        for path in Path::available() {
            group.bench_function(path.name(), |b| {
                b.iter(|| {
                    let segment = Segment { data: &x, start: 0, stride: inputs, k: 0, len: inputs };
                    let target = Target { data: &mut out, start: 0, stride: outputs };
                    let panels = layer.panels();
                    kernel::product(path, &layer, panels, &[segment], POSITIONS, Epilogue::Plain, target);
                    black_box(&out);
                });
            });
        }
    }
}

/// Pixels a second (as elements a second) of a picture of waves.
fn pictures(c: &mut Criterion) {
    let (width, height) = (768, 512);
    let wave =
        |x: usize, y: usize, k: usize| ((x * (k + 2) + y * 3) as f32 / 17.0).sin() * (y as f32 / 40.0).cos();
    let samples = (0..width * height * 3)
        .map(|i| (128.0 + 90.0 * wave(i / 3 % width, i / 3 / width, i % 3)) as u8)
        .collect();
    let picture = Picture::new(width as u32, height as u32, Color::Rgb, samples).expect("a picture");
    let model = Model::embedded(Profile::Fast).expect("the built-in model");
    let encoded = aecodec::encode(&picture, &model, &EncodeOptions::default()).expect("an encode");

    let mut group = c.benchmark_group("one thread");
    group.sample_size(10).throughput(Throughput::Elements((width * height) as u64));
    group.bench_function("encode", |b| {
        b.iter(|| aecodec::encode(&picture, &model, &EncodeOptions::default()));
    });
    group.bench_function("decode", |b| {
        b.iter(|| aecodec::decode(&encoded.bytes, &model, &DecodeOptions::default()));
    });
    group.finish();
}

criterion_group!(benches, products, pictures);
criterion_main!(benches);
