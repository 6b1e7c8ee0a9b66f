//! Reads and writes PNM and PNG files row by row, for pictures that should not be in memory as a whole.

use std::io::{BufRead, Seek, SeekFrom, Write};

use image::ImageError;

use super::metadata::described;
use super::pnm::PnmHeader;
use super::unpacked::{SampleLayout, failed, possible, reduced};
use super::write::{nothing, pnm_head};
use super::{Format, Notice, WriteOptions, exif, png};
use crate::{Color, Error, Limits, PictureInfo, Result, Source};

/// A picture file that is read row by row.
pub struct PictureReader<'a, R: BufRead + Seek> {
    open: Box<dyn Fn() -> std::io::Result<R> + 'a>,
    head: PictureInfo,
    limits: Limits,
    notices: Vec<Notice>,
    /// Bytes of the file.
    length: u64,
    at: At<R>,
    /// Number of rows that are left.
    left: u32,
    wide: Vec<u8>,
}

/// The position in the file.
enum At<R: BufRead + Seek> {
    /// The samples follow, uncompressed.
    Pnm(R),
    Png(Box<::png::Reader<R>>),
}

/// Opens a picture file to read it row by row. Each call of `open` returns the file, positioned at its first byte.
///
/// Returns `None` if the file has to be read as a whole, by [`super::read`]: if its format is not PNM or PNG, or if it is a
/// PNG with alpha, interlaced or animated.
///
/// ```
/// use aecodec::{EncodeOptions, Limits, Model, Profile, files};
/// use std::io::Cursor;
///
/// let file = b"P5 16 16 255\n".iter().copied().chain(0..=255).collect::<Vec<u8>>();
/// let mut rows = files::open(|| Ok(Cursor::new(&file)), &Limits::default())?.expect("a PNM file");
/// let model = Model::embedded(Profile::Fast)?;
/// let encoded = aecodec::encode_rows(&mut rows, &model, &EncodeOptions::default())?;
/// assert!(encoded.psnr.is_some_and(|psnr| psnr > 25.0));
/// # Ok::<(), aecodec::Error>(())
/// ```
///
/// # Errors
/// Returns [`Error::Limit`] if the header asks for more than `limits`, [`Error::Truncated`] if the file is too short for it,
/// [`Error::Io`] if the file cannot be read, and [`Error::Image`] if the data before the pixels is damaged.
pub fn open<'a, R: BufRead + Seek>(
    open: impl Fn() -> std::io::Result<R> + 'a,
    limits: &Limits,
) -> Result<Option<PictureReader<'a, R>>> {
    let mut file = open()?;
    let length = file.seek(SeekFrom::End(0))?;
    file.rewind()?;
    let found = match file.fill_buf()? {
        [b'P', b'5' | b'6', ..] => open_pnm(&mut file, length, limits)?,
        [0x89, b'P', b'N', b'G', ..] => open_png(&mut file, limits)?,
        _ => None,
    };
    let Some((head, notices)) = found else { return Ok(None) };
    limits.check_pixels(head.width, head.height)?;
    limits.check_metadata(&head.metadata)?;
    let at = At::begin(file, &head, limits)?;
    let (limits, left) = (*limits, head.height);
    Ok(Some(PictureReader {
        open: Box::new(open),
        head,
        limits,
        notices,
        length,
        at,
        left,
        wide: Vec::new(),
    }))
}

impl<R: BufRead + Seek> PictureReader<'_, R> {
    /// What was lost or changed when the file was read.
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }
}

impl<R: BufRead + Seek> Source for PictureReader<'_, R> {
    fn head(&self) -> &PictureInfo {
        &self.head
    }

    fn read(&mut self, rows: &mut [u8]) -> Result<()> {
        let stride = self.head.stride();
        let length = self.length;
        if self.head.source_bits == 16 {
            self.wide.resize(2 * stride, 0);
            for row in rows.chunks_exact_mut(stride) {
                self.at.read(&mut self.wide, 2 * stride).map_err(|error| png::damaged(error, length))?;
                for (sample, pair) in row.iter_mut().zip(self.wide.as_chunks::<2>().0) {
                    *sample = reduced(u16::from_be_bytes(*pair));
                }
            }
        } else {
            self.at.read(rows, stride).map_err(|error| png::damaged(error, length))?;
        }
        self.left -= (rows.len() / stride) as u32;
        if self.left == 0 {
            self.at.end().map_err(|error| png::damaged(error, length))?;
        }
        Ok(())
    }

    fn rewind(&mut self) -> Result<()> {
        self.at = At::begin((self.open)()?, &self.head, &self.limits)?;
        self.left = self.head.height;
        Ok(())
    }
}

impl<R: BufRead + Seek> At<R> {
    /// Moves to the first row of a file whose header has been read before.
    fn begin(mut file: R, head: &PictureInfo, limits: &Limits) -> Result<Self> {
        file.rewind()?;
        if file.fill_buf()?.starts_with(b"P") {
            PnmHeader::read(&mut file)?;
            return Ok(Self::Pnm(file));
        }
        let reader = png::decoder(file, limits).map_err(failed)?;
        let bytes = if head.source_bits == 16 { 2 } else { 1 };
        if reader.output_line_size(head.width) != Some(head.stride() * bytes) {
            return Err(Error::Invalid { what: "PNG", detail: "its header has changed".into() });
        }
        Ok(Self::Png(Box::new(reader)))
    }

