//! A mutator for runs without libFuzzer: it changes a seed in a few places, the same for the same number.

use crate::random::Random;

/// The longest input that is made.
const LONGEST: usize = 1 << 16;
/// Numbers that are often limits.
const INTERESTING: [u32; 10] = [0, 1, 127, 128, 255, 256, 32767, 65535, i32::MAX as u32, u32::MAX];

/// Makes inputs from seeds.
#[derive(Debug)]
pub struct Mutator<'a> {
    seeds: &'a [Vec<u8>],
    random: Random,
}

impl<'a> Mutator<'a> {
    /// Mutates these seeds. If there are none, the inputs are noise.
    pub fn new(seeds: &'a [Vec<u8>], number: u64) -> Self {
        Self { seeds, random: Random::new(number) }
    }

    /// The next input.
    pub fn input(&mut self) -> Vec<u8> {
        let mut bytes = self.seed();
        if bytes.is_empty() || self.random.below(20) == 0 {
            let count = self.random.below(300);
            return (0..count).map(|_| self.random.number() as u8).collect();
        }
        for _ in 0..1 + self.random.below(6) {
            self.change(&mut bytes);
        }
        bytes.truncate(LONGEST);
        bytes
    }

    fn seed(&mut self) -> Vec<u8> {
        if self.seeds.is_empty() {
            return Vec::new();
        }
        self.seeds[self.random.below(self.seeds.len())].clone()
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        let length = bytes.len().max(1);
        let at = self.random.below(length);
        match self.random.below(9) {
            0 | 1 => bytes.iter_mut().skip(at).take(1).for_each(|b| *b ^= 1 << self.random.below(8)),
            2 | 3 => bytes.iter_mut().skip(at).take(1).for_each(|b| *b = self.random.number() as u8),
            4 => {
                let number = INTERESTING[self.random.below(INTERESTING.len())].to_le_bytes();
                let width = 1 << self.random.below(3);
                bytes.iter_mut().skip(at).zip(&number[..width]).for_each(|(b, &n)| *b = n);
            }
            5 => {
                let end = (at + 1 + self.random.below(16)).min(bytes.len());
                bytes.drain(at.min(end)..end);
            }
            6 => {
                let count = 1 + self.random.below(16);
                let noise: Vec<u8> = (0..count).map(|_| self.random.number() as u8).collect();
                bytes.splice(at..at, noise);
            }
            7 => {
                let from = self.random.below(length);
                let part = bytes[from..(from + 1 + self.random.below(32)).min(bytes.len())].to_vec();
                bytes.splice(at..at, part);
            }
            _ => {
                // The end of another seed.
                let other = self.seed();
                let from = self.random.below(other.len().max(1));
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
        }
    }
}
