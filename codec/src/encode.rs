//! Encodes a picture, band by band: the analysis, the walk over every group, and a decode that measures the result. The
//! container comes last.

use crate::band::Grid;
use crate::container::{self, GROUP_LOG2, Groups, Header, NO_PIXEL_HASH, alpha, metadata, recorded_hash};
use crate::decode::{DecodeOptions, Decoder};
use crate::kernel::Isa;
use crate::latents::Latents;
use crate::limits::Limits;
use crate::measure::{self, Measured, Meter};
use crate::memory;
use crate::model::Model;
use crate::net::analysis::Analysis;
use crate::net::synthesis::Synthesis;
use crate::net::{Scratch, hyper};
use crate::picture::{Color, Picture, PictureInfo};
use crate::quality::Quality;
use crate::rate::{self, Candidate};
use crate::rect::Rect;
use crate::saturating::sum;
use crate::source::{Feed, InMemory, Source};
use crate::strip::Split;
use crate::target::Target;
use crate::threads;
use crate::walk::write::{GroupEncoder, Substreams};
use crate::{Error, Result};
use std::sync::{Mutex, PoisonError};

/// Whether the encoder decodes its own stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Check {
    /// Decodes the stream, measures its PSNR and records the hash of its pixels. This takes about half of the time of an
    /// encode.
    #[default]
    Exact,
    /// Skips this decode, for live pictures that nobody verifies. [`Encoded::psnr`] is then `None` and the stream
    /// records no hash, so a decoder reports `hash_matches: None`. [`Target::Psnr`] measures nevertheless.
    None,
}

/// Whether a stream can be mended after damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Protection {
    /// Damage of the header or the table costs the whole picture, and damage of hyper-latents costs their group.
    #[default]
    None,
    /// A second copy of header, table and hyper-latents is at the end of the stream. It makes the stream about 4 % longer.
    /// Together with groups of 256 pixels (`group_log2` of 8), no hole of 1000 bytes costs more than a few groups.
    Backup,
}

/// Options of the encoder.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EncodeOptions {
    /// What to aim at. The default is quality 50.
    pub target: Target,
    /// Binary logarithm of a group's side in pixels, 6 to 14. Smaller groups decode more in parallel and
    /// lose less if a stream is damaged, but each group costs about 40 bytes and some context. The default is 10.
    pub group_log2: u8,
    /// Number of threads; 0 means one for each core. The default is 1. Fewer threads work if this many would need more memory
    /// than [`Limits::bytes`].
    pub threads: usize,
    /// Whether to decode the result once for its PSNR and hash. The default is [`Check::Exact`].
    pub check: Check,
    /// Whether the stream can be mended after damage. The default is [`Protection::None`].
    pub protection: Protection,
    /// Limits on the picture and on memory.
    pub limits: Limits,
}

impl Default for EncodeOptions {
    fn default() -> Self {
        Self {
            target: Target::Quality(Quality::default()),
            group_log2: 10,
            threads: 1,
            check: Check::Exact,
            protection: Protection::None,
            limits: Limits::default(),
        }
    }
}

/// An encoded picture.
#[derive(Debug, Clone)]
pub struct Encoded {
    /// The `.aec` stream.
    pub bytes: Vec<u8>,
    /// The quality that was chosen.
    pub quality: Quality,
    /// PSNR of the decoded colour samples in dB, as every decoder will get them. It is `None` if they are exact, and if it
    /// was not measured ([`Check::None`]).
    pub psnr: Option<f64>,
    /// False if the target is out of reach; this is then the nearest result. A rate is an upper bound: any file below it
    /// reaches it.
    pub reached: bool,
    /// Share of the picture, 0 to 1, in which the decoded pixels are far worse than the quality promises: worse than if each
    /// block of 16 x 16 pixels had one colour. It is 0 for photographs and noise at any quality; colours that the
    /// model was not trained on may be broken. It is also 0 if it was not measured ([`Check::None`]).
    pub broken: f64,
    /// Number of bits that all substreams need according to the model's probabilities. Compare it with the size of the
    /// stream to judge the entropy coder.
    pub model_bits: f64,
}

