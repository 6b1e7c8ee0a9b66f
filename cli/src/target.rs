//! The options that say what an encode aims at.

use aecodec::{Quality, Target};

use crate::report::grouped;
use crate::size;

/// What an encode aims at.
#[derive(clap::Args)]
#[group(multiple = false)]
pub struct TargetArgs {
    /// Quality from 0 (smallest file) to 100 (best picture), such as 62.5 [default: 50]
    #[arg(short, long, value_name = "Q", value_parser = size::quality, allow_negative_numbers = true)]
    quality: Option<Quality>,
    /// Use at most this many bits per pixel, such as 0.5
    #[arg(long, value_name = "B", value_parser = size::positive, allow_negative_numbers = true)]
    bpp: Option<f64>,
    /// Use at most this many bytes, such as 80KB or 1.5MiB
    #[arg(long, value_name = "SIZE", value_parser = size::bytes, allow_negative_numbers = true)]
    size: Option<u64>,
    /// Aim at this PSNR in dB, such as 36
    #[arg(long, value_name = "DB", value_parser = size::positive, allow_negative_numbers = true)]
    psnr: Option<f64>,
}

impl TargetArgs {
    pub fn target(&self) -> Target {
        self.given().unwrap_or(Target::Quality(Quality::default()))
    }

    /// The target, if one was given.
    pub fn given(&self) -> Option<Target> {
        let quality = self.quality.map(Target::Quality);
        let bpp = || self.bpp.map(Target::BitsPerPixel);
        let size = || self.size.map(Target::Bytes);
        quality.or_else(bpp).or_else(size).or_else(|| self.psnr.map(Target::Psnr))
    }

    /// The target in words, for a message that it was missed.
    pub fn words(&self) -> String {
        match (self.bpp, self.size, self.psnr) {
            (Some(bpp), ..) => format!("{bpp} bits per pixel"),
            (_, Some(bytes), _) => format!("{} bytes", grouped(bytes)),
            (_, _, Some(psnr)) => format!("{psnr} dB"),
            _ => "the quality".into(),
        }
    }
}
