//! `.aec` files in the crate `image`: a decoder, an encoder, and the hook with which `image::open` reads them.
//!
//! ```
//! use image::{ImageReader, RgbImage};
//! use std::io::Cursor;
//!
//! # fn main() -> image::ImageResult<()> {
//! aecodec::integration::register_decoding_hook();
//!
//! let gradient = RgbImage::from_fn(64, 48, |x, y| image::Rgb([4 * x as u8, 5 * y as u8, 90]));
//! let mut file = Vec::new();
//! gradient.write_with_encoder(aecodec::integration::AecEncoder::new(&mut file))?;
//!
//! let decoded = ImageReader::new(Cursor::new(file)).with_guessed_format()?.decode()?;
//! assert_eq!((decoded.width(), decoded.height()), (64, 48));
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::io::{Read, Write};
use std::sync::Arc;

use image::error::{
    DecodingError, EncodingError, ImageFormatHint, LimitError, LimitErrorKind, ParameterError,
    ParameterErrorKind, UnsupportedError, UnsupportedErrorKind,
};
use image::hooks;
use image::metadata::Orientation;
use image::{ColorType, ExtendedColorType, ImageDecoder, ImageEncoder, ImageError, ImageResult};

use crate::container::{self, ChunkKind, Header};
use crate::{Color, DecodeOptions, EncodeOptions, Error, Metadata, Model, ModelRegistry, Picture};

/// The extension of the files, under which the hook is registered.
const EXTENSION: &str = "aec";

/// Lets `image::open`, `image::load_from_memory` and `image::ImageReader` read `.aec` files, by their extension and by
/// their first bytes. They are decoded by all cores, with the models that are built in. Returns `false` if another hook
/// was registered for the extension before.
#[cfg(feature = "embedded")]
pub fn register_decoding_hook() -> bool {
    let registered = hooks::register_decoding_hook(
        EXTENSION.into(),
        Box::new(|reader| {
            let mut decoder = AecDecoder::new(reader, &ModelRegistry::embedded())?;
            decoder.options.threads = 0;
            Ok(Box::new(decoder))
        }),
    );
    if registered {
        hooks::register_format_detection_hook(EXTENSION.into(), &container::SIGNATURE, None);
    }
    registered
}

/// Decodes one `.aec` file for the crate `image`.
///
/// A damaged file is an error; [`crate::decode`] returns what it still holds.
#[derive(Debug)]
pub struct AecDecoder {
    file: Vec<u8>,
    header: Header,
    metadata: Metadata,
    model: Arc<Model>,
    options: DecodeOptions,
}

impl AecDecoder {
    /// Reads a whole file, checks its header, and finds its model.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, its header is not a sound one, its metadata is damaged, or `models`
    /// lacks its model.
    pub fn new(mut reader: impl Read, models: &ModelRegistry) -> ImageResult<Self> {
        let mut file = Vec::new();
        reader.read_to_end(&mut file)?;
        let options = DecodeOptions::default();
        let stream = container::read(&file, &options.limits).map_err(decoding)?;
        let metadata = stream.bytes(ChunkKind::Metadata);
        let metadata =
            metadata.map_or(Ok(Metadata::default()), |b| container::metadata::unpack(b, &options.limits));
        let (header, metadata) = (stream.header.clone(), metadata.map_err(decoding)?);
        let model = models.of(&header).map_err(decoding)?;
        Ok(Self { file, header, metadata, model, options })
    }

    /// Uses these options. A region is ignored.
    #[must_use]
    pub fn with_options(mut self, options: DecodeOptions) -> Self {
        self.options = DecodeOptions { region: None, ..options };
        self
    }

    /// The fields of the file's header.
    pub fn header(&self) -> &Header {
        &self.header
    }
}

impl ImageDecoder for AecDecoder {
    fn dimensions(&self) -> (u32, u32) {
        (self.header.width, self.header.height)
    }

