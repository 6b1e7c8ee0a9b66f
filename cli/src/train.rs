//! `aecodec train`: a folder of pictures to a model file.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use aecodec::{Model, Profile};
use aecodec_trainer::session::{End, Event, Finished, Start};
use aecodec_trainer::{DeviceKind, Error, Session, Settings, limit_threads};
use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::failure::{Exit, Refusal, usage};
use crate::interrupt;
use crate::output::{Existing, Target};
use crate::progress::Steps;
use crate::report::{Reporter, Stream, Style, grouped, warn};

/// Between lines about steps, where there is no bar.
const LINES: Duration = Duration::from_secs(15);

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
    #[arg(long, value_name = "START", conflicts_with = "resume")]
    from: Option<String>,
    /// Go on with the run that was begun for this output, as if it had not stopped
    #[arg(long)]
    resume: bool,
    /// A TOML file with any of the options below, by the same names; what is given here goes before it
    #[arg(long, value_name = "FILE.toml")]
    config: Option<PathBuf>,
    #[command(flatten)]
    options: Options,
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

/// What configuration files may hold as well.
#[derive(clap::Args, Serialize)]
#[serde(rename_all = "kebab-case")]
#[command(next_help_heading = "Training")]
struct Options {
    /// Length of the run in minutes
    #[arg(long, value_name = "M", conflicts_with = "steps")]
    minutes: Option<f64>,
    /// Length of the run in steps
    #[arg(long, value_name = "N")]
    steps: Option<usize>,
    /// Optimiser [default: muon]
    #[arg(long, value_parser = ["muon", "adam"])]
    optimizer: Option<String>,
    /// Learning rate of the plateau [default: 5e-4]
    #[arg(long, value_name = "RATE")]
    lr: Option<f64>,
    /// Steps in which the rate rises [default: 50]
    #[arg(long, value_name = "N")]
    warmup: Option<usize>,
    /// Share of the run before the rate falls [default: 0.3]
    #[arg(long, value_name = "SHARE")]
    hold: Option<f64>,
    /// Crops a step [default: 8]
    #[arg(long, value_name = "N")]
    batch: Option<usize>,
    /// Side of a crop in pixels, a multiple of 64; smaller pictures are skipped [default: 256]
    #[arg(long, value_name = "PIXELS")]
    side: Option<usize>,
    /// Decay of the averaged weights, which are kept [default: 0.999]
    #[arg(long, value_name = "DECAY")]
    ema: Option<f64>,
    /// Share of generated crops: shapes, stripes, noise [default: 0.04]
    #[arg(long, value_name = "SHARE")]
    drawn: Option<f64>,
    /// What crops, noise and new weights follow from [default: 0]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// One picture of N is for validation, chosen by a hash of its name [default: 10]
    #[arg(long, value_name = "N")]
    validation: Option<usize>,
    /// Steps between validations [default: 100]
    #[arg(long, value_name = "N")]
    validate_every: Option<usize>,
    /// Validations without a better one after which the run ends; 0 never ends it [default: 10]
    #[arg(long, value_name = "N")]
    patience: Option<usize>,
    /// Minutes between checkpoints [default: 3]
    #[arg(long, value_name = "M")]
    checkpoint_minutes: Option<f64>,
    /// Batches of crops that are counted for each frequency table of the model [default: 40]
    #[arg(long, value_name = "N")]
    table_batches: Option<usize>,
    /// Which error counts [default: mse]
    #[arg(long, value_parser = ["mse", "l1", "ms-ssim"], help_heading = "Kinds")]
    loss: Option<String>,
    /// Denoising: standard deviation of noise in what the network sees, in 8-bit units [default: 0]
    #[arg(long, value_name = "SIGMA", help_heading = "Kinds")]
    denoise_noise: Option<f64>,
    /// Denoising: share of 8x8 patches that are hidden from the network [default: 0]
    #[arg(long, value_name = "SHARE", help_heading = "Kinds")]
    denoise_mask: Option<f64>,
    /// Sparse: weight of the mean magnitude of latents, in steps [default: 0]
    #[arg(long, value_name = "WEIGHT", help_heading = "Kinds")]
    sparse_l1: Option<f64>,
    /// Sparse: weight of the divergence of each latent channel's activity from --sparse-target [default: 0]
    #[arg(long, value_name = "WEIGHT", help_heading = "Kinds")]
    sparse_kl: Option<f64>,
    /// Sparse: the activity that --sparse-kl asks for [default: 0.1]
    #[arg(long, value_name = "SHARE", help_heading = "Kinds")]
    sparse_target: Option<f64>,
    /// Contractive: weight of the squared change of latents for a change of pixels [default: 0]
    #[arg(long, value_name = "WEIGHT", help_heading = "Kinds")]
    contractive: Option<f64>,
    /// Shapes of a network from scratch [default: fast]
    #[arg(long, value_parser = ["fast", "best", "tiny"], help_heading = "From scratch")]
    shapes: Option<String>,
    /// Channels of its analysis and synthesis, a multiple of 64
    #[arg(long, value_name = "C", help_heading = "From scratch")]
    channels: Option<usize>,
    /// Latents for each 16x16 pixels, a multiple of 128
    #[arg(long, value_name = "M", help_heading = "From scratch")]
    latents: Option<usize>,
    /// Blocks of its analysis, and of its synthesis
    #[arg(long, value_name = "N", help_heading = "From scratch")]
    blocks: Option<usize>,
}

