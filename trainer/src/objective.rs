//! The objective of training in addition to the rate: the measure of distortion, corruptions of the input, and
//! penalties on the latents.

use crate::engine::eye;
use crate::net::Network;
use crate::{Result, similarity};
use candle_core::{D, Device, Tensor};
use rand::Rng;
use serde::{Deserialize, Serialize};

/// The side of a patch that is hidden from the network.
const PATCH: usize = 8;

/// The measure of distortion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Distortion {
    /// The mean squared error, which gives the best PSNR.
    #[default]
    Mse,
    /// The square of the mean absolute error, times pi / 2. For normally distributed differences it equals the squared
    /// error. A few large errors count less.
    L1,
    /// 1300 times (1 - MS-SSIM), which is closer to human perception and gives a lower PSNR. The factor is the ratio of
    /// the lambdas of Bégaint et al. 2020 ("CompressAI", table 1).
    MsSsim,
    /// 255^2 / 2 times the divergence of the decoded sample from the original, each taken as the probability of white
    /// (Kingma and Welling 2014, appendix C.1). This is the cross-entropy minus its minimum. Near middle gray it equals
    /// the squared error, and errors in dark and in bright areas count more.
    CrossEntropy,
    /// Half of the squared error and 3.05 times the errors of SSIMULACRA 2, which follow human perception closely. For
    /// photographs this is about as large as the squared error.
    Eye,
}

/// The weights of the squared error and of the errors of SSIMULACRA 2 in [`Distortion::Eye`].
pub(crate) const EYE: (f64, f64) = (0.5, 3.05);

/// The smallest distance of a probability from 0 and 1: half of an 8-bit unit.
const LEAST_PROBABILITY: f64 = 0.5 / 255.0;

impl Distortion {
    /// The error of each picture `[N]`, in squared 8-bit units or an equivalent.
    ///
    /// # Errors
    /// Returns [`Error::Tensor`](crate::Error::Tensor) if the shapes do not match.
    pub fn of(self, decoded: &Tensor, original: &Tensor) -> Result<Tensor> {
        let mean = |t: Tensor| t.flatten_from(1)?.mean(1);
        Ok(match self {
            Self::Mse => (mean((decoded - original)?.sqr()?)? * (255.0 * 255.0))?,
            Self::L1 => {
                (mean((decoded - original)?.abs()?)?.sqr()? * (255.0 * 255.0 * std::f64::consts::FRAC_PI_2))?
            }
            Self::Eye => {
                let squares = (mean((decoded - original)?.sqr()?)? * (255.0 * 255.0 * EYE.0))?;
                (squares + (eye_errors(decoded, original)? * EYE.1)?)?
            }
            Self::MsSsim => similarity::ms_ssim(decoded, original)?.affine(-1300.0, 1300.0)?,
            Self::CrossEntropy => {
                let within =
                    |t: &Tensor| t.affine(1.0, 0.5)?.clamp(LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY);
                let (p, q) = (within(original)?, within(decoded)?);
                let part = |p: &Tensor, q: &Tensor| p * (p.log()? - q.log()?)?;
                let divergence = (part(&p, &q)? + part(&p.affine(-1.0, 1.0)?, &q.affine(-1.0, 1.0)?)?)?;
                // A sample beyond white or black is not a probability. Its squared distance to the range is added, so
                // that the gradient leads back.
                let beyond = (decoded.affine(1.0, 0.5)? - &q)?.sqr()?;
                (mean(((divergence * 0.5)? + beyond)?)? * (255.0 * 255.0))?
            }
        })
    }
}

/// The objective of a run. The default is the rate and the squared error alone.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub struct Objective {
    /// The measure of distortion.
    pub distortion: Distortion,
    /// The standard deviation, in 8-bit units, of normal noise that is added to the network's input. The network learns
    /// to decode the pictures without the noise (Vincent et al. 2008, "Extracting and composing robust features with
    /// denoising autoencoders").
    pub noise: f64,
    /// The share of 8x8 patches that are gray in the network's input. The network learns to decode the original
    /// patches.
    pub mask: f64,
    /// The weight of the mean magnitude of latents in steps (Ng 2011, "Sparse autoencoder", with an L1 penalty).
    pub sparsity: f64,
    /// The weight of the mean divergence of the channels' activity from `activity` (Ng 2011, section 2).
    pub divergence: f64,
    /// The target of `divergence` for the activity of each channel, which is the mean of `1 - exp(-|latent in steps|)`,
    /// from 0 to 1.
    pub activity: f64,
    /// The weight of the squared change of latents, in steps, for a change of pixels by one 8-bit unit (Rifai et al.
    /// 2011, "Contractive auto-encoders").
    pub contraction: f64,
    /// The weight of the loss from a critic that is trained at the same time. It leads to texture in place of its
    /// average (Goodfellow et al. 2014; Mentzer et al. 2020, "High-fidelity generative image compression").
    pub adversary: f64,
}

