//! The engine on every path of this machine against the network on candle: losses, every gradient, and steps.

use super::*;
use crate::loss::{self, Loss};
use crate::net::{Network, Noise, PASS_QUARTER, Rate};
use crate::optim::{self, Ema, Optimizer};
use candle_core::{DType, Device};

const BATCH: usize = 3;
const SIDE: usize = 128;
const SMALL: Shapes = Shapes { c: 32, m: 64, z: 16, p: 32, ne: 2, nd: 1, expansion: 1.5, knots: 4 };
/// Widths that are no multiples of a vector.
const ODD: Shapes = Shapes { c: 24, m: 40, z: 10, p: 22, ne: 1, nd: 2, expansion: 1.0, knots: 3 };
const LINEAR: Shapes = Shapes { c: 32, m: 64, z: 16, p: 32, ne: 0, nd: 0, expansion: 1.0, knots: 2 };

/// Crops with their draws, for the engine and for candle.
struct Draws {
    samples: Vec<u8>,
    q: Vec<f32>,
    of_y: Vec<f32>,
    of_z: Vec<f32>,
    x: Tensor,
    noise: Noise,
}

impl Draws {
    fn new(shapes: Shapes, seed: u64) -> Self {
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let mut samples = Vec::new();
        for _ in 0..BATCH {
            let [slope, wave, shift]: [f32; 3] = std::array::from_fn(|_| rng.random());
            for i in 0..SIDE * SIDE * 3 {
                let (x, y, channel) = ((i / 3 % SIDE) as f32, (i / 3 / SIDE) as f32, (i % 3) as f32);
                let v = 128.0 + 60.0 * (x * 0.2 * wave + y * slope * 0.1 + channel * shift).sin();
                samples.push((v + rng.random_range(-30.0..30.0)) as u8);
            }
        }
        Self::of(shapes, samples, rng)
    }

    /// Draws for these crops.
    fn of(shapes: Shapes, samples: Vec<u8>, rng: &mut ChaCha8Rng) -> Self {
        let last = (shapes.knots - 1) as f32;
        let mut uniform =
            |count: usize| -> Vec<f32> { (0..count).map(|_| rng.random::<f32>() - 0.5).collect() };
        let (s16, s64) = (SIDE / 16, SIDE / 64);
        let of_y = uniform(BATCH * s16 * s16 * shapes.m);
        let of_z = uniform(BATCH * s64 * s64 * shapes.z);
        let q = uniform(BATCH).into_iter().map(|v| (v + 0.5) * last).collect();
        let (quarter, rows) = (shapes.m / 4, s16 * s16 / 4);
        let pass = |pass: usize| {
            let mut own: Vec<f32> = Vec::new();
            for (phase, channels) in PASS_QUARTER[pass].into_iter().enumerate() {
                for (crop, i) in (0..BATCH).flat_map(|crop| (0..rows).map(move |i| (crop, i))) {
                    let (y, x) = (2 * (i / (s16 / 2)) + phase / 2, 2 * (i % (s16 / 2)) + phase % 2);
                    let at = ((crop * s16 + y) * s16 + x) * shapes.m + channels * quarter;
                    own.extend(&of_y[at..at + quarter]);
                }
            }
            Tensor::from_vec(own, (4, BATCH * rows, quarter), &Device::Cpu).expect("noise")
        };
        let noise = Noise {
            z: Tensor::from_vec(of_z.clone(), (BATCH, s64, s64, shapes.z), &Device::Cpu).expect("noise"),
            y: [0, 1, 2, 3].map(pass),
        };
        let x = samples.iter().map(|s| f32::from(*s) / 255.0 - 0.5).collect();
        let x = Tensor::from_vec(x, (BATCH, SIDE, SIDE, 3), &Device::Cpu).expect("pictures");
        Self { samples, q, of_y, of_z, x, noise }
    }

    fn batch(&self) -> EngineBatch<'_> {
        let noise = EngineNoise::Given(&self.of_y, &self.of_z);
        EngineBatch { samples: &self.samples, q: &self.q, noise }
    }

    fn reference(&self, weights: &Weights, distortion: Distortion) -> (Loss, optim::Gradients) {
        let net = Network::new(weights).expect("a network");
        let coded = net.forward(&self.x, &self.q, Rate::Noisy(&self.noise)).expect("coded");
        let loss = loss::of(&coded, &self.x, &self.q, net.shapes().knots, distortion).expect("a loss");
        let store = loss.total.backward().expect("gradients");
        let gradients = optim::gradients(weights, &store).expect("gradients");
        (loss, gradients)
    }
}