const EXAMPLES: &str = "\
Examples:
  aecodec train photos/ -o own.aem --minutes 60
  aecodec train photos/ -o own.aem --resume
  aecodec train scans/ -o scans.aem --steps 3000 --denoise-noise 8
  aecodec train photos/ -o small.aem --from scratch --shapes tiny --minutes 600

The model works wherever --model is taken: aecodec compress a.png -o a.aec --model own.aem";

/// Runs the command.
pub fn run(args: &Args) -> Result<Exit> {
    let stop = interrupt::ask();
    limit_threads(args.threads);
    let places = Places::of(&args.output)?;
    places.check(Existing::forced(args.force))?;
    let mut session = open(args, &places).map_err(plainly)?;
    let style = if args.json { Style::Json } else { Style::Text };
    let mut view = View::new(Reporter { stream: Stream::Stdout, style });
    view.begin(&session)?;

    let end = session.train(&|| stop.load(Ordering::Relaxed), &mut |event| view.see(&event))?;
    if end.is_none() {
        view.finish();
        let again = format!("add --resume to the same command to go on from {}", places.run.display());
        warn("interrupted", &format!("saved after step {}; {again}", session.steps()));
        std::process::exit(interrupt::INTERRUPTED);
    }
    let finished = session.finish(&mut |event| view.see(&event))?;
    view.finish();
    places.write(&finished, Existing::forced(args.force))?;
    view.end(&session, end, &finished, &places)?;
    Ok(Exit::Done)
}

