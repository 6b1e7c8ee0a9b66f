//! `aecodec view`: shows .aec files in the terminal.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _, stdout};
use std::path::PathBuf;

use aecodec::files::{self, Format, WriteOptions};
use aecodec::{DecodeOptions, ModelRegistry, Picture, ReducedSize, container};
use anyhow::{Context as _, Result};
use data_encoding::BASE64;

use crate::failure::{Exit, describe, usage};
use crate::flags::Common;
use crate::inputs::{self, Input};
use crate::kinds::Kind;
use crate::models;
use crate::printable::printable;
use crate::report::warn;

/// Columns and rows of a terminal that does not tell its size.
const USUAL: (u16, u16) = (80, 24);
/// Pixels of a column, for terminals that show pictures. A row has twice as many.
const CELL: u32 = 10;
/// The most bytes of a piece of a picture, in the protocol of kitty.
const PIECE: usize = 4096;

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// .aec files, folders (including all .aec files below them) and patterns; '-' is stdin
    #[arg(required = true, value_name = "IN")]
    inputs: Vec<PathBuf>,
    /// How to show pictures [default: the best that the terminal is known for]
    #[arg(long, value_enum)]
    protocol: Option<Protocol>,
    /// Also use the model in this .aem file; may be given more than once
    #[arg(long, value_name = "FILE")]
    model: Vec<PathBuf>,
    #[command(flatten)]
    common: Common,
}

/// How a terminal shows a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Protocol {
    /// The graphics protocol of kitty, which Ghostty, WezTerm and Konsole also know
    Kitty,
    /// Inline images of iTerm2
    Iterm,
    /// Half blocks in 24-bit colour, for every other terminal
    Blocks,
}

const EXAMPLES: &str = "\
Examples:
  aecodec view photo.aec
  aecodec view coded/ --protocol blocks

Pictures are made smaller to fit the terminal, and only as much is decoded as this needs. With half blocks, transparent
parts are shown on black.";

/// Runs the command.
pub fn run(args: &Args) -> Result<Exit> {
    if !stdout().is_terminal() {
        return Err(usage(
            "stdout is not a terminal; write a picture with aecodec decompress IN -o OUT --thumbnail N",
        ));
    }
    let inputs = inputs::expand(&args.inputs, Kind::Coded)?;
    let models = models::to_decode_with(&args.model)?;
    let protocol = args.protocol.unwrap_or_else(|| of_terminal(|name| std::env::var(name).ok()));
    let (columns, rows) = terminal_size::terminal_size().map_or(USUAL, |(width, height)| (width.0, height.0));
    // One row for the name, and one for the prompt.
    let screen = (u32::from(columns).max(1), u32::from(rows).saturating_sub(2).max(1));
    let mut failed = inputs.failures.len();
    for failure in &inputs.failures {
        warn("error", &format!("{}: {}", printable(&failure.path), describe(&failure.error)));
    }
    for input in &inputs.list {
        if let Err(error) = show(args, input, &models, protocol, screen) {
            warn("error", &format!("{}: {}", input.name(), describe(&error)));
            failed += 1;
        }
    }
    Ok(match failed {
        0 => Exit::Done,
        all if all == inputs.count() => Exit::Failed,
        _ => Exit::Partly,
    })
}

fn show(
    args: &Args,
    input: &Input,
    models: &ModelRegistry,
    protocol: Protocol,
    screen: (u32, u32),
) -> Result<()> {
    let bytes = input.read(&args.common.limits())?;
    let limits = args.common.limits_for(bytes.len() as u64);
    let header = container::read(&bytes, &limits)?.header;
    let mut options = DecodeOptions::default();
    (options.threads, options.limits) = (args.common.threads, limits);
    let pixel = if protocol == Protocol::Blocks { 1 } else { CELL };
    let room = (screen.0 * pixel, 2 * screen.1 * pixel);
    let turned = header.orientation >= 5;
    let size = if turned { (header.height, header.width) } else { (header.width, header.height) };
    let longest = ReducedSize::Longest(fitting(size, room));
    let decoded = aecodec::decode_reduced(&bytes, &*models.of(&header)?, longest, &options)?;
    let picture = files::upright(&decoded.picture);
    let drawn = match protocol {
        Protocol::Blocks => blocks(&picture),
        Protocol::Kitty => kitty(&png(&picture)?),
        Protocol::Iterm => iterm(&png(&picture)?),
    };
    let damage = if decoded.damage.is_empty() { "" } else { "  damaged" };
    let text = format!("{}  {} x {}{damage}\n{drawn}", input.name(), size.0, size.1);
    let mut out = stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("stdout")
}

/// The longest side of a picture that is made to fit into a room, in pixels.
fn fitting((width, height): (u32, u32), room: (u32, u32)) -> u32 {
    let longest = u64::from(width.max(height));
    let across = longest * u64::from(room.0) / u64::from(width.max(1));
    let down = longest * u64::from(room.1) / u64::from(height.max(1));
    across.min(down).clamp(1, longest.max(1)) as u32
}

