//! Pooled latents: a vector of fixed length for a picture of any size.

use aecodec::resize::{Filter, resize};
use aecodec::{EncodeOptions, Latents, Model, Quality};

use crate::{Result, View};

/// Pixels of a side of the picture that is analysed. The view is enlarged, because the latents of a smaller picture are too
/// few for good means: at 64 pixels, a crop is found half as often.
const SIDE: u32 = 128;

/// Pools the latents of a view over all positions, `[2 M + 2 Z]`: the means of y, of its absolute values, of the
/// hyper-latents z, and of their absolute values. Means do not depend on where something is in the picture, so a crop
/// changes them little.
///
/// # Errors
/// Returns the errors of [`aecodec::analyse`].
pub fn pool(view: &View, model: &Model) -> Result<Vec<f32>> {
    let large = resize(&view.picture, (SIDE, SIDE), Filter::CatmullRom)?;
    // The quality is the same for all pictures, whatever they were compressed with.
    let Latents { height, width, y, z, .. } =
        aecodec::analyse(&large, model, Quality::default(), &EncodeOptions::default())?;
    let positions = height * width;
    let z: Vec<i16> = z.into_iter().flatten().collect();
    // A hyper-latent belongs to 4x4 latents.
    let hyper_positions = height.div_ceil(4) * width.div_ceil(4);
    let mut pooled = Vec::new();
    for (values, positions) in [(&y, positions), (&z, hyper_positions)] {
        let channels = values.len() / positions;
        pooled.extend(means(values, channels, f32::from));
        pooled.extend(means(values, channels, |value| f32::from(value).abs()));
    }
    Ok(pooled)
}

/// The mean of each channel of `[positions, channels]`, after `of` was applied to each value.
fn means(values: &[i16], channels: usize, of: impl Fn(i16) -> f32) -> Vec<f32> {
    let mut sums = vec![0.0; channels];
    for position in values.chunks_exact(channels) {
        for (sum, &value) in sums.iter_mut().zip(position) {
            *sum += of(value);
        }
    }
    let positions = values.len() / channels;
    sums.iter().map(|sum| sum / positions as f32).collect()
}
