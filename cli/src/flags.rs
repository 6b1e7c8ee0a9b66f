//! The flags that every command takes.

use aecodec::Limits;

use crate::report::{Reporter, Stream, Style};

/// Flags of every command.
#[derive(clap::Args)]
pub struct Common {
    /// Print one JSON object per line
    #[arg(long)]
    pub json: bool,
    /// Threads to use; 0 is one for each core
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub threads: usize,
    /// Refuse pictures of more pixels than this [default: 1073741824]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_pixels: Option<u64>,
}

impl Common {
    /// The limits, raised or lowered as asked for.
    pub fn limits(&self) -> Limits {
        let mut limits = Limits::default();
        if let Some(pixels) = self.max_pixels {
            // A picture that is not read row by row takes up to 16 bytes a pixel on its way in, and some for its bands.
            limits.bytes = limits.bytes.max(pixels.saturating_mul(24));
            limits.pixels = pixels;
        }
        limits
    }

    /// Results beside data go to stderr.
    pub fn reporter(&self, to_stdout: bool) -> Reporter {
        Reporter {
            stream: if to_stdout { Stream::Stderr } else { Stream::Stdout },
            style: if self.json { Style::Json } else { Style::Text },
        }
    }
}
