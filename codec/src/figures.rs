//! The costs of a model: its widths, its parameters, and its arithmetic per pixel.

use crate::net::Shapes;

/// Widths and depths of a model, named as in docs/format.md, and what follows from them.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Figures {
    /// Channels of analysis and synthesis.
    pub c: usize,
    /// Latents for each 16x16 pixels.
    pub m: usize,
    /// Hyper-latents for each 64x64 pixels.
    pub z: usize,
    /// Channels of the prior.
    pub p: usize,
    /// Blocks of the analysis.
    pub ne: usize,
    /// Blocks of the synthesis.
    pub nd: usize,
    /// Widths of the gated units in blocks of `c`, `z` and `p` channels.
    pub hidden: [usize; 3],
    /// Weights and biases of all layers.
    pub parameters: u64,
    /// Multiplications per pixel in a decode.
    pub decode: f64,
    /// Multiplications per pixel in an encode, including the decode that checks it.
    pub encode: f64,
}

impl Figures {
    pub(crate) fn of(shapes: Shapes, hidden: [usize; 3]) -> Self {
        // 64-bit numbers: squares of 16-bit widths overflow a 32-bit `usize`.
        let [c, m, z, p, ne, nd] =
            [shapes.c, shapes.m, shapes.z, shapes.p, shapes.ne, shapes.nd].map(|side| side as u64);
        let [of_c, of_z, of_p] = [(c, hidden[0] as u64), (z, hidden[1] as u64), (p, hidden[2] as u64)]
            .map(|(w, h)| (2 * w * w + 9 * w + 3 * w * h, 4 * w + 2 * h));
        // (count, (weights, biases), pixels that each layer's positions stand for).
        let layer = |inputs: u64, outputs: u64| (inputs * outputs, outputs);
        let analysis = [
            (1, layer(192, c), 64),
            (ne, of_c, 64),
            (1, layer(4 * c, m), 256),
            (1, layer(m, z), 256),
            (1, of_z, 256),
            (1, layer(4 * z, z), 1024),
            (1, of_z, 1024),
            (1, layer(4 * z, z), 4096),
        ];
        let synthesis = [
            (1, layer(z, 4 * z), 4096),
            (1, of_z, 1024),
            (1, layer(z, 4 * z), 1024),
            (1, of_z, 256),
            (1, layer(z, p), 256),
            (1, of_p, 256),
            (1, layer(m, 4 * c), 256),
            (nd, of_c, 64),
            (1, layer(9 * c, 192), 64),
        ];
        // Each pass predicts a quarter of the latents, from the quarters that are already known.
        let context =
            [(1, layer(p, 2 * m), 0), (3, layer(m + p, p), 0), (1, of_p, 0), (1, layer(p, 2 * m), 0)];
        let passes = 4 * (2 * m * p / 4) + 3 * (p * p + of_p.0) + (1 + 2 + 3) * (m * p / 4);

        type Part = (u64, (u64, u64), u64);
        let work = |parts: &[Part]| -> f64 {
            parts.iter().map(|&(count, (macs, _), pixels)| (count * macs) as f64 / pixels as f64).sum()
        };
        let held = |parts: &[Part]| -> u64 {
            parts.iter().map(|&(count, (weights, biases), _)| count * (weights + biases)).sum()
        };
        let decode = work(&synthesis) + passes as f64 / 256.0;
        Self {
            c: shapes.c,
            m: shapes.m,
            z: shapes.z,
            p: shapes.p,
            ne: shapes.ne,
            nd: shapes.nd,
            hidden,
            parameters: held(&analysis) + held(&synthesis) + held(&context),
            decode,
            encode: decode + work(&analysis),
        }
    }
}

#[cfg(all(test, feature = "embedded"))]
mod tests {
    use crate::{Model, Profile};

    #[test]
    fn figures_of_the_shipped_model_are_those_of_its_card() {
        let figures = Model::embedded(Profile::Fast).expect("the built-in model").figures();
        let rounded = |macs: f64| (macs / 100.0).round() / 10.0;
        assert_eq!((rounded(figures.decode), rounded(figures.encode)), (16.4, 27.9));
        assert_eq!(figures.hidden, [192, 96, 288]);
        assert!((3_000_000..3_100_000).contains(&figures.parameters), "{}", figures.parameters);
    }
}
