//! The network in floating point: analysis, hyper network, four-pass context model and synthesis.
//!
//! Tensors are `[N, H, W, C]`. The network computes the same as `models/recipe/net.py`, from the same weights. The
//! codec runs the same network in integers (docs/format.md).

mod bounds;
mod critic;
mod layers;
mod ops;
pub mod parts;
mod prior;
mod rate;
mod shapes;
mod weights;

pub use rate::{Noise, Pass, Quantised, Rate, round_through};
pub use shapes::Shapes;
pub use weights::Weights;

use crate::Result;
pub(crate) use bounds::{GATE_MAX, LEAKY_SLOPE, LOG_SIGMA_MAX, LOG_SIGMA_MIN};
use candle_core::{Device, Tensor};
pub(crate) use critic::Critic;
pub(crate) use layers::Observer;
use layers::{Linear, Named, ResidualBlock, from_phases, run, shuffle, to_phases, unshuffle};
pub(crate) use ops::bin;
use prior::Factorized;
use std::collections::BTreeMap;

/// The quarter of the channels that each pass codes at each phase of a 2x2 cell: `[pass][phase]`.
///
/// The phases are (0,0), (0,1), (1,0) and (1,1). Every row and every column is a permutation.
pub const PASS_QUARTER: [[usize; 4]; 4] = [[0, 1, 2, 3], [3, 2, 1, 0], [2, 3, 0, 1], [1, 0, 3, 2]];

/// The network with its parameters.
#[derive(Debug, Clone)]
pub struct Network {
    shapes: Shapes,
    device: Device,
    e_in: Linear,
    e: Vec<ResidualBlock>,
    e_out: Linear,
    he_in: Linear,
    he1: ResidualBlock,
    he_mid: Linear,
    he2: ResidualBlock,
    he_out: Linear,
    hd_in: Linear,
    hd1: ResidualBlock,
    hd_mid: Linear,
    hd2: ResidualBlock,
    hd_out: Linear,
    hd3: ResidualBlock,
    head0: Linear,
    ctx_in: [Linear; 3],
    ctx: ResidualBlock,
    head: Linear,
    d_in: Linear,
    d: Vec<ResidualBlock>,
    d_out: Linear,
    own_tap: Option<Tensor>,
    z_prior: Factorized,
    enc_gain: Tensor,
    dec_gain: Tensor,
    y_gain: Tensor,
    observer: Option<Observer>,
}

/// The result of coding a batch.
#[derive(Debug, Clone)]
pub struct Coded {
    /// The decoded pictures, `[N, H, W, 3]`.
    pub x_hat: Tensor,
    /// The latents before their gain, `[N, H/16, W/16, M]`.
    pub y: Tensor,
    /// The bits of the latents per pixel, `[N]`.
    pub y_bpp: Tensor,
    /// The bits of the hyper-latents per pixel, `[N]`.
    pub z_bpp: Tensor,
}

impl Network {
    /// Creates a network to train. Gradients reach the variables of `weights`, and the network uses their current
    /// values.
    ///
    /// # Errors
    /// Returns [`Error::Weights`](crate::Error::Weights) if a parameter is missing.
    pub fn new(weights: &Weights) -> Result<Self> {
        Self::from_tensors(weights.shapes(), &weights.trained(), None)
    }

    /// Creates a network with the current values of the weights as constants. Gradients reach only its inputs, and take
    /// half the time.
    ///
    /// # Errors
    /// Returns [`Error::Weights`](crate::Error::Weights) if a parameter is missing.
    pub fn frozen(weights: &Weights) -> Result<Self> {
        Self::from_tensors(weights.shapes(), &weights.frozen()?, None)
    }

    /// Creates a network with constant weights on the processor that passes its tensors to an observer: those of each
    /// block as `NAME.PART`, and `e_in.out`, `he_out.out` and `d_out.in`. As `latents`, with all M channels, the
    /// observer gets the encoded, the predicted and the decoded latents; a pass's predictions are zero for the latents
    /// of other passes.
    pub(crate) fn observed(weights: &Weights, observer: Observer) -> Result<Self> {
        Self::from_tensors(weights.shapes(), &weights.frozen()?, Some(observer))
    }

