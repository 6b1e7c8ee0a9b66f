//! The pixels that a group's latents affect, and their error.

use crate::Result;
use crate::net::Network;
use crate::refine::float::AT;
use aecodec::{Color, Picture};
use candle_core::{Device, Tensor};
use std::ops::Range;

/// The number of latents around a group that are included in its synthesis.
const AROUND: usize = 4;
/// The number of latents around a group whose pixels count in the error.
const REACH: usize = 2;

/// A group's place in its picture.
pub(super) struct GroupPixels<'a> {
    picture: &'a Picture,
    /// The cost in bits of a squared error of 1 in a sample.
    weight: f64,
    /// The rows and columns of the latents that are synthesised: the group and those around it.
    extent: [Range<usize>; 2],
    /// The rows and columns of the group's latents.
    group: [Range<usize>; 2],
    /// The latents that are synthesised, with zeros in the place of the group's.
    around: Tensor,
}

impl<'a> GroupPixels<'a> {
    /// Prepares a group of a picture whose latents are `y`, `[height, width, M]`.
    pub(super) fn new(
        picture: &'a Picture,
        y: &[i16],
        unit: f32,
        (height, width): (usize, usize),
        group: [Range<usize>; 2],
        weight: f64,
    ) -> Result<Self> {
        let wider = |range: &Range<usize>, end: usize| {
            range.start.saturating_sub(AROUND)..(range.end + AROUND).min(end)
        };
        let extent = [wider(&group[0], height), wider(&group[1], width)];
        let m = y.len() / (height * width);
        let mut around = Vec::with_capacity(extent[0].len() * extent[1].len() * m);
        for row in extent[0].clone() {
            for column in extent[1].clone() {
                let own = group[0].contains(&row) && group[1].contains(&column);
                let there = &y[(row * width + column) * m..][..m];
                around.extend(there.iter().map(|&y| if own { 0.0 } else { f32::from(y) * unit }));
            }
        }
        let around = Tensor::from_vec(around, (1, extent[0].len(), extent[1].len(), m), &Device::Cpu)?;
        Ok(Self { picture, weight, extent, group, around })
    }

    /// Synthesises the group, with these latents `[1, h, w, M]`, and its surroundings. Returns `[1, 16 H, 16 W, 3]`.
    pub(super) fn synthesised(&self, net: &Network, y: &Tensor) -> Result<Tensor> {
        let mut y = y.clone();
        for (dim, (extent, group)) in self.extent.iter().zip(&self.group).enumerate() {
            let (before, after) = (group.start - extent.start, extent.end - group.end);
            if before + after > 0 {
                y = y.pad_with_zeros(dim + 1, before, after)?;
            }
        }
        net.synthesise(&(y + &self.around)?.contiguous()?, &AT)
    }

    /// The weighted squared error of synthesised pixels, and its derivative `[1, 16 H, 16 W, 3]`.
    pub(super) fn error(&self, shown: &Tensor) -> Result<(f64, Tensor)> {
        let values: Vec<f32> = shown.detach().flatten_all()?.to_vec1()?;
        let picture = self.picture;
        let [height, width] = [picture.height as usize, picture.width as usize];
        let near = |range: &Range<usize>, all: &Range<usize>, end: usize| {
            let start = all.start.max(range.start.saturating_sub(REACH));
            16 * start..(16 * all.end.min(range.end + REACH)).min(end)
        };
        let rows = near(&self.group[0], &self.extent[0], height);
        let columns = near(&self.group[1], &self.extent[1], width);
        let (left, top) = (16 * self.extent[1].start, 16 * self.extent[0].start);
        let stride = 16 * self.extent[1].len();
        let channels = picture.color.channels();
        let mut squares = 0.0;
        let mut slope = vec![0.0f32; values.len()];
        let scale = 2.0 * 255.0 * self.weight as f32;
        for row in rows {
            let samples = &picture.samples[row * width * channels..][..width * channels];
            for column in columns.clone() {
                let at = ((row - top) * stride + column - left) * 3;
                let (values, slopes) = (&values[at..at + 3], &mut slope[at..at + 3]);
                // Values beyond black and white are clamped, so the error does not change there.
                let level = |v: f32| (255.0 * v + 127.5).clamp(0.0, 255.0);
                let free = |v: f32| f32::from(u8::from(v.abs() <= 0.5));
                match picture.color {
                    Color::Rgb => {
                        let originals = &samples[3 * column..3 * column + 3];
                        for ((slope, &v), &p) in slopes.iter_mut().zip(values).zip(originals) {
                            let error = level(v) - f32::from(p);
                            squares += f64::from(error * error);
                            *slope = scale * error * free(v);
                        }
                    }
                    Color::Gray => {
                        let shares = [0.25, 0.5, 0.25];
                        let gray: f32 = values.iter().zip(shares).map(|(&v, share)| share * level(v)).sum();
                        let error = gray - f32::from(samples[column]);
                        squares += f64::from(error * error);
                        for ((slope, &v), share) in slopes.iter_mut().zip(values).zip(shares) {
                            *slope = scale * error * share * free(v);
                        }
                    }
                }
            }
        }
        Ok((self.weight * squares, Tensor::from_vec(slope, shown.dims(), &Device::Cpu)?))
    }
}
