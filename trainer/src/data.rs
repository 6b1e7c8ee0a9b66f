//! The pictures to train on, and random crops of them.

use crate::{Error, Result, drawn, vivid};
use aecodec::{Color, Limits, Picture, files};
use candle_core::{Device, Tensor};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use std::path::{Path, PathBuf};

/// The usual limit on the pixels that [`Pictures::read`] keeps: 3 GiB of samples.
pub const PIXELS: usize = 1 << 30;

/// The share of crops that are made gray.
const GRAY: f64 = 0.03;

/// A picture in memory: RGB samples, `[height, width, 3]`.
#[derive(Debug, Clone)]
pub struct RgbPicture {
    /// The number of rows.
    pub height: usize,
    /// The number of columns.
    pub width: usize,
    /// The samples.
    pub samples: Vec<u8>,
}

impl RgbPicture {
    /// Converts a picture. Gray is copied to three channels, and alpha is dropped.
    pub fn of(picture: &Picture) -> Self {
        let (height, width) = (picture.height as usize, picture.width as usize);
        let samples = match picture.color {
            Color::Rgb => picture.samples.clone(),
            Color::Gray => picture.samples.iter().flat_map(|&v| [v; 3]).collect(),
        };
        Self { height, width, samples }
    }

    /// The middle of the picture, with about `pixels` pixels and the same proportions, but no side shorter than `side`.
    pub(crate) fn middle(self, side: usize, pixels: usize) -> Self {
        let shrink = (pixels as f64 / (self.height * self.width) as f64).sqrt();
        if shrink >= 1.0 {
            return self;
        }
        let cut = |length: usize| ((length as f64 * shrink) as usize).max(side).min(length);
        self.crop_middle(cut(self.height), cut(self.width))
    }

    /// The middle of the picture with these sides, which must not be longer than the picture's.
    pub(crate) fn crop_middle(&self, height: usize, width: usize) -> Self {
        let (top, left) = ((self.height - height) / 2, (self.width - width) / 2);
        let row = |y: usize| &self.samples[((top + y) * self.width + left) * 3..][..width * 3];
        Self { height, width, samples: (0..height).flat_map(row).copied().collect() }
    }
}

/// The pictures of a folder, and how many of its files were skipped.
#[derive(Debug)]
pub struct Pictures {
    images: Vec<RgbPicture>,
    /// Their paths below the folder.
    names: Vec<String>,
    skipped: usize,
    /// Cumulative sums of the pictures' weights in random choices.
    chances: Vec<f64>,
}

impl Pictures {
    /// Reads every picture below a folder. Pictures with a side shorter than `side` and unreadable files are skipped.
    ///
    /// All pictures are kept in memory. Each gets an equal share of `pixels`, and only the middle of a larger picture
    /// is kept.
    ///
    /// # Errors
    /// Returns [`Error::NoPictures`] if no picture is left, and [`Error::File`] if the folder cannot be listed.
    pub fn read(folder: &Path, side: usize, pixels: usize) -> Result<Self> {
        let paths = list(folder)?;
        let share = pixels / paths.len().max(1);
        let read: Vec<Option<(String, RgbPicture)>> = paths
            .par_iter()
            .map(|path| {
                let bytes = std::fs::read(path).ok()?;
                let (picture, _) = files::read(&bytes, &Limits::default()).ok()?;
                let large = picture.width.min(picture.height) as usize >= side;
                let name = path.strip_prefix(folder).unwrap_or(path).to_string_lossy().replace('\\', "/");
                large.then(|| (name, RgbPicture::of(&picture).middle(side, share)))
            })
            .collect();
        let skipped = read.iter().filter(|image| image.is_none()).count();
        let named: Vec<_> = read.into_iter().flatten().collect();
        if named.is_empty() {
            return Err(Error::NoPictures { path: folder.to_owned(), side, skipped });
        }
        Ok(Self::new(named, skipped))
    }

    /// The weight of a picture in random choices is the square root of its area: large pictures hold more detail, but
    /// not in proportion to their area.
    fn new(named: Vec<(String, RgbPicture)>, skipped: usize) -> Self {
        let (names, images): (Vec<String>, Vec<RgbPicture>) = named.into_iter().unzip();
        let mut sum = 0.0;
        let chances = images.iter().map(|image| {
            sum += ((image.height * image.width) as f64).sqrt();
            sum
        });
        Self { chances: chances.collect(), images, names, skipped }
    }

