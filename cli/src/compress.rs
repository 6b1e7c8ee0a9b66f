//! `aecodec compress`: compresses pictures to .aec files.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use aecodec::files::{self, Format, PictureReader, sequence};
use aecodec::{
    Coding, EncodeOptions, Encoded, Limits, Mode, Model, Picture, PictureInfo, Protection, Source,
};
use anyhow::{Result, bail};
use serde_json::{Value, json};

use crate::batch::{self, Item, Share, Sums};
#[cfg(feature = "live")]
use crate::clip;
use crate::failure::{Exit, usage};
use crate::flags::Common;
use crate::inputs::{self, Content, Frame, Input};
use crate::kinds::Kind;
use crate::mode::{self, ModeArgs};
use crate::models::{self, ProfileName};
use crate::output::{Destination, Existing};
use crate::plan::{self, Planned};
use crate::printable::printable;
#[cfg(feature = "refine")]
use crate::refine;
use crate::report::{bits_per_pixel, decibels, grouped, saved, saving};
use crate::target::TargetArgs;

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Pictures, folders (including all pictures below them) and patterns; '-' is stdin
    #[arg(required = true, value_name = "IN")]
    inputs: Vec<PathBuf>,
    /// Output file, or output folder for several inputs; '-' is stdout [default: next to each input, or stdout for stdin]
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    mode: ModeArgs,
    /// Built-in model to compress with
    #[arg(long, value_enum, default_value = "fast", conflicts_with = "model")]
    profile: ProfileName,
    /// Compress with the model in this .aem file
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Of a file of several pictures (pages of TIFF, frames of GIF, WebP and PNG), compress picture N, counted from 1
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "all_frames")]
    frame: Option<u32>,
    /// Compress all pictures of a file of several, to numbered outputs
    #[arg(long)]
    all_frames: bool,
    #[cfg(feature = "live")]
    #[command(flatten)]
    clip: crate::clip::ClipArgs,
    /// Make the file robust: a second copy of its most important parts, and smaller groups. It gets about 5 % larger
    #[arg(long)]
    protect: bool,
    #[cfg(feature = "refine")]
    #[command(flatten)]
    refine: refine::EffortArgs,
    #[command(flatten)]
    common: Common,
    /// Replace existing outputs
    #[arg(short, long)]
    force: bool,
}

/// Binary logarithm of the side of the groups of a protected file.
const PROTECTED_GROUPS: u8 = 8;

const EXAMPLES: &str = "\
Examples:
  aecodec compress photo.png
  aecodec compress photo.jpg -o photo.aec --size 80KB
  aecodec compress photos/ 'more/*.webp' -o coded/ --psnr 38
  aecodec compress - -o - --bpp 0.4 < photo.png > photo.aec
  aecodec compress scan.png --lossless

The structure of a folder is kept below OUT. If two names differ only in their extension, both keep it: a.png and
a.jpg become a.png.aec and a.jpg.aec. If pictures from several folders have the same name, the name of the folder or
a number is added. Outputs get the permissions and the modification time of their inputs.";

/// Runs the command.
pub fn run(args: &Args) -> Result<Exit> {
    #[cfg(feature = "live")]
    if let Some(output) = clip_of(args) {
        return compress_clip(args, &output);
    }
    if let Some(output) = &args.output {
        check_name(output)?;
    }
    let mut inputs = inputs::expand(&args.inputs, Kind::Pictures)?;
    if args.all_frames {
        inputs.split(&args.common.limits())?;
    } else if let Some(number) = args.frame {
        let frame = Some(Frame { number, of: None });
        inputs.list.iter_mut().for_each(|input| input.frame = frame);
    }
    let outputs = plan::outputs(&inputs, args.output.as_deref(), "aec")?;
    let model = models::to_encode_with(args.model.as_deref(), args.profile)?;
    let encoder = Encoder {
        model: &model,
        #[cfg(feature = "refine")]
        refinement: args.refine.refinement(args.model.as_deref(), args.profile)?,
    };
    let reporter = args.common.reporter(plan::to_stdout(&outputs));
    batch::run(
        &inputs,
        args.common.threads,
        &reporter,
        |input, i, share| one(args, input, &outputs[i], &encoder, share),
        |sums| Some(total(sums)),
    )
}

