//! Compresses frames to a clip. Each frame is written as soon as it is coded, so that the file is whole up to its last
//! frame whatever happens.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, BufWriter, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};

use aecodec::clip::{ClipEncoder, ClipOptions, ClipReader, ClipWriter, FrameKind};
use aecodec::{DecodeOptions, Painter, Picture, Quality, Target, psnr};
use anyhow::{Context as _, Result, bail};
use serde_json::json;

use super::shared::model;
use super::source::Source;
use crate::failure::{Exit, usage};
use crate::flags::Common;
use crate::inputs::{Input, Inputs};
use crate::output::{Destination, Existing};
use crate::printable::printable;
use crate::report::{Reporter, Style, bits_per_pixel, grouped, saving, warn};

/// Options for clips.
#[derive(clap::Args)]
#[group(skip)]
pub struct ClipArgs {
    /// Of a clip (OUT.aecs), the most frames from one I-frame to the next; a clip can be entered at its I-frames
    #[arg(long, value_name = "N", default_value_t = 250, value_parser = clap::value_parser!(u32).range(1..))]
    key_interval: u32,
    /// Frames per second of a clip, such as 12.5 [default: what the input says]
    #[arg(long, value_name = "RATE", value_parser = rate)]
    rate: Option<(u32, u32)>,
    /// Do not look for parts of the picture that have moved. This is faster, and clips of moving cameras get larger
    #[arg(long)]
    no_motion: bool,
    /// Add the frames to the end of a clip that exists, after its last complete frame
    #[arg(long, conflicts_with = "force")]
    append: bool,
}

/// A rate as a fraction.
fn rate(text: &str) -> Result<(u32, u32), String> {
    let number = |text: &str| text.parse::<u32>().ok().filter(|&number| number > 0);
    let fraction = text.split_once(['/', ':']).map(|(above, below)| (number(above), number(below)));
    match fraction {
        Some((Some(above), Some(below))) => Ok((above, below)),
        Some(_) => Err(format!("{text:?} is not a rate such as 30000/1001")),
        None => match text.parse::<f64>() {
            Ok(rate) if (0.001..=100_000.0).contains(&rate) => Ok(((rate * 1000.0).round() as u32, 1000)),
            _ => Err(format!("{text:?} is not a rate such as 12.5")),
        },
    }
}

/// What is common to pictures and clips.
pub struct Settings<'a> {
    pub common: &'a Common,
    pub target: Target,
    /// Options that were given and have no meaning for clips.
    pub unfit: Option<&'static str>,
    pub existing: Existing,
}

/// Figures of a clip.
#[derive(Default)]
struct Sums {
    frames: u64,
    intra: u64,
    bytes: u64,
    pixels: u64,
    raw: u64,
    decibels: f64,
    measured: u64,
}

/// Compresses all inputs to one clip.
pub fn compress(inputs: Inputs, output: &Path, args: &ClipArgs, settings: &Settings) -> Result<Exit> {
    if let Some(option) = settings.unfit {
        return Err(usage(format!("{option} cannot be used for a clip")));
    }
    let Target::Quality(quality) = settings.target else {
        return Err(usage("a clip takes --quality; its frames have no size or PSNR of their own"));
    };
    if let Some(failure) = inputs.failures.first() {
        bail!("{}: {}", printable(&failure.path), failure.error);
    }
    let destination = match output.as_os_str() == "-" {
        true => Destination::Stdout,
        false => Destination::File(output.to_owned()),
    };
    let reporter = settings.common.reporter(destination == Destination::Stdout);
    let name = inputs.list.first().map_or_else(String::new, Input::name);
    let limits = settings.common.limits();
    let mut source = Source::open(inputs.list, limits)?;
    let Some(first) = source.next(&limits)? else { bail!("{name} holds no frame") };
    let place = || format!("cannot write {}", destination.name());
    let mut writer = open(&destination, args, settings.existing, args.rate.or(source.rate()))?;
    let sums = code(&mut source, first, quality, args, settings, &reporter, |kind, bytes| {
        writer.write(kind, bytes).with_context(place)
    })?;
    report(&reporter, &name, &destination, &sums)?;
    Ok(Exit::Done)
}

