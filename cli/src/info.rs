//! `aecodec info`: shows what an .aec file contains, without decoding it.

use std::path::PathBuf;

use aecodec::container::{self, ChunkKind, ChunkState, Header, Stream};
use aecodec::{GroupMode, ModelRegistry};
use anyhow::Result;
use serde_json::{Value, json};

use crate::batch::{self, Item, Share, Sums};
use crate::failure::Exit;
use crate::flags::Common;
use crate::inputs::{self, Input};
use crate::kinds::Kind;
use crate::models::{self, profile_name};
use crate::report::{bits_per_pixel, grouped, hex};

#[derive(clap::Args)]
pub struct Args {
    /// .aec files, folders (including all .aec files below them) and patterns; '-' is stdin
    #[arg(required = true, value_name = "FILE")]
    inputs: Vec<PathBuf>,
    /// Also use the model in this .aem file; may be given more than once
    #[arg(long, value_name = "FILE")]
    model: Vec<PathBuf>,
    #[command(flatten)]
    common: Common,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<Exit> {
    #[cfg(feature = "live")]
    if let [input] = &args.inputs[..]
        && crate::clip::is_clip(input)
    {
        return crate::clip::info(input, &args.common);
    }
    let inputs = inputs::expand(&args.inputs, Kind::Coded)?;
    let models = models::to_decode_with(&args.model)?;
    let reporter = args.common.reporter(false);
    let job = |input: &Input, _, _: &Share| one(args, input, &models);
    batch::run(&inputs, args.common.threads, &reporter, job, |_| None)
}

fn one(args: &Args, input: &Input, models: &ModelRegistry) -> Result<Item> {
    let limits = args.common.limits();
    let bytes = input.read(&limits)?;
    let limits = args.common.limits_for(bytes.len() as u64);
    let stream = container::read(&bytes, &limits)?;
    let parts = parts(&stream);
    let known = models.of(&stream.header).is_ok();
    let length = bytes.len() as u64;
    let missing = stream.chunks.iter().any(|chunk| !matches!(chunk.state, ChunkState::Present(_)));
    Ok(Item {
        text: words(input, &stream, &parts, length, known),
        json: fields(input, &stream, &parts, length, known),
        notices: if missing { vec!["damaged: some parts are missing".into()] } else { Vec::new() },
        damaged: false,
        sums: Sums { files: 1, coded: length, ..Sums::default() },
    })
}

/// The substreams of one kind, in all groups.
struct Part {
    name: String,
    chunks: u64,
    /// The number of bytes in the table of the file.
    bytes: u64,
    /// The number of bytes that are in the file.
    held: u64,
    cut: u64,
    corrupt: u64,
}

fn parts(stream: &Stream<'_>) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for chunk in &stream.chunks {
        let name = match chunk.kind {
            ChunkKind::Metadata => "metadata".into(),
            ChunkKind::Alpha => "alpha".into(),
            ChunkKind::Hyper { .. } => "hyper-latents".into(),
            ChunkKind::Pass { pass, .. } => format!("pass {pass}"),
            ChunkKind::Exact { .. } => "samples".into(),
        };
        let i = parts.iter().position(|part| part.name == name).unwrap_or_else(|| {
            parts.push(Part { name, chunks: 0, bytes: 0, held: 0, cut: 0, corrupt: 0 });
            parts.len() - 1
        });
        let part = &mut parts[i];
        part.chunks += 1;
        part.bytes += chunk.length;
        part.held += match chunk.state {
            ChunkState::Truncated { have } => have,
            ChunkState::Present(_) | ChunkState::Corrupt => chunk.length,
        };
        part.cut += u64::from(matches!(chunk.state, ChunkState::Truncated { .. }));
        part.corrupt += u64::from(matches!(chunk.state, ChunkState::Corrupt));
    }
    parts
}

