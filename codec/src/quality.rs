//! The quality scale, and the gains of a model at each quality.

use std::fmt;

/// Quality from 0 (smallest file) to 100, in steps of 1/64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quality(u16);

impl Quality {
    /// Lowest quality.
    pub const MIN: Self = Self(0);
    /// Highest quality.
    pub const MAX: Self = Self(6400);

    /// The nearest step to `value`, or `None` if it is outside of 0 to 100.
    pub fn new(value: f64) -> Option<Self> {
        (0.0..=100.0).contains(&value).then(|| Self((value * 64.0).round() as u16))
    }

    /// From the value in a header, 0 to 6400.
    pub fn from_raw(raw: u16) -> Option<Self> {
        (raw <= Self::MAX.0).then_some(Self(raw))
    }

    /// The value in a header.
    pub const fn raw(self) -> u16 {
        self.0
    }

    /// The quality on the scale of 0 to 100.
    pub fn value(self) -> f64 {
        f64::from(self.0) / 64.0
    }
}

impl Default for Quality {
    /// Quality 50.
    fn default() -> Self {
        Self(3200)
    }
}

impl fmt::Display for Quality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", (self.value() * 100.0).round() / 100.0)
    }
}

/// Gains of a model over the whole scale (docs/format.md, section 4).
#[derive(Debug, Clone)]
pub(crate) struct GainTable {
    pub enc: Vec<u16>,
    pub dec: Vec<u16>,
    pub step: Vec<u16>,
    pub log_gain: Vec<i16>,
    pub rows: usize,
    pub gain_shift: u32,
    pub step_shift: u32,
}

/// Gains at one quality.
#[derive(Debug, Clone)]
pub(crate) struct Gains {
    /// `[C]`, `gain_shift` fraction bits.
    pub enc: Vec<u16>,
    /// `[C]`, `gain_shift` fraction bits.
    pub dec: Vec<u16>,
    /// Quantisation step `[M]` in units of y times 2^step_shift.
    pub step: Vec<u16>,
    /// 128 * log2 of the latent gain, `[M]`.
    pub log_gain: Vec<i16>,
    /// The encoder's inverse of `step`, `[M]`, 24 fraction bits.
    pub inverse: Vec<i64>,
    pub gain_shift: u32,
    pub step_shift: u32,
}

impl GainTable {
    /// Interpolates every table at `quality`.
    pub fn at(&self, quality: Quality) -> Gains {
        let u = usize::from(quality.raw()) * (self.rows - 1);
        let i = (u / 6400).min(self.rows - 2);
        let w = (u - 6400 * i) as i64;
        let mix = |a: i64, b: i64| (a * (6400 - w) + b * w + 3200).div_euclid(6400);
        let unsigned = |table: &[u16]| -> Vec<u16> {
            let n = table.len() / self.rows;
            let (a, b) = (&table[i * n..][..n], &table[(i + 1) * n..][..n]);
            a.iter().zip(b).map(|(&a, &b)| mix(a.into(), b.into()) as u16).collect()
        };
        let n = self.log_gain.len() / self.rows;
        let (a, b) = (&self.log_gain[i * n..][..n], &self.log_gain[(i + 1) * n..][..n]);
        let step = unsigned(&self.step);
        Gains {
            enc: unsigned(&self.enc),
            dec: unsigned(&self.dec),
            log_gain: a.iter().zip(b).map(|(&a, &b)| mix(a.into(), b.into()) as i16).collect(),
            inverse: step.iter().map(|&s| (1_i64 << (self.step_shift + 24)) / i64::from(s.max(1))).collect(),
            step,
            gain_shift: self.gain_shift,
            step_shift: self.step_shift,
        }
    }
}
