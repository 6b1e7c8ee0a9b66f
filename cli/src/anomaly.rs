//! `aecodec anomaly`: learns what the pictures of a camera usually look like, and finds those that do not.

use std::path::{Path, PathBuf};

use aecodec::files;
use aecodec_latents::Reader;
use aecodec_latents::anomaly::{Detector, Learner, Thresholds, View};
use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::batch::{self, Item, Sums};
use crate::failure::{Exit, usage};
use crate::flags::Common;
use crate::inputs::{self, Input};
use crate::kinds::Kind;
use crate::output::{Destination, Existing};
use crate::plan::{self, Planned};
use crate::printable::printable;
use crate::report::{grouped, warn};
use crate::{models, report};

#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Learn from normal pictures what is usual
    Learn(LearnArgs),
    /// Find unusual pictures, and show where they are unusual
    Score(ScoreArgs),
}

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  aecodec anomaly learn NORMAL/ -o camera.ano
  aecodec anomaly learn NORMAL/ -o camera.ano --view any

Use at least 20 pictures, better some hundreds, that show all that is usual: day and night, all kinds of weather.
Frames of a video are learned in the order of their names, and neighbours are held out together.")]
struct LearnArgs {
    /// Normal pictures, .aec files, folders and patterns
    #[arg(required = true, value_name = "NORMAL")]
    inputs: Vec<PathBuf>,
    /// File to write
    #[arg(short, long, value_name = "FILE.ano")]
    output: PathBuf,
    /// Whether the pictures come from a fixed camera
    #[arg(long, value_enum, default_value = "auto")]
    view: ViewName,
    /// Replace the file if it exists
    #[arg(short, long)]
    force: bool,
    /// Also use the model in this .aem file to read .aec files; may be given more than once
    #[arg(long, value_name = "FILE")]
    model: Vec<PathBuf>,
    #[command(flatten)]
    common: Common,
}

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  aecodec anomaly score inbox/ --with camera.ano
  aecodec anomaly score door.aec --with camera.ano --map heat.png
  aecodec anomaly score inbox/ --with camera.ano --false-alarms 0.01 --json

