//! Learns from normal pictures, one after the other.

use super::autoencoder::Autoencoder;
use super::calibration::Calibration;
use super::detector::{Detector, Sample, Score};
use super::gaussian::Gaussians;
use super::projection::Projection;
use crate::{Code, Error, Reader, Result};

/// Pictures of which the projection is learned.
const FIRST: usize = 16;
/// Places of them, at most.
const PLACES: usize = 20_000;
/// Parts into which the pictures are divided. Each is scored by what was learned from the others.
const FOLDS: usize = 5;
/// The fewest pictures that are enough.
const LEAST: usize = 10;
/// A camera is fixed if the variance at a place is at most this share of the variance over all places.
const FIXED: f64 = 0.6;

/// Whether all pictures show one view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum View {
    /// The pictures decide: they are of one size, and differ less at a place than from place to place.
    #[default]
    Auto,
    /// A fixed camera: each place has a Gaussian of its own.
    Fixed,
    /// Different views: one Gaussian for all places.
    Any,
}

/// Learns what the pictures of a camera usually look like. It keeps about 170 kilobytes of a picture of 640x480 pixels in
/// memory.
#[derive(Debug)]
pub struct Learner {
    model: [u8; 32],
    view: View,
    /// The first pictures, until there are enough of them for a projection.
    first: Vec<Code>,
    projection: Option<Projection>,
    samples: Vec<Sample>,
    sizes: Vec<(u32, u32)>,
}

impl std::fmt::Debug for Sample {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sample {}x{}", self.colors.columns, self.colors.rows)
    }
}

impl Learner {
    /// A learner of codes that this reader reads.
    pub fn new(reader: &Reader, view: View) -> Self {
        let (first, samples, sizes) = Default::default();
        Self { model: reader.model(), view, first, projection: None, samples, sizes }
    }

    /// Adds a normal picture. The order matters: neighbours are held out together, so that the frames of a scene do not
    /// vouch for each other.
    ///
    /// # Errors
    /// Returns [`Error::Size`] if the view is fixed and the picture has another size than the first one.
    pub fn push(&mut self, code: &Code) -> Result<()> {
        let size = (code.head.width, code.head.height);
        if let Some(&expected) =
            self.sizes.first().filter(|&&first| first != size && self.view == View::Fixed)
        {
            return Err(Error::Size { expected, found: size });
        }
        self.sizes.push(size);
        match &self.projection {
            Some(projection) => self.samples.push(Sample::of(code, projection)),
            None => {
                self.first.push(code.clone());
                if self.first.len() == FIRST {
                    self.project();
                }
            }
        }
        Ok(())
    }

    /// Fits the projection to the first pictures, and applies it to them.
    fn project(&mut self) {
        let Some(channels) = self.first.first().map(Code::channels) else { return };
        let places: usize = self.first.iter().map(|code| code.latents.y.len() / channels).sum();
        let step = places.div_ceil(PLACES);
        let all = self.first.iter().flat_map(|code| code.latents.y.chunks_exact(channels));
        let chosen: Vec<i16> = all.step_by(step).flatten().copied().collect();
        let projection = Projection::fit(&chosen, channels);
        self.samples = self.first.drain(..).map(|code| Sample::of(&code, &projection)).collect();
        self.projection = Some(projection);
    }

    /// Fits the detector, and finds how far normal pictures are from what was learned from others.
    ///
    /// # Errors
    /// Returns [`Error::TooFew`] if there are fewer than ten pictures.
    pub fn finish(mut self) -> Result<Detector> {
        if self.sizes.len() < LEAST {
            return Err(Error::TooFew { rate: None, expected: LEAST, found: self.sizes.len() });
        }
        if self.projection.is_none() {
            self.project();
        }
        let projection = self.projection.take().ok_or(Error::Model)?;
        let same = self.sizes.iter().all(|size| *size == self.sizes[0]);
        let fixed = match self.view {
            View::Auto => same && is_one_view(&self.samples, projection.to()),
            view => view == View::Fixed,
        };
        let folds = self.folds(&projection, fixed);
        let usual = mean(folds.iter().flat_map(|fold| fold.errors.iter()), folds[0].length);
        let calibration = Calibration { scores: self.held_out(&folds, &usual) };
        let all: Vec<&Sample> = self.samples.iter().collect();
        let Fitted { gaussians, autoencoder } = Fitted::new(&all, &projection, fixed);
        let size = fixed.then_some(self.sizes[0]);
        Ok(Detector { model: self.model, size, projection, gaussians, autoencoder, usual, calibration })
    }

