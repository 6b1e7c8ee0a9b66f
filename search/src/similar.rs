//! Searches an index, and groups near-duplicates.

use crate::hash::nearest;
use crate::index::Entry;
use crate::{Description, SemanticHash};

/// The fewest candidates by hash that are compared by features.
const CANDIDATES: usize = 200;

/// A picture that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Match {
    /// Its position in the list that was searched.
    pub index: usize,
    /// Number of bits of the hash that differ, 0 to 256.
    pub distance: u32,
    /// Cosine of the angle between the features, -1 to 1.
    pub similarity: f32,
}

/// Returns the `top` pictures that are most similar to `wanted`, the most similar first: the candidates are those with the
/// nearest hashes, and their order is that of the features.
pub fn search(entries: &[Entry], wanted: &Description, top: usize) -> Vec<Match> {
    let hashes: Vec<SemanticHash> = entries.iter().map(|entry| entry.description.hash).collect();
    let candidates = nearest(&hashes, wanted.hash, top.saturating_mul(10).max(CANDIDATES));
    let mut matches: Vec<Match> = candidates
        .into_iter()
        .map(|(index, distance)| {
            let similarity = entries[index].description.features.similarity(&wanted.features);
            Match { index, distance, similarity }
        })
        .collect();
    matches.sort_by(|a, b| b.similarity.total_cmp(&a.similarity));
    matches.truncate(top);
    matches
}

/// What counts as a near-duplicate. Both conditions must hold.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Threshold {
    /// The largest distance of hashes.
    pub distance: u32,
    /// The least similarity of features.
    pub similarity: f32,
}

impl Default for Threshold {
    /// Finds other sizes, formats and qualities of a picture. `docs/search.md` gives figures.
    fn default() -> Self {
        Self { distance: 80, similarity: 0.85 }
    }
}

/// Returns the groups of near-duplicates, each with the positions of its pictures in increasing order. Two pictures are in
/// one group if they are near-duplicates, or if a chain of near-duplicates leads from one to the other.
pub fn duplicates(entries: &[Entry], threshold: Threshold) -> Vec<Vec<usize>> {
    let hashes: Vec<SemanticHash> = entries.iter().map(|entry| entry.description.hash).collect();
    let mut parents: Vec<usize> = (0..entries.len()).collect();
    for (i, a) in entries.iter().enumerate() {
        for j in i + 1..entries.len() {
            if hashes[i].distance(hashes[j]) <= threshold.distance
                && a.description.features.similarity(&entries[j].description.features) >= threshold.similarity
            {
                let (a, b) = (root(&mut parents, i), root(&mut parents, j));
                parents[a.max(b)] = a.min(b);
            }
        }
    }
    let mut groups = vec![Vec::new(); entries.len()];
    for i in 0..entries.len() {
        groups[root(&mut parents, i)].push(i);
    }
    groups.retain(|group| group.len() > 1);
    groups
}

/// The first picture of the group of `i`. Shortens the way to it (union-find with path halving).
fn root(parents: &mut [usize], mut i: usize) -> usize {
    while parents[i] != i {
        parents[i] = parents[parents[i]];
        i = parents[i];
    }
    i
}
