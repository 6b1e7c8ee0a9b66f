//! Tests the network with golden vectors, which the reference of the recipe computed with the same model.

use crate::kernel::Isa;
use crate::net::context::{QUARTER, phase};
use crate::net::{Plane, Scratch, analysis, hyper, synthesis};
use crate::rect::Rect;
use crate::strip::Split;
use crate::walk::{self, Coded, Symbols};
use crate::{Color, Model, Picture, Profile, Quality, psnr};
use safetensors::SafeTensors;

const QUALITIES: [u16; 2] = [1280, 4480];

/// The vectors of one quality.
struct Golden<'a> {
    file: &'a SafeTensors<'a>,
    quality: u16,
}

impl Golden<'_> {
    fn bytes(&self, name: &str) -> &[u8] {
        let name = format!("q{}.{name}", self.quality);
        self.file.tensor(&name).unwrap_or_else(|e| panic!("{name}: {e}")).data()
    }

    fn i16(&self, name: &str) -> Vec<i16> {
        self.bytes(name).chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect()
    }
}

/// The built-in models, and the vectors that the reference computed with each.
const MODELS: [(Profile, &[u8]); 2] = [
    (Profile::Fast, include_bytes!("../../models/golden/fast.safetensors")),
    (Profile::Best, include_bytes!("../../models/golden/best.safetensors")),
];

fn with_golden(test: impl Fn(&Model, &Picture, Golden)) {
    for (profile, bytes) in MODELS {
        let file = SafeTensors::deserialize(bytes).expect("a safetensors file");
        let tensor = file.tensor("picture").expect("the picture");
        let [height, width, 3] = *tensor.shape() else { panic!("a colour picture") };
        let picture =
            Picture::new(width as u32, height as u32, Color::Rgb, tensor.data().to_vec()).expect("a picture");
        let model = Model::embedded(profile).expect("the built-in model");
        for quality in QUALITIES {
            test(&model, &picture, Golden { file: &file, quality });
        }
    }
}

/// Gives the golden symbols to the walk, and checks its predictions.
struct Player<'a> {
    golden: &'a Golden<'a>,
    model: &'a Model,
    width: usize,
}

impl Symbols for Player<'_> {
    fn hyper(&mut self, height: usize, width: usize) -> Plane {
        let mut z = Plane::new(height, width, self.model.net.shapes.z);
        z.data = self.golden.bytes("z").iter().map(|&b| i16::from(b as i8)).collect();
        assert_eq!(z.data.len(), height * width * z.channels);
        z
    }

    fn pass(&mut self, pass: usize, coded: &Coded, y_hat: &Plane) -> Vec<i16> {
        let quarter = y_hat.channels / 4;
        let levels = self.golden.bytes(&format!("pass{pass}.level"));
        let means = self.golden.i16(&format!("pass{pass}.mean"));
        let symbols = self.golden.i16(&format!("pass{pass}.symbol"));
        let (mut expected, mut values) = (Vec::new(), Vec::new());
        for (i, &level) in levels.iter().enumerate() {
            let (position, channel) = (i / quarter, i % quarter);
            let first = QUARTER[pass][phase(position / self.width, position % self.width)] * quarter;
            let site = position * y_hat.channels + first + channel;
            assert_eq!(y_hat.data[site], means[i], "mean of pass {pass} at {site}");
            if level >= self.model.skip_below {
                expected.push((level, site as u32));
                values.push(symbols[i]);
            }
        }
        let found: Vec<_> = coded.levels.iter().copied().zip(coded.sites.iter().copied()).collect();
        assert_eq!(found, expected, "levels of pass {pass}");
        values
    }
}

#[test]
fn analysis_is_the_reference() {
    with_golden(|model, picture, golden| {
        let gains = model.gains(Quality::from_raw(golden.quality).expect("a quality"));
        for isa in Isa::available() {
            for threads in [1, 2] {
                let y = analysis::analyse(&model.net, isa, picture, &gains, threads);
                assert!(y.data == golden.i16("y"), "{isa:?}, {threads} threads");
            }
        }
    });
}