/// The protocol that a terminal is known for, from the variables by which programs tell terminals apart.
fn of_terminal(variable: impl Fn(&str) -> Option<String>) -> Protocol {
    let program = variable("TERM_PROGRAM").unwrap_or_default();
    let term = variable("TERM").unwrap_or_default();
    // Multiplexers keep the variables of the terminal that they run in, but pass no pictures on.
    if term.starts_with("screen") || term.starts_with("tmux") {
        return Protocol::Blocks;
    }
    let kitty = variable("KITTY_WINDOW_ID").is_some() || variable("KONSOLE_VERSION").is_some();
    if kitty
        || term.contains("kitty")
        || term.contains("ghostty")
        || matches!(&*program, "ghostty" | "WezTerm")
    {
        return Protocol::Kitty;
    }
    if program == "iTerm.app" { Protocol::Iterm } else { Protocol::Blocks }
}

fn png(picture: &Picture) -> Result<Vec<u8>> {
    Ok(files::write(picture, Format::Png, &WriteOptions::default())?.0)
}

/// The upper half of each character is one pixel, the lower half the pixel below it.
fn blocks(picture: &Picture) -> String {
    let (width, channels) = (picture.width as usize, picture.color.channels());
    let pixel = |x: usize, y: usize| -> [u8; 3] {
        let at = y * width + x;
        let opacity = picture.alpha.as_ref().map_or(255, |alpha| u16::from(alpha[at]));
        let sample = |channel: usize| u16::from(picture.samples[at * channels + channel.min(channels - 1)]);
        [0, 1, 2].map(|channel| ((sample(channel) * opacity + 127) / 255) as u8)
    };
    let mut out = String::new();
    for y in (0..picture.height as usize).step_by(2) {
        for x in 0..width {
            let [r, g, b] = pixel(x, y);
            let _ = write!(out, "\x1b[38;2;{r};{g};{b}m");
            if y + 1 < picture.height as usize {
                let [r, g, b] = pixel(x, y + 1);
                let _ = write!(out, "\x1b[48;2;{r};{g};{b}m");
            }
            out.push('▀');
        }
        out.push_str("\x1b[0m\n");
    }
    out
}

/// <https://sw.kovidgoyal.net/kitty/graphics-protocol/>
fn kitty(png: &[u8]) -> String {
    let coded = BASE64.encode(png);
    let pieces = coded.as_bytes().chunks(PIECE);
    let last = pieces.len().saturating_sub(1);
    let mut out = String::new();
    for (i, piece) in pieces.enumerate() {
        let first = if i == 0 { "a=T,f=100," } else { "" };
        let more = u8::from(i < last);
        let _ = write!(out, "\x1b_G{first}m={more};{}\x1b\\", String::from_utf8_lossy(piece));
    }
    out + "\n"
}

/// <https://iterm2.com/documentation-images.html>
fn iterm(png: &[u8]) -> String {
    format!("\x1b]1337;File=inline=1;size={}:{}\x07\n", png.len(), BASE64.encode(png))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aecodec::Color;

    #[test]
    fn terminals_are_told_apart() {
        let of = |pairs: &[(&str, &str)]| {
            let found = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, v)| (*v).to_owned());
            of_terminal(found)
        };
        assert_eq!(of(&[("TERM", "xterm-kitty")]), Protocol::Kitty);
        assert_eq!(of(&[("TERM", "xterm-256color"), ("TERM_PROGRAM", "WezTerm")]), Protocol::Kitty);
        assert_eq!(of(&[("TERM_PROGRAM", "iTerm.app")]), Protocol::Iterm);
        assert_eq!(of(&[("TERM", "tmux-256color"), ("KITTY_WINDOW_ID", "1")]), Protocol::Blocks);
        assert_eq!(of(&[]), Protocol::Blocks);
    }

    #[test]
    fn pictures_fit_the_room_and_are_never_enlarged() {
        assert_eq!(fitting((4000, 3000), (80, 44)), 58);
        assert_eq!(fitting((3000, 4000), (80, 44)), 44);
        assert_eq!(fitting((20, 10), (80, 44)), 20);
        assert_eq!(fitting((40000, 1), (80, 44)), 80);
    }

    #[test]
    fn a_character_is_two_pixels() {
        let picture = Picture::new(1, 3, Color::Rgb, vec![1, 2, 3, 4, 5, 6, 7, 8, 9]).unwrap();
        let drawn = blocks(&Picture { alpha: Some(vec![255, 255, 0]), ..picture });
        let expected = "\x1b[38;2;1;2;3m\x1b[48;2;4;5;6m▀\x1b[0m\n\x1b[38;2;0;0;0m▀\x1b[0m\n";
        assert_eq!(drawn, expected);
    }

    #[test]
    fn pieces_of_kitty_hold_the_file() {
        let png: Vec<u8> = (0..9000_u32).map(|i| i as u8).collect();
        let drawn = kitty(&png);
        assert!(drawn.starts_with("\x1b_Ga=T,f=100,m=1;"));
        let pieces: Vec<&str> = drawn.trim_end().split("\x1b_G").skip(1).collect();
        assert!(pieces.last().unwrap().starts_with("m=0;") && pieces.len() == 3);
        let coded: String =
            pieces.iter().map(|piece| piece.split_once(';').unwrap().1.trim_end_matches("\x1b\\")).collect();
        assert_eq!(BASE64.decode(coded.as_bytes()).unwrap(), png);
    }
}
