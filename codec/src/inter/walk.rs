//! The walk over the latents of a P-frame, which encoder and decoder share: the passes of all groups together.

use super::TemporalPrior;
use super::predict::{Group, Predicted};
use crate::band::Grid;
use crate::kernel::{Isa, rnd, sat};
use crate::model::Model;
use crate::net::context::{PASSES, QUARTER, phase};
use crate::net::{Plane, Scratch};
use crate::quality::{Gains, Quality};
use crate::rect::Rect;
use crate::saturating::product;
use crate::threads;
use crate::walk::{Coded, level};
use crate::{Error, Result};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What the groups of a frame share.
pub(super) struct Walk<'a> {
    pub model: &'a Model,
    pub prior: &'a TemporalPrior,
    pub isa: Isa,
    pub quality: Quality,
    pub gains: &'a Gains,
    pub threads: usize,
}

/// The source of the symbols of a walk.
pub(super) trait Symbols {
    /// Returns the symbols of a pass of all groups. `sites` has the group of each coded latent and its offset there, `means` the
    /// predicted latents.
    fn pass(&mut self, pass: usize, coded: &[Predictions]) -> Result<Vec<i16>>;
}

/// The latents that a pass codes in a group.
#[derive(Debug)]
pub(super) struct Predictions {
    /// The group's place in the frame.
    pub rect: Rect,
    pub coded: Coded,
    /// The predicted mean of each.
    pub means: Vec<i16>,
}

/// A group that is walked, and what its last pass predicted.
struct Walked {
    rect: Rect,
    group: Group,
    predicted: Option<(Predicted, Coded)>,
}