#[test]
fn hyper_network_and_context_are_the_reference() {
    with_golden(|model, picture, golden| {
        let gains = model.gains(Quality::from_raw(golden.quality).expect("a quality"));
        let (height, width) = (picture.height.div_ceil(16) as usize, picture.width.div_ceil(16) as usize);
        let scratch = &mut Scratch::default();
        for isa in Isa::available() {
            let y = Plane { height, width, channels: model.net.shapes.m, data: golden.i16("y") };
            let z = hyper::analyse(&model.net, isa, &y, scratch);
            assert_eq!(z.data, golden.bytes("z").iter().map(|&b| i16::from(b as i8)).collect::<Vec<_>>());
            let prior = hyper::prior(&model.net, isa, &z, height, width, scratch);
            assert!(prior.data == golden.i16("prior"), "{isa:?}");
            let mut player = Player { golden: &golden, model, width };
            let latents = Plane::new(height, width, model.net.shapes.m);
            let y_hat = walk::group(model, isa, &gains, latents, &mut player, scratch);
            assert!(y_hat.data == golden.i16("y_hat"), "{isa:?}");
        }
    });
}

#[test]
fn synthesis_is_the_reference_for_every_window() {
    with_golden(|model, picture, golden| {
        let gains = model.gains(Quality::from_raw(golden.quality).expect("a quality"));
        let (height, width) = (picture.height.div_ceil(16) as usize, picture.width.div_ceil(16) as usize);
        let y_hat = Plane { height, width, channels: model.net.shapes.m, data: golden.i16("y_hat") };
        for isa in Isa::available() {
            for (threads, largest) in [(1, (128, 256)), (2, (3, 2)), (1, (1, 5)), (3, (4, 4))] {
                let area = Rect::new(0, 0, picture.height as usize, picture.width as usize);
                let split = Split { threads, largest };
                let samples = synthesis::synthesise(&model.net, isa, &y_hat, &gains, area, Color::Rgb, split);
                assert!(samples == golden.bytes("decoded"), "{isa:?}, {split:?}");
            }
        }
    });
}

/// From the same latents, integer and float synthesis give nearly the same picture, even for this hard little one (noise,
/// edges, odd sides): they differ by rounding, far less than either differs from the original.
#[test]
fn integer_synthesis_is_close_to_float() {
    with_golden(|_, _, golden| {
        let agreement = psnr(golden.bytes("float_decoded"), golden.bytes("decoded")).unwrap_or(f64::INFINITY);
        assert!(agreement > 50.0, "{agreement} dB between integers and floats");
    });
}

/// Integer and float analysis give nearly the same latents: they differ by far less than the error of the quantiser, which
/// has a variance of a twelfth of a squared step.
#[test]
fn integer_analysis_is_close_to_float() {
    with_golden(|model, picture, golden| {
        if golden.quality != QUALITIES[0] {
            return;
        }
        let gains = model.gains(Quality::from_raw(golden.quality).expect("a quality"));
        let y = analysis::analyse(&model.net, Isa::SCALAR, picture, &gains, 1);
        let scale = f64::from(1 << model.y_fraction);
        let steps = gains.step.iter().map(|&step| f64::from(step) / f64::from(1 << gains.step_shift)).cycle();
        let float = golden.bytes("float_y").chunks_exact(2).map(|b| f64::from(half([b[0], b[1]])) * scale);
        let errors = y
            .data
            .iter()
            .zip(float)
            .zip(steps)
            .map(|((&integer, float), step)| ((f64::from(integer) - float) / step).powi(2));
        let variance = errors.sum::<f64>() / y.data.len() as f64;
        assert!(variance < 2e-5, "{variance:.1e} squared steps");
    });
}

/// A half-precision float.
fn half(bytes: [u8; 2]) -> f32 {
    let bits = u16::from_le_bytes(bytes);
    let (exponent, mantissa) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    let magnitude = match exponent {
        0 => mantissa * 2f32.powi(-24),
        e => (1.0 + mantissa / 1024.0) * 2f32.powi(e - 15),
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}

#[test]
fn passes_cover_every_latent_once() {
    for p in 0..4 {
        let mut quarters = QUARTER.map(|pass| pass[p]);
        quarters.sort_unstable();
        assert_eq!(quarters, [0, 1, 2, 3]);
    }
}
