//! The adversary of an adversarial run, which distinguishes originals from decoded pictures, patch by patch.
//!
//! It is a patch discriminator (Isola et al. 2017, "Image-to-image translation with conditional adversarial networks")
//! with the non-saturating loss (Goodfellow et al. 2014). It exists only during training and in checkpoints.

use super::layers::unshuffle;
use super::ops;
use crate::optim::{self, Optimizer, OptimizerKind};
use crate::{Error, Result};
use candle_core::{Device, Tensor, Var};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

/// The slope of its units below zero.
const SLOPE: f64 = 0.2;
/// The largest length of a gradient; longer ones are scaled down.
const LONGEST: f64 = 1.0;
/// The names and shapes of its weights. Each has a bias of its first dimension. The layers work on patches of 4x4 and
/// then of 8x8 pixels, and see 32x32 pixels.
const LAYERS: [(&str, &[usize]); 5] = [
    ("in", &[64, 48]),
    ("near", &[64, 64, 3, 3]),
    ("half", &[128, 256]),
    ("far", &[128, 128, 3, 3]),
    ("out", &[1, 128]),
];

/// A critic in training.
#[derive(Debug)]
pub(crate) struct Critic {
    vars: BTreeMap<String, Var>,
    optimizer: Optimizer,
}

impl Critic {
    /// Creates a critic whose weights follow from the seed.
    pub(crate) fn new(seed: u64, device: &Device) -> Result<Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x0043_5249_5449_4321);
        let mut vars = BTreeMap::new();
        for (name, dims) in LAYERS {
            let reach = (3.0 / dims[1..].iter().product::<usize>() as f32).sqrt();
            let values: Vec<f32> =
                (0..dims.iter().product()).map(|_| rng.random_range(-reach..=reach)).collect();
            vars.insert(format!("{name}.weight"), Var::from_vec(values, dims, device)?);
            vars.insert(format!("{name}.bias"), Var::from_vec(vec![0f32; dims[0]], dims[0], device)?);
        }
        let optimizer =
            Optimizer::of(vars.iter().map(|(name, var)| (name.as_str(), var)), OptimizerKind::Adam)?;
        Ok(Self { vars, optimizer })
    }

    /// How real each patch of pictures `[N, H, W, 3]` looks: the log-odds that it is from an original.
    ///
    /// Gradients reach the pictures, and the critic's weights if `learns` is true.
    fn judge(&self, x: &Tensor, learns: bool) -> Result<Tensor> {
        let parameter = |name: String| {
            let var = self.vars.get(&name).ok_or_else(|| Error::weights(&name, "is missing"))?;
            Ok::<_, Error>(if learns { var.as_tensor().clone() } else { var.as_detached_tensor() })
        };
        let layer = |name: &str, x: &Tensor| {
            let (weight, bias) = (parameter(format!("{name}.weight"))?, parameter(format!("{name}.bias"))?);
            Ok::<_, Error>(match weight.rank() {
                2 => ops::linear(x, &weight, &bias)?,
                _ => ops::conv3x3(x, &weight, &bias)?,
            })
        };
        let leaky = |x: Tensor| Ok::<_, Error>(x.maximum(&(&x * SLOPE)?)?);
        // A display clamps samples in the same way.
        let x = (x.clamp(-0.5, 0.5)? * 4.0)?;
        let x = leaky(layer("in", &unshuffle(&x, 4)?)?)?;
        let x = leaky(layer("near", &x)?)?;
        let x = leaky(layer("half", &unshuffle(&x, 2)?)?)?;
        let x = leaky(layer("far", &x)?)?;
        layer("out", &x)
    }

    /// The loss of decoded pictures that do not look real. Its gradient makes them look more real.
    pub(crate) fn lack(&self, decoded: &Tensor) -> Result<Tensor> {
        surprise(&self.judge(decoded, false)?)
    }

    /// Learns from originals and from the pictures decoded from them. Returns the sum of its mean losses before this
    /// step, which is 1.39 for random guesses and 0 if it is never wrong.
    pub(crate) fn learn(&mut self, originals: &Tensor, decoded: &Tensor, rate: f64) -> Result<f64> {
        let missed = surprise(&self.judge(originals, true)?)?;
        let loss = (missed + surprise(&self.judge(&decoded.detach(), true)?.neg()?)?)?;
        let vars = self.vars.iter().map(|(name, var)| (name.as_str(), var));
        let mut gradients = optim::gradients_of(vars, &loss.backward()?)?;
        if optim::clip(&mut gradients, LONGEST)?.is_finite() {
            self.optimizer.step(&gradients, rate)?;
        }
        Ok(f64::from(loss.to_scalar::<f32>()?))
    }

    /// The weights, the moments and the number of steps, from which training can continue.
    pub(crate) fn state(&self) -> ([BTreeMap<String, Tensor>; 2], usize) {
        let weights = self.vars.iter().map(|(name, var)| (name.clone(), var.as_detached_tensor())).collect();
        ([weights, self.optimizer.state()], self.optimizer.steps())
    }

    /// Restores the state that [`Self::state`] returned.
    pub(crate) fn restore(
        &mut self,
        [weights, moments]: [&BTreeMap<String, Tensor>; 2],
        steps: usize,
    ) -> Result<()> {
        for (name, var) in &self.vars {
            let found =
                weights.get(name).ok_or_else(|| Error::weights(name, "is missing from the critic"))?;
            var.set(found)?;
        }
        self.optimizer.restore(moments, steps)
    }
}

