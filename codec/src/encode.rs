//! Encodes a picture, band by band: the analysis, the walk over every group, and a decode that measures the result. The
//! container comes last.

use crate::band::{Band, Grid};
use crate::container::{self, GROUP_LOG2, Groups, Header, NO_PIXEL_HASH, alpha, metadata, recorded_hash};
use crate::decode::{DecodeOptions, Decoder};
use crate::encoding::{Check, EncodeOptions, Encoded, Protection};
use crate::kernel::Isa;
use crate::latents::Latents;
use crate::limits::Limits;
use crate::measure::{self, Measured, Meter};
use crate::memory;
use crate::mode::Coding;
use crate::model::Model;
use crate::net::analysis::Analysis;
use crate::net::synthesis::Synthesis;
use crate::net::{Scratch, hyper};
use crate::picture::{Color, Picture, PictureInfo};
use crate::quality::Quality;
use crate::rate::{self, Candidate};
use crate::rect::Rect;
use crate::sample::Sample;
use crate::saturating::sum;
use crate::source::{ByteRows, Feed, InMemory, Samples};
use crate::strip::Split;
use crate::target::Target;
use crate::threads;
use crate::walk::write::{GroupEncoder, Substreams};
use crate::{Error, Result};
use std::sync::{Mutex, PoisonError};

fn packed_alpha(samples: Option<&[u8]>, head: &PictureInfo) -> Result<Option<Vec<u8>>> {
    samples.map(|samples| alpha::pack(samples, head.width, head.height)).transpose()
}

/// The chunk for the metadata of a picture, if it has any.
pub(crate) fn packed_metadata(head: &PictureInfo) -> Result<Option<Vec<u8>>> {
    (!head.metadata.is_empty()).then(|| metadata::pack(&head.metadata)).transpose()
}

/// Checks the size and the number of the groups of a picture.
///
/// # Errors
/// Returns [`Error::Invalid`] if the size is out of range, and [`Error::Limit`] if there are too many groups.
pub(crate) fn check_groups(head: &PictureInfo, options: &EncodeOptions) -> Result<()> {
    if !GROUP_LOG2.contains(&options.group_log2) {
        return Err(Error::Invalid {
            what: "group size",
            detail: format!("2^{}, expected 2^6 to 2^14", options.group_log2),
        });
    }
    let groups = Groups::of(head.width, head.height, options.group_log2);
    container::check_groups(&groups, &options.limits).map(|_| ())
}

/// Returns the latents of a picture as [`encode`](crate::encode) would code them at a quality. Change them and pass them to
/// [`encode_latents`].
///
/// # Errors
/// Returns the errors of [`encode`](crate::encode).
pub fn analyse(
    picture: &Picture,
    model: &Model,
    quality: Quality,
    options: &EncodeOptions,
) -> Result<Latents> {
    picture.check()?;
    PictureEncoder::new(&mut ByteRows(&mut InMemory::new(picture)), None, model, options)?
        .analyse(quality, options)
}

/// The latents `[height, width, M]` of a picture, without hyper-latents.
///
/// # Errors
/// Returns the errors of [`analyse`].
pub(crate) fn analyse_only(
    picture: &Picture,
    model: &Model,
    quality: Quality,
    options: &EncodeOptions,
) -> Result<Vec<i16>> {
    picture.check()?;
    let mut pixels = InMemory::new(picture);
    let mut source = ByteRows(&mut pixels);
    let mut encoder = PictureEncoder::new(&mut source, None, model, options)?;
    Ok(encoder.latents(quality, options, |_| ())?.y)
}

/// Encodes a picture with the given latents instead of those of [`analyse`], at the quality in [`EncodeOptions::target`].
/// Each latent is rounded to the nearest value that the stream can hold.
///
/// # Errors
/// Returns the errors of [`encode`](crate::encode), and [`Error::Invalid`] if the target is not a quality or if the latents do not belong
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
    let mut pixels = InMemory::new(picture);
    let mut source = ByteRows(&mut pixels);
    let mut encoder = PictureEncoder::new(&mut source, picture.alpha.as_deref(), model, options)?;
    latents.check(encoder.grid, &model.net.shapes)?;
    let attempt = encoder.attempt(quality, options.check, Some(latents))?;
    encoder.finish(attempt, true, options)
}

