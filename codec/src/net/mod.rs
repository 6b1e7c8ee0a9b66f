//! The network in integers (docs/format.md, sections 2 and 3).

pub(crate) mod analysis;
pub(crate) mod context;
pub(crate) mod hyper;
mod layers;
mod plane;
mod rolling;
mod row_buffer;
pub(crate) mod synthesis;

pub(crate) use layers::{Block, Scratch};
pub(crate) use plane::Plane;

use crate::kernel::Packed;

/// Widths and depths; names as in docs/format.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shapes {
    pub c: usize,
    pub m: usize,
    pub z: usize,
    pub p: usize,
    pub ne: usize,
    pub nd: usize,
}

/// All layers; names as in docs/format.md.
#[derive(Debug)]
pub(crate) struct Net {
    pub shapes: Shapes,
    pub e_in: Packed,
    pub e: Vec<Block>,
    pub e_out: Packed,
    pub he_in: Packed,
    pub he1: Block,
    pub he_mid: Packed,
    pub he2: Block,
    pub he_out: Packed,
    pub z_shift: u32,
    pub hd_in: Packed,
    pub hd1: Block,
    pub hd_mid: Packed,
    pub hd2: Block,
    pub hd_out: Packed,
    pub hd3: Block,
    pub scale0: Packed,
    pub mean0: Packed,
    pub ctx_in: [Packed; 3],
    pub ctx: Block,
    pub scale: Packed,
    pub mean: Packed,
    pub d_in: Packed,
    pub d: Vec<Block>,
    pub d_out: Packed,
}
