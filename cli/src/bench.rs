//! `aecodec bench`: compares aecodec with other codecs, and writes a report.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aecodec_bench::codec::{self, Aec, Codec};
use aecodec_bench::metrics::Metric;
use aecodec_bench::{BenchEvent, BenchOptions, Error, FinishedBench, Results, TestPicture, curves, report};
use anyhow::{Context as _, Result};
use serde_json::json;

use crate::failure::{Exit, Refusal, describe, in_words, usage};
use crate::flags::Common;
use crate::inputs::{self, Failure, Source};
use crate::kinds::Kind;
use crate::models::{self, ProfileName};
use crate::printable::printable;
use crate::progress::Steps;
use crate::report::{Reporter, Style, field, warn};

/// The name of aecodec in tables.
const OWN: &str = "aecodec";
/// The codec that others are compared with by default, if it is measured.
const REFERENCE: &str = "avif";
/// The files of a report, in addition to its plots.
const WRITTEN: [&str; 4] = ["report.html", "report.md", "results.csv", "results.json"];

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Pictures, folders (including all pictures below them) and patterns
    #[arg(required_unless_present = "list", value_name = "IN")]
    inputs: Vec<PathBuf>,
    /// Codecs to compare with, such as jpeg,webp,avif,jxl [default: those of these four that are available, and all of --codecs]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    against: Vec<String>,
    /// Number of points on each curve
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(2..=100))]
    qualities: u16,
    /// Folder for the report
    #[arg(short, long, value_name = "DIR", default_value = "report")]
    output: PathBuf,
    /// Built-in models to measure; the first one sets the file sizes for the pictures that are shown side by side
    #[arg(long, value_enum, value_delimiter = ',', default_value = "fast", conflicts_with = "model")]
    profile: Vec<ProfileName>,
    /// Measure the model in this .aem file
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Codec that the tables compare the others with [default: avif, or the first of --against]
    #[arg(long, value_name = "NAME")]
    reference: Option<String>,
    /// Quality of aecodec that sets the file sizes for the pictures that are shown side by side
    #[arg(long, value_name = "Q", default_value_t = 30.0, value_parser = quality)]
    side_by_side: f64,
    /// TOML file that defines more codecs by their command lines; docs/comparing.md has an example
    #[arg(long, value_name = "FILE")]
    codecs: Option<PathBuf>,
    /// JSON file with published curves to add to the plots: lists of [bits per pixel, PSNR] by name
    #[arg(long, value_name = "FILE")]
    curves: Vec<PathBuf>,
    /// Folder that keeps measurements, so that an interrupted run can continue [default: the user's cache folder]
    #[arg(long, value_name = "DIR", conflicts_with = "no_cache")]
    cache: Option<PathBuf>,
    /// Measure everything again, and keep nothing
    #[arg(long)]
    no_cache: bool,
    /// List the codecs that are available here, and what the others need
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    common: Common,
    /// Replace an existing report
    #[arg(short, long)]
    force: bool,
}

const EXAMPLES: &str = "\
Examples:
  aecodec bench photos/
  aecodec bench photos/ --against jpeg,avif --qualities 12 -o report/
  aecodec bench photos/ --codecs mine.toml --curves published.json
  aecodec bench --list

The report consists of report.html, which a browser opens from disk, report.md, results.csv, results.json, and plots
for papers. Each codec uses one thread. By default, as many pictures are measured at the same time as there are cores;
--threads 1 gives the most accurate times.";