/// The clip that the arguments ask for: an output of that name, or one next to a stream of frames.
#[cfg(feature = "live")]
fn clip_of(args: &Args) -> Option<PathBuf> {
    match (&args.output, &args.inputs[..]) {
        (Some(output), _) if clip::is_clip(output) => Some(output.clone()),
        (output, [input]) if clip::is_stream(input) => match output {
            Some(output) if output.as_os_str() == "-" => Some(output.clone()),
            None => Some(input.with_extension("aecs")),
            Some(_) => None,
        },
        _ => None,
    }
}

#[cfg(feature = "live")]
fn compress_clip(args: &Args, output: &Path) -> Result<Exit> {
    let given = [
        (args.model.is_some(), "--model"),
        (args.profile != ProfileName::Fast, "--profile best"),
        (args.all_frames, "--all-frames"),
        (args.frame.is_some(), "--frame"),
        (args.protect, "--protect"),
        (args.mode.is_exact(), "exact coding"),
        #[cfg(feature = "refine")]
        (args.refine.effort() > 0, "--effort"),
    ];
    let settings = clip::Settings {
        common: &args.common,
        target: args.target.target(),
        unfit: given.into_iter().find_map(|(given, name)| given.then_some(name)),
        existing: Existing::forced(args.force),
    };
    clip::compress(inputs::expand(&args.inputs, Kind::Pictures)?, output, &args.clip, &settings)
}

/// Refuses the name of a picture, because the output is an .aec file whatever its name.
fn check_name(output: &Path) -> Result<()> {
    if output.is_dir() || !(files::readable(output) || Format::from_path(output).is_some()) {
        return Ok(());
    }
    let (name, other) = (printable(output), printable(&output.with_extension("aec")));
    Err(usage(format!(
        "-o {name}: compress writes .aec files, not pictures; use -o {other}, and turn it into a picture with 'aecodec decompress'"
    )))
}

/// The model and the search that all pictures are encoded with.
struct Encoder<'a> {
    model: &'a Model,
    #[cfg(feature = "refine")]
    refinement: Option<refine::Refinement>,
}

impl Encoder<'_> {
    /// Encodes a picture that is in memory. `threads` is the number for all pictures together.
    fn encode(
        &self,
        picture: &Picture,
        options: &EncodeOptions,
        threads: usize,
        name: &str,
    ) -> Result<Encoded> {
        #[cfg(feature = "refine")]
        if let Some(refinement) = &self.refinement {
            let mut options = options.clone();
            options.threads = threads;
            if options.mode != Mode::Learned {
                let encoded = aecodec::encode(picture, self.model, &options)?;
                if encoded.coding != Coding::Learned {
                    return Ok(encoded);
                }
            }
            return refinement.encode(picture, &options, name);
        }
        let _ = (threads, name);
        Ok(aecodec::encode(picture, self.model, options)?)
    }

    /// Whether better latents are searched for. Such pictures are read as a whole, in 8 bits.
    fn searches(&self) -> bool {
        #[cfg(feature = "refine")]
        return self.refinement.is_some();
        #[cfg(not(feature = "refine"))]
        false
    }
}

fn one(args: &Args, input: &Input, output: &Planned, encoder: &Encoder, share: &Share) -> Result<Item> {
    let existing = Existing::forced(args.force);
    let destination = &output.destination;
    destination.check(existing)?;
    let limits = args.common.limits();
    let origin = input.origin();
    let content = input.content(&limits)?;
    let input_bytes = content.length();
    let limits = args.common.limits_for(input_bytes);
    let mut options = EncodeOptions::default();
    options.target = args.target.target();
    options.mode = args.mode.mode();
    options.threads = share.threads;
    options.limits = limits;
    if args.protect {
        (options.protection, options.group_log2) = (Protection::Backup, PROTECTED_GROUPS);
    }

    let (encoded, head, raw, notices) = encode(&content, input, encoder, &options, args, share)?;
    destination.write(&encoded.bytes, existing, &origin)?;

    let damaged = notices.iter().any(files::Notice::is_damage);
    let mut notices: Vec<String> = notices.iter().map(ToString::to_string).collect();
    notices.extend(output.notice.clone());
    if !encoded.reached {
        notices.push(out_of_reach(&args.target, &encoded, &head));
    }
    if encoded.is_broken() {
        notices.push(broken(&encoded));
    }
    let sums = Sums {
        files: 1,
        failed: 0,
        pictures: input_bytes,
        coded: encoded.bytes.len() as u64,
        raw,
        pixels: head.pixels(),
    };
    Ok(Item {
        text: words(input, destination, &encoded, &sums),
        json: fields(args, input, destination, &encoded, &sums, &head, &notices),
        notices,
        damaged,
        sums,
    })
}

