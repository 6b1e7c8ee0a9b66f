//! A training step on the processor: forward, loss, backward, clipping, Muon and Adam, and the moving average.
//!
//! Each thread takes whole crops through the network, so that threads wait for each other only once a step. Products
//! are of bfloat16 with sums of `f32` if the processor has instructions for that (`AVX512-BF16`), and of `f32`
//! otherwise; everything else is `f32`. The first and last layers, whose rounding would shift the whole picture, have
//! their weights in two parts of bfloat16, and `e_out` and `d_in` their inputs too.
//!
//! The engine computes the same as [`crate::net`] on candle, which it is tested against. It knows the gradients of the
//! squared error and of the errors of SSIMULACRA 2; those of other measures of distortion come from candle. The same weights, batches and number of threads on the same path of the same processor give the same
//! bits.

mod analysis;
mod block;
mod crop;
mod density;
mod depthwise;
pub(crate) mod eye;
mod kernel;
mod layers;
mod layout;
mod math;
mod pack;
mod passes;
mod synthesis;
#[cfg(test)]
mod tests;
mod update;

use crate::loss::LossMeans;
use crate::net::{Shapes, Weights};
use crate::objective::Distortion;
use crate::optim::{LONGEST, OptimizerKind};
use crate::{Error, Result};
use candle_core::Tensor;
use crop::{Crop, CropFigures, Worker};
use kernel::{Path, Set, vectorised, with_path};
use layers::Context;
use layout::Layout;
use pack::PackedWeights;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::fmt;
use update::{Moments, Update};

/// Crops and their draws.
#[derive(Debug, Clone, Copy)]
pub struct EngineBatch<'a> {
    /// The samples of the crops, `[batch, side, side, 3]`.
    pub samples: &'a [u8],
    /// The place of each crop on the quality axis, from 0 to `knots - 1`.
    pub q: &'a [f32],
    /// The noise in place of rounding.
    pub noise: EngineNoise<'a>,
}

/// Uniform noise from -0.5 to 0.5 for the latents and the hyper-latents.
#[derive(Debug, Clone, Copy)]
pub enum EngineNoise<'a> {
    /// Noise that follows from a seed.
    Seed(u64),
    /// The noise of the latents `[batch, side/16, side/16, M]` and of the hyper-latents `[batch, side/64, side/64, Z]`.
    Given(&'a [f32], &'a [f32]),
}

/// The result of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EngineStep {
    /// The means over the batch.
    pub figures: LossMeans,
    /// The length of the gradient before it was clipped. If it is not finite, no step was taken.
    pub norm: f64,
}

/// What an engine is made for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EngineOptions {
    /// The number of crops of a step.
    pub batch: usize,
    /// The side of a crop in pixels, a multiple of 64.
    pub side: usize,
    /// The measure of distortion.
    pub distortion: Distortion,
    /// The optimiser.
    pub optimizer: OptimizerKind,
}

/// The state of a run on the processor: weights, moments and averages.
pub struct Engine {
    run: Box<dyn EngineRun>,
    set: Set,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("path", &self.path()).finish_non_exhaustive()
    }
}

impl Engine {
    /// Whether the engine can compute a network: all widths must be even, and the latents a multiple of 8.
    pub fn supports(shapes: Shapes) -> bool {
        Layout::is_supported(shapes)
    }

    /// Creates an engine with these weights, on the fastest path of this machine or the one that `AECODEC_CPU` names.
    /// It uses the threads of the current rayon pool.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] if the engine does not support the network or the side.
    pub fn new(weights: &Weights, options: EngineOptions) -> Result<Self> {
        Self::on(Set::chosen(), weights, options)
    }

