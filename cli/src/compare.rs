//! `aecodec compare`: measures how far a picture is from another.

use std::path::{Path, PathBuf};

use aecodec::files::{self, Format, WriteOptions};
use aecodec::{Color, DecodeOptions, ModelRegistry, Picture, container};
use aecodec_bench::Rgb;
use aecodec_bench::metrics::Scores;
use anyhow::{Context as _, Result, bail};
use serde_json::json;

use crate::failure::{Exit, usage};
use crate::flags::Common;
use crate::models;
use crate::output::{Destination, Existing, Origin};
use crate::printable::printable;
use crate::report::{decibels, field, warn};

/// The first bytes of .aec files.
const SIGNATURE: &[u8] = b"\x89AEC\r\n\x1a\n";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The original: a picture of any format that aecodec reads, or an .aec file
    #[arg(value_name = "A")]
    original: PathBuf,
    /// The picture to compare with it
    #[arg(value_name = "B")]
    other: PathBuf,
    /// Write a picture of the differences
    #[arg(long, value_name = "OUT")]
    difference: Option<PathBuf>,
    /// Multiply the differences in this picture by N
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u8).range(1..), requires = "difference")]
    amplify: u8,
    /// Also use the model in this .aem file; may be given more than once
    #[arg(long, value_name = "FILE")]
    model: Vec<PathBuf>,
    #[command(flatten)]
    common: Common,
    /// Replace an existing picture of differences
    #[arg(short, long)]
    force: bool,
}

const EXAMPLES: &str = "\
Examples:
  aecodec compare photo.png photo.aec
  aecodec compare photo.png photo.jpg --difference difference.png
  aecodec compare a.aec b.aec --json

Pictures are turned upright, reduced to 8 bits per sample and compared as red, green and blue. Only the largest
difference includes alpha. MS-SSIM needs sides of at least 161 pixels, SSIMULACRA 2 of at least 8.";

/// Runs the command.
pub fn run(args: &Args) -> Result<Exit> {
    let models = models::to_decode_with(&args.model)?;
    let destination = args.difference.clone().map(Destination::File);
    let existing = Existing::forced(args.force);
    let format = args.difference.as_deref().map(format_of).transpose()?;
    if let Some(destination) = &destination {
        destination.check(existing)?;
    }
    let [(a, intact), (b, also)] = [read(&args.original, args, &models)?, read(&args.other, args, &models)?];
    if (a.width, a.height) != (b.width, b.height) {
        bail!(
            "{} has {} x {} pixels and {} has {} x {}; only pictures of the same size can be compared",
            printable(&args.original),
            a.width,
            a.height,
            printable(&args.other),
            b.width,
            b.height
        );
    }
    let largest = largest(&a, &b);
    let (a, b) = (Rgb::from(a), Rgb::from(b));
    let scores = Scores::measure(&a, &b);
    let psnr = aecodec::psnr(&a.samples, &b.samples);
    if let (Some(destination), Some(format)) = (&destination, format) {
        let picture = difference(&a, &b, args.amplify)?;
        let (written, _) = files::write(&picture, format, &WriteOptions::default())?;
        destination.write(&written, existing, &Origin::default())?;
    }
    print(args, (&a, &scores, psnr, largest), destination.as_ref())?;
    Ok(if intact && also { Exit::Done } else { Exit::Partly })
}

fn print(
    args: &Args,
    (a, scores, psnr, largest): (&Rgb, &Scores, Option<f64>, u8),
    destination: Option<&Destination>,
) -> Result<()> {
    let value = |value: Option<f64>, digits: usize| {
        value.map_or_else(|| "not defined for so small a picture".into(), |value| format!("{value:.digits$}"))
    };
    let mut text = format!(
        "{} and {}  {} x {}\n  PSNR                {}\n  MS-SSIM             {}\n  SSIMULACRA 2        {}\n  \
         largest difference  {largest} of 255",
        printable(&args.original),
        printable(&args.other),
        a.width,
        a.height,
        decibels(psnr),
        value(scores.ms_ssim, 5),
        value(scores.ssimulacra2, 2),
    );
    if let Some(destination) = destination {
        text += &format!("\n  differences x {:<4}  {}", args.amplify, destination.name());
    }
    let json = json!({
        "original": field(&args.original),
        "other": field(&args.other),
        "width": a.width,
        "height": a.height,
        "psnr": psnr,
        "ms_ssim": scores.ms_ssim,
        "ssimulacra2": scores.ssimulacra2,
        "largest_difference": largest,
        "difference": destination.map(Destination::field),
        "amplify": destination.map(|_| args.amplify),
    });
    args.common.reporter(false).result(&text, &json)
}

/// Reads an upright picture. The flag says whether nothing of it is lost.
fn read(path: &Path, args: &Args, models: &ModelRegistry) -> Result<(Picture, bool)> {
    let name = printable(path);
    let bytes = std::fs::read(path).with_context(|| format!("{name} cannot be read"))?;
    let limits = args.common.limits_for(bytes.len() as u64);
    let (picture, lost) = if bytes.starts_with(SIGNATURE) {
        let header = container::read(&bytes, &limits).with_context(|| name.clone())?.header;
        let mut options = DecodeOptions::default();
        (options.threads, options.limits) = (args.common.threads, limits);
        let decoded =
            aecodec::decode(&bytes, &*models.of(&header)?, &options).with_context(|| name.clone())?;
        (decoded.picture, decoded.damage.iter().map(|part| format!("damaged: {part}")).collect())
    } else {
        let (picture, notices) =
            files::read(&bytes, &limits).with_context(|| format!("{name} is not a picture"))?;
        let damaged = notices.iter().filter(|notice| notice.is_damage());
        (picture, damaged.map(ToString::to_string).collect::<Vec<_>>())
    };
    for part in &lost {
        warn("notice", &format!("{name}: {part}"));
    }
    Ok((files::upright(&picture).into_owned(), lost.is_empty()))
}

/// The largest difference of a sample of colour or alpha.
fn largest(a: &Picture, b: &Picture) -> u8 {
    let planes = |picture: &Picture| {
        let opaque = vec![255; (picture.width as usize) * (picture.height as usize)];
        (picture.alpha.clone().unwrap_or(opaque), Rgb::from(picture.clone()).samples)
    };
    let ((alpha, colors), (other_alpha, other_colors)) = (planes(a), planes(b));
    let pairs = alpha.iter().zip(&other_alpha).chain(colors.iter().zip(&other_colors));
    pairs.map(|(&a, &b)| a.abs_diff(b)).max().unwrap_or(0)
}

/// A picture of the differences of colours, multiplied by `amplify`.
fn difference(a: &Rgb, b: &Rgb, amplify: u8) -> aecodec::Result<Picture> {
    let samples = a.samples.iter().zip(&b.samples);
    let samples = samples.map(|(&a, &b)| a.abs_diff(b).saturating_mul(amplify)).collect();
    Picture::new(a.width as u32, a.height as u32, Color::Rgb, samples)
}

fn format_of(path: &Path) -> Result<Format> {
    Format::from_path(path).ok_or_else(|| {
        usage(format!(
            "--difference {}: the extension is not that of a format; use .png, .jpg, .webp, .tif or .ppm",
            printable(path)
        ))
    })
}
