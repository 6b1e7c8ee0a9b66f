//! From a source file to an `.aec` that is ready to be offered.

use std::any::Any;
use std::fs::File;
use std::io::Read as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use aecodec::container::{self, ChunkState, Header};
use aecodec::resize::{Filter, resize};
use aecodec::{Check, Coding, EncodeOptions, Encoded, Limits, Mode, Model, Picture, Quality, Target, files};
use aecodec_proto::message::Source;
use aecodec_proto::{Hash, parts};

use crate::screen::Screen;
use crate::source::{Kind, SourceFile, modified};
use crate::{Error, Result};

/// Pictures of this many pixels or more are coded by all threads together, one at a time. So each is ready sooner,
/// and a batch of large pictures never multiplies the memory of one by the number of cores.
const LARGE: u64 = 4 << 20;
/// Pictures of this many pixels or more come with a thumbnail, because decoding a whole preview of them takes a
/// while.
const THUMBNAIL_FROM: u64 = 1 << 20;
/// Longer side of a thumbnail in pixels, its quality, and the bytes that it may have.
const THUMBNAIL_SIDE: u64 = 512;
const THUMBNAIL_QUALITY: f64 = 35.0;
const THUMBNAIL_BYTES: usize = 24 << 10;

/// How pictures are compressed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// The model to compress with.
    pub model: Arc<Model>,
    /// What the encoder aims at. The default is quality 50.
    pub target: Target,
    /// Whether to use the model. The default is [`Mode::Auto`], as in `aecodec compress`. With [`Mode::Exact`], pictures of more
    /// than 8 bits per sample keep all of them.
    pub mode: Mode,
    /// Binary logarithm of a group's side in pixels, 6 to 14. The default is 10. Smaller groups are for receivers
    /// that decode on many cores. They cost bytes (9: 0.1 to 0.8 %, most at low quality), and the transfer gains
    /// nothing from them because large substreams are cut into parts anyway.
    pub group_log2: u8,
    /// Bounds on what is accepted.
    pub limits: Limits,
    /// Decides which pictures are sent in full, and of which only a preview. The default is none: all are sent in full.
    pub screen: Option<Arc<dyn Screen>>,
    /// Models that `.aec` files may have been made with, in addition to `model`.
    pub known_models: Vec<Hash>,
}

impl Settings {
    /// The default settings.
    pub fn new(model: Arc<Model>) -> Self {
        let usual = EncodeOptions::default();
        Self {
            model,
            target: usual.target,
            mode: Mode::Auto,
            group_log2: usual.group_log2,
            limits: usual.limits,
            screen: None,
            known_models: Vec::new(),
        }
    }

    /// A fingerprint of everything that decides which bytes a file of this kind becomes. It is equal for equal
    /// settings, in every process.
    pub fn fingerprint(&self, kind: Kind) -> Hash {
        let mut text = match kind {
            Kind::Aec => "as it is".into(),
            _ => format!("{} {} {:?} {:?}", Hash(self.model.id()), self.group_log2, self.target, self.mode),
        };
        if let Some(screen) = &self.screen {
            text += &format!(" {}", screen.identity());
        }
        Hash::of(text.as_bytes())
    }
}

/// A compressed picture.
#[derive(Debug)]
pub(crate) struct Made {
    pub aec: Aec,
    /// False if the target cannot be reached and this is the nearest to it.
    pub reached: bool,
    /// What could not be kept unchanged.
    pub notices: Vec<String>,
}

/// An undamaged `.aec`, and what its offer says about it.
#[derive(Debug)]
pub(crate) struct Aec {
    pub bytes: Vec<u8>,
    pub hash: Hash,
    pub parts: Vec<u32>,
    pub model: Hash,
    pub source: Source,
    /// Small `.aec` of a large picture, or empty.
    pub thumbnail: Vec<u8>,
}

/// What a file turned out to be.
pub(crate) enum Opened {
    Aec(Aec),
    Picture(Vec<u8>),
}

/// Compresses pictures, from several threads at a time.
pub(crate) struct Encoder {
    settings: Settings,
    cores: Cores,
}

