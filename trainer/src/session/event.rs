//! What a run tells on its way.

use crate::loss::LossMeans;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What a validation found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ValidationPoint {
    /// Steps taken.
    pub step: usize,
    /// Mean loss of training since the validation before, each picture's within its cap.
    pub training: Option<f64>,
    /// Loss of the averaged weights on the validation pictures, with real rounding.
    pub validation: f64,
    /// Their bits per pixel.
    pub bpp: f64,
    /// Their PSNR in dB.
    pub psnr: f64,
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrainingEnd {
    /// It took its steps, or its time.
    Complete,
    /// Validation did not get better for as long as patience allows.
    NoBetter,
}

/// What happens during a run.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum TrainingEvent {
    /// A step was taken.
    Step {
        /// Steps so far.
        step: usize,
        /// Share of the run that is done, 0 to 1.
        progress: f64,
        /// Seconds so far.
        seconds: f64,
        /// What it found, before the step.
        figures: LossMeans,
        /// Learning rate.
        rate: f64,
        /// Whether its gradient was finite; otherwise the step was left out.
        taken: bool,
        /// Crops a second.
        speed: f64,
    },
    /// The averaged weights were validated.
    Validated {
        /// What was found.
        point: ValidationPoint,
        /// Whether it is the best so far.
        best: bool,
    },
    /// A checkpoint was written.
    Saved(PathBuf),
    /// The last part began: calibration, counts, integers, or encodes of the validation pictures.
    Stage(&'static str),
}
