//! The events of a training session, and its end.

use crate::loss::LossMeans;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The result of a validation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ValidationPoint {
    /// The number of steps before it.
    pub step: usize,
    /// The mean training loss since the previous validation, with each picture's loss capped.
    pub training: Option<f64>,
    /// The loss of the averaged weights on the validation pictures, with real rounding.
    pub validation: f64,
    /// The bits per pixel of the averaged weights.
    pub bpp: f64,
    /// The PSNR of the averaged weights in dB.
    pub psnr: f64,
}

/// The reason why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrainingEnd {
    /// The run reached its number of steps or its time.
    Complete,
    /// Validation did not improve for as long as the patience allows.
    NoBetter,
}

/// An event of a training session.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum TrainingEvent {
    /// A step was taken.
    Step {
        /// The number of steps so far.
        step: usize,
        /// The share of the run that is done, from 0 to 1.
        progress: f64,
        /// The seconds so far.
        seconds: f64,
        /// The means over the batch before the step.
        figures: LossMeans,
        /// The learning rate.
        rate: f64,
        /// Whether the gradient was finite. If it was not, the step was skipped.
        taken: bool,
        /// The number of crops per second.
        speed: f64,
    },
    /// The averaged weights were validated.
    Validated {
        /// The result.
        point: ValidationPoint,
        /// Whether it is the best result so far.
        best: bool,
    },
    /// A checkpoint was written.
    Saved(PathBuf),
    /// A part of [`TrainingSession::finish`](super::TrainingSession::finish) started: the export, or the encodes of the
    /// validation pictures.
    Stage(&'static str),
}
