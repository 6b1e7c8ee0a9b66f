//! The load of a decode: how much of a picture it holds and works on at a time.

use crate::band::Grid;
use crate::saturating::product;

/// How much of the groups of a stream a decode holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// The most latents of a band, counting only groups that hold something.
    pub latents: u64,
    /// The most groups that are walked at a time.
    pub groups: usize,
    /// Rows and columns of the largest group that is walked.
    pub largest: (usize, usize),
    /// The most strips of the synthesis that are at work at a time.
    pub strips: usize,
    /// Rows and columns of latents of the small picture that stands in for empty groups.
    pub blank: Option<(usize, usize)>,
}

impl Load {
    /// The load if every group holds something.
    pub fn full(grid: Grid) -> Self {
        Self {
            latents: product([grid.band_rows(), grid.width]),
            groups: grid.groups(),
            largest: (grid.side.min(grid.height), grid.side.min(grid.width)),
            strips: usize::MAX,
            blank: None,
        }
    }
}
