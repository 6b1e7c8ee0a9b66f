//! Changes the size of pictures, for thumbnails and live frames.

use resize::Pixel::{Gray8, RGB8};
use resize::Type;
use rgb::FromSlice;

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

impl Filter {
    fn kernel(self) -> Type {
        match self {
            Self::Hamming => Type::Custom(resize::Filter::new(Box::new(hamming), 1.0)),
            Self::CatmullRom => Type::Catrom,
        }
    }
}

/// A sinc within a Hamming window.
fn hamming(x: f32) -> f32 {
    if x == 0.0 {
        1.0
    } else if x.abs() < 1.0 {
        let x = x * std::f32::consts::PI;
        x.sin() / x * (0.54 + 0.46 * x.cos())
    } else {
        0.0
    }
}

/// Returns the colour samples of `picture` at `width` x `height`. Alpha, orientation and metadata are dropped.
///
/// # Errors
/// Returns [`Error::Invalid`] if a side is 0 or the samples do not fit the picture.
pub fn resize(picture: &Picture, (width, height): (u32, u32), filter: Filter) -> Result<Picture> {
    picture.check()?;
    let color = picture.color;
    let (from, to) = ([picture.width as usize, picture.height as usize], [width as usize, height as usize]);
    let mut out = vec![0; to[0].saturating_mul(to[1]).saturating_mul(color.channels())];
    let resized = match color {
        Color::Gray => resize::new(from[0], from[1], to[0], to[1], Gray8, filter.kernel())
            .and_then(|mut resizer| resizer.resize(picture.samples.as_gray(), out.as_gray_mut())),
        Color::Rgb => resize::new(from[0], from[1], to[0], to[1], RGB8, filter.kernel())
            .and_then(|mut resizer| resizer.resize(picture.samples.as_rgb(), out.as_rgb_mut())),
    };
    resized.map_err(|error| Error::Invalid { what: "size", detail: format!("{width}x{height}: {error}") })?;
    Picture::new(width, height, color, out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flat_pictures_stay_flat_at_every_size() {
        for (color, sample) in [(Color::Gray, &[77][..]), (Color::Rgb, &[10, 20, 30])] {
            let picture = Picture::new(37, 21, color, sample.repeat(37 * 21)).expect("a picture");
            for size in [(1, 1), (18, 11), (36, 20), (80, 50)] {
                for filter in [Filter::Hamming, Filter::CatmullRom] {
                    let resized = resize(&picture, size, filter).expect("sound sizes");
                    assert_eq!((resized.width, resized.height), size);
                    assert_eq!(resized.samples, sample.repeat((size.0 * size.1) as usize));
                }
            }
            assert!(resize(&picture, (0, 5), Filter::Hamming).is_err());
        }
    }

    #[test]
    fn a_slope_stays_a_slope() {
        let slope = |width: u32| (0..width).map(|x| (240 * x / (width - 1)) as u8).collect::<Vec<_>>();
        let picture = Picture::new(121, 1, Color::Gray, slope(121)).expect("a picture");
        for width in [61, 241] {
            let filter = if width < 121 { Filter::Hamming } else { Filter::CatmullRom };
            let resized = resize(&picture, (width, 1), filter).expect("sound sizes");
            let far = resized.samples.iter().zip(slope(width)).map(|(a, b)| a.abs_diff(b)).max();
            assert!(far <= Some(3), "{width}: {far:?}");
        }
    }
}
