//! JPEG as mozjpeg writes it with all its optimisations, and as a plain libjpeg writes it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use mozjpeg::{ColorSpace, Compress, Decompress};

use super::{Codec, CodedFile, DecodedPicture, QualityScale};
use crate::{Error, Result, Rgb};

/// The marker at the end of every file. For a truncated file, libjpeg fills the rest with gray and reports no error.
const END: [u8; 2] = [0xff, 0xd9];

/// JPEG, 4:2:0.
pub struct Jpeg {
    encoder: Library,
}

#[derive(Clone, Copy, PartialEq)]
enum Library {
    Mozjpeg,
    Libjpeg,
}

impl Jpeg {
    /// The best that JPEG can do: progressive, with trellis quantisation and with scans chosen for size.
    pub const fn mozjpeg() -> Self {
        Self { encoder: Library::Mozjpeg }
    }

    /// What most JPEG files are: baseline, with the quantisation tables of the standard and optimised Huffman codes.
    pub const fn libjpeg() -> Self {
        Self { encoder: Library::Libjpeg }
    }

    fn compress(&self, picture: &Rgb, quality: f64) -> std::io::Result<Vec<u8>> {
        let mut compress = Compress::new(ColorSpace::JCS_RGB);
        if self.encoder == Library::Libjpeg {
            compress.set_fastest_defaults();
            compress.set_optimize_coding(true);
        }
        compress.set_size(picture.width, picture.height);
        compress.set_quality(quality as f32);
        compress.set_chroma_sampling_pixel_sizes((2, 2), (2, 2));
        let mut compress = compress.start_compress(Vec::new())?;
        compress.write_scanlines(&picture.samples)?;
        compress.finish()
    }

    /// Runs `work`, which calls libjpeg. That library reports errors by unwinding.
    fn guarded<T>(&self, work: impl FnOnce() -> std::io::Result<T>) -> Result<T> {
        let said = match catch_unwind(AssertUnwindSafe(work)) {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(error)) => error.to_string(),
            Err(panic) => {
                panic.downcast::<String>().map_or_else(|_| "libjpeg failed".to_owned(), |said| *said)
            }
        };
        Err(Error::codec(self.id(), said))
    }
}

impl Codec for Jpeg {
    fn id(&self) -> &str {
        match self.encoder {
            Library::Mozjpeg => "jpeg",
            Library::Libjpeg => "libjpeg",
        }
    }

    fn name(&self) -> &str {
        match self.encoder {
            Library::Mozjpeg => "JPEG",
            Library::Libjpeg => "JPEG (plain)",
        }
    }

    fn settings(&self) -> &str {
        match self.encoder {
            Library::Mozjpeg => "4:2:0, progressive, trellis quantisation",
            Library::Libjpeg => "4:2:0, baseline, standard tables, optimised Huffman codes",
        }
    }

    fn version(&self) -> &str {
        match self.encoder {
            Library::Mozjpeg => "mozjpeg (mozjpeg-sys 2.2.3)",
            Library::Libjpeg => "libjpeg as in mozjpeg's fastest profile (mozjpeg-sys 2.2.3)",
        }
    }

    fn scale(&self) -> QualityScale {
        QualityScale { worst: 10.0, best: 95.0, step: 1.0 }
    }

    fn media_type(&self) -> Option<&str> {
        Some("image/jpeg")
    }

    fn encode(&self, picture: &Rgb, quality: f64) -> Result<CodedFile> {
        let start = Instant::now();
        let bytes = self.guarded(|| self.compress(picture, quality))?;
        Ok(CodedFile { bytes, seconds: start.elapsed().as_secs_f64(), peak_memory: None })
    }

    fn decode(&self, bytes: &[u8]) -> Result<DecodedPicture> {
        if !bytes.ends_with(&END) {
            return Err(Error::codec(self.id(), "the file is truncated"));
        }
        let start = Instant::now();
        let (width, height, samples) = self.guarded(|| {
            let mut rows = Decompress::new_mem(bytes)?.rgb()?;
            let samples: Vec<u8> = rows.read_scanlines()?;
            Ok((rows.width(), rows.height(), samples))
        })?;
        let seconds = start.elapsed().as_secs_f64();
        let picture = Rgb::new(width, height, samples);
        let picture = picture.ok_or_else(|| Error::codec(self.id(), "the file has no pixels"))?;
        Ok(DecodedPicture { picture, seconds, peak_memory: None })
    }
}
