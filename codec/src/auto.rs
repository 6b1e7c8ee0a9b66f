//! Encodes a picture with the model, or exactly, or in the way that suits it.

use crate::container::{self, GROUP_LOG2};
use crate::deep::DeepPicture;
use crate::encode::{check_groups, learned, packed_metadata};
use crate::encoding::{EncodeOptions, Encoded, Protection};
use crate::exact::{self, Exact, Job, Survey};
use crate::limits::Limits;
use crate::mode::{Coding, Mode};
use crate::picture::{Picture, PictureInfo};
use crate::source::{ByteRows, InMemory, Source};
use crate::target::Target;
use crate::{Error, Model, Quality, Result, rate};

/// A picture is a graphic if this share of its pixels equals a neighbour; photographs have a tenth of that.
const GRAPHIC: f64 = 0.4;
/// Groups of photographs are not made smaller than this side, a power of two.
const PHOTOGRAPH_LOG2: u8 = 9;
/// A picture of which more short runs of pixels repeat an earlier one is no photograph.
const REPEATED: f64 = 0.3;
/// A graphic stays exact at a quality as long as this is at most so many times as large as the learned stream, because the
/// model blurs edges and text. A graphic of at most `SMALL` bits per pixel is exact in any case.
const WORTH: f64 = 4.0;
const SMALL: f64 = 0.5;
/// A learned stream of more than this share of the samples may be larger than the exact one.
const LARGE: f64 = 0.2;
/// Rows of a survey that are read at once.
const ROWS: usize = 16;

/// Encodes a picture.
///
/// # Errors
/// Returns [`Error::Limit`] if the picture is above the limits, and [`Error::Invalid`] if an option is out of range or if
/// the buffers of the picture do not fit its size.
pub fn encode(picture: &Picture, model: &Model, options: &EncodeOptions) -> Result<Encoded> {
    picture.check()?;
    run(&mut InMemory::new(picture), picture.alpha.as_deref(), model, options)
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
    run(source, None, model, options)
}

/// Encodes a picture of more than 8 bits per sample. A learned stream is encoded from all of its bits, and
/// [`decode_deep`](crate::decode_deep) returns it in 16 bits; its alpha has 8.
///
/// ```
/// use aecodec::{Color, DecodeOptions, DeepPicture, EncodeOptions, Mode, Model, Profile};
///
/// let ramp = (0..4096).collect();
/// let picture = DeepPicture::new(64, 64, Color::Gray, 4095, ramp)?;
/// let model = Model::embedded(Profile::Fast)?;
/// let mut options = EncodeOptions::default();
/// options.mode = Mode::Exact { error: 0 };
/// let encoded = aecodec::encode_deep(&picture, &model, &options)?;
///
/// let (decoded, _) = aecodec::decode_deep(&encoded.bytes, &model, &DecodeOptions::default())?;
/// assert_eq!(decoded, picture);
/// # Ok::<(), aecodec::Error>(())
/// ```
///
/// # Errors
/// Returns [`Error::Limit`] if the picture is above the limits, and [`Error::Invalid`] if an option is out of range or if the
/// buffers of the picture do not fit its size.
pub fn encode_deep(picture: &DeepPicture, model: &Model, options: &EncodeOptions) -> Result<Encoded> {
    picture.check()?;
    let mut deep = Deep { picture, alpha: picture.rounded_alpha() };
    match options.mode {
        Mode::Learned => deep.learned(model, options),
        Mode::Exact { error } => {
            check(&deep.head(), options)?;
            deep.exact(error, &in_small_groups(options, &deep.head()))
        }
        Mode::Auto => chosen(&mut deep, model, options),
    }
}

/// Encodes a picture in the mode of the options. `alpha` is `[height, width]`.
fn run(
    source: &mut dyn Source,
    alpha: Option<&[u8]>,
    model: &Model,
    options: &EncodeOptions,
) -> Result<Encoded> {
    let mut bytes = Bytes { source, alpha, fresh: true };
    match options.mode {
        Mode::Learned => bytes.learned(model, options),
        Mode::Exact { .. } if bytes.head().source_bits > 8 => Err(Error::Invalid {
            what: "picture",
            detail: format!(
                "its samples were rounded from {} bits to 8; encode it from all of its bits with encode_deep, or use the learned mode",
                bytes.head().source_bits
            ),
        }),
        Mode::Exact { error } => {
            let head = bytes.head();
            check(&head, options)?;
            let survey = bytes.survey()?;
            bytes.exact(error, &grouped(options, &head, &survey))
        }
        Mode::Auto => chosen(&mut bytes, model, options),
    }
}

/// A picture that can be encoded in both ways.
trait Choice {
    fn head(&self) -> PictureInfo;
    /// Counts what tells graphics from photographs.
    fn survey(&mut self) -> Result<Survey>;
    /// Encodes it with the model.
    fn learned(&mut self, model: &Model, options: &EncodeOptions) -> Result<Encoded>;
    /// Encodes it without the model.
    fn exact(&mut self, error: u16, options: &EncodeOptions) -> Result<Encoded>;
}

/// A picture of 8 bits.
struct Bytes<'a, 'b> {
    source: &'a mut (dyn Source + 'b),
    /// `[height, width]`.
    alpha: Option<&'a [u8]>,
    /// Whether the source is at its first row.
    fresh: bool,
}

impl Bytes<'_, '_> {
    fn start(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.fresh, false) { Ok(()) } else { self.source.rewind() }
    }
}

impl Choice for Bytes<'_, '_> {
    fn head(&self) -> PictureInfo {
        self.source.head().clone()
    }

