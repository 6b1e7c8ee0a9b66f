//! From scores to decisions with a known rate of false alarms: split conformal prediction (Vovk, Gammerman and Shafer,
//! *Algorithmic learning in a random world*, 2005), on pictures that the model did not see.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Scores of held-out normal pictures.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Calibration {
    /// Of each picture: error and distance.
    pub scores: Vec<[f32; 2]>,
}

/// The largest scores of a usual picture.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Thresholds {
    /// Of [`Score::error`](super::Score::error).
    pub error: f32,
    /// Of [`Score::distance`](super::Score::distance).
    pub distance: f32,
}

impl Calibration {
    /// The thresholds that at most this share of usual pictures exceeds. The two scores have different spreads, so they are
    /// made comparable by mean and deviation of their logarithms, and one threshold is chosen for the larger of the two.
    pub fn thresholds(&self, rate: f32) -> Result<Thresholds> {
        if !(rate > 0.0 && rate < 1.0) {
            return Err(Error::Rate(rate));
        }
        let count = self.scores.len();
        // A little more, so that 0.01 of 100 are one.
        let share = f64::from(rate) * (1.0 + 1e-6);
        let kept = (share * (count + 1) as f64) as usize;
        if kept == 0 {
            let expected = (1.0 / share).ceil() as usize - 1;
            return Err(Error::TooFew { rate: Some(rate), expected, found: count });
        }
        let spreads = [0, 1].map(|which| Spread::of(self.scores.iter().map(|score| score[which])));
        let joint = |score: &[f32; 2]| spreads[0].from(score[0]).max(spreads[1].from(score[1]));
        let mut all: Vec<f32> = self.scores.iter().map(joint).collect();
        all.sort_by(|a, b| b.total_cmp(a));
        // A new picture is above the k-th largest of n others with a probability of at most k / (n + 1).
        let limit = all[kept - 1];
        Ok(Thresholds { error: spreads[0].at(limit), distance: spreads[1].at(limit) })
    }
}

/// Mean and deviation of the logarithms of a score.
struct Spread {
    mean: f32,
    deviation: f32,
}

impl Spread {
    fn of(scores: impl Iterator<Item = f32> + Clone) -> Self {
        let count = scores.clone().count() as f32;
        let logs = scores.map(logarithm);
        let mean = logs.clone().sum::<f32>() / count;
        let variance = logs.map(|log| (log - mean).powi(2)).sum::<f32>() / count;
        // Pictures that are all the same have no spread.
        Self { mean, deviation: variance.sqrt().max(0.01) }
    }

    fn from(&self, score: f32) -> f32 {
        (logarithm(score) - self.mean) / self.deviation
    }

    fn at(&self, limit: f32) -> f32 {
        (self.mean + limit * self.deviation).exp()
    }
}

fn logarithm(score: f32) -> f32 {
    score.max(1e-6).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_usual_pictures_exceed_the_thresholds_as_were_asked_for() {
        let scores: Vec<[f32; 2]> = (1..=99).map(|i| [i as f32, (100 - i) as f32 * 7.0]).collect();
        let calibration = Calibration { scores: scores.clone() };
        for rate in [0.01, 0.05, 0.1, 0.5] {
            let limits = calibration.thresholds(rate).unwrap();
            let above = scores
                .iter()
                .filter(|s| s[0] > limits.error * 1.0001 || s[1] > limits.distance * 1.0001)
                .count();
            let kept = (rate * 100.0).round() as usize;
            assert!(above < kept && above + 2 >= kept, "{rate}: {above}");
        }
        assert!(matches!(calibration.thresholds(0.001), Err(Error::TooFew { expected: 999, found: 99, .. })));
        assert!(matches!(calibration.thresholds(1.0), Err(Error::Rate(_))));
    }
}
