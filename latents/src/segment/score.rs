//! How well label maps agree.

use super::labels::Labels;
use crate::{Error, Result};

/// Counts of pixels by their true and their found class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confusion {
    classes: usize,
    /// `[true, found]`.
    counts: Vec<u64>,
}

impl Confusion {
    /// No pixels yet.
    pub fn new(classes: usize) -> Self {
        Self { classes, counts: vec![0; classes * classes] }
    }

    /// Counts the pixels of a picture. Those whose true value is no class are left out.
    ///
    /// # Errors
    /// Returns [`Error::Size`] if the maps have different sizes.
    pub fn add(&mut self, truth: &Labels, found: &Labels) -> Result<()> {
        let (expected, size) = ((found.width, found.height), (truth.width, truth.height));
        if expected != size {
            return Err(Error::Size { expected, found: size });
        }
        for (&truth, &found) in truth.values.iter().zip(&found.values) {
            let (truth, found) = (usize::from(truth), usize::from(found));
            if truth < self.classes && found < self.classes {
                self.counts[truth * self.classes + found] += 1;
            }
        }
        Ok(())
    }

    /// Adds the counts of another.
    pub fn merge(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(sum, count)| *sum += count);
    }

    /// The intersection over union of a class: the pixels that are rightly of it, among those that are of it in any of the two maps.
    /// `None` if there are none.
    pub fn iou(&self, class: usize) -> Option<f64> {
        let at = |truth: usize, found: usize| self.counts[truth * self.classes + found];
        let right = at(class, class);
        let any: u64 =
            (0..self.classes).map(|other| at(class, other) + at(other, class)).sum::<u64>() - right;
        (any > 0).then(|| right as f64 / any as f64)
    }

    /// The mean over the classes that occur; `None` if none does.
    pub fn mean_iou(&self) -> Option<f64> {
        let all: Vec<f64> = (0..self.classes).filter_map(|class| self.iou(class)).collect();
        (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64)
    }

    /// The share of pixels that are right.
    pub fn accuracy(&self) -> f64 {
        let right: u64 = (0..self.classes).map(|class| self.counts[class * (self.classes + 1)]).sum();
        right as f64 / self.counts.iter().sum::<u64>().max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intersections_over_unions_are_those_of_the_definition() {
        let labels =
            |values: &[u8]| Labels { width: values.len() as u32, height: 1, values: values.to_vec() };
        let mut confusion = Confusion::new(3);
        confusion.add(&labels(&[0, 0, 0, 1, 1, 11]), &labels(&[0, 0, 1, 1, 0, 1])).unwrap();
        assert_eq!([0, 1, 2].map(|class| confusion.iou(class)), [Some(0.5), Some(1.0 / 3.0), None]);
        assert!((confusion.mean_iou().unwrap() - 5.0 / 12.0).abs() < 1e-9);
        assert!((confusion.accuracy() - 0.6).abs() < 1e-9);
        assert!(confusion.add(&labels(&[0]), &labels(&[0, 1])).is_err());
    }
}