    fn read(&mut self, rows: &mut [u8], stride: usize) -> std::result::Result<(), ImageError> {
        match self {
            Self::Pnm(file) => Ok(file.read_exact(rows)?),
            Self::Png(reader) => {
                for row in rows.chunks_exact_mut(stride) {
                    reader.read_row(row).map_err(png::from_png)?;
                }
                Ok(())
            }
        }
    }

    /// Checks the data after the last row.
    fn end(&mut self) -> std::result::Result<(), ImageError> {
        match self {
            Self::Pnm(_) => Ok(()),
            Self::Png(reader) => reader.next_row().map(drop).map_err(png::from_png),
        }
    }
}

type Opened = Option<(PictureInfo, Vec<Notice>)>;

fn open_pnm(file: &mut impl BufRead, length: u64, limits: &Limits) -> Result<Opened> {
    let Some(PnmHeader { magic, width, height, maximum }) = PnmHeader::read(file)? else { return Ok(None) };
    let color = match magic {
        b'5' => Color::Gray,
        b'6' => Color::Rgb,
        _ => return Ok(None),
    };
    let mut head = PictureInfo::new(width, height, color);
    let notices = match maximum {
        255 => Vec::new(),
        65535 => {
            head.source_bits = 16;
            vec![Notice::SixteenBits]
        }
        _ => return Ok(None),
    };
    if head.pixels() == 0 {
        return Ok(None);
    }
    limits.check_pixels(width, height)?;
    possible(SampleLayout { color, alpha: false, bits: head.source_bits }.bytes(width, height), length, 1)?;
    Ok(Some((head, notices)))
}

fn open_png<R: BufRead + Seek>(file: &mut R, limits: &Limits) -> Result<Opened> {
    let mut found = png::walk(&mut *file, limits.metadata)?;
    if !found.plain || found.animated {
        return Ok(None);
    }
    file.rewind()?;
    let reader = png::decoder(file, limits).map_err(failed)?;
    let (layout, (width, height)) = (png::layout(&reader)?, reader.info().size());
    if layout.alpha {
        return Ok(None);
    }
    limits.check_pixels(width, height)?;
    found.check(layout.bytes(width, height))?;
    let mut notices = std::mem::take(&mut found.notices);
    if layout.bits == 16 {
        notices.push(Notice::SixteenBits);
    }
    let (metadata, orientation) = described(found.metadata, 1, found.resolution, &mut notices);
    let head = PictureInfo {
        orientation,
        metadata,
        source_bits: layout.bits,
        ..PictureInfo::new(width, height, layout.color)
    };
    Ok(Some((head, notices)))
}

/// Whether [`write_rows`] can write such a picture: the format must be PNM or PNG, and the rows must not have to be turned.
pub fn writes_rows(head: &PictureInfo, format: Format) -> bool {
    let turned_by_viewers = match format {
        Format::Png => exif::orientation(head.metadata.exif.as_deref()) != 1,
        Format::Pnm => false,
        _ => return false,
    };
    turned_by_viewers || head.orientation == 1
}

/// Writes a picture file row by row. `rows` is called with a function to which it passes the samples `[.., width, channels]`,
/// from top to bottom. Returns the result of `rows`, with notices of what the format could not hold. The samples of the file
/// are the same as those of [`super::write`]; a PNG may be compressed differently.
///
/// # Errors
/// Returns the errors of `rows` and of `out`, and [`Error::Invalid`] if the number of rows is not that of `head` or if
/// [`writes_rows`] is false for this picture.
pub fn write_rows<T>(
    mut out: impl Write,
    head: &PictureInfo,
    format: Format,
    options: &WriteOptions,
    rows: impl FnOnce(&mut dyn FnMut(&[u8]) -> Result<()>) -> Result<T>,
) -> Result<(T, Vec<Notice>)> {
    if !writes_rows(head, format) {
        let detail = format!("{format} with orientation {} cannot be written row by row", head.orientation);
        return Err(Error::Invalid { what: "picture", detail });
    }
    let mut notices = Vec::new();
    let mut left = head.stride() as u64 * u64::from(head.height);
    let mut count = |samples: &[u8]| -> Result<()> {
        left = left.checked_sub(samples.len() as u64).ok_or_else(|| wrong_count(head))?;
        Ok(())
    };
    let result = if format == Format::Pnm {
        nothing(&head.metadata, &mut notices);
        out.write_all(pnm_head(head.color, (head.width, head.height), 255).as_bytes())?;
        rows(&mut |samples| {
            count(samples)?;
            Ok(out.write_all(samples)?)
        })?
    } else {
        let mut writer =
            png::begin(&mut out, head, (png::color(head.color, false), png::Depth::Byte), options.png)?;
        let mut stream = writer.stream_writer_with_size(png::PIECE).map_err(png::failed)?;
        let result = rows(&mut |samples| {
            count(samples)?;
            Ok(stream.write_all(samples)?)
        })?;
        stream.finish().map_err(png::failed)?;
        writer.finish().map_err(png::failed)?;
        result
    };
    if left > 0 {
        return Err(wrong_count(head));
    }
    out.flush()?;
    Ok((result, notices))
}

fn wrong_count(head: &PictureInfo) -> Error {
    Error::Invalid { what: "picture", detail: format!("not {} rows of {}", head.height, head.stride()) }
}
