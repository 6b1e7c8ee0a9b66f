//! The options that choose between the learned model and exact coding.

use aecodec::{Coding, Mode};

/// The options that choose how pictures are coded.
#[derive(clap::Args)]
pub struct ModeArgs {
    /// How to code pictures: exact keeps every sample; auto does this for graphics (text, plots, screenshots, drawings) and
    /// wherever the learned file would be larger
    #[arg(long, value_enum, default_value = "auto")]
    mode: ModeName,
    /// Keep every sample; the same as --mode exact
    #[arg(long, conflicts_with_all = ["mode", "TargetArgs"])]
    lossless: bool,
    /// Keep every sample to within N of its value, in steps of the file's own samples; 0 is lossless, and alpha stays exact
    #[arg(long, value_name = "N", conflicts_with_all = ["mode", "lossless", "TargetArgs"])]
    max_error: Option<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ModeName {
    Auto,
    Learned,
    Exact,
}

impl ModeArgs {
    /// Whether exact coding is asked for.
    #[cfg(feature = "network")]
    pub fn is_exact(&self) -> bool {
        matches!(self.mode(), Mode::Exact { .. })
    }

    /// The mode that is asked for.
    pub fn mode(&self) -> Mode {
        match (self.max_error, self.lossless, self.mode) {
            (Some(error), ..) => Mode::Exact { error },
            (None, true, _) | (None, false, ModeName::Exact) => Mode::Exact { error: 0 },
            (None, false, ModeName::Auto) => Mode::Auto,
            (None, false, ModeName::Learned) => Mode::Learned,
        }
    }
}

/// The name of a coding in the output.
pub fn name(coding: Coding) -> &'static str {
    match coding {
        Coding::Exact { .. } => "exact",
        _ => "learned",
    }
}

/// The largest error of a sample, if it is known.
pub fn error(coding: Coding) -> Option<u16> {
    match coding {
        Coding::Exact { error } => Some(error),
        _ => None,
    }
}