impl Encoded {
    /// Whether so much of the picture is [broken](Self::broken) that the user should be told.
    pub fn is_broken(&self) -> bool {
        self.broken > measure::UNSEEN
    }
}

/// Encodes a picture.
///
/// # Errors
/// Returns [`Error::Limit`] if the picture is above the limits, and [`Error::Invalid`] if an option is out of range or if
/// the buffers of the picture do not fit its size.
pub fn encode(picture: &Picture, model: &Model, options: &EncodeOptions) -> Result<Encoded> {
    picture.check()?;
    run(&mut InMemory::new(picture), || packed_alpha(picture), model, options)
}

fn packed_alpha(picture: &Picture) -> Result<Option<Vec<u8>>> {
    picture.alpha.as_ref().map(|a| alpha::pack(a, picture.width, picture.height)).transpose()
}

/// Encodes a picture that is read row by row. It holds about a thousand rows in memory, at about six bytes per pixel, and
/// the stream.
///
/// ```
/// use aecodec::{Color, EncodeOptions, PictureInfo, Model, Profile, Result, Source};
///
/// /// A vertical gradient.
/// struct Gradient(PictureInfo, u8);
///
/// impl Source for Gradient {
///     fn head(&self) -> &PictureInfo {
///         &self.0
///     }
///     fn read(&mut self, rows: &mut [u8]) -> Result<()> {
///         for row in rows.chunks_exact_mut(self.0.stride()) {
///             row.fill(self.1);
///             self.1 = self.1.wrapping_add(2);
///         }
///         Ok(())
///     }
///     fn rewind(&mut self) -> Result<()> {
///         self.1 = 0;
///         Ok(())
///     }
/// }
///
/// let model = Model::embedded(Profile::Fast)?;
/// let mut gradient = Gradient(PictureInfo::new(300, 100, Color::Gray), 0);
/// let encoded = aecodec::encode_rows(&mut gradient, &model, &EncodeOptions::default())?;
///
/// let decoder = aecodec::Decoder::new(&encoded.bytes, &model, &Default::default())?;
/// let mut rows = 0;
/// let outcome = decoder.run(|samples| {
///     rows += samples.len() / 300;
///     Ok(())
/// })?;
/// assert_eq!((rows, outcome.hash_matches), (100, Some(true)));
/// # Ok::<(), aecodec::Error>(())
/// ```
///
/// # Errors
/// Returns the errors of [`encode`] and those of the source.
pub fn encode_rows(source: &mut dyn Source, model: &Model, options: &EncodeOptions) -> Result<Encoded> {
    run(source, || Ok(None), model, options)
}

/// Returns the latents of a picture as [`encode`] would code them at a quality. Change them and pass them to
/// [`encode_latents`].
///
/// # Errors
/// Returns the errors of [`encode`].
pub fn analyse(
    picture: &Picture,
    model: &Model,
    quality: Quality,
    options: &EncodeOptions,
) -> Result<Latents> {
    picture.check()?;
    PictureEncoder::new(&mut InMemory::new(picture), || Ok(None), model, options)?.analyse(quality, options)
}

/// Encodes a picture with the given latents instead of those of [`analyse`], at the quality in [`EncodeOptions::target`].
/// Each latent is rounded to the nearest value that the stream can hold.
///
/// # Errors
/// Returns the errors of [`encode`], and [`Error::Invalid`] if the target is not a quality or if the latents do not belong
/// to a picture of this size.
pub fn encode_latents(
    picture: &Picture,
    latents: &Latents,
    model: &Model,
    options: &EncodeOptions,
) -> Result<Encoded> {
    picture.check()?;
    let Target::Quality(quality) = options.target else {
        let detail = format!("{:?}, expected a quality for given latents", options.target);
        return Err(Error::Invalid { what: "target", detail });
    };
    let mut source = InMemory::new(picture);
    let mut encoder = PictureEncoder::new(&mut source, || packed_alpha(picture), model, options)?;
    latents.check(encoder.grid, &model.net.shapes)?;
    let attempt = encoder.attempt(quality, options.check, Some(latents))?;
    encoder.finish(attempt, true, options)
}

