//! Picture files that are read and written row by row, for pictures that memory should not hold as a whole: PNM and PNG.

use std::io::{BufRead, ErrorKind, Read, Seek, SeekFrom, Write};

use image::codecs::png::PngDecoder;
use image::error::{DecodingError, LimitError, LimitErrorKind};
use image::metadata::Orientation;
use image::{ImageDecoder as _, ImageError, ImageFormat};

use super::read::{described, reduced};
use super::write::{nothing, pnm_head};
use super::{Format, Notice, exif, png};
use crate::{Color, Error, Head, Limits, Metadata, Result, Source};

/// A picture file that is read row by row.
pub struct Reader<'a, R: BufRead + Seek> {
    open: Box<dyn Fn() -> std::io::Result<R> + 'a>,
    head: Head,
    limits: Limits,
    notices: Vec<Notice>,
    /// Bytes of the file.
    length: u64,
    at: At<R>,
    /// Rows that are left.
    left: u32,
    wide: Vec<u8>,
}

/// The place in the file.
enum At<R: BufRead + Seek> {
    /// Samples follow, as they are.
    Pnm(R),
    Png(Box<::png::Reader<R>>),
}

/// Opens a picture file to read it row by row; each call of `open` gives its bytes from the first one on. `None` where
/// [`super::read`] has to read it as a whole: another format than PNM and PNG, alpha, interlaced or animated PNG.
///
/// ```
/// use aecodec::{EncodeOptions, Limits, Model, Profile, files};
/// use std::io::Cursor;
///
/// let file = b"P5 16 16 255\n".iter().copied().chain(0..=255).collect::<Vec<u8>>();
/// let mut rows = files::open(|| Ok(Cursor::new(&file)), &Limits::default())?.expect("a PNM file");
/// let model = Model::embedded(Profile::Fast)?;
/// let encoded = aecodec::encode_rows(&mut rows, &model, &EncodeOptions::default())?;
/// assert!(encoded.psnr > 25.0);
/// # Ok::<(), aecodec::Error>(())
/// ```
///
/// # Errors
/// [`Error::Limit`] where the header asks for more than `limits`, [`Error::Io`] where the file cannot be read,
/// [`Error::Image`] where what comes before the pixels is damaged.
pub fn open<'a, R: BufRead + Seek>(
    open: impl Fn() -> std::io::Result<R> + 'a,
    limits: &Limits,
) -> Result<Option<Reader<'a, R>>> {
    let mut file = open()?;
    let length = file.seek(SeekFrom::End(0))?;
    file.rewind()?;
    let found = match file.fill_buf()? {
        [b'P', b'5' | b'6', ..] => open_pnm(&mut file)?,
        [0x89, b'P', b'N', b'G', ..] => open_png(&mut file, limits)?,
        _ => None,
    };
    let Some((head, notices)) = found else { return Ok(None) };
    limits.check_pixels(head.width, head.height)?;
    limits.check_metadata(&head.metadata)?;
    let at = At::begin(file, &head, limits)?;
    let (limits, left) = (*limits, head.height);
    Ok(Some(Reader { open: Box::new(open), head, limits, notices, length, at, left, wide: Vec::new() }))
}

impl<R: BufRead + Seek> Reader<'_, R> {
    /// What is not carried over as it is.
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }
}

impl<R: BufRead + Seek> Source for Reader<'_, R> {
    fn head(&self) -> &Head {
        &self.head
    }

    fn read(&mut self, rows: &mut [u8]) -> Result<()> {
        let stride = self.head.stride();
        let length = self.length;
        if self.head.source_bits == 16 {
            self.wide.resize(2 * stride, 0);
            for row in rows.chunks_exact_mut(stride) {
                self.at.read(&mut self.wide, 2 * stride).map_err(|error| damaged(error, length))?;
                for (sample, pair) in row.iter_mut().zip(self.wide.as_chunks::<2>().0) {
                    *sample = reduced(u16::from_be_bytes(*pair));
                }
            }
        } else {
            self.at.read(rows, stride).map_err(|error| damaged(error, length))?;
        }
        self.left -= (rows.len() / stride) as u32;
        if self.left == 0 {
            self.at.end().map_err(|error| damaged(error, length))?;
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
    /// The first row of a file whose header has been read.
    fn begin(mut file: R, head: &Head, limits: &Limits) -> Result<Self> {
        file.rewind()?;
        if file.fill_buf()?.starts_with(b"P") {
            pnm_fields(&mut file)?;
            return Ok(Self::Pnm(file));
        }
        let bytes = usize::try_from(limits.bytes).unwrap_or(usize::MAX);
        let mut decoder = ::png::Decoder::new_with_limits(file, ::png::Limits { bytes });
        decoder.set_transformations(::png::Transformations::EXPAND);
        decoder.set_ignore_text_chunk(true);
        let reader = decoder.read_info().map_err(ImageError::from_png)?;
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
                    reader.read_row(row).map_err(ImageError::from_png)?;
                }
                Ok(())
            }
        }
    }

    /// Checks what stands behind the last row.
    fn end(&mut self) -> std::result::Result<(), ImageError> {
        match self {
            Self::Pnm(_) => Ok(()),
            Self::Png(reader) => reader.next_row().map(drop).map_err(ImageError::from_png),
        }
    }
}

/// The image crate's words for errors of PNG.
trait FromPng {
    fn from_png(error: ::png::DecodingError) -> ImageError;
}

