//! `aecodec train --task segment`: trains a head that names the class of each pixel.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aecodec::ModelRegistry;
use aecodec_latents::Reader;
use aecodec_latents::segment::{self, Examples, Input, Pair};
use aecodec_trainer::limit_threads;
use anyhow::{Result, bail};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::args::Args;
use crate::failure::{Exit, Refusal, usage};
use crate::inputs::{self, Source};
use crate::kinds::Kind;
use crate::output::{Destination, Existing, Origin};
use crate::printable::printable;
use crate::progress::Steps;
use crate::report::{Reporter, Stream, Style, field, grouped, warn};
use crate::{batch, interrupt};

/// Steps between lines of progress where there is no bar.
const SAID: usize = 100;

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<Exit> {
    let Some(labels) = &args.labels else {
        return Err(usage("--task segment needs label maps; give their folder with --labels DIR"));
    };
    if args.output.extension().is_none_or(|extension| extension != "seg") {
        let output = printable(&args.output);
        return Err(usage(format!("-o {output}: the name of a head ends in .seg, as in streets.seg")));
    }
    let (destination, existing) = (Destination::File(args.output.clone()), Existing::forced(args.force));
    destination.check(existing)?;
    let mut options = segment::Options::default();
    options.classes = args.classes;
    set(&mut options.steps, args.options.steps);
    set(&mut options.batch, args.options.batch);
    set(&mut options.rate, args.options.lr);
    set(&mut options.seed, args.options.seed);
    if let Some(minutes) = args.options.minutes {
        let time = Duration::try_from_secs_f64(60.0 * minutes).ok().filter(|time| !time.is_zero());
        options.time =
            Some(time.ok_or_else(|| usage(format!("--minutes {minutes}: expected a positive number")))?);
        options.steps = usize::MAX;
    }
    if options.steps == 0 || options.batch == 0 || !(options.rate > 0.0 && options.rate.is_finite()) {
        return Err(usage("--steps, --batch and --lr must be positive"));
    }
    let stop = interrupt::ask();
    limit_threads(args.threads);
    let reader = Reader::new(ModelRegistry::embedded())?;
    let pairs = pairs(&args.pictures, labels)?;
    let style = if args.json { Style::Json } else { Style::Text };
    let reporter = Reporter { stream: Stream::Stdout, style };
    let input = if args.from_pixels { Input::Pixels } else { Input::Latents };
    let (examples, read) = examples(args, &pairs, input, &reader, options.seed)?;
    if stop.load(Ordering::Relaxed) {
        std::process::exit(interrupt::INTERRUPTED);
    }
    let text = format!("{read} pictures with labels, {} examples", examples.len());
    reporter.result(&text, &json!({ "event": "read", "pictures": read, "examples": examples.len() }))?;
    let bar = Steps::of_share();
    let trained = segment::train(input, &examples, &reader, &options, |progress| {
        bar.reach(progress.share, || format!("loss {:.3}", progress.loss));
        if !bar.shown() && progress.step % SAID == 0 {
            let text =
                format!("step {}, {:.0} %, loss {:.3}", progress.step, 100.0 * progress.share, progress.loss);
            let json = json!({ "event": "step", "step": progress.step, "share": progress.share, "loss": progress.loss });
            let _ = reporter.result(&text, &json);
        }
        !stop.load(Ordering::Relaxed)
    })?;
    bar.finish();
    if stop.load(Ordering::Relaxed) {
        warn("interrupted", "no head was written");
        std::process::exit(interrupt::INTERRUPTED);
    }
    let about = format!("trained on {read} pictures in {} steps", trained.steps);
    let bytes = trained.head.to_bytes(&about)?;
    destination.write(&bytes, existing, &Origin::default())?;
    let text = format!(
        "{}: {} classes, {} weights, {} steps, {} bytes",
        printable(&args.output),
        trained.head.classes(),
        grouped(trained.head.parameters() as u64),
        trained.steps,
        grouped(bytes.len() as u64)
    );
    let json = json!({
        "event": "head",
        "output": field(&args.output),
        "classes": trained.head.classes(),
        "weights": trained.head.parameters(),
        "steps": trained.steps,
        "bytes": bytes.len(),
    });
    reporter.result(&text, &json)?;
    Ok(Exit::Done)
}

fn set<T>(option: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *option = given;
    }
}

/// The pictures of a folder that have a label map in another.
pub fn pairs(pictures: &Path, labels: &Path) -> Result<Vec<Pair>> {
    let inputs = inputs::expand(&[pictures.to_owned()], Kind::Any)?;
    let file = |input: &inputs::Input| match &input.source {
        Source::File(path) => Some(path.clone()),
        Source::Stdin => None,
    };
    let paths: Vec<PathBuf> = inputs.list.iter().filter_map(file).collect();
    let pairs = Pair::find(&paths, labels);
    if pairs.is_empty() {
        let text = format!(
            "no picture of {} has a label map of the same name in {}; the map of a.jpg is a.png",
            printable(pictures),
            printable(labels)
        );
        return Err(Refusal::Nothing(text).into());
    }
    if pairs.len() < paths.len() {
        warn("notice", &format!("{} pictures have no label map and are left out", paths.len() - pairs.len()));
    }
    Ok(pairs)
}

/// Reads the pairs, and returns the number of those that can be read.
fn examples(
    args: &Args,
    pairs: &[Pair],
    input: Input,
    reader: &Reader,
    seed: u64,
) -> Result<(Examples, usize)> {
    let (all, read) = (Mutex::new(Examples::new(input)), AtomicUsize::new(0));
    let limits = aecodec::Limits::default();
    let one = |i: usize| {
        batch::caught(|| {
            let (picture, labels) = pairs[i].read(reader, &limits)?;
            let mut examples = Examples::new(input);
            examples.add(&picture, &labels, reader, &mut ChaCha8Rng::seed_from_u64(seed ^ i as u64))?;
            Ok(examples)
        })
    };
    batch::in_order(pairs.len(), batch::threads(args.threads), one, &mut |i, examples| {
        match examples {
            Ok(examples) => {
                read.fetch_add(1, Ordering::Relaxed);
                all.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).append(examples);
            }
            Err(error) => {
                let name = printable(&pairs[i].picture);
                warn("warning", &format!("{name} is left out: {}", crate::failure::describe(&error)));
            }
        }
        Ok(())
    })?;
    let read = read.into_inner();
    if read == 0 {
        bail!("none of the {} pictures can be used", pairs.len());
    }
    Ok((all.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()), read))
}
