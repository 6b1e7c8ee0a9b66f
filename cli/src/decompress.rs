//! `aecodec decompress`: decompresses .aec files to pictures.

use std::path::{Path, PathBuf};

use aecodec::container::{self, Header};
use aecodec::files::{self, Format, PngEffort, WriteOptions};
use aecodec::{DecodeOptions, Decoder, Model, ModelRegistry, Outcome, PictureInfo, ReducedSize, Region};
use anyhow::{Context as _, Result, bail};
use serde_json::json;

use crate::batch::{self, Item, Share, Sums};
#[cfg(feature = "live")]
use crate::clip;
use crate::compress::raw;
use crate::damage::{self, MENDED};
use crate::failure::{Exit, usage};
use crate::flags::Common;
use crate::inputs::{self, Input};
use crate::kinds::Kind;
use crate::models;
use crate::output::{Destination, Existing, Origin};
use crate::plan::{self, Planned};
use crate::printable::printable;
use crate::report::{grouped, hex};
use crate::size;

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// .aec files, folders (including all .aec files below them) and patterns; '-' is stdin
    #[arg(required = true, value_name = "IN")]
    inputs: Vec<PathBuf>,
    /// Output file, or output folder for several inputs; '-' is stdout [default: next to each input, or stdout for stdin]
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    /// Format of the pictures: png, ppm, tif, jpg or webp [default: the extension of OUT, or png]
    #[arg(long, value_name = "FORMAT", value_parser = format_name)]
    format: Option<Format>,
    /// Quality of JPEG outputs, from 1 to 100
    #[arg(long, value_name = "Q", default_value_t = 95, value_parser = clap::value_parser!(u8).range(1..=100))]
    jpeg_quality: u8,
    /// How much time to spend on making PNG outputs smaller
    #[arg(long, value_name = "EFFORT", value_enum, default_value = "fast")]
    png_effort: PngEffortName,
    /// Decode only the first N of the four passes, for a preview
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=4))]
    passes: Option<u8>,
    /// Decode only this region of the stored picture, in pixels
    #[arg(long, value_name = "X,Y,W,H", value_parser = size::region, conflicts_with = "passes")]
    region: Option<Region>,
    /// Bits per sample of the pictures: 8 or 16 [default: 16 for pictures that had more than 8, in formats that hold them]
    #[arg(long, value_name = "BITS", value_parser = depth, conflicts_with_all = ["thumbnail", "scale"])]
    depth: Option<u8>,
    /// Decode to a small picture whose longest side has at most N pixels; this is fast for large pictures
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), conflicts_with_all = ["passes", "region"])]
    thumbnail: Option<u32>,
    /// Decode to a picture of this fraction of the size
    #[arg(long, value_name = "FRACTION", value_enum, conflicts_with_all = ["passes", "region", "thumbnail"])]
    scale: Option<Fraction>,
    /// Of a clip (IN.aecs), decode only these frames, counted from 0, such as 12 or 12-40
    #[cfg(feature = "live")]
    #[arg(long, value_name = "FIRST-LAST", value_parser = clip::range)]
    frames: Option<std::ops::RangeInclusive<u64>>,
    /// Also use the model in this .aem file; may be given more than once
    #[arg(long, value_name = "FILE")]
    model: Vec<PathBuf>,
    #[command(flatten)]
    common: Common,
    /// Replace existing outputs
    #[arg(short, long)]
    force: bool,
}

/// The efforts, as named on the command line.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum PngEffortName {
    /// Takes a fraction of the decoding time
    Fast,
    /// Writes a smaller file, in about the decoding time
    Balanced,
    /// Writes the smallest file, in several times the decoding time
    Small,
}

impl From<PngEffortName> for PngEffort {
    fn from(name: PngEffortName) -> Self {
        match name {
            PngEffortName::Fast => Self::Fast,
            PngEffortName::Balanced => Self::Balanced,
            PngEffortName::Small => Self::Small,
        }
    }
}

/// The fractions of a size, as named on the command line.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Fraction {
    #[value(name = "1/2")]
    Half,
    #[value(name = "1/4")]
    Quarter,
    #[value(name = "1/8")]
    Eighth,
}

impl Args {
    /// The smaller size that was asked for.
    fn reduced(&self) -> Option<ReducedSize> {
        let fraction = self.scale.map(|scale| match scale {
            Fraction::Half => ReducedSize::Half,
            Fraction::Quarter => ReducedSize::Quarter,
            Fraction::Eighth => ReducedSize::Eighth,
        });
        fraction.or(self.thumbnail.map(ReducedSize::Longest))
    }
}

const EXAMPLES: &str = "\
Examples:
  aecodec decompress photo.aec
  aecodec decompress coded/ -o pictures/ --format jpg
  aecodec decompress photo.aec -o corner.png --region 0,0,640,480
  aecodec decompress photo.aec -o small.png --thumbnail 256
  aecodec decompress - -o - --format ppm < photo.aec | display