/// Random weights whose latents have some magnitude, so that all parts of the network matter.
fn weights(shapes: Shapes) -> Weights {
    Weights::random(shapes, 7, &Device::Cpu).expect("weights")
}

fn options(distortion: Distortion) -> EngineOptions {
    EngineOptions { batch: BATCH, side: SIDE, distortion, optimizer: OptimizerKind::Muon }
}

fn values(t: &Tensor) -> Vec<f64> {
    t.to_dtype(DType::F64).and_then(|t| t.flatten_all()?.to_vec1()).expect("numbers")
}

/// The cosine between two tensors, and the ratio of their lengths.
fn agreement(found: &Tensor, expected: &Tensor) -> (f64, f64) {
    let (a, b) = (values(found), values(expected));
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let (aa, bb) = (dot(&a, &a).sqrt(), dot(&b, &b).sqrt());
    if bb == 0.0 {
        return if aa == 0.0 { (1.0, 1.0) } else { (0.0, f64::INFINITY) };
    }
    (dot(&a, &b) / (aa * bb).max(f64::MIN_POSITIVE), aa / bb)
}

#[test]
fn losses_and_gradients_are_the_references_on_every_path() {
    for (shapes, distortion) in [
        (SMALL, Distortion::Mse),
        (SMALL, Distortion::Eye),
        (SMALL, Distortion::MsSsim),
        (ODD, Distortion::Mse),
        (LINEAR, Distortion::L1),
    ] {
        let (weights, draws) = (weights(shapes), Draws::new(shapes, 3));
        let (loss, expected) = draws.reference(&weights, distortion);
        for set in Set::available() {
            let mut engine = Engine::on(set, &weights, options(distortion)).expect("an engine");
            let (step, found) = engine.gradients(draws.batch()).expect("gradients");
            // Rounding to bfloat16 moves some latents across a half.
            let precise = set.name() != "avx512bf16";
            let (near, turned) = if precise { (1e-3, 1e-6) } else { (3e-2, 3e-3) };
            let name = format!("{} {distortion:?} {shapes:?}", set.name());
            for (found, expected) in [
                (step.figures.loss, loss.figures.loss),
                (step.figures.capped, loss.figures.capped),
                (step.figures.psnr, loss.figures.psnr),
                (step.figures.bpp, loss.figures.bpp),
            ] {
                assert!((found / expected - 1.0).abs() < near, "{name}: {step:?}, expected {loss:?}");
            }
            assert_eq!(found.len(), expected.len());
            for (parameter, expected) in &expected {
                let (cosine, ratio) = agreement(&found[parameter], expected);
                let agree = cosine > 1.0 - turned && (ratio - 1.0).abs() < near;
                assert!(agree, "{name}: {parameter} has cosine {cosine} and ratio {ratio}");
            }
        }
    }
}

/// A step changes weights, moments and averages as the reference's optimiser does with the same gradients.
#[test]
fn steps_are_those_of_the_reference() {
    let draws = Draws::new(SMALL, 3);
    for optimizer in [OptimizerKind::Muon, OptimizerKind::Adam] {
        let weights = weights(SMALL);
        let own = EngineOptions { optimizer, ..options(Distortion::Mse) };
        let mut engine = Engine::on(Set::Plain, &weights, own).expect("an engine");
        let mut reference = Optimizer::new(&weights, optimizer).expect("an optimiser");
        let mut ema = Ema::new(&weights).expect("averages");
        for _ in 0..3 {
            let (step, mut gradients) = engine.gradients(draws.batch()).expect("gradients");
            let norm = optim::clip(&mut gradients, LONGEST).expect("clipped");
            assert!((norm / step.norm - 1.0).abs() < 1e-4, "{norm}, {step:?}");
            engine.step(draws.batch(), 1e-3, 0.9).expect("a step");
            reference.step(&gradients, 1e-3).expect("a step");
            ema.update(&weights, 0.9).expect("averages");
        }
        let state = reference.state();
        let expected =
            weights.vars().map(|(name, var)| (name.to_owned(), var.as_detached_tensor())).collect();
        for (what, found, expected) in [
            ("weights", engine.weights().expect("weights"), expected),
            ("averages", engine.averages().expect("averages"), ema.values().clone()),
            ("moments", engine.moments().expect("moments"), state),
        ] {
            assert_eq!(found.len(), expected.len(), "{what}");
            for (name, expected) in &expected {
                let (cosine, ratio) = agreement(&found[name], expected);
                let agree = cosine > 1.0 - 1e-6 && (ratio - 1.0).abs() < 1e-4;
                assert!(agree, "{optimizer:?}: {what} {name} has cosine {cosine} and ratio {ratio}");
            }
        }
    }
}

