//! Refinement of single pictures: a search for latents that cost less than those of the analysis.
//!
//! The analysis is the same network for all pictures, and it rounds each latent independently. Minimising the cost of
//! one picture closes part of the gap to the best latents (Campos et al. 2019, "Content adaptive optimization for
//! neural image compression"; Yang et al. 2020, "Improving inference for neural image compression"). The decoder does
//! not change. The search is over integers, like the rate-distortion optimised quantisation of video encoders.
//!
//! The gradient is computed with the float network that the model file stands for, so any `.aem` file can be used.
//!
//! ```no_run
//! use aecodec::{EncodeOptions, Model, Profile};
//! use aecodec_trainer::refine::{Effort, Refiner};
//!
//! # let picture = aecodec::Picture::new(1, 1, aecodec::Color::Gray, vec![0])?;
//! let refiner = Refiner::new(Model::embedded_bytes(Profile::Fast).expect("a model"))?;
//! let effort = Effort::new(5).expect("0 to 9");
//! let encoded = refiner.encode(&picture, &EncodeOptions::default(), effort, |_| ())?;
//! # Ok::<(), aecodec_trainer::Error>(())
//! ```

mod float;
mod group;
mod pixels;
#[cfg(test)]
mod tests;

use crate::export::model::IntegerModel;
use crate::{Error, Result, loss};
use aecodec::{Check, EncodeOptions, Encoded, Latents, Model, Picture, Quality, Target};
use candle_core::{Device, Tensor};
use group::{RefinedGroup, SearchPlan};
use pixels::GroupPixels;
use std::ops::Range;

/// The binary logarithm of the longest side of a group in pixels. Larger groups would take too much memory.
const LARGEST_GROUP: u8 = 10;
/// The largest magnitude of a latent in the model's units.
const Y_MAX: f32 = 8191.0;
/// A target is met if a refined picture uses this share of its bytes, or comes this close to its PSNR in dB.
const NEAR_BYTES: f64 = 0.99;
const NEAR_PSNR: f64 = 0.03;
/// The factor on squared errors in the search and in its choice of the best state. The increase of the error is
/// predicted for each move on its own, which underestimates simultaneous moves. At effort 5 on six crops of Kodak, a
/// factor of 0.8 saves 4.1 % of bits, and 1, 1.25 and 1.5 save 5.5, 5.7 and 5.7 %.
const CAUTION: f64 = 1.5;
/// The largest number of qualities that are refined for a target.
const ROUNDS: usize = 3;

/// How long to search, from 0 (not at all) to 9.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Effort(u8);

impl Effort {
    /// Creates an effort, or returns `None` if it is above 9.
    pub fn new(effort: u8) -> Option<Self> {
        (effort <= 9).then_some(Self(effort))
    }

    /// The effort as a number from 0 to 9.
    pub fn value(self) -> u8 {
        self.0
    }

    fn plan(self) -> Option<SearchPlan> {
        let steps = [0, 1, 3, 6, 12, 24, 40, 64, 120, 320][usize::from(self.0)];
        (steps > 0).then_some(SearchPlan { steps, share: 0.7, doubt: 3.0 })
    }
}

/// The progress of a refinement.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// The number of steps so far. For a target, the refinement starts several times.
    pub step: usize,
    /// The number of steps of this refinement.
    pub steps: usize,
    /// The estimated bits of the latents that have been refined, divided by their bits before.
    pub share: f64,
}

/// Refines pictures with a model.
#[derive(Debug)]
pub struct Refiner {
    model: Model,
    layers: IntegerModel,
}

impl Refiner {
    /// Reads a model file.
    ///
    /// # Errors
    /// Returns [`Error::Codec`] if it is not a model file, and [`Error::Invalid`] if its blocks differ in their
    /// expansion.
    pub fn new(bytes: &[u8]) -> Result<Self> {
        let layers = IntegerModel::read(&aecodec::model_file::unpack(bytes)?)?;
        Ok(Self { model: Model::parse(bytes)?, layers })
    }

