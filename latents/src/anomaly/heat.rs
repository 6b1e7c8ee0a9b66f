//! Heat maps: where a picture is unusual.

use aecodec::{Color, Picture};

use super::places::Map;
use crate::Result;

/// From where on a place is coloured, as a share of the threshold.
const FROM: f32 = 0.6;
/// From where on it has the last colour.
const TO: f32 = 3.0;
/// The colours in between: yellow, orange, red.
const COLORS: [[f32; 3]; 3] = [[255.0, 235.0, 60.0], [255.0, 130.0, 20.0], [220.0, 10.0, 40.0]];
/// The largest share of a colour in a pixel.
const OPACITY: f32 = 0.65;
/// Pixels of a side of a patch.
const PATCH: f32 = 8.0;

/// How unusual each place of a picture is, as a multiple of the threshold.
#[derive(Debug, Clone, PartialEq)]
pub struct Heat(pub(super) Map);

impl Heat {
    /// The heat at a pixel of the picture (bilinear).
    pub fn at(&self, y: u32, x: u32) -> f32 {
        self.0.between(y as f32, x as f32, PATCH)
    }

    /// Paints the heat over the picture that it belongs to: usual places are gray, unusual ones yellow to red.
    ///
    /// # Errors
    /// Returns [`aecodec::Error::Invalid`] if the samples do not fit the picture.
    pub fn over(&self, picture: &Picture) -> Result<Picture> {
        let channels = picture.color.channels();
        let mut samples = Vec::with_capacity(picture.samples.len() / channels * 3);
        let pixels = (0..picture.height).flat_map(|y| (0..picture.width).map(move |x| (y, x)));
        for ((y, x), pixel) in pixels.zip(picture.samples.chunks_exact(channels)) {
            let light = pixel.iter().map(|&v| f32::from(v)).sum::<f32>() / channels as f32;
            // Only its place among light and dark is kept, so that the colours are those of the heat.
            let gray = 40.0 + 0.6 * light;
            let heat = ((self.at(y, x) - FROM) / (TO - FROM)).clamp(0.0, 1.0);
            let share = OPACITY * (heat * 4.0).min(1.0);
            samples.extend(color(heat).map(|color| (gray + share * (color - gray)) as u8));
        }
        let mut painted = Picture::new(picture.width, picture.height, Color::Rgb, samples)?;
        painted.orientation = picture.orientation;
        Ok(painted)
    }
}

fn color(heat: f32) -> [f32; 3] {
    let at = heat * (COLORS.len() - 1) as f32;
    let low = (at as usize).min(COLORS.len() - 2);
    let share = at - low as f32;
    [0, 1, 2].map(|c| COLORS[low][c] * (1.0 - share) + COLORS[low + 1][c] * share)
}
