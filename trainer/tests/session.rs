//! Whole sessions on generated pictures, from a folder to a model file.

use aecodec::files::{self, Format, WriteOptions};
use aecodec::{Color, Model, Picture};
use aecodec_trainer::net::{Network, Weights};
use aecodec_trainer::objective::Objective;
use aecodec_trainer::search::{Search, Trial};
use aecodec_trainer::session::{Start, TrainingEnd, TrainingEvent};
use aecodec_trainer::{DeviceKind, Error, TrainingSession, TrainingSettings};
use candle_core::{Device, Tensor};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use std::path::Path;
use tempfile::TempDir;

/// A folder with four pictures, one picture that is too small, and a file that is not a picture.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (i, side) in [(0, 96), (1, 96), (2, 96), (3, 96), (4, 40)] {
        let pixel = |at: usize| {
            let (y, x) = (at / side, at % side);
            let edge = if (x + i * y / 2) % 60 < 20 { 60 } else { 0 };
            [100 + y + edge, 40 + x + i * 20, 90 + x / 2 + y / 2].map(|v| v as u8)
        };
        let samples = (0..side * side).flat_map(pixel).collect();
        let picture = Picture::new(side as u32, side as u32, Color::Rgb, samples).expect("a picture");
        let (bytes, _) = files::write(&picture, Format::Png, &WriteOptions::default()).expect("a file");
        std::fs::write(folder.path().join(format!("{i}.png")), bytes).expect("written");
    }
    std::fs::write(folder.path().join("none.png"), b"no picture").expect("written");
    folder
}

/// The settings of a small and short run, with changes.
fn settings(changes: Value) -> TrainingSettings {
    let small = json!({
        "steps": 6, "shapes": "tiny", "side": 64, "batch": 2, "warmup": 1, "validate-every": 2,
        "table-batches": 1, "validation": 4, "drawn": 0, "lr": 2e-3,
    });
    let object = |value| if let Value::Object(map) = value { map } else { unreachable!("an object") };
    TrainingSettings::default().with(object(small)).and_then(|s| s.with(object(changes))).expect("settings")
}

fn begin(folder: &Path, run: &str, changes: Value) -> TrainingSession {
    let run = folder.join(run);
    TrainingSession::begin(settings(changes), folder, &run, &Start::Scratch, DeviceKind::Cpu)
        .expect("a session")
}

/// Trains to the end, and returns the validation losses.
fn train(session: &mut TrainingSession) -> (Option<TrainingEnd>, Vec<f64>) {
    let mut points = Vec::new();
    let end = session.train(&|| false, &mut |event| {
        if let TrainingEvent::Validated { point, .. } = event {
            points.push(point.validation);
        }
    });
    (end.expect("trained"), points)
}

#[test]
fn a_run_that_was_stopped_and_resumed_equals_an_unbroken_one() {
    for (name, changes) in [("plain", json!({})), ("adversarial", json!({ "adversarial": 2.0 }))] {
        resumed_equals_unbroken(name, &changes);
    }
}

fn resumed_equals_unbroken(name: &str, changes: &Value) {
    let folder = folder();
    let mut whole = begin(folder.path(), "whole", changes.clone());
    let (end, expected) = train(&mut whole);
    assert_eq!((end, expected.len()), (Some(TrainingEnd::Complete), 4));

    let mut broken = begin(folder.path(), "broken", changes.clone());
    let (steps, mut found) = (std::cell::Cell::new(0), Vec::new());
    let end = broken.train(&|| steps.get() == 3, &mut |event| match event {
        TrainingEvent::Step { step, .. } => steps.set(step),
        TrainingEvent::Validated { point, .. } => found.push(point.validation),
        _ => {}
    });
    assert_eq!(end.expect("trained"), None);
    drop(broken);
    let run = folder.path().join("broken");
    let mut resumed =
        TrainingSession::resume(folder.path(), &run, DeviceKind::Cpu, |s| Ok(s.clone())).expect("resumed");
    assert_eq!(resumed.steps(), 3);
    found.extend(train(&mut resumed).1);
    for (found, expected) in found.iter().zip(&expected) {
        assert!((found - expected).abs() < 1e-6 * expected, "{name}: {found}, expected {expected}");
    }
    assert_eq!(found.len(), expected.len());
}

