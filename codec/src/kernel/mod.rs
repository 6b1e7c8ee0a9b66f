//! Integer kernels: matrix product, depthwise 3x3 and the steps between them.
//!
//! `scalar` is the specification; every other path equals it bit for bit, because products wrap
//! in `i32` and so may be summed in any order. The algorithm is written once (`generic`) and
//! compiled for each instruction set; only the innermost tiles differ.
//! `AECODEC_CPU=scalar|avx2|avx512` forces a path that the machine has.

mod generic;
mod packed;
mod scalar;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use generic::{Depthwise, Epilogue, Segment, Target};
pub use packed::{PANEL, Packed, PackedTaps};

use std::sync::OnceLock;

/// Largest magnitude of an activation.
pub const ACTIVATION_MAX: i32 = 8191;

/// An instruction set that kernels are compiled for, and that this machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Path(Set);

/// Only [`Path::available`] makes these, after asking the processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Path {
    /// Plain Rust; the specification.
    pub const SCALAR: Self = Self(Set::Scalar);

    /// Every path that this machine can run, slowest first.
    pub fn available() -> Vec<Self> {
        let mut paths = vec![Self::SCALAR];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") {
                paths.push(Self(Set::Avx2));
            }
            if is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512vnni")
            {
                paths.push(Self(Set::Avx512));
            }
        }
        paths
    }

    /// The path in use: the fastest, or the one that `AECODEC_CPU` names if the machine has it.
    pub fn chosen() -> Self {
        static CHOSEN: OnceLock<Path> = OnceLock::new();
        *CHOSEN.get_or_init(|| {
            let paths = Self::available();
            let wanted = std::env::var("AECODEC_CPU").unwrap_or_default();
            paths.iter().copied().find(|p| p.name() == wanted).unwrap_or(paths[paths.len() - 1])
        })
    }

    /// Name as in `AECODEC_CPU`.
    pub const fn name(self) -> &'static str {
        match self.0 {
            Set::Scalar => "scalar",
            // 256-bit `vpmaddwd`.
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => "avx2",
            // 512-bit `vpdpwssd` (AVX-512 VNNI).
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => "avx512",
        }
    }
}

/// Rounding arithmetic shift right; the addition wraps.
#[inline(always)]
pub fn rnd(v: i32, shift: u32) -> i32 {
    v.wrapping_add((1 << shift) >> 1) >> shift
}

/// Saturates to the range of an activation.
#[inline(always)]
pub fn sat(v: i32) -> i16 {
    v.clamp(-ACTIVATION_MAX, ACTIVATION_MAX) as i16
}

macro_rules! dispatch {
    ($path:expr, $name:ident($($arg:expr),*)) => {
        match $path.0 {
            // SAFETY: a `Path` other than scalar is only made by `available`, which has asked the
            // processor for the features that these functions are compiled with.
            #[cfg(target_arch = "x86_64")]
            #[allow(unsafe_code)]
            Set::Avx2 => unsafe { x86::avx2::$name($($arg),*) },
            #[cfg(target_arch = "x86_64")]
            #[allow(unsafe_code)]
            Set::Avx512 => unsafe { x86::avx512::$name($($arg),*) },
            Set::Scalar => scalar::$name($($arg),*),
        }
    };
}

/// Matrix product of `positions` input vectors, each the concatenation of `segments`, with the
/// output panels `panels` of `layer`; see [`Epilogue`] for what is written to `target`.
///
/// # Panics
/// Where a segment or the target is too short: a bug of the caller, never of the input.
pub fn product(
    path: Path,
    layer: &Packed,
    panels: std::ops::Range<usize>,
    segments: &[Segment],
    positions: usize,
    epilogue: Epilogue,
    target: Target,
) {
    generic::check_product(layer, &panels, segments, positions, &target);
    dispatch!(path, product(layer, panels, segments, positions, epilogue, target))
}

/// Depthwise 3x3 over `count` neighbouring positions.
pub fn depthwise(path: Path, taps: &PackedTaps, call: Depthwise) {
    generic::check_depthwise(taps, &call);
    dispatch!(path, depthwise(taps, call))
}

/// ReGLU: `out = sat(rnd(max(u, 0) * v, shift))`, `uv` holds per position h values u, then h of v.
pub fn gate(path: Path, uv: &[i16], hidden: usize, shift: u32, out: &mut [i16]) {
    assert!(hidden > 0 && uv.len() == 2 * out.len() && out.len().is_multiple_of(hidden));
    dispatch!(path, gate(uv, hidden, shift, out))
}

/// `x = sat(rnd(x * gain, shift))` for each channel.
pub fn scale(path: Path, x: &mut [i16], gains: &[u16], shift: u32) {
    assert!(!gains.is_empty() && x.len().is_multiple_of(gains.len()));
    dispatch!(path, scale(x, gains, shift))
}