    /// What each part looks like to what was learned from the others.
    fn folds(&self, projection: &Projection, fixed: bool) -> Vec<Fold> {
        let count = self.samples.len();
        let fold = |i: usize| {
            let range = i * count / FOLDS..(i + 1) * count / FOLDS;
            let others: Vec<&Sample> =
                self.samples.iter().enumerate().filter(|(j, _)| !range.contains(j)).map(|(_, s)| s).collect();
            let fitted = Fitted::new(&others, projection, fixed);
            let length = fitted.autoencoder.mean.len() / 3;
            let errors = self.samples[range.clone()].iter().map(|sample| {
                let (map, places) = fitted.autoencoder.errors(&sample.colors);
                let mut sums = vec![(0.0, 0.0); length];
                map.values.iter().zip(places).for_each(|(error, place)| {
                    let sum = &mut sums[place as usize];
                    *sum = (sum.0 + error, sum.1 + 1.0);
                });
                sums.iter().map(|(sum, count)| sum / f32::max(*count, 1.0)).collect()
            });
            Fold { errors: errors.collect(), fitted, range, length }
        };
        (0..FOLDS).map(fold).collect()
    }

    /// The scores of all pictures, each by what was learned without it.
    fn held_out(&self, folds: &[Fold], usual: &[f32]) -> Vec<[f32; 2]> {
        let count = self.samples.len() as f32;
        let scores = folds.iter().flat_map(|fold| {
            let own = mean(fold.errors.iter(), fold.length);
            let held = fold.errors.len() as f32;
            // What is usual without the pictures of this part.
            let rest: Vec<f32> = usual
                .iter()
                .zip(&own)
                .map(|(all, own)| ((all * count - own * held) / (count - held)).max(0.0))
                .collect();
            let Fitted { gaussians, autoencoder } = &fold.fitted;
            self.samples[fold.range.clone()].iter().map(move |sample| {
                let score = Score::of(sample, gaussians, autoencoder, &rest);
                [score.error, score.distance]
            })
        });
        scores.collect()
    }
}

/// What is learned from some pictures.
struct Fitted {
    gaussians: Gaussians,
    autoencoder: Autoencoder,
}

impl Fitted {
    fn new(samples: &[&Sample], projection: &Projection, fixed: bool) -> Self {
        let latents: Vec<_> = samples.iter().map(|sample| &sample.latents).collect();
        let colors: Vec<_> = samples.iter().map(|sample| &sample.colors).collect();
        Self {
            gaussians: Gaussians::fit(&latents, projection.to(), fixed),
            autoencoder: Autoencoder::fit(&colors, fixed),
        }
    }
}

/// One part of the pictures.
struct Fold {
    range: std::ops::Range<usize>,
    /// Learned from the others.
    fitted: Fitted,
    /// The errors of its pictures, `[pictures][length]`.
    errors: Vec<Vec<f32>>,
    /// Patches of the autoencoder's input.
    length: usize,
}

fn mean<'a>(rows: impl Iterator<Item = &'a Vec<f32>>, length: usize) -> Vec<f32> {
    let (mut sums, mut count) = (vec![0.0; length], 0.0);
    for row in rows {
        sums.iter_mut().zip(row).for_each(|(sum, v)| *sum += v);
        count += 1.0;
    }
    sums.iter_mut().for_each(|sum| *sum /= f32::max(count, 1.0));
    sums
}

/// Whether the latents differ less from picture to picture than from place to place.
fn is_one_view(samples: &[Sample], channels: usize) -> bool {
    let variance = |vectors: &mut dyn Iterator<Item = &[f32]>| {
        let (mut sums, mut squares, mut count) = (vec![0.0; channels], 0.0, 0.0);
        for vector in vectors {
            sums.iter_mut().zip(vector).for_each(|(sum, &v)| *sum += f64::from(v));
            squares += vector.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>();
            count += 1.0;
        }
        squares / count - sums.iter().map(|sum| (sum / count).powi(2)).sum::<f64>()
    };
    let all = variance(&mut samples.iter().flat_map(|s| s.latents.values.chunks_exact(channels)));
    let places = samples[0].latents.values.len() / channels;
    let at = |place: usize| {
        variance(&mut samples.iter().map(|s| &s.latents.values[place * channels..][..channels]))
    };
    let within = (0..places).map(at).sum::<f64>() / places as f64;
    within <= FIXED * all
}
