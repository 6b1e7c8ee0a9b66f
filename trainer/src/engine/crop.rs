//! One crop through the whole network, its loss, and the gradients of all parameters.

use super::analysis::{self, AnalysisMemory};
use super::block::BlockScratch;
use super::density::{self, DensityGradient};
use super::eye::EyeErrors;
use super::kernel::{Path, vectorised};
use super::layers::Context;
use super::layout::{Layout, PATCH};
use super::passes::{self, Gains, PassGradients, PassMemory};
use super::synthesis::{self, SynthesisMemory};
use crate::Result;
use crate::loss::{CAP, lambda};
use crate::objective::{Distortion, EYE};
use candle_core::{Device, Tensor, Var};

/// A crop and its draws.
#[derive(Debug, Clone, Copy)]
pub(super) struct Crop<'a> {
    /// The samples, `[side, side, 3]`.
    pub samples: &'a [u8],
    /// The place on the quality axis, from 0 to `knots - 1`.
    pub q: f32,
    /// Uniform noise from -0.5 to 0.5 for the latents `[s16, s16, m]` and the hyper-latents `[s64, s64, z]`.
    pub noise: (&'a [f32], &'a [f32]),
}

/// The figures of one crop.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CropFigures {
    /// Before the cap.
    pub loss: f64,
    /// In squared 8-bit units.
    pub mse: f64,
    pub bpp: f64,
}

/// The memory of one thread, which takes whole crops through the network.
pub(super) struct Worker<P: Path> {
    side: usize,
    pub gradients: Vec<f32>,
    analysis: AnalysisMemory<P::Cell>,
    passes: PassMemory<P::Cell>,
    synthesis: SynthesisMemory<P::Cell>,
    scratch: (Vec<P::Cell>, BlockScratch<P::Cell>),
    distortion: Distortion,
    eye: Option<Eye>,
    patches: Vec<u8>,
    y: Vec<f32>,
    of_y: Vec<f32>,
    known: Vec<f32>,
    prior: Vec<f32>,
    of_prior: Vec<f32>,
    z: Vec<f32>,
    of_z: Vec<f32>,
    of_z_bits: Vec<f32>,
    of_channels: Vec<DensityGradient>,
    decoded: Vec<f32>,
}

struct Eye {
    errors: EyeErrors,
    original: Vec<f32>,
    decoded: Vec<f32>,
    gradient: Vec<f32>,
}

impl<P: Path> Worker<P> {
    /// Takes room for crops of this side, a multiple of 64.
    pub(super) fn new(layout: &Layout, side: usize, distortion: Distortion) -> Self {
        let crate::net::Shapes { m, z, p, .. } = layout.shapes;
        let (s16, s64) = (side / 16, side / 64);
        let numbers = |count: usize| vec![0.0; count];
        let samples = 3 * side * side;
        Self {
            side,
            gradients: numbers(layout.total),
            analysis: AnalysisMemory::new(layout, side),
            passes: PassMemory::new(layout, (s16, s16)),
            synthesis: SynthesisMemory::new(layout, (s16, s16)),
            scratch: Default::default(),
            distortion,
            eye: (distortion == Distortion::Eye).then(|| Eye {
                errors: EyeErrors::new(side, side),
                original: numbers(samples),
                decoded: numbers(samples),
                gradient: numbers(samples),
            }),
            patches: vec![0; samples],
            y: numbers(s16 * s16 * m),
            of_y: numbers(s16 * s16 * m),
            known: numbers(s16 * s16 * m),
            prior: numbers(s16 * s16 * p),
            of_prior: numbers(s16 * s16 * p),
            z: numbers(s64 * s64 * z),
            of_z: numbers(s64 * s64 * z),
            of_z_bits: numbers(s64 * s64 * z),
            of_channels: vec![DensityGradient::default(); z],
            decoded: numbers(samples),
        }
    }