    fn survey(&mut self) -> Result<Survey> {
        self.start()?;
        let head = self.head();
        let (stride, height) = (head.stride(), head.height as usize);
        let (mut survey, mut rows) = (Survey::default(), vec![0; ROWS.min(height) * stride]);
        for top in (0..height).step_by(ROWS) {
            let rows = &mut rows[..ROWS.min(height - top) * stride];
            self.source.read(rows)?;
            survey.take(rows, stride, head.color.channels());
        }
        Ok(survey)
    }

    fn learned(&mut self, model: &Model, options: &EncodeOptions) -> Result<Encoded> {
        self.start()?;
        learned(&mut ByteRows(self.source), self.alpha, model, options)
    }

    fn exact(&mut self, error: u16, options: &EncodeOptions) -> Result<Encoded> {
        self.start()?;
        let head = self.head();
        check(&head, options)?;
        check_groups(&head, options)?;
        let metadata = packed_metadata(&head)?;
        let error = error.min(255);
        let job = Job { head: &head, alpha: self.alpha, metadata: metadata.as_deref(), error };
        finished(job.encode(self.source, options)?, &head, error, options)
    }
}

/// A picture of more bits.
struct Deep<'a> {
    picture: &'a DeepPicture,
    /// Alpha in 8 bits.
    alpha: Option<Vec<u8>>,
}

impl Choice for Deep<'_> {
    fn head(&self) -> PictureInfo {
        self.picture.head()
    }

    fn survey(&mut self) -> Result<Survey> {
        // Pixels are equal if all of their bytes are.
        let (stride, channels) = (self.head().stride(), self.picture.color.channels());
        let mut survey = Survey::default();
        for row in self.picture.samples.chunks_exact(stride) {
            let row: Vec<u8> = row.iter().flat_map(|sample| sample.to_le_bytes()).collect();
            survey.take(&row, 2 * stride, 2 * channels);
        }
        Ok(survey)
    }

    fn learned(&mut self, model: &Model, options: &EncodeOptions) -> Result<Encoded> {
        learned(&mut InMemory::deep(self.picture), self.alpha.as_deref(), model, options)
    }

    fn exact(&mut self, error: u16, options: &EncodeOptions) -> Result<Encoded> {
        let (head, error) = (self.head(), error.min(self.picture.maximum));
        check(&head, options)?;
        check_groups(&head, options)?;
        let metadata = packed_metadata(&head)?;
        finished(
            exact::encode_deep(self.picture, metadata.as_deref(), error, options)?,
            &head,
            error,
            options,
        )
    }
}

fn chosen(picture: &mut dyn Choice, model: &Model, options: &EncodeOptions) -> Result<Encoded> {
    let head = picture.head();
    check(&head, options)?;
    let survey = picture.survey()?;
    let graphic = survey.equal() >= GRAPHIC;
    let exact_options = grouped(options, &head, &survey);
    let mut found = None;
    if graphic {
        let exact = picture.exact(0, &exact_options)?;
        if matches!(options.target, Target::Quality(_)) && bits(&exact, &head) <= SMALL {
            return Ok(exact);
        }
        found = Some(exact);
    }
    let coded = picture.learned(model, options)?;
    let exact = match found {
        Some(exact) => exact,
        None if coded.bytes.len() as f64 > LARGE * head.samples() as f64 => {
            picture.exact(0, &exact_options)?
        }
        None => return Ok(coded),
    };
    let most = match rate::ceiling(options.target, head.pixels()) {
        Some(ceiling) => ceiling as f64,
        None if graphic && matches!(options.target, Target::Quality(_)) => WORTH * coded.bytes.len() as f64,
        None => coded.bytes.len() as f64,
    };
    Ok(if exact.bytes.len() as f64 <= most { exact } else { coded })
}

fn check(head: &PictureInfo, options: &EncodeOptions) -> Result<()> {
    head.check()?;
    Limits::check_sides(head.width, head.height)?;
    options.limits.check_bytes((ROWS as u64).saturating_mul(head.stride() as u64))?;
    options.limits.check_pixels(head.width, head.height)?;
    options.limits.check_metadata(&head.metadata)
}

/// The options for an exact stream: photographs are coded in groups of half the side, so that two threads share a picture of
/// the usual size. Graphics need what came before.
fn grouped(options: &EncodeOptions, head: &PictureInfo, survey: &Survey) -> EncodeOptions {
    let photograph = survey.equal() < GRAPHIC && survey.repeated() < REPEATED;
    if photograph { in_small_groups(options, head) } else { options.clone() }
}

fn in_small_groups(options: &EncodeOptions, head: &PictureInfo) -> EncodeOptions {
    let mut options = options.clone();
    let half = options.group_log2.saturating_sub(1);
    if half >= PHOTOGRAPH_LOG2 && GROUP_LOG2.contains(&half) && head.width.max(head.height) > 1 << half {
        options.group_log2 = half;
    }
    options
}

fn bits(encoded: &Encoded, head: &PictureInfo) -> f64 {
    8.0 * encoded.bytes.len() as f64 / head.pixels() as f64
}

/// Protects an exact stream if this is asked for, and compares it with the target.
fn finished(mut exact: Exact, head: &PictureInfo, error: u16, options: &EncodeOptions) -> Result<Encoded> {
    if options.protection == Protection::Backup {
        exact.bytes = container::protect(exact.bytes)?;
    }
    let reached = match rate::ceiling(options.target, head.pixels()) {
        Some(ceiling) => exact.bytes.len() as u64 <= ceiling,
        None => true,
    };
    Ok(Encoded {
        model_bits: 8.0 * exact.bytes.len() as f64,
        bytes: exact.bytes,
        quality: Quality::MAX,
        psnr: exact.psnr,
        reached,
        broken: 0.0,
        coding: Coding::Exact { error },
    })
}
