//! aecodec itself, run in this process with its default options.

use std::sync::Arc;
use std::time::Instant;

use aecodec::{DecodeOptions, EncodeOptions, Model, Quality, Target};

use super::{Codec, CodedFile, DecodedPicture, QualityScale};
use crate::{Error, Result, Rgb};

/// aecodec with one of its models.
pub struct Aec {
    id: String,
    name: String,
    version: String,
    /// The hash of the running program: another build may code differently or at another speed.
    build: String,
    model: Arc<Model>,
}

impl Aec {
    /// Creates a codec from this model, with a short id and a display name.
    pub fn new(id: &str, name: &str, model: Arc<Model>) -> Self {
        let [a, b, c, d, ..] = model.id();
        let version = format!("aecodec {}, model {a:02x}{b:02x}{c:02x}{d:02x}", env!("CARGO_PKG_VERSION"));
        let program = std::env::current_exe().and_then(std::fs::read);
        let build = program.map_or_else(|_| String::new(), |bytes| blake3::hash(&bytes).to_string());
        Self { id: id.to_owned(), name: name.to_owned(), version, build, model }
    }

    fn error(&self, error: aecodec::Error) -> Error {
        Error::codec(&self.id, error.to_string())
    }
}

impl Codec for Aec {
    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn settings(&self) -> &str {
        "default options; the encoder decodes once to check"
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn commands(&self) -> &str {
        &self.build
    }

    fn scale(&self) -> QualityScale {
        QualityScale { worst: 4.0, best: 95.0, step: 1.0 }
    }

    fn encode(&self, picture: &Rgb, quality: f64) -> Result<CodedFile> {
        let picture = picture.to_picture().map_err(|e| self.error(e))?;
        let Some(quality) = Quality::new(quality) else {
            return Err(Error::codec(&self.id, format!("quality {quality} is not between 0 and 100")));
        };
        let mut options = EncodeOptions::default();
        options.target = Target::Quality(quality);
        let start = Instant::now();
        let encoded = aecodec::encode(&picture, &self.model, &options).map_err(|e| self.error(e))?;
        let seconds = start.elapsed().as_secs_f64();
        Ok(CodedFile { bytes: encoded.bytes, seconds, peak_memory: None })
    }

    fn decode(&self, bytes: &[u8]) -> Result<DecodedPicture> {
        let start = Instant::now();
        let decoded =
            aecodec::decode(bytes, &self.model, &DecodeOptions::default()).map_err(|e| self.error(e))?;
        let seconds = start.elapsed().as_secs_f64();
        if let Some(loss) = decoded.damage.first() {
            return Err(Error::codec(&self.id, format!("damaged stream: {loss}")));
        }
        Ok(DecodedPicture { picture: decoded.picture.into(), seconds, peak_memory: None })
    }
}
