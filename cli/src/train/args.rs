//! The arguments of `aecodec train`, and the settings and the starting point that they select.

use std::path::PathBuf;
use std::str::FromStr;

use aecodec::{Model, Profile};
use aecodec_trainer::search::SettingRange;
use aecodec_trainer::session::Start;
use aecodec_trainer::{DeviceKind, TrainingSettings};
use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::options::TrainingFlags;
use crate::failure::usage;
use crate::printable::printable;

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Folder of pictures, including those in its subfolders; damaged and small ones are skipped
    #[arg(value_name = "DIR")]
    pub(super) pictures: PathBuf,
    /// Model file to write; the float weights, the curve, the card and the folder of the run get the same name
    #[arg(short, long, value_name = "FILE.aem")]
    pub(super) output: PathBuf,
    /// Starting point: fast, best, a file of float weights (.safetensors), a model (.aem), or scratch [default: fast]
    #[arg(long, value_name = "START")]
    pub(super) from: Option<String>,
    /// What to train: a codec, or a head that names the class of each pixel, on pictures with label maps
    #[cfg(feature = "latents")]
    #[arg(long, value_enum, default_value = "codec")]
    pub(super) task: Task,
    /// With --task segment: folder of label maps, PNG files with the names of the pictures; values are classes
    #[cfg(feature = "latents")]
    #[arg(long, value_name = "DIR")]
    pub(super) labels: Option<PathBuf>,
    /// With --task segment: number of classes; larger values in label maps are left out
    #[cfg(feature = "latents")]
    #[arg(long, value_name = "N", default_value_t = 11, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=250))]
    pub(super) classes: usize,
    /// With --task segment: train on decoded pixels instead of latents, to compare
    #[cfg(feature = "latents")]
    #[arg(long)]
    pub(super) from_pixels: bool,
    /// Continue the run that was started for this output, as if it had not stopped
    #[arg(long)]
    pub(super) resume: bool,
    /// TOML file with any of the options below, under the same names; options on the command line take precedence
    #[arg(long, value_name = "FILE.toml")]
    pub(super) config: Option<PathBuf>,
    /// Train N times with settings drawn at random from --range, and keep the best model; --steps or --minutes applies to each run
    #[arg(long, value_name = "random:N", requires = "range")]
    pub(super) search: Option<Count>,
    /// Setting for --search to vary, by the name of its option below: NAME=LOW..HIGH or NAME=ONE,OTHER; may be given more than once
    #[arg(long, value_name = "RANGE", requires = "search")]
    pub(super) range: Vec<SettingRange>,
    #[command(flatten)]
    pub(super) options: TrainingFlags,
    /// Device to compute on: cpu, cuda or metal (cuda and metal need a build with that feature)
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    pub(super) device: DeviceKind,
    /// Number of threads; 0 means one per core
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) threads: usize,
    /// Print one JSON object per line
    #[arg(long)]
    pub(super) json: bool,
    /// Replace existing outputs, and start again if there is a run
    #[arg(short, long)]
    pub(super) force: bool,
}

/// What is trained.
#[cfg(feature = "latents")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Task {
    /// A model of the codec
    Codec,
    /// A head that names the class of each pixel
    Segment,
}

const EXAMPLES: &str = "\
Examples:
  aecodec train photos/ -o own.aem --minutes 60
  aecodec train photos/ -o own.aem --resume
  aecodec train scans/ -o scans.aem --steps 3000 --denoise-noise 8
  aecodec train photos/ -o small.aem --from scratch --shapes tiny --minutes 600
  aecodec train scans/ -o scans.aem --minutes 10 --search random:8 --range lr=1e-4..1e-3 --range batch=2..8

Every command that takes --model can use the model: aecodec compress a.png -o a.aec --model own.aem";

/// The number of runs in a search, written as `random:8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Count(usize);

impl FromStr for Count {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let count = text.strip_prefix("random:").and_then(|count| count.parse().ok());
        let some = count.filter(|count| (1..=99).contains(count)).map(Self);
        some.ok_or_else(|| "write random:N, with N from 1 to 99".to_owned())
    }
}

impl Count {
    pub(super) fn runs(self) -> usize {
        self.0
    }
}

/// Refuses options for shapes if the network already has shapes, because the options would have no effect.
pub(super) fn check_shapes(args: &Args, changes: &Map<String, Value>) -> Result<()> {
    let given = TrainingSettings::SHAPES.into_iter().find(|name| changes.contains_key(*name));
    match given.filter(|_| args.from.as_deref() != Some("scratch")) {
        None => Ok(()),
        Some(name) => Err(usage(format!(
            "{name} applies only to networks from scratch; add --from scratch, or leave it out to keep the shapes of the starting point"
        ))),
    }
}

/// The settings of the configuration file, overridden by those of the command line.
pub(super) fn changes(args: &Args) -> Result<Map<String, Value>> {
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

/// The starting point that `--from` names.
pub(super) fn start(from: &str) -> Result<Start> {
    if from == "scratch" {
        return Ok(Start::Scratch);
    }
    if let Some(profile) = [Profile::Fast, Profile::Best].into_iter().find(|profile| profile.name() == from) {
        let bytes = Model::embedded_bytes(profile).with_context(|| {
            format!(
                "--from {from}: this build does not contain this model; give the file of a model, or 'fast'"
            )
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
            Err(usage(format!("--from {from}: expected fast, best, scratch, or a .safetensors or .aem file")))
        }
    }
}
