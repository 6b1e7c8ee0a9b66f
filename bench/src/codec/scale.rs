//! The quality scale of a codec, in whole steps from its worst to its best usual quality.

/// The range of qualities of a codec, from the smallest files to the largest.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QualityScale {
    /// The quality that gives the smallest files of the usual range. It may be the larger number, as it is for
    /// quantisers and distances.
    pub worst: f64,
    /// The quality that gives the largest files of the usual range.
    pub best: f64,
    /// The distance between two adjacent qualities, above 0.
    pub step: f64,
}

impl QualityScale {
    /// The number of whole steps from worst to best.
    pub fn steps(&self) -> u32 {
        // For steps such as 0.1 the quotient may be just below a whole number.
        ((self.best - self.worst).abs() / self.step + 1e-6).floor() as u32
    }

    /// The quality that is `step` steps from the worst. `step` is at most [`QualityScale::steps`].
    pub fn at(&self, step: u32) -> f64 {
        let quality = self.worst + (self.best - self.worst).signum() * self.step * f64::from(step);
        // Steps such as 0.1 leave rounding errors, which would end up in command lines and cache keys.
        (quality * 1e6).round() / 1e6
    }

    /// The step whose quality is nearest to this one.
    pub fn nearest(&self, quality: f64) -> u32 {
        let steps = (quality - self.worst) * (self.best - self.worst).signum() / self.step;
        (steps.round() as u32).min(self.steps())
    }

    /// `count` qualities spread evenly over the scale, worst first. If the scale has fewer, all of them are returned.
    pub fn ladder(&self, count: usize) -> Vec<f64> {
        let steps = self.steps();
        let count = (count as u32).clamp(1, steps + 1);
        if count == 1 {
            return vec![self.at(steps / 2)];
        }
        (0..count).map(|i| self.at((i * steps + (count - 1) / 2) / (count - 1))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ladder_runs_from_worst_to_best_in_whole_steps() {
        let rising = QualityScale { worst: 5.0, best: 95.0, step: 1.0 };
        assert_eq!(rising.ladder(4), [5.0, 35.0, 65.0, 95.0]);
        let falling = QualityScale { worst: 6.0, best: 0.5, step: 0.1 };
        let ladder = falling.ladder(8);
        assert_eq!((ladder[0], ladder[7]), (6.0, 0.5));
        assert!(ladder.is_sorted_by(|a, b| a > b));
        assert_eq!(QualityScale { worst: 0.0, best: 2.0, step: 1.0 }.ladder(9), [0.0, 1.0, 2.0]);
        assert_eq!(
            QualityScale { worst: 1.0, best: 9.0, step: 3.0 }.ladder(9),
            [1.0, 4.0, 7.0],
            "never beyond the best"
        );
        assert_eq!(rising.ladder(1), [50.0]);
        for scale in [rising, falling] {
            assert!((0..=scale.steps()).all(|step| scale.nearest(scale.at(step)) == step));
        }
    }
}
