//! The parameters of a residual block.

use super::block::pack;
use candle_core::{Result, Tensor};

/// A block's parameters: weight and bias of each of its layers.
#[derive(Debug, Clone)]
pub(in crate::net) struct BlockParameters {
    /// [C, C] and [C].
    pub p1: [Tensor; 2],
    /// [C, 1, 3, 3] and [C].
    pub dw: [Tensor; 2],
    /// [C, C] and [C].
    pub p2: [Tensor; 2],
    /// [2 H, C] and [2 H].
    pub f1: [Tensor; 2],
    /// [C, H] and [C].
    pub f2: [Tensor; 2],
}

impl BlockParameters {
    /// In one row, as the fused block takes them.
    pub(in crate::net) fn packed(&self) -> Result<Tensor> {
        let pair = |[w, b]: &'_ [Tensor; 2]| [w.clone(), b.clone()];
        let linears = [&self.p1, &self.p2, &self.f1, &self.f2].map(pair);
        pack(linears.each_ref().map(|[w, b]| [w, b]), &self.dw[0], &self.dw[1])
    }
}
