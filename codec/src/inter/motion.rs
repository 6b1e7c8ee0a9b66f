//! Motion vectors: one for each position of the latents, in quarters of a pixel.

use crate::exact::bits::{Coder, Decoder, Encoder, Whole};
use crate::exact::mix::{FRESH, Slot, code_with};
use crate::{Error, Result};

/// The largest magnitude of a component: 256 pixels.
pub(super) const MOST: i16 = 1023;
/// The most bits of a difference of components.
const BITS: usize = 12;

/// How far to the right and down of its place in the frame the block of a position is in the reference.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Vector {
    pub x: i16,
    pub y: i16,
}

impl Vector {
    pub const ZERO: Self = Self { x: 0, y: 0 };
}

/// The adaptive probabilities.
struct Slots {
    /// Whether a vector is the predicted one, by which neighbours are equal.
    same: [Slot; 4],
    /// For each component: zero, sign, the number of bits, the bits.
    zero: [Slot; 2],
    sign: [Slot; 2],
    length: [[Slot; BITS]; 2],
    bits: [[Slot; BITS]; 2],
}

/// The vectors of the neighbours W, N and NE. One that is outside of the frame is that of another one, or zero.
fn neighbours(vectors: &[Vector], i: usize, width: usize) -> [Vector; 3] {
    let (y, x) = (i / width, i % width);
    let n = (y > 0).then(|| vectors[i - width]);
    let w = if x > 0 { vectors[i - 1] } else { n.unwrap_or_default() };
    let n = n.unwrap_or(w);
    let ne = if y > 0 && x + 1 < width { vectors[i - width + 1] } else { n };
    [w, n, ne]
}

fn median([a, b, c]: [i16; 3]) -> i16 {
    a.max(b).min(a.min(b).max(c))
}

/// The vector that is predicted from its neighbours.
pub(super) fn predicted(vectors: &[Vector], i: usize, width: usize) -> Vector {
    let around = neighbours(vectors, i, width);
    Vector { x: median(around.map(|v| v.x)), y: median(around.map(|v| v.y)) }
}

/// Codes `vectors` `[height, width]` in raster order. The decoder fills them in. Returns false if one is out of range.
fn code<C: Coder>(coder: &mut C, vectors: &mut [Vector], width: usize) -> bool {
    let row = [FRESH; BITS];
    let mut slots =
        Slots { same: [FRESH; 4], zero: [FRESH; 2], sign: [FRESH; 2], length: [row; 2], bits: [row; 2] };
    for i in 0..vectors.len() {
        if coder.is_spent() {
            return true;
        }
        let [w, n, ne] = neighbours(vectors, i, width);
        let expected = predicted(vectors, i, width);
        let place = 2 * usize::from(w == n) + usize::from(n == ne);
        let given = vectors[i];
        if code_with(coder, &mut slots.same[place], given == expected) {
            vectors[i] = expected;
            continue;
        }
        let x = expected.x + slots.component(coder, 0, given.x - expected.x);
        let y = expected.y + slots.component(coder, 1, given.y - expected.y);
        if x.abs() > MOST || y.abs() > MOST {
            return false;
        }
        vectors[i] = Vector { x, y };
    }
    true
}

impl Slots {
    /// Codes a difference, whose magnitude has at most [`BITS`] bits.
    fn component<C: Coder>(&mut self, coder: &mut C, axis: usize, given: i16) -> i16 {
        if code_with(coder, &mut self.zero[axis], given == 0) {
            return 0;
        }
        let negative = code_with(coder, &mut self.sign[axis], given < 0);
        let magnitude = given.unsigned_abs().max(1);
        let mut length = 0;
        while length + 1 < BITS
            && code_with(coder, &mut self.length[axis][length], magnitude.ilog2() as usize > length)
        {
            length += 1;
        }
        let mut found = 1_i16;
        for bit in (0..length).rev() {
            let one = code_with(coder, &mut self.bits[axis][bit], magnitude >> bit & 1 == 1);
            found = 2 * found + i16::from(one);
        }
        if negative { -found } else { found }
    }
}

/// Writes the vectors of a frame with `width` columns of latents.
pub(super) fn write(vectors: &[Vector], width: usize) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    code(&mut encoder, &mut vectors.to_vec(), width);
    encoder.finish()
}

/// Reads the vectors of a frame.
///
/// # Errors
/// Returns [`Error::Invalid`] if the bytes do not suffice, if some are left over, or if a vector is out of range.
pub(super) fn read(bytes: &[u8], height: usize, width: usize) -> Result<Vec<Vector>> {
    let mut vectors = vec![Vector::ZERO; height * width];
    let mut decoder = Decoder::new(bytes, Whole::Yes);
    let sound = code(&mut decoder, &mut vectors, width);
    if !sound || decoder.is_spent() || decoder.left() > 0 {
        let detail = format!("{} bytes do not fit {height}x{width} positions", bytes.len());
        return Err(Error::Invalid { what: "motion", detail });
    }
    Ok(vectors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_read_as_written_and_a_pan_costs_little() {
        for (height, width) in [(1, 1), (4, 7), (45, 80)] {
            let drawn = |i: usize| {
                let far = if i.is_multiple_of(5) { MOST } else { (i * i % 90) as i16 - 40 };
                Vector {
                    x: if i.is_multiple_of(3) { -far } else { far },
                    y: (i % 7) as i16 * 9 - MOST * (i % 2) as i16 / 2,
                }
            };
            let vectors: Vec<Vector> = (0..height * width).map(drawn).collect();
            assert_eq!(read(&write(&vectors, width), height, width).expect("sound"), vectors);
            let pan = vec![Vector { x: -37, y: 5 }; height * width];
            let bytes = write(&pan, width);
            assert!(bytes.len() < 24, "{} bytes", bytes.len());
            assert_eq!(read(&bytes, height, width).expect("sound"), pan);
        }
    }

    #[test]
    fn bytes_that_are_cut_left_over_or_out_of_range_are_refused() {
        let vectors: Vec<Vector> = (0..600_i32)
            .map(|i| Vector { x: (i * 37 % 501 - 250) as i16, y: (i * 91 % 333) as i16 })
            .collect();
        let mut bytes = write(&vectors, 30);
        assert!(read(&bytes[..bytes.len() / 2], 20, 30).is_err());
        bytes.extend([1, 2, 3, 4, 5, 6]);
        assert!(read(&bytes, 20, 30).is_err());
        assert!(read(&[0; 400], 20, 30).is_err() && read(&[255; 400], 20, 30).is_err());
    }
}
