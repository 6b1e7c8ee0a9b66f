//! Whole pixels of graphics: whether one equals a neighbour, or what came before in the same surroundings.

use super::bits::Coder;
use super::mix::{CONTEXTS, FRESH, Mixer, Slot, code_with, update};
use super::rows::{PAD, Rows};

/// The most candidates of a pixel.
const MOST: usize = 7;
/// Contexts that are looked up by a hash of the surroundings; one more is an index.
const HASHED: usize = CONTEXTS - 1;
/// Sizes of the tables, as powers of two.
const LOG2: std::ops::RangeInclusive<u32> = 10..=18;
/// Contexts by the pattern of equal neighbours.
const PATTERNS: usize = 1 << 15;
/// The rate at which weights learn.
const RATE: i32 = 20;
/// Equal pixels after which a match is trusted more than the surroundings.
const FIRM: u32 = 16;
/// Longest run of equal pixels that a context tells from shorter ones.
const RUN: u32 = 255;
/// Pairs of neighbours that a pattern compares.
const PAIRS: [(usize, usize); 8] = [(0, 1), (0, 2), (1, 2), (1, 3), (0, 4), (1, 5), (3, 7), (2, 9)];

/// A check, and a slot for each candidate.
type Bucket = [Slot; 1 + MOST];

/// Codes pixels as candidates.
pub struct Pixels {
    pub rows: Rows<u32>,
    tables: [Vec<Bucket>; HASHED],
    patterns: Vec<Bucket>,
    mixer: Mixer,
    mask: u32,
    /// The last pixel after the same surroundings, with their hash: those of twelve neighbours, and those of two.
    far: Vec<Option<(u32, u32)>>,
    near: Vec<Option<(u32, u32)>>,
    matched: Match,
    /// Number of equal pixels up to the one before in the row, and up to the one above in each column.
    across: u32,
    down: Vec<u32>,
    /// Number of pixels in a row that were their first candidate.
    run: u32,
    /// Hashes of the surroundings.
    hashes: [u32; HASHED],
    /// The last pixel with this first sample, and whether the next one was the same.
    rests: [Option<u32>; 256],
    same: [Slot; 256],
}

/// A copy of an area from some distance before.
struct Match {
    /// All pixels so far.
    past: Vec<u32>,
    /// Distance from a pixel to the one that it copies; 0 if there is none.
    distance: usize,
    /// Number of pixels that it predicted.
    length: u32,
    /// The distance that predicted the pixel above, or 0, for each column.
    above: Vec<usize>,
    /// For each hash of the surroundings, the index after the pixel where they were last seen.
    places: Vec<u32>,
    /// The pixel that it predicts.
    predicted: Option<u32>,
}

impl Match {
    /// Follows the match to the next pixel, or looks for another one.
    fn follow(&mut self, x: usize, place: usize) {
        let at = self.past.len();
        if self.length == 0 {
            self.distance = match (self.above[x], self.places[place]) {
                (0, 0) => 0,
                (0, place) => at + 1 - place as usize,
                (above, _) => above,
            };
        }
        let from = at.checked_sub(self.distance).filter(|_| self.distance > 0);
        self.predicted = from.map(|from| self.past[from]);
    }

    fn learn(&mut self, x: usize, place: usize, pixel: u32) {
        let held = self.predicted == Some(pixel);
        self.past.push(pixel);
        self.length = if held { self.length.saturating_add(1) } else { 0 };
        self.above[x] = if held { self.distance } else { 0 };
        self.places[place] = self.past.len() as u32;
    }
}

/// The size of the tables for a group of this many pixels, as a power of two.
fn log2(pixels: usize) -> u32 {
    (pixels.max(1).ilog2() + 1).clamp(*LOG2.start(), *LOG2.end())
}

/// Bytes of the model for a group of this many pixels.
pub fn bytes(pixels: usize) -> u64 {
    let tables = (HASHED * size_of::<Bucket>() + 2 * 12 + 4) as u64;
    (tables << log2(pixels)) + (PATTERNS * size_of::<Bucket>()) as u64 + 4 * pixels as u64 + (1 << 20)
}

impl Pixels {
    pub fn new(width: usize, pixels: usize) -> Self {
        let size = 1 << log2(pixels);
        let matched = Match {
            past: Vec::with_capacity(pixels),
            distance: 0,
            length: 0,
            above: vec![0; width + 2 * PAD],
            places: vec![0; size],
            predicted: None,
        };
        Self {
            rows: Rows::new(width, 0),
            tables: std::array::from_fn(|_| vec![[FRESH; 1 + MOST]; size]),
            patterns: vec![[FRESH; 1 + MOST]; PATTERNS],
            mixer: Mixer::new(MOST * 8, MOST * 8, RATE),
            mask: size as u32 - 1,
            far: vec![None; size],
            near: vec![None; size],
            matched,
            across: 0,
            down: vec![0; width + 2 * PAD],
            run: 0,
            hashes: [0; HASHED],
            rests: [None; 256],
            same: [FRESH; 256],
        }
    }

