//! The encoder's search for motion: where the blocks of a frame were in its reference.

use super::motion::{MOST, Vector, predicted};
use super::warp::{BLOCK, block};
use crate::picture::{Color, Picture};
use crate::threads;
use std::sync::{Mutex, PoisonError};

/// How much smaller the coarse pictures are.
const COARSE: usize = 4;
/// Reach of the search in the coarse pictures, in their pixels.
const REACH: i32 = 14;
/// Side of the windows that are compared in the coarse pictures: two blocks, for a steadier result.
const WINDOW: usize = 8;
/// What a vector that is not the predicted one costs, in sums of differences of luma.
const CHANGE: u32 = 48;
/// A vector other than zero must leave at most this many of 16 parts of the differences.
const WORTH: u32 = 13;

/// One sample per pixel.
struct Luma {
    width: usize,
    height: usize,
    samples: Vec<u8>,
}

impl Luma {
    fn of(picture: &Picture) -> Self {
        let (width, height) = (picture.width as usize, picture.height as usize);
        let samples = match picture.color {
            Color::Gray => picture.samples.clone(),
            Color::Rgb => {
                let pixel =
                    |p: &[u8]| ((u32::from(p[0]) + 2 * u32::from(p[1]) + u32::from(p[2]) + 2) >> 2) as u8;
                picture.samples.chunks_exact(3).map(pixel).collect()
            }
        };
        Self { width, height, samples }
    }

    /// The means of boxes of [`COARSE`] x [`COARSE`] pixels.
    fn coarse(&self) -> Self {
        let (width, height) = (self.width.div_ceil(COARSE), self.height.div_ceil(COARSE));
        let mean = |i: usize| {
            let (top, left) = (i / width * COARSE, i % width * COARSE);
            let (bottom, right) = ((top + COARSE).min(self.height), (left + COARSE).min(self.width));
            let rows = (top..bottom).map(|y| &self.samples[y * self.width..][left..right]);
            let sum: u32 = rows.flatten().map(|&s| u32::from(s)).sum();
            (sum / ((bottom - top) * (right - left)) as u32) as u8
        };
        Self { width, height, samples: (0..width * height).map(mean).collect() }
    }

    fn at(&self, y: i32, x: i32) -> u8 {
        let (y, x) = (y.clamp(0, self.height as i32 - 1), x.clamp(0, self.width as i32 - 1));
        self.samples[y as usize * self.width + x as usize]
    }

    /// The sum of the differences of a square to that of another picture that is (dy, dx) away, or `most` if it is larger.
    fn differences(
        &self,
        other: &Self,
        (top, left): (i32, i32),
        side: i32,
        (dy, dx): (i32, i32),
        most: u32,
    ) -> u32 {
        let mut sum = 0;
        let inside = |start: i32, end: usize| start >= 0 && start + side <= end as i32;
        let fits = inside(top, self.height)
            && inside(left, self.width)
            && inside(top + dy, other.height)
            && inside(left + dx, other.width);
        for y in 0..side {
            if fits {
                let own = &self.samples[(top + y) as usize * self.width + left as usize..][..side as usize];
                let from = (top + dy + y) as usize * other.width + (left + dx) as usize;
                let its = &other.samples[from..][..side as usize];
                sum += own.iter().zip(its).map(|(&a, &b)| u32::from(a.abs_diff(b))).sum::<u32>();
            } else {
                for x in 0..side {
                    let (own, its) = (self.at(top + y, left + x), other.at(top + dy + y, left + dx + x));
                    sum += u32::from(own.abs_diff(its));
                }
            }
            if sum >= most {
                return most;
            }
        }
        sum
    }
}

/// Finds a vector for each block of a frame of `height` x `width` blocks, zero for those that have not moved.
pub(super) fn search(
    frame: &Picture,
    reference: &Picture,
    (height, width): (usize, usize),
    threads: usize,
) -> Vec<Vector> {
    let (now, before) = (Luma::of(frame), Luma::of(reference));
    let (now_coarse, before_coarse) = (now.coarse(), before.coarse());
    let coarse = Mutex::new(vec![(0, 0); height * width]);
    let rows: Vec<usize> = (0..height).collect();
    threads::for_each(
        threads,
        &rows,
        || (),
        |(), &row| {
            let found: Vec<(i32, i32)> =
                (0..width).map(|column| far(&now_coarse, &before_coarse, (row, column))).collect();
            coarse.lock().unwrap_or_else(PoisonError::into_inner)[row * width..][..width]
                .copy_from_slice(&found);
        },
    );
    let coarse = coarse.into_inner().unwrap_or_else(PoisonError::into_inner);
    let luma = Picture { color: Color::Gray, samples: before.samples.clone(), ..reference.clone() };
    let mut vectors = vec![Vector::ZERO; height * width];
    for i in 0..vectors.len() {
        vectors[i] = near(&now, &before, &luma, &vectors, i, width, coarse[i]);
    }
    vectors
}

