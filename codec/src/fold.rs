//! Folds a picture of empty groups into a small one that looks the same everywhere.

use std::ops::Range;

/// The latents of an empty group repeat with this period, except near its edges.
const PERIOD: usize = 4;
/// Latents at the edge of an empty group that do not repeat: hd1 reads two latents away; hd2, hd3 and the three runs of ctx
/// read one each.
const EDGE: usize = 8;
/// How the latents along one side of a picture fold into fewer: whole groups in its middle are left out, and whole periods
/// of each group. Latents near an edge of a group or of the picture keep their distance from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fold {
    /// Number of latents, and of latents in a whole group.
    count: usize,
    side: usize,
    /// The same of the small picture.
    small_last: usize,
    pub small_side: usize,
    /// Number of groups, and of groups in the small picture.
    groups: usize,
    small_groups: usize,
    /// Groups at the beginning that see the edge of the picture.
    first: usize,
    /// Latents at either edge of a group that do not repeat, or whose pixels do not.
    edge: usize,
}

impl Fold {
    pub fn new(count: usize, side: usize, reach: usize) -> Self {
        let (groups, edge) = (count.div_ceil(side).max(1), EDGE + reach);
        let first = reach.div_ceil(side).max(1);
        // The last group may be smaller than the others, so the group before it sees something else than they do.
        let small_groups = groups.min(2 * first + 2);
        let folded = |whole: usize, least: usize| match whole.checked_sub(2 * edge) {
            Some(inside) if inside > least => 2 * edge + least + inside % PERIOD,
            _ => whole,
        };
        let last = count - (groups - 1) * side;
        // A whole group is never smaller than the last one, as in any picture.
        let (small_side, small_last) = (folded(side, 2 * PERIOD), folded(last, PERIOD));
        Self { count, side, small_last, small_side, groups, small_groups, first, edge }
    }

    /// Number of latents of the small picture.
    pub fn small(&self) -> usize {
        (self.small_groups - 1) * self.small_side + self.small_last
    }

    /// The latent of the small picture that `latent` is equal to.
    pub fn at(&self, latent: usize) -> usize {
        let group = (latent / self.side).min(self.groups - 1);
        let left_out = self.groups - self.small_groups;
        let small = match group {
            group if left_out == 0 || group < self.first => group,
            group if group < self.first + left_out => self.first,
            group => group - left_out,
        };
        let last = group == self.groups - 1;
        let whole = if last { self.count - group * self.side } else { self.side };
        let folded = if last { self.small_last } else { self.small_side };
        let x = latent - group * self.side;
        let inside = if whole == folded || x < self.edge {
            x
        } else if x + self.edge >= whole {
            x - (whole - folded)
        } else {
            self.edge + (x - self.edge) % PERIOD
        };
        small * self.small_side + inside
    }

    /// The runs of neighbouring latents of the small picture that these latents are equal to, in order.
    pub fn runs(&self, latents: Range<usize>) -> impl Iterator<Item = Range<usize>> {
        let mut next = latents.start;
        std::iter::from_fn(move || {
            if next >= latents.end {
                return None;
            }
            let start = self.at(next);
            let mut end = start;
            while next < latents.end && self.at(next) == end {
                (next, end) = (next + 1, end + 1);
            }
            Some(start..end)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The synthesis of each latent sees the same in the picture and in the small picture: the same distances from edges, and
    /// the same phase.
    #[test]
    fn a_fold_keeps_what_the_synthesis_of_each_latent_sees() {
        // A latent of an empty group depends on its distance from each edge, as far as it matters, and on its phase.
        let kind = |at: usize, whole: usize| (at.min(EDGE), (whole - 1 - at).min(EDGE), at % PERIOD);
        for (count, side, reach) in [
            (1, 4, 5),
            (3, 64, 5),
            (64, 64, 5),
            (500, 64, 5),
            (513, 64, 5),
            (1000, 4, 5),
            (1001, 4, 9),
            (777, 8, 5),
            (300, 32, 3),
            (300, 33, 1),
            (2000, 1024, 5),
            (1535, 512, 7),
            (40, 1024, 6),
        ] {
            let fold = Fold::new(count, side, reach);
            let small = Fold { count: fold.small(), side: fold.small_side, ..fold.clone() };
            let seen = |at: usize, count: usize, side: usize| -> Vec<Option<_>> {
                (0..=2 * reach)
                    .map(|i| {
                        let at = (at + i).checked_sub(reach).filter(|&at| at < count)?;
                        let whole = side.min(count - at / side * side);
                        Some(kind(at % side, whole))
                    })
                    .collect()
            };
            assert!(fold.small() <= count);
            assert!(fold.small_last <= fold.small_side, "{count} of {side}");
            for at in 0..count {
                let to = fold.at(at);
                assert_eq!(
                    seen(at, count, side),
                    seen(to, small.count, small.side),
                    "{at} of {count} by {side}"
                );
            }
            let all: Vec<usize> = fold.runs(0..count).flatten().collect();
            assert_eq!(all, (0..count).map(|at| fold.at(at)).collect::<Vec<_>>());
        }
    }
}