/// Codes all frames. A frame that cannot be read is left out, with a warning.
fn code(
    source: &mut Source,
    first: Picture,
    quality: Quality,
    args: &ClipArgs,
    settings: &Settings,
    reporter: &Reporter,
    mut write: impl FnMut(FrameKind, &[u8]) -> Result<()>,
) -> Result<Sums> {
    let (model, prior) = model()?;
    let limits = settings.common.limits();
    let mut options = ClipOptions::default();
    options.frame.encode.target = Target::Quality(quality);
    (options.frame.encode.threads, options.frame.encode.limits) = (settings.common.threads, limits);
    options.frame.motion = !args.no_motion;
    options.key_interval = args.key_interval;
    let mut encoder = ClipEncoder::new(&model, &prior, options);
    let mut decode = DecodeOptions::default();
    (decode.threads, decode.limits) = (settings.common.threads, limits);

    let (mut sums, mut painter) = (Sums::default(), Painter::default());
    let mut next = Some(first);
    while let Some(picture) = next {
        let frame = encoder.push(&picture)?;
        write(frame.kind, &frame.bytes)?;
        let painted = painter.paint(&frame.reference, &model, &decode)?;
        let decibels = psnr(&painted.samples, &picture.samples);
        sums.add(&picture, frame.kind, frame.bytes.len() as u64, decibels);
        if reporter.style == Style::Json {
            let line = json!({
                "frame": sums.frames - 1,
                "kind": frame.kind.letter().to_string(),
                "bytes": frame.bytes.len(),
                "active": frame.active,
                "psnr": decibels,
            });
            reporter.result("", &line)?;
        }
        next = match source.next(&limits) {
            Err(error)
                if error
                    .downcast_ref::<aecodec_live::capture::FrameError>()
                    .is_some_and(|e| e.is_passing()) =>
            {
                warn("warning", &error.to_string());
                source.next(&limits)?
            }
            next => next?,
        };
    }
    Ok(sums)
}

impl Sums {
    fn add(&mut self, picture: &Picture, kind: FrameKind, bytes: u64, decibels: Option<f64>) {
        self.frames += 1;
        self.intra += u64::from(kind == FrameKind::Intra);
        self.bytes += bytes;
        self.pixels += picture.pixels();
        self.raw += picture.samples.len() as u64;
        if let Some(decibels) = decibels {
            self.decibels += decibels;
            self.measured += 1;
        }
    }

    /// The mean PSNR of the frames that are not exact.
    fn psnr(&self) -> Option<f64> {
        (self.measured > 0).then(|| self.decibels / self.measured as f64)
    }
}

/// Opens the clip to write to: a new one, or the end of one that exists.
fn open(
    destination: &Destination,
    args: &ClipArgs,
    existing: Existing,
    rate: Option<(u32, u32)>,
) -> Result<ClipWriter<Box<dyn Write>>> {
    let place = || format!("cannot write {}", destination.name());
    let Destination::File(path) = destination else {
        return Ok(ClipWriter::new(Box::new(std::io::stdout()) as Box<dyn Write>, rate)?);
    };
    if args.append && path.is_file() {
        return append(path).with_context(|| printable(path));
    }
    destination.check(existing)?;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).with_context(place)?;
    }
    let file = File::create(path).with_context(place)?;
    ClipWriter::new(Box::new(BufWriter::new(file)) as Box<dyn Write>, rate).with_context(place)
}

/// Opens a clip at the end of its last complete frame.
fn append(path: &PathBuf) -> Result<ClipWriter<Box<dyn Write>>> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let end = {
        let mut reader = ClipReader::new(BufReader::new(&file))?;
        while reader.next()?.is_some() {}
        reader.offset()
    };
    file.set_len(end)?;
    file.seek(SeekFrom::Start(end))?;
    Ok(ClipWriter::resume(Box::new(BufWriter::new(file))))
}

fn report(reporter: &Reporter, name: &str, destination: &Destination, sums: &Sums) -> Result<()> {
    let psnr = sums.psnr().map_or_else(String::new, |psnr| format!("  PSNR {psnr:.2} dB"));
    let text = format!(
        "{name} -> {}  {} frames ({} I)  {} bytes  {:.4} bpp{psnr}  {}",
        destination.name(),
        grouped(sums.frames),
        grouped(sums.intra),
        grouped(sums.bytes),
        bits_per_pixel(sums.bytes, sums.pixels),
        saving(sums.bytes, sums.raw, "raw"),
    );
    let line = json!({
        "input": name,
        "output": destination.field(),
        "frames": sums.frames,
        "intra": sums.intra,
        "bytes": sums.bytes,
        "raw_bytes": sums.raw,
        "bpp": bits_per_pixel(sums.bytes, sums.pixels),
        "psnr": sums.psnr(),
    });
    reporter.result(&text, &line)
}
