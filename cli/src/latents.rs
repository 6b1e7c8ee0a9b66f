//! `aecodec latents`: shows what the code of a file holds.

use std::path::PathBuf;

use aecodec::{container, files};
use aecodec_latents::Anatomy;
use anyhow::{Context as _, Result};
use serde_json::json;

use crate::failure::{Exit, usage};
use crate::flags::Common;
use crate::inputs;
use crate::kinds::Kind;
use crate::models;
use crate::output::{Destination, Existing};
use crate::report::grouped;

#[derive(clap::Args)]
#[command(after_help = "\
Example:
  aecodec latents photo.aec -o sheet.png

The sheet shows, from top to bottom: the picture and where its bits are; the eight channels with the most energy; and the picture
with the first of them moved by -3 to 3 deviations.")]
pub struct Args {
    /// .aec file; '-' is stdin
    #[arg(value_name = "FILE")]
    input: PathBuf,
    /// Draw a sheet to this PNG file
    #[arg(short, long, value_name = "FILE.png")]
    output: Option<PathBuf>,
    /// Replace the sheet if it exists
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
    let existing = Existing::forced(args.force);
    let output = args.output.clone().map(Destination::File);
    output.as_ref().map_or(Ok(()), |output| output.check(existing))?;
    let mut inputs = inputs::expand(std::slice::from_ref(&args.input), Kind::Coded)?.list;
    let (Some(input), true) = (inputs.pop(), inputs.is_empty()) else {
        return Err(usage("expected one .aec file"));
    };
    let bytes = input.read(&args.common.limits())?;
    let limits = args.common.limits_for(bytes.len() as u64);
    let anatomy = || {
        let model = models::to_decode_with(&args.model)?.of(&container::Header::parse(&bytes, &limits)?)?;
        anyhow::Ok((Anatomy::of(&bytes, &model, &limits)?, model))
    };
    let (anatomy, model) = anatomy().with_context(|| input.name())?;
    if let Some(output) = &output {
        let (png, _) =
            files::write(&anatomy.sheet(&model)?, files::Format::Png, &files::WriteOptions::default())?;
        output.write(&png, existing, &input.origin())?;
    }
    let (rows, columns, channels) = anatomy.shape;
    let used = [0.5, 0.9, 0.99].map(|share| anatomy.channels_for(share));
    let bits: f32 = anatomy.bits.iter().sum();
    let mut text = format!(
        "{}: {rows}x{columns} places of {channels} channels\n{} channels hold half of the energy, {} hold 90 %, {} hold 99 %",
        input.name(),
        used[0],
        used[1],
        used[2]
    );
    let first: Vec<String> =
        anatomy.channels.iter().take(8).map(|(c, share)| format!("{c}: {:.1} %", 100.0 * share)).collect();
    text += &format!("\nmost energy: {}", first.join(", "));
    for pass in &anatomy.passes {
        let psnr =
            pass.psnr.map_or("the whole picture".into(), |psnr| format!("{psnr:.2} dB to the whole picture"));
        text += &format!("\n{} passes: {} bytes, {psnr}", pass.passes, grouped(pass.bytes));
    }
    let most = anatomy.bits.iter().copied().fold(0.0, f32::max);
    text += &format!("\nbits of a place: mean {:.1}, most {most:.1}", bits / anatomy.bits.len() as f32);
    let passes: Vec<_> = anatomy
        .passes
        .iter()
        .map(|pass| json!({ "passes": pass.passes, "bytes": pass.bytes, "psnr": pass.psnr }))
        .collect();
    let json = json!({
        "input": input.field(),
        "shape": [rows, columns, channels],
        "channels": anatomy.channels.iter().map(|(c, share)| json!({ "channel": c, "energy": share })).collect::<Vec<_>>(),
        "passes": passes,
        "bits": anatomy.bits,
    });
    args.common.reporter(false).result(&text, &json)?;
    Ok(Exit::Done)
}
