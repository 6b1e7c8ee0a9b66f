//! The options that most commands share.

use aecodec::Limits;

use crate::report::{Reporter, Stream, Style};

/// The largest number of threads, which is more than the largest machines have cores for.
const THREADS: usize = 1024;
/// Bytes of memory per pixel. A picture that is not read row by row takes up to 16 while it is read, and more for its bands.
const PIXEL: u64 = 24;
/// Bytes of memory in addition to those of the pixels, for the other contents of a file and the buffers of a thread.
const FIXED: u64 = 128 << 20;

/// The options that most commands share.
#[derive(clap::Args)]
pub struct Common {
    /// Print one JSON object per line
    #[arg(long)]
    pub json: bool,
    /// Number of threads, up to 1024; 0 means one per core
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = threads)]
    pub threads: usize,
    /// Refuse pictures with more than N pixels, and set the memory limit to match [default: 1073741824]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_pixels: Option<u64>,
}

impl Common {
    /// The default limits, or those that `--max-pixels` sets.
    pub fn limits(&self) -> Limits {
        let mut limits = Limits::default();
        if let Some(pixels) = self.max_pixels {
            limits.bytes = pixels.saturating_mul(PIXEL).saturating_add(FIXED);
            limits.pixels = pixels;
        }
        limits
    }

    /// The limits for an input of this many bytes. They grow with the input unless `--max-pixels` sets them.
    pub fn limits_for(&self, bytes: u64) -> Limits {
        let limits = self.limits();
        if self.max_pixels.is_some() { limits } else { limits.for_input(bytes) }
    }

    /// Results go to stdout, or to stderr if stdout carries data.
    pub fn reporter(&self, to_stdout: bool) -> Reporter {
        Reporter {
            stream: if to_stdout { Stream::Stderr } else { Stream::Stdout },
            style: if self.json { Style::Json } else { Style::Text },
        }
    }
}

/// Parses a number of threads, and reduces it to the largest number that is used.
fn threads(text: &str) -> Result<usize, std::num::ParseIntError> {
    Ok(text.parse::<usize>()?.min(THREADS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(max_pixels: Option<u64>) -> Limits {
        Common { json: false, threads: 0, max_pixels }.limits()
    }

    #[test]
    fn max_pixels_raises_and_lowers_both_limits() {
        let usual = limits(None);
        assert_eq!(usual, Limits::default());
        let low = limits(Some(1_000_000));
        assert!(low.pixels == 1_000_000 && low.bytes < usual.bytes && low.bytes >= 24_000_000);
        let high = limits(Some(1 << 32));
        assert!(high.pixels == 1 << 32 && high.bytes >= 24 << 32);
        assert_eq!(limits(Some(u64::MAX)).bytes, u64::MAX);
    }

    #[test]
    fn limits_grow_with_the_input_unless_they_were_asked_for() {
        let common = |max_pixels| Common { json: false, threads: 0, max_pixels };
        assert_eq!(common(None).limits_for(10).bytes, Limits::default().for_input(10).bytes);
        assert_eq!(common(Some(7)).limits_for(1 << 40), limits(Some(7)));
    }

    #[test]
    fn threads_beyond_all_machines_are_as_many_as_are_used() {
        assert_eq!(threads("18446744073709551615"), Ok(THREADS));
        assert_eq!((threads("0"), threads("2")), (Ok(0), Ok(2)));
        assert!(threads("-1").is_err() && threads("many").is_err());
    }
}
