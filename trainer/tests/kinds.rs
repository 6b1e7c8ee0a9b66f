//! Kinds of autoencoders whose results are known: the linear one, and the one with an adversary.

use aecodec::files::{self, Format, WriteOptions};
use aecodec::{Color, Picture};
use aecodec_trainer::data::{PIXELS, Pictures};
use aecodec_trainer::net::{Network, Rate, Shapes, Weights};
use aecodec_trainer::objective::Objective;
use aecodec_trainer::optim::{OptimizerKind, Schedule};
use aecodec_trainer::{Run, RunOptions};
use candle_core::{Device, Tensor};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::f64::consts::PI;

/// The side of a picture and of a crop. Crops are whole pictures, so that blocks keep their places.
const SIDE: usize = 64;
/// The number of samples in a block of 16x16 pixels.
const BLOCK: usize = 16 * 16 * 3;

/// Pictures whose samples are a function of (picture, row, column, channel), in 8-bit units.
fn pictures(count: usize, mut sample: impl FnMut(usize, usize, usize, usize) -> f64) -> Pictures {
    let folder = tempfile::tempdir().expect("a folder");
    for i in 0..count {
        let at = |k: usize| (k / (SIDE * 3), k / 3 % SIDE, k % 3);
        let samples = (0..SIDE * SIDE * 3).map(|k| {
            let (y, x, c) = at(k);
            sample(i, y, x, c).round().clamp(0.0, 255.0) as u8
        });
        let picture =
            Picture::new(SIDE as u32, SIDE as u32, Color::Rgb, samples.collect()).expect("a picture");
        let (bytes, _) = files::write(&picture, Format::Png, &WriteOptions::default()).expect("a file");
        std::fs::write(folder.path().join(format!("{i}.png")), bytes).expect("written");
    }
    Pictures::read(folder.path(), SIDE, PIXELS).expect("pictures")
}

fn options(rate: f64) -> RunOptions {
    let mut options = RunOptions::default();
    options.optimizer = OptimizerKind::Adam;
    options.schedule = Schedule { rate, warmup: 5, hold: 0.4 };
    (options.batch, options.side, options.ema, options.drawn) = (4, SIDE, 0.9, 0.0);
    options
}

fn train(shapes: Shapes, options: RunOptions, pictures: &Pictures, steps: usize) -> Network {
    let mut run =
        Run::new(Weights::random(shapes, 1, &Device::Cpu).expect("weights"), options).expect("a run");
    for step in 0..steps {
        run.step(pictures, step as f64 / steps as f64).expect("a step");
    }
    Network::frozen(&run.averaged().expect("weights")).expect("a network")
}

