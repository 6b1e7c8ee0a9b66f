//! The extension module `_aecodec` of the Python package `aecodec`: bytes in, bytes out. The package in `aecodec/` puts
//! arrays, pictures of Pillow and files around it. Whatever takes long runs without Python's global lock.

use std::sync::Arc;

use aecodec::container::{self, ChunkKind, ChunkState, Header};
use aecodec::{
    Color, DecodeOptions, DeepPicture, EncodeOptions, Limits, Metadata, Mode, ModelRegistry, Picture,
    PictureInfo, Profile, Quality, Region, Target,
};
use pyo3::create_exception;
use pyo3::exceptions::{PyMemoryError, PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

create_exception!(_aecodec, AecError, PyValueError, "A file is damaged, or something cannot be coded.");

fn raise(error: aecodec::Error) -> PyErr {
    match error {
        aecodec::Error::Io(error) => PyOSError::new_err(error),
        aecodec::Error::Limit { .. } => PyMemoryError::new_err(error.to_string()),
        other => AecError::new_err(other.to_string()),
    }
}

/// A trained model.
#[pyclass(frozen)]
struct Model(Arc<aecodec::Model>);

#[pymethods]
impl Model {
    /// Reads the bytes of an .aem file.
    #[new]
    fn new(py: Python<'_>, data: &[u8]) -> PyResult<Self> {
        let model = py.detach(|| aecodec::Model::parse(data)).map_err(raise)?;
        Ok(Self(Arc::new(model)))
    }

    /// The built-in model "fast" or "best".
    #[staticmethod]
    fn built_in(py: Python<'_>, profile: &str) -> PyResult<Self> {
        let profile = match profile {
            "fast" => Profile::Fast,
            "best" => Profile::Best,
            other => {
                return Err(PyValueError::new_err(format!(
                    "no built-in model {other:?}: use \"fast\" or \"best\""
                )));
            }
        };
        py.detach(|| aecodec::Model::embedded(profile)).map(Self).map_err(raise)
    }

    /// BLAKE3 of the plain model file, in hexadecimal.
    #[getter]
    fn id(&self) -> String {
        self.0.id().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// What the model is made for: "fast", "best", "perceptual" or "other".
    #[getter]
    fn profile(&self) -> &'static str {
        self.0.profile().name()
    }
}

/// What the header of a file says.
#[pyclass(frozen, get_all)]
struct Info {
    width: u32,
    height: u32,
    channels: u8,
    alpha: bool,
    orientation: u8,
    quality: f64,
    profile: &'static str,
    model: String,
    /// The largest value of a sample.
    maximum: u16,
    /// The largest error of an exact file; 0 if it is lossless.
    max_error: Option<u16>,
}

/// A decoded picture: rows of interleaved samples.
#[pyclass(frozen, get_all)]
struct Decoded {
    width: u32,
    height: u32,
    channels: u8,
    /// The largest value of a sample. If it is above 255, samples have two bytes each, in native order.
    maximum: u16,
    samples: Py<PyBytes>,
    alpha: Option<Py<PyBytes>>,
    orientation: u8,
    icc: Option<Py<PyBytes>>,
    exif: Option<Py<PyBytes>>,
    xmp: Option<Py<PyBytes>>,
    exact: Option<bool>,
    damage: Vec<String>,
}

fn target(quality: Option<f64>, bpp: Option<f64>, size: Option<u64>, psnr: Option<f64>) -> PyResult<Target> {
    let given = [quality.is_some(), bpp.is_some(), size.is_some(), psnr.is_some()];
    if given.iter().filter(|&&given| given).count() > 1 {
        return Err(PyValueError::new_err("give one of quality, bpp, size and psnr"));
    }
    let positive = |name: &str, value: f64| {
        let fine = value.is_finite() && value > 0.0;
        fine.then_some(value)
            .ok_or_else(|| PyValueError::new_err(format!("{name} has to be above 0, not {value}")))
    };
    Ok(match (quality, bpp, size, psnr) {
        (_, Some(bpp), ..) => Target::BitsPerPixel(positive("bpp", bpp)?),
        (_, _, Some(size), _) => Target::Bytes(size),
        (.., Some(psnr)) => Target::Psnr(positive("psnr", psnr)?),
        (None, ..) => Target::Quality(Quality::default()),
        (Some(quality), ..) => {
            Target::Quality(Quality::new(quality).ok_or_else(|| {
                PyValueError::new_err(format!("quality is between 0 and 100, not {quality}"))
            })?)
        }
    })
}

/// Encodes samples [height, width, channels] and alpha [height, width]. If `maximum` is given, samples have two bytes each in
/// native order, and are at most as large as this. If `max_error` is given, the file is exact. Returns an .aec file.
#[pyfunction]
#[pyo3(signature = (samples, width, height, channels, alpha, *, maximum, max_error, model, quality, bpp, size, psnr, threads, orientation, icc, exif, xmp))]
#[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
fn encode<'py>(
    py: Python<'py>,
    samples: Vec<u8>,
    width: u32,
    height: u32,
    channels: u8,
    alpha: Option<Vec<u8>>,
    maximum: Option<u16>,
    max_error: Option<u16>,
    model: &Bound<'py, Model>,
    quality: Option<f64>,
    bpp: Option<f64>,
    size: Option<u64>,
    psnr: Option<f64>,
    threads: usize,
    orientation: u8,
    icc: Option<Vec<u8>>,
    exif: Option<Vec<u8>>,
    xmp: Option<Vec<u8>>,
) -> PyResult<Bound<'py, PyBytes>> {
    let mut options = EncodeOptions::default();
    (options.target, options.threads) = (target(quality, bpp, size, psnr)?, threads);
    options.mode = max_error.map_or(Mode::Learned, |error| Mode::Exact { error });
    let model = Arc::clone(&model.get().0);
    let color = if channels == 1 { Color::Gray } else { Color::Rgb };
    let encoded = py.detach(|| {
        let metadata = Metadata { icc, exif, xmp, cicp: None };
        options.limits = options.limits.for_input(samples.len() as u64);
        if let Some(maximum) = maximum {
            let alpha = alpha.as_deref().map(wide);
            let picture = DeepPicture::new(width, height, color, maximum, wide(&samples))?;
            let picture = DeepPicture { alpha, orientation, metadata, ..picture };
            return aecodec::encode_deep(&picture, &model, &options);
        }
        let picture = Picture::new(width, height, color, samples)?;
        let picture = Picture { alpha, orientation, metadata, ..picture };
        aecodec::encode(&picture, &model, &options)
    });
    Ok(PyBytes::new(py, &encoded.map_err(raise)?.bytes))
}