/// Runs the command.
pub fn run(args: &Args) -> Result<Exit> {
    let available = codec::available(args.codecs.as_deref())?;
    let reporter = args.common.reporter(false);
    if args.list {
        return list(&available, &reporter);
    }
    let mut codecs = own(args)?;
    let rivals = codec::select(&args.against, &available).map_err(|error| usage(error.to_string()))?;
    codecs.extend(rivals);
    let is_twice = |i: &usize| codecs[..*i].iter().any(|other| other.id() == codecs[*i].id());
    if let Some(i) = (0..codecs.len()).find(is_twice) {
        return Err(usage(format!(
            "{}: two codecs have this name; give each one a different name",
            codecs[i].id()
        )));
    }
    let reference = reference(args, &codecs)?;
    let folder = printable(&args.output);
    if args.output.exists() && !args.output.is_dir() {
        return Err(usage(format!("-o {folder} is a file; give a folder")));
    }
    let held = WRITTEN.iter().find(|name| args.output.join(name).exists());
    if let Some(name) = held.filter(|_| !args.force) {
        return Err(usage(format!(
            "{folder} already contains {name}; use --force to replace it, or give another folder"
        )));
    }
    let mut overlays = Vec::new();
    for path in &args.curves {
        overlays.extend(curves::read(path)?);
    }
    let (sources, unread) = sources(&args.inputs, &reporter)?;
    let many = sources.len() > 1;

    let options = BenchOptions {
        reference,
        qualities: args.qualities.into(),
        side_by_side: args.side_by_side,
        threads: args.common.threads,
        cache: cache(args)?,
        limits: args.common.limits(),
        overlays,
        codecs,
    };
    let progress = Steps::new(sources.len() * options.codecs.len());
    let failures = std::sync::atomic::AtomicUsize::new(unread);
    let finished = aecodec_bench::run(&sources, options, &|event| match event {
        BenchEvent::Measured { picture, codec, points } => {
            if args.common.json {
                let line = json!({ "picture": picture, "codec": codec, "points": points });
                let _ = progress.around(|| reporter.result("", &line));
            }
            progress.advance(|| format!("{codec}  {picture}"));
        }
        BenchEvent::Failed { picture, error } => {
            failures.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let said = in_words(anyhow::Chain::new(error));
            // This error already contains the path of the picture.
            let text =
                if matches!(error, Error::Picture { .. }) { said } else { format!("{picture}: {said}") };
            progress.around(|| {
                if args.common.json {
                    let _ = reporter.result("", &json!({ "picture": picture, "error": text }));
                }
                warn("left out", &text);
            });
        }
        _ => {}
    });
    let finished = match finished {
        Err(Error::NoPictures) if !many => return Ok(Exit::Failed),
        other => other?,
    };
    progress.say(|| "writing the report".into());
    write(&finished, &args.output)?;
    progress.finish();
    conclude(&finished.results, &args.output, &reporter)?;
    Ok(if failures.into_inner() > 0 { Exit::Partly } else { Exit::Done })
}

/// aecodec with each of the selected models.
fn own(args: &Args) -> Result<Vec<Arc<dyn Codec>>> {
    let mut codecs: Vec<Arc<dyn Codec>> = Vec::new();
    if args.model.is_some() || args.profile.len() == 1 {
        let model = models::to_encode_with(args.model.as_deref(), args.profile[0])?;
        codecs.push(Arc::new(Aec::new(OWN, OWN, model)));
        return Ok(codecs);
    }
    for &profile in &args.profile {
        let model = models::to_encode_with(None, profile)?;
        let profile = format!("{profile:?}").to_lowercase();
        codecs.push(Arc::new(Aec::new(&format!("{OWN}-{profile}"), &format!("{OWN} {profile}"), model)));
    }
    Ok(codecs)
}

/// The index of the codec that the tables compare the others with.
fn reference(args: &Args, codecs: &[Arc<dyn Codec>]) -> Result<usize> {
    let find = |name: &str| codecs.iter().position(|codec| codec.id() == name);
    match &args.reference {
        Some(name) => find(name).ok_or_else(|| {
            let names: Vec<_> = codecs.iter().map(|codec| codec.id()).collect();
            usage(format!(
                "--reference {name}: this codec is not measured; choose one of {}",
                names.join(", ")
            ))
        }),
        None => Ok(find(REFERENCE).unwrap_or_else(|| (codecs.len() - 1).min(args.profile.len()))),
    }
}

/// The pictures to measure with, and how many of the inputs cannot be read.
fn sources(args: &[PathBuf], reporter: &Reporter) -> Result<(Vec<TestPicture>, usize)> {
    let inputs = inputs::expand(args, Kind::Pictures)?;
    for Failure { path, error } in &inputs.failures {
        let text = format!("{}: {}", printable(path), describe(error));
        if reporter.style == Style::Json {
            reporter.result("", &json!({ "picture": field(path), "error": text }))?;
        }
        warn("left out", &text);
    }
    if let Some(words) = inputs.others.words() {
        warn("notice", &words);
    }
    let mut sources = Vec::new();
    for input in inputs.list {
        let Source::File(path) = input.source else {
            return Err(usage("'-' (stdin) is not supported; give files or folders"));
        };
        sources.push(TestPicture { path, name: printable(&input.below) });
    }
    if sources.is_empty() {
        return Err(Refusal::Nothing(
            "there is no picture to measure with; give pictures or a folder of pictures".into(),
        )
        .into());
    }
    // Pictures with the same name from several folders are called by their paths.
    let mut counts = std::collections::HashMap::new();
    for source in &sources {
        *counts.entry(source.name.clone()).or_insert(0) += 1;
    }
    for source in sources.iter_mut().filter(|source| counts[&source.name] > 1) {
        source.name = printable(&source.path);
    }
    sources.sort_by(|a, b| a.name.cmp(&b.name));
    Ok((sources, inputs.failures.len()))
}

