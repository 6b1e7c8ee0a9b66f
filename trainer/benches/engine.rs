//! The time of the engine's training step by path, profile and loss: 8 crops of 256x256 pixels on all threads.
//!
//! `AECODEC_CPU` forces a path. `models/recipe/timing.py` times the same step of the recipe.

#![expect(missing_docs, reason = "criterion's macro makes a public function")]

use aecodec_trainer::engine::{Engine, EngineBatch, EngineNoise, EngineOptions};
use aecodec_trainer::net::{Shapes, Weights};
use aecodec_trainer::objective::Distortion;
use aecodec_trainer::optim::OptimizerKind;
use candle_core::Device;
use criterion::{Criterion, criterion_group, criterion_main};

const BATCH: usize = 8;
const SIDE: usize = 256;

fn steps(c: &mut Criterion) {
    let samples: Vec<u8> = (0..BATCH * SIDE * SIDE * 3)
        .map(|i| (128.0 + 60.0 * (i as f32 * 0.03).sin() + (i % 23) as f32) as u8)
        .collect();
    let q: Vec<f32> = (0..BATCH).map(|i| i as f32 * 0.9).collect();
    let mut group = c.benchmark_group("step of 8 crops of 256x256");
    group.sample_size(10);
    for (profile, shapes) in [("fast", Shapes::FAST), ("best", Shapes::BEST)] {
        let weights = Weights::random(shapes, 1, &Device::Cpu).expect("weights");
        for (loss, distortion) in [("mse", Distortion::Mse), ("eye", Distortion::Eye)] {
            let options =
                EngineOptions { batch: BATCH, side: SIDE, distortion, optimizer: OptimizerKind::Muon };
            let mut engine = Engine::new(&weights, options).expect("an engine");
            let name = format!("{profile}, {loss}, {}", engine.path());
            let batch = EngineBatch { samples: &samples, q: &q, noise: EngineNoise::Seed(1) };
            group.bench_function(format!("{name}, gradients"), |b| {
                b.iter(|| engine.norm(batch).expect("gradients"));
            });
            group.bench_function(format!("{name}, step"), |b| {
                b.iter(|| engine.step(batch, 1e-6, 0.999).expect("a step"));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, steps);
criterion_main!(benches);
