//! Changed copies of a picture.

use aecodec::resize::{Filter, resize};
use aecodec::{Check, EncodeOptions, Limits, Model, ModelRegistry, Picture, Quality, Target, files};
use aecodec_search::{Result, View};

use crate::linear::Random;

/// The names of the copies.
pub const COPIES: [&str; 6] =
    ["crop 80 %", "half the size", "JPEG 40", "brightness", "quality 10", "quality 50"];
/// The position of the crop among them.
pub const CROP: usize = 0;

/// A copy, as pixels or as a file.
pub enum Copy {
    Pixels(Picture),
    File(Vec<u8>),
}

impl Copy {
    pub fn view(&self, models: &ModelRegistry) -> Result<View> {
        match self {
            Self::Pixels(picture) => View::of(picture),
            Self::File(bytes) => View::read(bytes, models, &Limits::default()),
        }
    }
}

/// The copies of a picture, in the order of [`COPIES`].
pub fn copies(picture: &Picture, model: &Model, random: &mut Random) -> Result<Vec<Copy>> {
    let (width, height) = (picture.width, picture.height);
    let half = resize(picture, (width.div_ceil(2), height.div_ceil(2)), Filter::Hamming)?;
    let mut jpeg = files::WriteOptions::default();
    jpeg.jpeg_quality = 40;
    let coded = |quality| -> Result<Copy> {
        let mut options = EncodeOptions::default();
        options.check = Check::None;
        options.target = Target::Quality(Quality::new(quality).unwrap_or_default());
        Ok(Copy::File(aecodec::encode(picture, model, &options)?.bytes))
    };
    Ok(vec![
        Copy::Pixels(cropped(picture, random)?),
        Copy::Pixels(half),
        Copy::File(files::write(picture, files::Format::Jpeg, &jpeg)?.0),
        Copy::Pixels(brightened(picture, random)),
        coded(10.0)?,
        coded(50.0)?,
    ])
}

/// 80 % of both sides, at a random place.
fn cropped(picture: &Picture, random: &mut Random) -> Result<Picture> {
    let [width, height] = [picture.width, picture.height].map(|side| (4 * side / 5).max(1));
    let mut at = |room: u32| (random.share() * f64::from(room + 1)) as u32;
    let (left, top) = (at(picture.width - width), at(picture.height - height));
    let channels = picture.color.channels() as u32;
    let row = |y: u32| {
        let start = ((y * picture.width + left) * channels) as usize;
        &picture.samples[start..start + (width * channels) as usize]
    };
    let samples = (top..top + height).flat_map(row).copied().collect();
    Ok(Picture::new(width, height, picture.color, samples)?)
}

/// Samples times 0.7 to 0.9, or 1.1 to 1.3.
fn brightened(picture: &Picture, random: &mut Random) -> Picture {
    let start = if random.share() < 0.5 { 0.7 } else { 1.1 };
    let gain = start + 0.2 * random.share();
    let mut copy = picture.clone();
    copy.samples.iter_mut().for_each(|sample| *sample = (f64::from(*sample) * gain).round() as u8);
    copy
}
