//! `aecodec train --search`: several runs, and the model of the best.

use std::path::PathBuf;
use std::str::FromStr;

use aecodec_trainer::search::{self, Search, SettingRange};
use aecodec_trainer::session::TrainingEnd;
use aecodec_trainer::{TrainingSession, TrainingSettings};
use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Args, Places, View, changes, check_shapes, start};
use crate::failure::usage;
use crate::output::{Existing, Origin, Target};
use crate::printable::printable;

/// How many runs a search takes: `random:8`.
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

/// A search as it was asked for; it is kept beside its runs, so that `--resume` needs only the pictures and the
/// output's name.
#[derive(PartialEq, Serialize, Deserialize)]
pub(super) struct SearchPlan {
    count: Count,
    ranges: Vec<String>,
    settings: TrainingSettings,
    from: String,
}

impl SearchPlan {
    /// What the command line asks for, or what the search was told that it is to go on with; none where it is one run.
    pub(super) fn of(args: &Args, places: &Places) -> Result<Option<Self>> {
        let kept = kept(places);
        if args.resume {
            if !kept.is_file() {
                let folder = printable(&places.run);
                return match args.search {
                    Some(_) => Err(usage(format!("--resume: {folder} holds no search; leave --search out"))),
                    None => Ok(None),
                };
            }
            let name = || printable(&kept);
            let bytes = std::fs::read(&kept).with_context(name)?;
            let plan: Self = serde_json::from_slice(&bytes).with_context(name)?;
            let told = args.search.is_some() || args.from.is_some() || !changes(args)?.is_empty();
            if told && Self::asked(args)?.as_ref() != Some(&plan) {
                let name = name();
                return Err(usage(format!("--resume: {name} was begun with other settings; leave them out")));
            }
            return Ok(Some(plan));
        }
        let plan = Self::asked(args)?;
        let run = plan.is_some()
            && (TrainingSession::resumable(&places.run) || search::folder(&places.run, 1).is_dir());
        if (kept.is_file() || run) && !args.force {
            let what = if kept.is_file() { "search" } else { "run" };
            let folder = printable(&places.run);
            bail!("{folder} holds a {what} already; go on with it by --resume, or begin again with --force");
        }
        if plan.is_some() {
            Target::File(places.table()).check(Existing::forced(args.force))?;
        }
        Ok(plan)
    }

    /// A run of its own was begun in place of a search, for which it must not be taken.
    pub(super) fn forget(places: &Places) -> Result<()> {
        let kept = kept(places);
        if kept.is_file() {
            std::fs::remove_file(&kept).with_context(|| printable(&kept))?;
        }
        Ok(())
    }

    /// What the command line asks for.
    fn asked(args: &Args) -> Result<Option<Self>> {
        let Some(count) = args.search else { return Ok(None) };
        let changes = changes(args)?;
        check_shapes(args, &changes)?;
        let settings = TrainingSettings::default().with(changes)?;
        let from = args.from.clone().unwrap_or_else(|| "fast".to_owned());
        // A file is found again from any folder.
        let from = std::fs::canonicalize(&from).map_or(from, |path| path.to_string_lossy().into_owned());
        let ranges = args.range.iter().map(SettingRange::to_string).collect();
        Ok(Some(Self { count, ranges, settings, from }))
    }

    /// Takes the runs; the one with the best validation, or none where they were interrupted.
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
        let search = Search::random(self.count.0, &ranges, &self.settings, start, &args.pictures)?;
        // Only now, as nothing was wrong with what was asked, may what was here before go.
        if !args.resume {
            self.keep(places)?;
        }
        let view = std::cell::RefCell::new(view);
        let count = search.count();
        let trials = search.run(
            &places.run,
            args.device,
            stop,
            &mut |number, drawn, session| {
                if number == 1 {
                    // A reader that is gone is no reason to lose a search.
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
            bail!("no run came to a validation loss that is a number; search lower rates");
        };
        let table = search::table(&trials);
        Target::File(places.table()).write(table.as_bytes(), Existing::forced(true), &Origin::default())?;
        view.borrow().print(&table, &json!({ "trials": trials, "best": best.number }));
        let folder = search::folder(&places.run, best.number);
        let session = TrainingSession::resume(&args.pictures, &folder, args.device, |own| Ok(own.clone()))?;
        let end = session.end();
        Ok(Some((session, end)))
    }

    /// Writes down what was asked, once no run of an earlier search is left to be mistaken for one of this.
    fn keep(&self, places: &Places) -> Result<()> {
        for number in 1..=99 {
            let old = search::folder(&places.run, number);
            if old.is_dir() {
                std::fs::remove_dir_all(&old).with_context(|| printable(&old))?;
            }
        }
        std::fs::create_dir_all(&places.run).with_context(|| printable(&places.run))?;
        Target::File(kept(places)).write(
            &serde_json::to_vec_pretty(self)?,
            Existing::forced(true),
            &Origin::default(),
        )
    }
}

fn kept(places: &Places) -> PathBuf {
    places.run.join("search.json")
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