#[test]
fn a_finished_run_leaves_a_model_that_says_what_it_is() {
    let folder = folder();
    let mut session = begin(folder.path(), "run", json!({}));
    assert_eq!(session.counts().0 + session.counts().1, 4);
    assert_eq!(session.counts().3, 2, "a small picture and a file that is not a picture");
    train(&mut session);
    let finished = session.finish(&mut |_| {}).expect("a model");
    let model = Model::parse(&finished.model).expect("a model");
    assert!(model.card().contains("2 files skipped") && model.card().contains("6 steps"), "{}", model.card());
    assert!(finished.card.contains(&finished.id) && finished.curve.contains("validation"));
    assert!(finished.before.is_empty() && finished.after.len() == 4);
    assert!(finished.after.windows(2).all(|pair| pair[1].bpp > 0.0));
    let weights = Weights::parse(&finished.weights, &Device::Cpu).expect("weights");
    assert_eq!(weights.shapes().c, model.figures().c);

    // A session can also start from the model.
    let start = Start::Model { name: "own.aem".into(), bytes: finished.model };
    let run = folder.path().join("next");
    let mut next =
        TrainingSession::begin(settings(json!({ "steps": 1 })), folder.path(), &run, &start, DeviceKind::Cpu)
            .expect("a session");
    train(&mut next);
    assert_eq!(next.finish(&mut |_| {}).expect("a model").before, finished.after);
}

#[test]
fn a_run_that_gets_no_better_is_stopped_unless_that_is_turned_off() {
    let folder = folder();
    // A rate of 0 changes nothing, so no validation is better than the first.
    let still = |patience| json!({ "lr": 0, "steps": 5, "validate-every": 1, "patience": patience });
    let mut session = begin(folder.path(), "impatient", still(2));
    assert_eq!(train(&mut session).0, Some(TrainingEnd::NoBetter));
    assert_eq!(session.steps(), 2);
    let mut session = begin(folder.path(), "patient", still(0));
    assert_eq!(train(&mut session).0, Some(TrainingEnd::Complete));
    assert_eq!(session.steps(), 5);
}

/// Validation measures the cost of penalties but not their benefit.
#[test]
fn a_run_with_penalties_keeps_its_last_weights() {
    let folder = folder();
    let still = json!({ "lr": 0, "steps": 4, "validate-every": 1, "patience": 1 });
    for (run, penalty, kept) in
        [("plain", None, 0), ("sparse", Some("sparse-l1"), 4), ("own", Some("adversarial"), 4)]
    {
        let mut changes = still.clone();
        penalty.iter().for_each(|name| changes[name] = json!(0.1));
        let mut session = begin(folder.path(), run, changes);
        train(&mut session);
        assert_eq!(session.best().expect("a validation").step, kept, "{run}");
    }
}

#[test]
fn an_interrupted_search_goes_on_where_it_was() {
    let folder = folder();
    let ranges = ["lr=1e-4..1e-2".parse().expect("a range")];
    let search = Search::random(3, &ranges, &settings(json!({})), Start::Scratch, folder.path());
    let search = search.expect("a search");
    // Returns the trials and the number of steps.
    let take = |run: &str, most: usize| {
        let steps = std::cell::Cell::new(0);
        let stop = || steps.get() >= most;
        let mut see = |event| {
            if let TrainingEvent::Step { .. } = event {
                steps.set(steps.get() + 1);
            }
        };
        let run = folder.path().join(run);
        let trials = search.run(&run, DeviceKind::Cpu, &stop, &mut |_, _, _| {}, &mut see);
        (trials.expect("no error"), steps.get())
    };
    let (whole, all) = take("whole", usize::MAX);
    assert_eq!(
        (take("broken", 8), all),
        ((None, 8), 18),
        "interrupted in the second of three runs of six steps"
    );
    let (rest, left) = take("broken", usize::MAX);
    assert_eq!(left, 10);
    let losses = |trials: Option<Vec<Trial>>| {
        let trials = trials.expect("trials").into_iter();
        trials.map(|t| (t.drawn, t.step, t.steps, t.validation)).collect::<Vec<_>>()
    };
    let (rest, whole) = (losses(rest), losses(whole));
    for (rest, whole) in rest.iter().zip(&whole) {
        assert_eq!((&rest.0, rest.1, rest.2), (&whole.0, whole.1, whole.2));
        assert!((rest.3 - whole.3).abs() < 1e-6 * whole.3, "{rest:?}, unbroken {whole:?}");
    }
    assert_eq!(rest.len(), 3);
}