/// Orthonormal vectors that span the same space.
fn orthonormal(mut vectors: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    for i in 0..vectors.len() {
        let (before, rest) = vectors.split_at_mut(i);
        let own = &mut rest[0];
        for other in before {
            let along = dot(own, other);
            own.iter_mut().zip(other.iter()).for_each(|(v, o)| *v -= along * o);
        }
        let length = dot(own, own).sqrt();
        own.iter_mut().for_each(|v| *v /= length);
    }
    vectors
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The directions of the largest variance, by orthogonal iteration on the covariance of the rows.
fn principal(rows: &[Vec<f64>], count: usize) -> Vec<Vec<f64>> {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let mut found: Vec<Vec<f64>> =
        (0..count).map(|_| (0..BLOCK).map(|_| rng.random_range(-1.0..1.0)).collect()).collect();
    for _ in 0..40 {
        let step = found.iter().map(|direction| {
            let mut sum = vec![0.0; BLOCK];
            for row in rows {
                let along = dot(row, direction);
                sum.iter_mut().zip(row).for_each(|(s, r)| *s += along * r);
            }
            sum
        });
        found = orthonormal(step.collect());
    }
    found
}

/// The largest angle in degrees between a direction of one space and the other space. Both are spanned by orthonormal
/// vectors.
fn angle(a: &[Vec<f64>], b: &[Vec<f64>]) -> f64 {
    // The singular values of the part of a that is not in b are the sines of the angles. The largest one is found by
    // power iteration on rest rest^T.
    let rest: Vec<Vec<f64>> = a
        .iter()
        .map(|own| {
            let mut rest = own.clone();
            for other in b {
                let along = dot(own, other);
                rest.iter_mut().zip(other).for_each(|(v, o)| *v -= along * o);
            }
            rest
        })
        .collect();
    let mut mix = vec![1.0; rest.len()];
    let mut sine = 0.0;
    for _ in 0..200 {
        let mut sum = vec![0.0; BLOCK];
        for (share, row) in mix.iter().zip(&rest) {
            sum.iter_mut().zip(row).for_each(|(s, r)| *s += share * r);
        }
        mix = rest.iter().map(|row| dot(row, &sum)).collect();
        let length = dot(&mix, &mix).sqrt();
        sine = length.sqrt();
        mix.iter_mut().for_each(|v| *v /= length.max(1e-300));
    }
    sine.min(1.0).asin().to_degrees()
}

/// A linear autoencoder learns to span the principal components (Baldi and Hornik 1989).
#[test]
#[ignore = "heavy: 400 steps of training"]
fn a_linear_network_spans_the_principal_components() {
    // The eight patterns are four cosines in two colours. Flipped and transposed patterns are patterns again.
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let waves = [(0, 0), (0, 1), (1, 0), (1, 1)];
    let colours = [[1.0, 1.0, 1.0], [1.0, -0.3, -0.7]];
    let mut amounts = vec![[[0.0f64; 8]; 16]; 24];
    let mut uniform = |reach: f64| rng.random_range(-reach..reach);
    amounts.iter_mut().flatten().for_each(|all| *all = std::array::from_fn(|_| uniform(22.0)));
    let cosine = |frequency: usize, at: usize| (PI * frequency as f64 * (at as f64 + 0.5) / 16.0).cos();
    let pictures = pictures(24, |picture, y, x, channel| {
        let amounts = &amounts[picture][y / 16 * 4 + x / 16];
        let pattern = |k: usize| {
            let (v, u) = waves[k / 2];
            colours[k % 2][channel] * cosine(v, y % 16) * cosine(u, x % 16)
        };
        128.0 + (0..8).map(|k| amounts[k] * pattern(k)).sum::<f64>() + uniform(2.0)
    });

    let shapes = Shapes { c: 64, m: 8, z: 8, p: 8, ne: 0, nd: 0, expansion: 1.0, knots: 2 };
    let net = train(shapes, options(8e-3), &pictures, 400);
    let mut latents = vec![0f32; 9 * 8];
    (0..8).for_each(|k| latents[(k + 1) * 8 + k] = 1.0);
    let latents = Tensor::from_vec(latents, (9, 1, 1, 8), &Device::Cpu).expect("latents");
    let decoded =
        net.synthesise(&latents, &[0.5; 9]).and_then(|t| Ok(t.reshape((9, BLOCK))?.to_vec2::<f32>()?));
    let decoded = decoded.expect("blocks");
    let from_gray =
        |row: &Vec<f32>| row.iter().zip(&decoded[0]).map(|(v, gray)| f64::from(v - gray)).collect();
    let learned = orthonormal(decoded[1..].iter().map(from_gray).collect());

    let mut rows: Vec<Vec<f64>> = Vec::new();
    for image in pictures.images() {
        for block in 0..16 {
            let sample = |k: usize| {
                let (y, x) = (block / 4 * 16 + k / 48, block % 4 * 16 + k / 3 % 16);
                f64::from(image.samples[(y * SIDE + x) * 3 + k % 3])
            };
            rows.push((0..BLOCK).map(sample).collect());
        }
    }
    let mean: Vec<f64> =
        (0..BLOCK).map(|k| rows.iter().map(|row| row[k]).sum::<f64>() / rows.len() as f64).collect();
    rows.iter_mut().for_each(|row| row.iter_mut().zip(&mean).for_each(|(v, mean)| *v -= mean));
    let angle = angle(&learned, &principal(&rows, 8));
    println!("{angle:.2} degrees");
    assert!(angle < 2.0, "{angle} degrees from the principal components");
}

/// The mean squared difference of neighbours, which is large for noise and texture and small for their average.
fn roughness(x: &Tensor) -> f64 {
    let (a, b) = (x.narrow(2, 0, SIDE - 1).expect("a part"), x.narrow(2, 1, SIDE - 1).expect("a part"));
    let mean = (a - b).and_then(|d| d.sqr()?.mean_all()?.to_scalar::<f32>()).expect("a number");
    f64::from(mean)
}

#[test]
#[ignore = "heavy: 300 steps of training"]
fn an_adversary_makes_up_the_texture_that_squared_errors_leave_out() {
    // Noise takes too many bits to be kept at low qualities.
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let pictures = pictures(6, |_, _, _, _| 128.0 + rng.random_range(-40.0..40.0));
    let image = &pictures.images()[0];
    let values: Vec<f32> = image.samples.iter().map(|&v| f32::from(v) / 255.0 - 0.5).collect();
    let original = Tensor::from_vec(values, (1, SIDE, SIDE, 3), &Device::Cpu).expect("a picture");
    let shapes = Shapes { c: 16, m: 32, z: 8, p: 16, ne: 1, nd: 1, expansion: 1.5, knots: 3 };
    let rough = |adversary: f64| {
        let mut options = options(3e-3);
        options.objective = Objective::default();
        options.objective.adversary = adversary;
        let net = train(shapes, options, &pictures, 150);
        let coded = net.forward(&original, &[0.0], Rate::Rounded).expect("a coded picture");
        roughness(&coded.x_hat) / roughness(&original)
    };
    let (plain, own) = (rough(0.0), rough(3.0));
    println!("roughness {plain:.3} without, {own:.3} with");
    assert!(plain < 0.02 && own > 0.06, "{plain} of the original without, {own} with");
}
