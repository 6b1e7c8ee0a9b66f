//! The pictures inside the page, coded for browsers and limited in their total size.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::codec::webp_for_page;
use crate::{Error, Result, Rgb};

/// The limit on all pictures together, in bytes. base64 adds a third, which makes a page of 14 MB.
const BUDGET: usize = 10_500_000;
/// Of pictures with more pixels, only a part is shown.
const WHOLE: u64 = 1 << 20;
/// The longest side that WebP supports.
const LONGEST: usize = 16_383;
/// The longest side of a part.
const PART: usize = 960;
/// WebP qualities for pictures whose coded files browsers cannot show. The first one that fits is used. Even at the
/// last one, artefacts of the codecs can be distinguished from those of WebP.
const QUALITIES: [u8; 4] = [93, 90, 86, 82];
/// How much lower the quality of the original is, as it has no artefacts that must be preserved.
pub(super) const ORIGINAL: u8 = 3;

/// A picture for the comparison in the page.
pub struct ReportPicture {
    /// The index of the codec, or `None` for the original.
    pub codec: Option<usize>,
    /// The decoded pixels.
    pub picture: Rgb,
    /// The media type and the coded bytes, if browsers can show them.
    pub native: Option<(String, Vec<u8>)>,
}

/// The pictures that fit into the page.
#[derive(Debug, Default)]
pub(super) struct Gallery {
    /// The pictures, worst first.
    pub exhibits: Vec<Exhibit>,
    /// The lowest WebP quality that was used, or `None` if no picture is shown.
    pub quality: Option<u8>,
}

/// One picture, and what several codecs make of it.
#[derive(Debug)]
pub(super) struct Exhibit {
    /// The index of the picture.
    pub picture: usize,
    /// The number of columns shown.
    pub width: usize,
    /// The number of rows shown.
    pub height: usize,
    /// The upper left corner, if only a part is shown.
    pub part: Option<(usize, usize)>,
    /// The versions, with the original first.
    pub images: Vec<PageImage>,
}

/// A picture in a form that browsers can show.
#[derive(Debug)]
pub(super) struct PageImage {
    /// The index of the codec, or `None` for the original.
    pub codec: Option<usize>,
    /// Whether these are the codec's own bytes.
    pub own: bool,
    /// A data URI for the `src` attribute.
    pub uri: String,
}

impl Gallery {
    /// Adds pictures in this order until the limit is reached.
    pub fn hang(order: &[usize], shown: &dyn Fn(usize) -> Result<Vec<ReportPicture>>) -> Result<Self> {
        let mut gallery = Self::default();
        let mut room = BUDGET;
        for (i, &picture) in order.iter().enumerate() {
            let versions = shown(picture)?;
            let Some(original) = versions.iter().find(|version| version.codec.is_none()) else {
                continue;
            };
            let view = ShownPart::of(original, &versions);
            // The worst pictures come first and are larger, so each may use twice an even share.
            let share = room / (order.len() - i) * 2;
            let mut fitting = None;
            for quality in QUALITIES {
                let images = view.images(&versions, quality)?;
                let size: usize = images.iter().map(|image| image.bytes.len()).sum();
                if size <= room && (size <= share || quality == QUALITIES[QUALITIES.len() - 1]) {
                    fitting = Some((quality, images, size));
                    break;
                }
            }
            let Some((quality, images, size)) = fitting else { break };
            room -= size;
            gallery.quality = Some(gallery.quality.map_or(quality, |lowest| lowest.min(quality)));
            gallery.exhibits.push(Exhibit {
                picture,
                width: view.width,
                height: view.height,
                part: view.part,
                images: images.into_iter().map(CodedImage::into_image).collect(),
            });
        }
        Ok(gallery)
    }
}

/// The part of a picture that is shown.
struct ShownPart {
    width: usize,
    height: usize,
    part: Option<(usize, usize)>,
}

struct CodedImage {
    codec: Option<usize>,
    own: bool,
    kind: String,
    bytes: Vec<u8>,
}

impl ShownPart {
    fn of(original: &ReportPicture, versions: &[ReportPicture]) -> Self {
        let whole = &original.picture;
        if whole.pixels() <= WHOLE && whole.width.max(whole.height) <= LONGEST {
            return Self { width: whole.width, height: whole.height, part: None };
        }
        let (width, height) = (whole.width.min(PART), whole.height.min(PART * 3 / 4));
        let corner = match versions.iter().find(|version| version.codec == Some(0)) {
            Some(ours) => worst_part(whole, &ours.picture, width, height),
            None => ((whole.width - width) / 2, (whole.height - height) / 2),
        };
        Self { width, height, part: Some(corner) }
    }

