//! `aecodec send`: compresses pictures and sends them to a receiver.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aecodec::{Model, Profile, model_file};
use aecodec_proto::figures::Total;
use aecodec_proto::{Hash, Identity};
use aecodec_sender::pipeline::{self, Resend};
use aecodec_sender::watch::Fate;
use aecodec_sender::{Event, Options, Outbox, Share, Summary};
use anyhow::{Context as _, Result};
use bytes::Bytes;
use serde_json::json;
use tokio::sync::mpsc;

use crate::failure::{Exit, Refusal, usage};
use crate::flags::Common;
use crate::mode::ModeArgs;
use crate::models::{self, ProfileName};
use crate::printable::printable;
use crate::receive::{json_line, object, place};
use crate::report::{Reporter, grouped, warn};
use crate::target::TargetArgs;
use crate::{live, pairing, pattern, runtime, size, unusual};

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Pictures, .aec files, folders (including all pictures below them) and patterns such as 'c1/*.png'
    #[arg(value_name = "IN")]
    inputs: Vec<PathBuf>,
    /// The receiver: its ticket, @FILE or '-' (stdin) that contains the ticket, or its name if it is known
    /// [default: $AECODEC_TICKET, or the only receiver that is known]
    #[arg(short, long, value_name = "TICKET")]
    to: Option<String>,
    /// Send what is in this folder and each file that is finished there, until stopped
    #[arg(long, value_name = "DIR")]
    watch: Vec<PathBuf>,
    /// With --watch, send a file when it has not changed for this long; use a larger value if files are written
    /// with longer pauses
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0, value_parser = size::positive, requires = "watch")]
    settle: f64,
    #[command(flatten)]
    unusual: unusual::Args,
    #[command(flatten)]
    live: live::Args,
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
    /// Offer files again that already have a receipt
    #[arg(long)]
    again: bool,
    /// Give up after this many seconds without a connection [default: 600, or never with --watch]
    #[arg(long, value_name = "SECONDS")]
    patience: Option<u64>,
    /// Name that the receiver sees for this sender [default: the host name]
    #[arg(long, value_name = "NAME")]
    label: Option<String>,
    /// Folder for the key and journal of this sender [default: ~/.local/state/aecodec/sender]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