    /// Encodes a picture like [`aecodec::encode`], and refines it. A given quality keeps its quantisation steps and
    /// results in a smaller file, and a target results in a better picture. The cost, which is bits + lambda * squared
    /// error, is never higher than without refinement.
    ///
    /// This takes about a gigabyte of memory. Every run on the same machine gives the same file. On other processors
    /// the floats of the search may be rounded differently, but the file still decodes to the same pixels everywhere.
    ///
    /// # Errors
    /// Returns the errors of [`aecodec::encode`], and [`Error::Invalid`] if the side of a group is longer than 2^10
    /// pixels.
    pub fn encode(
        &self,
        picture: &Picture,
        options: &EncodeOptions,
        effort: Effort,
        mut progress: impl FnMut(Progress) + Send,
    ) -> Result<Encoded> {
        let Some(plan) = effort.plan() else {
            return Ok(aecodec::encode(picture, &self.model, options)?);
        };
        if options.group_log2 > LARGEST_GROUP {
            let detail = format!("2^{}, at most 2^{LARGEST_GROUP} to refine", options.group_log2);
            return Err(Error::Invalid { what: "group size", detail });
        }
        let pool = rayon::ThreadPoolBuilder::new().num_threads(options.threads).build();
        let pool = pool.map_err(|error| Error::Invalid { what: "threads", detail: error.to_string() })?;
        let mut search = TargetSearch { of: self, picture, options, plan, progress: &mut progress };
        pool.install(|| search.run())
    }

    /// Replaces the latents of a picture at a quality with latents that cost less.
    fn refine(
        &self,
        picture: &Picture,
        quality: Quality,
        latents: &mut Latents,
        plan: SearchPlan,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<()> {
        let net = float::network(&self.layers, quality)?;
        let steps = float::steps(&self.layers, quality);
        let skip_below = float::skip_below(&self.layers);
        let unit = 2f32.powi(-i32::from(self.layers.y_fraction));
        let lambda = loss::lambda((quality.value() / 100.0) as f32, 2);
        let weight = CAUTION * lambda / picture.color.channels() as f64;
        let (height, width, m) = (latents.height, latents.width, steps.len());
        let groups = groups(latents);
        let (mut done, all) = (0, groups.len() * (plan.steps + 1));
        let mut bits = (0.0, 0.0);
        for (index, [rows, columns]) in groups.into_iter().enumerate() {
            let shape = (rows.len(), columns.len());
            let of_row = |row: usize| (row * width + columns.start) * m..(row * width + columns.end) * m;
            let own: Vec<f32> = rows
                .clone()
                .flat_map(|row| latents.y[of_row(row)].iter().map(|&y| f32::from(y) * unit))
                .collect();
            let group = [rows.clone(), columns.clone()];
            let pixels = GroupPixels::new(picture, &latents.y, unit, (height, width), group, weight)?;
            let z: Vec<f32> = latents.z[index].iter().map(|&z| f32::from(z)).collect();
            let dims = (1, shape.0.div_ceil(4), shape.1.div_ceil(4), self.layers.shapes.z);
            let z = Tensor::from_vec(z, dims, &Device::Cpu)?;
            let group = RefinedGroup { net: &net, shape, steps: &steps, skip_below, z, pixels };
            let mut before = None;
            let found = group.search(&own, plan, |now| {
                let before = *before.get_or_insert(now);
                done += 1;
                let share = (bits.1 + now) / f64::max(bits.0 + before, 1.0);
                progress(Progress { step: done, steps: all, share });
            })?;
            bits = (bits.0 + found.bits.0, bits.1 + found.bits.1);
            for (row, found) in rows.zip(found.y.chunks_exact(columns.len() * m)) {
                let whole = |y: &f32| (y / unit).round().clamp(-Y_MAX, Y_MAX) as i16;
                latents.y[of_row(row)].iter_mut().zip(found).for_each(|(to, y)| *to = whole(y));
            }
        }
        Ok(())
    }
}

/// The rows and columns of each group, in raster order.
fn groups(latents: &Latents) -> Vec<[Range<usize>; 2]> {
    let cut = |end: usize| {
        let side = latents.side;
        (0..end).step_by(side).map(move |start| start..(start + side).min(end))
    };
    cut(latents.height)
        .flat_map(|rows| cut(latents.width).map(move |columns| [rows.clone(), columns]))
        .collect()
}

/// The refinement of one picture for a target.
struct TargetSearch<'a> {
    of: &'a Refiner,
    picture: &'a Picture,
    options: &'a EncodeOptions,
    plan: SearchPlan,
    progress: &'a mut (dyn FnMut(Progress) + Send),
}

