//! The search for better latents of one group.
//!
//! Each step computes the gradient of bits + lambda * squared error with respect to the latents. A quadratic model then
//! predicts the gain of moving each latent by one quantisation step, and a random part of the latents with a gain is
//! moved: moves that are good on their own may be bad together. Every state consists of integers, so rounding needs no
//! relaxation. The best state is kept.

use super::float::AT;
use super::pixels::GroupPixels;
use crate::Result;
use crate::net::{Network, PASS_QUARTER, Pass, Quantised, bin};
use candle_core::{Device, Tensor, Var};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Half the distance, in quantisation steps, over which the curvature of the error is measured.
const PROBE: f32 = 0.25;
/// A channel's curvature is at least this share of the median of all channels.
const LEAST_CURVATURE: f32 = 0.2;

/// The parameters of a search.
#[derive(Debug, Clone, Copy)]
pub(super) struct SearchPlan {
    /// The number of gradients to compute.
    pub steps: usize,
    /// The probability of a move with a large predicted gain.
    pub share: f32,
    /// The predicted gain in bits at which a move has half of that probability. Small gains are the ones that
    /// simultaneous moves cancel.
    pub doubt: f32,
}

/// The inputs of the search in one group.
pub(super) struct RefinedGroup<'a> {
    pub net: &'a Network,
    /// The numbers of rows and columns of latents.
    pub shape: (usize, usize),
    /// The quantisation steps, `[M]`.
    pub steps: &'a [f32],
    /// The log-sigma below which a latent is not coded.
    pub skip_below: f32,
    /// The rounded hyper-latents `[1, ceil(h/4), ceil(w/4), Z]`.
    pub z: Tensor,
    pub pixels: GroupPixels<'a>,
}

/// A state of the search.
struct SearchState {
    /// The bits of the latents, and the cost, which is the bits plus the weighted squared error.
    bits: f64,
    cost: f64,
    /// The decoded latents, the rounded residuals and the log-sigmas, `[h2, w2, M]`. The log-sigma of a latent that is
    /// not coded is infinite.
    decoded: Vec<f32>,
    residuals: Vec<f32>,
    log_sigmas: Vec<f32>,
    /// The derivative of the cost with respect to each latent, in quantisation steps.
    gradient: Vec<f32>,
}

/// The result of a search.
pub(super) struct FoundLatents {
    /// The latents `[h, w, M]`, which are equal to their decoded values.
    pub y: Vec<f32>,
    /// The bits before and after.
    pub bits: (f64, f64),
}

