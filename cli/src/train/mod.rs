//! `aecodec train`: a folder of pictures to a model file.

mod options;
mod searching;
mod view;

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use aecodec::{Model, Profile};
use aecodec_trainer::search::SettingRange;
use aecodec_trainer::session::{FinishedModel, Start, TrainingEnd};
use aecodec_trainer::{DeviceKind, Error, TrainingSession, TrainingSettings, limit_threads};
use anyhow::{Context as _, Result, bail};
use options::TrainingFlags;
use searching::{Count, SearchPlan};
use serde_json::{Map, Value};
use view::View;

use crate::failure::{Exit, Refusal, usage};
use crate::interrupt;
use crate::output::{Existing, Origin, Target};
use crate::printable::printable;
use crate::report::{Reporter, Stream, Style, warn};

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Folder of pictures, with those in the folders below it; damaged and small ones are skipped
    #[arg(value_name = "DIR")]
    pictures: PathBuf,
    /// The model file to make; float weights, curve, card and the run's folder get its name
    #[arg(short, long, value_name = "FILE.aem")]
    output: PathBuf,
    /// What to begin from: fast, best, a file of float weights (.safetensors), a model (.aem), or scratch [default: fast]
    #[arg(long, value_name = "START")]
    from: Option<String>,
    /// Go on with the run that was begun for this output, as if it had not stopped
    #[arg(long)]
    resume: bool,
    /// A TOML file with any of the options below, by the same names; what is given here goes before it
    #[arg(long, value_name = "FILE.toml")]
    config: Option<PathBuf>,
    /// Take N runs with settings drawn at random from --range, each as long as --steps or --minutes say, and keep the best
    #[arg(long, value_name = "random:N", requires = "range")]
    search: Option<Count>,
    /// What --search may choose: NAME=LOW..HIGH, or NAME=ONE,OTHER; by the names of the options below, one of them each time
    #[arg(long, value_name = "RANGE", requires = "search")]
    range: Vec<SettingRange>,
    #[command(flatten)]
    options: TrainingFlags,
    /// Where to compute: cpu, cuda or metal (the latter in builds with these features)
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: DeviceKind,
    /// Threads to use; 0 is one for each core
    #[arg(long, value_name = "N", default_value_t = 0)]
    threads: usize,
    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
    /// Replace outputs that exist, and begin again where there is a run
    #[arg(short, long)]
    force: bool,
}

const EXAMPLES: &str = "\
Examples:
  aecodec train photos/ -o own.aem --minutes 60
  aecodec train photos/ -o own.aem --resume
  aecodec train scans/ -o scans.aem --steps 3000 --denoise-noise 8
  aecodec train photos/ -o small.aem --from scratch --shapes tiny --minutes 600
  aecodec train scans/ -o scans.aem --minutes 10 --search random:8 --range lr=1e-4..1e-3 --range batch=2..8

The model works wherever --model is taken: aecodec compress a.png -o a.aec --model own.aem";

/// Runs the command.
pub fn run(args: &Args) -> Result<Exit> {
    let stop = interrupt::ask();
    limit_threads(args.threads);
    let places = Places::of(&args.output)?;
    places.check(Existing::forced(args.force))?;
    let style = if args.json { Style::Json } else { Style::Text };
    let mut view = View::new(Reporter { stream: Stream::Stdout, style });
    let stop = || stop.load(Ordering::Relaxed);
    check(args)?;
    let session = match SearchPlan::of(args, &places).map_err(plainly)? {
        Some(plan) => plan.run(args, &places, &stop, &mut view).map_err(plainly)?,
        None => train(args, &places, &stop, &mut view)?,
    };
    let Some((session, end)) = session else {
        view.finish();
        let folder = printable(&places.run);
        warn("interrupted", &format!("saved; add --resume to the same command to go on from {folder}"));
        std::process::exit(interrupt::INTERRUPTED);
    };
    let finished = session.finish(&mut |event| view.see(&event))?;
    view.finish();
    places.write(&finished, Existing::forced(args.force))?;
    view.end(&session, end, &finished, &places)?;
    Ok(Exit::Done)
}

/// One run to its end; none where it was interrupted.
fn train(
    args: &Args,
    places: &Places,
    stop: &dyn Fn() -> bool,
    view: &mut View,
) -> Result<Option<(TrainingSession, Option<TrainingEnd>)>> {
    let mut session = open(args, places).map_err(plainly)?;
    if !args.resume {
        SearchPlan::forget(places)?;
    }
    view.begin(&session)?;
    let end = session.train(stop, &mut |event| view.see(&event))?;
    Ok(end.map(|end| (session, Some(end))))
}

/// Refuses what no run can be made of, before anything is read.
fn check(args: &Args) -> Result<()> {
    if !args.pictures.is_dir() {
        let path = printable(&args.pictures);
        return Err(if args.pictures.exists() {
            usage(format!("{path} is no folder; put the pictures into one"))
        } else {
            Refusal::Nothing(format!("{path}: no such folder; check the path")).into()
        });
    }
    if args.device != DeviceKind::Cpu
        && let Err(error) = args.device.open()
    {
        let kind = args.device;
        return Err(usage(format!("--device {kind}: {error}; this takes a build with --features {kind}")));
    }
    Ok(())
}

