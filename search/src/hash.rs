//! Semantic hashes: 256 bits of which similar pictures share most.

use std::fmt;

/// Bits of a hash.
pub const BITS: u32 = 256;

/// A hash of which similar pictures share most bits: the signs of a projection of [`Features`](crate::Features).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SemanticHash(pub [u64; 4]);

impl SemanticHash {
    /// The hash whose bit `i` is set if value `i` is positive.
    pub(crate) fn of_signs(values: &[f32]) -> Self {
        let mut words = [0; 4];
        for (i, _) in values.iter().enumerate().take(BITS as usize).filter(|(_, value)| **value > 0.0) {
            words[i / 64] |= 1 << (i % 64);
        }
        Self(words)
    }

    /// Number of bits in which two hashes differ (Hamming distance), 0 to 256.
    pub fn distance(self, other: Self) -> u32 {
        self.0.iter().zip(other.0).map(|(a, b)| (a ^ b).count_ones()).sum()
    }

    /// Its 32 bytes, the first word first, each in little-endian order.
    pub fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (bytes, word) in bytes.chunks_exact_mut(8).zip(self.0) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// The hash with these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        Self(words)
    }
}

impl fmt::Display for SemanticHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Returns the positions of the `count` hashes that are nearest to `wanted`, with their distances, the nearest first. Of
/// hashes at the same distance, the first ones are taken.
pub fn nearest(hashes: &[SemanticHash], wanted: SemanticHash, count: usize) -> Vec<(usize, u32)> {
    let mut tally = [0_usize; BITS as usize + 1];
    let distances: Vec<u16> = hashes.iter().map(|hash| hash.distance(wanted) as u16).collect();
    for &distance in &distances {
        tally[usize::from(distance)] += 1;
    }
    // The largest distance that may be among the nearest ones.
    let mut before = 0;
    let largest = tally.iter().position(|&at| {
        before += at;
        before >= count
    });
    let largest = largest.map_or(BITS as u16, |distance| distance as u16);
    let near = distances.iter().enumerate().filter(|(_, distance)| **distance <= largest);
    let mut near: Vec<(usize, u32)> = near.map(|(i, &distance)| (i, distance.into())).collect();
    near.sort_by_key(|&(_, distance)| distance);
    near.truncate(count);
    near
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_survives_its_bytes_and_counts_its_bits() {
        let values: Vec<f32> = (0..256).map(|i| if i % 3 == 0 { 1.0 } else { -1.0 }).collect();
        let hash = SemanticHash::of_signs(&values);
        assert_eq!(hash.distance(SemanticHash([0; 4])), 86);
        assert_eq!(SemanticHash::from_bytes(hash.to_bytes()), hash);
        assert!(hash.to_string().starts_with("49922449"), "{hash}");
    }

    #[test]
    fn the_nearest_hashes_are_those_of_a_full_sort() {
        let hashes: Vec<_> = (0..500_u64)
            .map(|i| {
                SemanticHash(std::array::from_fn(|j| (i * 4 + j as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)))
            })
            .collect();
        let wanted = hashes[123];
        let mut all: Vec<_> = hashes.iter().map(|hash| hash.distance(wanted)).enumerate().collect();
        all.sort_by_key(|&(_, distance)| distance);
        assert_eq!(all[0], (123, 0));
        for count in [0, 1, 7, 499, 500, 900] {
            assert_eq!(nearest(&hashes, wanted, count), all[..count.min(500)]);
        }
        assert!(nearest(&[], wanted, 5).is_empty());
    }
}
