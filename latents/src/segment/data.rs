//! Pictures with label maps, as training sees them.

use std::path::{Path, PathBuf};

use aecodec::resize::{Filter, resize};
use aecodec::{Color, EncodeOptions, Limits, Model, Picture, Profile, Quality, Target};
use candle_core::{Device, Tensor};
use rand::Rng;

use super::head::{CELLS, Input, PLACE};
use super::labels::{Labels, UNLABELLED};
use crate::{Error, Reader, Result};

/// Parts of a picture that are enlarged to its size, as further examples.
const ZOOM: f64 = 0.75;

/// A picture and its label map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The picture.
    pub picture: PathBuf,
    /// The label map, a PNG file.
    pub labels: PathBuf,
}

impl Pair {
    /// The pairs of pictures and of the label maps in a folder that have the same names, except for the extension.
    pub fn find(pictures: &[PathBuf], labels: &Path) -> Vec<Self> {
        let pair = |picture: &PathBuf| {
            let path = labels.join(Path::new(picture.file_stem()?).with_extension("png"));
            // `with_extension` would cut a name with a dot.
            let mut name = picture.file_stem()?.to_owned();
            name.push(".png");
            let path = if path.is_file() { path } else { labels.join(name) };
            path.is_file().then(|| Self { picture: picture.clone(), labels: path })
        };
        pictures.iter().filter_map(pair).collect()
    }

    /// Reads both.
    ///
    /// # Errors
    /// Returns [`Error::Size`] if their sizes differ, and the errors of [`Reader::picture`] and [`Labels::read`].
    pub fn read(&self, reader: &Reader, limits: &Limits) -> Result<(Picture, Labels)> {
        let open = |path: &Path| std::fs::read(path).map_err(aecodec::Error::from);
        let picture = reader.picture(&open(&self.picture)?, limits)?;
        let labels = Labels::read(&open(&self.labels)?)?;
        let (expected, found) = ((picture.width, picture.height), (labels.width, labels.height));
        if expected != found {
            return Err(Error::Size { expected, found });
        }
        Ok((picture, labels))
    }
}

/// What a head sees of one picture, with a class for each cell of 4x4 pixels.
#[derive(Debug, Clone)]
struct Example {
    /// Rows and columns of places.
    rows: usize,
    columns: usize,
    /// Latents `[rows, columns, M]` or pixels `[16 rows, 16 columns, 3]`.
    values: Vec<i16>,
    /// `[4 rows, 4 columns]`.
    classes: Vec<u8>,
}

/// Examples to train from.
#[derive(Debug)]
pub struct Examples {
    input: Input,
    all: Vec<Example>,
}

impl Examples {
    /// No examples yet.
    pub fn new(input: Input) -> Self {
        Self { input, all: Vec::new() }
    }

    /// Number of examples.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Adds the examples of another.
    pub fn append(&mut self, mut other: Self) {
        self.all.append(&mut other.all);
    }

    /// Adds a picture: itself, a part of it that is enlarged, and both mirrored. Latents of changed pictures are no changed latents,
    /// so each is analysed.
    ///
    /// # Errors
    /// Returns the errors of [`aecodec::encode`].
    pub fn add(
        &mut self,
        picture: &Picture,
        labels: &Labels,
        reader: &Reader,
        random: &mut impl Rng,
    ) -> Result<()> {
        let zoomed = zoomed(picture, labels, [random.random_range(0.0..1.0), random.random_range(0.0..1.0)])?;
        let both = [(rgb(picture), labels.clone()), zoomed];
        for (picture, labels) in both {
            let mirrored =
                (mirrored(&picture, 3), Labels { values: mirror(&labels.values, labels.width, 1), ..labels });
            for (picture, labels) in [(picture, &labels), (mirrored.0, &mirrored.1)] {
                self.all.push(Example::of(self.input, &picture, labels, reader)?);
            }
        }
        Ok(())
    }

    /// Mean and deviation of each channel.
    pub(super) fn moments(&self) -> (Vec<f32>, Vec<f32>) {
        let channels = self.channels();
        let (mut sums, mut squares, mut count) = (vec![0.0; channels], vec![0.0; channels], 0.0);
        for place in self.all.iter().step_by(4).flat_map(|example| example.values.chunks_exact(channels)) {
            for (c, &v) in place.iter().enumerate() {
                sums[c] += f64::from(v);
                squares[c] += f64::from(v) * f64::from(v);
            }
            count += 1.0;
        }
        let mean: Vec<f64> = sums.iter().map(|sum| sum / f64::max(count, 1.0)).collect();
        let variance =
            squares.iter().zip(&mean).map(|(square, mean)| square / f64::max(count, 1.0) - mean * mean);
        // Channels that are nearly always zero would be blown up.
        let deviations: Vec<f64> = variance.map(|v| v.max(0.0).sqrt()).collect();
        let least = 0.1 * deviations.iter().sum::<f64>() / channels.max(1) as f64 + 1e-3;
        let deviations = deviations.iter().map(|v| v.max(least) as f32).collect();
        (mean.iter().map(|&v| v as f32).collect(), deviations)
    }

    fn channels(&self) -> usize {
        match (self.input, self.all.first()) {
            (Input::Latents, Some(example)) => example.values.len() / (example.rows * example.columns),
            _ => 3,
        }
    }

    /// How many cells there are of each class.
    pub(super) fn counts(&self) -> Vec<u64> {
        let mut counts = vec![0; 256];
        self.all
            .iter()
            .flat_map(|example| &example.classes)
            .for_each(|&class| counts[usize::from(class)] += 1);
        counts
    }

    /// Rows and columns that all examples have.
    pub(super) fn common(&self) -> (usize, usize) {
        let least = |side: fn(&Example) -> usize| self.all.iter().map(side).min().unwrap_or(1);
        (least(|e| e.rows).min(32), least(|e| e.columns).min(40))
    }