    /// Sets about one in `nth` pictures aside for validation: at least half that many, and at most half of all
    /// pictures.
    ///
    /// A hash of its name decides about each picture, so adding or removing others does not change the choice.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] if there are fewer than two pictures or if `nth` is 0.
    pub fn split(self, nth: usize) -> Result<(Self, Vec<RgbPicture>)> {
        let count = self.images.len();
        if count < 2 || nth == 0 {
            let detail =
                format!("{count} pictures, of which one in {nth} is for validation; at least two are needed");
            return Err(Error::Invalid { what: "pictures", detail });
        }
        let hash = |name: &str| {
            let [a, b, c, d, ..] = *blake3::hash(name.as_bytes()).as_bytes();
            u32::from_le_bytes([a, b, c, d])
        };
        let mut named: Vec<_> = self.names.into_iter().zip(self.images).collect();
        named.sort_by_cached_key(|(name, _)| (hash(name), name.clone()));
        let chosen = named.partition_point(|(name, _)| hash(name) < u32::MAX / nth as u32);
        let mut kept = named.split_off(chosen.clamp(count.div_ceil(2 * nth), count / 2));
        kept.sort_by(|a, b| a.0.cmp(&b.0));
        Ok((Self::new(kept, self.skipped), named.into_iter().map(|(_, image)| image).collect()))
    }

    /// The pictures to train on.
    pub fn images(&self) -> &[RgbPicture] {
        &self.images
    }

    /// The number of files that were skipped because they are unreadable or too small.
    pub fn skipped(&self) -> usize {
        self.skipped
    }

    /// The number of pixels of all pictures.
    pub fn pixels(&self) -> usize {
        self.images.iter().map(|image| image.height * image.width).sum()
    }

    /// Draws `count` square crops of `side` pixels, `[count, side, side, 3]`, on all threads. They are flipped and
    /// transposed at random, and a few are made gray. A share `drawn` of the crops is generated instead of taken from
    /// pictures, and a share `vivid` gets strong colours. The crops follow from the seed.
    pub fn samples(&self, seed: u64, (count, side): (usize, usize), [drawn, vivid]: [f64; 2]) -> Vec<u8> {
        let mut samples = vec![0; count * side * side * 3];
        samples.par_chunks_mut(side * side * 3).enumerate().for_each(|(index, samples)| {
            let rng = &mut ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(index as u64);
            if rng.random_bool(drawn.clamp(0.0, 1.0)) {
                samples.copy_from_slice(&drawn::draw(rng, side));
            } else {
                self.crop(rng, side, samples);
            }
            if rng.random_bool(vivid.clamp(0.0, 1.0)) {
                vivid::strengthen(rng, side, samples);
            }
        });
        samples
    }

    /// Draws crops as [`Self::samples`] does, without strong colours, in -0.5..=0.5.
    ///
    /// # Errors
    /// Returns [`Error::Tensor`] if the device fails.
    pub fn batch(
        &self,
        rng: &mut impl Rng,
        (count, side): (usize, usize),
        drawn: f64,
        device: &Device,
    ) -> Result<Tensor> {
        let samples = self.samples(rng.random(), (count, side), [drawn, 0.0]);
        let values = samples.into_iter().map(centred).collect();
        Ok(Tensor::from_vec(values, (count, side, side, 3), device)?)
    }

    fn crop(&self, rng: &mut impl Rng, side: usize, samples: &mut [u8]) {
        let total = self.chances.last().copied().unwrap_or_default();
        let drawn = rng.random::<f64>() * total;
        let image =
            &self.images[self.chances.partition_point(|&sum| sum <= drawn).min(self.images.len() - 1)];
        let (top, left) = (
            rng.random_range(0..=image.height.saturating_sub(side)),
            rng.random_range(0..=image.width.saturating_sub(side)),
        );
        let (flip_rows, flip_columns, turn) =
            (rng.random::<bool>(), rng.random::<bool>(), rng.random::<bool>());
        let gray = rng.random_bool(GRAY);
        for (i, row) in samples.chunks_exact_mut(3 * side).enumerate() {
            for (j, pixel) in row.chunks_exact_mut(3).enumerate() {
                let (row, column) = if turn { (j, i) } else { (i, j) };
                let row = top + if flip_rows { side - 1 - row } else { row };
                let column = left + if flip_columns { side - 1 - column } else { column };
                pixel.copy_from_slice(&image.samples[(row * image.width + column) * 3..][..3]);
                if gray {
                    let mean = (pixel.iter().map(|v| u16::from(*v)).sum::<u16>() + 1) / 3;
                    pixel.fill(mean as u8);
                }
            }
        }
    }
}

