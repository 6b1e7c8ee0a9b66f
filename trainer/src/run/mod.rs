//! A training run: one call for each step, and checkpoints from which a run resumes without a difference.

mod candle;
mod draws;
mod options;

use crate::checkpoint::{self, Tensors};
use crate::data::Pictures;
use crate::engine::{Engine, EngineBatch, EngineNoise, EngineOptions, EngineStep};
use crate::loss::LossMeans;
use crate::net::{Shapes, Weights};
use crate::{Error, Result};
use candle::CandleRun;
use candle_core::Device;
use draws::StepDraws;
pub use options::RunOptions;
use rand::Rng;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A training run. It owns the weights and the state of the optimiser.
#[derive(Debug)]
pub struct Run {
    options: RunOptions,
    shapes: Shapes,
    state: RunState,
    step: usize,
    seconds: f64,
}

/// The part of a run that depends on where it computes.
#[derive(Debug)]
enum RunState {
    Engine(Box<Engine>),
    Candle(Box<CandleRun>),
}

/// The contents of a checkpoint besides its tensors.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    step: usize,
    optimizer_steps: usize,
    #[serde(default)]
    critic_steps: usize,
    seconds: f64,
    /// Data of the caller.
    #[serde(default)]
    note: serde_json::Value,
}

/// The result of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stepped {
    /// The means over the batch before the step.
    pub figures: LossMeans,
    /// The length of the gradient before it was clipped. If it is not finite, the step was skipped.
    pub norm: f64,
    /// The learning rate.
    pub rate: f64,
}

impl Run {
    /// Starts a run from these weights.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] if an option is out of its range, and [`Error::Tensor`] if the device fails.
    pub fn new(weights: Weights, options: RunOptions) -> Result<Self> {
        let detail = match &options {
            RunOptions { batch: 0, .. } => Some("a batch of 0 crops".to_owned()),
            RunOptions { side, .. } if *side == 0 || !side.is_multiple_of(64) => {
                Some(format!("crops of {side} pixels; the side must be a multiple of 64"))
            }
            RunOptions { schedule, .. } if !(0.0..1.0).contains(&schedule.hold) => Some(format!(
                "a plateau over a share {} of the run; it must be from 0 to less than 1",
                schedule.hold
            )),
            RunOptions { drawn, .. } if !(0.0..=1.0).contains(drawn) => {
                Some(format!("a share {drawn} of generated crops; it must be from 0 to 1"))
            }
            RunOptions { vivid, .. } if !(0.0..=1.0).contains(vivid) => {
                Some(format!("a share {vivid} of vivid crops; it must be from 0 to 1"))
            }
            _ => None,
        };
        if let Some(detail) = detail {
            return Err(Error::Invalid { what: "training", detail });
        }
        let shapes = weights.shapes();
        let on_cpu = weights.vars().all(|(_, var)| var.device().is_cpu());
        let state = if on_cpu && Engine::supports(shapes) && options.objective.is_plain() {
            let engine = EngineOptions {
                batch: options.batch,
                side: options.side,
                distortion: options.objective.distortion,
                optimizer: options.optimizer,
            };
            RunState::Engine(Box::new(Engine::new(&weights, engine)?))
        } else {
            RunState::Candle(Box::new(CandleRun::new(weights, &options)?))
        };
        Ok(Self { options, shapes, state, step: 0, seconds: 0.0 })
    }

    /// What computes the steps: the engine and its path, or candle.
    pub fn computed_by(&self) -> String {
        match &self.state {
            RunState::Engine(engine) => format!("engine ({})", engine.path()),
            RunState::Candle(_) => "reference implementation (candle)".to_owned(),
        }
    }

