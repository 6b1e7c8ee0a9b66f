//! `aecodec send --stdin`: sends live frames from a pipe.

use std::time::Duration;

use aecodec::Target;
use aecodec_live::capture::Format;
use aecodec_live::control::{Config, OnFull};
use aecodec_live::send::{Event, Options, Summary, stream};
use anyhow::Result;
use serde_json::json;
use tokio::sync::mpsc;

use crate::failure::{Exit, Refusal, usage};
use crate::printable::printable;
use crate::receive::json_line;
use crate::report::{Reporter, grouped, saved, warn};
use crate::{runtime, size};

#[derive(clap::Args)]
#[command(next_help_heading = "Live frames")]
// `send::Args` already has a group with this name.
#[group(skip)]
pub struct Args {
    /// Send live frames in this format from stdin, at up to --quality [default then: 80]
    #[arg(long, value_enum, value_name = "FORMAT")]
    stdin: Option<Name>,
    /// Frames per second, a number or a fraction such as 30000/1001; frames that come sooner wait in the pipe, so
    /// let its source make no more
    #[arg(long, value_name = "N", default_value = "10", value_parser = rate, requires = "stdin")]
    fps: f64,
    /// Show each frame this many milliseconds after it was captured
    #[arg(long, value_name = "MS", default_value_t = 500, requires = "stdin")]
    deadline: u64,
    /// The most bits per second for frames, such as 2M or 800K
    #[arg(long, value_name = "RATE", value_parser = size::bits, requires = "stdin")]
    max_bitrate: Option<u64>,
    /// What gives way if the network or either end cannot keep up
    #[arg(long, value_enum, default_value = "lower-quality", requires = "stdin")]
    on_full: Full,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Name {
    /// YUV4MPEG2
    Y4m,
    /// A sequence of JPEG pictures
    Mjpeg,
    /// A sequence of PPM or PGM pictures
    Ppm,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Full {
    /// Let the pipe wait, and lose no frame
    Block,
    /// Drop the oldest frames
    DropOldest,
    /// The quality of frames is lowered
    LowerQuality,
}

impl Args {
    /// Whether live frames are to be sent.
    pub fn is_asked(&self) -> bool {
        self.stdin.is_some()
    }

    /// The format, if live frames are requested.
    pub fn format(&self) -> Option<Format> {
        Some(match self.stdin? {
            Name::Y4m => Format::Y4m,
            Name::Mjpeg => Format::Mjpeg,
            Name::Ppm => Format::Ppm,
        })
    }

    /// Sends the frames.
    pub fn run(&self, mut options: Options, target: Option<Target>, reporter: &Reporter) -> Result<Exit> {
        options.control = self.control(target)?;
        options.pace = Some(self.fps);
        runtime::run(async |stop| {
            let (events, told) = mpsc::unbounded_channel();
            let running = stream(options, std::io::stdin(), events, stop);
            let (shown, summary) = tokio::join!(show(told, reporter), running);
            shown?;
            finish(&summary?, reporter)
        })
    }

    fn control(&self, target: Option<Target>) -> Result<Config> {
        let mut control = Config::default();
        match target {
            None => {}
            Some(Target::Quality(best)) => control.best = best,
            Some(_) => {
                return Err(usage(
                    "the quality of live frames follows the network; give the best quality with --quality",
                ));
            }
        }
        control.period = Duration::from_secs_f64(1.0 / self.fps.min(1000.0));
        control.deadline = Duration::from_millis(self.deadline);
        control.max_bitrate = self.max_bitrate;
        control.on_full = match self.on_full {
            Full::Block => OnFull::Block,
            Full::DropOldest => OnFull::DropOldest,
            Full::LowerQuality => OnFull::LowerQuality,
        };
        Ok(control)
    }
}

/// Parses frames per second: `25`, `29.97`, `30000/1001` or `30000:1001`.
fn rate(text: &str) -> Result<f64, String> {
    let rate = match text.split_once(['/', ':']) {
        None => size::positive(text),
        Some((above, below)) => {
            size::positive(above.trim()).and_then(|a| Ok(a / size::positive(below.trim())?))
        }
    };
    let plausible = rate.ok().filter(|rate| (1e-6..=1e9).contains(rate));
    plausible.ok_or_else(|| "write frames per second, as in 25, 29.97 or 30000/1001".into())
}

/// Prints the events; people see a line only from time to time.
async fn show(mut told: mpsc::UnboundedReceiver<Event>, reporter: &Reporter) -> Result<()> {
    while let Some(event) = told.recv().await {
        match event {
            Event::Connected { label, address } => {
                let json = json!({ "event": "connected", "receiver": label, "address": address });
                let label = printable(label.as_ref());
                reporter.result(&format!("connected to {label} at {address}"), &json)?;
            }
            Event::Disconnected { cut } => {
                warn("notice", &format!("{cut}; frames are dropped until there is a connection"));
                json_line(reporter, json!({ "event": "disconnected", "reason": cut.to_string() }))?;
            }
            Event::Sent(sent) => {
                let json = json!({
                    "event": "sent",
                    "seq": sent.seq,
                    "quality": sent.quality,
                    "scale": sent.scale,
                    "bytes": sent.bytes,
                    "parts": sent.parts,
                    "raw_bytes": sent.raw,
                    "path_bps": sent.rate.round(),
                });
                json_line(reporter, json)?;
            }
            Event::Shown(shown) => {
                let json = json!({
                    "event": "shown",
                    "seq": shown.seq,
                    "passes": shown.passes,
                    "bytes": shown.bytes,
                    "lateness_ms": shown.lateness,
                    "decode_ms": shown.decode,
                });
                json_line(reporter, json)?;
            }
            Event::Damaged { error } => {
                warn("notice", &error);
                json_line(reporter, json!({ "event": "failed", "error": error }))?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn finish(summary: &Summary, reporter: &Reporter) -> Result<Exit> {
    let Summary { captured, sent, shown, in_time, raw, bytes, wire, took, .. } = summary;
    let seconds = took.as_secs_f64().max(1e-3);
    let text = format!(
        "total: {captured} frames  {sent} sent  {shown} shown  {in_time} in time  {} bytes  {:.1} % smaller than raw  {} on the wire  {:.2} Mbit/s in {seconds:.1} s",
        grouped(*bytes),
        100.0 * saved(*bytes, *raw),
        grouped(wire.bytes),
        *bytes as f64 * 8e-6 / seconds,
    );
    let json = json!({
        "event": "total",
        "frames": captured,
        "sent": sent,
        "shown": shown,
        "in_time": in_time,
        "raw_bytes": raw,
        "bytes": bytes,
        "saved_of_raw": saved(*bytes, *raw),
        "wire_bytes": wire.bytes,
        "packets": wire.packets,
        "lost_packets": wire.lost,
        "elapsed_ms": took.as_millis() as u64,
    });
    reporter.result(&text, &json)?;
    if let Some(cut) = &summary.cut {
        return Err(Refusal::Peer(cut.to_string()).into());
    }
    Ok(match (captured, shown) {
        (0, _) => Exit::Nothing,
        (_, 0) => Exit::Failed,
        _ => Exit::Done,
    })
}

#[cfg(test)]
mod tests {
    use aecodec::Quality;
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Command {
        #[command(flatten)]
        live: Args,
    }

    #[test]
    fn a_rate_is_a_number_or_a_fraction() {
        assert_eq!(rate("10"), Ok(10.0));
        assert_eq!(rate("30000/1001"), Ok(30000.0 / 1001.0));
        assert_eq!(rate("24000:1001"), Ok(24000.0 / 1001.0));
        for wrong in ["", "0", "30/0", "/", "30000/1001/2", "-1/2", "x", "1e308/1e-308"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_best_quality_is_the_one_that_was_given() {
        let live = Command::parse_from(["send", "--stdin", "mjpeg"]).live;
        let best = |target| live.control(target).map(|control| control.best.value());
        assert_eq!(best(None).unwrap(), 80.0);
        assert_eq!(best(Some(Target::Quality(Quality::default()))).unwrap(), 50.0);
        assert!(best(Some(Target::Bytes(1000))).is_err());
    }
}
