//! Turns stored rows upright, as the EXIF orientation says.

use std::borrow::Cow;

use crate::{DeepPicture, Picture};

/// The picture with its orientation applied to the rows, so that its orientation is 1.
pub fn upright(picture: &Picture) -> Cow<'_, Picture> {
    if !(2..=8).contains(&picture.orientation) {
        return Cow::Borrowed(picture);
    }
    let size = (picture.width as usize, picture.height as usize);
    let swapped = picture.orientation >= 5;
    Cow::Owned(Picture {
        width: if swapped { picture.height } else { picture.width },
        height: if swapped { picture.width } else { picture.height },
        color: picture.color,
        samples: turn(&picture.samples, size, picture.color.channels(), picture.orientation),
        alpha: picture.alpha.as_ref().map(|alpha| turn(alpha, size, 1, picture.orientation)),
        orientation: 1,
        metadata: picture.metadata.clone(),
        source_bits: picture.source_bits,
    })
}

/// The same for a picture of more than 8 bits per sample.
pub fn upright_deep(picture: &DeepPicture) -> Cow<'_, DeepPicture> {
    if !(2..=8).contains(&picture.orientation) {
        return Cow::Borrowed(picture);
    }
    let size = (picture.width as usize, picture.height as usize);
    let swapped = picture.orientation >= 5;
    Cow::Owned(DeepPicture {
        width: if swapped { picture.height } else { picture.width },
        height: if swapped { picture.width } else { picture.height },
        color: picture.color,
        maximum: picture.maximum,
        samples: turn(&picture.samples, size, picture.color.channels(), picture.orientation),
        alpha: picture.alpha.as_ref().map(|alpha| turn(alpha, size, 1, picture.orientation)),
        orientation: 1,
        metadata: picture.metadata.clone(),
    })
}

/// `[h, w, channels]`, or `[w, h, channels]` for orientations 5 to 8.
fn turn<T: Copy>(samples: &[T], (w, h): (usize, usize), channels: usize, orientation: u8) -> Vec<T> {
    let (out_w, out_h) = if orientation >= 5 { (h, w) } else { (w, h) };
    let mut out = Vec::with_capacity(samples.len());
    for y in 0..out_h {
        for x in 0..out_w {
            let (from_x, from_y) = match orientation {
                2 => (w - 1 - x, y),
                3 => (w - 1 - x, h - 1 - y),
                4 => (x, h - 1 - y),
                5 => (y, x),
                6 => (y, h - 1 - x),
                7 => (w - 1 - y, h - 1 - x),
                8 => (w - 1 - y, x),
                _ => (x, y),
            };
            let at = (from_y * w + from_x) * channels;
            out.extend_from_slice(&samples[at..at + channels]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Color;
    use image::metadata::Orientation;

    #[test]
    fn every_orientation_turns_as_the_image_crate_does() {
        let samples: Vec<u8> = (0..18).collect();
        for orientation in 1..=8 {
            let mut picture = Picture::new(3, 2, Color::Rgb, samples.clone()).unwrap();
            picture.orientation = orientation;
            picture.alpha = Some((0..6).collect());
            let turned = upright(&picture);

            let mut expected = image::DynamicImage::from(
                image::RgbImage::from_raw(3, 2, samples.clone()).expect("the size fits"),
            );
            expected.apply_orientation(Orientation::from_exif(orientation).unwrap());
            assert_eq!((turned.width, turned.height), (expected.width(), expected.height()));
            assert_eq!(turned.samples, expected.into_bytes(), "orientation {orientation}");
            let reds: Vec<u8> = turned.samples.chunks(3).map(|rgb| rgb[0] / 3).collect();
            assert_eq!(turned.alpha.as_deref(), Some(&reds[..]), "alpha turns with the colours");
            assert_eq!(turned.orientation, 1);
        }
    }
}