    /// Why the engine does not compute the steps of a run on the processor, or `None` if it does or if the run uses an
    /// accelerator.
    pub fn slow_because(&self) -> Option<&'static str> {
        let RunState::Candle(run) = &self.state else { return None };
        if !run.device().is_cpu() {
            None
        } else if !self.options.objective.is_plain() {
            Some("the engine knows no penalties and no corrupted inputs")
        } else {
            Some("the engine knows only networks of even widths")
        }
    }

    /// Resumes a run from a checkpoint. Options such as the rate and the batch may differ from those it began with, but
    /// the optimiser must be the same.
    ///
    /// # Errors
    /// Returns [`Error::File`] if the checkpoint cannot be read, and [`Error::Checkpoint`] or [`Error::Weights`] if it
    /// holds no run with these options.
    pub fn resume(path: &Path, options: RunOptions, device: &Device) -> Result<Self> {
        let (mut groups, state): (_, State) = checkpoint::read(path, device)?;
        let mut take = |group: &str| groups.remove(group).unwrap_or_default();
        let mut run = Self::new(Weights::from_tensors(take("weights"))?, options)?;
        let (averages, moments) = (take("ema"), take("moments"));
        match &mut run.state {
            RunState::Engine(engine) => engine.restore(&averages, &moments, state.optimizer_steps)?,
            RunState::Candle(run) => {
                let [critic, lessons] = ["critic", "critic-moments"].map(take);
                let critic = ([&critic, &lessons], state.critic_steps);
                run.restore(&averages, (&moments, state.optimizer_steps), critic)?;
            }
        }
        (run.step, run.seconds) = (state.step, state.seconds);
        Ok(run)
    }

    /// The note in a checkpoint.
    ///
    /// # Errors
    /// Returns [`Error::File`] if the file cannot be read, and [`Error::Checkpoint`] if it is not a checkpoint.
    pub(crate) fn note(path: &Path) -> Result<serde_json::Value> {
        let state: State = checkpoint::state(path)?;
        Ok(state.note)
    }

    /// Writes a checkpoint. The file is replaced atomically.
    ///
    /// # Errors
    /// Returns [`Error::File`] or [`Error::Checkpoint`] if it cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        self.save_noted(path, serde_json::Value::Null)
    }

    /// Writes a checkpoint with a note.
    pub(crate) fn save_noted(&self, path: &Path, note: serde_json::Value) -> Result<()> {
        let (weights, averages, (moments, optimizer_steps), ([critic, lessons], critic_steps)) =
            match &self.state {
                RunState::Engine(engine) => {
                    let optimizer = (engine.moments()?, engine.steps());
                    (engine.weights()?, engine.averages()?, optimizer, Default::default())
                }
                RunState::Candle(run) => {
                    let weights = run.weights.vars();
                    let weights: Tensors =
                        weights.map(|(name, var)| (name.to_owned(), var.as_detached_tensor())).collect();
                    (weights, run.ema.values().clone(), run.optimizer(), run.critic())
                }
            };
        let state = State { step: self.step, optimizer_steps, critic_steps, seconds: self.seconds, note };
        checkpoint::write(
            path,
            &[
                ("weights", &weights),
                ("ema", &averages),
                ("moments", &moments),
                ("critic", &critic),
                ("critic-moments", &lessons),
            ],
            &state,
        )
    }

    /// Takes a step on crops of these pictures. `progress` is the share of the run that is done, from 0 to 1. If the
    /// gradient is not finite, no weight and no average changes.
    ///
    /// # Errors
    /// Returns [`Error::Tensor`] if the device fails.
    pub fn step(&mut self, pictures: &Pictures, progress: f64) -> Result<Stepped> {
        let start = std::time::Instant::now();
        let mut draws = StepDraws::new(pictures, &self.options, self.shapes.knots, self.step);
        let rate = self.options.schedule.at(self.step, progress);
        self.step += 1;
        // In the first steps, when the weights change most, the average moves faster.
        let decay = self.options.ema.min((1 + self.step) as f64 / (10 + self.step) as f64);
        let EngineStep { figures, norm } = match &mut self.state {
            RunState::Engine(engine) => {
                let noise = EngineNoise::Seed(draws.rng.random());
                let batch = EngineBatch { samples: &draws.samples, q: &draws.q, noise };
                engine.step(batch, rate, decay)?
            }
            RunState::Candle(run) => run.step(&self.options, draws, rate, decay)?,
        };
        self.seconds += start.elapsed().as_secs_f64();
        Ok(Stepped { figures, norm, rate })
    }

    /// The number of steps, including those before the run was resumed.
    pub fn steps(&self) -> usize {
        self.step
    }

    /// The seconds spent in steps, including those before the run was resumed.
    pub fn seconds(&self) -> f64 {
        self.seconds
    }

    /// The averaged weights, which become the model.
    ///
    /// # Errors
    /// Returns [`Error::Tensor`] if the device fails.
    pub fn averaged(&self) -> Result<Weights> {
        match &self.state {
            RunState::Engine(engine) => Weights::from_tensors(engine.averages()?),
            RunState::Candle(run) => run.ema.weights(),
        }
    }
}
