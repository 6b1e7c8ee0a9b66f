//! The time of a training step by its parts (forward, backward, optimiser), and of a gradient with respect to the
//! latents.

#![expect(missing_docs, reason = "criterion's macro makes a public function")]

use aecodec_trainer::loss;
use aecodec_trainer::net::{Network, Noise, Rate, Shapes, Weights, round_through};
use aecodec_trainer::optim::{self, Optimizer, OptimizerKind};
use candle_core::{Device, Tensor, Var};
use criterion::{Criterion, criterion_group, criterion_main};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// A batch of crops, and half a Kodak picture for the refinement.
const BATCH: (usize, usize, usize) = (8, 256, 256);
const PICTURE: (usize, usize, usize) = (1, 512, 384);

fn step(c: &mut Criterion) {
    let weights = Weights::random(Shapes::FAST, 1, &Device::Cpu).expect("weights");
    let mut group = c.benchmark_group("step of 8 crops of 256x256");
    group.sample_size(10);

    let net = Network::new(&weights).expect("a network");
    let rng = &mut ChaCha8Rng::seed_from_u64(1);
    let noise = Noise::draw(rng, net.shapes(), BATCH, &Device::Cpu).expect("noise");
    let (x, q) = (pictures(BATCH), [3.5; BATCH.0]);
    let loss = || loss::training(&net, &x, &q, &noise).expect("a loss").total;
    group.bench_function("forward", |b| b.iter(loss));
    group.bench_function("backward", |b| {
        b.iter_batched(loss, |loss| loss.backward().expect("gradients"), criterion::BatchSize::PerIteration);
    });
    let store = loss().backward().expect("gradients");
    let gradients = optim::gradients(&weights, &store).expect("gradients");
    let mut optimizer = Optimizer::new(&weights, OptimizerKind::Muon).expect("an optimiser");
    group.bench_function("muon", |b| b.iter(|| optimizer.step(&gradients, 1e-6).expect("a step")));
    group.finish();
}

fn refinement(c: &mut Criterion) {
    let weights = Weights::random(Shapes::FAST, 1, &Device::Cpu).expect("weights");
    let net = Network::frozen(&weights).expect("a network");
    let (x, q) = (pictures(PICTURE), [3.5]);
    let y = Var::from_tensor(&net.analyse(&x, &q).expect("latents")).expect("a variable");
    let prior =
        net.prior(&round_through(&net.hyper_analyse(&y).expect("z")).expect("z")).expect("a prior").detach();
    let mut group = c.benchmark_group("gradient by the latents, 512x384");
    group.sample_size(10);
    group.bench_function("coding and synthesis", |b| {
        b.iter(|| {
            let coded = net.code(&y, &prior, &q, |pass| Rate::Rounded.quantise(&pass)).expect("coded");
            let x_hat = net.synthesise(&coded.0, &q).expect("a picture");
            let error = (x_hat - &x).and_then(|e| e.sqr()?.sum_all()).expect("an error");
            let loss = (error + coded.1.sum_all().expect("bits")).expect("a loss");
            loss.backward().expect("gradients")
        });
    });
    group.finish();
}

/// Smooth pictures.
fn pictures((count, height, width): (usize, usize, usize)) -> Tensor {
    let values: Vec<f32> = (0..count * height * width * 3).map(|i| (i as f32 * 1e-4).sin() / 2.0).collect();
    Tensor::from_vec(values, (count, height, width, 3), &Device::Cpu).expect("pictures")
}

criterion_group!(benches, step, refinement);
criterion_main!(benches);