impl Encoder {
    /// Makes an encoder for this many threads.
    pub fn new(settings: Settings, threads: usize) -> Self {
        Self { settings, cores: Cores::new(threads) }
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Reads a source and recognises what it is by its content.
    pub fn open(&self, file: &SourceFile) -> Result<Opened> {
        let bytes = read(file, &self.settings.limits.for_input(file.bytes))?;
        if bytes.starts_with(b"\x89AEC") {
            return self.check(&file.path, bytes, file.bytes, None).map(Opened::Aec);
        }
        Ok(Opened::Picture(bytes))
    }

    /// Compresses a picture.
    pub fn encode(&self, file: &SourceFile, bytes: Vec<u8>) -> Result<Made> {
        let path = &file.path;
        let limits = self.settings.limits.for_input(file.bytes);
        let count = files::sequence::count(&bytes).map_err(Error::picture(path))?;
        if count > 1 {
            let detail = format!(
                "the file holds {count} pictures; compress it with `aecodec compress --all-frames`, and send the .aec files"
            );
            return Err(Error::picture(path)(aecodec::Error::Invalid { what: "picture", detail }));
        }
        let (picture, notices, encoded) = match files::read_deep(&bytes, &limits)
            .map_err(Error::picture(path))?
        {
            Some((picture, mut notices)) => {
                let encode =
                    |options: &EncodeOptions| aecodec::encode_deep(&picture, &self.settings.model, options);
                let encoded = self.compress(picture.head().pixels(), encode).map_err(Error::picture(path))?;
                if encoded.coding == Coding::Learned && picture.has_fine_alpha() {
                    notices.push(files::Notice::AlphaRounded);
                }
                (picture.rounded(), notices, encoded)
            }
            None => {
                let (picture, notices) = files::read(&bytes, &limits).map_err(Error::picture(path))?;
                let encode =
                    |options: &EncodeOptions| aecodec::encode(&picture, &self.settings.model, options);
                let encoded = self.compress(picture.pixels(), encode).map_err(Error::picture(path))?;
                (picture, notices, encoded)
            }
        };
        drop(bytes);
        let thumbnail = self.thumbnail(&picture).map_err(Error::picture(path))?;
        drop(picture);
        // In the protocol, an exact decode has an infinite PSNR; one without a PSNR is not known.
        let psnr = encoded.psnr.unwrap_or(f64::INFINITY);
        let aec = self.check(path, encoded.bytes, file.bytes, Some(psnr))?;
        Ok(Made {
            aec: Aec { thumbnail, ..aec },
            reached: encoded.reached,
            notices: notices.iter().map(ToString::to_string).collect(),
        })
    }

    /// Reads as much of an `.aec` as its offer needs; `source` is the length of the file from which it was made.
    ///
    /// # Errors
    /// Returns [`Error::Picture`] if it is not an `.aec`, and [`Error::Damaged`] if it is not whole.
    pub fn check(&self, path: &Path, bytes: Vec<u8>, source: u64, psnr: Option<f64>) -> Result<Aec> {
        let limits = &self.settings.limits;
        let stream = container::read(&bytes, limits).map_err(Error::picture(path))?;
        let damaged = || stream.chunks.iter().filter(|chunk| !matches!(chunk.state, ChunkState::Present(_)));
        if let Some(first) = damaged().next() {
            return Err(Error::Damaged {
                path: path.to_owned(),
                damaged: damaged().count(),
                parts: stream.chunks.len(),
                first: first.kind.to_string(),
            });
        }
        let header = stream.header;
        let parts = parts::cut(&bytes, limits).map_err(Error::picture(path))?;
        let source =
            Source { bytes: source, width: header.width, height: header.height, raw: raw(&header), psnr };
        let (hash, model) = (Hash::of(&bytes), self.model(&header));
        Ok(Aec { hash, parts, model, source, bytes, thumbnail: Vec::new() })
    }

    /// Encodes a picture of so many pixels, when it is its turn.
    fn compress(
        &self,
        pixels: u64,
        encode: impl Fn(&EncodeOptions) -> aecodec::Result<Encoded>,
    ) -> aecodec::Result<Encoded> {
        let mut options = EncodeOptions::default();
        (options.target, options.mode) = (self.settings.target, self.settings.mode);
        options.group_log2 = self.settings.group_log2;
        options.limits = self.settings.limits;
        let share = if pixels < LARGE { 1 } else { self.cores.all };
        let taken = self.cores.take(share);
        options.threads = taken.count;
        encode(&options)
    }

    /// A small picture of a large one, for a first preview: a few kilobytes, while the whole takes megabytes.
    fn thumbnail(&self, picture: &Picture) -> aecodec::Result<Vec<u8>> {
        let longest = picture.width.max(picture.height);
        if picture.pixels() < THUMBNAIL_FROM {
            return Ok(Vec::new());
        }
        let side = |side: u32| (u64::from(side) * THUMBNAIL_SIDE / u64::from(longest)).max(1) as u32;
        let size = (side(picture.width), side(picture.height));
        let mut small = resize(picture, size, Filter::Hamming)?;
        small.orientation = picture.orientation;
        let mut options = EncodeOptions::default();
        options.target = Target::Quality(Quality::new(THUMBNAIL_QUALITY).unwrap_or_default());
        options.check = Check::None;
        let bytes = aecodec::encode(&small, &self.settings.model, &options)?.bytes;
        Ok(if bytes.len() > THUMBNAIL_BYTES { Vec::new() } else { bytes })
    }

    fn model(&self, header: &Header) -> Hash {
        let own = Hash(self.settings.model.id());
        // An exact stream needs none, so none has to be brought.
        if header.exact.is_some() {
            return own;
        }
        let mut known = std::iter::once(&own).chain(&self.settings.known_models);
        known.find(|hash| hash.0.starts_with(&header.model)).copied().unwrap_or_else(|| {
            let mut padded = [0; 32];
            padded[..8].copy_from_slice(&header.model);
            Hash(padded)
        })
    }
}

/// All bytes of a file, if it has not changed since it was found.
pub(crate) fn read(file: &SourceFile, limits: &Limits) -> Result<Vec<u8>> {
    let path = &file.path;
    limits.check_bytes(file.bytes).map_err(Error::picture(path))?;
    let mut input = File::open(path).map_err(Error::read(path))?;
    let mut bytes = Vec::with_capacity(file.bytes as usize + 1);
    (&mut input).take(file.bytes + 1).read_to_end(&mut bytes).map_err(Error::read(path))?;
    let after = input.metadata().map_err(Error::read(path))?;
    if bytes.len() as u64 != file.bytes || (after.len(), modified(&after)) != (file.bytes, file.modified) {
        return Err(Error::Changed { path: path.clone() });
    }
    Ok(bytes)
}

/// Bytes of a picture's samples without compression.
fn raw(header: &Header) -> u64 {
    let channels = if header.gray { 1 } else { 3 } + u64::from(header.alpha);
    u64::from(header.width) * u64::from(header.height) * channels
}

/// Turns a panic into an error that names the file.
pub(crate) fn caught<T>(path: &Path, work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|panic| Err(Error::Internal { path: path.to_owned(), cause: message(&*panic) }))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "unknown cause".into())
}

/// Shares the cores between pictures: a small picture takes one core, a large picture all of them.
struct Cores {
    all: usize,
    free: Mutex<usize>,
    returned: Condvar,
    /// Held while waiting, so that small pictures do not overtake a large one forever.
    turn: Mutex<()>,
}

struct Taken<'a> {
    cores: &'a Cores,
    count: usize,
}

impl Cores {
    fn new(all: usize) -> Self {
        Self { all, free: Mutex::new(all), returned: Condvar::new(), turn: Mutex::new(()) }
    }

    fn take(&self, count: usize) -> Taken<'_> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self.free();
        while *free < count {
            free = self.returned.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
        *free -= count;
        Taken { cores: self, count }
    }

    fn free(&self) -> MutexGuard<'_, usize> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        *self.cores.free() += self.count;
        self.cores.returned.notify_all();
    }
}

#[cfg(test)]
mod tests;