    fn on(set: Set, weights: &Weights, options: EngineOptions) -> Result<Self> {
        let invalid = |detail: String| Error::Invalid { what: "engine", detail };
        if !Self::supports(weights.shapes()) {
            return Err(invalid(format!("{:?}; all widths must be even", weights.shapes())));
        }
        if options.batch == 0 || options.side == 0 || !options.side.is_multiple_of(64) {
            return Err(invalid(format!(
                "{} crops of {} pixels; the side must be a multiple of 64",
                options.batch, options.side
            )));
        }
        let run: Option<Result<Box<dyn EngineRun>>> = with_path!(set, |path| {
            OnPath::new(path, weights, options).map(|run| Box::new(run) as Box<dyn EngineRun>)
        });
        let run = run.ok_or_else(|| invalid(format!("{}; this machine does not have it", set.name())))??;
        Ok(Self { run, set })
    }

    /// The name of the path in use.
    pub fn path(&self) -> &'static str {
        self.set.name()
    }

    /// Takes a step with this learning rate and this decay of the moving average. If the gradient is not finite,
    /// nothing changes.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] if the batch is not of the engine's size.
    pub fn step(&mut self, batch: EngineBatch, rate: f64, decay: f64) -> Result<EngineStep> {
        let found = self.run.gradients(batch)?;
        if found.norm.is_finite() {
            self.run.update(found.norm, rate, decay);
        }
        Ok(found)
    }

    /// Computes the gradients of all parameters without a step.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] if the batch is not of the engine's size.
    pub fn gradients(&mut self, batch: EngineBatch) -> Result<(EngineStep, BTreeMap<String, Tensor>)> {
        let found = self.run.gradients(batch)?;
        Ok((found, self.run.tensors(EngineVector::Gradients)?))
    }

    /// Computes the gradients without a step or a copy, and returns only their figures.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] if the batch is not of the engine's size.
    pub fn norm(&mut self, batch: EngineBatch) -> Result<EngineStep> {
        self.run.gradients(batch)
    }

    /// The weights by name.
    ///
    /// # Errors
    /// Returns [`Error::Tensor`] if candle refuses them.
    pub fn weights(&self) -> Result<BTreeMap<String, Tensor>> {
        self.run.tensors(EngineVector::Weights)
    }

    /// The moving averages of the weights by name.
    ///
    /// # Errors
    /// Returns [`Error::Tensor`] if candle refuses them.
    pub fn averages(&self) -> Result<BTreeMap<String, Tensor>> {
        self.run.tensors(EngineVector::Averages)
    }

    /// The moments of the optimiser by parameter and kind, as [`crate::optim::Optimizer::state`] names them.
    ///
    /// # Errors
    /// Returns [`Error::Tensor`] if candle refuses them.
    pub fn moments(&self) -> Result<BTreeMap<String, Tensor>> {
        self.run.moments()
    }

    /// The number of optimiser's steps so far.
    pub fn steps(&self) -> usize {
        self.run.steps()
    }

    /// Restores averages, moments and the number of steps.
    ///
    /// # Errors
    /// Returns [`Error::Weights`] if a tensor is missing or has another shape.
    pub fn restore(
        &mut self,
        averages: &BTreeMap<String, Tensor>,
        moments: &BTreeMap<String, Tensor>,
        steps: usize,
    ) -> Result<()> {
        self.run.restore(averages, moments, steps)
    }
}

/// A vector of the engine with one number for each parameter.
#[derive(Debug, Clone, Copy)]
enum EngineVector {
    Weights,
    Averages,
    Gradients,
}

/// An engine on any path.
trait EngineRun: Send {
    fn gradients(&mut self, batch: EngineBatch) -> Result<EngineStep>;
    fn update(&mut self, norm: f64, rate: f64, decay: f64);
    fn tensors(&self, vector: EngineVector) -> Result<BTreeMap<String, Tensor>>;
    fn moments(&self) -> Result<BTreeMap<String, Tensor>>;
    fn steps(&self) -> usize;
    fn restore(
        &mut self,
        averages: &BTreeMap<String, Tensor>,
        moments: &BTreeMap<String, Tensor>,
        steps: usize,
    ) -> Result<()>;
}

/// An engine on one path.
struct OnPath<P: Path> {
    path: P,
    layout: Layout,
    options: EngineOptions,
    numbers: Vec<f32>,
    averages: Vec<f32>,
    gradients: Vec<f32>,
    moments: Vec<Moments>,
    steps: usize,
    packed: Vec<PackedWeights<P::Cell>>,
    workers: Vec<Worker<P>>,
}

