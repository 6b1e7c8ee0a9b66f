//! Compares a decoded picture with its original.

use std::fmt;
use std::fs;
use std::path::Path;

use aecodec::{DecodeOptions, Model, files};
use anyhow::{Context as _, Result, bail};

use crate::printable::printable;
use crate::report::decibels;

/// The difference between a decoded picture and its original.
pub struct Difference {
    /// Of the colour samples and of alpha.
    pub largest: u8,
    /// Of alpha alone.
    alpha: u8,
    /// Of the colour samples; `None` if they are equal.
    pub psnr: Option<f64>,
    original: String,
}

impl Difference {
    /// Decodes a stream, and compares it with the picture in a file.
    pub fn between(bytes: &[u8], model: &Model, options: &DecodeOptions, original: &Path) -> Result<Self> {
        let name = printable(original).to_string();
        let file = fs::read(original).with_context(|| format!("{name} cannot be read"))?;
        let limits = options.limits.for_input(file.len() as u64);
        let (expected, _) =
            files::read(&file, &limits).with_context(|| format!("{name} is not a picture"))?;
        let found = aecodec::decode(bytes, model, options)?.picture;
        let shape = |picture: &aecodec::Picture| (picture.width, picture.height, picture.color);
        if shape(&found) != shape(&expected) {
            bail!(
                "it is {} x {} pixels of {} samples, but {name} is {} x {} pixels of {}; compare it with its own original",
                found.width,
                found.height,
                found.color.channels(),
                expected.width,
                expected.height,
                expected.color.channels(),
            );
        }
        let opaque = vec![255; found.samples.len() / found.color.channels()];
        let alpha = [&found, &expected].map(|picture| picture.alpha.as_ref().unwrap_or(&opaque));
        let alpha = largest(alpha[0], alpha[1]);
        Ok(Self {
            largest: largest(&found.samples, &expected.samples).max(alpha),
            alpha,
            psnr: aecodec::psnr(&found.samples, &expected.samples),
            original: name,
        })
    }

    /// Fails if the difference is larger than an exact stream allows.
    pub fn check(&self, allowed: u8) -> Result<()> {
        if self.largest > allowed || self.alpha > 0 {
            bail!(
                "differs from {} by up to {} (alpha by {}), but the file allows {allowed}; it is not the file of this picture",
                self.original,
                self.largest,
                self.alpha
            );
        }
        Ok(())
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.largest == 0 {
            return write!(f, "equals {}", self.original);
        }
        write!(f, "differs from {} by up to {}, PSNR {}", self.original, self.largest, decibels(self.psnr))
    }
}

fn largest(a: &[u8], b: &[u8]) -> u8 {
    a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0)
}