From a damaged file, aecodec decodes what is left, lists what is missing, and ends with exit code 4. Outputs get the
permissions and the modification time of their inputs.";

/// Runs the command.
pub fn run(args: &Args) -> Result<Exit> {
    #[cfg(feature = "live")]
    if let Some(exit) = decompress_clip(args)? {
        return Ok(exit);
    }
    let inputs = inputs::expand(&args.inputs, Kind::Coded)?;
    let extension = args.format.unwrap_or(Format::Png).extension();
    let outputs = plan::outputs(&inputs, args.output.as_deref(), extension)?;
    // The extension of a single output determines its format.
    let format = match (&args.output, &outputs[..]) {
        (Some(name), [Planned { destination: Destination::File(path), .. }]) if path == name => {
            named_format(args, name)?
        }
        _ => args.format.unwrap_or(Format::Png),
    };
    let models = models::to_decode_with(&args.model)?;
    let reporter = args.common.reporter(plan::to_stdout(&outputs));
    batch::run(
        &inputs,
        args.common.threads,
        &reporter,
        |input, i, share| one(args, input, &outputs[i], format, &models, share),
        |_| None,
    )
}

/// Decompresses a clip, if the input is one.
#[cfg(feature = "live")]
fn decompress_clip(args: &Args) -> Result<Option<Exit>> {
    match &args.inputs[..] {
        [input] if clip::is_clip(input) => {
            let given = (Existing::forced(args.force), &args.common);
            let frames = args.frames.as_ref();
            clip::decompress(input, args.output.as_deref(), args.format, frames, given).map(Some)
        }
        inputs if inputs.iter().any(|input| clip::is_clip(input)) => {
            Err(usage("clips are decompressed one at a time"))
        }
        _ if args.frames.is_some() => Err(usage("--frames: the input is no clip (.aecs)")),
        _ => Ok(None),
    }
}

fn one(
    args: &Args,
    input: &Input,
    output: &Planned,
    format: Format,
    models: &ModelRegistry,
    share: &Share,
) -> Result<Item> {
    let destination = &output.destination;
    let origin = input.origin();
    destination.check(Existing::forced(args.force))?;
    let limits = args.common.limits();
    let bytes = input.read(&limits)?;
    let limits = args.common.limits_for(bytes.len() as u64);
    let stream = container::read(&bytes, &limits)?;
    let (header, mended) = (stream.header, stream.mended);
    check_region(args.region, &header)?;
    let model = models.of(&header)?;

    let mut options = DecodeOptions::default();
    options.passes = args.passes.unwrap_or(4);
    options.region = args.region;
    options.threads = share.threads;
    options.limits = limits;
    let made = make(args, (&bytes, &header), &model, &options, (destination, &origin, format), share)?;
    let Made { head, alpha, outcome, length, notices, narrowed } = made;

    let mut notices: Vec<String> = notices.iter().map(ToString::to_string).collect();
    notices.extend(output.notice.clone());
    if narrowed {
        notices.push(
            "decoded to 8 bits per sample, because 16 take more memory than allowed; see --max-pixels".into(),
        );
    }
    if mended {
        notices.push(MENDED.into());
    }
    let missing: Vec<String> = outcome.damage.iter().map(ToString::to_string).collect();
    notices.extend(missing.iter().map(|part| format!("damaged: {part}")));
    if outcome.hash_matches == Some(false) && missing.is_empty() {
        notices
            .push("damaged: the decoded pixels differ from those in the encoder; get the file again".into());
    }
    let sums = Sums {
        files: 1,
        failed: 0,
        pictures: length,
        coded: bytes.len() as u64,
        raw: raw(&head, alpha),
        pixels: head.pixels(),
    };
    let damaged = outcome.hash_matches == Some(false) || !missing.is_empty();
    let damaged_map = (!outcome.damage.is_empty()).then(|| damage::map(&header, &outcome.damage));
    let state = if damaged { "  damaged" } else { "" };
    Ok(Item {
        text: format!(
            "{} -> {}  {} x {}  {} bytes as {format}{state}",
            input.name(),
            destination.name(),
            head.width,
            head.height,
            grouped(sums.pictures),
        ),
        json: json!({
            "input": input.field(),
            "output": destination.field(),
            "format": format.extension(),
            "width": head.width,
            "height": head.height,
            "input_bytes": sums.coded,
            "bytes": sums.pictures,
            "pixel_hash": hex(&outcome.pixel_hash),
            "hash_matches": outcome.hash_matches,
            "missing": missing,
            "damage": damaged_map,
            "notices": notices,
        }),
        notices,
        damaged,
        sums,
    })
}