#[test]
fn a_gradient_that_is_not_finite_changes_nothing() {
    let mut tensors: BTreeMap<_, _> =
        weights(SMALL).vars().map(|(name, var)| (name.to_owned(), var.as_detached_tensor())).collect();
    let broken = Tensor::full(f32::NAN, SMALL.c, &Device::Cpu).expect("a row");
    tensors.insert("e_in.bias".to_owned(), broken);
    let weights = Weights::from_tensors(tensors).expect("weights");
    for set in Set::available() {
        let mut engine = Engine::on(set, &weights, options(Distortion::Eye)).expect("an engine");
        let step = engine.step(Draws::new(SMALL, 3).batch(), 1e-3, 0.9).expect("a step");
        assert!(!step.norm.is_finite(), "{}: {step:?}", set.name());
        assert_eq!(engine.steps(), 0);
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let weights = weights(SMALL);
    let mut engine = Engine::new(&weights, options(Distortion::Mse)).expect("an engine");
    let draws = Draws::new(SMALL, 3);
    let short = EngineBatch { samples: &draws.samples[3..], ..draws.batch() };
    let beyond = EngineBatch { q: &[9.0; BATCH], ..draws.batch() };
    for batch in [short, beyond] {
        assert!(matches!(engine.step(batch, 1e-3, 0.9), Err(Error::Invalid { what: "batch", .. })));
    }
    for (batch, side) in [(0, 128), (2, 100), (2, 0)] {
        let own = EngineOptions { batch, side, ..options(Distortion::Mse) };
        assert!(matches!(Engine::new(&weights, own), Err(Error::Invalid { what: "engine", .. })));
    }
    assert!(!Engine::supports(Shapes { z: 5, ..SMALL }));
}

/// The weights of the built-in model, each changed by a tenth: a trained network's gradients are small differences of
/// large numbers, in which every rounding counts.
#[test]
fn the_built_in_network_has_the_references_gradients_on_every_path() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let rng = &mut ChaCha8Rng::seed_from_u64(1);
    let trained = Weights::load(&root.join("models/fast.safetensors"), &Device::Cpu).expect("weights");
    let perturbed = trained.vars().map(|(name, var)| {
        let noise = crate::objective::normal(rng, var.dims(), &Device::Cpu).expect("noise");
        let factor = noise.affine(0.1, 1.0).expect("factors");
        (name.to_owned(), (var.as_detached_tensor() * factor).expect("a product"))
    });
    let weights = Weights::from_tensors(perturbed.collect()).expect("weights");
    let bytes = std::fs::read(root.join("samples/still-life.png")).expect("a sample");
    let (picture, _) = aecodec::files::read(&bytes, &aecodec::Limits::default()).expect("a picture");
    let picture = crate::data::RgbPicture::of(&picture);
    let rows = (0..BATCH).flat_map(|crop| (0..SIDE).map(move |y| (crop, y)));
    let samples = rows.flat_map(|(crop, y)| {
        picture.samples[((100 + y) * picture.width + 100 * crop) * 3..][..3 * SIDE].iter().copied()
    });
    let draws = Draws::of(weights.shapes(), samples.collect(), rng);
    let (loss, expected) = draws.reference(&weights, Distortion::Eye);
    for set in Set::available() {
        let mut engine = Engine::on(set, &weights, options(Distortion::Eye)).expect("an engine");
        let (step, found) = engine.gradients(draws.batch()).expect("gradients");
        // Single latents and hyper-latents round to other integers after products of bfloat16, which changes what the
        // rest of the network sees. So gradients of single parameters differ, and the whole gradient little.
        let (least, least_whole, near) = match set.name() {
            "avx512bf16" => (0.9, 0.995, 0.02),
            _ => (1.0 - 1e-6, 1.0 - 1e-6, 1e-3),
        };
        assert!((step.figures.loss / loss.figures.loss - 1.0).abs() < near, "{step:?}, {loss:?}");
        for (name, expected) in &expected {
            let (cosine, _) = agreement(&found[name], expected);
            assert!(cosine > least, "{}: {name} has cosine {cosine}", set.name());
        }
        let whole = |all: &BTreeMap<String, Tensor>| -> Tensor {
            let flat: Vec<_> = all.values().map(|t| t.flatten_all().expect("a row")).collect();
            Tensor::cat(&flat, 0).expect("a row")
        };
        let (cosine, ratio) = agreement(&whole(&found), &whole(&expected));
        let agree = cosine > least_whole && (ratio - 1.0).abs() < near;
        assert!(agree, "{}: the whole gradient has cosine {cosine} and ratio {ratio}", set.name());
    }
}