    fn color_type(&self) -> ColorType {
        match (self.header.gray, self.header.alpha) {
            (true, false) => ColorType::L8,
            (true, true) => ColorType::La8,
            (false, false) => ColorType::Rgb8,
            (false, true) => ColorType::Rgba8,
        }
    }

    fn icc_profile(&mut self) -> ImageResult<Option<Vec<u8>>> {
        Ok(self.metadata.icc.clone())
    }

    fn exif_metadata(&mut self) -> ImageResult<Option<Vec<u8>>> {
        Ok(self.metadata.exif.clone())
    }

    fn xmp_metadata(&mut self) -> ImageResult<Option<Vec<u8>>> {
        Ok(self.metadata.xmp.clone())
    }

    fn orientation(&mut self) -> ImageResult<Orientation> {
        Ok(Orientation::from_exif(self.header.orientation).unwrap_or(Orientation::NoTransforms))
    }

    fn set_limits(&mut self, limits: image::Limits) -> ImageResult<()> {
        limits.check_support(&image::LimitSupport::default())?;
        limits.check_dimensions(self.header.width, self.header.height)?;
        if let Some(bytes) = limits.max_alloc {
            self.options.limits.bytes = bytes;
        }
        Ok(())
    }

    fn read_image(self, buf: &mut [u8]) -> ImageResult<()> {
        if buf.len() as u64 != self.total_bytes() {
            let kind = ParameterErrorKind::DimensionMismatch;
            return Err(ImageError::Parameter(ParameterError::from_kind(kind)));
        }
        let decoded = crate::decode(&self.file, &self.model, &self.options).map_err(decoding)?;
        if let Some(damage) = decoded.damage.first() {
            return Err(ImageError::Decoding(DecodingError::new(hint(), damage.to_string())));
        }
        let Picture { color, samples, alpha, .. } = decoded.picture;
        match alpha {
            None => buf.copy_from_slice(&samples),
            Some(alpha) => interleave(&samples, &alpha, color, buf),
        }
        Ok(())
    }

    fn read_image_boxed(self: Box<Self>, buf: &mut [u8]) -> ImageResult<()> {
        (*self).read_image(buf)
    }
}

fn interleave(samples: &[u8], alpha: &[u8], color: Color, out: &mut [u8]) {
    let channels = color.channels();
    for ((pixel, samples), &alpha) in
        out.chunks_exact_mut(channels + 1).zip(samples.chunks_exact(channels)).zip(alpha)
    {
        pixel[..channels].copy_from_slice(samples);
        pixel[channels] = alpha;
    }
}

/// Encodes one picture as `.aec` for the crate `image`: gray or RGB of 8 bits, with or without alpha.
pub struct AecEncoder<W: Write> {
    writer: W,
    model: Option<Arc<Model>>,
    options: EncodeOptions,
    metadata: Metadata,
}

impl<W: Write> fmt::Debug for AecEncoder<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AecEncoder").field("options", &self.options).finish_non_exhaustive()
    }
}

impl<W: Write> AecEncoder<W> {
    /// Encodes with the built-in model `fast` at quality 50, on one core.
    #[cfg(feature = "embedded")]
    pub fn new(writer: W) -> Self {
        Self { writer, model: None, options: EncodeOptions::default(), metadata: Metadata::default() }
    }

    /// Encodes with this model.
    pub fn with_model(writer: W, model: Arc<Model>) -> Self {
        Self { writer, model: Some(model), options: EncodeOptions::default(), metadata: Metadata::default() }
    }

    /// Uses these options.
    #[must_use]
    pub fn with_options(mut self, options: EncodeOptions) -> Self {
        self.options = options;
        self
    }
}

