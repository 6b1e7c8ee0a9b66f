//! `aecodec train`: trains a model on a folder of pictures.

mod args;
mod options;
mod places;
mod searching;
#[cfg(feature = "latents")]
mod segment;
mod view;

use std::path::Path;
use std::sync::atomic::Ordering;

use aecodec_trainer::session::TrainingEnd;
use aecodec_trainer::{DeviceKind, Error, TrainingSession, TrainingSettings, limit_threads};
use anyhow::{Result, bail};
pub use args::Args;
use args::{changes, check_shapes, start};
use places::Places;
use searching::SearchPlan;
use view::View;

use crate::failure::{Exit, Refusal, usage};
use crate::interrupt;
use crate::output::Existing;
use crate::printable::printable;
use crate::report::{Reporter, Stream, Style, warn};

/// Runs the command.
pub fn run(args: &Args) -> Result<Exit> {
    #[cfg(feature = "latents")]
    if args.task == args::Task::Segment {
        return segment::run(args);
    }
    let stop = interrupt::ask();
    limit_threads(args.threads);
    let places = Places::of(&args.output)?;
    places.check(Existing::forced(args.force))?;
    let style = if args.json { Style::Json } else { Style::Text };
    let mut view = View::new(Reporter { stream: Stream::Stdout, style });
    let stop = || stop.load(Ordering::Relaxed);
    check(args)?;
    let session = match SearchPlan::of(args, &places).map_err(classified)? {
        Some(plan) => plan.run(args, &places, &stop, &mut view).map_err(classified)?,
        None => train(args, &places, &stop, &mut view)?,
    };
    let Some((session, end)) = session else {
        view.finish();
        let folder = printable(&places.run);
        warn(
            "interrupted",
            &format!("the run is saved in {folder}; add --resume to the same command to continue it"),
        );
        std::process::exit(interrupt::INTERRUPTED);
    };
    let finished = session.finish(&mut |event| view.see(&event))?;
    view.finish();
    places.write(&finished, Existing::forced(args.force))?;
    view.end(&session, end, &finished, &places)?;
    Ok(Exit::Done)
}

/// Trains one run to its end. Returns `None` if it was interrupted.
fn train(
    args: &Args,
    places: &Places,
    stop: &dyn Fn() -> bool,
    view: &mut View,
) -> Result<Option<(TrainingSession, Option<TrainingEnd>)>> {
    let mut session = open(args, places).map_err(classified)?;
    if !args.resume {
        SearchPlan::forget(places)?;
    }
    view.begin(&session)?;
    let end = session.train(stop, &mut |event| view.see(&event))?;
    Ok(end.map(|end| (session, Some(end))))
}

/// Checks the folder and the device before anything is read.
fn check(args: &Args) -> Result<()> {
    if !args.pictures.is_dir() {
        let path = printable(&args.pictures);
        return Err(if args.pictures.exists() {
            usage(format!("{path} is not a folder; put the pictures into a folder"))
        } else {
            Refusal::Nothing(format!("{path}: no such folder; check the path")).into()
        });
    }
    if args.device != DeviceKind::Cpu
        && let Err(error) = args.device.open()
    {
        let kind = args.device;
        return Err(usage(format!(
            "--device {kind}: {error}; this device needs a build with --features {kind}"
        )));
    }
    Ok(())
}

/// Starts a run, or resumes one.
fn open(args: &Args, places: &Places) -> Result<TrainingSession> {
    let changes = changes(args)?;
    if args.resume {
        if !TrainingSession::resumable(&places.run) {
            let folder = printable(&places.run);
            return Err(usage(format!(
                "--resume: {folder} contains no checkpoint; leave --resume out to start a run"
            )));
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
            Some(from) => Err(usage(format!(
                "--from {from}: the run to resume was started from {origin}; leave --from out"
            ))),
            None => Ok(session),
        };
    }
    if TrainingSession::resumable(&places.run) && !args.force {
        bail!(
            "{} already contains a run; continue it with --resume, or start again with --force",
            printable(&places.run)
        );
    }
    check_shapes(args, &changes)?;
    let settings = TrainingSettings::default().with(changes)?;
    let start = start(args.from.as_deref().unwrap_or("fast"))?;
    Ok(TrainingSession::begin(settings, &args.pictures, &places.run, &start, args.device)?)
}

/// Gives errors in the arguments the exit codes of wrong usage or of nothing to do.
fn classified(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref::<Error>() {
        Some(Error::NoPictures { .. }) => {
            Refusal::Nothing(format!("{error}; give another folder, or a smaller --side")).into()
        }
        Some(Error::Invalid { what: "pictures", .. }) => {
            Refusal::Nothing(format!("{error}; add pictures, or allow smaller ones with --side")).into()
        }
        Some(Error::Invalid { what: "settings" | "search", .. }) => usage(format!("{error}; see --help")),
        _ => error,
    }
}
