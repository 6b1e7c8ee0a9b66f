//! Speed of the kernels in multiply-accumulates per second, for the shapes of the models, and the share of the peak rate of
//! their main instruction. Peak and kernel are measured in turn, so that both see the same clock.
//!
//! `cargo bench --bench kernels [-- NAME]`; NAME is an instruction set as in `AECODEC_CPU`. The default is all that the
//! machine has.

mod peak;

use aecodec::kernel::{self, Depthwise, Destination, Epilogue, Isa, PANEL, Packed, PackedTaps, Segment};
use std::hint::black_box;
use std::time::Instant;

/// Positions of a call, as many as go through a block together.
const POSITIONS: usize = 48;
/// Number of repetitions. The fastest counts, because other work on the machine slows the others.
const TURNS: usize = 200;

fn main() {
    println!("In registers, one core:");
    for instruction in peak::ALL.iter() {
        println!("  {:<22} {:>6.1} GMAC/s", instruction.name, best(5, || instruction.rate()));
    }
    let wanted = std::env::args().skip(1).find(|a| !a.starts_with('-'));
    for isa in Isa::available().into_iter().filter(|p| wanted.as_deref().is_none_or(|w| w == p.name())) {
        let peak = peak::of(isa);
        println!("\n{}{}", isa.name(), peak.map_or(String::new(), |p| format!(", of {}", p.name)));
        for (name, c, hidden) in [("fast, C", 128, 192), ("best, C", 192, 288), ("best, P", 256, 384)] {
            block(isa, &format!("block of {name} {c}, gated {hidden}"), c, hidden);
        }
        println!("  layers of fast");
        for (name, inputs, outputs) in [
            ("e_in", 192, 128),
            ("e_out", 512, 384),
            ("ctx_in", 576, 192),
            ("d_in", 384, 512),
            ("d_out, 3x3", 9 * 128, 192),
        ] {
            let mut call = product(isa, inputs, outputs, Epilogue::Plain);
            report(isa, name, inputs * outputs, &mut call);
        }
    }
}

/// Measures a residual block step by step, and all steps together.
fn block(isa: Isa, name: &str, c: usize, hidden: usize) {
    println!("  {name}");
    type Step = (&'static str, usize, Box<dyn FnMut()>);
    let mut steps: [Step; 5] = [
        ("p1, leaky", c * c, Box::new(product(isa, c, c, Epilogue::Leaky))),
        ("depthwise", 9 * c, Box::new(depthwise(isa, c))),
        ("p2, residual", c * c, Box::new(product(isa, c, c, Epilogue::Residual))),
        ("f1, gate", 2 * c * hidden, Box::new(product(isa, c, 2 * hidden, Epilogue::Gate(13)))),
        ("f2, residual", c * hidden, Box::new(product(isa, hidden, c, Epilogue::Residual))),
    ];
    for (name, macs, call) in &mut steps {
        report(isa, name, *macs, call);
    }
    let macs = steps.iter().map(|(_, macs, _)| macs).sum();
    report(isa, "all five", macs, &mut || steps.iter_mut().for_each(|(_, _, call)| call()));
}

/// Prints the speed of a call that does `macs` at each position.
fn report(isa: Isa, name: &str, macs: usize, call: &mut dyn FnMut()) {
    let work = (macs * POSITIONS) as f64 / 1e9;
    let (mut rate, mut peak) = (0f64, 0f64);
    for _ in 0..TURNS {
        let start = Instant::now();
        call();
        rate = rate.max(work / start.elapsed().as_secs_f64());
        peak = peak.max(peak::of(isa).map_or(0.0, |p| p.rate()));
    }
    let micros = 1e6 * work / rate;
    let share =
        if peak > 0.0 { format!("{:>5.1} % of {peak:.1}", 100.0 * rate / peak) } else { String::new() };
    println!("    {name:<14} {micros:>7.2} us {rate:>6.1} GMAC/s {share}");
}

/// The highest of `turns` measurements.
fn best(turns: usize, mut measure: impl FnMut() -> f64) -> f64 {
    (0..turns).map(|_| measure()).fold(0.0, f64::max)
}

/// Numbers without a pattern that a predictor could learn, up to `max`.
fn numbers(count: usize, max: i32) -> Vec<i16> {
    (0..count as u64).map(|i| (((i * 2_654_435_761) >> 7) as i32 % (2 * max + 1) - max) as i16).collect()
}

fn product(isa: Isa, inputs: usize, outputs: usize, epilogue: Epilogue) -> impl FnMut() {
    let layer = Packed::new(inputs, 14, &vec![5; outputs], &numbers(inputs * outputs, 1000));
    let x = numbers(inputs * POSITIONS, 8191);
    let width = if matches!(epilogue, Epilogue::Gate(_)) { outputs / 2 } else { outputs };
    let mut out = vec![0; width * POSITIONS];
    move || {
        let segment = Segment { data: &x, start: 0, stride: inputs, k: 0, len: inputs };
        let destination = Destination { data: &mut out, start: 0, stride: width };
        kernel::product(isa, &layer, 0..width / PANEL, &[segment], POSITIONS, epilogue, destination);
        black_box(&out);
    }
}

fn depthwise(isa: Isa, channels: usize) -> impl FnMut() {
    let taps = PackedTaps::new(12, &vec![5; channels], &numbers(9 * channels, 1000));
    let row = (POSITIONS + 2) * channels;
    let input = numbers(3 * row, 8191);
    let mut out = vec![0; POSITIONS * channels];
    move || {
        let rows = [0, row, 2 * row];
        kernel::depthwise(isa, &taps, Depthwise { input: &input, rows, count: POSITIONS, out: &mut out });
        black_box(&out);
    }
}