impl<W: Write> ImageEncoder for AecEncoder<W> {
    fn write_image(self, buf: &[u8], width: u32, height: u32, color: ExtendedColorType) -> ImageResult<()> {
        let Self { mut writer, model, options, metadata } = self;
        let (color, has_alpha) = match color {
            ExtendedColorType::L8 => (Color::Gray, false),
            ExtendedColorType::La8 => (Color::Gray, true),
            ExtendedColorType::Rgb8 => (Color::Rgb, false),
            ExtendedColorType::Rgba8 => (Color::Rgb, true),
            other => {
                let kind = UnsupportedErrorKind::Color(other);
                return Err(ImageError::Unsupported(UnsupportedError::from_format_and_kind(hint(), kind)));
            }
        };
        let (samples, alpha) = if has_alpha {
            let (samples, alpha) = separate(buf, color);
            (samples, Some(alpha))
        } else {
            (buf.to_vec(), None)
        };
        let model = match model {
            Some(model) => model,
            None => built_in()?,
        };
        let picture = Picture::new(width, height, color, samples).map_err(encoding)?;
        let picture = Picture { alpha, metadata, ..picture };
        let encoded = crate::encode(&picture, &model, &options).map_err(encoding)?;
        Ok(writer.write_all(&encoded.bytes)?)
    }

    fn set_icc_profile(&mut self, icc_profile: Vec<u8>) -> Result<(), UnsupportedError> {
        self.metadata.icc = Some(icc_profile);
        Ok(())
    }

    fn set_exif_metadata(&mut self, exif: Vec<u8>) -> Result<(), UnsupportedError> {
        self.metadata.exif = Some(exif);
        Ok(())
    }
}

#[cfg(feature = "embedded")]
fn built_in() -> ImageResult<Arc<Model>> {
    Model::embedded(crate::Profile::Fast).map_err(encoding)
}

#[cfg(not(feature = "embedded"))]
fn built_in() -> ImageResult<Arc<Model>> {
    Err(encoding(Error::Invalid { what: "model", detail: "this build has none".into() }))
}

fn separate(pixels: &[u8], color: Color) -> (Vec<u8>, Vec<u8>) {
    let channels = color.channels();
    let mut samples = Vec::with_capacity(pixels.len() / (channels + 1) * channels);
    let mut alpha = Vec::with_capacity(pixels.len() / (channels + 1));
    for pixel in pixels.chunks_exact(channels + 1) {
        samples.extend_from_slice(&pixel[..channels]);
        alpha.push(pixel[channels]);
    }
    (samples, alpha)
}

fn hint() -> ImageFormatHint {
    ImageFormatHint::PathExtension(EXTENSION.into())
}

fn decoding(error: Error) -> ImageError {
    match error {
        Error::Io(error) => ImageError::IoError(error),
        Error::Limit { what: "pixels", .. } => limit(LimitErrorKind::DimensionError),
        Error::Limit { .. } => limit(LimitErrorKind::InsufficientMemory),
        other => ImageError::Decoding(DecodingError::new(hint(), other)),
    }
}

fn encoding(error: Error) -> ImageError {
    match error {
        Error::Io(error) => ImageError::IoError(error),
        Error::Limit { .. } => limit(LimitErrorKind::InsufficientMemory),
        other => ImageError::Encoding(EncodingError::new(hint(), other)),
    }
}

fn limit(kind: LimitErrorKind) -> ImageError {
    ImageError::Limits(LimitError::from_kind(kind))
}

#[cfg(all(test, feature = "embedded"))]
mod tests {
    use std::io::Cursor;

    use image::{DynamicImage, GrayAlphaImage, ImageReader, LumaA, Rgba, RgbaImage};

    use super::*;
    use crate::Target;

    fn colourful() -> RgbaImage {
        RgbaImage::from_fn(70, 45, |x, y| Rgba([3 * x as u8, 5 * y as u8, 120, (x + y) as u8]))
    }

