//! Makes frames smaller before they are coded, if the machines or the path do not manage their full size.

use aecodec::{Color, Error, Picture, Result};
use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

/// Resizes frames, and keeps its buffers from one frame to the next.
#[derive(Debug, Default)]
pub struct Scaler {
    resizer: Resizer,
}

impl Scaler {
    /// The colour samples of `picture` at `width` x `height`; alpha and metadata are dropped.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] if a side is 0 or the samples do not fit the picture.
    pub fn scale(&mut self, picture: &Picture, width: u32, height: u32) -> Result<Picture> {
        let pixel = match picture.color {
            Color::Gray => PixelType::U8,
            Color::Rgb => PixelType::U8x3,
        };
        let invalid = |detail: String| Error::Invalid { what: "scaling", detail };
        let from = ImageRef::new(picture.width, picture.height, &picture.samples, pixel)
            .map_err(|e| invalid(e.to_string()))?;
        let mut to = Image::new(width, height, pixel);
        // Hamming keeps more detail than a triangle at the same cost, and does not ring.
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Hamming));
        self.resizer.resize(&from, &mut to, &options).map_err(|e| invalid(e.to_string()))?;
        let mut scaled = Picture::new(width, height, picture.color, to.into_vec())?;
        scaled.orientation = picture.orientation;
        Ok(scaled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flat_frames_stay_flat_at_every_size() {
        for (color, sample) in [(Color::Gray, &[77][..]), (Color::Rgb, &[10, 20, 30])] {
            let picture = Picture::new(37, 21, color, sample.repeat(37 * 21)).expect("a picture");
            for (width, height) in [(1, 1), (18, 11), (36, 20), (80, 50)] {
                let scaled = Scaler::default().scale(&picture, width, height).expect("sound sizes");
                assert_eq!(scaled.samples, sample.repeat((width * height) as usize));
            }
            assert!(Scaler::default().scale(&picture, 0, 5).is_err());
        }
    }
}