    /// Adds the gradients of a crop's loss, divided by the number of crops in the batch.
    ///
    /// # Errors
    /// Returns [`Error::Tensor`](crate::Error::Tensor) if candle refuses a measure of distortion.
    pub(super) fn step(&mut self, net: Context<P>, crop: Crop, batch: usize) -> Result<CropFigures> {
        let (path, layout) = (net.path, net.layout);
        let knots = layout.shapes.knots;
        let enc = Gain::at(net, layout.enc_gain, layout.shapes.c, crop.q);
        let dec = Gain::at(net, layout.dec_gain, layout.shapes.c, crop.q);
        let latent = Gain::at(net, layout.y_gain, layout.shapes.m, crop.q);
        let gains = Gains { log: &latent.log, linear: &latent.linear };

        to_patches(self.side, crop.samples, &mut self.patches);
        analysis::analyse(net, &mut self.analysis, &self.patches, &enc.linear, &mut self.y);
        analysis::hyper_analyse(net, &mut self.analysis, &self.y, &mut self.z);
        let noisy = &mut self.of_z;
        noisy.iter_mut().zip(&self.z).zip(crop.noise.1).for_each(|((noisy, z), noise)| *noisy = z + noise);
        let z_bits = density::bits(layout, net.numbers, noisy, &mut self.of_z_bits, &mut self.of_channels);
        self.z.iter_mut().for_each(|z| *z = z.round_ties_even());
        analysis::predict(net, &mut self.analysis, &self.z, &mut self.prior);
        let y_bits =
            passes::code(net, &mut self.passes, (&self.y, crop.noise.0), &self.prior, gains, &mut self.known);
        synthesis::synthesise(net, &mut self.synthesis, &self.known, &dec.linear, &mut self.decoded);

        let pixels = (self.side * self.side) as f64;
        let mse = squared_error(path, &self.decoded, &self.patches) / (3.0 * pixels);
        // The weight of the squared error, another error, and the gradient of that.
        let (of_squared, error, other) = match (self.distortion, &mut self.eye) {
            (Distortion::Mse, _) => (1.0, 0.0, None),
            (Distortion::Eye, Some(eye)) => {
                eye.fill(self.side, &self.patches, &self.decoded);
                let errors = eye.errors.errors(path, &eye.original, &eye.decoded, &mut eye.gradient);
                (EYE.0, EYE.1 * errors, None)
            }
            (distortion, _) => {
                let (error, gradient) = elsewhere(distortion, self.side, &self.decoded, &self.patches)?;
                (0.0, error, Some(gradient))
            }
        };
        let bpp = (y_bits + z_bits) / pixels;
        let lambda = lambda(crop.q, knots);
        let each = 0.1 * (lambda.sqrt() * (of_squared * mse + error) + bpp / lambda.sqrt());
        let share = (f64::from(CAP) / each).min(1.0) * 0.1 / batch as f64;
        let of_error = share * lambda.sqrt();
        let of_squares = of_error * of_squared * 2.0 * 255.0 * 255.0 / (3.0 * pixels);
        let of_bits = (share / lambda.sqrt() / pixels) as f32;

        // The gradient of the decoded samples takes their place.
        let of_decoded = &mut self.decoded;
        vectorised!(
            path,
            P, [d: &mut [f32] = &mut *of_decoded, patches: &[u8] = &self.patches, weight: f32 = of_squares as f32] {
                d.iter_mut().zip(patches).for_each(|(d, sample)| *d = (*d - centred(*sample)) * weight);
            }
        );
        if let Some(eye) = &self.eye {
            eye.add(self.side, (of_error * EYE.1) as f32, of_decoded);
        }
        if let Some(gradient) = other {
            of_decoded.iter_mut().zip(gradient).for_each(|(d, own)| *d += own * of_error as f32);
        }
        let Self { gradients, scratch, .. } = self;
        let mut of_gain = vec![0.0; layout.shapes.c];
        // The gradient of the decoded latents takes their place.
        let some = &mut Some(&mut gradients[..]);
        synthesis::backward(
            net,
            &mut self.synthesis,
            of_decoded,
            (&dec.linear, &mut of_gain),
            &mut self.known,
            some,
            scratch,
        );
        let mut of_latent_gain = vec![0.0; layout.shapes.m];
        let of = PassGradients {
            of_known: &mut self.known,
            of_y: &mut self.of_y,
            of_prior: &mut self.of_prior,
            of_gain: &mut of_latent_gain,
        };
        passes::backward(net, &mut self.passes, of_bits, gains, of, some, scratch);
        analysis::predict_backward(
            net,
            &mut self.analysis,
            &mut self.of_prior,
            &mut self.of_z,
            some,
            scratch,
        );
        let of_density = self.of_z.iter_mut().zip(&self.of_z_bits);
        of_density.for_each(|(of_z, of_bits_z)| *of_z += of_bits * of_bits_z);
        analysis::hyper_backward(net, &mut self.analysis, &self.of_z, &mut self.of_y, some, scratch);
        density::add_gradients(layout, of_bits, &self.of_channels, gradients);
        dec.add_gradient(layout.dec_gain, &of_gain, gradients);
        latent.add_gradient(layout.y_gain, &of_latent_gain, gradients);
        let of_enc = (&enc.linear[..], &mut of_gain[..]);
        analysis::analyse_backward(net, &mut self.analysis, &self.of_y, of_enc, gradients, scratch);
        enc.add_gradient(layout.enc_gain, &of_gain, gradients);
        Ok(CropFigures { loss: each, mse, bpp })
    }
}

