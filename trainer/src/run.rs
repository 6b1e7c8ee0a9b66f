//! A training run: one call for each step, and checkpoints from which a run resumes without a difference.

use crate::checkpoint::{self, Tensors};
use crate::data::Pictures;
use crate::loss::{self, LossMeans};
use crate::net::{Critic, Network, Noise, Rate, Weights};
use crate::objective::Objective;
use crate::optim::{self, Ema, Optimizer, OptimizerKind, Schedule};
use crate::{Error, Result};
use candle_core::Device;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The largest length of a gradient; longer ones are scaled down.
const LONGEST: f64 = 1.0;

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
    /// The share of generated crops (stripes, shapes and noise), whose content photographs lack. Default 0.04. Without
    /// them, such pictures can drive the activations of a network far out of their range.
    pub drawn: f64,
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
            drawn: 0.04,
            ema: 0.999,
            objective: Objective::default(),
            seed: 0,
        }
    }
}

/// A training run. It owns the weights and the state of the optimiser.
#[derive(Debug)]
pub struct Run {
    options: RunOptions,
    weights: Weights,
    net: Network,
    optimizer: Optimizer,
    ema: Ema,
    /// The adversary, if the objective has one.
    critic: Option<Critic>,
    rng: ChaCha8Rng,
    step: usize,
    seconds: f64,
}

/// The contents of a checkpoint besides its tensors.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    step: usize,
    optimizer_steps: usize,
    #[serde(default)]
    critic_steps: usize,
    seconds: f64,
    seed: [u8; 32],
    /// The position in the generator's stream, in words.
    word: u64,
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
            _ => None,
        };
        if let Some(detail) = detail {
            return Err(Error::Invalid { what: "training", detail });
        }
        let net = Network::new(&weights)?;
        let adversarial = options.objective.adversary > 0.0;
        let critic = adversarial.then(|| Critic::new(options.seed, net.device())).transpose()?;
        Ok(Self {
            net,
            critic,
            optimizer: Optimizer::new(&weights, options.optimizer)?,
            ema: Ema::new(&weights, options.ema)?,
            rng: ChaCha8Rng::seed_from_u64(options.seed),
            step: 0,
            seconds: 0.0,
            weights,
            options,
        })
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
        run.ema.restore(&take("ema"))?;
        run.optimizer.restore(&take("moments"), state.optimizer_steps)?;
        // If a run becomes adversarial when it is resumed, its critic starts untrained.
        let [critic, lessons] = ["critic", "critic-moments"].map(take);
        if let Some(own) = run.critic.as_mut().filter(|_| !critic.is_empty()) {
            own.restore([&critic, &lessons], state.critic_steps)?;
        }
        run.rng = ChaCha8Rng::from_seed(state.seed);
        run.rng.set_word_pos(state.word.into());
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
        let ([critic, lessons], critic_steps) = self.critic.as_ref().map(Critic::state).unwrap_or_default();
        let state = State {
            step: self.step,
            optimizer_steps: self.optimizer.steps(),
            critic_steps,
            seconds: self.seconds,
            seed: self.rng.get_seed(),
            word: u64::try_from(self.rng.get_word_pos()).unwrap_or_default(),
            note,
        };
        let weights: Tensors =
            self.weights.vars().map(|(name, var)| (name.to_owned(), var.as_detached_tensor())).collect();
        let moments = self.optimizer.state();
        checkpoint::write(
            path,
            &[
                ("weights", &weights),
                ("ema", self.ema.values()),
                ("moments", &moments),
                ("critic", &critic),
                ("critic-moments", &lessons),
            ],
            &state,
        )
    }

    /// Takes a step on crops of these pictures. `progress` is the share of the run that is done, from 0 to 1.
    ///
    /// # Errors
    /// Returns [`Error::Tensor`] if the device fails.
    pub fn step(&mut self, pictures: &Pictures, progress: f64) -> Result<Stepped> {
        let start = std::time::Instant::now();
        let RunOptions { batch, side, drawn, schedule, objective, .. } = self.options;
        let device = self.net.device().clone();
        let x = pictures.batch(&mut self.rng, (batch, side), drawn, &device)?;
        let last = (self.net.shapes().knots - 1) as f32;
        let q: Vec<f32> = (0..batch).map(|_| self.rng.random::<f32>() * last).collect();
        let noise = Noise::draw(&mut self.rng, self.net.shapes(), (batch, side, side), &device)?;

        let seen = objective.corrupted(&x, &mut self.rng)?;
        let coded = self.net.forward(&seen, &q, Rate::Noisy(&noise))?;
        let loss = loss::of(&coded, &x, &q, self.net.shapes().knots, objective.distortion)?;
        let mut total = loss.total;
        if let Some(penalty) = objective.penalty(&self.net, (&seen, &coded.y), &q, &mut self.rng)? {
            total = (total + penalty)?;
        }
        if let Some(critic) = &self.critic {
            total = (total + (critic.lack(&coded.x_hat)? * objective.adversary)?)?;
        }
        let mut gradients = optim::gradients(&self.weights, &total.backward()?)?;
        let norm = optim::clip(&mut gradients, LONGEST)?;
        let rate = schedule.at(self.step, progress);
        if norm.is_finite() {
            self.optimizer.step(&gradients, rate)?;
            if let Some(critic) = &mut self.critic {
                critic.learn(&x, &coded.x_hat, rate)?;
            }
        }
        self.step += 1;
        self.ema.update(&self.weights, self.step)?;
        self.seconds += start.elapsed().as_secs_f64();
        Ok(Stepped { figures: loss.figures, norm, rate })
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
        self.ema.weights()
    }
}
