//! Encodes the groups of a picture one by one, so that several workers share a picture, and joins them to the stream that an
//! encode of the whole picture would give.

use aecodec::container::{self, ChunkKind, Header, NO_PIXEL_HASH, alpha, recorded_hash};
use aecodec::{Check, Color, Error, Latents, Mode, Model, Picture, Quality, Region, Result};

use crate::encode::options;
use crate::rgba::{self, Kind};

/// Pixels of a latent's side.
const SIDE: u32 = 16;

/// The number of pixels around a group that its latents depend on, a multiple of 16. The crop of a group contains so many
/// pixels on each side, or fewer at the edges of the picture.
pub fn margin(model: &Model) -> u32 {
    // A block of the analysis sees one patch of 8 x 8 pixels in each direction.
    (model.figures().ne as u32).div_ceil(2) * SIDE + SIDE
}

/// A group and the pixels around it.
#[derive(Debug, Clone, Copy)]
pub struct Crop<'a> {
    /// `[height, width, 4]`.
    pub rgba: &'a [u8],
    /// Width and height in pixels.
    pub size: (u32, u32),
    /// The group within the crop. Its corner is at multiples of 16, like that of the crop within the picture.
    pub group: Region,
}

/// Encodes a group, and returns it as a stream of its own.
///
/// # Errors
/// Returns [`Error::Invalid`] if the group is not inside the crop or is larger than one group, and the errors of
/// [`aecodec::encode`].
pub fn encode(
    crop: &Crop<'_>,
    color: Color,
    model: &Model,
    quality: Quality,
    group_log2: u8,
) -> Result<Vec<u8>> {
    let ((width, height), group) = (crop.size, crop.group);
    let inside = |from: u32, length: u32, all: u32| {
        from.is_multiple_of(SIDE) && length > 0 && from.checked_add(length).is_some_and(|end| end <= all)
    };
    let side = 1_u32.checked_shl(group_log2.into()).unwrap_or(0);
    let fits = inside(group.x, group.width, width) && inside(group.y, group.height, height);
    if !fits || group.width.max(group.height) > side {
        let detail = format!("{group:?} in a crop of {width}x{height}, with groups of {side} pixels");
        return Err(Error::Invalid { what: "group", detail });
    }
    let mut options = options(Mode::Learned, quality, group_log2);
    options.check = Check::None;
    let picture = rgba::picture(crop.rgba, width, height, Kind { color, alpha: false })?;
    let latents = cut(aecodec::analyse(&picture, model, quality, &options)?, group);
    // The latents are given, so the samples do not matter.
    let samples = vec![0; group.width as usize * group.height as usize * color.channels()];
    let picture = Picture::new(group.width, group.height, color, samples)?;
    aecodec::encode_latents(&picture, &latents, model, &options).map(|encoded| encoded.bytes)
}

/// The latents of a region whose corner is at multiples of 16 pixels.
fn cut(mut latents: Latents, region: Region) -> Latents {
    let [left, top] = [region.x, region.y].map(|place| (place / SIDE) as usize);
    let [width, height] = [region.width, region.height].map(|length| length.div_ceil(SIDE) as usize);
    let channels = latents.y.len() / (latents.height * latents.width);
    let row = |y: usize| &latents.y[(y * latents.width + left) * channels..][..width * channels];
    latents.y = (top..top + height).flat_map(row).copied().collect();
    (latents.height, latents.width, latents.z) = (height, width, Vec::new());
    latents
}

/// Joins the streams of all groups, in raster order, to one of a picture of `size`. `alpha` is `[height, width]`. The stream
/// records no hash; see [`record`].
///
/// # Errors
/// Returns [`Error::Invalid`] if the number or the size of the groups does not fit the picture, and the errors of
/// [`container::read`] and [`container::write`].
pub fn join(groups: &[&[u8]], (width, height): (u32, u32), alpha: Option<&[u8]>) -> Result<Vec<u8>> {
    let mut streams = Vec::with_capacity(groups.len());
    for bytes in groups {
        streams.push(container::read(bytes, &crate::limits())?);
    }
    let invalid = |detail: String| Error::Invalid { what: "groups", detail };
    let first = &streams.first().ok_or_else(|| invalid("none, expected at least one".into()))?.header;
    let whole = Header { width, height, pixel_hash: NO_PIXEL_HASH, ..first.clone() };
    let grid = whole.groups();
    if grid.count() != streams.len() as u64 {
        return Err(invalid(format!("{} of them, expected {}", streams.len(), grid.count())));
    }
    for (index, stream) in streams.iter().enumerate() {
        let rect = grid.rect(index as u32);
        let expected = Header {
            width: (width - rect.x * SIDE).min(rect.w * SIDE),
            height: (height - rect.y * SIDE).min(rect.h * SIDE),
            ..first.clone()
        };
        if stream.header != expected {
            return Err(invalid(format!("group {index} is {:?}, expected {expected:?}", stream.header)));
        }
    }
    let hyper = |group: u32| (ChunkKind::Hyper { group: 0 }, group);
    let passes = (0..container::PASSES).flat_map(|pass| {
        (0..grid.count() as u32).map(move |group| (ChunkKind::Pass { pass, group: 0 }, group))
    });
    let substream = |(kind, group): (ChunkKind, u32)| {
        let bytes = streams[group as usize].bytes(kind).map(<[u8]>::to_vec);
        bytes.ok_or_else(|| invalid(format!("group {group} lacks {kind:?}")))
    };
    let substreams = (0..grid.count() as u32).map(hyper).chain(passes).map(substream);
    let substreams = substreams.collect::<Result<Vec<_>>>()?;
    let packed = alpha.map(|alpha| alpha::pack(alpha, width, height)).transpose()?;
    container::write(&whole, None, packed.as_deref(), &substreams)
}

/// Records the hash of the decoded pixels `[height, width, 4]` in a stream without one.
///
/// # Errors
/// Returns the errors of [`container::read`] and [`container::write`], and [`Error::Invalid`] if a part of the stream is
/// damaged.
pub fn record(stream: &[u8], hash: [u8; 32]) -> Result<Vec<u8>> {
    let stream = container::read(stream, &crate::limits())?;
    let mut chunks = Vec::with_capacity(stream.chunks.len());
    let (mut metadata, mut alpha) = (None, None);
    for chunk in &stream.chunks {
        let bytes = stream.bytes(chunk.kind).ok_or_else(|| Error::Invalid {
            what: "stream",
            detail: format!("{:?} is damaged", chunk.kind),
        })?;
        match chunk.kind {
            ChunkKind::Metadata => metadata = Some(bytes),
            ChunkKind::Alpha => alpha = Some(bytes),
            _ => chunks.push(bytes.to_vec()),
        }
    }
    let header =
        Header { pixel_hash: recorded_hash(&blake3::Hash::from_bytes(hash)), ..stream.header.clone() };
    container::write(&header, metadata, alpha, &chunks)
}