/// Encodes the picture in a file: row by row if it has 8 bits per sample and its format allows it, and otherwise as a whole.
fn encode(
    content: &Content,
    input: &Input,
    encoder: &Encoder,
    options: &EncodeOptions,
    args: &Args,
    share: &Share,
) -> Result<Made> {
    let limits = &options.limits;
    let rows = match input.frame {
        None if !encoder.searches() => files::open(|| content.open(), limits)?,
        _ => None,
    };
    let by_rows = |rows: PictureReader<_>| {
        let notices = rows.notices().to_vec();
        let mut rows = Watched { rows, share, done: 0 };
        let encoded = aecodec::encode_rows(&mut rows, encoder.model, options)?;
        let raw = raw(rows.head(), false);
        Ok((encoded, rows.head().clone(), raw, notices))
    };
    let whole = || {
        let all = batch::threads(args.common.threads);
        let file = content.read(limits)?;
        let file = chosen(&file, input.frame, limits)?;
        in_memory(&file, encoder, options, (all, &input.short_name()))
    };
    match rows {
        Some(rows) if rows.head().source_bits == 8 => by_rows(rows),
        // Rows have 8 bits per sample. A picture of more is read as a whole, unless there is no room for it.
        Some(rows) if !matches!(options.mode, Mode::Exact { .. }) => match whole() {
            Err(error) if matches!(error.downcast_ref(), Some(aecodec::Error::Limit { .. })) => by_rows(rows),
            made => made,
        },
        _ => whole(),
    }
}

/// The picture that is meant, of a file that may hold several.
fn chosen<'a>(file: &'a [u8], frame: Option<Frame>, limits: &Limits) -> Result<Cow<'a, [u8]>> {
    if let Some(frame) = frame {
        return Ok(sequence::pick(file, frame.number, limits)?);
    }
    match sequence::count(file)? {
        1 => Ok(Cow::Borrowed(file)),
        count => bail!(
            "the file holds {count} pictures; choose one with --frame N, counted from 1, or all of them with --all-frames"
        ),
    }
}

/// What is known of an encoded picture: its head, the bytes of its samples, and what was lost when it was read.
type Made = (Encoded, PictureInfo, u64, Vec<files::Notice>);

/// Reads a whole file, and encodes its picture, with all of its bits unless better latents are searched for. `all` is the
/// number of threads for all pictures together.
fn in_memory(
    file: &[u8],
    encoder: &Encoder,
    options: &EncodeOptions,
    (all, name): (usize, &str),
) -> Result<Made> {
    let limits = &options.limits;
    let deep = match options.mode {
        Mode::Exact { .. } => files::read_deep(file, limits)?,
        _ if encoder.searches() => None,
        _ => files::read_deep(file, limits)?,
    };
    if let Some((picture, mut notices)) = deep {
        let (encoded, head) = (aecodec::encode_deep(&picture, encoder.model, options)?, picture.head());
        if encoded.coding == Coding::Learned && picture.has_fine_alpha() {
            notices.push(files::Notice::AlphaRounded);
        }
        let raw = 2 * raw(&head, picture.alpha.is_some());
        return Ok((encoded, head, raw, notices));
    }
    let (picture, notices) = files::read(file, limits)?;
    let (encoded, head) = (encoder.encode(&picture, options, all, name)?, picture.head());
    let raw = raw(&head, picture.alpha.is_some());
    Ok((encoded, head, raw, notices))
}

/// A source of rows that reports progress.
struct Watched<'a, S> {
    rows: S,
    share: &'a Share<'a>,
    done: u64,
}

