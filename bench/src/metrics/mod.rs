//! Measures of how close a decoded picture is to its original.

mod ms_ssim;
mod psnr;
mod ssimulacra2;

pub use ms_ssim::ms_ssim;
pub use psnr::{psnr_rgb, psnr_ycbcr};
pub use ssimulacra2::ssimulacra2;

use serde::{Deserialize, Serialize};

use crate::Rgb;

/// A measure of quality. For all of them, larger is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Peak signal-to-noise ratio over the RGB samples, dB.
    PsnrRgb,
    /// Peak signal-to-noise ratio over luma and chroma, weighted 6:1:1, dB.
    PsnrYcbcr,
    /// Multi-scale structural similarity, as -10 log10(1 - value), dB.
    MsSsim,
    /// SSIMULACRA 2, 100 for identical pictures.
    Ssimulacra2,
}

impl Metric {
    /// All metrics, in the order of reports.
    pub const ALL: [Self; 4] = [Self::PsnrRgb, Self::PsnrYcbcr, Self::MsSsim, Self::Ssimulacra2];

    /// The display name, with the unit.
    pub const fn title(self) -> &'static str {
        match self {
            Self::PsnrRgb => "PSNR (RGB), dB",
            Self::PsnrYcbcr => "PSNR (YCbCr 6:1:1), dB",
            Self::MsSsim => "MS-SSIM, dB",
            Self::Ssimulacra2 => "SSIMULACRA 2",
        }
    }

    /// The name in files and tables that programs read.
    pub const fn key(self) -> &'static str {
        match self {
            Self::PsnrRgb => "psnr_rgb",
            Self::PsnrYcbcr => "psnr_ycbcr",
            Self::MsSsim => "ms_ssim",
            Self::Ssimulacra2 => "ssimulacra2",
        }
    }

    /// The range of values that two curves must share for their rates to be compared. With a smaller range the
    /// comparison would be little more than extrapolation.
    pub const fn least_overlap(self) -> f64 {
        match self {
            Self::PsnrRgb | Self::PsnrYcbcr | Self::MsSsim => 1.0,
            Self::Ssimulacra2 => 5.0,
        }
    }
}

/// The measures of one decoded picture.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// See [`Metric::PsnrRgb`]. It is at most 100, which means that the pictures are identical.
    pub psnr_rgb: f64,
    /// See [`Metric::PsnrYcbcr`]. It is at most 100.
    pub psnr_ycbcr: f64,
    /// MS-SSIM from 0 to 1, or `None` for pictures with a side below 161 pixels.
    pub ms_ssim: Option<f64>,
    /// See [`Metric::Ssimulacra2`]. It is `None` for pictures with a side below 8 pixels.
    pub ssimulacra2: Option<f64>,
}

impl Scores {
    /// Compares `decoded` with `original`. Both have the same size.
    pub fn measure(original: &Rgb, decoded: &Rgb) -> Self {
        Self {
            psnr_rgb: psnr_rgb(original, decoded),
            psnr_ycbcr: psnr_ycbcr(original, decoded),
            ms_ssim: ms_ssim(original, decoded),
            ssimulacra2: ssimulacra2(original, decoded),
        }
    }

    /// The value of this metric in plots: MS-SSIM in decibels, the others unchanged.
    pub fn of(&self, metric: Metric) -> Option<f64> {
        match metric {
            Metric::PsnrRgb => Some(self.psnr_rgb),
            Metric::PsnrYcbcr => Some(self.psnr_ycbcr),
            Metric::MsSsim => self.ms_ssim.map(|value| -10.0 * (1.0 - value).max(1e-10).log10()),
            Metric::Ssimulacra2 => self.ssimulacra2,
        }
    }
}