impl RefinedGroup<'_> {
    /// Searches, starting at the latents `[h, w, M]`. `each` is called with the bits after each step.
    pub(super) fn search(
        &self,
        y: &[f32],
        plan: SearchPlan,
        mut each: impl FnMut(f64),
    ) -> Result<FoundLatents> {
        let ((h, w), (h2, w2), m) = (self.shape, self.even(), self.steps.len());
        let prior = self.net.prior_within(&self.z, h2, w2)?.detach();
        let mut state = vec![0.0; h2 * w2 * m];
        for row in 0..h {
            state[row * w2 * m..][..w * m].copy_from_slice(&y[row * w * m..][..w * m]);
        }
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let mut curvature = Vec::new();
        let (mut first, mut best): (Option<f64>, Option<SearchState>) = (None, None);
        for step in 0..=plan.steps {
            let coded = self.code(&state, &prior, step < plan.steps)?;
            each(coded.bits);
            first.get_or_insert(coded.bits);
            if step < plan.steps {
                if curvature.is_empty() {
                    curvature = self.curvature(&coded.decoded, &mut rng)?;
                }
                self.moved(&coded, &curvature, plan, &mut rng, &mut state);
            }
            if best.as_ref().is_none_or(|best| coded.cost < best.cost) {
                best = Some(coded);
            }
        }
        let Some(best) = best else { return Ok(FoundLatents { y: y.to_vec(), bits: (0.0, 0.0) }) };
        let rows = (0..h).flat_map(|row| best.decoded[row * w2 * m..][..w * m].iter().copied());
        Ok(FoundLatents { y: rows.collect(), bits: (first.unwrap_or(best.bits), best.bits) })
    }

    /// The sides, rounded up to even numbers, as the passes work on cells of 2x2 latents.
    fn even(&self) -> (usize, usize) {
        (self.shape.0.next_multiple_of(2), self.shape.1.next_multiple_of(2))
    }

    fn code(&self, state: &[f32], prior: &Tensor, with_gradient: bool) -> Result<SearchState> {
        let ((h2, w2), m) = (self.even(), self.steps.len());
        let y = Tensor::from_slice(state, (1, h2, w2, m), &Device::Cpu)?;
        let y = if with_gradient { Var::from_tensor(&y)?.into_inner() } else { y };
        let mut residuals = vec![0.0; state.len()];
        let mut log_sigmas = vec![f32::INFINITY; state.len()];
        let quantise = |pass: Pass| self.quantise(&pass, &mut residuals, &mut log_sigmas);
        let (decoded, bits) = self.net.code(&y, prior, &AT, quantise)?;
        let shown = self.pixels.synthesised(self.net, &self.inside(&decoded)?)?;
        let (error, slope) = self.pixels.error(&shown)?;
        let total_bits = f64::from(bits.sum_all()?.to_scalar::<f32>()?);
        let mut gradient = Vec::new();
        if with_gradient {
            let total = (bits.sum_all()? + (shown * slope)?.sum_all()?)?;
            if let Some(found) = total.backward()?.get(&y) {
                gradient = found.flatten_all()?.to_vec1()?;
            }
            gradient
                .chunks_exact_mut(m)
                .for_each(|g| g.iter_mut().zip(self.steps).for_each(|(g, s)| *g *= s));
        }
        let decoded = decoded.detach().flatten_all()?.to_vec1()?;
        Ok(SearchState {
            bits: total_bits,
            cost: total_bits + error,
            decoded,
            residuals,
            log_sigmas,
            gradient,
        })
    }

    /// The latents within the group, `[1, h, w, M]`.
    fn inside(&self, y: &Tensor) -> Result<Tensor> {
        Ok(y.narrow(1, 0, self.shape.0)?.narrow(2, 0, self.shape.1)?)
    }

    /// Rounds the latents of a pass. The gradient passes as if they were not rounded, but it is zero for latents that
    /// are not coded.
    fn quantise(&self, pass: &Pass, residuals: &mut [f32], log_sigmas: &mut [f32]) -> Result<Quantised> {
        let ((h, w), (_, w2), m) = (self.shape, self.even(), self.steps.len());
        let (_, rows, quarter) = pass.residual.dims3()?;
        let exact: Vec<f32> = pass.residual.detach().flatten_all()?.to_vec1()?;
        let sigmas: Vec<f32> = pass.log_sigma.detach().flatten_all()?.to_vec1()?;
        let (mut change, mut coded) = (vec![0.0f32; exact.len()], vec![0.0f32; exact.len()]);
        for (i, (exact, sigmas)) in exact.chunks_exact(quarter).zip(sigmas.chunks_exact(quarter)).enumerate()
        {
            let (phase, row) = (i / rows, i % rows);
            let (y, x) = (row / (w2 / 2) * 2 + phase / 2, row % (w2 / 2) * 2 + phase % 2);
            if y >= h || x >= w {
                continue;
            }
            let at = (y * w2 + x) * m + PASS_QUARTER[pass.index][phase] * quarter;
            for c in (0..quarter).filter(|&c| sigmas[c] >= self.skip_below) {
                let rounded = exact[c].round();
                (coded[i * quarter + c], change[i * quarter + c]) = (1.0, rounded - exact[c]);
                (residuals[at + c], log_sigmas[at + c]) = (rounded, sigmas[c]);
            }
        }
        let dims = pass.residual.dims();
        let coded = Tensor::from_vec(coded, dims, &Device::Cpu)?;
        let rounded = ((pass.residual * coded)? + Tensor::from_vec(change, dims, &Device::Cpu)?)?;
        Ok((rounded.clone(), rounded))
    }

    /// The second derivative of the weighted error for each channel, in quantisation steps. It is measured by the
    /// change of the gradient along random signs.
    fn curvature(&self, decoded: &[f32], rng: &mut impl Rng) -> Result<Vec<f32>> {
        let ((h2, w2), m) = (self.even(), self.steps.len());
        let signs: Vec<f32> = decoded.iter().map(|_| if rng.random() { PROBE } else { -PROBE }).collect();
        let mut bend = vec![0.0f64; m];
        for side in [1.0, -1.0] {
            let probe = |((i, y), sign): ((usize, &f32), &f32)| y + side * sign * self.steps[i % m];
            let y: Vec<f32> = decoded.iter().enumerate().zip(&signs).map(probe).collect();
            let y = Var::from_vec(y, (1, h2, w2, m), &Device::Cpu)?;
            let shown = self.pixels.synthesised(self.net, &self.inside(&y)?)?;
            let (_, slope) = self.pixels.error(&shown)?;
            let gradients = (shown * slope)?.sum_all()?.backward()?;
            let Some(gradient) = gradients.get(&y) else { continue };
            let gradient: Vec<f32> = gradient.flatten_all()?.to_vec1()?;
            for (i, (g, sign)) in gradient.iter().zip(&signs).enumerate() {
                bend[i % m] += f64::from(side * g * sign * self.steps[i % m]);
            }
        }
        let positions = f64::from(2.0 * PROBE * PROBE) * (self.shape.0 * self.shape.1) as f64;
        let mut curvature: Vec<f32> = bend.into_iter().map(|bend| (bend / positions) as f32).collect();
        let mut sorted = curvature.clone();
        sorted.sort_by(f32::total_cmp);
        let least = LEAST_CURVATURE * sorted[m / 2];
        curvature.iter_mut().for_each(|c| *c = c.max(least));
        Ok(curvature)
    }

    /// Computes the next state: the decoded latents, some of them moved by one step.
    fn moved(
        &self,
        coded: &SearchState,
        curvature: &[f32],
        plan: SearchPlan,
        rng: &mut impl Rng,
        state: &mut [f32],
    ) {
        let m = self.steps.len();
        for (i, state) in state.iter_mut().enumerate() {
            *state = coded.decoded[i];
            let (r, log_sigma) = (coded.residuals[i], coded.log_sigmas[i]);
            let half = curvature[i % m] / 2.0;
            // A zero has no bits to save.
            if log_sigma.is_infinite() || (r == 0.0 && coded.gradient[i].abs() <= half) {
                continue;
            }
            let (bits, own, _) = bin(r, log_sigma);
            let slope = coded.gradient[i] - own;
            let gain = |d: f32| bits - bin(r + d, log_sigma).0 - slope * d - half;
            let (up, down) = (gain(1.0), gain(-1.0));
            let most = up.max(down);
            if most > 0.0 && rng.random::<f32>() < plan.share * most / (most + plan.doubt) {
                *state += self.steps[i % m] * if up > down { 1.0 } else { -1.0 };
            }
        }
    }
}