/// The picture files below a folder, sorted by name.
///
/// # Errors
/// Returns [`Error::File`] if the folder cannot be listed.
pub fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in walkdir::WalkDir::new(folder).sort_by_file_name() {
        let entry = entry.map_err(|e| Error::file(folder)(e.into()))?;
        if entry.file_type().is_file() && files::readable(entry.path()) {
            paths.push(entry.into_path());
        }
    }
    Ok(paths)
}

/// Converts samples `[height, width, 3]` to the network's input `[1, H, W, 3]` in -0.5..=0.5. The sides are padded to
/// multiples of `multiple` by repeating the last row and column.
///
/// # Errors
/// Returns [`Error::Invalid`] if the number of samples does not match the sides, and [`Error::Tensor`] if the device
/// fails.
pub fn padded(
    samples: &[u8],
    (height, width): (usize, usize),
    multiple: usize,
    device: &Device,
) -> Result<Tensor> {
    if samples.len() != height * width * 3 || samples.is_empty() {
        let detail = format!("{} samples for {height} rows of {width} pixels", samples.len());
        return Err(Error::Invalid { what: "picture", detail });
    }
    let (rows, columns) = (height.next_multiple_of(multiple), width.next_multiple_of(multiple));
    let mut values = Vec::with_capacity(rows * columns * 3);
    for row in 0..rows {
        let row = &samples[row.min(height - 1) * width * 3..][..width * 3];
        for column in 0..columns {
            let pixel = &row[column.min(width - 1) * 3..][..3];
            values.extend(pixel.iter().copied().map(centred));
        }
    }
    Ok(Tensor::from_vec(values, (1, rows, columns, 3), device)?)
}

/// Converts a sample to the network's range.
fn centred(sample: u8) -> f32 {
    f32::from(sample) / 255.0 - 0.5
}

#[cfg(test)]
mod tests {
    use super::*;
    use aecodec::files::{Format, WriteOptions};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    /// Writes a picture whose samples are the row, the column and a mark.
    fn picture(folder: &Path, name: &str, height: usize, width: usize, mark: u8) {
        let at = |i: usize| [(i / width) as u8, (i % width) as u8, mark];
        let samples = (0..height * width).flat_map(at).collect();
        let picture = Picture::new(width as u32, height as u32, Color::Rgb, samples).expect("a picture");
        let (bytes, _) = files::write(&picture, Format::Png, &WriteOptions::default()).expect("a file");
        std::fs::write(folder.join(name), bytes).expect("written");
    }