/// A picture that has been written.
struct Made {
    head: PictureInfo,
    alpha: bool,
    outcome: Outcome,
    /// Bytes of the file.
    length: u64,
    notices: Vec<files::Notice>,
    /// Whether samples of 16 bits did not fit into memory.
    narrowed: bool,
}

/// Decodes to the destination: row by row if the format and the picture allow it, and otherwise in memory.
fn make(
    args: &Args,
    (bytes, header): (&[u8], &Header),
    model: &Model,
    options: &DecodeOptions,
    (destination, origin, format): (&Destination, &Origin, Format),
    share: &Share,
) -> Result<Made> {
    let existing = Existing::forced(args.force);
    let mut write_options = WriteOptions::default();
    (write_options.jpeg_quality, write_options.png) = (args.jpeg_quality, args.png_effort.into());
    if let Some(size) = args.reduced() {
        let (picture, outcome) = aecodec::decode_reduced(bytes, model, size, options)?.into_parts();
        let (written, notices) = files::write(&picture, format, &write_options)?;
        destination.write(&written, existing, origin)?;
        let (head, alpha, length) = (picture.head(), picture.alpha.is_some(), written.len() as u64);
        return Ok(Made { head, alpha, outcome, length, notices, narrowed: false });
    }
    if args.depth == Some(16) && !header.is_deep() {
        bail!("the picture has 8 bits per sample; leave out --depth 16");
    }
    let mut narrowed = false;
    if args.depth != Some(8) && header.is_deep() && (header.maximum > 255 || format.is_deep()) {
        match aecodec::decode_deep(bytes, model, options) {
            // A picture that is too large for this is decoded row by row to 8 bits, unless that loses what it holds.
            Err(aecodec::Error::Limit { .. }) if args.depth.is_none() && header.exact.is_none() => {
                narrowed = true;
            }
            decoded => {
                let (picture, outcome) = decoded?;
                let (written, notices) = files::write_deep(&picture, format, &write_options)?;
                destination.write(&written, existing, origin)?;
                let (head, alpha, length) = (picture.head(), picture.alpha.is_some(), written.len() as u64);
                return Ok(Made { head, alpha, outcome, length, notices, narrowed: false });
            }
        }
    }
    let decoder = Decoder::new(bytes, model, options)?;
    let head = decoder.head().clone();
    if !decoder.has_alpha() && files::writes_rows(&head, format) {
        let mut draft = destination.begin(existing, origin)?;
        let (mut done, all) = (0, raw(&head, false));
        let written = files::write_rows(&mut draft, &head, format, &write_options, |sink| {
            decoder.run(|rows| {
                done += rows.len() as u64;
                share.done(done, all);
                sink(rows)
            })
        });
        let (outcome, notices) = written.with_context(|| destination.refusal())?;
        let length = draft.length();
        draft.finish()?;
        return Ok(Made { head, alpha: false, outcome, length, notices, narrowed });
    }
    drop(decoder);
    let (picture, outcome) = aecodec::decode(bytes, model, options)?.into_parts();
    let (written, notices) = files::write(&picture, format, &write_options)?;
    destination.write(&written, existing, origin)?;
    let (head, alpha, length) = (picture.head(), picture.alpha.is_some(), written.len() as u64);
    Ok(Made { head, alpha, outcome, length, notices, narrowed })
}

fn depth(text: &str) -> Result<u8, String> {
    match text {
        "8" => Ok(8),
        "16" => Ok(16),
        _ => Err("expected 8 or 16".into()),
    }
}

fn format_name(text: &str) -> Result<Format, String> {
    Format::from_name(text).ok_or_else(|| "expected png, ppm, tif, jpg or webp".into())
}

fn named_format(args: &Args, output: &Path) -> Result<Format> {
    let path = printable(output);
    match (args.format, Format::from_path(output)) {
        (Some(asked), Some(named)) if asked != named => Err(usage(format!(
            "-o {path} has the extension of {named}, but --format asks for {asked}; change one of them"
        ))),
        (Some(format), _) | (None, Some(format)) => Ok(format),
        (None, None) => Err(usage(format!(
            "-o {path}: the extension is not that of a format; use .png, .jpg, .webp, .tif or .ppm, or give --format"
        ))),
    }
}

fn check_region(region: Option<Region>, header: &Header) -> Result<()> {
    let Some(Region { x, y, width, height }) = region else { return Ok(()) };
    let inside = |at: u32, length: u32, all: u32| at.checked_add(length).is_some_and(|end| end <= all);
    if !inside(x, width, header.width) || !inside(y, height, header.height) {
        bail!(
            "the region {x},{y},{width},{height} extends beyond the picture of {} x {} pixels; give a smaller one",
            header.width,
            header.height,
        );
    }
    Ok(())
}
