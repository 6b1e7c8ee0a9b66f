//! Decodes a stream, band by band: the walk over every group, then synthesis. A damaged part is reported, and the rest is
//! decoded.

mod deep;
mod latents;
mod reduced;

pub use deep::decode_deep;
pub use latents::{DecodedLatents, decode_latents};
pub use reduced::{ReducedSize, decode_reduced};

use crate::band::{Band, Grid};
use crate::blank;
use crate::conceal::{Above, Concealment};
use crate::container::{self, ChunkKind, Header, NO_PIXEL_HASH, Stream, alpha, metadata};
use crate::damage::Damage;
use crate::deep::rounded;
use crate::empty::{self, Empty};
use crate::exact;
use crate::kernel::Isa;
use crate::limits::Limits;
use crate::load::Load;
use crate::memory;
use crate::model::Model;
use crate::net::context::PASSES;
use crate::net::synthesis::Synthesis;
use crate::picture::{Color, Metadata, Picture, PictureInfo};
use crate::quality::{Gains, Quality};
use crate::rect::Rect;
use crate::sample::Sample;
use crate::saturating::{product, sum};
use crate::strip::Split;
use crate::threads;
use crate::walk::read::GroupDecoder;
use crate::{Error, Result};
use std::sync::Mutex;

/// A rectangle of pixels, in stored orientation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// Left column.
    pub x: u32,
    /// Top row.
    pub y: u32,
    /// Columns, at least 1.
    pub width: u32,
    /// Rows, at least 1.
    pub height: u32,
}

/// Options of the decoder.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DecodeOptions {
    /// Number of passes to decode, 0 to 4; fewer than 4 give a preview. The default is 4, and larger values count as 4.
    pub passes: u8,
    /// The part of the picture to decode. The default is the whole picture.
    pub region: Option<Region>,
    /// Number of threads; 0 means one for each core. The default is 1. Fewer threads work if this many would need more memory
    /// than [`Limits::bytes`].
    pub threads: usize,
    /// Size of a piece of work of the synthesis in pixels: the most rows that are painted before they are handed out, and the
    /// most columns that one thread paints. Smaller values take less memory and more time; the pixels are the same.
    pub window: (u32, u32),
    /// What is shown in place of lost groups. It changes nothing in an intact picture.
    pub concealment: Concealment,
    /// Limits on the picture and on memory.
    pub limits: Limits,
}

impl Default for DecodeOptions {
    fn default() -> Self {
        Self {
            passes: 4,
            region: None,
            threads: 1,
            window: (1024, 2048),
            concealment: Concealment::default(),
            limits: Limits::default(),
        }
    }
}

/// A decoded picture.
#[derive(Debug, Clone)]
pub struct Decoded {
    /// The picture, or the part of it that was asked for.
    pub picture: Picture,
    /// The parts that are lost; empty for an intact stream.
    pub damage: Vec<Damage>,
    /// BLAKE3 of the colour samples in 8 bits; if an exact stream has more, of all of them, in two bytes each.
    pub pixel_hash: [u8; 32],
    /// Whether the samples are those that the encoder measured; `None` for a region, a preview, a damaged stream and a
    /// stream that records no hash.
    pub hash_matches: Option<bool>,
}

impl Decoded {
    /// Splits the picture from the rest of the result.
    pub fn into_parts(self) -> (Picture, Outcome) {
        let Self { picture, damage, pixel_hash, hash_matches } = self;
        (picture, Outcome { damage, pixel_hash, hash_matches })
    }
}

/// Decodes a stream. If it is damaged, the result is the picture that it still holds, with a list of what is lost.
///
/// # Errors
/// Returns [`Error::UnknownModel`] if the stream needs another model, [`Error::Limit`] if it is above a limit,
/// [`Error::Invalid`] if the region is not inside the picture, and the errors of [`container::read`] if the header is
/// damaged.
pub fn decode(bytes: &[u8], model: &Model, options: &DecodeOptions) -> Result<Decoded> {
    Decoder::open(bytes, Some(model), options, Keep::Picture)?.decoded()
}

/// Decodes an exact stream, which needs no model.
///
/// # Errors
/// Returns the errors of [`decode`]: [`Error::UnknownModel`] if the stream is not exact.
pub fn decode_exact(bytes: &[u8], options: &DecodeOptions) -> Result<Decoded> {
    Decoder::open(bytes, None, options, Keep::Picture)?.decoded()
}

/// The result of a decode, without the picture.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Outcome {
    /// The parts that are lost; empty for an intact stream.
    pub damage: Vec<Damage>,
    /// See [`Decoded::pixel_hash`].
    pub pixel_hash: [u8; 32],
    /// See [`Decoded::hash_matches`].
    pub hash_matches: Option<bool>,
}