impl<S: Source> Source for Watched<'_, S> {
    fn head(&self) -> &PictureInfo {
        self.rows.head()
    }

    fn read(&mut self, rows: &mut [u8]) -> aecodec::Result<()> {
        self.done += rows.len() as u64;
        self.share.done(self.done, raw(self.head(), false));
        self.rows.read(rows)
    }

    fn rewind(&mut self) -> aecodec::Result<()> {
        self.done = 0;
        self.rows.rewind()
    }
}

/// The number of bytes in the 8-bit samples of a picture.
pub fn raw(head: &PictureInfo, alpha: bool) -> u64 {
    head.pixels() * (head.color.channels() + usize::from(alpha)) as u64
}

fn out_of_reach(target: &TargetArgs, encoded: &Encoded, head: &PictureInfo) -> String {
    let bytes = encoded.bytes.len() as u64;
    format!(
        "{} cannot be reached; the nearest is {} bytes, {:.3} bits per pixel, PSNR {}",
        target.words(),
        grouped(bytes),
        bits_per_pixel(bytes, head.pixels()),
        decibels(encoded.psnr),
    )
}

/// The notice for a picture on which the model failed.
fn broken(encoded: &Encoded) -> String {
    let percent = (100.0 * encoded.broken).ceil();
    format!(
        "{percent} % of the picture came out in wrong colours (PSNR {}), because the model fails on such colours; try \
         another --quality or --profile, or use --lossless",
        decibels(encoded.psnr),
    )
}

fn words(input: &Input, destination: &Destination, encoded: &Encoded, sums: &Sums) -> String {
    format!(
        "{} -> {}  {} bytes  {:.3} bpp  PSNR {}  {}  {}, {} than raw",
        input.name(),
        destination.name(),
        grouped(sums.coded),
        bits_per_pixel(sums.coded, sums.pixels),
        decibels(encoded.psnr),
        match encoded.coding {
            Coding::Exact { .. } => "exact".into(),
            _ => format!("quality {}", encoded.quality.value()),
        },
        saving(sums.coded, sums.pictures, &input.short_name()),
        percent(sums.coded, sums.raw),
    )
}

fn fields(
    args: &Args,
    input: &Input,
    destination: &Destination,
    encoded: &Encoded,
    sums: &Sums,
    head: &PictureInfo,
    notices: &[String],
) -> Value {
    #[cfg(feature = "refine")]
    let effort = args.refine.effort();
    #[cfg(not(feature = "refine"))]
    let (effort, _) = (0, args);
    json!({
        "input": input.field(),
        "output": destination.field(),
        "width": head.width,
        "height": head.height,
        "bytes": sums.coded,
        "input_bytes": sums.pictures,
        "raw_bytes": sums.raw,
        "bpp": bits_per_pixel(sums.coded, sums.pixels),
        "psnr": encoded.psnr,
        "quality": encoded.quality.value(),
        "mode": mode::name(encoded.coding),
        "max_error": mode::error(encoded.coding),
        "effort": effort,
        "reached": encoded.reached,
        "saved_of_input": saved(sums.coded, sums.pictures),
        "saved_of_raw": saved(sums.coded, sums.raw),
        "notices": notices,
    })
}

fn total(sums: &Sums) -> (String, Value) {
    let failed = if sums.failed == 0 { String::new() } else { format!("  ({} failed)", sums.failed) };
    let text = format!(
        "total: {} files  {} bytes  {:.3} bpp  {}, {} than raw{failed}",
        sums.files,
        grouped(sums.coded),
        bits_per_pixel(sums.coded, sums.pixels),
        saving(sums.coded, sums.pictures, "the inputs"),
        percent(sums.coded, sums.raw),
    );
    let json = json!({
        "total": {
            "files": sums.files,
            "failed": sums.failed,
            "bytes": sums.coded,
            "input_bytes": sums.pictures,
            "raw_bytes": sums.raw,
            "bpp": bits_per_pixel(sums.coded, sums.pixels),
            "saved_of_input": saved(sums.coded, sums.pictures),
            "saved_of_raw": saved(sums.coded, sums.raw),
        }
    });
    (text, json)
}

/// `98.2 %` for a saving, and `1.8 % larger` for a growth.
fn percent(after: u64, before: u64) -> String {
    let percent = 100.0 * saved(after, before);
    if percent < 0.0 { format!("{:.1} % larger", -percent) } else { format!("{percent:.1} %") }
}
