//! Files of several pictures: pages of TIFF, and frames of animated PNG, WebP and GIF.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::Cursor;

use image::codecs::{gif::GifDecoder, png::PngDecoder, webp::WebPDecoder};
use image::{AnimationDecoder, ImageDecoder, ImageFormat, RgbaImage};

use super::directory::Directory;
use super::sniff::sniff;
use super::unpacked::{check, failed};
use super::{PngEffort, png};
use crate::{Color, Error, Limits, Metadata, Picture, Result};

/// A tag of TIFF whose lowest bits mark a smaller copy of another page, and a mask.
const KIND_OF_PAGE: u16 = 254;
const SMALLER: u64 = 1;
const MASK: u64 = 4;
/// The most pages of a file.
const PAGES: usize = 1 << 16;

/// The number of pictures in a file: the pages of a TIFF without their smaller copies, the frames of an animated PNG, WebP or
/// GIF, and 1 for other files.
///
/// # Errors
/// Returns [`Error::Invalid`] if this is not a picture that can be read.
pub fn count(bytes: &[u8]) -> Result<u32> {
    let count = match sniff(bytes)? {
        ImageFormat::Tiff => pages(bytes).len(),
        ImageFormat::Png => return Ok(png_frames(bytes).max(1)),
        ImageFormat::WebP => webp_frames(bytes),
        ImageFormat::Gif => gif_frames(bytes),
        _ => 1,
    };
    Ok(u32::try_from(count).unwrap_or(u32::MAX).max(1))
}

/// A file that holds only picture `number` of a file, counted from 1. A page of a TIFF keeps its samples and metadata. A frame
/// becomes a PNG of 8 bits per sample that shows it as a viewer does, on top of the frames before it.
///
/// # Errors
/// Returns [`Error::Invalid`] if there is no such picture, and the errors of [`super::read`].
pub fn pick<'a>(bytes: &'a [u8], number: u32, limits: &Limits) -> Result<Cow<'a, [u8]>> {
    let all = count(bytes)?;
    if !(1..=all).contains(&number) {
        let detail = format!("picture {number} was asked for, but the file holds {all}");
        return Err(Error::Invalid { what: "picture", detail });
    }
    let reader = Cursor::new(bytes);
    match sniff(bytes)? {
        _ if all == 1 => Ok(Cow::Borrowed(bytes)),
        ImageFormat::Tiff => Ok(Cow::Owned(page(bytes, pages(bytes)[number as usize - 1]))),
        ImageFormat::Png => {
            let decoder = PngDecoder::new(reader).and_then(PngDecoder::apng).map_err(failed)?;
            let metadata = png::walk(Cursor::new(bytes), limits.metadata)?.metadata;
            frame(decoder, number, size_of_png(bytes), metadata, limits)
        }
        ImageFormat::WebP => {
            let mut decoder = WebPDecoder::new(reader).map_err(failed)?;
            let (size, metadata) = (decoder.dimensions(), metadata(&mut decoder)?);
            check(size.0, size.1, u64::from(size.0) * u64::from(size.1) * 12, limits)?;
            if let Some(pixels) = opaque_webp_frame(bytes, number, size) {
                return written(&pixels, metadata);
            }
            frame(decoder, number, size, metadata, limits)
        }
        _ => {
            let decoder = GifDecoder::new(reader).map_err(failed)?;
            let size = decoder.dimensions();
            frame(decoder, number, size, Metadata::default(), limits)
        }
    }
}

fn metadata(decoder: &mut impl ImageDecoder) -> Result<Metadata> {
    Ok(Metadata {
        icc: decoder.icc_profile().map_err(failed)?,
        exif: decoder.exif_metadata().map_err(failed)?,
        xmp: decoder.xmp_metadata().unwrap_or_default(),
        cicp: None,
    })
}

/// Decodes a frame, and writes it as a PNG.
fn frame<'a>(
    decoder: impl AnimationDecoder<'a>,
    number: u32,
    (width, height): (u32, u32),
    metadata: Metadata,
    limits: &Limits,
) -> Result<Cow<'a, [u8]>> {
    // The canvas, the frame, and the picture.
    check(width, height, u64::from(width) * u64::from(height) * 12, limits)?;
    let found = decoder.into_frames().nth(number as usize - 1).transpose().map_err(failed)?;
    let Some(found) = found else {
        let detail = format!("it ends before picture {number}");
        return Err(Error::Invalid { what: "animation", detail });
    };
    written(&found.into_buffer(), metadata)
}