    fn from_tensors(
        shapes: Shapes,
        tensors: &BTreeMap<String, Tensor>,
        observer: Option<Observer>,
    ) -> Result<Self> {
        let named = Named { tensors, observer: observer.as_ref() };
        Ok(Self {
            shapes,
            e_in: named.linear("e_in")?,
            e: named.stack("e", shapes.ne)?,
            e_out: named.linear("e_out")?,
            he_in: named.linear("he_in")?,
            he1: named.block("he1")?,
            he_mid: named.linear("he_mid")?,
            he2: named.block("he2")?,
            he_out: named.linear("he_out")?,
            hd_in: named.linear("hd_in")?,
            hd1: named.block("hd1")?,
            hd_mid: named.linear("hd_mid")?,
            hd2: named.block("hd2")?,
            hd_out: named.linear("hd_out")?,
            hd3: named.block("hd3")?,
            head0: named.linear("head0")?,
            ctx_in: [named.linear("ctx_in.0")?, named.linear("ctx_in.1")?, named.linear("ctx_in.2")?],
            ctx: named.block("ctx")?,
            head: named.linear("head")?,
            d_in: named.linear("d_in")?,
            d: named.stack("d", shapes.nd)?,
            d_out: named.linear("d_out")?,
            own_tap: shapes.own_tap(named.tensor("y_gain")?.device())?,
            z_prior: Factorized::new(&named)?,
            enc_gain: named.tensor("enc_gain")?,
            dec_gain: named.tensor("dec_gain")?,
            device: named.tensor("y_gain")?.device().clone(),
            y_gain: named.tensor("y_gain")?,
            observer: observer.clone(),
        })
    }

    /// The widths and depths.
    pub fn shapes(&self) -> Shapes {
        self.shapes
    }

    /// The device of the parameters, on which inputs must be as well.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Converts a quality from 0 to 100 to a place on the axis of knots, from 0 to `knots - 1`.
    pub fn knot(&self, quality: f64) -> f32 {
        (quality / 100.0 * (self.shapes.knots - 1) as f64) as f32
    }

    /// Codes pictures `[N, H, W, 3]` in -0.5..=0.5 at the knots `q`, one for each picture. The sides are multiples of
    /// 64.
    ///
    /// # Errors
    /// Returns [`Error::Tensor`](crate::Error::Tensor) if the shapes do not match.
    pub fn forward(&self, x: &Tensor, q: &[f32], rate: Rate) -> Result<Coded> {
        let (_, height, width, _) = x.dims4()?;
        let y = self.analyse(x, q)?;
        let z = self.hyper_analyse(&y)?;
        let z_hat = round_through(&z)?;
        let z_bits = match rate {
            Rate::Noisy(noise) => self.hyper_bits(&(&z + &noise.z)?)?,
            Rate::Rounded => self.hyper_bits(&z_hat)?,
        };
        let (y_hat, y_bits) = self.code(&y, &self.prior(&z_hat)?, q, |pass| rate.quantise(&pass))?;
        let pixels = (height * width) as f64;
        let x_hat = self.synthesise(&y_hat, q)?;
        Ok(Coded { x_hat, y, y_bpp: (y_bits / pixels)?, z_bpp: (z_bits / pixels)? })
    }

    /// The analysis: pictures to latents before their gain, `[N, H/16, W/16, M]`.
    ///
    /// # Errors
    /// Returns [`Error::Tensor`](crate::Error::Tensor) if the shapes do not match.
    pub fn analyse(&self, x: &Tensor, q: &[f32]) -> Result<Tensor> {
        let t = self.e_in.forward(&unshuffle(x, 8)?)?;
        self.show("e_in.out", &t)?;
        let t = ops::scale(&t, &self.log_gain(&self.enc_gain, q)?.exp()?)?;
        let y = self.e_out.forward(&unshuffle(&run(&self.e, t)?, 2)?)?;
        self.show("latents", &y)?;
        Ok(y)
    }

    /// The latents in units of the quantisation steps at the knots q.
    ///
    /// # Errors
    /// Returns [`Error::Tensor`](crate::Error::Tensor) if the shapes do not match.
    pub fn in_steps(&self, y: &Tensor, q: &[f32]) -> Result<Tensor> {
        Ok(ops::scale(y, &self.log_gain(&self.y_gain, q)?.exp()?)?)
    }