impl<P: Path> OnPath<P> {
    fn new(path: P, weights: &Weights, options: EngineOptions) -> Result<Self> {
        let layout = Layout::new(weights.shapes());
        let mut numbers = vec![0.0; layout.total];
        layout.gather(&mut numbers, |name| weights.var(name).map(|var| var.as_detached_tensor()))?;
        let threads = rayon::current_num_threads().min(options.batch);
        Ok(Self {
            path,
            averages: numbers.clone(),
            gradients: vec![0.0; layout.total],
            moments: layout.parameters.iter().map(|p| Moments::new(p, options.optimizer)).collect(),
            steps: 0,
            packed: Vec::new(),
            workers: (0..threads).map(|_| Worker::new(&layout, options.side, options.distortion)).collect(),
            options,
            numbers,
            layout,
        })
    }

    fn check(&self, batch: &EngineBatch) -> Result<()> {
        let EngineOptions { batch: count, side, .. } = self.options;
        let Shapes { m, z, .. } = self.layout.shapes;
        let given = match batch.noise {
            EngineNoise::Seed(_) => true,
            EngineNoise::Given(of_y, of_z) => {
                of_y.len() == count * (side / 16).pow(2) * m && of_z.len() == count * (side / 64).pow(2) * z
            }
        };
        let last = (self.layout.shapes.knots - 1) as f32;
        let on_axis = batch.q.len() == count && batch.q.iter().all(|q| (0.0..=last).contains(q));
        if given && on_axis && batch.samples.len() == count * side * side * 3 {
            return Ok(());
        }
        let detail = format!("not {count} crops of {side} pixels with their noise and places on the axis");
        Err(Error::Invalid { what: "batch", detail })
    }
}

impl<P: Path> EngineRun for OnPath<P> {
    fn gradients(&mut self, batch: EngineBatch) -> Result<EngineStep> {
        self.check(&batch)?;
        let Self { path, layout, options, numbers, packed, workers, gradients, .. } = self;
        layout.pack(*path, numbers, packed);
        let net = Context { path: *path, layout, numbers, packed };
        let threads = workers.len();
        // Every crop has its thread, so that gradients are summed in the same order each time.
        let figures: Vec<Result<Vec<CropFigures>>> = workers
            .par_iter_mut()
            .with_max_len(1)
            .enumerate()
            .map(|(thread, worker)| {
                worker.gradients.fill(0.0);
                let crops = (thread..options.batch).step_by(threads);
                crops.map(|index| take(net, worker, &batch, index, *options)).collect()
            })
            .collect();
        let sum = sum_gradients(*path, workers, gradients);
        if layout.shapes.is_linear() {
            layout.clear_unused_taps(gradients);
        }
        let all: Vec<CropFigures> = figures.into_iter().collect::<Result<Vec<_>>>()?.concat();
        let mean = |part: &dyn Fn(&CropFigures) -> f64| all.iter().map(part).sum::<f64>() / all.len() as f64;
        let figures = LossMeans {
            loss: mean(&|crop| crop.loss),
            capped: mean(&|crop| crop.loss.min(f64::from(crate::loss::CAP))),
            psnr: mean(&|crop| crate::loss::psnr(crop.mse)),
            bpp: mean(&|crop| crop.bpp),
        };
        Ok(EngineStep { figures, norm: sum.sqrt() })
    }

    fn update(&mut self, norm: f64, rate: f64, decay: f64) {
        self.steps += 1;
        let clip = if norm > LONGEST { (LONGEST / (norm + 1e-6)) as f32 } else { 1.0 };
        update::update(
            self.path,
            &self.layout.parameters,
            [&mut self.numbers, &mut self.averages],
            &self.gradients,
            &mut self.moments,
            Update { clip, rate, step: self.steps, decay: decay as f32 },
        );
    }

