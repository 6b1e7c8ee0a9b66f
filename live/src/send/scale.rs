//! Makes frames smaller before they are coded, if the machines or the path do not manage their full size.

use aecodec::resize::{Filter, PictureResizer};
use aecodec::{Picture, Result};

/// Makes frames smaller, and keeps its buffers from one frame to the next.
#[derive(Debug, Default)]
pub struct Scaler {
    resizer: PictureResizer,
}

impl Scaler {
    /// The colour samples of `picture` at `width` x `height`, with its orientation; alpha and metadata are dropped.
    ///
    /// # Errors
    /// Returns [`aecodec::Error::Invalid`] if a side is 0 or the samples do not fit the picture.
    pub fn scale(&mut self, picture: &Picture, width: u32, height: u32) -> Result<Picture> {
        let mut scaled = self.resizer.resize(picture, (width, height), Filter::Hamming)?;
        scaled.orientation = picture.orientation;
        Ok(scaled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aecodec::Color;

    #[test]
    fn a_smaller_frame_keeps_its_colour_and_its_orientation() {
        let mut picture = Picture::new(37, 21, Color::Rgb, [10, 20, 30].repeat(37 * 21)).expect("a picture");
        picture.orientation = 6;
        let scaled = Scaler::default().scale(&picture, 18, 11).expect("sound sizes");
        assert_eq!((scaled.orientation, scaled.samples), (6, [10, 20, 30].repeat(18 * 11)));
        assert!(Scaler::default().scale(&picture, 0, 5).is_err());
    }
}