/// The folder of the cache, which is created if it is missing.
fn cache(args: &Args) -> Result<Option<PathBuf>> {
    if args.no_cache {
        return Ok(None);
    }
    if let Some(folder) = &args.cache {
        let unfit =
            || format!("--cache {}: give a folder that can be written, or use --no-cache", printable(folder));
        std::fs::create_dir_all(folder).with_context(unfit)?;
        return Ok(Some(folder.clone()));
    }
    // Without a home folder there is no cache, but everything else works.
    let Some(usual) = directories::ProjectDirs::from("", "", OWN) else { return Ok(None) };
    let folder = usual.cache_dir().join("bench");
    if let Err(error) = std::fs::create_dir_all(&folder) {
        warn("notice", &format!("{}: {error}; measurements are not kept", printable(&folder)));
        return Ok(None);
    }
    Ok(Some(folder))
}

fn write(finished: &FinishedBench, folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| printable(folder))?;
    Ok(report::write(&finished.results, &|picture| finished.shown(picture), folder)?)
}

/// Lists the codecs that can be measured here, and those that are missing.
fn list(available: &codec::Available, reporter: &Reporter) -> Result<Exit> {
    for codec in &available.codecs {
        let text = format!("{:<10} {}: {}", codec.id(), codec.version(), codec.settings());
        let json = json!({ "codec": codec.id(), "version": codec.version(), "settings": codec.settings() });
        reporter.result(&text, &json)?;
    }
    for missing in &available.missing {
        let text = format!("{:<10} not available: {}", missing.id, missing.remedy);
        reporter.result(&text, &json!({ "codec": missing.id, "missing": missing.remedy }))?;
    }
    Ok(Exit::Done)
}

/// Prints the results in a few lines.
fn conclude(results: &Results, folder: &Path, reporter: &Reporter) -> Result<()> {
    let page = folder.join("report.html");
    let codecs: Vec<_> = (0..results.codecs.len()).map(|i| outcome(results, i)).collect();
    let reference = &results.codecs[results.reference].name;
    let pixels: usize = results.pictures.iter().map(|picture| picture.width * picture.height).sum();
    let count = results.pictures.len();
    let plural = if count == 1 { "" } else { "s" };
    let mut text = format!("{count} picture{plural}, {:.1} Mpixel\n", pixels as f64 / 1e6);
    text += &format!("{:<14} {:>16} {:>12} {:>12}\n", "", format!("bits / {reference}"), "encode", "decode");
    for (info, outcome) in results.codecs.iter().zip(&codecs) {
        let bits = match outcome.saving {
            // Adding 0 turns a negative zero into zero.
            Some(percent) => {
                format!("{:+.1} %", (10.0 * percent).round() / 10.0 + 0.0).replace('-', "\u{2212}")
            }
            None => "not comparable".into(),
        };
        let speed = |speed: f64| format!("{speed:.2} MP/s");
        let (encode, decode) = (speed(outcome.encode), speed(outcome.decode));
        text += &format!("{:<14} {bits:>16} {encode:>12} {decode:>12}\n", info.name);
    }
    text += &printable(&page);
    let codecs = results.codecs.iter().zip(&codecs).map(|(info, outcome)| {
        json!({
            "codec": info.id, "version": info.version, "settings": info.settings, "bd_rate": outcome.saving,
            "encode_megapixels_per_second": outcome.encode, "decode_megapixels_per_second": outcome.decode,
        })
    });
    let json = json!({
        "pictures": results.pictures.len(), "pixels": pixels, "reference": results.codecs[results.reference].id,
        "codecs": codecs.collect::<Vec<_>>(), "report": field(&page),
    });
    reporter.result(&text, &json)
}

/// The result of one codec.
struct Outcome {
    /// The change of bits against the reference at equal PSNR, in percent.
    saving: Option<f64>,
    /// The encoding speed in Mpixel/s.
    encode: f64,
    /// The decoding speed in Mpixel/s.
    decode: f64,
}

fn outcome(results: &Results, codec: usize) -> Outcome {
    let speed = results.speed(codec);
    let saving = results.saving(codec, results.reference, Metric::PsnrRgb).of_means;
    Outcome { saving, encode: speed.encode, decode: speed.decode }
}

fn quality(text: &str) -> Result<f64, String> {
    let quality: f64 = text.parse().map_err(|_| "expected a number from 0 to 100".to_string())?;
    (0.0..=100.0)
        .contains(&quality)
        .then_some(quality)
        .ok_or_else(|| "expected a number from 0 to 100".into())
}
