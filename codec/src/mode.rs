//! The ways of coding a picture, and the choice between them.

/// How the encoder chooses between the learned model and exact coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Mode {
    /// Exact for graphics (text, plots, screenshots, drawings, pixel art), and for every picture of which the learned stream
    /// would be larger; learned for all others. Pictures that look like graphics, and those that need many bits, are encoded
    /// both ways.
    Auto,
    /// With the model. This is the default.
    #[default]
    Learned,
    /// Without the model: the samples of the picture, or values near them. The target does not matter.
    Exact {
        /// Largest error of a colour sample, in steps of the picture's samples; 0 for none. Alpha has no error.
        error: u16,
    },
}

/// How a stream is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Coding {
    /// With a model.
    Learned,
    /// Without a model: each colour sample is within an error.
    Exact {
        /// The largest error; 0 for none.
        error: u16,
    },
}