fn run(
    source: &mut dyn Source,
    alpha: impl FnOnce() -> Result<Option<Vec<u8>>>,
    model: &Model,
    options: &EncodeOptions,
) -> Result<Encoded> {
    let mut encoder = PictureEncoder::new(source, alpha, model, options)?;
    // A search for a number of bytes needs no decoded pixels.
    let measure = match options.target {
        Target::Psnr(_) => Check::Exact,
        Target::Quality(_) => options.check,
        Target::BitsPerPixel(_) | Target::Bytes(_) => Check::None,
    };
    let pixels = encoder.head.pixels();
    let (attempt, reached) =
        rate::search(options.target, pixels, |quality| encoder.attempt(quality, measure, None))?;
    let encoded = encoder.finish(attempt, reached, options)?;
    match rate::ceiling(options.target, pixels) {
        Some(bytes) if encoded.is_broken() => encoder.mended(encoded, bytes, options),
        _ => Ok(encoded),
    }
}

/// What all attempts have in common.
struct PictureEncoder<'a> {
    source: &'a mut dyn Source,
    /// Whether the source is at its first row.
    fresh: bool,
    head: PictureInfo,
    model: &'a Model,
    isa: Isa,
    split: Split,
    grid: Grid,
    group_log2: u8,
    protection: Protection,
    metadata: Option<Vec<u8>>,
    alpha: Option<Vec<u8>>,
}

/// One encode at one quality.
struct Attempt {
    quality: Quality,
    /// Bytes of the file.
    bytes: u64,
    substreams: Vec<Vec<u8>>,
    model_bits: f64,
    measured: Option<Measured>,
}

impl Candidate for Attempt {
    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn psnr(&self) -> f64 {
        self.measured.as_ref().map_or(f64::NAN, |measured| measured.psnr.unwrap_or(f64::INFINITY))
    }

    fn is_broken(&self) -> bool {
        self.measured.as_ref().is_some_and(|measured| measured.broken > measure::UNSEEN)
    }
}

impl<'a> PictureEncoder<'a> {
    fn new(
        source: &'a mut dyn Source,
        alpha: impl FnOnce() -> Result<Option<Vec<u8>>>,
        model: &'a Model,
        options: &EncodeOptions,
    ) -> Result<Self> {
        let head = source.head().clone();
        head.check()?;
        Limits::check_sides(head.width, head.height)?;
        // At least one row has to fit, before the picture is divided into strips.
        options.limits.check_bytes(head.width.into())?;
        options.limits.check_pixels(head.width, head.height)?;
        options.limits.check_metadata(&head.metadata)?;
        if !GROUP_LOG2.contains(&options.group_log2) {
            return Err(Error::Invalid {
                what: "group size",
                detail: format!("2^{}, expected 2^6 to 2^14", options.group_log2),
            });
        }
        let groups = Groups::of(head.width, head.height, options.group_log2);
        container::check_groups(&groups, &options.limits)?;
        let layout = |threads: usize| {
            let split = Split::new(threads);
            let grid = Grid::new((head.height, head.width), options.group_log2, threads);
            (split, grid, memory::of_encode(&model.net.shapes, grid, &head, split))
        };
        let threads = threads::count(options.threads);
        let (split, grid, needed) =
            layout(threads::fitting(threads, |n| layout(n).2, options.limits.memory()));
        options.limits.check_bytes(needed)?;
        Ok(Self {
            source,
            fresh: true,
            model,
            isa: Isa::chosen(),
            split,
            grid,
            group_log2: options.group_log2,
            protection: options.protection,
            metadata: (!head.metadata.is_empty()).then(|| metadata::pack(&head.metadata)).transpose()?,
            alpha: alpha()?,
            head,
        })
    }

