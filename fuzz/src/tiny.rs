//! The smallest model that the format allows, with weights from a seed: it decodes hundreds of times as fast as a trained one
//! and takes the same paths.

use crate::random::Random;
use aecodec::Model;
use std::sync::{Arc, LazyLock};

/// Widths of the network: C, M, Z, P.
const C: usize = 32;
const M: usize = 128;
const Z: usize = 32;
const P: usize = 32;
/// Numbers of blocks: ne, nd.
const BLOCKS: [usize; 2] = [1, 1];
/// Rows of the quality tables, and bands of hyper-latents.
const ROWS: usize = 3;
const BANDS: usize = 2;

static PLAIN: LazyLock<Vec<u8>> = LazyLock::new(|| file(1));
static MODEL: LazyLock<Arc<Model>> =
    LazyLock::new(|| Arc::new(Model::parse(&PLAIN).expect("a model file by the format")));

/// The model.
pub fn model() -> Arc<Model> {
    Arc::clone(&MODEL)
}

/// Its plain file.
pub fn plain() -> &'static [u8] {
    &PLAIN
}

/// Writes a plain model file (docs/format.md, section 8).
fn file(seed: u64) -> Vec<u8> {
    let mut w = Writer { bytes: b"\x89AEM\r\n\x1a\n\x01\x00".to_vec(), random: Random::new(seed) };
    w.shorts([C, M, Z, P, BLOCKS[0], BLOCKS[1], C, Z, P, ROWS, BANDS]);
    // skip_below, gain_shift, step_shift, z_shift, y_fraction
    w.bytes.extend([8, 10, 2, 3, 3]);
    w.product(192, C);
    (0..BLOCKS[0]).for_each(|_| w.block(C));
    for (inputs, outputs, block) in [
        (4 * C, M, 0),
        (M, Z, Z),
        (4 * Z, Z, Z),
        (4 * Z, Z, 0),
        (Z, 4 * Z, Z),
        (Z, 4 * Z, Z),
        (Z, P, P),
        (P, M, 0),
        (P, M, 0),
        (M + P, P, 0),
        (M + P, P, 0),
        (M + P, P, P),
        (P, M, 0),
        (P, M, 0),
        (M, 4 * C, 0),
    ] {
        w.product(inputs, outputs);
        if block > 0 {
            w.block(block);
        }
    }
    (0..BLOCKS[1]).for_each(|_| w.block(C));
    w.product(9 * C, 192);
    for row in 0..ROWS {
        w.shorts([600 + 400 * row; C]);
    }
    for row in 0..ROWS {
        w.shorts([1500 - 400 * row; C]);
    }
    for row in 0..ROWS {
        w.shorts([48 - 16 * row; M]);
    }
    for row in 0..ROWS {
        w.shorts([300 * row; M]);
    }
    (0..52).for_each(|level| w.table(2 + level, 1 + level / 4));
    (0..BANDS * Z).for_each(|_| w.table(20, 6));
    w.bytes.extend(4_u32.to_le_bytes());
    w.bytes.extend(b"tiny");
    w.bytes
}

struct Writer {
    bytes: Vec<u8>,
    random: Random,
}

impl Writer {
    fn shorts<const N: usize>(&mut self, numbers: [usize; N]) {
        self.bytes.extend(numbers.iter().flat_map(|&n| (n as u16).to_le_bytes()));
    }

    fn weights(&mut self, count: usize, most: usize) {
        for _ in 0..count {
            let weight = self.random.below(2 * most + 1) as i16 - most as i16;
            self.bytes.extend(weight.to_le_bytes());
        }
    }

    fn product(&mut self, inputs: usize, outputs: usize) {
        self.shorts([inputs, outputs]);
        self.bytes.extend([9, 4]);
        for _ in 0..outputs {
            let bias = self.random.below(4001) as i32 - 2000;
            self.bytes.extend(bias.to_le_bytes());
        }
        self.weights(inputs * outputs, 70);
    }

    fn block(&mut self, width: usize) {
        self.product(width, width);
        self.shorts([width]);
        self.bytes.extend([9, 4]);
        self.bytes.extend(vec![0; 4 * width]);
        self.weights(9 * width, 120);
        self.product(width, width);
        self.product(width, 2 * width);
        self.bytes.push(8);
        self.product(width, width);
    }

    /// A table that falls off on both sides of 0; the smaller `slope`, the faster.
    fn table(&mut self, offset: usize, slope: usize) {
        let symbols = 2 * offset + 2;
        let weight = |i: usize| 1000 * slope / (slope + i.abs_diff(offset) * i.abs_diff(offset) / slope);
        let all: usize = (0..symbols - 1).map(weight).sum();
        let mut frequencies: Vec<usize> =
            (0..symbols - 1).map(|i| 1 + weight(i) * (4096 - symbols - 20) / all).chain([20]).collect();
        frequencies[offset] += 4096 - frequencies.iter().sum::<usize>();
        self.bytes.push(offset as u8);
        self.bytes.extend(frequencies.iter().flat_map(|&f| (f as u16).to_le_bytes()));
    }
}