fn words(input: &Input, stream: &Stream<'_>, parts: &[Part], length: u64, known: bool) -> String {
    let header = &stream.header;
    let pixels = u64::from(header.width) * u64::from(header.height);
    let color = if header.gray { "gray" } else { "RGB" };
    let alpha = if header.alpha { " with alpha" } else { "" };
    let bits = match (header.maximum, header.source_16bit) {
        (256.., _) => format!(" of {} bits, up to {}", sample_bits(header), header.maximum),
        (_, true) => " of 16 bits".into(),
        _ => String::new(),
    };
    let coding = match header.exact {
        Some(error) => exact(stream, error),
        None => learned(header, known),
    };
    let mut lines = vec![
        input.name(),
        format!("  picture        {} x {} pixels, {color}{alpha}{bits}", header.width, header.height),
        format!(
            "  orientation    {}{}",
            header.orientation,
            if header.orientation == 1 { " (upright)" } else { "" }
        ),
    ];
    lines.extend(coding);
    lines.extend([
        format!("  groups         {} pixels a side", group_side(header)),
        format!("  pixel hash     {}", hex(&header.pixel_hash)),
        format!("  size           {} bytes, {:.3} bpp", grouped(length), bits_per_pixel(length, pixels)),
    ]);
    let held: u64 = parts.iter().map(|part| part.held).sum();
    for part in parts {
        let mut line = format!("    {:<13}{:>12} bytes", part.name, grouped(part.bytes));
        if part.chunks > 1 {
            line += &format!("  {} groups", grouped(part.chunks));
        }
        for (count, state) in [(part.cut, "cut short"), (part.corrupt, "corrupt")] {
            if count > 0 {
                line += &format!("  {count} {state}");
            }
        }
        lines.push(line);
    }
    lines.push(format!("    {:<13}{:>12} bytes", "header", grouped(length.saturating_sub(held))));
    lines.join("\n")
}

/// The lines of a learned stream.
fn learned(header: &Header, known: bool) -> Vec<String> {
    let known = if known { "available" } else { "not available; give its file with --model" };
    vec![
        "  mode           learned".into(),
        format!("  quality        {}", f64::from(header.quality) / 64.0),
        format!("  profile        {}", profile_name(header.profile)),
        format!("  model          {} ({known})", hex(&header.model)),
    ]
}

/// The lines of an exact stream.
fn exact(stream: &Stream<'_>, error: u16) -> Vec<String> {
    let shares = aecodec::mode_shares(stream).into_iter();
    let shares: Vec<String> =
        shares.map(|(mode, share)| format!("{} {:.1} %", group_mode(mode), 100.0 * share)).collect();
    let error = if error == 0 { "lossless".into() } else { format!("errors of at most {error}") };
    vec![format!("  mode           exact, {error}"), format!("  coded as       {}", shares.join(", "))]
}

fn group_mode(mode: GroupMode) -> &'static str {
    match mode {
        GroupMode::Stored => "stored",
        GroupMode::Samples => "photograph",
        GroupMode::Pixels => "graphics",
        GroupMode::Palette => "palette",
        _ => "other",
    }
}

fn fields(input: &Input, stream: &Stream<'_>, parts: &[Part], length: u64, known: bool) -> Value {
    let header = &stream.header;
    let pixels = u64::from(header.width) * u64::from(header.height);
    let parts: Vec<Value> = parts
        .iter()
        .map(|part| {
            json!({
                "name": part.name,
                "chunks": part.chunks,
                "bytes": part.bytes,
                "cut": part.cut,
                "corrupt": part.corrupt,
            })
        })
        .collect();
    let coded_as: serde_json::Map<String, Value> = header
        .exact
        .map(|_| aecodec::mode_shares(stream))
        .into_iter()
        .flatten()
        .map(|(mode, share)| (group_mode(mode).into(), share.into()))
        .collect();
    json!({
        "input": input.field(),
        "bytes": length,
        "bpp": bits_per_pixel(length, pixels),
        "width": header.width,
        "height": header.height,
        "gray": header.gray,
        "alpha": header.alpha,
        "metadata": header.metadata,
        "sample_bits": sample_bits(header),
        "largest_sample": header.maximum,
        "source_bits": if header.source_16bit { 16 } else { 8 },
        "orientation": header.orientation,
        "mode": if header.exact.is_some() { "exact" } else { "learned" },
        "max_error": header.exact,
        "coded_as": coded_as,
        "quality": f64::from(header.quality) / 64.0,
        "profile": profile_name(header.profile),
        "model": hex(&header.model),
        "model_at_hand": known,
        "group_side": group_side(header),
        "pixel_hash": hex(&header.pixel_hash),
        "parts": parts,
    })
}

/// The fewest bits that hold a sample.
fn sample_bits(header: &Header) -> u32 {
    u16::BITS - header.maximum.leading_zeros()
}

fn group_side(header: &Header) -> u32 {
    1_u32.checked_shl(header.group_log2.into()).unwrap_or(0)
}
