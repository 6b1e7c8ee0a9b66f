//! `aecodec index`: keeps features and hashes of pictures in one file, for `aecodec search` and `aecodec duplicates`.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use aecodec_search::{Describer, Features, Index, Stamp, content_hash, write_npy};
use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::batch::{self, Item, Sums};
use crate::failure::Exit;
use crate::flags::Common;
use crate::inputs::{self, Input, Inputs, Source};
use crate::kinds::Kind;
use crate::models;
use crate::output::{Destination, Existing, Origin};
use crate::printable::printable;
use crate::report::grouped;

#[derive(clap::Args)]
pub struct Args {
    /// Folders of pictures and .aec files; files that the index knows and that have not changed are skipped
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// Index file to create or to update
    #[arg(short, long, value_name = "FILE", default_value = "index.sqlite")]
    output: PathBuf,
    /// Also write the features of all pictures of the index as a NumPy array, and their paths to the same name with .txt
    #[arg(long, value_name = "FILE.npy")]
    npy: Option<PathBuf>,
    /// Replace the .npy file if it exists
    #[arg(short, long)]
    force: bool,
    /// Also use the model in this .aem file; may be given more than once
    #[arg(long, value_name = "FILE")]
    model: Vec<PathBuf>,
    #[command(flatten)]
    common: Common,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<Exit> {
    let describer = Describer::new(models::to_decode_with(&args.model)?)?;
    let roots = args.folders.iter().map(|folder| absolute(folder)).collect::<Result<Vec<_>>>()?;
    let mut found = inputs::expand(&roots, Kind::Any)?;
    let name = || printable(&args.output);
    let mut index = Index::create(&args.output).with_context(name)?;
    let removed = remove_missing(&mut index, &roots, &found).with_context(name)?;
    let all = found.count();
    skip_current(&mut found, &index).with_context(name)?;
    let skipped = all - found.count();

    let index = Mutex::new(index);
    let reporter = args.common.reporter(false);
    let job = |input: &Input, _, _: &batch::Share| one(args, &describer, &index, input);
    let exit = batch::run(&found, args.common.threads, &reporter, job, |_| None)?;
    let mut index = index.into_inner().unwrap_or_else(PoisonError::into_inner);
    index.save().with_context(name)?;
    let pictures = index.entries().with_context(name)?;
    let text = format!(
        "{}: {} pictures, of which {} had not changed; {} removed",
        name(),
        grouped(pictures.len() as u64),
        grouped(skipped as u64),
        grouped(removed as u64)
    );
    let total =
        json!({ "index": name(), "pictures": pictures.len(), "unchanged": skipped, "removed": removed });
    reporter.result(&text, &total)?;
    if let Some(path) = &args.npy {
        let features: Vec<&Features> = pictures.iter().map(|entry| &entry.description.features).collect();
        let paths: String = pictures.iter().map(|entry| format!("{}\n", entry.path.display())).collect();
        let mut bytes = Vec::new();
        write_npy(&mut bytes, features.into_iter())?;
        let existing = Existing::forced(args.force);
        let list = Destination::File(path.with_extension("txt"));
        list.check(existing)?;
        Destination::File(path.clone()).write(&bytes, existing, &Origin::default())?;
        list.write(paths.as_bytes(), existing, &Origin::default())?;
    }
    Ok(exit)
}

/// The path from the root of the file system, so that the index can be used from any folder.
pub fn absolute(path: &Path) -> Result<PathBuf> {
    std::fs::canonicalize(path).with_context(|| printable(path))
}

fn remove_missing(index: &mut Index, roots: &[PathBuf], found: &Inputs) -> aecodec_search::Result<usize> {
    // What cannot be listed may still be there.
    if !found.failures.is_empty() {
        return Ok(0);
    }
    let present: HashSet<PathBuf> = found.list.iter().filter_map(|input| path(input).cloned()).collect();
    roots.iter().map(|root| index.retain(root, &present)).sum()
}

fn skip_current(found: &mut Inputs, index: &Index) -> aecodec_search::Result<()> {
    let mut list = Vec::new();
    for input in std::mem::take(&mut found.list) {
        let stamp = path(&input).and_then(|path| Some((path, Stamp::of(&path.metadata().ok()?))));
        if !stamp.map_or(Ok(false), |(path, stamp)| index.is_current(path, stamp))? {
            list.push(input);
        }
    }
    found.list = list;
    Ok(())
}

fn path(input: &Input) -> Option<&PathBuf> {
    match &input.source {
        Source::File(path) => Some(path),
        Source::Stdin => None,
    }
}

fn one(args: &Args, describer: &Describer, index: &Mutex<Index>, input: &Input) -> Result<Item> {
    let path = path(input).context("an index needs files; stdin has no name")?;
    // The stamp comes first: if the file changes meanwhile, it is read again the next time.
    let stamp = Stamp::of(&path.metadata()?);
    let bytes = input.read(&args.common.limits())?;
    let content = content_hash(&bytes);
    let locked = || index.lock().unwrap_or_else(PoisonError::into_inner);
    let known = locked().known(&content)?;
    let (seen, word) = match known {
        Some(seen) => (seen, "known content"),
        None => (describer.describe(&bytes, &args.common.limits_for(bytes.len() as u64))?, "indexed"),
    };
    locked().put(path, stamp, &content, &seen)?;
    Ok(Item {
        text: format!("{}  {word}", input.name()),
        json: fields(input, seen.hash, word),
        notices: Vec::new(),
        damaged: false,
        sums: Sums { files: 1, ..Sums::default() },
    })
}

fn fields(input: &Input, hash: aecodec_search::SemanticHash, word: &str) -> Value {
    json!({ "input": input.field(), "semantic_hash": hash.to_string(), "state": word })
}