const EXAMPLES: &str = "\
Examples:
  aecodec send --to TICKET photos/*.png
  aecodec send --to @ticket.txt --quality 60 photos/
  aecodec send --to archive --watch /var/camera
  ffmpeg -i CAMERA -r 10 -f mjpeg - | aecodec send --to archive --stdin mjpeg --fps 10

It ends with 0 when the receiver has every picture on its disk. If it is interrupted, run it again; nothing is sent
twice. A ticket is a secret until it is used. Others on this host may read command lines, so prefer @FILE there.";

/// Longer than any run.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Runs the command.
pub fn run(args: &Args) -> Result<Exit> {
    let live = args.live.is_asked();
    if args.inputs.is_empty() && args.watch.is_empty() && !live {
        return Err(usage("nothing to send: give pictures, a folder, --watch DIR or --stdin FORMAT"));
    }
    if live && !(args.inputs.is_empty() && args.watch.is_empty()) {
        return Err(usage("--stdin sends only live frames; send pictures with another command"));
    }
    if live && args.mode.is_exact() {
        return Err(usage(
            "live frames are coded with the model; leave out --lossless, --max-error and --mode exact",
        ));
    }
    if live && args.to.as_deref() == Some("-") {
        return Err(usage("stdin cannot carry both the ticket and the frames; give the ticket as @FILE"));
    }
    let reporter = args.common.reporter(false);
    let folder = match &args.state {
        Some(folder) => folder.clone(),
        None => Outbox::default_folder()?,
    };
    let outbox = Arc::new(Outbox::open(&folder)?);
    let identity = Identity::load_or_create(&folder.join("key"))?;
    let target = pairing::target(args.to.as_deref(), &outbox)?;
    let model = models::to_encode_with(args.model.as_deref(), args.profile)?;
    let label = pairing::label(args.label.as_deref());
    #[cfg(feature = "live")]
    if let Some(format) = args.live.format() {
        let mut options = aecodec_live::send::Options::new(target, identity, label, model, format);
        options.limits = args.common.limits();
        options.remember = Some(outbox);
        if let Some(seconds) = args.patience {
            options.patience = Duration::from_secs(seconds).min(FOREVER);
        }
        return args.live.run(options, args.target.given(), &reporter);
    }
    let mut sources = pipeline::Options::new(target.receiver, model.clone());
    sources.paths = expanded(&args.inputs)?;
    if sources.paths.is_empty() && args.watch.is_empty() {
        return Err(Refusal::Nothing("no pattern matches a file; there is nothing to send".into()).into());
    }
    sources.watch.clone_from(&args.watch);
    sources.watching.settle = Duration::try_from_secs_f64(args.settle).unwrap_or(FOREVER).min(FOREVER);
    (sources.settings.target, sources.settings.mode) = (args.target.target(), args.mode.mode());
    sources.settings.limits = args.common.limits();
    sources.settings.screen = args.unusual.screen(args.model.as_ref())?;
    sources.threads = args.common.threads;
    sources.resend = if args.again { Resend::Always } else { Resend::Never };
    let files = model_files(args.model.as_deref(), &model)?;
    sources.settings.known_models = files.keys().copied().collect();
    let mut options = Options::new(target, sources, identity, label);
    options.models = files;
    options.patience = match args.patience {
        Some(seconds) => Duration::from_secs(seconds).min(FOREVER),
        None if args.watch.is_empty() => options.patience,
        None => FOREVER,
    };
    runtime::run(async |stop| {
        let (events, told) = mpsc::unbounded_channel();
        let running = aecodec_sender::run(options, outbox, events, stop.clone());
        let (shown, summary) = tokio::join!(show(told, &reporter), running);
        let (mut total, failed, screened) = shown?;
        let summary = summary?;
        total.wire = summary.wire;
        total.elapsed = summary.took.as_millis() as u64;
        let mut json = object("total", serde_json::to_value(&total)?);
        json["unsettled"] = json!(summary.unsettled);
        json["connections"] = json!(summary.connections);
        json["rtt_ms"] = json!(summary.rtt.as_secs_f64() * 1e3);
        let mut text = total.to_string();
        if let Some((words, figures)) = screened.summary() {
            text += &words;
            json["screened"] = figures;
        }
        reporter.result(&text, &json)?;
        let interrupted = *stop.borrow();
        ending(&total, &summary, failed, interrupted)
    })
}

/// The inputs with each pattern replaced by what it matches, for shells that leave this to the program.
fn expanded(inputs: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for input in inputs {
        if !pattern::is_pattern(input) {
            paths.push(input.clone());
            continue;
        }
        let found =
            pattern::expand(input).map_err(|error| usage(format!("{}: {error}", printable(input))))?;
        if found.paths.is_empty() && found.failures.is_empty() {
            warn("warning", &format!("{} matches no file; check the pattern", printable(input)));
        }
        paths.extend(found.paths);
        // The sender tries to list these folders again, and reports the failures.
        paths.extend(found.failures.into_iter().map(|(folder, _)| folder));
    }
    Ok(paths)
}

/// The outcome of the run.
fn ending(total: &Total, summary: &Summary, failed: u64, interrupted: bool) -> Result<Exit> {
    if let Some(cut) = &summary.cut {
        let unsent = "pictures that were not sent stay in the outbox; run the same command again";
        return Err(Refusal::Peer(format!("{cut}; {unsent}")).into());
    }
    if interrupted {
        warn("interrupted", "pictures without a receipt are sent when the same command is run again");
        std::process::exit(runtime::INTERRUPTED);
    }
    Ok(match (failed, total.pictures + total.skipped) {
        (0, 0) => Exit::Nothing,
        (0, _) => Exit::Done,
        (_, 0) => Exit::Failed,
        _ => Exit::Partly,
    })
}

/// Uncompressed files of the models, whose hash is their identity, for receivers that lack them.
fn model_files(given: Option<&Path>, model: &Model) -> Result<HashMap<Hash, Bytes>> {
    let held = [Profile::Fast, Profile::Best].into_iter().filter_map(Model::embedded_bytes);
    let mut files = HashMap::new();
    for file in held {
        let plain = Bytes::from(model_file::unpack(file)?.into_owned());
        files.insert(Hash::of(&plain), plain);
    }
    if let Some(path) = given {
        let bytes = std::fs::read(path).with_context(|| printable(path))?;
        files.insert(Hash(model.id()), model_file::unpack(&bytes)?.into_owned().into());
    }
    Ok(files)
}

/// What `--only-unusual` decided: pictures and bytes of their `.aec`, in full and as previews.
#[derive(Default)]
struct Screened {
    full: (u64, u64),
    previews: (u64, u64),
}

impl Screened {
    fn add(&mut self, share: Share, bytes: u64) {
        let sum = if share == Share::Full { &mut self.full } else { &mut self.previews };
        *sum = (sum.0 + 1, sum.1 + bytes);
    }

    /// In words and as JSON, if there was anything to decide.
    fn summary(&self) -> Option<(String, serde_json::Value)> {
        let Self { full, previews } = self;
        let words = format!(
            "\nunusual: {} pictures in full, {} bytes; usual: {} previews, {} bytes",
            grouped(full.0),
            grouped(full.1),
            grouped(previews.0),
            grouped(previews.1)
        );
        let json = json!({
            "full": { "pictures": full.0, "bytes": full.1 },
            "previews": { "pictures": previews.0, "bytes": previews.1 },
        });
        (full.0 + previews.0 > 0).then_some((words, json))
    }
}

/// Prints the events. Returns the sums, and how many sources could not be sent.
async fn show(
    mut told: mpsc::UnboundedReceiver<Event>,
    reporter: &Reporter,
) -> Result<(Total, u64, Screened)> {
    let (mut total, mut screened) = (Total::default(), Screened::default());
    while let Some(event) = told.recv().await {
        match event {
            Event::Delivered(delivered) => {
                total.add(&delivered.figures);
                let mut json = object("delivered", serde_json::to_value(&delivered.figures)?);
                json["file"] = place(&delivered.path);
                json["hash"] = json!(delivered.hash.to_string());
                json["receipt_ms"] = json!(delivered.receipt.as_millis() as u64);
                reporter.result(&delivered.figures.to_string(), &json)?;
            }
            Event::Refused { path, reason } => {
                total.failed += 1;
                warn("refused", &format!("{}: {reason}", printable(&path)));
                json_line(reporter, json!({ "event": "refused", "file": place(&path), "reason": reason }))?;
            }
            Event::Connected { label, address } => {
                let json = json!({ "event": "connected", "receiver": label, "address": address });
                let label = printable(label.as_ref());
                reporter.result(&format!("connected to {label} at {address}"), &json)?;
            }
            Event::Disconnected { cut, pause } => {
                warn("notice", &format!("{cut}; retrying in {:.1} s", pause.as_secs_f64()));
                json_line(reporter, json!({ "event": "disconnected", "reason": cut.to_string() }))?;
            }
            Event::Local(pipeline::Event::Failed { error }) => {
                total.failed += 1;
                warn("error", &error.to_string());
                json_line(reporter, json!({ "event": "failed", "error": error.to_string() }))?;
            }
            Event::Local(pipeline::Event::Skipped { file, sent }) => {
                total.skipped += 1;
                let (file, hash) = (&file.path, sent.hash.to_string());
                let json = json!({ "event": "skipped", "file": place(file), "hash": hash });
                reporter.result(&format!("{}  already has a receipt", printable(file)), &json)?;
            }
            Event::Local(pipeline::Event::Renamed { file }) => {
                warn("notice", &format!("{}: sent as {}", printable(&file.path), file.name));
                let json = json!({ "event": "renamed", "file": place(&file.path), "name": file.name });
                json_line(reporter, json)?;
            }
            Event::Local(pipeline::Event::Doubtful(doubtful)) => {
                let (file, doubt) = (&doubtful.path, doubtful.doubt);
                let (taken, fate) = match doubtful.fate {
                    Fate::Taken => (true, "sending it as it is"),
                    Fate::Waiting => (false, "waiting for it"),
                };
                warn(
                    "notice",
                    &format!(
                        "{}: the file has not changed for a long time, but {doubt}; {fate}",
                        printable(file)
                    ),
                );
                let (file, reason) = (place(file), doubt.to_string());
                let json = json!({ "event": "unfinished", "file": file, "reason": reason, "taken": taken });
                json_line(reporter, json)?;
            }
            Event::Local(pipeline::Event::Encoded { file, bytes, psnr, reached, notices, took }) => {
                let json = json!({
                    "event": "encoded",
                    "file": place(&file.path),
                    "bytes": bytes,
                    "psnr": psnr,
                    "reached": reached,
                    "encode_ms": took.as_millis() as u64,
                });
                json_line(reporter, json)?;
                for notice in notices {
                    warn("notice", &format!("{}: {notice}", printable(&file.path)));
                }
            }
            Event::Local(pipeline::Event::Screened { file, share, bytes, doubt }) => {
                screened.add(share, bytes);
                if let Some(doubt) = doubt {
                    warn("notice", &format!("{}: {doubt}; it is sent in full", printable(&file.path)));
                }
                let unusual = share == Share::Full;
                let json = json!({ "event": "screened", "file": place(&file.path), "unusual": unusual, "bytes": bytes });
                json_line(reporter, json)?;
            }
            Event::Local(pipeline::Event::Away { folder }) => {
                warn("notice", &format!("{} cannot be reached; waiting for it", printable(&folder)));
                json_line(reporter, json!({ "event": "away", "folder": place(&folder) }))?;
            }
            Event::Local(pipeline::Event::Back { folder }) => {
                warn("notice", &format!("{} can be reached again", printable(&folder)));
                json_line(reporter, json!({ "event": "back", "folder": place(&folder) }))?;
            }
            _ => {}
        }
    }
    let failed = total.failed;
    Ok((total, failed, screened))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_model_is_available_to_receivers_that_lack_it() {
        let model = Model::embedded(Profile::Fast).unwrap();
        assert!(model_files(None, &model).unwrap().contains_key(&Hash(model.id())));
    }
}