/// Encodes a picture with the model.
///
/// # Errors
/// Returns the errors of [`encode`](crate::encode) and those of the source.
pub(crate) fn learned<S: Sample>(
    source: &mut dyn Samples<S>,
    alpha: Option<&[u8]>,
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
struct PictureEncoder<'a, S> {
    source: &'a mut dyn Samples<S>,
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

impl<'a, S: Sample> PictureEncoder<'a, S> {
    fn new(
        source: &'a mut dyn Samples<S>,
        alpha: Option<&[u8]>,
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
        check_groups(&head, options)?;
        let layout = |threads: usize| {
            let split = Split::new(threads);
            let grid = Grid::new((head.height, head.width), options.group_log2, threads);
            (split, grid, memory::of_encode::<S>(&model.net.shapes, grid, &head, split))
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
            metadata: packed_metadata(&head)?,
            alpha: packed_alpha(alpha, &head)?,
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
            exact: None,
            maximum: 255,
        }
    }

    /// The rows of the source, from the first one on; at most `most` of them are held at a time.
    fn feed(&mut self, most: usize) -> Result<Feed<'_, S>> {
        if !std::mem::replace(&mut self.fresh, false) {
            self.source.rewind()?;
        }
        // The head that was checked: the source may return another one now.
        Ok(Feed::new(&mut *self.source, &self.head, most))
    }

    /// The latents of the analysis, before they are coded, and the hyper-latents.
    fn analyse(&mut self, quality: Quality, options: &EncodeOptions) -> Result<Latents> {
        let (net, isa, threads) = (&self.model.net, self.isa, self.split.threads);
        let z = Mutex::new(vec![Vec::new(); self.grid.groups()]);
        let mut latents = self.latents(quality, options, |band| {
            threads::for_each(threads, &band.groups, Scratch::default, |scratch, group| {
                let found = hyper::analyse(net, isa, &group.plane(), scratch).data;
                z.lock().unwrap_or_else(PoisonError::into_inner)[group.index] = found;
            });
        })?;
        latents.z = z.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(latents)
    }

    /// The latents of the analysis, before they are coded. Each band is passed to `each`.
    fn latents(
        &mut self,
        quality: Quality,
        options: &EncodeOptions,
        each: impl Fn(&Band),
    ) -> Result<Latents> {
        let (model, isa, split, grid) = (self.model, self.isa, self.split, self.grid);
        let (net, gains) = (&model.net, model.gains(quality));
        let needed = memory::of_encode::<S>(&net.shapes, grid, &self.head, split);
        options.limits.check_bytes(sum([needed, memory::of_latents(&net.shapes, grid)]))?;
        let mut analysis = Analysis::new::<S>(net, isa, &gains, (grid.height, grid.width), split);
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
            each(&band);
        }
        Ok(latents)
    }

    /// Encodes at a quality, with the latents of the picture or those that are given.
    fn attempt(&mut self, quality: Quality, check: Check, given: Option<&Latents>) -> Result<Attempt> {
        let (model, isa, split, grid) = (self.model, self.isa, self.split, self.grid);
        let (net, gains) = (&model.net, model.gains(quality));
        let shape = (grid.height, grid.width);
        let area = Rect::new(0, 0, self.head.height as usize, self.head.width as usize);
        let mut analysis = Analysis::new::<S>(net, isa, &gains, shape, split);
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
            let z = given.map(|latents| latents.z.as_slice()).filter(|z| !z.is_empty());
            coder.band(&band, z, &mut substreams);
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
        Ok(Encoded { bytes, quality, psnr, reached, broken, model_bits, coding: Coding::Learned })
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
        Decoder::paint(bytes, model, &decode, |painted: &[S]| {
            let rows = painted.len() / (feed.pixels.width * S::painted(feed.pixels.color));
            feed.read(meter.rows + rows)?;
            meter.take(&feed.pixels, painted);
            feed.forget(meter.rows);
            Ok(())
        })?;
        Ok(meter.finish())
    }
}

#[cfg(all(test, feature = "embedded"))]
mod tests;
