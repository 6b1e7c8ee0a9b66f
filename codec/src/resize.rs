//! Changes the size of pictures, for thumbnails and live frames.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::pixels::{InnerPixel, U8, U8x3};
use fast_image_resize::{FilterType, PixelTrait, PixelType, ResizeAlg, ResizeError, ResizeOptions, Resizer};

use crate::{Color, Error, Picture, Result};

/// The filter of a convolution that changes the size of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Filter {
    /// For smaller pictures: keeps more detail than a triangle at the same cost, and does not ring.
    Hamming,
    /// For larger pictures: a cubic that keeps edges sharp.
    CatmullRom,
}

/// Resizes pictures, and keeps its buffers from one picture to the next.
#[derive(Debug, Default)]
pub struct PictureResizer {
    resizer: Resizer,
}

impl PictureResizer {
    /// The colour samples of `picture` at `width` x `height`; alpha and metadata are dropped.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] if a side is 0 or the samples do not fit the picture.
    pub fn resize(
        &mut self,
        picture: &Picture,
        (width, height): (u32, u32),
        filter: Filter,
    ) -> Result<Picture> {
        let filter = match filter {
            Filter::Hamming => FilterType::Hamming,
            Filter::CatmullRom => FilterType::CatmullRom,
        };
        let pixel = match picture.color {
            Color::Gray => PixelType::U8,
            Color::Rgb => PixelType::U8x3,
        };
        let from = ImageRef::new(picture.width, picture.height, &picture.samples, pixel)
            .map_err(|error| invalid(error.to_string()))?;
        let mut to = Image::new(width, height, pixel);
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter));
        let resized = match picture.color {
            Color::Gray => self.typed::<U8>(&from, &mut to, &options),
            Color::Rgb => self.typed::<U8x3>(&from, &mut to, &options),
        };
        resized.map_err(|error| invalid(error.to_string()))?;
        Picture::new(width, height, picture.color, to.into_vec())
    }

    /// `Resizer::resize` would choose the type itself, but then all of its thirteen types are compiled into this crate,
    /// which takes several times as long as everything else.
    fn typed<P: PixelTrait + InnerPixel>(
        &mut self,
        from: &ImageRef,
        to: &mut Image,
        options: &ResizeOptions,
    ) -> std::result::Result<(), ResizeError> {
        match (from.typed_image::<P>(), to.typed_image_mut::<P>()) {
            (Some(from), Some(mut to)) => self.resizer.resize_typed(&from, &mut to, options),
            _ => Err(ResizeError::PixelTypesAreDifferent),
        }
    }
}

fn invalid(detail: String) -> Error {
    Error::Invalid { what: "scaling", detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flat_pictures_stay_flat_at_every_size() {
        let mut resizer = PictureResizer::default();
        for (color, sample) in [(Color::Gray, &[77][..]), (Color::Rgb, &[10, 20, 30])] {
            let picture = Picture::new(37, 21, color, sample.repeat(37 * 21)).expect("a picture");
            for (width, height) in [(1, 1), (18, 11), (36, 20), (80, 50)] {
                for filter in [Filter::Hamming, Filter::CatmullRom] {
                    let resized = resizer.resize(&picture, (width, height), filter).expect("sound sizes");
                    assert_eq!(resized.samples, sample.repeat((width * height) as usize));
                }
            }
            assert!(resizer.resize(&picture, (0, 5), Filter::Hamming).is_err());
        }
    }
}
