//! The state of a run on candle: for accelerators, and for objectives that the engine does not know.

use super::draws::StepDraws;
use super::options::RunOptions;
use crate::Result;
use crate::checkpoint::Tensors;
use crate::engine::EngineStep;
use crate::loss;
use crate::net::{Critic, Network, Noise, Rate, Weights};
use crate::optim::{self, Ema, LONGEST, Optimizer};
use candle_core::{Device, Tensor};

/// Weights, moments, averages and the critic.
#[derive(Debug)]
pub(super) struct CandleRun {
    pub weights: Weights,
    net: Network,
    optimizer: Optimizer,
    pub ema: Ema,
    /// The adversary, if the objective has one.
    critic: Option<Critic>,
}

impl CandleRun {
    pub(super) fn new(weights: Weights, options: &RunOptions) -> Result<Self> {
        let net = Network::new(&weights)?;
        let adversarial = options.objective.adversary > 0.0;
        let critic = adversarial.then(|| Critic::new(options.seed, net.device())).transpose()?;
        Ok(Self {
            net,
            critic,
            optimizer: Optimizer::new(&weights, options.optimizer)?,
            ema: Ema::new(&weights)?,
            weights,
        })
    }

    /// The device that it computes on.
    pub(super) fn device(&self) -> &Device {
        self.net.device()
    }

    /// Takes a step.
    pub(super) fn step(
        &mut self,
        options: &RunOptions,
        mut draws: StepDraws,
        rate: f64,
        decay: f64,
    ) -> Result<EngineStep> {
        let RunOptions { batch, side, objective, .. } = *options;
        let device = self.net.device().clone();
        let x = draws.samples.iter().map(|sample| f32::from(*sample) / 255.0 - 0.5).collect();
        let x = Tensor::from_vec(x, (batch, side, side, 3), &device)?;
        let q = &draws.q;
        let noise = Noise::draw(&mut draws.rng, self.net.shapes(), (batch, side, side), &device)?;
        let seen = objective.corrupted(&x, &mut draws.rng)?;
        let coded = self.net.forward(&seen, q, Rate::Noisy(&noise))?;
        let loss = loss::of(&coded, &x, q, self.net.shapes().knots, objective.distortion)?;
        let mut total = loss.total;
        if let Some(penalty) = objective.penalty(&self.net, (&seen, &coded.y), q, &mut draws.rng)? {
            total = (total + penalty)?;
        }
        if let Some(critic) = &self.critic {
            total = (total + (critic.lack(&coded.x_hat)? * objective.adversary)?)?;
        }
        let mut gradients = optim::gradients(&self.weights, &total.backward()?)?;
        let norm = optim::clip(&mut gradients, LONGEST)?;
        if norm.is_finite() {
            self.optimizer.step(&gradients, rate)?;
            if let Some(critic) = &mut self.critic {
                critic.learn(&x, &coded.x_hat, rate)?;
            }
            self.ema.update(&self.weights, decay)?;
        }
        Ok(EngineStep { figures: loss.figures, norm })
    }

    /// The moments and the number of the optimiser's steps.
    pub(super) fn optimizer(&self) -> (Tensors, usize) {
        (self.optimizer.state(), self.optimizer.steps())
    }

    /// The weights and moments of the critic, and the number of its steps.
    pub(super) fn critic(&self) -> ([Tensors; 2], usize) {
        self.critic.as_ref().map(Critic::state).unwrap_or_default()
    }

    /// Restores averages, moments, and the critic. If a run becomes adversarial when it is resumed, its critic starts
    /// untrained.
    pub(super) fn restore(
        &mut self,
        averages: &Tensors,
        (moments, steps): (&Tensors, usize),
        (critic, critic_steps): ([&Tensors; 2], usize),
    ) -> Result<()> {
        self.ema.restore(averages)?;
        self.optimizer.restore(moments, steps)?;
        match &mut self.critic {
            Some(own) if !critic[0].is_empty() => own.restore(critic, critic_steps),
            _ => Ok(()),
        }
    }
}
