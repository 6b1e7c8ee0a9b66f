//! What the code of a file holds: how much each channel, each pass and each place takes, and what it shows.

use aecodec::resize::{Filter, resize};
use aecodec::{
    Check, Color, DecodeOptions, DecodedLatents, EncodeOptions, Latents, Limits, Model, Picture, Target,
    container, psnr,
};

use crate::{Result, segment};

/// Patches of a picture are multiples of this side of a place.
const PLACE: u32 = 16;
/// How far the traversal moves a channel, in deviations.
const STEPS: [f32; 5] = [-3.0, -1.5, 0.0, 1.5, 3.0];

/// What the code of a file holds.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Anatomy {
    /// Rows, columns and channels of the latents.
    pub shape: (usize, usize, usize),
    /// The channels in the order of their energy, with their share of the energy of all: the mean square around the mean.
    pub channels: Vec<(usize, f32)>,
    /// What each pass adds, from the hyper-latents on.
    pub passes: Vec<Pass>,
    /// Bits of each place, `[rows, columns]`.
    pub bits: Vec<f32>,
    decoded: DecodedLatents,
    picture: Picture,
}

/// What a decoder has after a number of passes.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Pass {
    /// Passes that are decoded, 0 to 4.
    pub passes: u8,
    /// Bytes of the substreams up to this pass.
    pub bytes: u64,
    /// PSNR in dB against the picture after all passes; `None` if it is the same.
    pub psnr: Option<f64>,
}

impl Anatomy {
    /// Takes a file apart.
    ///
    /// # Errors
    /// Returns the errors of [`aecodec::decode_latents`] and [`aecodec::decode`].
    pub fn of(bytes: &[u8], model: &Model, limits: &Limits) -> Result<Self> {
        let mut options = DecodeOptions::default();
        options.limits = *limits;
        let decoded = aecodec::decode_latents(bytes, model, &options)?;
        let picture = aecodec::decode(bytes, model, &options)?.picture;
        let stream = container::read(bytes, limits)?;
        let passes = (0..=4).map(|passes| {
            let mut options = options.clone();
            options.passes = passes;
            let preview = aecodec::decode(bytes, model, &options)?.picture;
            let counted = |kind: &container::ChunkKind| match kind {
                container::ChunkKind::Pass { pass, .. } => *pass < passes,
                container::ChunkKind::Hyper { .. } => true,
                _ => false,
            };
            let chunks = stream.chunks.iter().filter(|chunk| counted(&chunk.kind));
            let bytes = chunks.map(|chunk| chunk.length).sum();
            let same = preview.samples == picture.samples;
            Ok(Pass { passes, bytes, psnr: psnr(&preview.samples, &picture.samples).filter(|_| !same) })
        });
        let passes = passes.collect::<Result<_>>()?;
        let Latents { height, width, ref y, .. } = decoded.latents;
        let m = y.len() / (height * width);
        let mut channels: Vec<(usize, f32)> = energies(y, m).into_iter().enumerate().collect();
        let all: f32 = channels.iter().map(|(_, energy)| energy).sum::<f32>().max(f32::MIN_POSITIVE);
        channels.iter_mut().for_each(|(_, energy)| *energy /= all);
        channels.sort_by(|a, b| b.1.total_cmp(&a.1));
        let bits = decoded.bits.clone();
        Ok(Self { shape: (height, width, m), channels, passes, bits, decoded, picture })
    }

    /// The number of channels that hold this share of the energy: the width of the code that is used.
    pub fn channels_for(&self, share: f32) -> usize {
        let mut sum = 0.0;
        let mut before = |energy: f32| {
            sum += energy;
            sum - energy
        };
        self.channels.iter().take_while(|(_, energy)| before(*energy) < share).count()
    }

    /// A channel as a picture, gray at its mean, `[rows, columns]`.
    ///
    /// # Errors
    /// Returns the errors of [`Picture::new`].
    pub fn channel(&self, channel: usize) -> Result<Picture> {
        let (rows, columns, m) = self.shape;
        let values: Vec<f32> =
            self.decoded.latents.y.iter().skip(channel).step_by(m).map(|&v| f32::from(v)).collect();
        let (mean, deviation) = moments(&values);
        let gray = |v: &f32| (128.0 + 50.0 * (v - mean) / deviation.max(1.0)).clamp(0.0, 255.0) as u8;
        Ok(Picture::new(columns as u32, rows as u32, Color::Gray, values.iter().map(gray).collect())?)
    }

