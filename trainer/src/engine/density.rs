//! The learned density of the hyper-latents (Ballé et al. 2018, "Variational image compression with a scale
//! hyperprior", appendix 6.1): their bits, and the derivatives of these.

use super::layout::Layout;

/// The layers of the cumulative density.
const LAYERS: usize = 4;
/// The smallest probability; lower ones are raised to it.
const LEAST: f32 = 1e-6;

/// The derivatives of the bits with respect to the parameters of one channel, each as a sum over positions.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct DensityGradient {
    h: [f32; LAYERS],
    b: [f32; LAYERS],
    a: [f32; LAYERS - 1],
}

/// The parameters of one channel.
struct Channel {
    /// `softplus(h)` and its derivative.
    slope: [(f32, f32); LAYERS],
    b: [f32; LAYERS],
    /// `tanh(a)`.
    a: [f32; LAYERS - 1],
}

/// Returns the bits of the bins around `z`, which has a row for each position. `of_z` becomes their derivative with
/// respect to `z`, and `of_channels` those with respect to the parameters of each channel.
pub(super) fn bits(
    layout: &Layout,
    numbers: &[f32],
    z: &[f32],
    of_z: &mut [f32],
    of_channels: &mut [DensityGradient],
) -> f64 {
    let width = layout.shapes.z;
    let mut total = 0.0;
    for (channel, of_channel) in of_channels.iter_mut().enumerate() {
        *of_channel = DensityGradient::default();
        let parameter = |place: usize, layer: usize| numbers[place + layer * width + channel];
        let parameters = Channel {
            slope: std::array::from_fn(|layer| {
                let h = parameter(layout.z_h, layer);
                (if h > 20.0 { h } else { h.exp().ln_1p() }, 1.0 / (1.0 + (-h).exp()))
            }),
            b: std::array::from_fn(|layer| parameter(layout.z_b, layer)),
            a: std::array::from_fn(|layer| parameter(layout.z_a, layer).tanh()),
        };
        for at in (channel..z.len()).step_by(width) {
            let (upper, lower) = (parameters.at(z[at] + 0.5), parameters.at(z[at] - 0.5));
            let p = upper.value - lower.value;
            total += f64::from(-p.max(LEAST).log2());
            // As in the reference, the gradient passes where the probability is raised.
            let slope = -1.0 / (p.max(LEAST) * std::f32::consts::LN_2);
            of_z[at] =
                parameters.back(&upper, slope, of_channel) + parameters.back(&lower, -slope, of_channel);
        }
    }
    total
}

/// Adds the gradients of the density's parameters, for this weight of the bits.
pub(super) fn add_gradients(
    layout: &Layout,
    weight: f32,
    of_channels: &[DensityGradient],
    gradients: &mut [f32],
) {
    let width = layout.shapes.z;
    for (channel, of) in of_channels.iter().enumerate() {
        for layer in 0..LAYERS {
            gradients[layout.z_h + layer * width + channel] += weight * of.h[layer];
            gradients[layout.z_b + layer * width + channel] += weight * of.b[layer];
        }
        for (layer, a) in of.a.iter().enumerate() {
            gradients[layout.z_a + layer * width + channel] += weight * a;
        }
    }
}

/// The cumulative density at a point, with what its derivatives need.
struct Cumulative {
    value: f32,
    /// The input of each layer, and its unit's hyperbolic tangent.
    inputs: [f32; LAYERS],
    tanh: [f32; LAYERS - 1],
}

impl Channel {
    fn at(&self, x: f32) -> Cumulative {
        let mut found = Cumulative { value: x, inputs: [0.0; LAYERS], tanh: [0.0; LAYERS - 1] };
        for layer in 0..LAYERS {
            found.inputs[layer] = found.value;
            found.value = found.value * self.slope[layer].0 + self.b[layer];
            if layer < LAYERS - 1 {
                found.tanh[layer] = found.value.tanh();
                found.value += found.tanh[layer] * self.a[layer];
            }
        }
        found.value = 1.0 / (1.0 + (-found.value).exp());
        found
    }

    /// The derivative with respect to the point, for that of the cumulative density; adds those of the parameters.
    fn back(&self, found: &Cumulative, of_value: f32, of: &mut DensityGradient) -> f32 {
        let mut d = of_value * found.value * (1.0 - found.value);
        for layer in (0..LAYERS).rev() {
            if layer < LAYERS - 1 {
                let (tanh, a) = (found.tanh[layer], self.a[layer]);
                of.a[layer] += d * tanh * (1.0 - a * a);
                d *= 1.0 + a * (1.0 - tanh * tanh);
            }
            of.b[layer] += d;
            of.h[layer] += d * found.inputs[layer] * self.slope[layer].1;
            d *= self.slope[layer].0;
        }
        d
    }
}