    /// The hyper analysis: latents to hyper-latents before rounding, `[N, H/64, W/64, Z]`.
    ///
    /// # Errors
    /// Returns [`Error::Tensor`](crate::Error::Tensor) if the shapes do not match.
    pub fn hyper_analyse(&self, y: &Tensor) -> Result<Tensor> {
        let t = unshuffle(&self.he1.forward(&self.he_in.forward(y)?)?, 2)?;
        let t = unshuffle(&self.he2.forward(&self.he_mid.forward(&t)?)?, 2)?;
        let z = self.he_out.forward(&t)?;
        self.show("he_out.out", &z)?;
        Ok(z)
    }

    /// The bits of hyper-latents under their learned density, `[N]`.
    ///
    /// # Errors
    /// Returns [`Error::Tensor`](crate::Error::Tensor) if the shapes do not match.
    pub fn hyper_bits(&self, z: &Tensor) -> Result<Tensor> {
        self.z_prior.bits(z)
    }

    /// The cumulative learned density of the hyper-latents at x `[.., Z]`.
    ///
    /// # Errors
    /// Returns [`Error::Tensor`](crate::Error::Tensor) if the shapes do not match.
    pub fn hyper_cdf(&self, x: &Tensor) -> Result<Tensor> {
        self.z_prior.cdf(x)
    }

    /// The hyper synthesis: rounded hyper-latents to the features of the prior, `[N, H/16, W/16, P]`.
    ///
    /// # Errors
    /// Returns [`Error::Tensor`](crate::Error::Tensor) if the shapes do not match.
    pub fn prior(&self, z: &Tensor) -> Result<Tensor> {
        let (_, height, width, _) = z.dims4()?;
        self.prior_within(z, 4 * height, 4 * width)
    }

    /// Like [`Self::prior`], for latents of these sides, which need not be multiples of four.
    ///
    /// # Errors
    /// Returns [`Error::Tensor`](crate::Error::Tensor) if the shapes do not match.
    pub fn prior_within(&self, z: &Tensor, height: usize, width: usize) -> Result<Tensor> {
        let t = self.hd1.forward(&shuffle(&self.hd_in.forward(z)?, 2)?)?;
        let t = self.hd2.forward(&shuffle(&self.hd_mid.forward(&t)?, 2)?)?;
        let t = self.hd_out.forward(&t)?.narrow(1, 0, height)?.narrow(2, 0, width)?.contiguous()?;
        self.hd3.forward(&t)
    }

    /// Codes latents `y` in four passes. Returns the decoded latents in the shape of `y`, and the bits of each picture,
    /// `[N]`.
    ///
    /// `quantise` quantises the latents of each pass.
    ///
    /// # Errors
    /// Returns [`Error::Tensor`](crate::Error::Tensor) if the shapes do not match, and any error of `quantise`.
    pub fn code(
        &self,
        y: &Tensor,
        prior: &Tensor,
        q: &[f32],
        mut quantise: impl FnMut(Pass) -> Result<Quantised>,
    ) -> Result<(Tensor, Tensor)> {
        let (n, h, w, m) = y.dims4()?;
        let (rows, quarter) = (n * h * w / 4, m / 4);
        // Gains differ between pictures, so the rows of each picture become a separate dimension.
        let apart = |t: &Tensor| t.reshape((4 * n, h * w / 4, quarter));
        let together = |t: &Tensor| t.reshape((4, rows, quarter));

        let log_gain = self.log_gain(&self.y_gain, q)?;
        let cells = to_phases(y)?;
        let mut known: Option<Tensor> = None;
        let mut bits: Option<Tensor> = None;
        for (index, quarters) in PASS_QUARTER.into_iter().enumerate() {
            let (log_sigma, mean) = match &known {
                None => self.predict(prior, &self.head0, quarters)?,
                Some(known) => {
                    let seen = from_phases(known, (n, h, w))?;
                    let feature = self.ctx_in[index - 1].forward_both(&seen, prior)?;
                    self.predict(&self.ctx.forward(&feature)?, &self.head, quarters)?
                }
            };
            let gains: Vec<_> = quarters
                .iter()
                .map(|i| log_gain.narrow(1, i * quarter, quarter))
                .collect::<Result<_, _>>()?;
            let log_gains = Tensor::cat(&gains, 0)?;
            if self.observer.is_some() {
                self.show("latents", &ops::put_quarters(&mean, quarters)?)?;
            }
            let target = ops::take_quarters(&cells, quarters)?;
            let residual = together(&ops::scale(&apart(&(target - &mean)?)?, &log_gains.exp()?)?)?;
            let log_sigma = together(&ops::shift(&apart(&log_sigma)?, &log_gains)?)?;
            let (decoded, counted) = quantise(Pass { index, residual: &residual, log_sigma: &log_sigma })?;
            let pass_bits = ops::gaussian_bits(&apart(&counted)?, &apart(&log_sigma)?)?;
            bits = Some(sum_of(bits, pass_bits)?);
            let step = log_gains.neg()?.exp()?;
            let decoded = (together(&ops::scale(&apart(&decoded)?, &step)?)? + mean)?;
            known = Some(sum_of(known, ops::put_quarters(&decoded, quarters)?)?);
        }
        let (Some(known), Some(bits)) = (known, bits) else { return Ok((y.clone(), y.zeros_like()?)) };
        Ok((from_phases(&known, (n, h, w))?, bits.reshape((4, n))?.sum(0)?))
    }