/// Begins a run or goes on with one.
fn open(args: &Args, places: &Places) -> Result<Session> {
    if !args.pictures.is_dir() {
        let path = args.pictures.display();
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
    let changes = changes(args)?;
    if args.resume {
        if !Session::resumable(&places.run) {
            let folder = places.run.display();
            return Err(usage(format!("--resume: {folder} holds no checkpoint; leave it out to begin")));
        }
        return Ok(Session::resume(&args.pictures, &places.run, args.device, |settings| {
            settings.with(changes)
        })?);
    }
    if Session::resumable(&places.run) && !args.force {
        bail!(
            "{} holds a run already; go on with it by --resume, or begin again with --force",
            places.run.display()
        );
    }
    let settings = Settings::default().with(changes)?;
    let start = start(args.from.as_deref().unwrap_or("fast"))?;
    Ok(Session::begin(settings, &args.pictures, &places.run, &start, args.device)?)
}

/// What the configuration file says, and on top of it the command line.
fn changes(args: &Args) -> Result<Map<String, Value>> {
    let mut changes = Map::new();
    if let Some(path) = &args.config {
        let name = || path.display().to_string();
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
        Some(Error::Invalid { what: "settings", .. }) => usage(format!("{error}; see --help")),
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
            return Err(usage(format!("-o {}: name a model file, such as own.aem", output.display())));
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

    fn check(&self, existing: Existing) -> Result<()> {
        let all = [&self.model, &self.weights, &self.curve, &self.card];
        all.into_iter().try_for_each(|path| Target::File(path.clone()).check(existing))
    }

    /// The model last: where it is, everything is.
    fn write(&self, finished: &Finished, existing: Existing) -> Result<()> {
        for (path, bytes) in [
            (&self.weights, &finished.weights[..]),
            (&self.curve, finished.curve.as_bytes()),
            (&self.card, finished.card.as_bytes()),
            (&self.model, &finished.model),
        ] {
            Target::File(path.clone()).write(bytes, existing)?;
        }
        Ok(())
    }
}

/// What is shown of a run: a bar on a terminal, lines elsewhere.
struct View {
    bar: Steps,
    reporter: Reporter,
    line: Instant,
    /// Loss, bits per pixel and PSNR, over about the last twenty steps.
    means: Option<[f64; 3]>,
}

impl View {
    fn new(reporter: Reporter) -> Self {
        Self { bar: Steps::of_share(), reporter, line: Instant::now(), means: None }
    }

    fn print(&self, text: &str, json: &Value) {
        // A reader that is gone is no reason to lose a run.
        let _ = self.bar.around(|| self.reporter.result(text, json));
    }

    fn begin(&self, session: &Session) -> Result<()> {
        let (pictures, aside, megapixels, skipped) = session.counts();
        let mut text = format!("{pictures} pictures, {megapixels:.1} megapixels, and {aside} for validation");
        if skipped > 0 {
            text +=
                &format!("; {skipped} files skipped: damaged, or a side below {}", session.settings().side);
        }
        if session.steps() > 0 {
            text += &format!("; on from step {}", session.steps());
        }
        let json = json!({
            "pictures": pictures, "validation": aside, "megapixels": megapixels, "skipped": skipped,
            "step": session.steps(), "settings": session.settings(),
        });
        self.bar.around(|| self.reporter.result(&text, &json))
    }

    fn see(&mut self, event: &Event) {
        match event {
            Event::Step { step, progress, seconds, figures, rate, taken, speed } => {
                if self.reporter.style == Style::Json {
                    let json = json!({
                        "step": step, "progress": progress, "seconds": seconds, "loss": figures.loss,
                        "bpp": figures.bpp, "psnr": figures.psnr, "rate": rate, "taken": taken,
                        "images_per_second": speed,
                    });
                    self.print("", &json);
                }
                if *taken {
                    let now = [figures.loss, figures.bpp, figures.psnr];
                    let mean = self.means.get_or_insert(now);
                    mean.iter_mut().zip(now).for_each(|(mean, now)| *mean += 0.05 * (now - *mean));
                }
                let [loss, bpp, psnr] = self.means.unwrap_or_default();
                let left = seconds * (1.0 - progress) / progress.max(1e-9);
                let text = format!(
                    "step {step}  loss {loss:.3}  {bpp:.3} bpp  {psnr:.2} dB  {speed:.1} images/s  {} left",
                    duration(left)
                );
                if self.bar.shown() {
                    self.bar.reach(*progress, || text);
                } else if self.reporter.style == Style::Text && self.line.elapsed() >= LINES {
                    self.print(&text, &Value::Null);
                    self.line = Instant::now();
                }
            }
            Event::Validated { point, best } => {
                let mark = if *best { ", the best so far" } else { "" };
                let text = format!(
                    "validation after step {}: loss {:.4}, {:.4} bpp, {:.3} dB{mark}",
                    point.step, point.validation, point.bpp, point.psnr
                );
                self.print(&text, &json!({ "validation": point, "best": best }));
            }
            Event::Saved(path) if self.reporter.style == Style::Json => {
                self.print("", &json!({ "saved": path.display().to_string() }));
            }
            Event::Stage(what) => {
                self.bar.say(|| format!("making the model: {what}"));
                if self.reporter.style == Style::Json || !self.bar.shown() {
                    self.print(&format!("making the model: {what}"), &json!({ "stage": what }));
                }
            }
            _ => {}
        }
    }

    fn finish(&self) {
        self.bar.finish();
    }

    fn end(&self, session: &Session, end: Option<End>, finished: &Finished, places: &Places) -> Result<()> {
        let why =
            if end == Some(End::NoBetter) { "ended early, as validation got no better" } else { "done" };
        let mut text = format!("{why} after step {}\n", session.steps());
        for (i, after) in finished.after.iter().enumerate() {
            text += &format!("  quality {:>2}: {:.4} bpp, {:.3} dB", after.quality, after.bpp, after.psnr);
            if let Some(before) = finished.before.get(i) {
                text += &format!("  (before: {:.4} bpp, {:.3} dB)", before.bpp, before.psnr);
            }
            text.push('\n');
        }
        text += &format!(
            "{}  {} bytes  {}",
            places.model.display(),
            grouped(finished.model.len() as u64),
            &finished.id[..16]
        );
        let json = json!({
            "output": places.model.display().to_string(), "bytes": finished.model.len(), "model": finished.id,
            "end": end, "steps": session.steps(), "before": finished.before, "after": finished.after,
        });
        self.reporter.result(&text, &json)
    }
}

/// `12 min`, `40 s`, `3.2 h`.
fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 99.0 => format!("{s:.0} s"),
        s if s < 99.0 * 60.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}
