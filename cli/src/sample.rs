//! `aecodec sample`: generates a picture by sampling from the probability model of a codec model.

use std::path::PathBuf;

use aecodec::files::{self, Format, WriteOptions};
use aecodec::{Color, Picture};
use aecodec_trainer::sample::sample;
use aecodec_trainer::{DeviceKind, import, limit_threads, net};
use anyhow::{Context as _, Result};
use serde_json::json;

use crate::failure::{Exit, usage};
use crate::model;
use crate::output::{Destination, Existing, Origin};
use crate::report::{Reporter, Stream, Style};

#[derive(clap::Args)]
pub struct Args {
    /// Model file (.aem), or name of a built-in model
    #[arg(value_name = "MODEL", default_value = "fast")]
    model: String,
    /// PNG file to write
    #[arg(short, long, value_name = "FILE.png")]
    output: PathBuf,
    /// Width and height in pixels, multiples of 64
    #[arg(long, value_name = "WxH", default_value = "256x256", value_parser = sides)]
    size: (u32, u32),
    /// Quality from 0 to 100; higher qualities have finer latents
    #[arg(short, long, value_name = "Q", default_value_t = 50.0)]
    quality: f64,
    /// Seed of the random numbers
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Number of threads; 0 means one per core
    #[arg(long, value_name = "N", default_value_t = 0)]
    threads: usize,
    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
    /// Replace the output if it exists
    #[arg(short, long)]
    force: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<Exit> {
    limit_threads(args.threads);
    if !(0.0..=100.0).contains(&args.quality) {
        return Err(usage(format!("--quality {}: expected a number from 0 to 100", args.quality)));
    }
    let (destination, existing) = (Destination::File(args.output.clone()), Existing::forced(args.force));
    destination.check(existing)?;
    let bytes = model::bytes(&args.model).with_context(|| args.model.clone())?;
    let weights = import::weights(&bytes, &DeviceKind::Cpu.open()?)?;
    let net = net::Network::frozen(&weights)?;
    let (width, height) = args.size;
    let sides = (height as usize, width as usize);
    let drawn = sample(&net, sides, net.knot(args.quality), args.seed)?;
    let picture = Picture::new(width, height, Color::Rgb, drawn.samples)?;
    let (bytes, _) = files::write(&picture, Format::Png, &WriteOptions::default())?;
    destination.write(&bytes, existing, &Origin::default())?;
    let style = if args.json { Style::Json } else { Style::Text };
    let text = format!("{}  {width} x {height} pixels sampled from {}", destination.name(), args.model);
    let json =
        json!({ "output": destination.field(), "model": args.model, "width": width, "height": height });
    Reporter { stream: Stream::Stdout, style }.result(&text, &json)?;
    Ok(Exit::Done)
}

/// Parses a size such as `640x384`.
fn sides(text: &str) -> Result<(u32, u32), String> {
    let parsed = text.split_once('x').and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
    let whole = |side: u32| (64..=4096).contains(&side) && side.is_multiple_of(64);
    match parsed {
        Some((width, height)) if whole(width) && whole(height) => Ok((width, height)),
        _ => Err("expected multiples of 64 up to 4096, such as 640x384".into()),
    }
}