/// The best displacement (dy, dx) of a block in the coarse pictures, in whole pixels of the frame.
fn far(now: &Luma, before: &Luma, (row, column): (usize, usize)) -> (i32, i32) {
    let margin = (WINDOW - BLOCK / COARSE) as i32 / 2;
    let place = |index: usize| (index * BLOCK / COARSE) as i32 - margin;
    let place = (place(row), place(column));
    let mut best = (now.differences(before, place, WINDOW as i32, (0, 0), u32::MAX), (0, 0));
    for dy in -REACH..=REACH {
        for dx in -REACH..=REACH {
            // Far displacements have to be better than near ones.
            let bias = (dy.abs() + dx.abs()) as u32;
            let found =
                now.differences(before, place, WINDOW as i32, (dy, dx), best.0.saturating_sub(bias)) + bias;
            if found < best.0 {
                best = (found, (dy, dx));
            }
        }
    }
    (best.1.0 * COARSE as i32, best.1.1 * COARSE as i32)
}

/// Refines the vector of a block, from its neighbours' and that of the coarse search.
fn near(
    now: &Luma,
    before: &Luma,
    luma: &Picture,
    vectors: &[Vector],
    i: usize,
    width: usize,
    coarse: (i32, i32),
) -> Vector {
    let (top, left) = (i / width * BLOCK, i % width * BLOCK);
    let place = (top as i32, left as i32);
    let expected = predicted(vectors, i, width);
    let still = now.differences(before, place, BLOCK as i32, (0, 0), u32::MAX);
    // As little as noise is left: nothing has moved.
    if still < (BLOCK * BLOCK) as u32 {
        return Vector::ZERO;
    }
    let whole =
        |(dy, dx): (i32, i32), most: u32| now.differences(before, place, BLOCK as i32, (dy, dx), most);
    let mut best = (still, (0, 0));
    let near_by = [i.checked_sub(1), i.checked_sub(width), (i + 1).checked_sub(width)];
    let near_by = near_by.into_iter().flatten().map(|at| vectors[at]);
    let candidates =
        near_by.chain([expected]).map(|v| (i32::from(v.y) >> 2, i32::from(v.x) >> 2)).chain([coarse]);
    for candidate in candidates {
        let found = whole(candidate, best.0);
        if found < best.0 {
            best = (found, candidate);
        }
    }
    let centre = best.1;
    for dy in -2..=2 {
        for dx in -2..=2 {
            let candidate = (centre.0 + dy, centre.1 + dx);
            let found = whole(candidate, best.0);
            if found < best.0 {
                best = (found, candidate);
            }
        }
    }
    let limit = i32::from(MOST) - 4;
    let quarters = |pixels: i32| (4 * pixels).clamp(-limit, limit) as i16;
    let mut vector = Vector { x: quarters(best.1.1), y: quarters(best.1.0) };
    let size = (BLOCK.min(now.height - top), BLOCK.min(now.width - left));
    let exact = |vector: Vector| -> u32 {
        let moved = block(luma, (top, left), size, vector);
        let rows = moved.chunks_exact(size.1).enumerate();
        let sum = rows.map(|(row, moved)| {
            let own = &now.samples[(top + row) * now.width + left..][..size.1];
            own.iter().zip(moved).map(|(&a, &b)| u32::from(a.abs_diff(b))).sum::<u32>()
        });
        sum.sum::<u32>() + if vector == expected { 0 } else { CHANGE }
    };
    let mut cost = exact(vector);
    for step in [2, 1] {
        let centre = vector;
        for (dx, dy) in [(-1, -1), (0, -1), (1, -1), (-1, 0), (1, 0), (-1, 1), (0, 1), (1, 1)] {
            let candidate = Vector { x: centre.x + dx * step, y: centre.y + dy * step };
            let found = exact(candidate);
            if found < cost {
                (cost, vector) = (found, candidate);
            }
        }
    }
    if expected != Vector::ZERO {
        let found = exact(expected);
        if found <= cost {
            (cost, vector) = (found, expected);
        }
    }
    let still = exact(Vector::ZERO);
    if cost.saturating_mul(16) <= still.saturating_mul(WORTH) { vector } else { Vector::ZERO }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_motion_of_a_camera_and_of_an_object_is_found() {
        let (width, height) = (192, 128);
        let texture = |x: i32, y: i32| {
            let (x, y) = (f64::from(x), f64::from(y));
            (128.0
                + 50.0 * (x / 5.0).sin()
                + 40.0 * (y / 7.0 + x / 31.0).cos()
                + 20.0 * (x * y / 300.0).sin()) as u8
        };
        let picture = |shift: i32, object: i32| {
            let sample = |i: i32| {
                let (y, x) = (i / width, i % width);
                let inside = (48..80).contains(&y) && (object..object + 48).contains(&x);
                if inside { texture(3 * (x - object), 5 * y) / 2 } else { texture(x + shift, y + shift / 2) }
            };
            Picture::new(width as u32, height as u32, Color::Gray, (0..width * height).map(sample).collect())
                .expect("a picture")
        };
        // The camera moves by (6, 3), and the object stands at another place.
        let found = search(&picture(6, 100), &picture(0, 64), (8, 12), 2);
        let camera = found.iter().filter(|&&v| v == Vector { x: 24, y: 12 }).count();
        assert!(camera > 60, "{camera} of 96: {found:?}");
        assert_eq!(found[4 * 12 + 7], Vector { x: -144, y: 0 });
        assert!(search(&picture(0, 64), &picture(0, 64), (8, 12), 1).iter().all(|&v| v == Vector::ZERO));
    }
}
