//! Compares every instruction set with scalar, for any shapes and values.

use crate::input::Input;
use crate::random::Random;
use aecodec::kernel::{
    ACTIVATION_MAX, Depthwise, Destination, Epilogue, Isa, PANEL, Packed, PackedTaps, Segment, depthwise,
    product, scale,
};

pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    match input.below(4) {
        0 | 1 => check_product(&mut input),
        2 => check_depthwise(&mut input),
        _ => check_scale(&mut input),
    }
}

/// Values of an input: noise from its bytes, with as many extremes as it says.
struct Values {
    random: Random,
    extremes: usize,
}

impl Values {
    fn new(input: &mut Input) -> Self {
        let extremes = input.below(9);
        Self { random: Random::new(u64::from(input.word())), extremes }
    }

    fn numbers(&mut self, count: usize, low: i32, high: i32) -> Vec<i32> {
        let span = (i64::from(high) - i64::from(low) + 1) as u64;
        let mut one = || match self.random.below(16) {
            n if n < self.extremes => [low, high][n % 2],
            _ => (i64::from(low) + (self.random.number() % span) as i64) as i32,
        };
        (0..count).map(|_| one()).collect()
    }

    fn activations(&mut self, count: usize) -> Vec<i16> {
        let most = i32::from(ACTIVATION_MAX as i16);
        self.numbers(count, -most, most).into_iter().map(|v| v as i16).collect()
    }

    fn weights(&mut self, count: usize) -> Vec<i16> {
        self.numbers(count, i16::MIN.into(), i16::MAX.into()).into_iter().map(|v| v as i16).collect()
    }
}

/// Runs on every instruction set, and compares with the first, which is scalar.
fn agree(mut run: impl FnMut(Isa) -> Vec<i16>) {
    let expected = run(Isa::SCALAR);
    for isa in Isa::available() {
        assert!(run(isa) == expected, "{} differs from scalar", isa.name());
    }
}

fn check_product(input: &mut Input) {
    let inputs = 2 + 2 * input.below(20);
    let positions = input.below(52);
    let shift = input.below(31) as u32;
    let gate = input.below(4) == 0;
    let outputs = if gate { 2 * PANEL * (1 + input.below(3)) } else { 1 + input.below(130) };
    let epilogue = match (gate, input.below(31)) {
        (true, gate) => Epilogue::Gate(gate as u32),
        (false, n) => [Epilogue::Plain, Epilogue::Leaky, Epilogue::Residual][n % 3],
    };
    let width = if gate { outputs / 2 } else { outputs };
    let (first, gap, cut) = (input.below(5), input.below(4), 2 * input.below(inputs / 2 + 1));
    let panels = width.div_ceil(PANEL);
    let from = input.below(panels);
    let panels = from..from + 1 + input.below(panels - from);

    let mut values = Values::new(input);
    let biases = values.numbers(outputs, i32::MIN, i32::MAX);
    let layer = Packed::new(inputs, shift, &biases, &values.weights(inputs * outputs));
    let x = values.activations(first + positions * (inputs + gap));
    let before = values.activations(first + positions * (width + gap));
    agree(|isa| {
        let mut out = before.clone();
        let segment =
            |k: usize, len: usize| Segment { data: &x, start: first + k, stride: inputs + gap, k, len };
        let segments = [segment(0, cut), segment(cut, inputs - cut)];
        let destination = Destination { data: &mut out, start: first, stride: width + gap };
        product(isa, &layer, panels.clone(), &segments, positions, epilogue, destination);
        out
    });
}

fn check_depthwise(input: &mut Input) {
    let channels = 1 + input.below(100);
    let (count, shift, border) = (input.below(40), input.below(31) as u32, input.below(4));
    let mut values = Values::new(input);
    let biases = values.numbers(channels, i32::MIN, i32::MAX);
    let taps = PackedTaps::new(shift, &biases, &values.weights(9 * channels));
    let row = (count + 2) * channels + border;
    let x = values.activations(3 * row);
    agree(|isa| {
        let mut out = vec![0; count * channels];
        let rows = [border, row + border / 2, 2 * row];
        depthwise(isa, &taps, Depthwise { input: &x, rows, count, out: &mut out });
        out
    });
}

fn check_scale(input: &mut Input) {
    let (channels, positions, shift) = (1 + input.below(100), input.below(20), input.below(31) as u32);
    let mut values = Values::new(input);
    let gains: Vec<u16> = values.numbers(channels, 0, 65_535).into_iter().map(|v| v as u16).collect();
    let x = values.activations(channels * positions);
    agree(|isa| {
        let mut scaled = x.clone();
        scale(isa, &mut scaled, &gains, shift);
        scaled
    });
}
