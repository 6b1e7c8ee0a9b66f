//! `aecodec model`: shows the card, the shapes and the hash of a model.

use std::borrow::Cow;
use std::path::Path;

use aecodec::{Model, Profile};
use anyhow::{Context as _, Result};
use serde_json::json;

use crate::failure::{Exit, describe};
use crate::models;
use crate::printable::printable;
use crate::report::{Reporter, Stream, Style, grouped, hex, warn};

#[derive(clap::Args)]
pub struct Args {
    /// Model files (.aem), or names of built-in models: fast, best
    #[arg(required = true, value_name = "MODEL")]
    models: Vec<String>,
    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<Exit> {
    let style = if args.json { Style::Json } else { Style::Text };
    let reporter = Reporter { stream: Stream::Stdout, style };
    let mut failed = 0;
    for name in &args.models {
        match bytes(name).and_then(|bytes| Ok((Model::parse(&bytes)?, bytes.len()))) {
            Ok((model, length)) => show(name, &model, length, &reporter)?,
            Err(error) => {
                warn("error", &format!("{}: {}", printable(Path::new(name)), describe(&error)));
                failed += 1;
            }
        }
    }
    Ok(match failed {
        0 => Exit::Done,
        all if all == args.models.len() => Exit::Failed,
        _ => Exit::Partly,
    })
}

/// The file of a model, given its path or the name of a built-in model.
pub fn bytes(name: &str) -> Result<Cow<'static, [u8]>> {
    // A file with the name of a built-in model takes precedence.
    let profile = [Profile::Fast, Profile::Best].into_iter().find(|profile| profile.name() == name);
    match profile {
        Some(profile) if !Path::new(name).is_file() => Model::embedded_bytes(profile)
            .map(Cow::Borrowed)
            .context("this build does not contain the model; give the file of a model"),
        _ => Ok(Cow::Owned(std::fs::read(name)?)),
    }
}

fn show(name: &str, model: &Model, bytes: usize, reporter: &Reporter) -> Result<()> {
    let figures = model.figures();
    let aecodec::Figures { c, m, z, p, ne, nd, hidden, parameters, encode, decode, .. } = figures;
    let expansion = hidden[0] as f64 / c as f64;
    let profile = models::profile_name(model.profile().raw());
    let text = format!(
        "{}\n  hash        {}\n  profile     {profile}\n  size        {} bytes\n  shapes      C {c}, M {m}, Z {z}, \
         P {p}, ne {ne}, nd {nd}, expansion {expansion}\n  parameters  {}\n  arithmetic  {:.1} kMAC/pixel to decode, \
         {:.1} to encode\n\n{}",
        printable(Path::new(name)),
        hex(&model.id()),
        grouped(bytes as u64),
        grouped(parameters),
        decode / 1e3,
        encode / 1e3,
        if model.card().is_empty() { "This model has no card." } else { model.card().trim_end() },
    );
    let json = json!({
        "model": name, "hash": hex(&model.id()), "profile": profile, "bytes": bytes, "card": model.card(),
        "shapes": { "c": c, "m": m, "z": z, "p": p, "ne": ne, "nd": nd, "expansion": expansion },
        "parameters": parameters, "decode_macs_per_pixel": decode, "encode_macs_per_pixel": encode,
    });
    reporter.result(&text, &json)
}