impl Objective {
    /// Whether the objective has terms besides the rate and the distortion.
    pub fn has_penalties(&self) -> bool {
        [self.sparsity, self.divergence, self.contraction, self.adversary].iter().any(|weight| *weight > 0.0)
    }

    /// Whether the objective is only the rate and the distortion of the pictures as they are.
    pub fn is_plain(&self) -> bool {
        !self.has_penalties() && self.noise == 0.0 && self.mask == 0.0
    }

    /// The network's input for these pictures, `[N, H, W, 3]` in -0.5..=0.5.
    ///
    /// # Errors
    /// Returns [`Error::Tensor`](crate::Error::Tensor) if the device fails.
    pub fn corrupted(&self, x: &Tensor, rng: &mut impl Rng) -> Result<Tensor> {
        let (n, h, w, _) = x.dims4()?;
        let mut seen = x.clone();
        if self.noise > 0.0 {
            let noise = normal(rng, x.dims(), x.device())?;
            seen = (seen + (noise * (self.noise / 255.0))?)?.clamp(-0.5, 0.5)?;
        }
        if self.mask > 0.0 {
            let (rows, columns) = (h / PATCH, w / PATCH);
            let keep = (0..n * rows * columns).map(|_| f32::from(!rng.random_bool(self.mask.min(1.0))));
            let keep = Tensor::from_vec(keep.collect::<Vec<_>>(), (n, rows, 1, columns, 1, 1), x.device())?;
            let patches = seen.reshape(&[n, rows, PATCH, columns, PATCH, 3][..])?;
            seen = patches.broadcast_mul(&keep)?.reshape((n, h, w, 3))?;
        }
        Ok(seen)
    }

    /// The penalty on latents `y` of pictures `x` at the knots q, or `None` if the objective has no penalties on
    /// latents.
    ///
    /// # Errors
    /// Returns [`Error::Tensor`](crate::Error::Tensor) if the device fails.
    pub fn penalty(
        &self,
        net: &Network,
        (x, y): (&Tensor, &Tensor),
        q: &[f32],
        rng: &mut impl Rng,
    ) -> Result<Option<Tensor>> {
        if self.sparsity == 0.0 && self.divergence == 0.0 && self.contraction == 0.0 {
            return Ok(None);
        }
        let steps = net.in_steps(y, q)?;
        let mut sum = Tensor::zeros((), y.dtype(), y.device())?;
        if self.sparsity > 0.0 {
            sum = (sum + (steps.abs()?.mean_all()? * self.sparsity)?)?;
        }
        if self.divergence > 0.0 {
            sum = (sum + (divergence(&steps, self.activity)? * self.divergence)?)?;
        }
        if self.contraction > 0.0 {
            // The expected square over random signs is the squared Frobenius norm of the Jacobian (Hutchinson). A
            // finite difference approximates the product with the Jacobian, so no second derivative is needed.
            let signs = (0..x.elem_count()).map(|_| if rng.random() { 1.0 / 255.0 } else { -1.0 / 255.0f32 });
            let signs = Tensor::from_vec(signs.collect::<Vec<_>>(), x.shape(), x.device())?;
            let moved = net.in_steps(&net.analyse(&(x + signs)?, q)?, q)?;
            sum = (sum + ((moved - &steps)?.sqr()?.mean_all()? * self.contraction)?)?;
        }
        Ok(Some(sum))
    }
}

/// The errors of SSIMULACRA 2 of each picture `[N]`. The gradient reaches the decoded pictures.
fn eye_errors(decoded: &Tensor, original: &Tensor) -> Result<Tensor> {
    let (n, h, w, _) = decoded.dims4()?;
    let values = |t: &Tensor| t.detach().flatten_all()?.to_device(&Device::Cpu)?.to_vec1::<f32>();
    let (errors, gradient) = eye::errors((n, h, w), &values(original)?, &values(decoded)?);
    let gradient = Tensor::from_vec(gradient, (n, h, w, 3), &Device::Cpu)?.to_device(decoded.device())?;
    // A sum of value and slope: the slope times the change of the pictures, which is zero.
    let errors = Tensor::from_vec(errors, n, &Device::Cpu)?.to_device(decoded.device())?;
    let change = ((decoded - decoded.detach())? * gradient)?.flatten_from(1)?.sum(1)?;
    Ok((errors + change)?)
}

