//! The cache of measurements: one small file for each picture, codec, quality and version, so that an interrupted
//! benchmark can continue.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::codec::Codec;
use crate::results::Point;
use crate::{Error, Result, Rgb};

/// The version of an entry's meaning.
const VERSION: u32 = 1;

/// A folder of entries. Without a folder, nothing is kept.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: Option<PathBuf>,
    processor: String,
    at_once: usize,
}

/// What is known about one picture in one codec at one quality.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct CacheEntry {
    /// How many pictures were processed at the same time, which lengthens times.
    at_once: usize,
    /// The size of the file.
    bytes: u64,
    /// All measurements, if more than the size was measured.
    point: Option<Point>,
}

/// Identifies a picture by its pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureId([u8; 32]);

impl PictureId {
    /// The id of these pixels.
    pub fn of(picture: &Rgb) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&(picture.width as u64).to_le_bytes());
        hasher.update(&(picture.height as u64).to_le_bytes());
        hasher.update(&picture.samples);
        Self(*hasher.finalize().as_bytes())
    }
}

/// Identifies an entry.
#[derive(Debug, Clone)]
pub struct CacheKey(blake3::Hash);

impl Cache {
    /// Creates a cache in this folder, which is created with the first entry. Without a folder, nothing is kept.
    ///
    /// Times depend on the `processor`, so each processor has separate entries. They also depend on how many pictures
    /// are processed `at_once`: points that were measured with more pictures at a time are not used.
    pub fn new(folder: Option<PathBuf>, processor: &str, at_once: usize) -> Self {
        Self { folder, processor: processor.to_owned(), at_once }
    }

    /// The key of a picture in a codec at a quality.
    pub fn key(&self, picture: PictureId, codec: &dyn Codec, quality: f64) -> CacheKey {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&VERSION.to_le_bytes());
        hasher.update(&picture.0);
        hasher.update(&quality.to_bits().to_le_bytes());
        for text in [codec.id(), codec.settings(), codec.version(), codec.commands(), &self.processor] {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        CacheKey(hasher.finalize())
    }

    /// The point of this key, if it was measured with no more pictures at a time than now.
    pub fn point(&self, key: &CacheKey) -> Option<Point> {
        self.entry(key).filter(|entry| entry.at_once <= self.at_once)?.point
    }

    /// The size of the coded file of this key.
    pub fn bytes(&self, key: &CacheKey) -> Option<u64> {
        Some(self.entry(key)?.bytes)
    }

    /// The entry of this key. An entry that cannot be read counts as missing.
    fn entry(&self, key: &CacheKey) -> Option<CacheEntry> {
        let bytes = fs::read(self.path(key, "json")?).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// The coded file of this key.
    pub fn file(&self, key: &CacheKey) -> Option<Vec<u8>> {
        fs::read(self.path(key, "coded")?).ok()
    }

    /// Keeps the size of a file and the other measurements.
    ///
    /// # Errors
    /// Returns [`Error::File`] if it cannot be written.
    pub fn keep(&self, key: &CacheKey, bytes: u64, point: Option<Point>) -> Result<()> {
        let entry = CacheEntry { at_once: self.at_once, bytes, point };
        let json = serde_json::to_vec(&entry).map_err(|error| Error::Report(error.to_string()))?;
        self.write(key, "json", &json)
    }

    /// Keeps a coded file.
    ///
    /// # Errors
    /// Returns [`Error::File`] if it cannot be written.
    pub fn keep_file(&self, key: &CacheKey, bytes: &[u8]) -> Result<()> {
        self.write(key, "coded", bytes)
    }

    fn path(&self, key: &CacheKey, extension: &str) -> Option<PathBuf> {
        let name = key.0.to_hex();
        Some(self.folder.as_ref()?.join(&name[..2]).join(format!("{}.{extension}", &name[2..])))
    }

    fn write(&self, key: &CacheKey, extension: &str, bytes: &[u8]) -> Result<()> {
        let Some(path) = self.path(key, extension) else { return Ok(()) };
        let failed = |source| Error::file(&path, source);
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(failed)?;
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        file.write_all(bytes).map_err(failed)?;
        file.persist(&path).map_err(|error| failed(error.error))?;
        Ok(())
    }
}
