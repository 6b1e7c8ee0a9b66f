//! `aecodec segment`: names the class of each pixel, with a head that `aecodec train --task segment` made.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use aecodec::files;
use aecodec_latents::Reader;
use aecodec_latents::segment::{Confusion, Head, Labels, Pair};
use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::batch::{self, Item, Sums};
use crate::failure::{Exit, usage};
use crate::flags::Common;
use crate::inputs::{self, Input, Source};
use crate::kinds::Kind;
use crate::models;
use crate::output::Existing;
use crate::plan::{self, Planned};
use crate::printable::printable;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  aecodec segment street.aec --with streets.seg -o classes.png
  aecodec segment street.jpg --with streets.seg --overlay seen.png
  aecodec segment test/ --with streets.seg --labels testannot/

A label map is a PNG file with a palette, whose values are classes. With --labels, the mean intersection over union is printed
at the end.")]
pub struct Args {
    /// Pictures, .aec files, folders and patterns; '-' is stdin
    #[arg(required = true, value_name = "PICTURE")]
    inputs: Vec<PathBuf>,
    /// Head that 'aecodec train --task segment' made
    #[arg(long, value_name = "FILE.seg")]
    with: PathBuf,
    /// Write the classes to this PNG file, or to this folder if there are several pictures
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    /// Paint the classes over the picture, to this PNG file or folder
    #[arg(long, value_name = "OUT")]
    overlay: Option<PathBuf>,
    /// Folder with the true label maps, which have the names of the pictures; prints how well they agree
    #[arg(long, value_name = "DIR")]
    labels: Option<PathBuf>,
    /// Replace existing outputs
    #[arg(short, long)]
    force: bool,
    /// Also use the model in this .aem file to read .aec files; may be given more than once
    #[arg(long, value_name = "FILE")]
    model: Vec<PathBuf>,
    #[command(flatten)]
    common: Common,
}

/// What the pictures are segmented with.
struct Work<'a> {
    args: &'a Args,
    reader: Reader,
    head: Head,
    outputs: Option<Vec<Planned>>,
    overlays: Option<Vec<Planned>>,
    confusion: Mutex<Confusion>,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<Exit> {
    if args.output.is_none() && args.overlay.is_none() && args.labels.is_none() {
        return Err(usage("nothing to write: give -o, --overlay or --labels"));
    }
    let reader = Reader::new(models::to_decode_with(&args.model)?)?;
    let name = || printable(&args.with);
    let head = Head::parse(&std::fs::read(&args.with).with_context(name)?, &reader).with_context(name)?;
    let inputs = inputs::expand(&args.inputs, Kind::Any)?;
    let planned = |out: &Option<PathBuf>| {
        let Some(out) = out else { return Ok(None) };
        let outputs = plan::outputs(&inputs, Some(out), "png")?;
        outputs.iter().try_for_each(|output| output.destination.check(Existing::forced(args.force)))?;
        anyhow::Ok(Some(outputs))
    };
    let (outputs, overlays) = (planned(&args.output)?, planned(&args.overlay)?);
    let to_stdout = [&outputs, &overlays].into_iter().flatten().any(|outputs| plan::to_stdout(outputs));
    let confusion = Mutex::new(Confusion::new(head.classes()));
    let work = Work { args, reader, head, outputs, overlays, confusion };
    let reporter = args.common.reporter(to_stdout);
    let exit =
        batch::run(&inputs, args.common.threads, &reporter, |input, i, _| work.one(input, i), |_| None)?;
    let confusion = work.confusion.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let (Some(_), Some(mean)) = (&args.labels, confusion.mean_iou()) {
        let classes: Vec<Option<f64>> = (0..work.head.classes()).map(|class| confusion.iou(class)).collect();
        let shown = |iou: &Option<f64>| iou.map_or("none".into(), |iou| format!("{iou:.3}"));
        let each: Vec<String> =
            classes.iter().enumerate().map(|(i, iou)| format!("{i}: {}", shown(iou))).collect();
        let accuracy = confusion.accuracy();
        let text =
            format!("mean IoU {mean:.3}, pixels {:.1} %; by class {}", 100.0 * accuracy, each.join(", "));
        reporter.result(&text, &json!({ "mean_iou": mean, "accuracy": accuracy, "iou": classes }))?;
    }
    Ok(exit)
}

impl Work<'_> {
    fn one(&self, input: &Input, i: usize) -> Result<Item> {
        let common = &self.args.common;
        let bytes = input.read(&common.limits())?;
        let limits = common.limits_for(bytes.len() as u64);
        let found = self.head.segment(&bytes, &self.reader, &limits)?;
        let existing = Existing::forced(self.args.force);
        let (output, overlay) =
            (self.outputs.as_ref().map(|all| &all[i]), self.overlays.as_ref().map(|all| &all[i]));
        if let Some(output) = output {
            output.destination.write(&found.write()?, existing, &input.origin())?;
        }
        if let Some(overlay) = overlay {
            let painted = found.over(&self.reader.picture(&bytes, &limits)?)?;
            let (png, _) =
                files::write(&files::upright(&painted), files::Format::Png, &files::WriteOptions::default())?;
            overlay.destination.write(&png, existing, &input.origin())?;
        }
        let agreement = match (&self.args.labels, &input.source) {
            (Some(labels), Source::File(path)) => Some(self.compare(path, labels, &found)?),
            _ => None,
        };
        let words = agreement.map_or("segmented".into(), |iou| format!("mean IoU {iou:.3}"));
        Ok(Item {
            text: format!("{}  {words}", input.name()),
            json: fields(input, agreement, output, overlay),
            notices: [output, overlay]
                .into_iter()
                .flatten()
                .filter_map(|planned| planned.notice.clone())
                .collect(),
            damaged: false,
            sums: Sums { files: 1, ..Sums::default() },
        })
    }

    /// The mean intersection over union of one picture, which is also counted in the total.
    fn compare(&self, path: &Path, labels: &Path, found: &Labels) -> Result<f64> {
        let pair = Pair::find(&[path.to_owned()], labels).pop();
        let pair = pair.with_context(|| format!("it has no label map in {}", printable(labels)))?;
        let truth = Labels::read(&std::fs::read(&pair.labels)?).with_context(|| printable(&pair.labels))?;
        let mut own = Confusion::new(self.head.classes());
        own.add(&truth, found).with_context(|| printable(&pair.labels))?;
        self.confusion.lock().unwrap_or_else(PoisonError::into_inner).merge(&own);
        Ok(own.mean_iou().unwrap_or(0.0))
    }
}

fn fields(input: &Input, iou: Option<f64>, output: Option<&Planned>, overlay: Option<&Planned>) -> Value {
    let mut fields = json!({ "input": input.field() });
    if let Some(iou) = iou {
        fields["mean_iou"] = iou.into();
    }
    for (name, planned) in [("output", output), ("overlay", overlay)] {
        if let Some(planned) = planned {
            fields[name] = planned.destination.field().into();
        }
    }
    fields
}
