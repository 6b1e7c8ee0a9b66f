//! Measurements of one picture in one codec: its points, and its best file of a given size.

use crate::cache::{Cache, PictureId};
use crate::codec::Codec;
use crate::metrics::Scores;
use crate::results::Point;
use crate::{Error, Result, Rgb};

/// A file is large enough if it has this share of the size that is allowed.
const NEAR: f64 = 0.98;

/// A picture, a codec, and the cache of earlier measurements.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The original.
    pub picture: &'a Rgb,
    /// Its id.
    pub id: PictureId,
    /// The codec.
    pub codec: &'a dyn Codec,
    /// The cache of earlier measurements.
    pub cache: &'a Cache,
}

impl Subject<'_> {
    /// Encodes and decodes the picture at a quality, and measures both.
    ///
    /// # Errors
    /// Returns [`Error::Codec`] if the codec fails or returns a picture of another size, and [`Error::File`] if the
    /// cache cannot be written.
    pub fn point(&self, quality: f64) -> Result<Point> {
        let key = self.cache.key(self.id, self.codec, quality);
        if let Some(point) = self.cache.point(&key) {
            return Ok(point);
        }
        let encoded = self.codec.encode(self.picture, quality)?;
        let decoded = self.codec.decode(&encoded.bytes)?;
        self.same_size(&decoded.picture)?;
        let bytes = encoded.bytes.len() as u64;
        let point = Point {
            quality,
            bytes,
            bpp: bytes as f64 * 8.0 / self.picture.pixels() as f64,
            scores: Scores::measure(self.picture, &decoded.picture),
            encode_seconds: encoded.seconds,
            decode_seconds: decoded.seconds,
            encode_memory: encoded.peak_memory,
            decode_memory: decoded.peak_memory,
        };
        self.cache.keep(&key, bytes, Some(point))?;
        Ok(point)
    }

    /// The point of a file of at most `limit` bytes: either of the highest quality that fits, or of a quality whose
    /// file is within 2 % of the limit. Returns `None` if even the lowest quality does not fit.
    ///
    /// `near` holds points of the same picture, which shorten the search.
    ///
    /// # Errors
    /// Returns [`Error::Codec`] if the codec fails, and [`Error::File`] if the cache cannot be written.
    pub fn at_most(&self, limit: u64, near: &[Point]) -> Result<Option<Point>> {
        let scale = self.codec.scale();
        let known = |step: u32| near.iter().find(|point| scale.nearest(point.quality) == step);
        let size = |step: u32| match known(step) {
            Some(point) => Ok(point.bytes),
            None => self.bytes(scale.at(step)),
        };
        let (mut low, mut high) = ((0, size(0)?), (scale.steps(), size(scale.steps())?));
        if low.1 > limit {
            return Ok(None);
        }
        if high.1 <= limit {
            return self.point(scale.at(high.0)).map(Some);
        }
        for point in near {
            let step = scale.nearest(point.quality);
            // Sizes may fluctuate from step to step, so only points between the ends narrow the range.
            if (low.0 + 1..high.0).contains(&step) {
                *(if point.bytes <= limit { &mut low } else { &mut high }) = (step, point.bytes);
            }
        }
        let mut halve = false;
        while low.0 + 1 < high.0 && (low.1 as f64) < NEAR * limit as f64 {
            // Between close points the logarithm of the size is nearly linear. If it is not, halving ends the search.
            let log = |bytes: u64| (bytes.max(1) as f64).ln();
            let share = (log(limit) + 0.5 * NEAR.ln() - log(low.1)) / (log(high.1) - log(low.1));
            let width = f64::from(high.0 - low.0);
            let step = low.0 + (width * if halve { 0.5 } else { share }) as u32;
            let step = step.clamp(low.0 + 1, high.0 - 1);
            let bytes = size(step)?;
            *(if bytes <= limit { &mut low } else { &mut high }) = (step, bytes);
            halve = f64::from(high.0 - low.0) > 0.5 * width;
        }
        self.point(scale.at(low.0)).map(Some)
    }

    /// The coded file at a quality, and the picture that it decodes to.
    ///
    /// # Errors
    /// Returns [`Error::Codec`] if the codec fails, and [`Error::File`] if the cache cannot be written.
    pub fn file(&self, quality: f64) -> Result<(Vec<u8>, Rgb)> {
        let key = self.cache.key(self.id, self.codec, quality);
        // A cached file that does not decode counts as missing.
        let kept = self.cache.file(&key).and_then(|bytes| Some((self.decoded(&bytes).ok()?, bytes)));
        if let Some((picture, bytes)) = kept {
            return Ok((bytes, picture));
        }
        let bytes = self.codec.encode(self.picture, quality)?.bytes;
        self.cache.keep_file(&key, &bytes)?;
        let picture = self.decoded(&bytes)?;
        Ok((bytes, picture))
    }

    fn decoded(&self, bytes: &[u8]) -> Result<Rgb> {
        let picture = self.codec.decode(bytes)?.picture;
        self.same_size(&picture)?;
        Ok(picture)
    }

    /// The size of the file at a quality.
    fn bytes(&self, quality: f64) -> Result<u64> {
        let key = self.cache.key(self.id, self.codec, quality);
        if let Some(bytes) = self.cache.bytes(&key) {
            return Ok(bytes);
        }
        let bytes = self.codec.encode(self.picture, quality)?.bytes.len() as u64;
        self.cache.keep(&key, bytes, None)?;
        Ok(bytes)
    }

    fn same_size(&self, decoded: &Rgb) -> Result<()> {
        let (expected, got) = ((self.picture.width, self.picture.height), (decoded.width, decoded.height));
        if expected == got {
            return Ok(());
        }
        let detail =
            format!("the decoded picture is {}x{}; expected {}x{}", got.0, got.1, expected.0, expected.1);
        Err(Error::codec(self.codec.id(), detail))
    }
}
