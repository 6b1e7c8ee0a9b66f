//! The card of a model in Markdown: what it was trained on and how, and the results.

use super::encodes::CodingResult;
use super::{TrainingEnd, TrainingSession};
use crate::net::Weights;
use std::fmt::Write as _;

/// The card that is kept in the model file.
pub(super) fn text(session: &TrainingSession, weights: &Weights, after: &[CodingResult]) -> String {
    let note = &session.note;
    let (pictures, aside, megapixels, skipped) = session.counts();
    let shapes = weights.shapes();
    let origin = match &note.origin.hash {
        Some(hash) => format!("{} (BLAKE3 `{hash}`)", note.origin.name),
        None => note.origin.name.clone(),
    };
    let end = match note.end {
        Some(TrainingEnd::NoBetter) => "ended by early stopping",
        Some(TrainingEnd::Complete) => "complete",
        None => "not complete",
    };
    let mut out = String::from("| | |\n|---|---|\n");
    for (what, said) in [
        (
            "Shapes",
            format!(
                "C {}, M {}, Z {}, P {}, ne {}, nd {}, expansion {}; {:.2} M parameters",
                shapes.c,
                shapes.m,
                shapes.z,
                shapes.p,
                shapes.ne,
                shapes.nd,
                shapes.expansion,
                weights.count() as f64 / 1e6
            ),
        ),
        ("Data", format!("{pictures} pictures, {megapixels:.1} megapixels; {skipped} files skipped")),
        ("Validation", format!("{aside} pictures, chosen by a hash of their names")),
        ("Started from", origin),
        (
            "Training",
            format!(
                "{} steps, {:.1} minutes, {end}; weights of step {}",
                session.steps(),
                note.seconds / 60.0,
                note.best
            ),
        ),
        ("Loss", note.settings.loss_in_words()),
        ("Settings", note.settings.lines().join(", ")),
        ("Hardware", hardware(&session.device)),
        ("Made by", format!("aecodec {}", env!("CARGO_PKG_VERSION"))),
    ] {
        let _ = writeln!(out, "| {what} | {said} |");
    }
    out += "\n## Validation pictures\n\nMeans over real files of the integer model";
    if note.before.len() == after.len() {
        out +=
            ", before and after.\n\n| quality | bpp before | dB before | bpp | dB |\n|---|---|---|---|---|\n";
        for (b, a) in note.before.iter().zip(after) {
            let _ = writeln!(
                out,
                "| {} | {:.4} | {:.3} | {:.4} | {:.3} |",
                a.quality, b.bpp, b.psnr, a.bpp, a.psnr
            );
        }
    } else {
        out += ".\n\n| quality | bpp | dB |\n|---|---|---|\n";
        for a in after {
            let _ = writeln!(out, "| {} | {:.4} | {:.3} |", a.quality, a.bpp, a.psnr);
        }
    }
    out += "\n## Curve\n\nThe training loss is the mean since the previous line, over all qualities. The validation loss is \
            that of the averaged weights, with real rounding.\n\n";
    out += "| step | training loss | validation loss | bpp | dB |\n|---|---|---|---|---|\n";
    // About thirty lines are enough.
    let every = note.points.len().div_ceil(30).max(1);
    for (i, p) in note.points.iter().enumerate() {
        if i % every == 0 || i + 1 == note.points.len() || p.step == note.best {
            let training = p.training.map_or_else(String::new, |loss| format!("{loss:.4}"));
            let _ = writeln!(
                out,
                "| {} | {training} | {:.4} | {:.4} | {:.3} |",
                p.step, p.validation, p.bpp, p.psnr
            );
        }
    }
    out
}

/// The card in a separate file, which unlike the one in the model file can contain the model's hash.
pub(super) fn with_identity(card: &str, id: &str) -> String {
    format!("# A trained model\n\nBLAKE3 `{id}`\n\n{card}")
}

/// A short description of the machine.
fn hardware(device: &candle_core::Device) -> String {
    let named = std::fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    let processor = named.unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let threads = rayon::current_num_threads();
    let kind = match device {
        candle_core::Device::Cpu => "no accelerator",
        candle_core::Device::Cuda(_) => "CUDA",
        candle_core::Device::Metal(_) => "Metal",
    };
    format!("{processor}, {threads} threads, {kind}")
}