    fn tensors(&self, vector: EngineVector) -> Result<BTreeMap<String, Tensor>> {
        let numbers = match vector {
            EngineVector::Weights => &self.numbers,
            EngineVector::Averages => &self.averages,
            EngineVector::Gradients => &self.gradients,
        };
        let tensor = |parameter: &layout::Parameter| {
            Ok((parameter.name.clone(), self.layout.tensor(parameter, &numbers[parameter.offset..])?))
        };
        self.layout.parameters.iter().map(tensor).collect()
    }

    fn moments(&self) -> Result<BTreeMap<String, Tensor>> {
        let mut state = BTreeMap::new();
        for (parameter, moments) in self.layout.parameters.iter().zip(&self.moments) {
            let name = &parameter.name;
            let mut put = |kind: &str, numbers: &[f32]| -> Result<()> {
                state.insert(format!("{name}.{kind}"), self.layout.tensor(parameter, numbers)?);
                Ok(())
            };
            match moments {
                Moments::Muon(momentum) => put("momentum", momentum)?,
                Moments::Adam { first, second } => {
                    put("first", first)?;
                    put("second", second)?;
                }
            }
        }
        Ok(state)
    }

    fn steps(&self) -> usize {
        self.steps
    }

    fn restore(
        &mut self,
        averages: &BTreeMap<String, Tensor>,
        moments: &BTreeMap<String, Tensor>,
        steps: usize,
    ) -> Result<()> {
        self.layout.gather(&mut self.averages, |name| averages.get(name).cloned())?;
        for (parameter, own) in self.layout.parameters.iter().zip(&mut self.moments) {
            let restore = |kind: &str, numbers: &mut [f32]| {
                let name = format!("{}.{kind}", parameter.name);
                let found = moments
                    .get(&name)
                    .ok_or_else(|| Error::weights(&name, "is missing from the optimiser's state"))?;
                parameter.gather(found, numbers)
            };
            match own {
                Moments::Muon(momentum) => restore("momentum", momentum)?,
                Moments::Adam { first, second } => {
                    restore("first", first)?;
                    restore("second", second)?;
                }
            }
        }
        self.steps = steps;
        Ok(())
    }
}

/// Takes one crop of a batch through the network.
fn take<P: Path>(
    net: Context<P>,
    worker: &mut Worker<P>,
    batch: &EngineBatch,
    index: usize,
    options: EngineOptions,
) -> Result<CropFigures> {
    let side = options.side;
    let part = |all: usize| index * all..(index + 1) * all;
    let Shapes { m, z, .. } = net.layout.shapes;
    let (latents, hyper_latents) = ((side / 16).pow(2) * m, (side / 64).pow(2) * z);
    let drawn: (Vec<f32>, Vec<f32>);
    let noise = match batch.noise {
        EngineNoise::Given(of_y, of_z) => (&of_y[part(latents)], &of_z[part(hyper_latents)]),
        EngineNoise::Seed(seed) => {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(index as u64);
            let mut draw = |count: usize| (0..count).map(|_| rng.random::<f32>() - 0.5).collect();
            drawn = (draw(latents), draw(hyper_latents));
            (&drawn.0[..], &drawn.1[..])
        }
    };
    let samples = &batch.samples[part(3 * side * side)];
    worker.step(net, Crop { samples, q: batch.q[index], noise }, options.batch)
}

/// Sums the gradients of all workers. Returns the sum of their squares.
fn sum_gradients<P: Path>(path: P, workers: &[Worker<P>], gradients: &mut [f32]) -> f64 {
    const PART: usize = 1 << 16;
    let sums: Vec<f64> = gradients
        .par_chunks_mut(PART)
        .enumerate()
        .map(|(index, sums)| {
            sums.fill(0.0);
            for worker in workers {
                let own = &worker.gradients[index * PART..][..sums.len()];
                sums.iter_mut().zip(own).for_each(|(sum, own)| *sum += own);
            }
            vectorised!(path, P, [sums: &[f32]] -> f64 {
                let mut lanes = [0.0f64; 8];
                for eight in sums.chunks(8) {
                    lanes.iter_mut().zip(eight).for_each(|(lane, v)| *lane += f64::from(*v) * f64::from(*v));
                }
                lanes.iter().sum()
            })
        })
        .collect();
    sums.into_iter().sum()
}