    #[test]
    fn damaged_and_small_pictures_are_skipped_and_counted() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("deep")).expect("a folder");
        picture(folder.path(), "deep/a.png", 100, 80, 0);
        picture(folder.path(), "b.png", 100, 63, 0);
        std::fs::write(folder.path().join("c.png"), b"no picture").expect("written");
        std::fs::write(folder.path().join("d.txt"), b"no picture").expect("written");
        let found = Pictures::read(folder.path(), 64, PIXELS).expect("pictures");
        assert_eq!((found.images().len(), found.skipped(), found.pixels()), (1, 2, 8000));
        match Pictures::read(folder.path(), 128, PIXELS) {
            Err(Error::NoPictures { side: 128, skipped: 3, .. }) => {}
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn crops_are_whole_pieces_of_the_pictures_in_every_orientation() {
        let folder = tempfile::tempdir().expect("a folder");
        picture(folder.path(), "a.png", 100, 80, 10);
        picture(folder.path(), "b.png", 200, 200, 20);
        let found = Pictures::read(folder.path(), 64, PIXELS).expect("pictures");
        let rng = &mut ChaCha8Rng::seed_from_u64(3);
        let mut seen = std::collections::BTreeSet::new();
        let mut marks = [0, 0];
        for _ in 0..25 {
            let batch = found.batch(rng, (8, 64), 0.0, &Device::Cpu).expect("a batch");
            assert_eq!(batch.dims(), [8, 64, 64, 3]);
            for crop in batch
                .to_dtype(candle_core::DType::F32)
                .and_then(|b| b.flatten_from(1)?.to_vec2())
                .expect("rows")
            {
                let crop: Vec<i32> = crop.iter().map(|v: &f32| ((v + 0.5) * 255.0).round() as i32).collect();
                let pixel = |y: usize, x: usize| &crop[(y * 64 + x) * 3..][..3];
                if pixel(0, 0)[2] != 10 && pixel(0, 0)[2] != 20 {
                    continue; // without colour
                }
                marks[usize::from(pixel(0, 0)[2] == 20)] += 1;
                let step = |a: &[i32], b: &[i32]| (b[0] - a[0], b[1] - a[1]);
                let (down, right) = (step(pixel(0, 0), pixel(1, 0)), step(pixel(0, 0), pixel(0, 1)));
                for i in 0..64 {
                    for j in 0..64 {
                        let (y, x) = (i as i32, j as i32);
                        let at = |d: fn((i32, i32)) -> i32| y * d(down) + x * d(right);
                        let expected = [pixel(0, 0)[0] + at(|d| d.0), pixel(0, 0)[1] + at(|d| d.1)];
                        assert_eq!(pixel(i, j)[..2], expected);
                    }
                }
                seen.insert((down, right));
            }
        }
        assert_eq!(seen.len(), 8);
        assert!(marks[1] > marks[0], "large pictures come more often: {marks:?}");
    }

    #[test]
    fn what_is_more_than_the_memory_allowed_is_cut_to_the_middle() {
        let folder = tempfile::tempdir().expect("a folder");
        picture(folder.path(), "a.png", 200, 100, 10);
        picture(folder.path(), "b.png", 70, 70, 20);
        let found = Pictures::read(folder.path(), 64, 10_000).expect("pictures");
        let sides: Vec<_> = found.images().iter().map(|image| (image.height, image.width)).collect();
        assert_eq!(sides, [(100, 64), (70, 70)]);
        assert_eq!(found.images()[0].samples[..3], [50, 18, 10]);
    }

    #[test]
    fn a_split_keeps_every_picture_once_and_follows_from_names() {
        let split = |marks: &[u8], nth| {
            let image =
                |&mark| (format!("{mark}.png"), RgbPicture { height: 1, width: 1, samples: vec![mark; 3] });
            let (kept, aside) =
                Pictures::new(marks.iter().map(image).collect(), 0).split(nth).expect("a split");
            [kept.images, aside].map(|list| list.iter().map(|image| image.samples[0]).collect::<Vec<_>>())
        };
        let all: Vec<u8> = (0..100).collect();
        let [kept, aside] = split(&all, 10);
        assert!((3..20).contains(&aside.len()), "{aside:?}");
        let mut both = [kept, aside.clone()].concat();
        both.sort_unstable();
        assert_eq!(both, all);
        let [_, of_half] = split(&all[..50], 10);
        assert!(of_half.iter().all(|mark| aside.contains(mark)), "{of_half:?} of {aside:?}");
        assert_eq!(split(&all[..2], 10).map(|list| list.len()), [1, 1]);
        assert!(Pictures::new(Vec::new(), 0).split(10).is_err());
    }

    #[test]
    fn padding_repeats_the_edge() {
        let x = padded(&[0, 0, 0, 255, 255, 255], (1, 2), 4, &Device::Cpu).expect("a tensor");
        assert_eq!(x.dims(), [1, 4, 4, 3]);
        let row = x.get(0).and_then(|x| x.get(3)?.flatten_all()?.to_vec1::<f32>()).expect("a row");
        assert_eq!(row, [[-0.5; 3], [0.5; 3], [0.5; 3], [0.5; 3]].concat());
        assert!(padded(&[0; 5], (1, 2), 4, &Device::Cpu).is_err());
    }
}