/// The mean of `-ln sigmoid(odds)`, computed so that it is finite for all odds.
fn surprise(odds: &Tensor) -> Result<Tensor> {
    let small = odds.abs()?.neg()?.exp()?.affine(1.0, 1.0)?.log()?;
    Ok((odds.neg()?.relu()? + small)?.mean_all()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noise of an amplitude around gray.
    fn noise(rng: &mut ChaCha8Rng, reach: f32) -> Tensor {
        let values: Vec<f32> = (0..2 * 64 * 64 * 3).map(|_| rng.random_range(-reach..=reach)).collect();
        Tensor::from_vec(values, (2, 64, 64, 3), &Device::Cpu).expect("pictures")
    }

    #[test]
    fn it_learns_to_tell_smooth_from_rough_and_shows_the_way() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut critic = Critic::new(0, &Device::Cpu).expect("a critic");
        let mut losses = Vec::new();
        for _ in 0..30 {
            let (rough, smooth) = (noise(&mut rng, 0.3), noise(&mut rng, 0.05));
            losses.push(critic.learn(&rough, &smooth, 2e-3).expect("a lesson"));
        }
        assert!(losses[29] < 0.5 * losses[0], "{losses:?}");

        let number = |t: Tensor| t.to_scalar::<f32>().expect("a number");
        let lack = |x: &Tensor| number(critic.lack(x).expect("a judgement"));
        let smooth = Var::from_tensor(&noise(&mut rng, 0.05)).expect("a picture");
        assert!(lack(&noise(&mut rng, 0.3)) < 0.5 * lack(smooth.as_tensor()));
        let store = critic.lack(smooth.as_tensor()).and_then(|t| Ok(t.backward()?)).expect("gradients");
        let gradient = store.get(&smooth).expect("a gradient");
        let longest = number(gradient.abs().and_then(|g| g.max_all()).expect("a number"));
        let better = (gradient * f64::from(-0.02 / longest)).and_then(|change| smooth.as_tensor() + change);
        assert!(lack(&better.expect("a picture")) < lack(smooth.as_tensor()), "its gradient shows the way");
    }

    #[test]
    fn a_restored_critic_goes_on_as_the_first() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let [a, b] = [(); 2].map(|()| noise(&mut rng, 0.2));
        let mut first = Critic::new(1, &Device::Cpu).expect("a critic");
        first.learn(&a, &b, 1e-3).expect("a lesson");
        let ([weights, moments], steps) = first.state();
        let [weights, moments] = [weights, moments].map(|all| {
            all.into_iter().map(|(n, t)| (n, t.copy().expect("a copy"))).collect::<BTreeMap<_, _>>()
        });
        let mut second = Critic::new(2, &Device::Cpu).expect("a critic");
        second.restore([&weights, &moments], steps).expect("restored");
        let next = |critic: &mut Critic| [(); 2].map(|()| critic.learn(&b, &a, 1e-3).expect("a lesson"));
        assert_eq!(next(&mut first), next(&mut second));
    }
}
