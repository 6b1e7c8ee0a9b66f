//! Tests that every instruction set equals scalar, bit for bit, on random and on extreme values.

use super::*;

/// A small generator (xorshift64*), so that the values are the same on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Values up to `max`; one in eight is an extreme.
    fn activations(&mut self, count: usize, max: i16) -> Vec<i16> {
        let mut one = || match self.next() >> 40 {
            n if n % 16 == 0 => max,
            n if n % 16 == 1 => -max,
            n => ((n >> 4) as i32 % (2 * i32::from(max) + 1) - i32::from(max)) as i16,
        };
        (0..count).map(|_| one()).collect()
    }

    fn biases(&mut self, count: usize) -> Vec<i32> {
        (0..count).map(|_| self.next() as i32).collect()
    }
}

fn sets() -> impl Iterator<Item = Isa> {
    Isa::available().into_iter().skip(1)
}

#[test]
fn products_equal_scalar_on_every_instruction_set() {
    let mut random = Random(1);
    for (inputs, outputs, positions) in
        [(2, 32, 1), (32, 96, 5), (128, 128, 61), (192, 576, 13), (576, 192, 12), (96, 40, 25)]
    {
        for epilogue in [Epilogue::Plain, Epilogue::Leaky, Epilogue::Residual] {
            for shift in [0, 1, 9, 17, 30] {
                // Weights of the full range wrap the accumulators, which must be the same everywhere too.
                let weights = random.activations(inputs * outputs, i16::MAX);
                let layer = Packed::new(inputs, shift, &random.biases(outputs), &weights);
                let x = random.activations(positions * (inputs + 3), 8191);
                let before = random.activations(positions * (outputs + 1), 8191);
                let run = |isa| {
                    let mut out = before.clone();
                    let half = inputs / 4 * 2;
                    let segments = [
                        Segment { data: &x, start: 0, stride: inputs + 3, k: 0, len: half },
                        Segment { data: &x, start: half, stride: inputs + 3, k: half, len: inputs - half },
                    ];
                    let destination = Destination { data: &mut out, start: 1, stride: outputs + 1 };
                    product(isa, &layer, layer.panels(), &segments, positions, epilogue, destination);
                    out
                };
                let expected = run(Isa::SCALAR);
                for isa in sets() {
                    assert!(
                        run(isa) == expected,
                        "{isa:?} {inputs}x{outputs} {positions} {epilogue:?} {shift}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_product_is_its_definition() {
    let mut random = Random(2);
    let (inputs, outputs) = (6, 37);
    let weights = random.activations(inputs * outputs, 300);
    let bias = random.activations(outputs, 1000).into_iter().map(i32::from).collect::<Vec<_>>();
    let layer = Packed::new(inputs, 4, &bias, &weights);
    let x = random.activations(inputs, 8191);
    let mut out = vec![0; outputs];
    let segment = Segment { data: &x, start: 0, stride: 0, k: 0, len: inputs };
    let destination = Destination { data: &mut out, start: 0, stride: 0 };
    product(Isa::SCALAR, &layer, layer.panels(), &[segment], 1, Epilogue::Plain, destination);
    for n in 0..outputs {
        let sum: i64 = (0..inputs).map(|k| i64::from(weights[n * inputs + k]) * i64::from(x[k])).sum();
        let expected = (i64::from(bias[n]) + sum + 8).div_euclid(16).clamp(-8191, 8191);
        assert_eq!(i64::from(out[n]), expected, "output {n}");
    }
}

#[test]
fn depthwise_equals_scalar_and_its_definition() {
    let mut random = Random(3);
    for (channels, count) in [(16, 1), (32, 7), (40, 3), (128, 48)] {
        for shift in [0, 7, 13, 30] {
            let weights = random.activations(9 * channels, i16::MAX);
            let bias = random.biases(channels);
            let taps = PackedTaps::new(shift, &bias, &weights);
            let width = count + 2;
            let input = random.activations(3 * width * channels, 8191);
            let rows = [0, width * channels, 2 * width * channels];
            let run = |isa| {
                let mut out = vec![0; count * channels];
                depthwise(isa, &taps, Depthwise { input: &input, rows, count, out: &mut out });
                out
            };
            let expected = run(Isa::SCALAR);
            for isa in sets() {
                assert!(run(isa) == expected, "{isa:?} {channels} {count} {shift}");
            }
            for (i, &v) in expected.iter().enumerate() {
                let (position, c) = (i / channels, i % channels);
                let tap = |t: usize| {
                    let x = input[(t / 3 * width + position + t % 3) * channels + c];
                    i32::from(weights[t * channels + c]).wrapping_mul(x.into())
                };
                let acc = (0..9).fold(bias[c], |acc, t| acc.wrapping_add(tap(t)));
                assert_eq!(v, sat(rnd(acc, shift)));
            }
        }
    }
}

#[test]
fn gated_products_equal_scalar_and_their_definition() {
    let mut random = Random(4);
    for (inputs, hidden, positions) in [(2, 32, 1), (64, 96, 7), (128, 192, 49), (192, 288, 25)] {
        for (shift, gate) in [(0, 0), (9, 13), (17, 3), (30, 26)] {
            let weights = random.activations(inputs * 2 * hidden, i16::MAX);
            let layer = Packed::new(inputs, shift, &random.biases(2 * hidden), &weights);
            let x = random.activations(positions * inputs, 8191);
            let run = |isa, epilogue, width: usize| {
                let mut out = vec![0; positions * width];
                let segment = Segment { data: &x, start: 0, stride: inputs, k: 0, len: inputs };
                let destination = Destination { data: &mut out, start: 0, stride: width };
                product(isa, &layer, 0..width / PANEL, &[segment], positions, epilogue, destination);
                out
            };
            let plain = run(Isa::SCALAR, Epilogue::Plain, 2 * hidden);
            let gated = |uv: &[i16]| {
                let (u, v) = uv.split_at(hidden);
                let one = |(&u, &v): (&i16, &i16)| sat(rnd(i32::from(u.max(0)) * i32::from(v), gate));
                u.iter().zip(v).map(one).collect::<Vec<_>>()
            };
            let expected: Vec<i16> = plain.chunks_exact(2 * hidden).flat_map(gated).collect();
            for isa in Isa::available() {
                let gated = run(isa, Epilogue::Gate(gate), hidden);
                assert!(gated == expected, "{isa:?} {inputs}x{hidden} {positions} {shift} {gate}");
            }
        }
    }
}

#[test]
fn gains_equal_scalar() {
    let mut random = Random(5);
    for channels in [1, 31, 96, 192] {
        let x = random.activations(channels * 5, 8191);
        let gains: Vec<u16> = (0..channels).map(|_| random.next() as u16).collect();
        for shift in [0, 3, 13, 26] {
            let run = |isa| {
                let mut scaled = x.clone();
                scale(isa, &mut scaled, &gains, shift);
                scaled
            };
            let expected = run(Isa::SCALAR);
            for isa in sets() {
                assert!(run(isa) == expected, "{isa:?} {channels} {shift}");
            }
        }
    }
}

#[test]
fn rounding_is_half_up_and_saturation_symmetric() {
    assert_eq!([-3, -2, -1, 0, 1, 2, 3].map(|v| rnd(v, 1)), [-1, -1, 0, 0, 1, 1, 2]);
    assert_eq!(rnd(-5, 0), -5);
    assert_eq!([sat(i32::MIN), sat(-8192), sat(8191), sat(i32::MAX)], [-8191, -8191, 8191, 8191]);
}
