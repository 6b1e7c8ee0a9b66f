//! `aecodec train --search`: several runs, of which the best one gives the model.

use std::path::PathBuf;

use aecodec_trainer::search::{self, Search, SettingRange};
use aecodec_trainer::session::TrainingEnd;
use aecodec_trainer::{TrainingSession, TrainingSettings};
use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::args::{Args, Count, changes, check_shapes, start};
use super::places::Places;
use super::view::View;
use crate::failure::usage;
use crate::output::{Destination, Existing, Origin};
use crate::printable::printable;

/// The arguments of a search. They are stored with its runs, so that `--resume` needs only the pictures and the name of
/// the output.
#[derive(PartialEq, Serialize, Deserialize)]
pub(super) struct SearchPlan {
    count: Count,
    ranges: Vec<String>,
    settings: TrainingSettings,
    from: String,
}

impl SearchPlan {
    /// The plan on the command line, or the stored plan of the search to resume. Returns `None` for a single run.
    pub(super) fn of(args: &Args, places: &Places) -> Result<Option<Self>> {
        let kept = plan_file(places);
        if args.resume {
            if !kept.is_file() {
                let folder = printable(&places.run);
                return match args.search {
                    Some(_) => {
                        Err(usage(format!("--resume: {folder} contains no search; leave --search out")))
                    }
                    None => Ok(None),
                };
            }
            let name = || printable(&kept);
            let bytes = std::fs::read(&kept).with_context(name)?;
            let plan: Self = serde_json::from_slice(&bytes).with_context(name)?;
            let given = args.search.is_some() || args.from.is_some() || !changes(args)?.is_empty();
            if given && Self::asked(args)?.as_ref() != Some(&plan) {
                let name = name();
                return Err(usage(format!(
                    "--resume: {name} was started with other settings; leave them out"
                )));
            }
            return Ok(Some(plan));
        }
        let plan = Self::asked(args)?;
        let run = plan.is_some()
            && (TrainingSession::resumable(&places.run) || search::folder(&places.run, 1).is_dir());
        if (kept.is_file() || run) && !args.force {
            let what = if kept.is_file() { "search" } else { "run" };
            let folder = printable(&places.run);
            bail!(
                "{folder} already contains a {what}; continue it with --resume, or start again with --force"
            );
        }
        if plan.is_some() {
            Destination::File(places.table()).check(Existing::forced(args.force))?;
        }
        Ok(plan)
    }

    /// Removes the stored plan, because a single run was started in its place and must not be taken for a search.
    pub(super) fn forget(places: &Places) -> Result<()> {
        let kept = plan_file(places);
        if kept.is_file() {
            std::fs::remove_file(&kept).with_context(|| printable(&kept))?;
        }
        Ok(())
    }

    /// The plan on the command line.
    fn asked(args: &Args) -> Result<Option<Self>> {
        let Some(count) = args.search else { return Ok(None) };
        let changes = changes(args)?;
        check_shapes(args, &changes)?;
        let settings = TrainingSettings::default().with(changes)?;
        let from = args.from.clone().unwrap_or_else(|| "fast".to_owned());
        // An absolute path can be resumed from any folder.
        let from = std::fs::canonicalize(&from).map_or(from, |path| path.to_string_lossy().into_owned());
        let ranges = args.range.iter().map(SettingRange::to_string).collect();
        Ok(Some(Self { count, ranges, settings, from }))
    }

    /// Trains all runs. Returns the one with the best validation, or `None` if the search was interrupted.
    pub(super) fn run(
        &self,
        args: &Args,
        places: &Places,
        stop: &dyn Fn() -> bool,
        view: &mut View,
    ) -> Result<Option<(TrainingSession, Option<TrainingEnd>)>> {
        let ranges: Vec<SettingRange> =
            self.ranges.iter().map(|range| range.parse()).collect::<Result<_, _>>()?;
        let start = start(&self.from)?;
        let search = Search::random(self.count.runs(), &ranges, &self.settings, start, &args.pictures)?;
        // An earlier search is replaced only now, because the arguments turned out to be valid.
        if !args.resume {
            self.store(places)?;
        }
        let view = std::cell::RefCell::new(view);
        let count = search.count();
        let trials = search.run(
            &places.run,
            args.device,
            stop,
            &mut |number, drawn, session| {
                if number == 1 {
                    // A closed pipe must not end a search.
                    let _ = view.borrow().begin(session);
                }
                view.borrow_mut().forget();
                let named: Vec<_> =
                    drawn.iter().map(|(name, value)| format!("{name} {}", plain(value))).collect();
                let text = format!("run {number} of {count}: {}", named.join(", "));
                view.borrow().print(&text, &json!({ "run": number, "of": count, "drawn": drawn }));
            },
            &mut |event| view.borrow_mut().see(&event),
        )?;
        let Some(trials) = trials else { return Ok(None) };
        let Some(best) = search::best(&trials) else {
            bail!("every run diverged: no validation loss is a number; search lower learning rates");
        };
        let table = search::table(&trials);
        Destination::File(places.table()).write(
            table.as_bytes(),
            Existing::forced(true),
            &Origin::default(),
        )?;
        view.borrow().print(&table, &json!({ "trials": trials, "best": best.number }));
        let folder = search::folder(&places.run, best.number);
        let session = TrainingSession::resume(&args.pictures, &folder, args.device, |own| Ok(own.clone()))?;
        let end = session.end();
        Ok(Some((session, end)))
    }

    /// Removes the runs of an earlier search, which could be mistaken for runs of this one, and stores the plan.
    fn store(&self, places: &Places) -> Result<()> {
        for number in 1..=99 {
            let old = search::folder(&places.run, number);
            if old.is_dir() {
                std::fs::remove_dir_all(&old).with_context(|| printable(&old))?;
            }
        }
        std::fs::create_dir_all(&places.run).with_context(|| printable(&places.run))?;
        Destination::File(plan_file(places)).write(
            &serde_json::to_vec_pretty(self)?,
            Existing::forced(true),
            &Origin::default(),
        )
    }
}

fn plan_file(places: &Places) -> PathBuf {
    places.run.join("search.json")
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
