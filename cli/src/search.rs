//! `aecodec search` and `aecodec duplicates`: find similar pictures in an index.

use std::path::{Path, PathBuf};

use aecodec_search::{Describer, Entry, Index, Match, Threshold, duplicates, search, sheet};
use anyhow::{Context as _, Result, anyhow};
use serde_json::{Value, json};

use crate::failure::{Exit, Refusal, usage};
use crate::flags::Common;
use crate::inputs::{self, Input};
use crate::kinds::Kind;
use crate::models;
use crate::output::{Destination, Existing, Origin};
use crate::printable::printable;
use crate::report::{Reporter, field};

/// What both commands need.
#[derive(clap::Args)]
struct Where {
    /// Index file that 'aecodec index' made
    #[arg(long, value_name = "FILE", default_value = "index.sqlite")]
    index: PathBuf,
    /// Write a page with thumbnails of the results
    #[arg(long, value_name = "FILE.html")]
    html: Option<PathBuf>,
    /// Replace the page if it exists
    #[arg(short, long)]
    force: bool,
    /// Also use the model in this .aem file; may be given more than once
    #[arg(long, value_name = "FILE")]
    model: Vec<PathBuf>,
    #[command(flatten)]
    common: Common,
}

#[derive(clap::Args)]
pub struct SearchArgs {
    /// Picture or .aec file to look for; '-' is stdin
    #[arg(value_name = "PICTURE")]
    picture: PathBuf,
    /// Number of results
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10, value_parser = top)]
    top: usize,
    #[command(flatten)]
    place: Where,
}

#[derive(clap::Args)]
pub struct DuplicatesArgs {
    /// The least similarity of near-duplicates, from 0 to 1; lower values find more changed copies and more strangers
    #[arg(long, value_name = "S", default_value_t = Threshold::default().similarity)]
    similarity: f32,
    #[command(flatten)]
    place: Where,
}

/// Runs `aecodec search`.
pub fn search_index(args: &SearchArgs) -> Result<Exit> {
    let place = &args.place;
    place.check()?;
    let entries = place.entries()?;
    let input = one_input(&args.picture)?;
    let describer = Describer::new(models::to_decode_with(&place.model)?)?;
    let bytes = input.read(&place.common.limits()).with_context(|| input.name())?;
    let limits = place.common.limits_for(bytes.len() as u64);
    let seen = describer.describe(&bytes, &limits).with_context(|| input.name())?;
    let found = search(&entries, &seen, args.top);
    let reporter = place.common.reporter(false);
    for (rank, found) in found.iter().enumerate() {
        let path = &entries[found.index].path;
        let Match { distance, similarity, .. } = *found;
        let text = format!("{:>4}  {similarity:>6.3}  {distance:>3} bits  {}", rank + 1, printable(path));
        let json = json!({
            "rank": rank + 1, "path": field(path), "similarity": similarity, "distance": distance,
        });
        reporter.result(&text, &json)?;
    }
    let caption = |found: &Match| format!("{:.3}, {} bits", found.similarity, found.distance);
    let shown = found.iter().map(|found| (entries[found.index].path.as_path(), caption(found)));
    place.page(&format!("Similar to {}", input.name()), &[shown.collect()])?;
    Ok(if found.is_empty() { Exit::Nothing } else { Exit::Done })
}

/// Runs `aecodec duplicates`.
pub fn find_duplicates(args: &DuplicatesArgs) -> Result<Exit> {
    if !(0.0..=1.0).contains(&args.similarity) {
        return Err(usage(format!("--similarity {}: expected a number from 0 to 1", args.similarity)));
    }
    let place = &args.place;
    place.check()?;
    let entries = place.entries()?;
    let mut threshold = Threshold::default();
    threshold.similarity = args.similarity;
    let groups = duplicates(&entries, threshold);
    let reporter = place.common.reporter(false);
    for (number, group) in groups.iter().enumerate() {
        print_group(&entries, number + 1, group, &reporter)?;
    }
    let shown: Vec<Vec<(&Path, String)>> = groups.iter().map(|group| captioned(&entries, group)).collect();
    place.page(&format!("{} groups of near-duplicates", groups.len()), &shown)?;
    if groups.is_empty() {
        return Err(Refusal::Nothing(format!("no near-duplicates among {} pictures", entries.len())).into());
    }
    Ok(Exit::Done)
}

fn print_group(entries: &[Entry], number: usize, group: &[usize], reporter: &Reporter) -> Result<()> {
    let first = group[0];
    let mut text = format!("group {number}: {} pictures", group.len());
    for &i in group {
        text += &format!("\n  {}  {}", similarity(entries, first, i), printable(&entries[i].path));
    }
    let pictures: Vec<Value> = group.iter().map(|&i| field(&entries[i].path).into()).collect();
    reporter.result(&text, &json!({ "group": number, "pictures": pictures }))
}

/// The paths of a group, each with its similarity to the first one.
fn captioned<'a>(entries: &'a [Entry], group: &[usize]) -> Vec<(&'a Path, String)> {
    group.iter().map(|&i| (entries[i].path.as_path(), similarity(entries, group[0], i))).collect()
}

/// The similarity of two pictures in words.
fn similarity(entries: &[Entry], a: usize, b: usize) -> String {
    let similarity = entries[a].description.features.similarity(&entries[b].description.features);
    format!("{similarity:.3}")
}

impl Where {
    /// Refuses a page that may not be written, before any work.
    fn check(&self) -> Result<()> {
        let page = self.html.clone().map(Destination::File);
        page.map_or(Ok(()), |page| page.check(Existing::forced(self.force)))
    }

    fn entries(&self) -> Result<Vec<Entry>> {
        let name = || printable(&self.index);
        if !self.index.exists() {
            let text = format!("{}: no such file; run 'aecodec index DIR -o FILE' to make an index", name());
            return Err(anyhow!(text));
        }
        let entries = Index::open(&self.index).and_then(|index| index.entries()).with_context(name)?;
        if entries.is_empty() {
            return Err(Refusal::Nothing(format!("{} holds no pictures", name())).into());
        }
        Ok(entries)
    }

    /// Writes the page, if one was asked for.
    fn page(&self, title: &str, groups: &[Vec<(&Path, String)>]) -> Result<()> {
        let Some(path) = &self.html else { return Ok(()) };
        let models = models::to_decode_with(&self.model)?;
        let page = sheet(title, groups, &models, &self.common.limits());
        Destination::File(path.clone()).write(
            page.as_bytes(),
            Existing::forced(self.force),
            &Origin::default(),
        )
    }
}

fn one_input(path: &Path) -> Result<Input> {
    let inputs = inputs::expand(&[path.to_owned()], Kind::Any)?;
    let mut list = inputs.list;
    match (list.len(), list.pop()) {
        (1, Some(input)) if inputs.failures.is_empty() => Ok(input),
        (count, _) => Err(usage(format!("{}: expected one picture, found {count}", printable(path)))),
    }
}

fn top(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(top @ 1..=100_000) => Ok(top),
        _ => Err("expected a number from 1 to 100000".into()),
    }
}
