//! Trains a head: cross-entropy with weights for rare classes, the optimiser and the schedule of the trainer.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use aecodec_trainer::optim::{Optimizer, OptimizerKind, Schedule, clip, gradients_of};
use candle_core::{D, Device, Tensor, Var};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::data::Examples;
use super::head::{CLASSES, Head, Input};
use crate::{Error, Reader, Result};

/// The decay of the average of the weights, which becomes the head.
const AVERAGE: f64 = 0.99;
/// The largest length of a gradient.
const LONGEST: f64 = 1.0;

/// How a head is trained.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// Number of classes; label values from this number on are left out. The default is 11.
    pub classes: usize,
    /// Number of steps, unless `time` ends it sooner. The default is 1500.
    pub steps: usize,
    /// The longest time.
    pub time: Option<Duration>,
    /// Parts of pictures in a step. The default is 8.
    pub batch: usize,
    /// The learning rate. The default is 0.002.
    pub rate: f64,
    /// The seed of weights and batches.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { classes: 11, steps: 1500, time: None, batch: 8, rate: 2e-3, seed: 1 }
    }
}

/// What a step tells.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Progress {
    /// The step, from 1.
    pub step: usize,
    /// The share of the run that is done, 0 to 1.
    pub share: f64,
    /// The loss of the step: the weighted mean of the cross-entropies, in nats.
    pub loss: f32,
}

/// The result of training.
#[derive(Debug)]
#[non_exhaustive]
pub struct Trained {
    /// The head.
    pub head: Head,
    /// Number of steps.
    pub steps: usize,
}

/// Trains a head on examples. `each` is told of each step, and stops the training by `false`.
///
/// # Errors
/// Returns [`Error::TooFew`] without examples, and the errors of the tensors.
pub fn train(
    input: Input,
    examples: &Examples,
    reader: &Reader,
    options: &Options,
    mut each: impl FnMut(Progress) -> bool,
) -> Result<Trained> {
    if examples.is_empty() {
        return Err(Error::TooFew { rate: None, expected: 1, found: 0 });
    }
    let classes = options.classes.clamp(1, CLASSES);
    let head = Head::random((input, classes, reader.model()), examples.moments(), options.seed)?;
    let learned: BTreeMap<&str, &Var> = head
        .weights
        .iter()
        .filter(|(name, _)| !["mean", "deviation"].contains(&name.as_str()))
        .map(|(name, var)| (name.as_str(), var))
        .collect();
    let vars = || learned.iter().map(|(&name, &var)| (name, var));
    let mut optimizer = Optimizer::of(vars(), OptimizerKind::Adam)?;
    let mut average: BTreeMap<String, Tensor> = vars()
        .map(|(name, var)| Ok((name.to_owned(), var.as_detached_tensor().copy()?)))
        .collect::<Result<_>>()?;
    let schedule = Schedule { rate: options.rate, warmup: 50, hold: 0.3 };
    let weights = class_weights(&examples.counts()[..classes]);
    let mut random = ChaCha8Rng::seed_from_u64(options.seed);
    let (shape, began) = (examples.common(), Instant::now());
    let share = |step: usize| {
        let by_time = options.time.map_or(0.0, |time| began.elapsed().as_secs_f64() / time.as_secs_f64());
        by_time.max(step as f64 / options.steps.max(1) as f64)
    };
    let mut steps = 0;
    while share(steps) < 1.0 {
        let (values, truth) = examples.batch(options.batch, shape, &mut random)?;
        let loss = loss(&head.forward(&values)?, &truth, &weights)?;
        let mut gradients = gradients_of(vars(), &loss.backward()?)?;
        let length = clip(&mut gradients, LONGEST)?;
        if length.is_finite() {
            optimizer.step(&gradients, schedule.at(steps, share(steps)))?;
        }
        steps += 1;
        // A short run would otherwise remember its start.
        let decay = AVERAGE.min(steps as f64 / (steps as f64 + 10.0));
        for (name, var) in vars() {
            if let Some(value) = average.get_mut(name) {
                *value = ((&*value * decay)? + (var.as_detached_tensor() * (1.0 - decay))?)?;
            }
        }
        if !each(Progress { step: steps, share: share(steps).min(1.0), loss: loss.to_scalar()? }) {
            break;
        }
    }
    for (name, var) in vars() {
        var.set(&average[name])?;
    }
    Ok(Trained { head, steps })
}

/// Rare classes count more: the inverse root of their share, with a mean of 1 over the cells.
fn class_weights(counts: &[u64]) -> Vec<f32> {
    let all: u64 = counts.iter().sum();
    let root = |&count: &u64| (all.max(1) as f64 / count.max(1) as f64).sqrt().min(20.0);
    let mean: f64 = counts.iter().map(|count| root(count) * *count as f64).sum::<f64>() / all.max(1) as f64;
    counts.iter().map(|count| (root(count) / mean.max(f64::MIN_POSITIVE)) as f32).collect()
}

/// The weighted mean of the cross-entropies of the cells that have a class.
fn loss(scores: &Tensor, truth: &[u8], weights: &[f32]) -> Result<Tensor> {
    let scores = scores.reshape(((), weights.len()))?;
    let most = scores.max_keepdim(D::Minus1)?.detach();
    let scores = scores.broadcast_sub(&most)?;
    let sums = scores.exp()?.sum_keepdim(D::Minus1)?.log()?;
    let log = scores.broadcast_sub(&sums)?;
    let weight: Vec<f32> =
        truth.iter().map(|&class| weights.get(usize::from(class)).copied().unwrap_or(0.0)).collect();
    let total = weight.iter().sum::<f32>().max(1e-6);
    let classes: Vec<u32> = truth
        .iter()
        .map(|&class| if usize::from(class) < weights.len() { class.into() } else { 0 })
        .collect();
    let count = truth.len();
    let classes = Tensor::from_vec(classes, (count, 1), &Device::Cpu)?;
    let weight = Tensor::from_vec(weight, (count, 1), &Device::Cpu)?;
    let chosen = log.gather(&classes, D::Minus1)?;
    Ok(((chosen * weight)?.sum_all()? * (-1.0 / f64::from(total)))?)
}