impl Walk<'_> {
    /// Walks the active groups of a frame, and returns its latents: those of the reference, with all that is active replaced.
    pub fn run(
        &self,
        reference: &Plane,
        classes: &[u8],
        group_log2: u8,
        symbols: &mut impl Symbols,
    ) -> Result<Plane> {
        let groups = self.groups(reference, classes, group_log2);
        for pass in 0..PASSES {
            threads::for_each(self.threads, &groups, Scratch::default, |scratch, walked| {
                let mut walked = lock(walked);
                let predicted = walked.group.predict(&self.prior.net, self.isa, pass, scratch);
                let coded = self.select(pass, &walked.group.classes, &predicted.scale);
                walked.predicted = Some((predicted, coded));
            });
            let mut coded = Vec::with_capacity(groups.len());
            for walked in &groups {
                coded.push(lock(walked).predictions(pass));
            }
            let values = symbols.pass(pass, &coded)?;
            let mut rest = &values[..];
            for (walked, predictions) in groups.iter().zip(&coded) {
                let (own, others) = rest
                    .split_at_checked(predictions.means.len())
                    .ok_or_else(|| Error::Invalid { what: "P-frame", detail: "too few symbols".into() })?;
                rest = others;
                self.reconstruct(pass, &mut lock(walked), &predictions.coded.sites, own);
            }
        }
        let mut latents = reference.clone();
        for walked in &groups {
            let walked = lock(walked);
            for y in 0..walked.rect.height() {
                let count = walked.rect.width();
                latents
                    .run_mut(walked.rect.rows.start + y, walked.rect.columns.start, count)
                    .copy_from_slice(walked.group.y_hat.run(y, 0, count));
            }
        }
        Ok(latents)
    }

    /// The groups that have an active position.
    fn groups(&self, reference: &Plane, classes: &[u8], group_log2: u8) -> Vec<Mutex<Walked>> {
        let (height, width) = (reference.height, reference.width);
        let grid = Grid { height, width, side: (1 << group_log2) / 16, groups_deep: 1 };
        let active = |rect: &Rect| -> Option<Vec<u8>> {
            let row = |y: usize| &classes[y * width..][rect.columns.clone()];
            let inside: Vec<u8> = rect.rows.clone().flat_map(|y| row(y).iter().copied()).collect();
            inside.iter().any(|&class| class > 0).then_some(inside)
        };
        let active = (0..grid.groups()).map(|i| grid.rect(i)).filter_map(|rect| Some((active(&rect)?, rect)));
        let active: Vec<(Vec<u8>, Rect)> = active.collect();
        let made = Mutex::new(Vec::new());
        let places: Vec<usize> = (0..active.len()).collect();
        threads::for_each(self.threads, &places, Scratch::default, |scratch, &place| {
            let (classes, rect) = &active[place];
            let crop =
                reference.crop_or_repeat(rect.rows.start, rect.columns.start, rect.height(), rect.width());
            let group = Group::new(&self.prior.net, self.isa, crop, classes.clone(), self.quality, scratch);
            let walked = Mutex::new(Walked { rect: rect.clone(), group, predicted: None });
            made.lock().unwrap_or_else(PoisonError::into_inner).push((place, walked));
        });
        let mut made = made.into_inner().unwrap_or_else(PoisonError::into_inner);
        made.sort_by_key(|&(place, _)| place);
        made.into_iter().map(|(_, walked)| walked).collect()
    }

    /// Lists the latents of a pass at active positions whose level is not below the model's threshold.
    fn select(&self, pass: usize, classes: &[u8], scales: &Plane) -> Coded {
        let (m, quarter) = (self.model.net.shapes.m, scales.channels);
        let mut coded = Coded::default();
        for y in 0..scales.height {
            for x in 0..scales.width {
                if classes[y * scales.width + x] == 0 {
                    continue;
                }
                let first = QUARTER[pass][phase(y, x)] * quarter;
                let log_gain = &self.gains.log_gain[first..first + quarter];
                let site = ((y * scales.width + x) * m + first) as u32;
                for ((i, &scale), &gain) in (site..).zip(scales.run(y, x, 1)).zip(log_gain) {
                    let level = level(scale, gain);
                    if level >= self.model.skip_below {
                        coded.levels.push(level);
                        coded.sites.push(i);
                    }
                }
            }
        }
        coded
    }

    /// Writes the decoded latents of a pass, and their change.
    fn reconstruct(&self, pass: usize, walked: &mut Walked, sites: &[u32], values: &[i16]) {
        let Some((predicted, _)) = walked.predicted.take() else { return };
        let Group { reference, change, y_hat, classes, .. } = &mut walked.group;
        let m = y_hat.channels;
        let quarter = m / 4;
        for (position, _) in classes.iter().enumerate().filter(|&(_, &class)| class > 0) {
            let (y, x) = (position / y_hat.width, position % y_hat.width);
            let first = position * m + QUARTER[pass][phase(y, x)] * quarter;
            y_hat.data[first..first + quarter].copy_from_slice(predicted.mean.run(y, x, 1));
        }
        for (&site, &r) in sites.iter().zip(values).filter(|&(_, &r)| r != 0) {
            let step = self.gains.step[site as usize % m];
            let y = &mut y_hat.data[site as usize];
            *y = sat(i32::from(*y)
                .wrapping_add(rnd(i32::from(r).wrapping_mul(step.into()), self.gains.step_shift)));
        }
        for (position, _) in classes.iter().enumerate().filter(|&(_, &class)| class > 0) {
            let (y, x) = (position / y_hat.width, position % y_hat.width);
            let first = position * m + QUARTER[pass][phase(y, x)] * quarter;
            for i in first..first + quarter {
                change.data[i] = sat(i32::from(y_hat.data[i]) - i32::from(reference.data[i]));
            }
        }
    }
}

impl Walked {
    /// What the pass codes, for [`Symbols`].
    fn predictions(&mut self, pass: usize) -> Predictions {
        let Some((predicted, coded)) = &mut self.predicted else {
            return Predictions { rect: self.rect.clone(), coded: Coded::default(), means: Vec::new() };
        };
        let m = self.group.y_hat.channels;
        let quarter = m / 4;
        let mean = |&site: &u32| {
            let (position, channel) = (site as usize / m, site as usize % m);
            debug_assert_eq!(
                channel / quarter,
                QUARTER[pass][phase(position / self.rect.width(), position % self.rect.width())]
            );
            predicted.mean.data[position * quarter + channel % quarter]
        };
        let means = coded.sites.iter().map(mean).collect();
        Predictions { rect: self.rect.clone(), coded: std::mem::take(coded), means }
    }
}

fn lock(walked: &Mutex<Walked>) -> MutexGuard<'_, Walked> {
    walked.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes of memory that a walk over a frame of `height` x `width` latents takes besides its reference.
pub(super) fn memory((height, width): (usize, usize), model: &Model, prior: &TemporalPrior) -> u64 {
    let (m, p) = (model.net.shapes.m, prior.width());
    // The frame, its groups (reference, change, latents), the heads of a pass, levels, sites, means and symbols; features.
    product([height, width, 2 * (5 * m) + 9 * m / 4 + 8 * p])
}