    /// The bits of each place, drawn over the picture: the places with the most are red.
    ///
    /// # Errors
    /// Returns the errors of [`Picture::new`].
    pub fn bits_over_picture(&self) -> Result<Picture> {
        let columns = self.shape.1;
        let most = self.bits.iter().copied().fold(1.0, f32::max);
        let (width, channels) = (self.picture.width, self.picture.color.channels());
        let mut samples = Vec::with_capacity(self.picture.samples.len());
        for (i, pixel) in self.picture.samples.chunks_exact(channels).enumerate() {
            let (y, x) = (i / width as usize / PLACE as usize, i % width as usize / PLACE as usize);
            let share = self.bits[y * columns + x] / most;
            let gray = pixel.iter().map(|&v| f32::from(v)).sum::<f32>() / channels as f32;
            let hot = [255.0, 230.0 * (1.0 - share), 0.0];
            samples.extend(hot.map(|hot| (0.5 * gray + share * (hot - 0.5 * gray) * 0.8) as u8));
        }
        Ok(Picture::new(width, self.picture.height, Color::Rgb, samples)?)
    }

    /// The picture with a channel moved by some of its deviations everywhere, from far below to far above: what the channel stands
    /// for. The middle one is the picture as it is.
    ///
    /// # Errors
    /// Returns the errors of [`aecodec::encode_latents`].
    pub fn traversal(&self, channel: usize, model: &Model) -> Result<Vec<Picture>> {
        let m = self.shape.2;
        let values: Vec<f32> =
            self.decoded.latents.y.iter().skip(channel).step_by(m).map(|&v| f32::from(v)).collect();
        let deviation = moments(&values).1.max(1.0);
        let moved = |step: f32| {
            let mut latents = self.decoded.latents.clone();
            for value in latents.y.iter_mut().skip(channel).step_by(m) {
                *value = (f32::from(*value) + step * deviation).clamp(-8000.0, 8000.0) as i16;
            }
            let mut options = EncodeOptions::default();
            options.target = Target::Quality(self.decoded.quality);
            options.check = Check::None;
            let coded = aecodec::encode_latents(&self.picture, &latents, model, &options)?;
            Ok(aecodec::decode(&coded.bytes, model, &DecodeOptions::default())?.picture)
        };
        STEPS.into_iter().map(moved).collect()
    }

    /// One picture with all of it: the picture and its bits; the most used channels; the passes; a traversal of the first
    /// channel.
    ///
    /// # Errors
    /// Returns the errors of the parts.
    pub fn sheet(&self, model: &Model) -> Result<Picture> {
        let mut rows = vec![vec![self.picture.clone(), self.bits_over_picture()?]];
        let channels: Result<Vec<Picture>> =
            self.channels.iter().take(8).map(|&(c, _)| self.channel(c)).collect();
        rows.push(channels?);
        if let Some(&(channel, _)) = self.channels.first() {
            rows.push(self.traversal(channel, model)?);
        }
        stacked(&rows)
    }
}

/// Mean square of each channel of `[positions, channels]` around its mean.
fn energies(y: &[i16], channels: usize) -> Vec<f32> {
    let of = |channel: usize| {
        let values: Vec<f32> = y.iter().skip(channel).step_by(channels).map(|&v| f32::from(v)).collect();
        moments(&values).1.powi(2)
    };
    (0..channels).map(of).collect()
}

/// Mean and deviation.
fn moments(values: &[f32]) -> (f32, f32) {
    let count = values.len().max(1) as f32;
    let mean = values.iter().sum::<f32>() / count;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / count;
    (mean, variance.sqrt())
}

/// Width of a sheet in pixels, and of the gaps.
const WIDTH: u32 = 1600;
const GAP: u32 = 8;

/// Rows of pictures, one below the other; the pictures of a row have one width.
fn stacked(rows: &[Vec<Picture>]) -> Result<Picture> {
    let mut samples = Vec::new();
    let mut height = 0;
    for row in rows.iter().filter(|row| !row.is_empty()) {
        let count = row.len() as u32;
        let width = (WIDTH - GAP * (count + 1)) / count;
        let tall =
            (u64::from(row[0].height) * u64::from(width) / u64::from(row[0].width)).clamp(1, 4096) as u32;
        let mut strip = vec![255; (WIDTH * (tall + GAP) * 3) as usize];
        for (i, picture) in row.iter().enumerate() {
            let filter = if picture.width < width { Filter::CatmullRom } else { Filter::Hamming };
            let small = segment::rgb(&resize(picture, (width, tall), filter)?);
            let left = GAP + i as u32 * (width + GAP);
            for (y, line) in small.samples.chunks_exact(3 * width as usize).enumerate() {
                let start = 3 * ((y as u32 + GAP) * WIDTH + left) as usize;
                strip[start..start + line.len()].copy_from_slice(line);
            }
        }
        samples.extend(strip);
        height += tall + GAP;
    }
    samples.extend(vec![255; (WIDTH * GAP * 3) as usize]);
    Ok(Picture::new(WIDTH, height + GAP, Color::Rgb, samples)?)
}
