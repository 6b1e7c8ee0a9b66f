//! The network: from latents or pixels to the classes of a grid of 4x4 pixels.

use std::collections::BTreeMap;

use aecodec_trainer::net::parts::{Parts, block_shapes, folded, random};
use candle_core::{D, DType, Device, Tensor, Var};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::labels::Labels;
use crate::Result;

/// Channels inside.
const WIDTH: usize = 96;
/// Residual blocks, each of which sees one place farther.
const BLOCKS: usize = 6;
/// Cells of a side of a place, which get a class each.
pub const CELLS: usize = 4;
/// Pixels of a side of a place.
pub const PLACE: usize = 16;
/// Outputs of the two layers of the stem.
const STEM: [usize; 2] = [32, 64];
/// The most classes.
pub const CLASSES: usize = 250;

/// What a head sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Input {
    /// The latents of the model `fast`.
    Latents,
    /// The decoded pixels.
    Pixels,
}

/// A trained head.
#[derive(Debug, Clone)]
pub struct Head {
    pub(super) input: Input,
    pub(super) classes: usize,
    /// The identity of the model of the latents.
    pub(super) model: [u8; 32],
    pub(super) weights: BTreeMap<String, Var>,
}

impl Head {
    /// A head with random weights for values `[.., channels]` with these means and deviations.
    pub(super) fn random(
        (input, classes, model): (Input, usize, [u8; 32]),
        (mean, deviation): (Vec<f32>, Vec<f32>),
        seed: u64,
    ) -> Result<Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let channels = mean.len();
        let mut weights = BTreeMap::new();
        for (name, shape) in shapes(input, classes, channels) {
            let values = match name.as_str() {
                "mean" => mean.clone(),
                "deviation" => deviation.clone(),
                name => random(name, &shape, &mut rng),
            };
            weights.insert(name, Var::from_vec(values, shape, &Device::Cpu)?);
        }
        Ok(Self { input, classes, model, weights })
    }

    /// What the head sees.
    pub fn input(&self) -> Input {
        self.input
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Number of weights.
    pub fn parameters(&self) -> usize {
        self.weights.values().map(|var| var.elem_count()).sum()
    }

    /// Scores of the classes, `[B, 4 H, 4 W, classes]`, of latents `[B, H, W, M]` or pixels `[B, 16 H, 16 W, 3]`.
    pub(super) fn forward(&self, values: &Tensor) -> Result<Tensor> {
        let weights: BTreeMap<String, Tensor> =
            self.weights.iter().map(|(name, var)| (name.clone(), var.as_tensor().clone())).collect();
        let layers = Parts(&weights);
        let x = values.broadcast_sub(&weights["mean"])?.broadcast_div(&weights["deviation"])?;
        let x = match self.input {
            Input::Latents => x,
            Input::Pixels => stem(&layers, &x)?,
        };
        let mut x = layers.linear("in", &with_place(&x)?)?.relu()?;
        for i in 0..BLOCKS {
            x = layers.block(&format!("block{i}"), &x)?;
            if i + 1 == BLOCKS / 2 {
                // What the whole picture shows says much about each place.
                let whole = x.mean_keepdim(1)?.mean_keepdim(2)?;
                x = x.broadcast_add(&layers.linear("whole", &whole)?)?;
            }
        }
        let (b, h, w, _) = x.dims4()?;
        let cells = layers.linear("out", &x)?.reshape(&[b, h, w, CELLS, CELLS, self.classes][..])?;
        Ok(cells.permute([0, 1, 3, 2, 4, 5])?.reshape((b, h * CELLS, w * CELLS, self.classes))?)
    }

    /// The class of each pixel of a picture, from one input of `[1, ..]`.
    pub(super) fn labels(&self, values: &Tensor, (height, width): (usize, usize)) -> Result<Labels> {
        let scores = self.forward(values)?.squeeze(0)?;
        let (rows, columns, classes) = scores.dims3()?;
        let scores = scores.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
        let side = (PLACE / CELLS) as f32;
        let along = |i: usize, count: usize| {
            let at = ((i as f32 + 0.5) / side - 0.5).clamp(0.0, (count - 1) as f32);
            let low = at as usize;
            (low, (low + 1).min(count - 1), at - low as f32)
        };
        let mut labels = Vec::with_capacity(height * width);
        for y in 0..height {
            let (y0, y1, v) = along(y, rows);
            for x in 0..width {
                let (x0, x1, h) = along(x, columns);
                let at = |y: usize, x: usize, class: usize| scores[(y * columns + x) * classes + class];
                let mixed = |class: usize| {
                    let above = at(y0, x0, class) * (1.0 - h) + at(y0, x1, class) * h;
                    let below = at(y1, x0, class) * (1.0 - h) + at(y1, x1, class) * h;
                    above * (1.0 - v) + below * v
                };
                let best = (0..classes).map(|class| (class, mixed(class))).max_by(|a, b| a.1.total_cmp(&b.1));
                labels.push(best.map_or(0, |(class, _)| class as u8));
            }
        }
        Ok(Labels { width: width as u32, height: height as u32, values: labels })
    }
}

/// From pixels to places, by steps of a quarter, a half and a half of the size.
fn stem(layers: &Parts, pixels: &Tensor) -> Result<Tensor> {
    let x = layers.linear("stem0", &folded(pixels, 4)?)?.relu()?;
    let x = (&x + layers.conv3x3("stem1", &x)?.relu()?)?;
    let x = layers.linear("stem2", &folded(&x, 2)?)?.relu()?;
    let x = (&x + layers.conv3x3("stem3", &x)?.relu()?)?;
    Ok(folded(&x, 2)?)
}

/// Names and shapes of the weights.
pub(super) fn shapes(input: Input, classes: usize, channels: usize) -> Vec<(String, Vec<usize>)> {
    let mut shapes = vec![("mean".to_owned(), vec![channels]), ("deviation".to_owned(), vec![channels])];
    let mut layer = |name: &str, weight: Vec<usize>| {
        shapes.push((format!("{name}.bias"), vec![weight[0]]));
        shapes.push((format!("{name}.weight"), weight));
    };
    let mut inputs = channels;
    if input == Input::Pixels {
        layer("stem0", vec![STEM[0], 16 * channels]);
        layer("stem1", vec![STEM[0], STEM[0], 3, 3]);
        layer("stem2", vec![STEM[1], 4 * STEM[0]]);
        layer("stem3", vec![STEM[1], STEM[1], 3, 3]);
        inputs = 4 * STEM[1];
    }
    layer("in", vec![WIDTH, inputs + 2]);
    layer("whole", vec![WIDTH, WIDTH]);
    layer("out", vec![CELLS * CELLS * classes, WIDTH]);
    shapes.extend((0..BLOCKS).flat_map(|i| block_shapes(&format!("block{i}"), WIDTH, 2 * WIDTH)));
    shapes
}

/// Adds row and column, -1 to 1: sky is above and road is below.
fn with_place(x: &Tensor) -> Result<Tensor> {
    let (b, h, w, _) = x.dims4()?;
    let along = |count: usize| (0..count).map(move |i| (2.0 * i as f32 + 1.0) / count as f32 - 1.0);
    let place: Vec<f32> = along(h).flat_map(|y| along(w).flat_map(move |x| [y, x])).collect();
    let place = Tensor::from_vec(place, (1, h, w, 2), x.device())?.broadcast_as((b, h, w, 2))?;
    Ok(Tensor::cat(&[x, &place.contiguous()?], D::Minus1)?)
}
