//! The learning rate over a run.

/// A linear warm-up and a plateau, followed by a cosine down to one hundredth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// The rate of the plateau. Default 5e-4. For trained weights, 2e-4 to 6e-4 are suitable.
    pub rate: f64,
    /// The number of steps of the warm-up. Default 200.
    pub warmup: usize,
    /// The share of the run before the rate falls, below 1. Default 0.3.
    pub hold: f64,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { rate: 5e-4, warmup: 200, hold: 0.3 }
    }
}

impl Schedule {
    /// The rate of a step, counted from 0, at this share of the run, from 0 to 1.
    pub fn at(&self, step: usize, progress: f64) -> f64 {
        let fall = ((progress - self.hold) / (1.0 - self.hold)).clamp(0.0, 1.0);
        let cosine = (1.0 + (std::f64::consts::PI * fall).cos()) / 2.0;
        let warm = ((step + 1) as f64 / self.warmup.max(1) as f64).min(1.0);
        self.rate * warm * (0.01 + 0.99 * cosine)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_rises_stays_and_falls_to_a_hundredth() {
        let schedule = Schedule { rate: 1.0, warmup: 4, hold: 0.5 };
        let found =
            [(0, 0.0), (1, 0.1), (3, 0.2), (50, 0.5), (75, 0.75), (100, 1.0)].map(|(s, p)| schedule.at(s, p));
        for (found, expected) in found.into_iter().zip([0.25, 0.5, 1.0, 1.0, 0.505, 0.01]) {
            assert!((found - expected).abs() < 1e-12, "{found}, expected {expected}");
        }
    }
}
