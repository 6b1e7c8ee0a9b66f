//! `aecodec decompress`: .aec to pictures.

use std::path::{Path, PathBuf};

use aecodec::container::{self, Header};
use aecodec::files::{self, Format, WriteOptions};
use aecodec::{DecodeOptions, Decoder, Head, Model, Outcome, Region};
use anyhow::{Context as _, Result, bail};
use serde_json::json;

use crate::batch::{self, Item, Share, Sums};
use crate::compress::raw;
use crate::failure::{Exit, usage};
use crate::flags::Common;
use crate::inputs::{self, Input};
use crate::models::Models;
use crate::output::{Existing, Target};
use crate::report::{grouped, hex};
use crate::{plan, size};

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// .aec files, folders and patterns; '-' is stdin
    #[arg(required = true, value_name = "IN")]
    inputs: Vec<PathBuf>,
    /// Output file, or folder for several inputs; '-' is stdout
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// Format of the pictures: png, ppm, jpg or webp [default: by the extension of OUT, else png]
    #[arg(long, value_name = "FORMAT", value_parser = format_name)]
    format: Option<Format>,
    /// Quality of a JPEG output, 1 to 100
    #[arg(long, value_name = "Q", default_value_t = 95, value_parser = clap::value_parser!(u8).range(1..=100))]
    jpeg_quality: u8,
    /// Decode only the first passes, 0 to 4: a preview
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=4))]
    passes: Option<u8>,
    /// Decode only this part of the stored picture, in pixels
    #[arg(long, value_name = "X,Y,W,H", value_parser = size::region, conflicts_with = "passes")]
    region: Option<Region>,
    /// Also try the models of these .aem files
    #[arg(long, value_name = "FILE")]
    model: Vec<PathBuf>,
    #[command(flatten)]
    common: Common,
    /// Replace outputs that exist
    #[arg(short, long)]
    force: bool,
}

const EXAMPLES: &str = "\
Examples:
  aecodec decompress photo.aec -o photo.png
  aecodec decompress coded/ -o pictures/ --format jpg
  aecodec decompress photo.aec -o corner.png --region 0,0,640,480
  aecodec decompress - -o - --format ppm < photo.aec | display

A damaged file gives the picture that it still holds, a list of what is missing, and exit code 4.";

/// Runs the command.
pub fn run(args: &Args) -> Result<Exit> {
    let inputs = inputs::expand(&args.inputs, is_coded)?;
    let extension = args.format.unwrap_or(Format::Png).extension();
    let targets = plan::targets(&inputs, &args.output, extension)?;
    // A single output's name says its format.
    let named = matches!(&targets[..], [Target::File(path)] if *path == args.output);
    let format = if named { named_format(args)? } else { args.format.unwrap_or(Format::Png) };
    let models = Models::load(&args.model)?;
    let reporter = args.common.reporter(targets.contains(&Target::Stdout));
    batch::run(
        &inputs.list,
        args.common.threads,
        &reporter,
        |input, i, share| one(args, input, &targets[i], format, &models, share),
        |_| None,
    )
}