/// What a decode keeps in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keep {
    Rows,
    Picture,
    /// The same two, at 16 bits per sample.
    DeepRows,
    Deep,
    /// A smaller picture, which its caller counts.
    Reduced,
}

impl Keep {
    /// Bytes of a pixel that the synthesis paints.
    fn painted(self, color: Color) -> usize {
        match self {
            Self::Rows | Self::Picture | Self::Reduced => u8::pixel_bytes(color),
            Self::DeepRows | Self::Deep => u16::pixel_bytes(color),
        }
    }
}

/// The work of a decode.
#[derive(Debug)]
enum Work<'a> {
    Learned(Plan<'a>),
    Exact(exact::Plan),
}

/// How the work of a decode with a model is divided.
#[derive(Debug)]
struct Plan<'a> {
    model: &'a Model,
    grid: Grid,
    split: Split,
    /// The groups that hold nothing, if there are enough of them to be worth a shortcut.
    empty: Option<Empty>,
    /// Bytes of memory, without what the caller keeps.
    needed: u64,
    /// Bits of each position, if they are wanted.
    bits: Option<Mutex<Vec<f32>>>,
}

impl Work<'_> {
    /// Bytes of memory, without what the caller keeps.
    fn needed(&self) -> u64 {
        match self {
            Self::Learned(plan) => plan.needed,
            Self::Exact(plan) => plan.needed,
        }
    }
}

impl<'a> Plan<'a> {
    fn new(
        stream: &Stream,
        model: &'a Model,
        area: &Rect,
        options: &DecodeOptions,
        (pixel, kept): (usize, u64),
    ) -> Self {
        let header = &stream.header;
        let alpha = if header.alpha { memory::of_alpha(header.width, header.height) } else { 0 };
        let empty = empty::groups(stream, model, &options.limits);
        let plan = |threads: usize| {
            let patches = |pixels: u32| pixels.div_ceil(8).max(1) as usize;
            let split = Split { threads, largest: (patches(options.window.0), patches(options.window.1)) };
            let (shapes, size) = (&model.net.shapes, (header.height, header.width));
            let grid = Grid::new(size, header.group_log2, threads);
            let empty = Empty::new(shapes, grid, area, empty.clone());
            let load = empty.as_ref().map_or(Load::full(grid), |empty| empty.load(shapes, area, split));
            let decode = memory::of_decode(shapes, &load, area, pixel, split);
            Self { model, grid, split, empty, needed: sum([decode, alpha, kept]), bits: None }
        };
        let threads = threads::count(options.threads);
        plan(threads::fitting(threads, |n| plan(n).needed, options.limits.memory()))
    }

    /// The same work, with groups that hold nothing decoded like the others, and with the bits of each position.
    fn with_all_groups(&self) -> Self {
        let Self { model, grid, split, needed, .. } = *self;
        let bits = Some(Mutex::new(vec![0.0; grid.height * grid.width]));
        Self { model, grid, split, empty: None, needed, bits }
    }
}

/// A decoder that hands out rows as soon as they are ready. It holds about a thousand rows in memory, at about four bytes
/// per pixel. See [`crate::encode_rows`] for an example.
#[derive(Debug)]
pub struct Decoder<'a> {
    stream: Stream<'a>,
    head: PictureInfo,
    area: Rect,
    work: Work<'a>,
    passes: usize,
    whole: bool,
    concealment: Concealment,
    /// What is wrong with the metadata.
    lost: Option<Damage>,
}

impl<'a> Decoder<'a> {
    /// Opens a stream.
    ///
    /// # Errors
    /// Returns the errors of [`decode`].
    pub fn new(bytes: &'a [u8], model: &'a Model, options: &DecodeOptions) -> Result<Self> {
        Self::open(bytes, Some(model), options, Keep::Rows)
    }

    fn open(bytes: &'a [u8], model: Option<&'a Model>, options: &DecodeOptions, keep: Keep) -> Result<Self> {
        let stream = container::read(bytes, &options.limits)?;
        let header = &stream.header;
        let model = model_of(header, model)?;
        Limits::check_sides(header.width, header.height)?;
        options.limits.check_bytes(header.width.into())?;
        let area = area(&stream, options.region)?;
        let color = if header.gray { Color::Gray } else { Color::Rgb };
        let samples = product([area.height(), area.width(), color.channels()]);
        let kept = match keep {
            Keep::Rows | Keep::DeepRows | Keep::Reduced => 0,
            Keep::Picture => samples,
            Keep::Deep => samples.saturating_mul(2),
        };
        let work = match model {
            Some(model) => {
                let pixel = keep.painted(color);
                Work::Learned(Plan::new(&stream, model, &area, options, (pixel, kept)))
            }
            None => {
                let error = header.exact.unwrap_or_default();
                let bytes = if header.maximum > 255 { 3 } else { 1 };
                let alpha = if header.alpha { product([area.height(), area.width(), bytes]) } else { 0 };
                Work::Exact(exact::Plan::new(&stream, error, &area, options, sum([kept, alpha])))
            }
        };
        options.limits.check_bytes(work.needed())?;

        let (metadata, lost) = read_metadata(&stream, &options.limits);
        let head = PictureInfo {
            orientation: header.orientation,
            metadata,
            source_bits: if header.source_16bit { 16 } else { 8 },
            ..PictureInfo::new(area.width() as u32, area.height() as u32, color)
        };
        let passes = usize::from(options.passes).min(PASSES);
        let whole = options.region.is_none() && (passes == PASSES || header.exact.is_some());
        let concealment = options.concealment;
        Ok(Self { stream, head, area, work, passes, whole, concealment, lost })
    }

