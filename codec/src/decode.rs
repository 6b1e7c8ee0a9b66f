//! Stream to picture: the container, the walk over every group, synthesis; and what to do about damage.

use crate::container::{self, Chunk, ChunkKind, ChunkState, NO_PIXEL_HASH, Stream, alpha, metadata};
use crate::entropy;
use crate::kernel::Path;
use crate::limits::Limits;
use crate::memory;
use crate::model::Model;
use crate::net::context::PASSES;
use crate::net::synthesis::{self, Cut};
use crate::net::{Plane, Scratch, hyper};
use crate::picture::{Color, Metadata, Picture};
use crate::quality::{Gains, Quality};
use crate::threads;
use crate::walk::{self, Coded, Symbols};
use crate::window::Window;
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

/// Choices of the decoder.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DecodeOptions {
    /// Passes to decode, 0 to 4: fewer give a preview. 4 unless told.
    pub passes: u8,
    /// The part of the picture to decode; all of it unless told.
    pub region: Option<Region>,
    /// Threads; 0 is one for each core. 1 unless told.
    pub threads: usize,
    /// Largest window of the synthesis in pixels (rows, columns); memory against speed, never pixels.
    pub window: (u32, u32),
    /// Bounds on what is accepted.
    pub limits: Limits,
}

impl Default for DecodeOptions {
    fn default() -> Self {
        Self { passes: 4, region: None, threads: 1, window: (1024, 2048), limits: Limits::default() }
    }
}

/// A decoded picture.
#[derive(Debug, Clone)]
pub struct Decoded {
    /// The picture, or the part of it that was asked for.
    pub picture: Picture,
    /// One line for each part that is lost; empty for an intact stream.
    pub missing: Vec<String>,
    /// BLAKE3 of the colour samples.
    pub pixel_hash: [u8; 32],
    /// Whether the samples are those that the encoder saw; `None` for a part, a preview, a damaged stream
    /// and one that records no hash.
    pub hash_matches: Option<bool>,
}

/// Decodes a stream. A damaged one gives the picture that it still holds and an account of what is missing.
///
/// # Errors
/// Where the header is damaged, the model is another one, a limit is passed, or the region lies outside.
pub fn decode(bytes: &[u8], model: &Model, options: &DecodeOptions) -> Result<Decoded> {
    let stream = container::read(bytes, &options.limits)?;
    let header = &stream.header;
    if header.model != model.short_id() {
        return Err(Error::UnknownModel { needed: hex(&header.model), loaded: hex(&model.short_id()) });
    }
    let area = area(&stream, options.region)?;
    let color = if header.gray { Color::Gray } else { Color::Rgb };
    let path = Path::chosen();
    let threads = threads::count(options.threads);
    let cut = Cut {
        threads,
        largest: (options.window.0.div_ceil(8).max(1) as usize, options.window.1.div_ceil(8).max(1) as usize),
    };
    let latents = (header.height.div_ceil(16) as usize, header.width.div_ceil(16) as usize);
    let side = (1 << header.group_log2) / 16;
    let needed = memory::of_decode(&model.net.shapes, latents, side, &area, color, header.alpha, cut);
    options.limits.check_bytes(needed)?;
    let quality = Quality::from_raw(header.quality).unwrap_or_default();
    let gains = model.gains(quality);

    let mut missing: Vec<String> = stream.chunks.iter().filter_map(account).collect();
    let decoder =
        Decoder { model, path, gains: &gains, quality, passes: usize::from(options.passes).min(PASSES) };
    let (y_hat, damaged) = decoder.latents(&stream, &area, threads);
    missing.extend(damaged);

    let samples = synthesis::synthesise(&model.net, path, &y_hat, &gains, area.clone(), color, cut);
    let hash = blake3::hash(&samples);

    let mut picture = Picture::new(area.width() as u32, area.height() as u32, color, samples)?;
    picture.orientation = header.orientation;
    picture.source_bits = if header.source_16bit { 16 } else { 8 };
    picture.alpha = read_alpha(&stream, &area, &mut missing);
    picture.metadata = read_metadata(&stream, &options.limits, &mut missing);
    let whole = options.region.is_none() && decoder.passes == PASSES && missing.is_empty();
    let recorded = header.pixel_hash != NO_PIXEL_HASH;
    let hash_matches = (whole && recorded).then(|| container::recorded_hash(&hash) == header.pixel_hash);
    Ok(Decoded { picture, missing, pixel_hash: *hash.as_bytes(), hash_matches })
}

fn area(stream: &Stream, region: Option<Region>) -> Result<Window> {
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
    Ok(Window::new(r.y as usize, r.x as usize, r.height as usize, r.width as usize))
}

/// Says what is wrong with a chunk, if anything.
fn account(chunk: &Chunk) -> Option<String> {
    match chunk.state {
        ChunkState::Present(_) => None,
        ChunkState::Cut { have } => {
            Some(format!("{}: cut short, {have} of {} bytes", chunk.kind, chunk.length))
        }
        ChunkState::Corrupt => Some(format!("{}: damaged, its checksum does not match", chunk.kind)),
    }
}