/// A frame as a PNG.
fn written<'a>(pixels: &RgbaImage, metadata: Metadata) -> Result<Cow<'a, [u8]>> {
    let (width, height) = pixels.dimensions();
    let pixels = pixels.as_chunks::<4>().0;
    let samples = pixels.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect();
    let alpha = pixels.iter().map(|&[.., alpha]| alpha);
    let mut picture = Picture::new(width, height, Color::Rgb, samples)?;
    picture.alpha = alpha.clone().any(|alpha| alpha < 255).then(|| alpha.collect());
    picture.metadata = metadata;
    png::write(&picture, PngEffort::Fast).map(Cow::Owned)
}

/// The number of frames that a PNG announces; 0 if it is not animated.
fn png_frames(bytes: &[u8]) -> u32 {
    let mut rest = bytes.get(8..).unwrap_or_default();
    while let Some((&[a, b, c, d, kind @ ..], data)) = rest.split_first_chunk::<8>() {
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        match &kind {
            b"acTL" => return data.first_chunk().map_or(0, |count| u32::from_be_bytes(*count)),
            b"IDAT" => return 0,
            _ => {}
        }
        rest = length.checked_add(4).and_then(|next| data.get(next..)).unwrap_or_default();
    }
    0
}

fn size_of_png(bytes: &[u8]) -> (u32, u32) {
    let number =
        |at: usize| bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |n| u32::from_be_bytes(*n));
    (number(16), number(20))
}

fn webp_frames(bytes: &[u8]) -> usize {
    frames_of_webp(bytes).count()
}

/// The data of the frames of a WebP, which may be cut.
fn frames_of_webp(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes.get(12..).unwrap_or_default();
    let chunks = std::iter::from_fn(move || {
        let (&[kind @ .., a, b, c, d], data) = rest.split_first_chunk::<8>()?;
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        rest = length.checked_next_multiple_of(2).and_then(|next| data.get(next..)).unwrap_or_default();
        Some((kind, &data[..length.min(data.len())]))
    });
    chunks.filter(|(kind, _)| kind == b"ANMF").map(|(_, data)| data)
}

/// The pixels of a frame of a WebP that hides those before it. The decoder of animations blends opaque pixels too, and rounds
/// them.
fn opaque_webp_frame(bytes: &[u8], number: u32, size: (u32, u32)) -> Option<RgbaImage> {
    /// Bytes before the picture: its place, size, duration and flags.
    const HEAD: usize = 16;
    let (head, data) = frames_of_webp(bytes).nth(number as usize - 1)?.split_at_checked(HEAD)?;
    let length = u32::try_from(4 + data.len()).ok()?;
    let still = [b"RIFF", &length.to_le_bytes()[..], b"WEBP", data].concat();
    let decoder = WebPDecoder::new(Cursor::new(still)).ok()?;
    if head[..6] != [0; 6] || decoder.dimensions() != size {
        return None;
    }
    let pixels = image::DynamicImage::from_decoder(decoder).ok()?.into_rgba8();
    pixels.pixels().all(|pixel| pixel.0[3] == 255).then_some(pixels)
}

/// The frames of a GIF: its image descriptors, each followed by blocks of data.
fn gif_frames(bytes: &[u8]) -> usize {
    let colors = |flags: u8| if flags & 128 != 0 { 6 << (flags & 7) } else { 0 };
    let flags = bytes.get(10).copied().unwrap_or(0);
    let (mut at, mut count) = (13 + colors(flags), 0);
    loop {
        match bytes.get(at) {
            Some(0x2C) => {
                count += 1;
                // The descriptor, its colours, and the size of the first code.
                at += 11 + colors(bytes.get(at + 9).copied().unwrap_or(0));
            }
            Some(0x21) => at += 2,
            _ => return count,
        }
        while let Some(&length @ 1..) = bytes.get(at) {
            at += 1 + usize::from(length);
        }
        at += 1;
    }
}

/// The positions of the directories of the pages. Smaller copies and masks are no pages, unless there is nothing else.
pub(super) fn pages(bytes: &[u8]) -> Vec<u64> {
    let (mut all, mut own) = (BTreeSet::new(), Vec::new());
    let mut next = Directory::start(bytes);
    while let Some(start) = next.filter(|&start| start > 0 && all.len() < PAGES && all.insert(start)) {
        let Some(directory) = Directory::at(bytes, start) else { break };
        let kind = directory.number(KIND_OF_PAGE).unwrap_or(0);
        if kind & (SMALLER | MASK) == 0 {
            own.push(start);
        }
        next = Some(directory.next);
    }
    if own.is_empty() { all.into_iter().take(1).collect() } else { own }
}

/// The same file with this page as its only one.
pub(super) fn page(bytes: &[u8], start: u64) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for (place, value) in Directory::links(bytes, start) {
        if let Some(field) = out.get_mut(place..place + value.len()) {
            field.copy_from_slice(&value);
        }
    }
    out
}