    fn encoded(image: &DynamicImage, set: impl FnOnce(&mut AecEncoder<&mut Vec<u8>>)) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = AecEncoder::new(&mut file);
        set(&mut encoder);
        image.write_with_encoder(encoder).expect("a supported kind");
        file
    }

    #[test]
    fn a_file_opens_by_its_name_and_by_its_first_bytes() {
        register_decoding_hook();
        assert!(!register_decoding_hook(), "the hook is there");
        let file = encoded(&DynamicImage::ImageRgba8(colourful()), |_| {});
        let model = Model::embedded(crate::Profile::Fast).expect("built in");
        let expected = crate::decode(&file, &model, &DecodeOptions::default()).expect("sound").picture;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.aec");
        std::fs::write(&path, &file).expect("written");
        let by_bytes = ImageReader::new(Cursor::new(&file)).with_guessed_format().expect("memory").decode();
        for image in [image::open(&path), by_bytes, image::load_from_memory(&file)] {
            let image = image.expect("an .aec file");
            assert_eq!(image.color(), ColorType::Rgba8);
            let (samples, alpha) = separate(image.as_bytes(), Color::Rgb);
            assert!(samples == expected.samples && Some(alpha) == expected.alpha);
        }
    }

    #[test]
    fn alpha_is_exact_and_metadata_is_kept() {
        let gray = GrayAlphaImage::from_fn(33, 20, |x, y| LumaA([(7 * x) as u8, (9 * y) as u8]));
        let file = encoded(&DynamicImage::ImageLumaA8(gray.clone()), |encoder| {
            encoder.set_icc_profile(vec![1, 2, 3]).expect("supported");
            encoder.set_exif_metadata(b"II*\0\x08\0\0\0\0\0".to_vec()).expect("supported");
            encoder.options.target = Target::Quality(crate::Quality::new(90.0).expect("in range"));
        });
        let mut decoder = AecDecoder::new(&file[..], &ModelRegistry::embedded()).expect("sound");
        assert_eq!(decoder.icc_profile().expect("sound"), Some(vec![1, 2, 3]));
        assert!(decoder.exif_metadata().expect("sound").is_some());
        assert_eq!(decoder.orientation().expect("sound"), Orientation::NoTransforms);
        let image = DynamicImage::from_decoder(decoder).expect("sound");
        let image = image.as_luma_alpha8().expect("gray with alpha");
        assert!(image.pixels().zip(gray.pixels()).all(|(found, given)| found.0[1] == given.0[1]));
    }

    #[test]
    fn damage_limits_and_unknown_models_are_errors_of_their_kind() {
        let file = encoded(&DynamicImage::ImageRgba8(colourful()), |_| {});
        let open = |file: &[u8], models: &ModelRegistry| AecDecoder::new(file, models).map(|_| ());
        let models = ModelRegistry::embedded();
        assert!(matches!(open(&file, &ModelRegistry::new()), Err(ImageError::Decoding(_))));
        assert!(matches!(open(&file[..20], &models), Err(ImageError::Decoding(_))));
        let mut damaged = file.clone();
        *damaged.last_mut().expect("bytes") ^= 1;
        let decoder = AecDecoder::new(&damaged[..], &models).expect("its header is sound");
        assert!(matches!(DynamicImage::from_decoder(decoder), Err(ImageError::Decoding(_))));
        let mut decoder = AecDecoder::new(&file[..], &models).expect("sound");
        let mut limits = image::Limits::default();
        limits.max_image_width = Some(69);
        assert!(matches!(decoder.set_limits(limits.clone()), Err(ImageError::Limits(_))));
        (limits.max_image_width, limits.max_alloc) = (None, Some(1000));
        decoder.set_limits(limits).expect("sides are not limited");
        assert!(matches!(DynamicImage::from_decoder(decoder), Err(ImageError::Limits(_))));
        let mut sixteen = DynamicImage::new_rgb16(8, 8);
        let mut out = Vec::new();
        let refused = sixteen.write_with_encoder(AecEncoder::new(&mut out));
        assert!(matches!(refused, Err(ImageError::Unsupported(_))));
        sixteen = DynamicImage::ImageRgb8(sixteen.to_rgb8());
        sixteen.write_with_encoder(AecEncoder::new(&mut out)).expect("8 bits");
    }
}
