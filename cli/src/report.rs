//! Prints results as text or JSON, and formats sizes and savings.

use std::io::{self, ErrorKind, Write};
use std::path::Path;

use serde_json::Value;

use crate::printable::printable;

/// Where results go: stdout, or stderr if stdout carries data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
}

/// The format of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    Text,
    Json,
}

/// Prints results.
pub struct Reporter {
    pub stream: Stream,
    pub style: Style,
}

impl Reporter {
    /// Prints one result. A closed pipe is not an error, so that the work continues.
    pub fn result(&self, text: &str, json: &Value) -> anyhow::Result<()> {
        let line = match self.style {
            Style::Text => text.to_owned(),
            Style::Json => json.to_string(),
        };
        let written = match self.stream {
            Stream::Stdout => put(&mut io::stdout().lock(), &line),
            Stream::Stderr => put(&mut io::stderr().lock(), &line),
        };
        match written {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
            _ => Ok(()),
        }
    }
}

/// A path as a JSON field. It is escaped if it is not UTF-8, because JSON cannot contain other bytes.
pub fn field(path: &Path) -> String {
    path.to_str().map_or_else(|| printable(path), str::to_owned)
}

/// Prints one line on stderr. Control characters, which may come from file names or from a peer, become spaces.
pub fn warn(kind: &str, text: &str) {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let _ = put(&mut io::stderr().lock(), &format!("{kind}: {text}"));
}

fn put(out: &mut impl Write, line: &str) -> io::Result<()> {
    out.write_all(format!("{line}\n").as_bytes())?;
    out.flush()
}

/// `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `92.4 % smaller than a.png`, or `3.1 % larger than a.png`.
pub fn saving(after: u64, before: u64, than: &str) -> String {
    let percent = 100.0 * saved(after, before);
    let word = if percent < 0.0 { "larger" } else { "smaller" };
    format!("{:.1} % {word} than {than}", percent.abs())
}

/// The share of `before` that is saved, up to 1. It is negative if `after` is larger.
pub fn saved(after: u64, before: u64) -> f64 {
    if before == 0 { 0.0 } else { 1.0 - after as f64 / before as f64 }
}

/// Bits per pixel.
pub fn bits_per_pixel(bytes: u64, pixels: u64) -> f64 {
    if pixels == 0 { 0.0 } else { bytes as f64 * 8.0 / pixels as f64 }
}

/// `36.12 dB`, or `exact` without a PSNR.
pub fn decibels(psnr: Option<f64>) -> String {
    psnr.map_or("exact".into(), |psnr| format!("{psnr:.2} dB"))
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_easy_to_read() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(saving(76, 1000, "a.png"), "92.4 % smaller than a.png");
        assert_eq!(saving(1500, 1000, "a.png"), "50.0 % larger than a.png");
        assert_eq!((decibels(None), decibels(Some(36.125))), ("exact".into(), "36.12 dB".into()));
        assert_eq!(hex(&[0, 0xAB]), "00ab");
    }
}