impl TargetSearch<'_> {
    fn run(&mut self) -> Result<Encoded> {
        let pixels = f64::from(self.picture.width) * f64::from(self.picture.height);
        match self.options.target {
            Target::Quality(quality) => self.at(quality).map(|(_, found)| found),
            Target::BitsPerPixel(bpp) => self.within((bpp * pixels / 8.0) as u64),
            Target::Bytes(bytes) => self.within(bytes),
            Target::Psnr(psnr) => self.below(psnr),
            other => self.plain(other),
        }
    }

    /// Encodes the picture at a quality without refinement, and with refinement if that costs less.
    fn at(&mut self, quality: Quality) -> Result<(Encoded, Encoded)> {
        let model = &self.of.model;
        let plain = self.plain(Target::Quality(quality))?;
        let options = self.with(Target::Quality(quality));
        let mut latents = aecodec::analyse(self.picture, model, quality, &options)?;
        self.of.refine(self.picture, quality, &mut latents, self.plan, self.progress)?;
        let refined = aecodec::encode_latents(self.picture, &latents, model, &options)?;
        let cost = |encoded: &Encoded| {
            let lambda = loss::lambda((quality.value() / 100.0) as f32, 2);
            let pixels = f64::from(self.picture.width) * f64::from(self.picture.height);
            let mse = encoded.psnr.map_or(0.0, |psnr| 255.0 * 255.0 / 10f64.powf(psnr / 10.0));
            8.0 * encoded.bytes.len() as f64 + lambda * pixels * mse
        };
        Ok(if cost(&refined) < cost(&plain) { (plain, refined) } else { (plain.clone(), plain) })
    }

    /// Searches for the best quality whose refined file has at most this number of bytes.
    fn within(&mut self, bytes: u64) -> Result<Encoded> {
        let mut best = self.plain(self.options.target)?;
        let mut quality = best.quality;
        let mut refined_best = false;
        for _ in 0..ROUNDS {
            let (plain, found) = self.at(quality)?;
            let used = found.bytes.len() as u64;
            let ratio = plain.bytes.len() as f64 / used as f64;
            if used <= bytes && (!refined_best || found.quality >= best.quality) {
                let reached = best.reached || used as f64 >= 0.98 * bytes as f64;
                (best, refined_best) = (Encoded { reached, ..found }, true);
            }
            if used <= bytes && used as f64 >= NEAR_BYTES * bytes as f64 {
                break;
            }
            let next = self.plain(Target::Bytes((bytes as f64 * ratio * 0.998) as u64))?.quality;
            if next == quality {
                break;
            }
            quality = next;
        }
        Ok(best)
    }

    /// Searches for the quality whose refined PSNR is closest to this one from below.
    fn below(&mut self, psnr: f64) -> Result<Encoded> {
        let first = self.plain(Target::Psnr(psnr))?;
        let mut quality = first.quality;
        let mut best: Option<Encoded> = None;
        for _ in 0..ROUNDS {
            let (plain, found) = self.at(quality)?;
            // An exact decode is above every target.
            let [before, after] = [&plain, &found].map(|encoded| encoded.psnr.unwrap_or(f64::INFINITY));
            if after <= psnr && best.as_ref().is_none_or(|best| found.psnr > best.psnr) {
                best = Some(found);
            }
            let wanted = psnr - (after - before) - 0.005;
            let near = (psnr - NEAR_PSNR..=psnr).contains(&after);
            if near || !wanted.is_finite() || wanted <= 0.0 {
                break;
            }
            let next = self.plain(Target::Psnr(wanted))?.quality;
            if next == quality {
                break;
            }
            quality = next;
        }
        // If refinement does not come as close, the target matters more than the bytes.
        Ok(match best {
            Some(best) if best.psnr >= Some(first.psnr.map_or(psnr, |first| first.min(psnr)) - 0.1) => {
                Encoded { reached: first.reached, ..best }
            }
            _ => first,
        })
    }

    fn plain(&self, target: Target) -> Result<Encoded> {
        Ok(aecodec::encode(self.picture, &self.of.model, &self.with(target))?)
    }

    /// The options with another target, and with the exact PSNR, which the choice needs.
    fn with(&self, target: Target) -> EncodeOptions {
        let mut options = self.options.clone();
        (options.target, options.check) = (target, Check::Exact);
        options
    }
}
