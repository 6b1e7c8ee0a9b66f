//! The flags that every command takes.

use aecodec::Limits;

use crate::report::{Reporter, Stream, Style};

/// Threads at most: more than the largest machines have cores for.
const THREADS: usize = 1024;
/// Bytes of memory for each pixel: a picture that is not read row by row takes up to 16 on its way in, and some for its bands.
const PIXEL: u64 = 24;
/// Bytes of memory for a picture of few pixels: what a file may hold besides them, and what a thread works in.
const FIXED: u64 = 128 << 20;

/// Flags of every command.
#[derive(clap::Args)]
pub struct Common {
    /// Print one JSON object per line
    #[arg(long)]
    pub json: bool,
    /// Threads to use, up to 1024; 0 is one for each core
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = threads)]
    pub threads: usize,
    /// Refuse pictures of more pixels than this, and take as much memory as it needs [default: 1073741824]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_pixels: Option<u64>,
}

impl Common {
    /// The limits, raised or lowered as asked for.
    pub fn limits(&self) -> Limits {
        let mut limits = Limits::default();
        if let Some(pixels) = self.max_pixels {
            limits.bytes = pixels.saturating_mul(PIXEL).saturating_add(FIXED);
            limits.pixels = pixels;
        }
        limits
    }

    /// The limits for an input of that many bytes: if none were asked for, they grow with it.
    pub fn limits_for(&self, bytes: u64) -> Limits {
        let limits = self.limits();
        if self.max_pixels.is_some() { limits } else { limits.for_input(bytes) }
    }

    /// Results beside data go to stderr.
    pub fn reporter(&self, to_stdout: bool) -> Reporter {
        Reporter {
            stream: if to_stdout { Stream::Stderr } else { Stream::Stdout },
            style: if self.json { Style::Json } else { Style::Text },
        }
    }
}

/// A number of threads; what is beyond all machines counts as the most that are used.
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