/// The mean over channels of the Kullback-Leibler divergence from a Bernoulli variable with this mean to one with the
/// channel's activity.
fn divergence(steps: &Tensor, activity: f64) -> Result<Tensor> {
    let channels = steps.dim(D::Minus1)?;
    let active = steps.abs()?.neg()?.exp()?.affine(-1.0, 1.0)?.reshape(((), channels))?.mean(0)?;
    let active = active.affine(0.998, 0.001)?;
    let (on, off) = (active.log()?, active.affine(-1.0, 1.0)?.log()?);
    let own = activity * activity.max(1e-9).ln() + (1.0 - activity) * (1.0 - activity).max(1e-9).ln();
    Ok(((on * -activity)? + (off * (activity - 1.0))?)?.mean_all()?.affine(1.0, own)?)
}

/// Draws standard normal values (Box and Muller 1958).
pub(crate) fn normal(rng: &mut impl Rng, dims: &[usize], device: &Device) -> Result<Tensor> {
    let value = |rng: &mut dyn rand::RngCore| {
        let (u, v): (f32, f32) = (1.0 - rng.random::<f32>(), rng.random());
        (-2.0 * u.ln()).sqrt() * (std::f32::consts::TAU * v).cos()
    };
    let values: Vec<f32> = (0..dims.iter().product()).map(|_| value(rng)).collect();
    Ok(Tensor::from_vec(values, dims, device)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Shapes, Weights};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    const TINY: Shapes = Shapes { c: 16, m: 32, z: 8, p: 16, ne: 1, nd: 1, expansion: 1.5, knots: 3 };

    const ALL: [Distortion; 5] =
        [Distortion::Mse, Distortion::L1, Distortion::MsSsim, Distortion::CrossEntropy, Distortion::Eye];

    fn rng() -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(5)
    }

    fn number(t: &Tensor) -> f64 {
        f64::from(t.to_scalar::<f32>().expect("a number"))
    }

    /// A picture of waves.
    fn picture() -> Tensor {
        let values = (0..64 * 64 * 3).map(|i| (i as f32 * 0.013).sin() / 2.5).collect::<Vec<_>>();
        Tensor::from_vec(values, (1, 64, 64, 3), &Device::Cpu).expect("a picture")
    }

    #[test]
    fn noise_has_its_deviation_and_a_mask_its_share() {
        let gray = Tensor::full(0.2f32, (2, 64, 64, 3), &Device::Cpu).expect("pictures");
        let noisy = Objective { noise: 10.0, ..Objective::default() };
        let change = (noisy.corrupted(&gray, &mut rng()).expect("noise") - &gray).expect("a change");
        let deviation = number(&change.sqr().and_then(|t| t.mean_all()?.sqrt()).expect("a mean")) * 255.0;
        assert!((deviation - 10.0).abs() < 0.3, "{deviation}");

        let masked = Objective { mask: 0.25, ..Objective::default() };
        let seen = masked.corrupted(&gray, &mut rng()).expect("a mask");
        let rows = seen.flatten_all().and_then(|t| t.to_vec1::<f32>()).expect("values");
        let hidden = rows.iter().filter(|v| **v == 0.0).count() as f64 / rows.len() as f64;
        assert!((hidden - 0.25).abs() < 0.1 && rows.iter().all(|v| *v == 0.0 || *v == 0.2), "{hidden}");
        let patch = |y: usize, x: usize| rows[(y * 64 + x) * 3];
        assert!((0..8).all(|i| patch(8 + i, 16 + i) == patch(8, 16)), "patches are hidden as a whole");
        let plain = Objective::default().corrupted(&gray, &mut rng()).expect("nothing");
        assert_eq!(plain.id(), gray.id());
    }

    #[test]
    fn errors_are_in_squares_of_samples() {
        let x = picture();
        let off = (&x + 4.0 / 255.0).expect("brighter");
        let at =
            |d: Distortion| f64::from(d.of(&off, &x).expect("an error").to_vec1::<f32>().expect("one")[0]);
        assert!((at(Distortion::Mse) - 16.0).abs() < 1e-2);
        assert!((at(Distortion::L1) - 16.0 * std::f64::consts::FRAC_PI_2).abs() < 1e-2);
        let own = at(Distortion::CrossEntropy);
        assert!((16.0..32.0).contains(&own), "as a squared error near middle gray, more elsewhere: {own}");
        let structure = at(Distortion::MsSsim);
        assert!(structure > 0.0 && structure < 16.0, "a shift of light is no loss of structure: {structure}");
        for distortion in ALL {
            let same = distortion.of(&x, &x).expect("an error").to_vec1::<f32>().expect("one")[0];
            assert!(same.abs() < 1e-2, "{distortion:?}: {same}");
        }
    }

    /// Errors count more if probabilities are extreme, and beyond white the gradient leads back.
    #[test]
    fn cross_entropy_weighs_by_brightness() {
        let at = |original: f32, decoded: f32| {
            let gray = |v: f32| Tensor::full(v, (1, 8, 8, 3), &Device::Cpu).expect("a picture");
            let error = Distortion::CrossEntropy.of(&gray(decoded), &gray(original)).expect("an error");
            f64::from(error.to_vec1::<f32>().expect("one")[0])
        };
        let step = 4.0 / 255.0;
        assert!((at(0.0, step) - 16.0).abs() < 0.1, "{}", at(0.0, step));
        // The divergence of close p and q is d^2 / (2 p (1 - p)); at p = 0.9 that is 2.8 times as much.
        let bright = at(0.4, 0.4 + step);
        assert!((40.0..56.0).contains(&bright), "{bright}");
        let black = at(-0.5, -0.5 + 1.0 / 255.0);
        assert!((15.0..25.0).contains(&black), "one level at black: {black}");
        assert!(at(0.5, 0.7) > at(0.5, 0.6) && at(0.5, 0.6) > at(0.5, 0.5));
    }

    /// Compares gradients with differences along a random direction.
    #[test]
    fn errors_have_the_gradients_of_their_values() {
        let side = 64;
        let wave = |speed: f32| {
            let values = (0..side * side * 3).map(|i| (i as f32 * speed).sin() / 3.5).collect::<Vec<_>>();
            Tensor::from_vec(values, (1, side, side, 3), &Device::Cpu).expect("a picture")
        };
        let original = wave(0.013);
        let decoded = (&original + (wave(0.71) * 0.2).expect("a wave")).expect("a decoded picture");
        let direction = normal(&mut rng(), decoded.dims(), &Device::Cpu).expect("a direction");
        for distortion in ALL {
            let var = candle_core::Var::from_tensor(&decoded).expect("a variable");
            let error =
                distortion.of(var.as_tensor(), &original).and_then(|t| Ok(t.sum_all()?)).expect("an error");
            let store = error.backward().expect("gradients");
            let slope = (store.get(&var).expect("a gradient") * &direction).and_then(|t| t.sum_all());
            let at = |by: f64| {
                let moved = (&decoded + (&direction * by).expect("scaled")).expect("moved");
                f64::from(
                    distortion.of(&moved, &original).expect("an error").to_vec1::<f32>().expect("one")[0],
                )
            };
            // Absolute errors have kinks and need a small step. The others are smooth but lose digits with one.
            let step = if distortion == Distortion::L1 { 5e-4 } else { 4e-3 };
            let (found, expected) = (number(&slope.expect("a slope")), (at(step) - at(-step)) / (2.0 * step));
            assert!(
                (found - expected).abs() < 0.02 * expected.abs(),
                "{distortion:?}: {found}, by differences {expected}"
            );
        }
    }

    #[test]
    fn a_divergence_is_zero_at_its_activity_and_grows_away_from_it() {
        let latent = -(1.0f64 - 0.3).ln() as f32;
        let at = |v: f32| {
            let steps = Tensor::full(v, (1, 4, 4, 8), &Device::Cpu).expect("latents");
            number(&divergence(&steps, 0.3).expect("a divergence"))
        };
        assert!(at(latent).abs() < 1e-3, "{}", at(latent));
        assert!(at(0.01) > 0.2 && at(3.0) > 0.2);
    }

    /// Compares the estimate with the Jacobian, computed column by column from differences.
    #[test]
    fn contraction_is_the_square_of_the_jacobian() {
        let net =
            Network::frozen(&Weights::random(TINY, 2, &Device::Cpu).expect("weights")).expect("a network");
        let (x, q) = (picture(), [1.0]);
        let y = net.analyse(&x, &q).expect("latents");
        let objective = Objective { contraction: 1.0, ..Objective::default() };
        let rng = &mut rng();
        let draws = (0..40).map(|_| {
            number(&objective.penalty(&net, (&x, &y), &q, rng).expect("a penalty").expect("asked for"))
        });
        let estimate = draws.sum::<f64>() / 40.0;

        let at = |x: &Tensor| net.in_steps(&net.analyse(x, &q).expect("latents"), &q).expect("steps");
        let (base, count) = (at(&x), y.elem_count() as f64);
        // Only a sample of the columns is computed, and the sum is scaled.
        let columns: Vec<usize> = (0..x.elem_count()).step_by(61).collect();
        let squares = columns.iter().map(|&i| {
            let mut one = vec![0.0f32; x.elem_count()];
            one[i] = 1.0 / 255.0;
            let moved =
                (&x + Tensor::from_vec(one, x.shape(), &Device::Cpu).expect("a pixel")).expect("moved");
            number(&(at(&moved) - &base).and_then(|d| d.sqr()?.sum_all()).expect("a square"))
        });
        let exact = squares.sum::<f64>() * x.elem_count() as f64 / columns.len() as f64 / count;
        assert!((estimate / exact - 1.0).abs() < 0.25, "{estimate}, by columns {exact}");
    }
}