/// A measure of distortion that candle computes, and its gradient, both for decoded samples in patches.
fn elsewhere(
    distortion: Distortion,
    side: usize,
    decoded: &[f32],
    patches: &[u8],
) -> Result<(f64, Vec<f32>)> {
    let rows = side / 8;
    // [rows, columns, 8, 8, 3] to [rows, 8, columns, 8, 3], which is its own inverse.
    let turned =
        |values: Vec<f32>, dims: [usize; 5]| Tensor::from_vec(values, &dims, &Device::Cpu)?.transpose(1, 2);
    let picture = |values: Vec<f32>| turned(values, [rows, rows, 8, 8, 3])?.reshape((1, side, side, 3));
    let original = picture(patches.iter().map(|sample| centred(*sample)).collect())?;
    let decoded = Var::from_tensor(&picture(decoded.to_vec())?)?;
    let error = distortion.of(decoded.as_tensor(), &original)?.sum_all()?;
    let gradients = error.backward()?;
    let gradient = match gradients.get(&decoded) {
        Some(gradient) => turned(gradient.flatten_all()?.to_vec1()?, [rows, 8, rows, 8, 3])?,
        None => decoded.zeros_like()?,
    };
    Ok((f64::from(error.to_scalar::<f32>()?), gradient.flatten_all()?.to_vec1()?))
}

/// A row of a table of gains, interpolated between two knots.
struct Gain {
    log: Vec<f32>,
    linear: Vec<f32>,
    knot: usize,
    /// The weight of the knot after it.
    weight: f32,
}

impl Gain {
    fn at<P: Path>(net: Context<P>, table: usize, width: usize, q: f32) -> Self {
        let knot = (q as usize).min(net.layout.shapes.knots - 2);
        let weight = q - knot as f32;
        let rows = net.parameters(table + knot * width, 2 * width).split_at(width);
        let log: Vec<f32> = rows.0.iter().zip(rows.1).map(|(a, b)| a * (1.0 - weight) + b * weight).collect();
        let linear = log.iter().map(|v| v.exp()).collect();
        Self { log, linear, knot, weight }
    }

    fn add_gradient(&self, table: usize, of_log: &[f32], gradients: &mut [f32]) {
        let width = of_log.len();
        let rows = &mut gradients[table + self.knot * width..][..2 * width];
        for (k, of) in of_log.iter().enumerate() {
            rows[k] += of * (1.0 - self.weight);
            rows[width + k] += of * self.weight;
        }
    }
}

/// A sample as the network's output: from -0.5 to 0.5.
#[inline(always)]
fn centred(sample: u8) -> f32 {
    f32::from(sample) * (1.0 / 255.0) - 0.5
}

/// The sum of the squared differences, in 8-bit units.
fn squared_error<P: Path>(path: P, decoded: &[f32], samples: &[u8]) -> f64 {
    vectorised!(path, P, [decoded: &[f32], samples: &[u8]] -> f64 {
        let mut total = 0.0;
        for (decoded, samples) in decoded.chunks(PATCH).zip(samples.chunks(PATCH)) {
            let mut lanes = [0.0f32; 16];
            for (decoded, samples) in decoded.chunks_exact(16).zip(samples.chunks_exact(16)) {
                for ((lane, v), sample) in lanes.iter_mut().zip(decoded).zip(samples) {
                    let d = v - centred(*sample);
                    *lane += d * d;
                }
            }
            total += f64::from(lanes.iter().sum::<f32>());
        }
        total * 255.0 * 255.0
    })
}

/// The bytes of a row of a patch.
const PATCH_ROW: usize = 24;

/// Copies samples `[side, side, 3]` to patches `[side/8, side/8, 8, 8, 3]`.
fn to_patches(side: usize, samples: &[u8], patches: &mut [u8]) {
    for (i, row) in samples.chunks_exact(PATCH_ROW).enumerate() {
        let (y, x) = (i / (side / 8), i % (side / 8));
        let at = (y / 8 * (side / 8) + x) * PATCH + y % 8 * PATCH_ROW;
        patches[at..][..PATCH_ROW].copy_from_slice(row);
    }
}

impl Eye {
    /// The place in planes of the first sample of each row of a patch.
    fn rows(side: usize) -> impl Iterator<Item = usize> {
        let across = side / 8;
        (0..side * across).map(move |i| {
            let (patch, row) = (i / 8, i % 8);
            (patch / across * 8 + row) * side + patch % across * 8
        })
    }

    /// Copies patches to planes of samples from 0 to 1.
    fn fill(&mut self, side: usize, patches: &[u8], decoded: &[f32]) {
        let plane = side * side;
        let from = patches.chunks_exact(PATCH_ROW).zip(decoded.chunks_exact(PATCH_ROW));
        for (at, (samples, decoded)) in Self::rows(side).zip(from) {
            for x in 0..8 {
                for channel in 0..3 {
                    let to = channel * plane + at + x;
                    self.original[to] = f32::from(samples[3 * x + channel]) * (1.0 / 255.0);
                    self.decoded[to] = decoded[3 * x + channel] + 0.5;
                }
            }
        }
    }

    /// Adds the gradient of the errors to that of the decoded samples in patches.
    fn add(&self, side: usize, weight: f32, of_decoded: &mut [f32]) {
        let plane = side * side;
        for (at, of_decoded) in Self::rows(side).zip(of_decoded.chunks_exact_mut(PATCH_ROW)) {
            for x in 0..8 {
                for channel in 0..3 {
                    of_decoded[3 * x + channel] += weight * self.gradient[channel * plane + at + x];
                }
            }
        }
    }
}