    /// Random parts of random examples: values, and classes `[B * cells]`.
    pub(super) fn batch(
        &self,
        count: usize,
        (rows, columns): (usize, usize),
        random: &mut impl Rng,
    ) -> Result<(Tensor, Vec<u8>)> {
        let (channels, side) = (self.channels(), if self.input == Input::Pixels { PLACE } else { 1 });
        let (mut values, mut classes) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let example = &self.all[random.random_range(0..self.all.len())];
            let y = random.random_range(0..=example.rows - rows);
            let x = random.random_range(0..=example.columns - columns);
            let stride = example.columns * side * channels;
            for row in y * side..(y + rows) * side {
                let start = row * stride + x * side * channels;
                values.extend(
                    example.values[start..][..columns * side * channels].iter().map(|&v| f32::from(v)),
                );
            }
            for row in y * CELLS..(y + rows) * CELLS {
                let start = row * example.columns * CELLS + x * CELLS;
                classes.extend_from_slice(&example.classes[start..][..columns * CELLS]);
            }
        }
        let shape = (count, rows * side, columns * side, channels);
        Ok((Tensor::from_vec(values, shape, &Device::Cpu)?, classes))
    }
}

impl Example {
    fn of(input: Input, picture: &Picture, labels: &Labels, reader: &Reader) -> Result<Self> {
        let (values, rows, columns) = match input {
            Input::Latents => {
                let model = Model::embedded(Profile::Fast)?;
                let mut options = EncodeOptions::default();
                options.target = Target::Quality(Quality::default());
                options.check = aecodec::Check::None;
                let coded = aecodec::encode(picture, &model, &options)?;
                let latents = reader.read(&coded.bytes, &Limits::default())?.latents;
                (latents.y, latents.height, latents.width)
            }
            Input::Pixels => pixels(picture),
        };
        let (height, width) = (labels.height as usize, labels.width as usize);
        let cell = (PLACE / CELLS) as f32;
        // The class in the middle of a cell; cells beyond the edge have none.
        let class = |y: usize, x: usize| {
            let [y, x] = [y, x].map(|at| (cell * (at as f32 + 0.5)) as usize);
            if y < height && x < width { labels.values[y * width + x] } else { UNLABELLED }
        };
        let cells = (0..rows * CELLS).flat_map(|y| (0..columns * CELLS).map(move |x| (y, x)));
        Ok(Self { rows, columns, values, classes: cells.map(|(y, x)| class(y, x)).collect() })
    }
}

/// The samples of a picture in RGB, continued to whole places by repeating the edge; and rows and columns of places.
pub(super) fn pixels(picture: &Picture) -> (Vec<i16>, usize, usize) {
    let picture = rgb(picture);
    let (height, width) = (picture.height as usize, picture.width as usize);
    let (rows, columns) = (height.div_ceil(PLACE), width.div_ceil(PLACE));
    let mut values = Vec::with_capacity(rows * columns * PLACE * PLACE * 3);
    for y in 0..rows * PLACE {
        for x in 0..columns * PLACE {
            let pixel = (y.min(height - 1) * width + x.min(width - 1)) * 3;
            values.extend(picture.samples[pixel..pixel + 3].iter().map(|&v| i16::from(v)));
        }
    }
    (values, rows, columns)
}

/// The picture in RGB, without alpha.
pub(crate) fn rgb(picture: &Picture) -> Picture {
    let mut copy = picture.clone();
    if copy.color == Color::Gray {
        copy.samples = copy.samples.iter().flat_map(|&v| [v; 3]).collect();
        copy.color = Color::Rgb;
    }
    copy.alpha = None;
    copy
}

/// A part of a picture and of its labels, enlarged to the size of the whole. `at` says where, from 0 to 1.
fn zoomed(picture: &Picture, labels: &Labels, at: [f64; 2]) -> Result<(Picture, Labels)> {
    let picture = rgb(picture);
    let size = [picture.height, picture.width].map(|side| ((f64::from(side) * ZOOM) as u32).max(1));
    let start = [(picture.height - size[0], at[0]), (picture.width - size[1], at[1])]
        .map(|(rest, at)| (f64::from(rest) * at) as u32);
    let rows = start[0]..start[0] + size[0];
    let row = |y: u32| {
        ((y * picture.width + start[1]) * 3) as usize..((y * picture.width + start[1] + size[1]) * 3) as usize
    };
    let samples = rows.flat_map(|y| picture.samples[row(y)].to_vec()).collect();
    let part = Picture::new(size[1], size[0], Color::Rgb, samples)?;
    let large = resize(&part, (picture.width, picture.height), Filter::CatmullRom)?;
    let source = |at: u32, start: u32, size: u32, all: u32| {
        start + (u64::from(at) * u64::from(size) / u64::from(all)) as u32
    };
    let class = |y: u32, x: u32| {
        let y = source(y, start[0], size[0], labels.height);
        labels.values[(y * labels.width + source(x, start[1], size[1], labels.width)) as usize]
    };
    let places = (0..labels.height).flat_map(|y| (0..labels.width).map(move |x| (y, x)));
    Ok((large, Labels { values: places.map(|(y, x)| class(y, x)).collect(), ..*labels }))
}

fn mirrored(picture: &Picture, channels: usize) -> Picture {
    Picture { samples: mirror(&picture.samples, picture.width, channels), ..picture.clone() }
}

fn mirror(samples: &[u8], width: u32, channels: usize) -> Vec<u8> {
    let rows = samples.chunks_exact(width as usize * channels);
    rows.flat_map(|row| row.chunks_exact(channels).rev().flatten().copied()).collect()
}