    /// Describes the picture that is decoded, without its samples. If a region was asked for, its size is that of the region.
    pub fn head(&self) -> &PictureInfo {
        &self.head
    }

    /// Whether groups that hold nothing are copied from one that was synthesised.
    #[cfg(test)]
    pub(crate) fn copies_empty_groups(&self) -> bool {
        matches!(&self.work, Work::Learned(plan) if plan.empty.is_some())
    }

    /// Decodes groups that hold nothing like the others.
    #[cfg(test)]
    pub(crate) fn decode_empty_groups(&mut self) {
        if let Work::Learned(plan) = &mut self.work {
            plan.empty = None;
        }
    }

    /// Whether the picture has alpha. Rows do not carry it; use [`decode`] to get it.
    pub fn has_alpha(&self) -> bool {
        self.stream.header.alpha
    }

    /// Decodes the picture. `sink` is called with rows of samples `[.., width, channels]`, some at a time, from top to
    /// bottom. The samples of parts that [`Outcome::damage`] lists are not those of the picture.
    ///
    /// # Errors
    /// Returns the errors of the sink.
    pub fn run(self, sink: impl FnMut(&[u8]) -> Result<()>) -> Result<Outcome> {
        self.finish(sink).map(|(outcome, _)| outcome)
    }

    /// Decodes the picture into memory.
    fn decoded(self) -> Result<Decoded> {
        let PictureInfo { width, height, color, orientation, metadata, source_bits } = self.head.clone();
        // The samples have been checked against the limits, so their number fits a `usize`.
        let mut samples = Vec::with_capacity(self.head.samples() as usize);
        let (outcome, alpha) = self.finish(|rows| {
            samples.extend_from_slice(rows);
            Ok(())
        })?;
        let picture = Picture {
            orientation,
            alpha,
            metadata,
            source_bits,
            ..Picture::new(width, height, color, samples)?
        };
        let Outcome { damage, pixel_hash, hash_matches } = outcome;
        Ok(Decoded { picture, damage, pixel_hash, hash_matches })
    }

    /// Passes the rows to `sink`, then reads alpha.
    fn finish(self, mut sink: impl FnMut(&[u8]) -> Result<()>) -> Result<(Outcome, Option<Vec<u8>>)> {
        match &self.work {
            Work::Learned(plan) => self.painted(plan, sink),
            Work::Exact(plan) if plan.maximum > 255 => {
                let eight = |samples: &[u16]| -> Vec<u8> {
                    samples.iter().map(|&sample| rounded(sample, plan.maximum)).collect()
                };
                let (outcome, alpha) = self.deep(|rows| sink(&eight(rows)))?;
                Ok((outcome, alpha.map(|alpha| eight(&alpha))))
            }
            Work::Exact(plan) => self.outcome(|damage, hasher| {
                plan.run(&self.stream, &self.area, damage, |rows| {
                    hasher.update(rows);
                    sink(rows)
                })
            }),
        }
    }

    /// Does the work, which collects damage and hashes the samples, and draws the conclusion.
    fn outcome<A>(
        &self,
        work: impl FnOnce(&mut Vec<Damage>, &mut blake3::Hasher) -> Result<A>,
    ) -> Result<(Outcome, A)> {
        let mut damage: Vec<Damage> = self.stream.chunks.iter().filter_map(Damage::of).collect();
        let mut hasher = blake3::Hasher::new();
        let alpha = work(&mut damage, &mut hasher)?;
        let hash = hasher.finalize();
        damage.extend(self.lost.clone());
        let recorded = self.stream.header.pixel_hash;
        let whole = self.whole && damage.is_empty() && recorded != NO_PIXEL_HASH;
        let hash_matches = whole.then(|| container::recorded_hash(&hash) == recorded);
        Ok((Outcome { damage, pixel_hash: *hash.as_bytes(), hash_matches }, alpha))
    }

