//! `aecodec verify`: checks the checksums and the hash of the decoded pixels.

use std::path::PathBuf;

use aecodec::container;
use aecodec::{DecodeOptions, Decoder, ModelRegistry};
use anyhow::{Result, bail};
use serde_json::json;

use crate::against::Difference;
use crate::batch::{self, Item, Share, Sums};
use crate::compress::raw;
use crate::damage::{DamagedFile, MENDED};
use crate::failure::{Exit, usage};
use crate::flags::Common;
use crate::inputs::{self, Input};
use crate::kinds::Kind;
use crate::models;
use crate::report::{grouped, hex};

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// .aec files, folders (including all .aec files below them) and patterns; '-' is stdin
    #[arg(required = true, value_name = "FILE")]
    inputs: Vec<PathBuf>,
    /// Also use the model in this .aem file; may be given more than once
    #[arg(long, value_name = "FILE")]
    model: Vec<PathBuf>,
    /// Also compare the decoded picture with this one; an exact file fails if a sample differs by more than it allows
    #[arg(long, value_name = "PICTURE")]
    against: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

const EXAMPLES: &str = "\
Examples:
  aecodec verify photo.aec
  aecodec verify coded/ --json
  aecodec verify scan.aec --against scan.png

The exit code is 0 if every file is intact, 1 if none is, and 4 if some are not.";

/// Runs the command.
pub fn run(args: &Args) -> Result<Exit> {
    let inputs = inputs::expand(&args.inputs, Kind::Coded)?;
    if args.against.is_some() && inputs.count() != 1 {
        return Err(usage(format!("--against compares one file, but {} are given", inputs.count())));
    }
    let models = models::to_decode_with(&args.model)?;
    let reporter = args.common.reporter(false);
    batch::run(
        &inputs,
        args.common.threads,
        &reporter,
        |input, _, share| one(args, input, &models, share),
        |_| None,
    )
}

fn one(args: &Args, input: &Input, models: &ModelRegistry, share: &Share) -> Result<Item> {
    let limits = args.common.limits();
    let bytes = input.read(&limits)?;
    let limits = args.common.limits_for(bytes.len() as u64);
    let stream = container::read(&bytes, &limits)?;
    let chunks = stream.chunks.len();
    if stream.trailing > 0 {
        bail!("{} bytes follow the end of the stream; get the file again", grouped(stream.trailing));
    }
    let model = models.of(&stream.header)?;

    let mut options = DecodeOptions::default();
    options.threads = share.threads;
    options.limits = limits;
    let mut notices = Vec::new();
    let decoder = Decoder::new(&bytes, &model, &options)?;
    let head = decoder.head().clone();
    let (mut done, all) = (0, raw(&head, false));
    let decoded = decoder.run(|rows| {
        done += rows.len() as u64;
        share.done(done, all);
        Ok(())
    })?;
    if stream.mended {
        notices.push(MENDED.into());
    }
    if !decoded.damage.is_empty() {
        let missing: Vec<String> = decoded.damage.iter().map(ToString::to_string).collect();
        let (lost, missing) = (missing.len(), missing.join(", "));
        let text = format!("damaged: {lost} of {chunks} parts are missing ({missing}); get the file again");
        bail!(DamagedFile::new(text, &stream.header, &decoded.damage));
    }
    match decoded.hash_matches {
        Some(true) => {}
        Some(false) => {
            bail!("damaged: the decoded pixels differ from those in the encoder; get the file again")
        }
        None => notices
            .push("the file contains no hash of its pixels, so only its checksums were verified".into()),
    }
    let difference = match &args.against {
        Some(original) => Some(Difference::between(&bytes, &model, &options, original)?),
        None => None,
    };
    if let (Some(difference), Some(allowed)) = (&difference, stream.header.exact) {
        difference.check(allowed)?;
    }
    let compared = difference.as_ref().map(|difference| format!("  {difference}")).unwrap_or_default();
    let pixel_hash = hex(&decoded.pixel_hash);
    Ok(Item {
        text: format!(
            "{}: {}  {} bytes  {} x {}  {chunks} checksums  pixels {}{compared}",
            input.name(),
            if stream.mended { "damaged" } else { "ok" },
            grouped(bytes.len() as u64),
            head.width,
            head.height,
            &pixel_hash[..16],
        ),
        json: json!({
            "input": input.field(),
            "ok": !stream.mended,
            "bytes": bytes.len(),
            "width": head.width,
            "height": head.height,
            "checksums": chunks,
            "pixel_hash": pixel_hash,
            "hash_matches": decoded.hash_matches,
            "largest_difference": difference.as_ref().map(|difference| difference.largest),
            "psnr": difference.as_ref().and_then(|difference| difference.psnr),
        }),
        notices,
        damaged: stream.mended,
        sums: Sums { files: 1, coded: bytes.len() as u64, pixels: head.pixels(), ..Sums::default() },
    })
}
