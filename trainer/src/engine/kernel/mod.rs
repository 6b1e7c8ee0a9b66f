//! What the engine needs of an instruction set, and all of its `unsafe` code.
//!
//! The engine is written once, for any [`Path`]. A path stores the operands of products as cells ([`Path::Cell`]:
//! `f32`, or bfloat16 if the processor multiplies those), sums in `f32`, and compiles work for its instruction set
//! ([`Path::run`]). `AECODEC_CPU=scalar|avx2|avx512|avx512bf16|neon` forces a path that the machine has; with any other
//! name the fastest one is used.

#[cfg(target_arch = "aarch64")]
pub(super) mod neon;
mod path;
pub(super) mod plain;
pub(super) mod product;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
pub(super) mod x86;

pub(super) use path::{LANES, Path, Strides, Sums, Work, value, vectorised};

/// The name of a path, for messages and benches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Set {
    Plain,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx512Bf16,
    #[cfg(target_arch = "aarch64")]
    Neon,
}

impl Set {
    /// Every path that this machine has, slowest first.
    pub(super) fn available() -> Vec<Self> {
        // On other machines nothing is added, and `mut` is unused.
        #[cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64")), allow(unused_mut))]
        let mut sets = vec![Self::Plain];
        #[cfg(target_arch = "x86_64")]
        {
            sets.extend(x86::Avx2::detect().map(|_| Self::Avx2));
            sets.extend(x86::Avx512::detect().map(|_| Self::Avx512));
            sets.extend(x86::Avx512Bf16::detect().map(|_| Self::Avx512Bf16));
        }
        #[cfg(target_arch = "aarch64")]
        sets.extend(neon::Neon::detect().map(|_| Self::Neon));
        sets
    }

    /// The fastest path, or the one that `AECODEC_CPU` names if the machine has it.
    pub(super) fn chosen() -> Self {
        let sets = Self::available();
        let wanted = std::env::var("AECODEC_CPU").unwrap_or_default();
        sets.iter().copied().find(|set| set.name() == wanted).unwrap_or(sets[sets.len() - 1])
    }

    /// The name in `AECODEC_CPU`.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Plain => "scalar",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Bf16 => "avx512bf16",
            #[cfg(target_arch = "aarch64")]
            Self::Neon => "neon",
        }
    }
}

/// Calls a function that is generic over a [`Path`] with the path of a [`Set`]. Evaluates to `None` if the machine does
/// not have it.
macro_rules! with_path {
    ($set:expr, |$path:ident| $body:expr) => {
        match $set {
            $crate::engine::kernel::Set::Plain => {
                let $path = $crate::engine::kernel::plain::Plain;
                Some($body)
            }
            #[cfg(target_arch = "x86_64")]
            $crate::engine::kernel::Set::Avx2 => {
                $crate::engine::kernel::x86::Avx2::detect().map(|$path| $body)
            }
            #[cfg(target_arch = "x86_64")]
            $crate::engine::kernel::Set::Avx512 => {
                $crate::engine::kernel::x86::Avx512::detect().map(|$path| $body)
            }
            #[cfg(target_arch = "x86_64")]
            $crate::engine::kernel::Set::Avx512Bf16 => {
                $crate::engine::kernel::x86::Avx512Bf16::detect().map(|$path| $body)
            }
            #[cfg(target_arch = "aarch64")]
            $crate::engine::kernel::Set::Neon => {
                $crate::engine::kernel::neon::Neon::detect().map(|$path| $body)
            }
        }
    };
}
pub(super) use with_path;