impl FromPng for ImageError {
    fn from_png(error: ::png::DecodingError) -> ImageError {
        match error {
            ::png::DecodingError::IoError(error) => Self::IoError(error),
            ::png::DecodingError::LimitsExceeded => {
                Self::Limits(LimitError::from_kind(LimitErrorKind::InsufficientMemory))
            }
            other => Self::Decoding(DecodingError::new(ImageFormat::Png.into(), other)),
        }
    }
}

/// Missing data has a name of its own.
fn damaged(error: ImageError, length: u64) -> Error {
    match error {
        ImageError::IoError(io) if io.kind() == ErrorKind::UnexpectedEof => {
            Error::Truncated { what: "picture", offset: length, missing: 1 }
        }
        ImageError::IoError(io) => Error::Io(io),
        other => other.into(),
    }
}

type Opened = Option<(Head, Vec<Notice>)>;

fn open_pnm(file: &mut impl BufRead) -> Result<Opened> {
    let Some((color, width, height, maximum)) = pnm_fields(file)? else { return Ok(None) };
    let mut head = Head::new(width, height, color);
    let notices = match maximum {
        255 => Vec::new(),
        65535 => {
            head.source_bits = 16;
            vec![Notice::SixteenBits]
        }
        _ => return Ok(None),
    };
    Ok((head.pixels() > 0).then_some((head, notices)))
}

/// Colour, width, height and largest sample, and the file at its first sample; `None` for a header of another kind.
fn pnm_fields(file: &mut impl BufRead) -> Result<Option<(Color, u32, u32, u32)>> {
    let mut bytes = file.bytes();
    let mut next = || bytes.next().transpose().map(|byte| byte.unwrap_or(b'?'));
    let color = match (next()?, next()?) {
        (b'P', b'5') => Color::Gray,
        (b'P', b'6') => Color::Rgb,
        _ => return Ok(None),
    };
    let mut fields = [0_u32; 3];
    let mut byte = next()?;
    for field in &mut fields {
        // Space before each field, and comments up to the end of their line.
        while byte.is_ascii_whitespace() || byte == b'#' {
            while byte == b'#' {
                while !matches!(byte, b'\n' | b'\r' | b'?') {
                    byte = next()?;
                }
            }
            byte = next()?;
        }
        let mut digits = 0;
        while byte.is_ascii_digit() {
            let value = field.checked_mul(10).and_then(|v| v.checked_add(u32::from(byte - b'0')));
            let Some(value) = value else { return Ok(None) };
            (*field, digits) = (value, digits + 1);
            byte = next()?;
        }
        if digits == 0 || !byte.is_ascii_whitespace() {
            return Ok(None);
        }
    }
    let [width, height, maximum] = fields;
    Ok(Some((color, width, height, maximum)))
}

fn open_png<R: BufRead + Seek>(file: &mut R, limits: &Limits) -> Result<Opened> {
    let found = png::walk(&mut *file, limits.metadata)?;
    if !found.plain || found.animated {
        return Ok(None);
    }
    file.rewind()?;
    let mut image_limits = image::Limits::no_limits();
    image_limits.max_alloc = Some(limits.bytes);
    let mut decoder = PngDecoder::with_limits(file, image_limits)?;
    let layout = decoder.color_type();
    if layout.has_alpha() {
        return Ok(None);
    }
    let metadata = Metadata {
        icc: decoder.icc_profile()?,
        exif: decoder.exif_metadata()?.or(found.exif),
        xmp: found.xmp.or(decoder.xmp_metadata().unwrap_or_default()),
    };
    let turned = decoder.orientation().map_or(1, Orientation::to_exif);
    let (width, height) = decoder.dimensions();
    let sixteen = layout.bytes_per_pixel() > layout.channel_count();
    let mut notices = if sixteen { vec![Notice::SixteenBits] } else { Vec::new() };
    let (metadata, orientation) = described(metadata, turned, &mut notices);
    let color = if layout.has_color() { Color::Rgb } else { Color::Gray };
    let source_bits = if sixteen { 16 } else { 8 };
    Ok(Some((Head { orientation, metadata, source_bits, ..Head::new(width, height, color) }, notices)))
}

/// Whether [`write_rows`] writes such a picture: as PNM or PNG, if its rows stay where they are.
pub fn writes_rows(head: &Head, format: Format) -> bool {
    let turned_by_viewers = match format {
        Format::Png => exif::orientation(head.metadata.exif.as_deref()) != 1,
        Format::Pnm => false,
        _ => return false,
    };
    turned_by_viewers || head.orientation == 1
}

/// Writes a picture file row by row: `rows` gets a function that takes samples `[.., width, channels]`, from top to bottom.
/// What it returns is returned, with what the file could not carry. The samples of the file are those that [`super::write`]
/// writes; PNG may pack them differently.
///
/// # Errors
/// Those of `rows` and of `out`; [`Error::Invalid`] where the number of rows is not that of `head`, and for a picture that
/// [`writes_rows`] refuses.
pub fn write_rows<T>(
    mut out: impl Write,
    head: &Head,
    format: Format,
    rows: impl FnOnce(&mut dyn FnMut(&[u8]) -> Result<()>) -> Result<T>,
) -> Result<(T, Vec<Notice>)> {
    if !writes_rows(head, format) {
        let detail = format!("{format} with orientation {} is written as a whole", head.orientation);
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
        out.write_all(pnm_head(head.color, head.width, head.height).as_bytes())?;
        rows(&mut |samples| {
            count(samples)?;
            Ok(out.write_all(samples)?)
        })?
    } else {
        let mut writer = png::begin(&mut out, head, png::color(head.color, false))?;
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

fn wrong_count(head: &Head) -> Error {
    Error::Invalid { what: "picture", detail: format!("not {} rows of {}", head.height, head.stride()) }
}
