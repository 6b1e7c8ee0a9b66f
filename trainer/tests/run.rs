//! Training runs on generated pictures.

use aecodec::files::{self, Format, WriteOptions};
use aecodec::{Color, Picture};
use aecodec_trainer::data::{PIXELS, Pictures};
use aecodec_trainer::loss::{self, LossMeans};
use aecodec_trainer::net::{Network, Shapes, Weights};
use aecodec_trainer::optim::{OptimizerKind, Schedule};
use aecodec_trainer::{Error, Run, RunOptions};
use candle_core::Device;
use std::path::Path;

const TINY: Shapes = Shapes { c: 16, m: 32, z: 8, p: 16, ne: 1, nd: 1, expansion: 1.5, knots: 3 };

/// Three pictures of smooth colours with an edge.
fn pictures(folder: &Path) -> Pictures {
    for i in 0..3usize {
        let pixel = |at: usize| {
            let (y, x) = (at / 96, at % 96);
            let edge = if (x + i * y / 2) % 60 < 20 { 60 } else { 0 };
            [100 + y + edge, 40 + x + i * 20, 90 + x / 2 + y / 2].map(|v| v as u8)
        };
        let picture =
            Picture::new(96, 96, Color::Rgb, (0..96 * 96).flat_map(pixel).collect()).expect("a picture");
        let (bytes, _) = files::write(&picture, Format::Png, &WriteOptions::default()).expect("a file");
        std::fs::write(folder.join(format!("{i}.png")), bytes).expect("written");
    }
    Pictures::read(folder, 64, PIXELS).expect("pictures")
}

fn options(optimizer: OptimizerKind) -> RunOptions {
    let mut options = RunOptions::default();
    options.optimizer = optimizer;
    options.schedule = Schedule { rate: 2e-3, warmup: 5, hold: 0.9 };
    (options.batch, options.side, options.ema) = (2, 64, 0.9);
    options
}

fn begin(optimizer: OptimizerKind) -> Run {
    let weights = Weights::random(TINY, 1, &Device::Cpu).expect("weights");
    Run::new(weights, options(optimizer)).expect("a run")
}

fn steps(run: &mut Run, pictures: &Pictures, range: std::ops::Range<usize>) -> Vec<LossMeans> {
    range.map(|i| run.step(pictures, i as f64 / 60.0).expect("a step").figures).collect()
}

#[test]
fn training_lowers_the_loss_and_the_error_of_the_averaged_weights() {
    let folder = tempfile::tempdir().expect("a folder");
    let pictures = pictures(folder.path());
    for optimizer in [OptimizerKind::Muon, OptimizerKind::Adam] {
        let mut run = begin(optimizer);
        let before = measured(&run, &pictures);
        let figures = steps(&mut run, &pictures, 0..60);
        let (first, last) = (LossMeans::mean(&figures[..10]), LossMeans::mean(&figures[50..]));
        assert!(last.loss < 0.8 * first.loss, "{optimizer:?}: {first:?}, then {last:?}");
        let after = measured(&run, &pictures);
        assert!(after > before + 1.0, "{optimizer:?}: {before} dB, then {after}");
    }
}

/// The PSNR of the averaged weights at medium quality, with real rounding.
fn measured(run: &Run, pictures: &Pictures) -> f64 {
    let net = Network::frozen(&run.averaged().expect("weights")).expect("a network");
    let image = &pictures.images()[0];
    loss::measure(&net, &image.samples, (image.height, image.width), net.knot(50.0)).expect("measured").psnr
}

#[test]
fn a_resumed_run_equals_an_unbroken_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let pictures = pictures(folder.path());
    let path = folder.path().join("run.safetensors");
    for optimizer in [OptimizerKind::Muon, OptimizerKind::Adam] {
        let mut whole = begin(optimizer);
        let expected = steps(&mut whole, &pictures, 0..12);
        let mut broken = begin(optimizer);
        let mut found = steps(&mut broken, &pictures, 0..7);
        broken.save(&path).expect("saved");
        drop(broken);
        let mut resumed = Run::resume(&path, options(optimizer), &Device::Cpu).expect("resumed");
        assert_eq!(resumed.steps(), 7);
        found.extend(steps(&mut resumed, &pictures, 7..12));
        for (found, expected) in found.iter().zip(&expected) {
            assert!(
                (found.loss - expected.loss).abs() < 1e-6 * expected.loss,
                "{found:?}, expected {expected:?}"
            );
        }
        let (found, expected) = (resumed.averaged().expect("weights"), whole.averaged().expect("weights"));
        for (name, var) in expected.vars() {
            let difference = (found.var(name).expect("a parameter").as_tensor() - var.as_tensor())
                .and_then(|d| d.abs()?.max_all()?.to_scalar::<f32>())
                .expect("a number");
            assert!(difference < 1e-5, "{name}: {difference}");
        }
    }
}

#[test]
fn a_checkpoint_of_another_optimiser_or_plain_weights_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run.safetensors");
    begin(OptimizerKind::Adam).save(&path).expect("saved");
    let other = Run::resume(&path, options(OptimizerKind::Muon), &Device::Cpu);
    assert!(matches!(&other, Err(Error::Weights { .. })), "{other:?}");
    let weights = Weights::random(TINY, 1, &Device::Cpu).expect("weights");
    weights.save(&path).expect("saved");
    let none = Run::resume(&path, options(OptimizerKind::Muon), &Device::Cpu);
    assert!(matches!(&none, Err(Error::Checkpoint { .. })), "{none:?}");
    assert_eq!(Weights::load(&path, &Device::Cpu).expect("weights").shapes(), TINY);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let pictures = pictures(folder.path());
    let run = || steps(&mut begin(OptimizerKind::Muon), &pictures, 0..3);
    assert_eq!(run(), run());
}

/// With real rounding, the shipped weights code such pictures well.
#[test]
fn shipped_weights_code_a_picture_well() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/fast.safetensors");
    let weights = Weights::load(&path, &Device::Cpu).expect("the shipped weights");
    assert_eq!(weights.shapes(), Shapes::FAST);
    let net = Network::frozen(&weights).expect("a network");
    let folder = tempfile::tempdir().expect("a folder");
    let pictures = pictures(folder.path());
    let image = &pictures.images()[0];
    let at = |quality| loss::measure(&net, &image.samples, (image.height, image.width), net.knot(quality));
    let (low, high) = (at(20.0).expect("measured"), at(80.0).expect("measured"));
    assert!(low.psnr > 28.0 && high.psnr > low.psnr + 5.0 && high.bpp > low.bpp, "{low:?}, {high:?}");
}