fn one(
    args: &Args,
    input: &Input,
    target: &Target,
    format: Format,
    models: &Models,
    share: &Share,
) -> Result<Item> {
    target.check(Existing::forced(args.force))?;
    let limits = args.common.limits();
    let bytes = input.read(&limits)?;
    let limits = args.common.limits_for(bytes.len() as u64);
    let header = container::read(&bytes, &limits)?.header;
    check_region(args.region, &header)?;
    let model = models.of(&header)?;

    let mut options = DecodeOptions::default();
    options.passes = args.passes.unwrap_or(4);
    options.region = args.region;
    options.threads = share.threads;
    options.limits = limits;
    let made = make(args, &bytes, &model, &options, (target, format), share)?;
    let Made { head, alpha, outcome, length, notices } = made;

    let mut notices: Vec<String> = notices.iter().map(ToString::to_string).collect();
    notices.extend(outcome.missing.iter().map(|part| format!("damaged: {part}")));
    if outcome.hash_matches == Some(false) && outcome.missing.is_empty() {
        notices.push("damaged: the pixels are not those that were coded; get the file again".into());
    }
    let sums = Sums {
        files: 1,
        failed: 0,
        pictures: length,
        coded: bytes.len() as u64,
        raw: raw(&head, alpha),
        pixels: head.pixels(),
    };
    let damaged = outcome.hash_matches == Some(false) || !outcome.missing.is_empty();
    let state = if damaged { "  damaged" } else { "" };
    Ok(Item {
        text: format!(
            "{} -> {}  {} x {}  {} bytes as {format}{state}",
            input.name(),
            target.name(),
            head.width,
            head.height,
            grouped(sums.pictures),
        ),
        json: json!({
            "input": input.name(),
            "output": target.name(),
            "format": format.extension(),
            "width": head.width,
            "height": head.height,
            "input_bytes": sums.coded,
            "bytes": sums.pictures,
            "pixel_hash": hex(&outcome.pixel_hash),
            "hash_matches": outcome.hash_matches,
            "missing": outcome.missing,
            "notices": notices,
        }),
        notices,
        damaged,
        sums,
    })
}

/// A picture that was written.
struct Made {
    head: Head,
    alpha: bool,
    outcome: Outcome,
    /// Bytes of the file.
    length: u64,
    notices: Vec<files::Notice>,
}

/// Decodes to the target: row by row where the format and the picture allow it, else as a whole.
fn make(
    args: &Args,
    bytes: &[u8],
    model: &Model,
    options: &DecodeOptions,
    (target, format): (&Target, Format),
    share: &Share,
) -> Result<Made> {
    let existing = Existing::forced(args.force);
    let decoder = Decoder::new(bytes, model, options)?;
    let head = decoder.head().clone();
    if !decoder.has_alpha() && files::writes_rows(&head, format) {
        let mut draft = target.begin(existing)?;
        let (mut done, all) = (0, raw(&head, false));
        let written = files::write_rows(&mut draft, &head, format, |sink| {
            decoder.run(|rows| {
                done += rows.len() as u64;
                share.done(done, all);
                sink(rows)
            })
        });
        let (outcome, notices) = written.with_context(|| target.refusal())?;
        let length = draft.length();
        draft.finish()?;
        return Ok(Made { head, alpha: false, outcome, length, notices });
    }
    drop(decoder);
    let (picture, outcome) = aecodec::decode(bytes, model, options)?.into_parts();
    let mut write_options = WriteOptions::default();
    write_options.jpeg_quality = args.jpeg_quality;
    let (written, notices) = files::write(&picture, format, &write_options)?;
    target.write(&written, existing)?;
    let (head, alpha, length) = (picture.head(), picture.alpha.is_some(), written.len() as u64);
    Ok(Made { head, alpha, outcome, length, notices })
}

/// Whether a file of a folder is to be decoded.
pub fn is_coded(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("aec"))
}

fn format_name(text: &str) -> Result<Format, String> {
    Format::from_name(text).ok_or_else(|| "png, ppm, jpg and webp are written".into())
}

fn named_format(args: &Args) -> Result<Format> {
    let path = args.output.display();
    match (args.format, Format::from_path(&args.output)) {
        (Some(asked), Some(named)) if asked != named => {
            Err(usage(format!("-o {path} is named as {named}, but --format asks for {asked}; leave one out")))
        }
        (Some(format), _) | (None, Some(format)) => Ok(format),
        (None, None) => Err(usage(format!(
            "-o {path}: the name tells no format; end it in .png, .jpg, .webp or .ppm, or give --format"
        ))),
    }
}

fn check_region(region: Option<Region>, header: &Header) -> Result<()> {
    let Some(Region { x, y, width, height }) = region else { return Ok(()) };
    let inside = |at: u32, length: u32, all: u32| at.checked_add(length).is_some_and(|end| end <= all);
    if !inside(x, width, header.width) || !inside(y, height, header.height) {
        bail!(
            "the region {x},{y},{width},{height} reaches beyond the picture of {} x {} pixels; give a smaller one",
            header.width,
            header.height,
        );
    }
    Ok(())
}