    /// Decodes the groups with the model, and passes what is painted to `sink`.
    fn synthesise<S: Sample>(
        &self,
        plan: &Plan,
        damage: &mut Vec<Damage>,
        mut sink: impl FnMut(&[S]) -> Result<()>,
    ) -> Result<()> {
        let Self { head, area, .. } = self;
        let Plan { model, grid, split, empty, .. } = plan;
        let (isa, gains) = (Isa::chosen(), model.gains(self.quality()));
        let shape = (grid.height, grid.width);
        let blank = empty
            .as_ref()
            .map(|empty| blank::synthesise(empty, model, isa, &gains, head.color, *split))
            .transpose()?;
        let blank = blank.as_ref();
        let mut synthesis =
            Synthesis::new(&model.net, isa, &gains, shape, area.clone(), head.color, *split, blank);
        let support = synthesis.support();
        self.walk(plan, isa, &gains, &support, damage, |band| synthesis.push(band, &mut sink))
    }

    fn quality(&self) -> Quality {
        Quality::from_raw(self.stream.header.quality).unwrap_or_default()
    }

    /// Decodes the latents of `support`, and passes each band to `each`.
    fn walk(
        &self,
        plan: &Plan,
        isa: Isa,
        gains: &Gains,
        support: &Rect,
        damage: &mut Vec<Damage>,
        mut each: impl FnMut(&Band) -> Result<()>,
    ) -> Result<()> {
        let Self { stream, passes, .. } = self;
        let (model, quality, empty) = (plan.model, self.quality(), plan.empty.as_ref());
        let decoder = GroupDecoder {
            stream,
            model,
            isa,
            gains,
            quality,
            passes: *passes,
            empty,
            bits: plan.bits.as_ref(),
        };
        let mut above = Above::default();
        for band in plan.grid.bands(support.rows.clone()) {
            let holds = |group: usize| empty.is_none_or(|empty| !empty.is_empty(group));
            band.fill_those(support, model.net.shapes.m, holds);
            let damaged = decoder.band(&band, support, plan.split.threads);
            damage.extend(damaged.substreams);
            // Groups that hold nothing and are copied have no latents to continue.
            if self.concealment == Concealment::Neighbours && empty.is_none() {
                above.conceal(&band, &damaged.lost);
            }
            each(&band)?;
        }
        Ok(())
    }
}

/// The model of a learned stream, or `None` for an exact one.
fn model_of<'a>(header: &Header, model: Option<&'a Model>) -> Result<Option<&'a Model>> {
    if header.exact.is_some() {
        return Ok(None);
    }
    let fitting = model.filter(|model| model.short_id() == header.model);
    fitting.map(Some).ok_or_else(|| {
        let loaded = model.map_or("none".into(), |model| hex(&model.short_id()));
        Error::UnknownModel { needed: hex(&header.model), loaded }
    })
}

fn area(stream: &Stream, region: Option<Region>) -> Result<Rect> {
    let (width, height) = (stream.header.width, stream.header.height);
    let r = region.unwrap_or(Region { x: 0, y: 0, width, height });
    let fits =
        |from: u32, count: u32, all: u32| count > 0 && from.checked_add(count).is_some_and(|end| end <= all);
    if !fits(r.x, r.width, width) || !fits(r.y, r.height, height) {
        let detail = format!(
            "{}x{} at {},{} does not lie inside the picture of {width}x{height}",
            r.width, r.height, r.x, r.y
        );
        return Err(Error::Invalid { what: "region", detail });
    }
    Ok(Rect::new(r.y as usize, r.x as usize, r.height as usize, r.width as usize))
}

/// The alpha of the area; opaque if it is lost.
fn read_alpha(stream: &Stream, area: &Rect, damage: &mut Vec<Damage>) -> Option<Vec<u8>> {
    let header = &stream.header;
    if !header.alpha {
        return None;
    }
    let bytes = stream.bytes(ChunkKind::Alpha);
    let whole = bytes
        .map(|b| alpha::unpack(b, header.width, header.height))
        .and_then(|a| a.map_err(|e| damage.push(Damage::undecodable(ChunkKind::Alpha, e))).ok());
    let Some(whole) = whole else { return Some(vec![255; area.height() * area.width()]) };
    let width = header.width as usize;
    let rows = area.rows.clone().map(|y| &whole[y * width..][area.columns.clone()]);
    Some(rows.collect::<Vec<_>>().concat())
}

/// The metadata, or an empty one and what is wrong with it.
fn read_metadata(stream: &Stream, limits: &Limits) -> (Metadata, Option<Damage>) {
    let bytes = stream.bytes(ChunkKind::Metadata);
    match bytes.map_or(Ok(Metadata::default()), |b| metadata::unpack(b, limits)) {
        Ok(metadata) => (metadata, None),
        Err(error) => (Metadata::default(), Some(Damage::undecodable(ChunkKind::Metadata, error))),
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
