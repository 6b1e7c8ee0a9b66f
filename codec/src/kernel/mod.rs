//! Integer kernels: matrix product, depthwise 3x3 and the steps between them.
//!
//! `scalar` is the specification. Every other instruction set gives the same result bit for bit, because products wrap
//! in `i32` and so may be summed in any order. The algorithms are written once (`generic`) with the vector steps of an
//! instruction set (`leaf`) and compiled for each.
//! `AECODEC_CPU=scalar|sse41|avx2|avxvnni|avx512bw|avx512|neon|simd128` forces an instruction set that the machine
//! has; with any other name the fastest one is used.

mod generic;
mod instantiate;
mod leaf;
#[cfg(target_arch = "aarch64")]
mod neon;
mod number;
mod packed;
mod scalar;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod simd128;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use generic::{Depthwise, Destination, Epilogue, Segment};
pub use number::{ACTIVATION_MAX, rnd, sat};
pub use packed::{PANEL, Packed, PackedTaps};

use std::sync::OnceLock;

/// An instruction set that kernels are compiled for, and that this machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Isa(Set);

/// Only [`Isa::available`] makes these, after it has asked the processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    Scalar,
    /// 128-bit `pmaddwd`.
    #[cfg(target_arch = "x86_64")]
    Sse41,
    /// 256-bit `vpmaddwd`.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// 256-bit `vpdpwssd`.
    #[cfg(target_arch = "x86_64")]
    AvxVnni,
    /// 512-bit `vpmaddwd`.
    #[cfg(target_arch = "x86_64")]
    Avx512Bw,
    /// 512-bit `vpdpwssd`.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// `smlal`.
    #[cfg(target_arch = "aarch64")]
    Neon,
    /// `i32x4.dot_i16x8_s`.
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    Simd128,
}

impl Isa {
    /// Plain Rust; the specification.
    pub const SCALAR: Self = Self(Set::Scalar);

    /// Every instruction set that this machine has, slowest first.
    pub fn available() -> Vec<Self> {
        // On other machines nothing is added, and `mut` is unused.
        #[cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64")), allow(unused_mut))]
        let mut sets = vec![Set::Scalar];
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2");
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl");
            for (set, has) in [
                (Set::Sse41, is_x86_feature_detected!("sse4.1")),
                (Set::Avx2, avx2),
                (Set::AvxVnni, avx2 && is_x86_feature_detected!("avxvnni")),
                (Set::Avx512Bw, avx512),
                (Set::Avx512, avx512 && is_x86_feature_detected!("avx512vnni")),
            ] {
                sets.extend(has.then_some(set));
            }
        }
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("neon") {
            sets.push(Set::Neon);
        }
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        sets.push(Set::Simd128);
        sets.into_iter().map(Self).collect()
    }

    /// The instruction set in use: the fastest, or the one that `AECODEC_CPU` names if the machine has it.
    pub fn chosen() -> Self {
        static CHOSEN: OnceLock<Isa> = OnceLock::new();
        *CHOSEN.get_or_init(|| {
            let sets = Self::available();
            let wanted = std::env::var("AECODEC_CPU").unwrap_or_default();
            sets.iter().copied().find(|p| p.name() == wanted).unwrap_or(sets[sets.len() - 1])
        })
    }

    /// The name in `AECODEC_CPU`.
    pub const fn name(self) -> &'static str {
        match self.0 {
            Set::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Set::Sse41 => "sse41",
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Set::AvxVnni => "avxvnni",
            #[cfg(target_arch = "x86_64")]
            Set::Avx512Bw => "avx512bw",
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => "avx512",
            #[cfg(target_arch = "aarch64")]
            Set::Neon => "neon",
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Set::Simd128 => "simd128",
        }
    }
}

/// Calls a kernel that is compiled for an instruction set.
///
/// # Safety
/// The arguments must be as the kernel requires. The processor has the features: only [`Isa::available`] makes a
/// [`Isa`] other than scalar, after it has asked the processor for them.
macro_rules! dispatch {
    ($isa:expr, $name:ident($($arg:expr),*)) => {
        match $isa.0 {
            Set::Scalar => scalar::kernels::$name($($arg),*),
            #[cfg(target_arch = "x86_64")]
            Set::Sse41 => x86::sse41_kernels::$name($($arg),*),
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => x86::avx2_kernels::$name($($arg),*),
            #[cfg(target_arch = "x86_64")]
            Set::AvxVnni => x86::avxvnni_kernels::$name($($arg),*),
            #[cfg(target_arch = "x86_64")]
            Set::Avx512Bw => x86::avx512bw_kernels::$name($($arg),*),
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => x86::avx512_kernels::$name($($arg),*),
            #[cfg(target_arch = "aarch64")]
            Set::Neon => neon::kernels::$name($($arg),*),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Set::Simd128 => simd128::kernels::$name($($arg),*),
        }
    };
}

/// Matrix product of `positions` input vectors, each the concatenation of `segments`, with the
/// output panels `panels` of `layer`; see [`Epilogue`] for what is written.
///
/// # Panics
/// Panics if a segment or the destination is too short, which is a bug of the caller and no fault of the input.
#[allow(unsafe_code)]
pub fn product(
    isa: Isa,
    layer: &Packed,
    panels: std::ops::Range<usize>,
    segments: &[Segment],
    positions: usize,
    epilogue: Epilogue,
    destination: Destination,
) {
    generic::check_product(layer, &panels, segments, positions, epilogue, &destination);
    // SAFETY: the arguments were just checked; a `Isa` promises the features.
    unsafe { dispatch!(isa, product(layer, panels, segments, positions, epilogue, destination)) }
}

/// Depthwise 3x3 over `count` neighbouring positions.
///
/// # Panics
/// Panics if the input or the output is too short, which is a bug of the caller and no fault of the input.
#[allow(unsafe_code)]
pub fn depthwise(isa: Isa, taps: &PackedTaps, call: Depthwise) {
    generic::check_depthwise(taps, &call);
    // SAFETY: the arguments were just checked; a `Isa` promises the features.
    unsafe { dispatch!(isa, depthwise(taps, call)) }
}

/// `x = sat(rnd(x * gain, shift))` for each channel.
///
/// # Panics
/// Panics if `x` is not a whole number of positions, which is a bug of the caller and no fault of the input.
#[allow(unsafe_code)]
pub fn scale(isa: Isa, x: &mut [i16], gains: &[u16], shift: u32) {
    assert!(!gains.is_empty() && x.len().is_multiple_of(gains.len()));
    // SAFETY: a `Isa` promises the features.
    unsafe { dispatch!(isa, scale(x, gains, shift)) }
}
