//! The options of a run.

use crate::objective::Objective;
use crate::optim::{OptimizerKind, Schedule};

/// The options of a run.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RunOptions {
    /// The optimiser. Default Muon.
    pub optimizer: OptimizerKind,
    /// The learning rate over the run.
    pub schedule: Schedule,
    /// The number of crops for each step. Default 8. With more crops, a step takes more memory and time, and fewer
    /// steps are needed.
    pub batch: usize,
    /// The side of a crop in pixels, a multiple of 64. Default 256; 512 gives a small gain at the end of a long run.
    pub side: usize,
    /// The share of generated crops (stripes, shapes and noise), whose content photographs lack. Default 0.06. Without
    /// them, such pictures can drive the activations of a network far out of their range.
    pub drawn: f64,
    /// The share of crops whose colours are made stronger, exchanged or flat. Default 0.06. Photographs have few strong
    /// colours, and a network that has not seen them fails on flags, signs and charts.
    pub vivid: f64,
    /// The decay of the averaged weights. Default 0.999. Lower it for runs of fewer than a few thousand steps.
    pub ema: f64,
    /// The objective in addition to the rate. Default squared error.
    pub objective: Objective,
    /// The seed of crops and noise. Default 0.
    pub seed: u64,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            optimizer: OptimizerKind::Muon,
            schedule: Schedule::default(),
            batch: 8,
            side: 256,
            drawn: 0.06,
            vivid: 0.06,
            ema: 0.999,
            objective: Objective::default(),
            seed: 0,
        }
    }
}