A picture is unusual if its score is above 1.")]
struct ScoreArgs {
    /// Pictures, .aec files, folders and patterns; '-' is stdin
    #[arg(required = true, value_name = "PICTURE")]
    inputs: Vec<PathBuf>,
    /// File that 'aecodec anomaly learn' made
    #[arg(long, value_name = "FILE.ano")]
    with: PathBuf,
    /// The share of usual pictures that may be called unusual
    #[arg(long, value_name = "RATE", default_value_t = 0.05)]
    false_alarms: f32,
    /// Paint where a picture is unusual over it, to this PNG file, or to this folder if there are several pictures
    #[arg(long, value_name = "OUT")]
    map: Option<PathBuf>,
    /// Replace maps that exist
    #[arg(short, long)]
    force: bool,
    /// Also use the model in this .aem file to read .aec files; may be given more than once
    #[arg(long, value_name = "FILE")]
    model: Vec<PathBuf>,
    #[command(flatten)]
    common: Common,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum ViewName {
    /// The pictures decide
    Auto,
    /// A fixed camera: what is usual is learned for each place
    Fixed,
    /// Different views: what is usual is the same everywhere
    Any,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<Exit> {
    match &args.command {
        Command::Learn(args) => learn(args),
        Command::Score(args) => score(args),
    }
}

fn learn(args: &LearnArgs) -> Result<Exit> {
    let (destination, existing) = (Destination::File(args.output.clone()), Existing::forced(args.force));
    destination.check(existing)?;
    let reader = Reader::new(models::to_decode_with(&args.model)?)?;
    let inputs = inputs::expand(&args.inputs, Kind::Any)?;
    let view = match args.view {
        ViewName::Auto => View::Auto,
        ViewName::Fixed => View::Fixed,
        ViewName::Any => View::Any,
    };
    let mut learner = Learner::new(&reader, view);
    let mut failed = inputs.failures.len();
    for failure in &inputs.failures {
        warn("error", &format!("{}: {}", printable(&failure.path), crate::failure::describe(&failure.error)));
    }
    let list = &inputs.list;
    let workers = batch::threads(args.common.threads).min(list.len().max(1));
    let read = |i: usize| {
        batch::caught(|| {
            let bytes = list[i].read(&args.common.limits())?;
            Ok(reader.read(&bytes, &args.common.limits_for(bytes.len() as u64))?)
        })
    };
    batch::in_order(list.len(), workers, read, &mut |i, code| {
        if let Err(error) = code.and_then(|code| Ok(learner.push(&code)?)) {
            failed += 1;
            warn("error", &format!("{}: {}", list[i].name(), crate::failure::describe(&error)));
        }
        Ok(())
    })?;
    let detector = learner.finish()?;
    let bytes = detector.to_bytes()?;
    destination.write(&bytes, existing, &Default::default())?;
    let learned = detector.learned();
    let view =
        detector.size().map_or("different views, one Gaussian for all places".into(), |(width, height)| {
            format!("a fixed camera of {width}x{height} pixels, one Gaussian for each place")
        });
    let text = format!(
        "{}: learned from {learned} pictures: {view}; {} bytes",
        printable(&args.output),
        grouped(bytes.len() as u64)
    );
    let json = json!({
        "output": report::field(&args.output),
        "pictures": learned,
        "fixed": detector.size().is_some(),
        "size": detector.size().map(|(width, height)| [width, height]),
        "bytes": bytes.len(),
    });
    args.common.reporter(false).result(&text, &json)?;
    Ok(if failed > 0 { Exit::Partly } else { Exit::Done })
}

fn score(args: &ScoreArgs) -> Result<Exit> {
    let reader = Reader::new(models::to_decode_with(&args.model)?)?;
    let (detector, limits) = open(&args.with, args.false_alarms, &reader)?;
    let inputs = inputs::expand(&args.inputs, Kind::Any)?;
    let maps = match &args.map {
        Some(out) => Some(plan::outputs(&inputs, Some(out), "png")?),
        None => None,
    };
    let existing = Existing::forced(args.force);
    for map in maps.iter().flatten() {
        map.destination.check(existing)?;
    }
    let to_stdout = maps.as_ref().is_some_and(|maps| plan::to_stdout(maps));
    let scored = Scored { args, reader: &reader, detector: &detector, limits };
    let job =
        |input: &Input, i: usize, _: &batch::Share| scored.one(input, maps.as_ref().map(|maps| &maps[i]));
    batch::run(&inputs, args.common.threads, &args.common.reporter(to_stdout), job, |_| None)
}

/// Reads a detector and its thresholds.
pub fn open(path: &Path, rate: f32, reader: &Reader) -> Result<(Detector, Thresholds)> {
    if !(rate > 0.0 && rate < 1.0) {
        return Err(usage(format!("--false-alarms {rate}: expected a number above 0 and below 1")));
    }
    let name = || printable(path);
    let detector = Detector::parse(&std::fs::read(path).with_context(name)?, reader).with_context(name)?;
    let limits = detector.thresholds(rate).with_context(name)?;
    Ok((detector, limits))
}

/// What is scored, and how.
struct Scored<'a> {
    args: &'a ScoreArgs,
    reader: &'a Reader,
    detector: &'a Detector,
    limits: Thresholds,
}

impl Scored<'_> {
    fn one(&self, input: &Input, map: Option<&Planned>) -> Result<Item> {
        let bytes = input.read(&self.args.common.limits())?;
        let limits = self.args.common.limits_for(bytes.len() as u64);
        let score = self.detector.score(&self.reader.read(&bytes, &limits)?)?;
        if let Some(map) = map {
            let heat = score.heat(self.limits).over(&self.reader.picture(&bytes, &limits)?)?;
            let (png, _) =
                files::write(&files::upright(&heat), files::Format::Png, &files::WriteOptions::default())?;
            map.destination.write(&png, Existing::forced(self.args.force), &input.origin())?;
        }
        let above = score.against(self.limits);
        let word = if above > 1.0 { "unusual" } else { "usual" };
        let (error, distance) = (score.error / self.limits.error, score.distance / self.limits.distance);
        Ok(Item {
            text: format!(
                "{}  {word}, score {above:.2} (error {error:.2}, distance {distance:.2})",
                input.name()
            ),
            json: fields(input, above, (error, distance), map),
            notices: map.and_then(|map| map.notice.clone()).into_iter().collect(),
            damaged: false,
            sums: Sums { files: 1, ..Sums::default() },
        })
    }
}

fn fields(input: &Input, score: f32, (error, distance): (f32, f32), map: Option<&Planned>) -> Value {
    let mut fields = json!({
        "input": input.field(),
        "unusual": score > 1.0,
        "score": score,
        "error": error,
        "distance": distance,
    });
    if let Some(map) = map {
        fields["map"] = map.destination.field().into();
    }
    fields
}
