//! The errors of this crate.

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A picture cannot be read.
    #[error(transparent)]
    Codec(#[from] aecodec::Error),
    /// A tensor cannot be computed.
    #[error("the network failed: {0}")]
    Network(String),
    /// A picture has another size than those that were learned.
    #[error("the picture has {}x{} pixels, but those that were learned have {}x{}", .found.0, .found.1, .expected.0, .expected.1)]
    Size {
        /// Width and height of the pictures that were learned.
        expected: (u32, u32),
        /// Width and height of the picture.
        found: (u32, u32),
    },
    /// There are too few pictures to learn from, or to keep a rate of false alarms.
    #[error("{found} pictures are too few{}; expected at least {expected}", .rate.map(|rate| format!(" for a rate of false alarms of {rate}")).unwrap_or_default())]
    TooFew {
        /// The rate of false alarms, if it is the reason.
        rate: Option<f32>,
        /// The fewest that are enough.
        expected: usize,
        /// The number of pictures.
        found: usize,
    },
    /// A rate of false alarms is out of range.
    #[error("a rate of false alarms of {0}; expected a number above 0 and below 1")]
    Rate(f32),
    /// The file is not of the expected kind.
    #[error("the file is no {expected}")]
    Kind {
        /// What was expected.
        expected: &'static str,
    },
    /// The file is of another version.
    #[error("the file has version {found}, expected {expected}")]
    Version {
        /// The version that this build reads.
        expected: u8,
        /// The version of the file.
        found: u8,
    },
    /// The file is damaged.
    #[error("the file is damaged: {0}")]
    Damaged(&'static str),
    /// The file was made with another built-in model.
    #[error("the file was made by a release with another built-in model; make it again")]
    Model,
}

impl From<candle_core::Error> for Error {
    fn from(error: candle_core::Error) -> Self {
        Self::Network(error.to_string())
    }
}

impl From<aecodec_trainer::Error> for Error {
    fn from(error: aecodec_trainer::Error) -> Self {
        Self::Network(error.to_string())
    }
}

/// The result of this crate.
pub type Result<T> = std::result::Result<T, Error>;