#[test]
fn folders_without_enough_pictures_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let start = |side| {
        let run = folder.path().join("run");
        TrainingSession::begin(
            settings(json!({ "side": side })),
            folder.path(),
            &run,
            &Start::Scratch,
            DeviceKind::Cpu,
        )
    };
    assert!(matches!(start(64), Err(Error::NoPictures { .. })));
    let picture = Picture::new(96, 96, Color::Rgb, vec![9; 96 * 96 * 3]).expect("a picture");
    let (bytes, _) = files::write(&picture, Format::Png, &WriteOptions::default()).expect("a file");
    std::fs::write(folder.path().join("a.png"), bytes).expect("written");
    assert!(matches!(start(64), Err(Error::Invalid { what: "pictures", .. })));
    assert!(matches!(start(128), Err(Error::NoPictures { skipped: 1, .. })));
}

/// The network after a short run with these settings.
fn trained(folder: &Path, run: &str, changes: Value) -> Network {
    let mut changes = changes;
    changes["steps"] = json!(24);
    changes["validate-every"] = json!(24);
    let mut session = begin(folder, run, changes);
    train(&mut session);
    let best = folder.join(run).join("checkpoint.safetensors");
    let all = candle_core::safetensors::load(best, &Device::Cpu).expect("a checkpoint");
    let own = all.into_iter().filter_map(|(name, t)| Some((name.strip_prefix("weights/")?.to_owned(), t)));
    Network::frozen(&Weights::from_tensors(own.collect()).expect("weights")).expect("a network")
}

/// The penalty of an objective on a network's latents of a picture.
fn penalty(net: &Network, objective: &Objective) -> f64 {
    let values = (0..64 * 64 * 3).map(|i| (i as f32 * 0.013).sin() / 2.5).collect::<Vec<_>>();
    let x = Tensor::from_vec(values, (1, 64, 64, 3), &Device::Cpu).expect("a picture");
    let q = [net.knot(50.0)];
    let y = net.analyse(&x, &q).expect("latents");
    let rng = &mut ChaCha8Rng::seed_from_u64(1);
    let found = objective.penalty(net, (&x, &y), &q, rng).expect("a penalty").expect("asked for");
    f64::from(found.to_scalar::<f32>().expect("a number"))
}

#[test]
fn penalties_bring_down_what_they_are_for() {
    let folder = folder();
    let plain = trained(folder.path(), "plain", json!({}));
    for (run, asked) in [
        ("l1", json!({ "sparse-l1": 10.0 })),
        ("kl", json!({ "sparse-kl": 30.0, "sparse-target": 0.05 })),
        ("contractive", json!({ "contractive": 60.0 })),
    ] {
        let objective = settings(asked.clone()).options().objective;
        let own = trained(folder.path(), run, asked);
        let (before, after) = (penalty(&plain, &objective), penalty(&own, &objective));
        assert!(after < 0.9 * before, "{run}: {before} without, {after} with");
    }
}

/// The PSNR of the first step compares the output for the corrupted input with the original picture.
#[test]
fn a_network_that_is_to_denoise_sees_less_than_it_is_to_paint() {
    let folder = folder();
    let first = |run: &str, changes: Value| {
        let (mut found, stop) = (None, std::cell::Cell::new(false));
        begin(folder.path(), run, changes)
            .train(&|| stop.get(), &mut |event| {
                if let TrainingEvent::Step { figures, .. } = event {
                    found = Some(figures);
                    stop.set(true);
                }
            })
            .expect("trained");
        found.expect("a step")
    };
    let plain = first("plain", json!({}));
    assert_eq!(first("again", json!({})), plain);
    for (run, changes) in
        [("noise", json!({ "denoise-noise": 40 })), ("mask", json!({ "denoise-mask": 0.9 }))]
    {
        let seen = first(run, changes);
        assert!(seen.bpp != plain.bpp && seen.psnr != plain.psnr, "{run}: {seen:?}, plain {plain:?}");
    }
    for loss in ["l1", "ms-ssim", "cross-entropy"] {
        let other = first(loss, json!({ "loss": loss }));
        assert_eq!((other.psnr, other.bpp), (plain.psnr, plain.bpp));
        assert!(other.loss != plain.loss && other.loss.is_finite());
    }
}