    /// The synthesis: decoded latents to pictures.
    ///
    /// # Errors
    /// Returns [`Error::Tensor`](crate::Error::Tensor) if the shapes do not match.
    pub fn synthesise(&self, y_hat: &Tensor, q: &[f32]) -> Result<Tensor> {
        self.show("latents", y_hat)?;
        let t = run(&self.d, shuffle(&self.d_in.forward(y_hat)?, 2)?)?;
        let t = ops::scale(&t, &self.log_gain(&self.dec_gain, q)?.exp()?)?;
        self.show("d_out.in", &t)?;
        let Linear { weight, bias } = &self.d_out;
        match &self.own_tap {
            Some(own) => shuffle(&ops::conv3x3(&t, &weight.broadcast_mul(own)?, bias)?, 8),
            None => shuffle(&ops::conv3x3(&t, weight, bias)?, 8),
        }
    }

    fn show(&self, name: &str, x: &Tensor) -> Result<()> {
        match &self.observer {
            Some(Observer(see)) => Ok(ops::show(x, &|values| see(name, values))?),
            None => Ok(()),
        }
    }

    /// The log-sigma and the mean of the latents of a pass, `[4, R, M/4]` each.
    fn predict(&self, feature: &Tensor, head: &Linear, quarters: [usize; 4]) -> Result<(Tensor, Tensor)> {
        let (m, quarter) = (self.shapes.m, self.shapes.m / 4);
        // Each phase uses the rows of its quarter: first those of sigma, then those of the mean.
        let first = quarters.iter().flat_map(|i| [i * quarter, m + i * quarter]);
        let rows: Vec<u32> = first.flat_map(|first| (first as u32..).take(quarter)).collect();
        let rows = Tensor::from_vec(rows, 2 * m, &self.device)?;
        let weight = head.weight.index_select(&rows, 0)?.reshape((4, 2 * quarter, ()))?;
        let bias = head.bias.index_select(&rows, 0)?.reshape((4, 2 * quarter))?;
        let both = ops::linear(&to_phases(feature)?, &weight, &bias)?;
        Ok((both.narrow(2, 0, quarter)?.contiguous()?, both.narrow(2, quarter, quarter)?.contiguous()?))
    }

    /// The rows of a table of gains at the knots q, interpolated linearly: `[N, C]`.
    fn log_gain(&self, table: &Tensor, q: &[f32]) -> Result<Tensor> {
        let knots = self.shapes.knots;
        let near =
            q.iter().flat_map(|q| (0..knots).map(move |k| (1.0 - (q - k as f32).abs()).max(0.0))).collect();
        Ok(Tensor::from_vec(near, (q.len(), knots), &self.device)?.matmul(table)?)
    }
}

fn sum_of(sum: Option<Tensor>, term: Tensor) -> Result<Tensor> {
    match sum {
        None => Ok(term),
        Some(sum) => Ok((sum + term)?),
    }
}
