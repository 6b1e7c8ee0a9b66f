//! The read-out of a model: a linear map from the latents of a position to the mean colours of its four 8x8 patches. It is
//! fitted to what the synthesis network paints (models/recipe/readout.py), and takes less than a hundredth of its work.
//!
//! The file: the first 8 bytes of the model's identity; M, u16; the number of knots, which are spread evenly over the
//! quality scale, u8; the shift, u8; and for each knot 12 biases, i32, and weights `[12, M]`, i16. The outputs are in the
//! order (row, column, channel) and have 4 fraction bits, and 128 is subtracted from each.

use crate::band::Band;
use crate::empty::Blank;
use crate::kernel::{self, Destination, Epilogue, Isa, Packed, Segment, rnd};
use crate::model::Model;
use crate::picture::Color;
use crate::quality::Quality;
use crate::{Error, Result};

/// Colours of a position: 2x2 patches of three channels.
const OUTPUTS: usize = 12;
const FRACTION: u32 = 4;
/// The highest quality, in 64ths.
const SCALE: i64 = 6400;

/// The read-out of a model at a quality, or `None` if the model has none.
pub(crate) fn of(model: &Model, quality: Quality) -> Option<Packed> {
    files().iter().find(|file| file.starts_with(&model.short_id())).map(|file| parse(file, quality))?.ok()
}

#[cfg(feature = "embedded")]
fn files() -> [&'static [u8]; 2] {
    [aecodec_model_fast::READOUT, aecodec_model_best::READOUT]
}

#[cfg(not(feature = "embedded"))]
fn files() -> [&'static [u8]; 0] {
    []
}

/// Reads a file, and interpolates between the two knots next to a quality.
fn parse(file: &[u8], quality: Quality) -> Result<Packed> {
    let wrong = || Error::Invalid { what: "read-out", detail: format!("{} bytes", file.len()) };
    let (head, rest) = file.split_at_checked(12).ok_or_else(wrong)?;
    let (m, knots, shift) = (usize::from(u16::from_le_bytes([head[8], head[9]])), head[10], head[11]);
    let bytes = OUTPUTS * (4 + 2 * m);
    if m % 2 != 0 || knots < 2 || shift > 30 || rest.len() != bytes * usize::from(knots) {
        return Err(wrong());
    }
    let at = i64::from(quality.raw()) * i64::from(knots - 1);
    let below = (at / SCALE).min(i64::from(knots) - 2);
    let weight = at - below * SCALE;
    let mix = |a: i64, b: i64| (a * (SCALE - weight) + b * weight + SCALE / 2).div_euclid(SCALE);
    let (low, high) = rest[below as usize * bytes..][..2 * bytes].split_at(bytes);
    let ((low, low_weights), (high, high_weights)) = (low.split_at(4 * OUTPUTS), high.split_at(4 * OUTPUTS));
    let biases = low.as_chunks().0.iter().zip(high.as_chunks().0);
    let biases: Vec<i32> = biases
        .map(|(&a, &b)| mix(i32::from_le_bytes(a).into(), i32::from_le_bytes(b).into()) as i32)
        .collect();
    let weights = low_weights.as_chunks().0.iter().zip(high_weights.as_chunks().0);
    let weights: Vec<i16> = weights
        .map(|(&a, &b)| mix(i16::from_le_bytes(a).into(), i16::from_le_bytes(b).into()) as i16)
        .collect();
    Ok(Packed::new(m, shift.into(), &biases, &weights))
}

/// Paints the mean colours of patches.
pub(crate) struct Painter<'a> {
    pub map: &'a Packed,
    pub isa: Isa,
    pub color: Color,
    /// Rows and columns of patches that belong to the picture.
    pub size: (usize, usize),
    /// Stands in for groups that hold nothing.
    pub blank: Option<&'a Blank<'a, u8>>,
}

impl Painter<'_> {
    /// Passes the rows of a band to `sink`, `[.., columns of patches, channels]`.
    pub fn push(&self, band: &Band, mut sink: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let width = self.size.1.div_ceil(2);
        let mut latents = vec![0; width * self.map.inputs()];
        for y in band.rows.clone() {
            if let Some(blank) = self.blank {
                blank.latents(y, 0..width, &mut latents);
            }
            band.read(y, 0..width, &mut latents);
            let mut result = Ok(());
            self.paint(y, &latents, |row| {
                if result.is_ok() {
                    result = sink(row);
                }
            });
            result?;
        }
        Ok(())
    }

    /// Passes the one or two rows of colours of a row of positions `[columns, M]` to `sink`.
    pub fn paint(&self, y: usize, latents: &[i16], mut sink: impl FnMut(&[u8])) {
        let (m, positions) = (self.map.inputs(), self.size.1.div_ceil(2));
        let mut out = vec![0; positions * OUTPUTS];
        let segment = Segment { data: latents, start: 0, stride: m, k: 0, len: m };
        let destination = Destination { data: &mut out, start: 0, stride: OUTPUTS };
        kernel::product(
            self.isa,
            self.map,
            self.map.panels(),
            &[segment],
            positions,
            Epilogue::Plain,
            destination,
        );
        for i in (0..2).filter(|i| 2 * y + i < self.size.0) {
            sink(&self.row(&out, i));
        }
    }

    /// The samples of the upper or the lower patches of a row of positions.
    fn row(&self, positions: &[i16], i: usize) -> Vec<u8> {
        let sample = |v: &i16| (rnd(i32::from(*v), FRACTION) + 128).clamp(0, 255) as u8;
        let patches =
            positions.chunks_exact(OUTPUTS).flat_map(|position| position[6 * i..][..6].chunks_exact(3));
        let patches = patches.take(self.size.1);
        match self.color {
            Color::Rgb => patches.flatten().map(sample).collect(),
            Color::Gray => patches
                .map(|patch| {
                    let [r, g, b] = [0, 1, 2].map(|channel| u16::from(sample(&patch[channel])));
                    ((r + 2 * g + b + 2) >> 2) as u8
                })
                .collect(),
        }
    }
}

#[cfg(all(test, feature = "embedded"))]
mod tests {
    use super::*;
    use crate::Profile;

    #[test]
    fn every_built_in_model_has_a_read_out_at_every_quality() {
        for profile in [Profile::Fast, Profile::Best] {
            let model = Model::embedded(profile).expect("the built-in model");
            for raw in [0, 1, 1599, 1600, 3200, 6399, 6400] {
                let map = of(&model, Quality::from_raw(raw).expect("a quality")).expect("a read-out");
                assert_eq!((map.inputs(), map.outputs()), (model.net.shapes.m, OUTPUTS));
            }
        }
    }

    #[test]
    fn a_file_that_is_cut_or_longer_is_refused() {
        let file = aecodec_model_fast::READOUT;
        let longer = [file, &[0]].concat();
        for file in [&[], &file[..11], &file[..12], &file[..file.len() - 1], &longer] {
            assert!(parse(file, Quality::default()).is_err(), "{} bytes", file.len());
        }
    }
}