    fn header(&self, quality: Quality, pixel_hash: [u8; 4]) -> Header {
        Header {
            gray: self.head.color == Color::Gray,
            alpha: self.alpha.is_some(),
            metadata: self.metadata.is_some(),
            source_16bit: self.head.source_bits == 16,
            orientation: self.head.orientation,
            profile: self.model.profile().raw(),
            width: self.head.width,
            height: self.head.height,
            quality: quality.raw(),
            group_log2: self.group_log2,
            model: self.model.short_id(),
            pixel_hash,
        }
    }

    /// The rows of the source, from the first one on; at most `most` of them are held at a time.
    fn feed(&mut self, most: usize) -> Result<Feed<'_>> {
        if !std::mem::replace(&mut self.fresh, false) {
            self.source.rewind()?;
        }
        // The head that was checked: the source may return another one now.
        Ok(Feed::new(&mut *self.source, &self.head, most))
    }

    /// The latents of the analysis, before they are coded.
    fn analyse(&mut self, quality: Quality, options: &EncodeOptions) -> Result<Latents> {
        let (model, isa, split, grid) = (self.model, self.isa, self.split, self.grid);
        let (net, gains) = (&model.net, model.gains(quality));
        let needed = memory::of_encode(&net.shapes, grid, &self.head, split);
        options.limits.check_bytes(sum([needed, memory::of_latents(&net.shapes, grid)]))?;
        let mut analysis = Analysis::new(net, isa, &gains, (grid.height, grid.width), split);
        let mut latents = Latents::new(grid, &net.shapes);
        let mut feed = self.feed(0)?;
        for band in grid.bands(0..grid.height) {
            band.fill(&Rect::new(0, 0, grid.height, grid.width), net.shapes.m);
            analysis.begin(&band);
            let end = analysis.needs(band.rows.end);
            feed.read(8 * end)?;
            analysis.push(&feed.pixels, end, &band);
            feed.forget(8 * end);
            latents.take(&band);
            let z = Mutex::new(&mut latents.z);
            threads::for_each(split.threads, &band.groups, Scratch::default, |scratch, group| {
                let found = hyper::analyse(net, isa, &group.plane(), scratch).data;
                z.lock().unwrap_or_else(PoisonError::into_inner)[group.index] = found;
            });
        }
        Ok(latents)
    }

    /// Encodes at a quality, with the latents of the picture or those that are given.
    fn attempt(&mut self, quality: Quality, check: Check, given: Option<&Latents>) -> Result<Attempt> {
        let (model, isa, split, grid) = (self.model, self.isa, self.split, self.grid);
        let (net, gains) = (&model.net, model.gains(quality));
        let shape = (grid.height, grid.width);
        let area = Rect::new(0, 0, self.head.height as usize, self.head.width as usize);
        let mut analysis = Analysis::new(net, isa, &gains, shape, split);
        let mut check = (check == Check::Exact).then(|| {
            (Synthesis::new(net, isa, &gains, shape, area, self.head.color, split, None), Meter::new())
        });
        let rows_at_once = memory::rows_at_once(&self.head, split).div_ceil(8);
        let most = memory::rows_held(&net.shapes, grid, &self.head);
        let coder = GroupEncoder { model, isa, quality, gains: &gains, threads: split.threads };
        let mut substreams = Substreams::new(grid.groups());
        let mut feed = self.feed(most)?;
        let whole = Rect::new(0, 0, grid.height, grid.width);
        for band in grid.bands(0..grid.height) {
            band.fill(&whole, net.shapes.m);
            analysis.begin(&band);
            let end = if given.is_some() { 0 } else { analysis.needs(band.rows.end) };
            while analysis.fed() < end {
                let next = (analysis.fed() + rows_at_once).min(end);
                feed.read(8 * next)?;
                analysis.push(&feed.pixels, next, &band);
                if check.is_none() {
                    feed.forget(8 * next);
                }
            }
            if let Some(latents) = given {
                latents.put(&band);
            }
            coder.band(&band, given.map(|latents| latents.z.as_slice()), &mut substreams);
            if let Some((synthesis, meter)) = &mut check {
                feed.read(16 * band.rows.end)?;
                synthesis.push(&band, |samples| {
                    meter.take(&feed.pixels, samples);
                    Ok(())
                })?;
                feed.forget(meter.rows);
            }
        }
        drop(feed);
        let Substreams { chunks, bits } = substreams;
        let mut bytes = container::length(self.metadata.as_deref(), self.alpha.as_deref(), &chunks);
        if self.protection == Protection::Backup {
            let held = [&self.metadata, &self.alpha].into_iter().flatten().chain(&chunks);
            let head = bytes - held.map(|chunk| chunk.len() as u64).sum::<u64>();
            bytes += container::backup_length(head, &chunks[..grid.groups()]);
        }
        let measured = check.map(|(_, meter)| meter.finish());
        Ok(Attempt { quality, bytes, substreams: chunks, model_bits: bits.iter().sum(), measured })
    }

    fn finish(&mut self, attempt: Attempt, reached: bool, options: &EncodeOptions) -> Result<Encoded> {
        let Attempt { quality, substreams, model_bits, mut measured, .. } = attempt;
        let pixel_hash = measured.as_ref().map_or(NO_PIXEL_HASH, |m| recorded_hash(&m.hash));
        let header = self.header(quality, pixel_hash);
        let mut bytes =
            container::write_all(&header, self.metadata.as_deref(), self.alpha.as_deref(), substreams)?;
        if measured.is_none() && options.check == Check::Exact {
            let found = self.measure(&bytes, options)?;
            container::record(&mut bytes, recorded_hash(&found.hash))?;
            measured = Some(found);
        }
        if self.protection == Protection::Backup {
            bytes = container::protect(bytes)?;
        }
        let (psnr, broken) = measured.map_or((None, 0.0), |m| (m.psnr, m.broken));
        Ok(Encoded { bytes, quality, psnr, reached, broken, model_bits })
    }

    /// Returns the best of an encode that is broken in parts and of encodes at some lower qualities: if the model fails on
    /// a picture, a lower quality may give a better picture.
    fn mended(&mut self, encoded: Encoded, bytes: u64, options: &EncodeOptions) -> Result<Encoded> {
        let mut best: Option<Attempt> = None;
        for quality in rate::below(encoded.quality) {
            let attempt = self.attempt(quality, Check::Exact, None)?;
            let psnr = best.as_ref().map_or(encoded.psnr.unwrap_or(f64::INFINITY), Attempt::psnr);
            if attempt.psnr() > psnr && attempt.bytes <= bytes {
                best = Some(attempt);
            }
        }
        best.map_or(Ok(encoded), |attempt| self.finish(attempt, true, options))
    }

    /// Decodes and measures a stream that was encoded without a check.
    fn measure(&mut self, bytes: &[u8], options: &EncodeOptions) -> Result<Measured> {
        let (model, mut meter) = (self.model, Meter::new());
        let mut decode = DecodeOptions::default();
        (decode.threads, decode.limits) = (options.threads, options.limits);
        let mut feed = self.feed(0)?;
        Decoder::new(bytes, model, &decode)?.run(|samples| {
            let rows = samples.len() / (feed.pixels.width * feed.pixels.color.channels());
            feed.read(meter.rows + rows)?;
            meter.take(&feed.pixels, samples);
            feed.forget(meter.rows);
            Ok(())
        })?;
        Ok(meter.finish())
    }
}

#[cfg(all(test, feature = "embedded"))]
mod tests;
