//! Sums and products of sizes. They are 64-bit and saturate, so that no estimate of memory is too low because of an overflow,
//! on 32-bit machines too.

/// The product of these factors, saturated to 64 bits.
pub(crate) fn product<const N: usize>(factors: [usize; N]) -> u64 {
    factors.iter().fold(1, |all: u64, &factor| all.saturating_mul(factor as u64))
}

/// The sum of these parts, saturated to 64 bits.
pub(crate) fn sum<const N: usize>(parts: [u64; N]) -> u64 {
    parts.iter().fold(0, |all: u64, &part| all.saturating_add(part))
}