    fn images(&self, versions: &[ReportPicture], quality: u8) -> Result<Vec<CodedImage>> {
        let code = |version: &ReportPicture| -> Result<CodedImage> {
            let codec = version.codec;
            match (&version.native, self.part) {
                (Some((kind, bytes)), None) => {
                    Ok(CodedImage { codec, own: true, kind: kind.clone(), bytes: bytes.clone() })
                }
                (_, part) => {
                    let quality = if codec.is_none() { quality - ORIGINAL } else { quality };
                    let picture = &version.picture;
                    if picture.width < self.width || picture.height < self.height {
                        return Err(Error::Report(
                            "a decoded picture is smaller than its original".to_owned(),
                        ));
                    }
                    let bytes = match part {
                        Some((x, y)) => {
                            webp_for_page(&picture.crop(x, y, self.width, self.height), f32::from(quality))?
                        }
                        None => webp_for_page(picture, f32::from(quality))?,
                    };
                    Ok(CodedImage { codec, own: false, kind: "image/webp".to_owned(), bytes })
                }
            }
        };
        let mut images = versions.iter().map(code).collect::<Result<Vec<CodedImage>>>()?;
        images.sort_by_key(|image| image.codec);
        Ok(images)
    }
}

impl CodedImage {
    fn into_image(self) -> PageImage {
        let mut uri = format!("data:{};base64,", self.kind);
        STANDARD.encode_string(&self.bytes, &mut uri);
        PageImage { codec: self.codec, own: self.own, uri }
    }
}

/// The upper left corner of the part with the largest squared error, among parts of this size whose corners are
/// multiples of 32 pixels.
fn worst_part(original: &Rgb, decoded: &Rgb, width: usize, height: usize) -> (usize, usize) {
    const CELL: usize = 32;
    let (columns, rows) = (original.width.div_ceil(CELL), original.height.div_ceil(CELL));
    if decoded.samples.len() != original.samples.len() {
        return (0, 0);
    }
    // sums[row][column] is the error of all cells above and to the left.
    let stride = columns + 1;
    let mut cells = vec![0u64; columns * rows];
    let lines = original.samples.chunks_exact(original.width * 3);
    for (y, (a, b)) in lines.zip(decoded.samples.chunks_exact(original.width * 3)).enumerate() {
        let row = &mut cells[y / CELL * columns..][..columns];
        for (x, (a, b)) in a.chunks(CELL * 3).zip(b.chunks(CELL * 3)).enumerate() {
            row[x] += a.iter().zip(b).map(|(&a, &b)| u64::from(a.abs_diff(b)).pow(2)).sum::<u64>();
        }
    }
    let mut sums = vec![0u64; stride * (rows + 1)];
    for y in 0..rows {
        for x in 0..columns {
            sums[(y + 1) * stride + x + 1] =
                cells[y * columns + x] + sums[y * stride + x + 1] + sums[(y + 1) * stride + x]
                    - sums[y * stride + x];
        }
    }
    let (wide, high) = (width / CELL, height / CELL);
    let error = |x: usize, y: usize| {
        let at = |x: usize, y: usize| sums[y * stride + x];
        at(x + wide, y + high) + at(x, y) - at(x + wide, y) - at(x, y + high)
    };
    let fits_x = (original.width - width) / CELL;
    let fits_y = (original.height - height) / CELL;
    let corners = (0..=fits_y).flat_map(|y| (0..=fits_x).map(move |x| (x, y)));
    // Among equal parts the first is chosen, so that the same pictures give the same page.
    let best =
        corners.fold(
            (0, 0),
            |best, corner| {
                if error(corner.0, corner.1) > error(best.0, best.1) { corner } else { best }
            },
        );
    (best.0 * CELL, best.1 * CELL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_too_long_for_webp_is_shown_in_part() {
        let shown = |_| {
            let picture = Rgb::new(20_000, 4, vec![9; 3 * 20_000 * 4]).unwrap();
            Ok(vec![ReportPicture { codec: None, picture, native: None }])
        };
        let gallery = Gallery::hang(&[0], &shown).unwrap();
        let exhibit = &gallery.exhibits[0];
        assert_eq!((exhibit.width, exhibit.height, exhibit.part), (960, 4, Some((9520, 0))));
    }

    #[test]
    fn the_part_with_the_largest_error_is_shown() {
        let (width, height) = (2048, 1024);
        let original = Rgb::new(width, height, vec![100; width * height * 3]).unwrap();
        let mut decoded = original.clone();
        for y in 400..700 {
            for x in 1500..1900 {
                decoded.samples[(y * width + x) * 3] = 90;
            }
        }
        let (x, y) = worst_part(&original, &decoded, 960, 720);
        assert!(x <= 1500 && x + 960 >= 1900, "{x}");
        assert!(y <= 400 && y + 720 >= 700, "{y}");
    }
}
