//! Compares a decoded picture with its original.

use std::fmt;
use std::fs;
use std::path::Path;

use aecodec::{DecodeOptions, DeepPicture, Model, container, files};
use anyhow::{Context as _, Result, bail};

use crate::printable::printable;
use crate::report::decibels;

/// The difference between a decoded picture and its original.
pub struct Difference {
    /// Of the colour samples and of alpha.
    pub largest: u16,
    /// Of alpha alone.
    alpha: u16,
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
        if let Some(difference) = Self::of_deep(bytes, model, options, (&file, &name))? {
            return Ok(difference);
        }
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

    /// The same for a stream of more than 8 bits per sample; `None` if it has 8.
    fn of_deep(
        bytes: &[u8],
        model: &Model,
        options: &DecodeOptions,
        (file, name): (&[u8], &str),
    ) -> Result<Option<Self>> {
        let header = container::read(bytes, &options.limits)?.header;
        if !header.is_deep() {
            return Ok(None);
        }
        let limits = options.limits.for_input(file.len() as u64);
        let original = files::read_deep(file, &limits).with_context(|| format!("{name} is not a picture"))?;
        let original = match header.exact {
            Some(_) => original.map(|(picture, _)| picture),
            None => original.map(|(picture, _)| picture.filled()),
        };
        let (found, _) = aecodec::decode_deep(bytes, model, options)?;
        let maximum = found.maximum;
        let shape = |picture: &DeepPicture| (picture.width, picture.height, picture.color, picture.maximum);
        let expected = original.filter(|picture| shape(picture) == shape(&found));
        let Some(expected) = expected else {
            bail!(
                "it is {} x {} pixels with samples of up to {maximum}, but {name} is not; compare it with its own original",
                found.width,
                found.height,
            );
        };
        let opaque = vec![maximum; found.samples.len() / found.color.channels()];
        let alpha = [&found, &expected].map(|picture| picture.alpha.as_ref().unwrap_or(&opaque));
        let alpha = largest(alpha[0], alpha[1]);
        let squares = found.samples.iter().zip(&expected.samples);
        let squares: f64 = squares.map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum();
        let peak = f64::from(maximum).powi(2) * found.samples.len() as f64;
        Ok(Some(Self {
            largest: largest(&found.samples, &expected.samples).max(alpha),
            alpha,
            psnr: (squares > 0.0).then(|| 10.0 * (peak / squares).log10()),
            original: name.to_owned(),
        }))
    }

    /// Fails if the difference is larger than an exact stream allows.
    pub fn check(&self, allowed: u16) -> Result<()> {
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

fn largest<T: Copy + Into<u16>>(a: &[T], b: &[T]) -> u16 {
    a.iter().zip(b).map(|(&a, &b)| a.into().abs_diff(b.into())).max().unwrap_or(0)
}