/// Alpha of the area; opaque where it is lost.
fn read_alpha(stream: &Stream, area: &Window, missing: &mut Vec<String>) -> Option<Vec<u8>> {
    let header = &stream.header;
    if !header.alpha {
        return None;
    }
    let bytes = stream.bytes(ChunkKind::Alpha);
    let whole = bytes
        .map(|b| alpha::unpack(b, header.width, header.height))
        .and_then(|a| a.map_err(|e| missing.push(e.to_string())).ok());
    let Some(whole) = whole else { return Some(vec![255; area.height() * area.width()]) };
    let width = header.width as usize;
    let rows = area.rows.clone().map(|y| &whole[y * width..][area.columns.clone()]);
    Some(rows.collect::<Vec<_>>().concat())
}

fn read_metadata(stream: &Stream, limits: &Limits, missing: &mut Vec<String>) -> Metadata {
    let bytes = stream.bytes(ChunkKind::Metadata);
    let unpacked = bytes.map_or(Ok(Metadata::default()), |b| metadata::unpack(b, limits));
    unpacked.unwrap_or_else(|e| {
        missing.push(e.to_string());
        Metadata::default()
    })
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// What the groups of one stream share.
struct Decoder<'a> {
    model: &'a Model,
    path: Path,
    gains: &'a Gains,
    quality: Quality,
    passes: usize,
}

impl Decoder<'_> {
    /// Decoded latents of every group that the area depends on; the others stay zero.
    fn latents(&self, stream: &Stream, area: &Window, threads: usize) -> (Plane, Vec<String>) {
        let header = &stream.header;
        let (height, width) = (header.height.div_ceil(16) as usize, header.width.div_ceil(16) as usize);
        let side = (1_usize << header.group_log2) / 16;
        let windows = Window::new(0, 0, height, width).cut((side, side));
        let support = synthesis::support(&self.model.net, area, height, width);
        let needed: Vec<usize> = (0..windows.len()).filter(|&g| windows[g].meets(&support)).collect();
        let substreams = &stream.chunks[stream.chunks.len() - windows.len() * (PASSES + 1)..];
        let shared = Mutex::new((Plane::new(height, width, self.model.net.shapes.m), Vec::new()));
        threads::for_each(threads, &needed, Scratch::default, |scratch, &g| {
            let window = &windows[g];
            let parts = (0..=PASSES).map(|part| &substreams[part * windows.len() + g]).collect();
            let mut reader = Reader { decoder: self, parts, intact: true, damaged: Vec::new() };
            let shape = (window.height(), window.width());
            let y_hat = walk::group(self.model, self.path, self.gains, shape, &mut reader, scratch);
            let mut shared = shared.lock().expect("no holder panics");
            shared.0.paste(window.rows.start, window.columns.start, &y_hat);
            shared.1.extend(reader.damaged.into_iter().map(|line| (g, line)));
        });
        let (y_hat, mut damaged): (Plane, Vec<(usize, String)>) =
            shared.into_inner().expect("no holder panics");
        damaged.sort_by_key(|&(group, _)| group);
        (y_hat, damaged.into_iter().map(|(_, line)| line).collect())
    }
}

/// The decoder's side of the walk. After the first lost substream of a group the later ones are of no
/// use: what they mean depends on the lost one.
struct Reader<'a> {
    decoder: &'a Decoder<'a>,
    parts: Vec<&'a Chunk<'a>>,
    intact: bool,
    damaged: Vec<String>,
}

impl Reader<'_> {
    fn take(&mut self, part: usize, book: &entropy::Book, contexts: &[u8]) -> Vec<i16> {
        let mut values = vec![0; contexts.len()];
        let chunk = self.parts[part];
        let ChunkState::Present(bytes) = chunk.state else {
            self.intact = false;
            return values;
        };
        if self.intact
            && part <= self.decoder.passes
            && let Err(error) = entropy::decode(book, bytes, contexts, &mut values)
        {
            self.damaged.push(format!("{}: {error}", chunk.kind));
            self.intact = false;
            values.fill(0);
        }
        values
    }
}

impl Symbols for Reader<'_> {
    fn hyper(&mut self, height: usize, width: usize) -> Plane {
        let mut z = Plane::new(height, width, self.decoder.model.net.shapes.z);
        let book = self.decoder.model.hyper_book(self.decoder.quality);
        z.data = self.take(0, book, &hyper::contexts(&z));
        if let Some(v) = z.data.iter().find(|v| i32::from(v.abs()) > hyper::Z_MAX) {
            self.damaged.push(format!(
                "{}: holds {v}, expected at most {}",
                self.parts[0].kind,
                hyper::Z_MAX
            ));
            self.intact = false;
            z.data.fill(0);
        }
        z
    }

    fn pass(&mut self, pass: usize, coded: &Coded, _: &Plane) -> Vec<i16> {
        self.take(pass + 1, &self.decoder.model.latents, &coded.levels)
    }
}