/// Begins a run or goes on with one.
fn open(args: &Args, places: &Places) -> Result<TrainingSession> {
    let changes = changes(args)?;
    if args.resume {
        if !TrainingSession::resumable(&places.run) {
            let folder = printable(&places.run);
            return Err(usage(format!("--resume: {folder} holds no checkpoint; leave it out to begin")));
        }
        let session = TrainingSession::resume(&args.pictures, &places.run, args.device, |settings| {
            settings.with(changes)
        })?;
        let origin = &session.origin().name;
        let other = args.from.as_ref().filter(|from| {
            let name = Path::new(from).file_name().unwrap_or_default().to_string_lossy();
            name != *origin
        });
        return match other {
            Some(from) => Err(usage(format!("--from {from}: the run to resume began from {origin}"))),
            None => Ok(session),
        };
    }
    if TrainingSession::resumable(&places.run) && !args.force {
        bail!(
            "{} holds a run already; go on with it by --resume, or begin again with --force",
            printable(&places.run)
        );
    }
    check_shapes(args, &changes)?;
    let settings = TrainingSettings::default().with(changes)?;
    let start = start(args.from.as_deref().unwrap_or("fast"))?;
    Ok(TrainingSession::begin(settings, &args.pictures, &places.run, &start, args.device)?)
}

/// Refuses shapes for a network that has its own, lest they are thought to have made a difference.
fn check_shapes(args: &Args, changes: &Map<String, Value>) -> Result<()> {
    let told = TrainingSettings::SHAPES.into_iter().find(|name| changes.contains_key(*name));
    match told.filter(|_| args.from.as_deref() != Some("scratch")) {
        None => Ok(()),
        Some(name) => Err(usage(format!(
            "{name} is for networks from scratch; add --from scratch, or leave it out to keep the shapes of the start"
        ))),
    }
}

/// What the configuration file says, and on top of it the command line.
fn changes(args: &Args) -> Result<Map<String, Value>> {
    let mut changes = Map::new();
    if let Some(path) = &args.config {
        let name = || printable(path);
        let text = std::fs::read_to_string(path).with_context(name)?;
        let table: Map<String, Value> =
            toml::from_str(&text).map_err(|e| usage(format!("{}: {}", name(), e.message())))?;
        changes.extend(table);
    }
    let Value::Object(given) = serde_json::to_value(&args.options)? else { return Ok(changes) };
    let given: Map<_, _> = given.into_iter().filter(|(_, value)| !value.is_null()).collect();
    for (length, other) in [("minutes", "steps"), ("steps", "minutes")] {
        if given.contains_key(length) {
            changes.remove(other);
        }
    }
    changes.extend(given);
    Ok(changes)
}

/// What `--from` names.
fn start(from: &str) -> Result<Start> {
    if from == "scratch" {
        return Ok(Start::Scratch);
    }
    if let Some(profile) = [Profile::Fast, Profile::Best].into_iter().find(|profile| profile.name() == from) {
        let bytes = Model::embedded_bytes(profile).with_context(|| {
            format!("--from {from}: this build holds no such model; give the file of one, or 'fast'")
        })?;
        return Ok(Start::Model { name: from.to_owned(), bytes: bytes.to_vec() });
    }
    let path = PathBuf::from(from);
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("safetensors") => Ok(Start::Weights(path)),
        Some("aem") => {
            let bytes = std::fs::read(&path).with_context(|| from.to_owned())?;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Ok(Start::Model { name, bytes })
        }
        _ => {
            Err(usage(format!("--from {from}: neither fast, best, scratch, nor a .safetensors or .aem file")))
        }
    }
}

/// Errors of what was asked for, with the exit codes for them.
fn plainly(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref::<Error>() {
        Some(Error::NoPictures { .. }) => {
            Refusal::Nothing(format!("{error}; give another folder, or a smaller --side")).into()
        }
        Some(Error::Invalid { what: "pictures", .. }) => {
            Refusal::Nothing(format!("{error}; add pictures, or take smaller ones with --side")).into()
        }
        Some(Error::Invalid { what: "settings" | "search", .. }) => usage(format!("{error}; see --help")),
        _ => error,
    }
}

/// Where everything goes.
struct Places {
    model: PathBuf,
    weights: PathBuf,
    curve: PathBuf,
    card: PathBuf,
    run: PathBuf,
}

impl Places {
    fn of(output: &Path) -> Result<Self> {
        if output.extension().is_none_or(|extension| extension != "aem") {
            return Err(usage(format!("-o {}: name a model file, such as own.aem", printable(output))));
        }
        let beside = |extension| output.with_extension(extension);
        Ok(Self {
            model: output.to_owned(),
            weights: beside("safetensors"),
            curve: beside("svg"),
            card: beside("md"),
            run: beside("train"),
        })
    }

    /// The table of a search.
    fn table(&self) -> PathBuf {
        self.model.with_extension("search.md")
    }

    fn check(&self, existing: Existing) -> Result<()> {
        let all = [&self.model, &self.weights, &self.curve, &self.card];
        all.into_iter().try_for_each(|path| Target::File(path.clone()).check(existing))
    }

    /// The model last: where it is, everything is.
    fn write(&self, finished: &FinishedModel, existing: Existing) -> Result<()> {
        for (path, bytes) in [
            (&self.weights, &finished.weights[..]),
            (&self.curve, finished.curve.as_bytes()),
            (&self.card, finished.card.as_bytes()),
            (&self.model, &finished.model),
        ] {
            Target::File(path.clone()).write(bytes, existing, &Origin::default())?;
        }
        Ok(())
    }
}