    /// Codes which candidate the pixel in column `x` equals, and returns it, or `None` if it equals none. `equals` says whether
    /// it equals a candidate; a decoder cannot know.
    pub fn candidate<C: Coder>(
        &mut self,
        coder: &mut C,
        x: usize,
        equals: impl Fn(u32) -> bool,
    ) -> Option<u32> {
        let [c, n, nn] = &self.rows.rows;
        let v = [
            c[x - 1],
            n[x],
            n[x - 1],
            n[x + 1],
            c[x - 2],
            nn[x],
            nn[x + 1],
            n[x + 2],
            nn[x - 1],
            n[x - 2],
            c[x - 3],
            nn[x + 2],
        ];
        let runs = [v[0], v[1], self.across.min(RUN), self.down[x].min(RUN)];
        self.hashes = [
            hash(&v[..2], 1),
            hash(&v[..4], 2),
            hash(&v[..6], 3),
            hash(&v[..9], 4),
            hash(&v, 5),
            hash(&runs, 6),
        ];
        let places = self.hashes.map(|hash| (hash & self.mask) as usize);
        self.matched.follow(x, places[4]);

        let seen = |table: &[Option<(u32, u32)>], i: usize| {
            table[places[i]].filter(|&(hash, _)| hash == self.hashes[i]).map(|(_, pixel)| pixel)
        };
        let far = seen(&self.far, 4);
        let predicted = self.matched.predicted;
        let firm = self.matched.length >= FIRM;
        let list = [
            predicted.filter(|_| firm),
            Some(far.unwrap_or(v[0])),
            predicted,
            Some(v[0]),
            Some(v[1]),
            seen(&self.near, 0),
            Some(v[2]),
            Some(v[3]),
        ];
        let state = if predicted.is_some() { 1 + log_class(self.matched.length, 4) } else { 0 };
        let pattern = PAIRS.iter().fold(0, |p, &(a, b)| p << 1 | usize::from(v[a] == v[b]));
        let pattern = (pattern << 3 | log_class(self.run, 7)) << 3 | state;
        let pattern = pattern << 1 | usize::from(far == predicted);
        self.choose(coder, &list, (places, pattern, state), equals)
    }

    /// Codes the first of the listed pixels that the pixel equals; those that are listed twice are asked for once.
    #[inline(always)]
    fn choose<C: Coder>(
        &mut self,
        coder: &mut C,
        list: &[Option<u32>],
        (places, pattern, state): ([usize; HASHED], usize, usize),
        equals: impl Fn(u32) -> bool,
    ) -> Option<u32> {
        for ((table, &place), hash) in self.tables.iter_mut().zip(&places).zip(self.hashes) {
            let check = (hash >> 16) as u16 | 1;
            if table[place][0] != check {
                table[place] = [FRESH; 1 + MOST];
                table[place][0] = check;
            }
        }
        let mut tried = 0;
        for (i, &candidate) in list.iter().enumerate() {
            let Some(candidate) = candidate.filter(|_| !list[..i].contains(&candidate)) else { continue };
            let slot = 1 + tried;
            for (j, (table, &place)) in self.tables.iter().zip(&places).enumerate() {
                self.mixer.set(j, table[place][slot]);
            }
            self.mixer.set(HASHED, self.patterns[pattern][slot]);
            let set = tried * 8 + state;
            let decision = self.mixer.code(coder, set, set, equals(candidate));
            for (table, &place) in self.tables.iter_mut().zip(&places) {
                update(&mut table[place][slot], decision);
            }
            update(&mut self.patterns[pattern][slot], decision);
            if decision {
                self.run = if tried == 0 { self.run.saturating_add(1) } else { 0 };
                return Some(candidate);
            }
            tried += 1;
        }
        self.run = 0;
        None
    }

    /// Codes whether a pixel equals the last one with the same first sample, and returns it, or `None` if not.
    pub fn rest<C: Coder>(&mut self, coder: &mut C, first: u8, equals: impl Fn(u32) -> bool) -> Option<u32> {
        let last = self.rests[usize::from(first)]?;
        code_with(coder, &mut self.same[usize::from(first)], equals(last)).then_some(last)
    }

    /// Learns the pixel in column `x` of row `y`.
    pub fn learn(&mut self, (x, y): (usize, usize), pixel: u32, first: u8) {
        let place = |i: usize| (self.hashes[i] & self.mask) as usize;
        let [c, n, _] = &self.rows.rows;
        self.across = if pixel == c[x - 1] { self.across.saturating_add(1) } else { 0 };
        self.down[x] = if pixel == n[x] { self.down[x].saturating_add(1) } else { 0 };
        let (far, near) = (place(4), place(0));
        self.far[far] = Some((self.hashes[4], pixel));
        self.near[near] = Some((self.hashes[0], pixel));
        self.matched.learn(x, far, pixel);
        self.rests[usize::from(first)] = Some(pixel);
        self.rows.put(x, pixel, y);
    }
}

fn hash(values: &[u32], seed: u32) -> u32 {
    let h = values.iter().fold(seed, |h, &v| (h ^ v).wrapping_mul(0x9E37_79B1).rotate_left(15));
    (h ^ h >> 15).wrapping_mul(0x85EB_CA77)
}

/// `floor(log2(n + 1))`, at most `most`.
fn log_class(n: u32, most: u32) -> usize {
    n.saturating_add(1).ilog2().min(most) as usize
}