/// Samples of two bytes each.
fn wide(bytes: &[u8]) -> Vec<u16> {
    bytes.as_chunks::<2>().0.iter().map(|&pair| u16::from_ne_bytes(pair)).collect()
}

fn narrow(samples: Vec<u16>) -> Vec<u8> {
    samples.into_iter().flat_map(u16::to_ne_bytes).collect()
}

fn registry(models: &[Bound<'_, Model>]) -> ModelRegistry {
    let mut registry = ModelRegistry::embedded();
    for model in models {
        registry.add("a model that was given", Arc::clone(&model.get().0));
    }
    registry
}

/// Decodes a file, or the beginning of one; with `deep`, samples of more than 8 bits are not rounded.
#[pyfunction]
#[pyo3(signature = (data, *, deep, region, passes, threads, max_pixels, models))]
#[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
fn decode(
    py: Python<'_>,
    data: &[u8],
    deep: bool,
    region: Option<(u32, u32, u32, u32)>,
    passes: u8,
    threads: usize,
    max_pixels: Option<u64>,
    models: Vec<Bound<'_, Model>>,
) -> PyResult<Decoded> {
    let mut options = DecodeOptions::default();
    options.limits = options.limits.for_input(data.len() as u64);
    options.limits.pixels = max_pixels.unwrap_or(options.limits.pixels);
    options.region = region.map(|(x, y, width, height)| Region { x, y, width, height });
    (options.passes, options.threads) = (passes, threads);
    let models = registry(&models);
    let decode = || {
        let header = Header::parse(data, &options.limits)?;
        if deep && header.is_deep() {
            let model = models.of(&header)?;
            let (deep, outcome) = aecodec::decode_deep(data, &model, &options)?;
            let samples = [Some(deep.samples), deep.alpha].map(|samples| samples.map(narrow));
            let DeepPicture { width, height, color, maximum, orientation, metadata, .. } = deep;
            let mut head = PictureInfo::new(width, height, color);
            (head.orientation, head.metadata) = (orientation, metadata);
            return Ok((head, maximum, samples, outcome));
        }
        let (picture, outcome) = models.decode(data, &options)?.into_parts();
        Ok((picture.head(), 255, [Some(picture.samples), picture.alpha], outcome))
    };
    let (picture, maximum, [samples, alpha], outcome) = py.detach(decode).map_err(raise)?;
    let bytes = |bytes: Vec<u8>| PyBytes::new(py, &bytes).unbind();
    Ok(Decoded {
        width: picture.width,
        height: picture.height,
        channels: picture.color.channels() as u8,
        maximum,
        samples: bytes(samples.unwrap_or_default()),
        alpha: alpha.map(bytes),
        orientation: picture.orientation,
        icc: picture.metadata.icc.map(bytes),
        exif: picture.metadata.exif.map(bytes),
        xmp: picture.metadata.xmp.map(bytes),
        exact: outcome.hash_matches,
        damage: outcome.damage.iter().map(ToString::to_string).collect(),
    })
}

/// Reads the header of a file. Its first 35 bytes are enough.
#[pyfunction]
fn info(data: &[u8]) -> PyResult<Info> {
    let header = Header::parse(data, &Limits::default()).map_err(raise)?;
    Ok(Info {
        width: header.width,
        height: header.height,
        channels: if header.gray { 1 } else { 3 },
        alpha: header.alpha,
        orientation: header.orientation,
        quality: f64::from(header.quality) / 64.0,
        profile: Profile::from_raw(header.profile).name(),
        model: header.model.iter().map(|byte| format!("{byte:02x}")).collect(),
        maximum: header.maximum,
        max_error: header.exact,
    })
}

/// The metadata blocks of a file: ICC, EXIF, XMP.
#[pyfunction]
#[expect(clippy::type_complexity, reason = "three optional blocks")]
fn metadata(
    py: Python<'_>,
    data: &[u8],
) -> PyResult<(Option<Py<PyBytes>>, Option<Py<PyBytes>>, Option<Py<PyBytes>>)> {
    let limits = Limits::default().for_input(data.len() as u64);
    let stream = container::read(data, &limits).map_err(raise)?;
    let block = stream.bytes(ChunkKind::Metadata);
    let found = block.map_or(Ok(Metadata::default()), |b| container::metadata::unpack(b, &limits));
    let Metadata { icc, exif, xmp, .. } = found.map_err(raise)?;
    let bytes = |block: Vec<u8>| PyBytes::new(py, &block).unbind();
    Ok((icc.map(bytes), exif.map(bytes), xmp.map(bytes)))
}

/// How many of the four passes are complete in the beginning of a file, or -1 if its table is not complete.
#[pyfunction]
fn passes(data: &[u8]) -> PyResult<i8> {
    let limits = Limits::default().for_input(data.len() as u64);
    let stream = match container::read(data, &limits) {
        Ok(stream) => stream,
        Err(aecodec::Error::Truncated { .. }) => return Ok(-1),
        Err(error) => return Err(raise(error)),
    };
    let complete = |pass: u8| {
        let is = |kind: ChunkKind| matches!(kind, ChunkKind::Pass { pass: found, .. } if found == pass);
        let mut chunks = stream.chunks.iter().filter(|chunk| is(chunk.kind));
        chunks.all(|chunk| matches!(chunk.state, ChunkState::Present(_)))
    };
    Ok((0..container::PASSES).take_while(|&pass| complete(pass)).count() as i8)
}

#[pymodule]
fn _aecodec(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("AecError", module.py().get_type::<AecError>())?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<Model>()?;
    module.add_class::<Info>()?;
    module.add_class::<Decoded>()?;
    module.add_function(wrap_pyfunction!(encode, module)?)?;
    module.add_function(wrap_pyfunction!(decode, module)?)?;
    module.add_function(wrap_pyfunction!(info, module)?)?;
    module.add_function(wrap_pyfunction!(metadata, module)?)?;
    module.add_function(wrap_pyfunction!(passes, module)?)?;
    Ok(())
}
