//! The latents of a picture between analysis and coding, for encoders that search for better ones than the analysis finds.

use crate::band::{Band, Grid};
use crate::kernel::Isa;
use crate::model::Model;
use crate::net::Shapes;
use crate::net::hyper::{Z_MAX, hyper_shape, out_of_range};
use crate::picture::{Picture, PictureInfo};
use crate::quality::Quality;
use crate::readout::{self, Painter};
use crate::saturating::product;
use crate::{Error, Result};

/// Largest magnitude of a latent.
const Y_MAX: u16 = 8191;

/// Latents of a picture and hyper-latents of its groups, as [`analyse`](crate::analyse) returns them.
///
/// The model sets the number of fraction bits of y (docs/format.md, section 8); z is in whole steps, -127 to 127.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Latents {
    /// Rows of latents.
    pub height: usize,
    /// Columns of latents.
    pub width: usize,
    /// Rows and columns of a whole group; groups at the right and lower edge are smaller.
    pub side: usize,
    /// `[height, width, M]`, before the gain is applied.
    pub y: Vec<i16>,
    /// For each group in raster order `[ceil(h/4), ceil(w/4), Z]`. If it is empty, the encoder computes them from `y`.
    pub z: Vec<Vec<i16>>,
}

impl Latents {
    /// The mean colours of the 8x8 patches of the picture with this `head`, `[ceil(height/8), ceil(width/8), channels]`, read
    /// from the latents by a linear map. `None` if the model is not a built-in one, or if the latents do not fit the picture.
    /// [`decode_reduced`](crate::decode_reduced) paints the same colours.
    pub fn colors(&self, model: &Model, quality: Quality, head: &PictureInfo) -> Option<Picture> {
        let [width, height] = [head.width, head.height].map(|side| side.div_ceil(8));
        let shape = (width.div_ceil(2) as usize, height.div_ceil(2) as usize);
        let whole = product([self.width, self.height, model.net.shapes.m]) == self.y.len() as u64;
        let map = (whole && shape == (self.width, self.height)).then(|| readout::of(model, quality))??;
        let size = (height as usize, width as usize);
        let painter = Painter { map: &map, isa: Isa::chosen(), color: head.color, size, blank: None };
        let mut samples = Vec::new();
        for (row, latents) in self.y.chunks_exact(self.y.len() / self.height).enumerate() {
            painter.paint(row, latents, |colors| samples.extend_from_slice(colors));
        }
        Picture::new(width, height, head.color, samples).ok()
    }

    pub(crate) fn new(grid: Grid, net: &Shapes) -> Self {
        let Grid { height, width, side, .. } = grid;
        Self { height, width, side, y: vec![0; height * width * net.m], z: vec![Vec::new(); grid.groups()] }
    }

    /// Checks that they fit this grid; the fields are public, so they may hold anything.
    pub(crate) fn check(&self, grid: Grid, net: &Shapes) -> Result<()> {
        let invalid = |detail| Err(Error::Invalid { what: "latents", detail });
        let latents = product([grid.height, grid.width, net.m]);
        let groups = if self.z.is_empty() { 0 } else { grid.groups() };
        let expected = (grid.height, grid.width, grid.side, latents, groups);
        let found = (self.height, self.width, self.side, self.y.len() as u64, self.z.len());
        if found != expected {
            return invalid(format!("height, width, side, y, groups are {found:?}, expected {expected:?}"));
        }
        if let Some(y) = self.y.iter().find(|y| y.unsigned_abs() > Y_MAX) {
            return invalid(format!("{y}, expected a magnitude of at most {Y_MAX}"));
        }
        let groups = grid.bands(0..grid.height).flat_map(|band| band.groups);
        for (group, z) in groups.zip(&self.z) {
            let (height, width) = hyper_shape(group.rect.height(), group.rect.width());
            let beyond = out_of_range(z).is_some();
            if z.len() != height * width * net.z || beyond {
                let count = height * width * net.z;
                return invalid(format!(
                    "{} hyper-latents, expected {count} with magnitudes of at most {Z_MAX}",
                    z.len()
                ));
            }
        }
        Ok(())
    }

    /// Copies the latents of a band into this.
    pub(crate) fn take(&mut self, band: &Band) {
        let (width, row) = (self.width, self.y.len() / self.height);
        for y in band.rows.clone() {
            band.read(y, 0..width, &mut self.y[y * row..(y + 1) * row]);
        }
    }

    /// Copies latents from this into a band.
    pub(crate) fn put(&self, band: &Band) {
        let row = self.y.len() / self.height;
        for y in band.rows.clone() {
            band.write(y, 0..self.width, &self.y[y * row..(y + 1) * row]);
        }
    }
}

#[cfg(all(test, feature = "embedded"))]
mod tests {
    use super::*;
    use crate::{Color, EncodeOptions, Profile, analyse, encode, encode_latents};

    fn drawn() -> Picture {
        let sample = |i: usize| ((i / 3 % 150) + (i / 450) * (i % 3) + (i * i / 4099) % 40) as u8;
        Picture::new(150, 100, Color::Rgb, (0..150 * 100 * 3).map(sample).collect()).expect("a picture")
    }

    #[test]
    fn the_latents_of_the_analysis_give_the_same_stream() {
        let model = Model::embedded(Profile::Fast).expect("the built-in model");
        for (group_log2, threads) in [(10, 1), (6, 2)] {
            let options = EncodeOptions { group_log2, threads, ..EncodeOptions::default() };
            let latents = analyse(&drawn(), &model, Quality::default(), &options).expect("latents");
            let given = encode_latents(&drawn(), &latents, &model, &options).expect("an encode");
            let without = Latents { z: Vec::new(), ..latents };
            let computed = encode_latents(&drawn(), &without, &model, &options).expect("an encode");
            let own = encode(&drawn(), &model, &options).expect("an encode");
            assert!(given.bytes == own.bytes && computed.bytes == own.bytes);
            assert_eq!(given.psnr, own.psnr);
        }
    }

    #[test]
    fn latents_of_another_picture_are_refused() {
        let model = Model::embedded(Profile::Fast).expect("the built-in model");
        let options = EncodeOptions::default();
        let latents = analyse(&drawn(), &model, Quality::default(), &options).expect("latents");
        let changes: [fn(&mut Latents); 5] = [
            |l| l.height += 1,
            |l| l.y.truncate(10),
            |l| l.y[7] = i16::MIN,
            |l| l.z[0][3] = 128,
            |l| l.z[0].push(0),
        ];
        for change in changes {
            let mut latents = latents.clone();
            change(&mut latents);
            let refused = encode_latents(&drawn(), &latents, &model, &options);
            assert!(matches!(refused, Err(Error::Invalid { what: "latents", .. })));
        }
    }
}
