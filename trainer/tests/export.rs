//! The codec runs exported models.

use aecodec::files::{self, Format, WriteOptions};
use aecodec::{Color, DecodeOptions, EncodeOptions, Model, Picture, Quality, Target};
use aecodec_trainer::data::{PIXELS, Pictures, RgbPicture};
use aecodec_trainer::export::{self, ExportOptions};
use aecodec_trainer::net::{Network, Shapes, Weights};
use aecodec_trainer::{Error, loss};
use candle_core::Device;
use std::path::Path;

/// A smooth picture with stripes.
fn picture(seed: usize) -> Picture {
    let pixel = |at: usize| {
        let (y, x) = (at / 128, at % 128);
        let stripe = if (x + y * seed / 2) % 40 < 12 { 50 } else { 0 };
        [70 + y + stripe, 30 + x + 20 * seed, 120 + x / 2 - y / 2 + stripe / 2].map(|v| v as u8)
    };
    Picture::new(128, 128, Color::Rgb, (0..128 * 128).flat_map(pixel).collect()).expect("a picture")
}

fn pictures(folder: &Path) -> Pictures {
    for seed in 0..4 {
        let (bytes, _) = files::write(&picture(seed), Format::Png, &WriteOptions::default()).expect("a file");
        std::fs::write(folder.join(format!("{seed}.png")), bytes).expect("written");
    }
    Pictures::read(folder, 128, PIXELS).expect("pictures")
}

fn options() -> ExportOptions {
    let mut options = ExportOptions::default();
    (options.points, options.bands, options.batches, options.crops, options.side) = (3, 2, 1, 8, 128);
    options
}

/// If the shipped weights are exported again with a few pictures, the model is as good as the shipped one, except for
/// coarser tables from so few crops. Both skip latents that the float network codes.
#[test]
fn a_model_exported_from_the_shipped_weights_codes_like_the_shipped_model() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/fast.safetensors");
    let weights = Weights::load(&path, &Device::Cpu).expect("the shipped weights");
    let folder = tempfile::tempdir().expect("a folder");
    let pictures = pictures(folder.path());
    let exported =
        export::export(&weights, pictures.images(), &pictures, "a test", &options()).expect("a model");
    let model = Model::parse(&exported.bytes).expect("a model");
    let shipped = std::fs::read(path.with_file_name("fast/fast.aem")).expect("the shipped model");
    let shipped = Model::parse(&shipped).expect("the shipped model");
    assert_eq!(model.card(), "a test");

    let picture = picture(2);
    let image = RgbPicture::of(&picture);
    let net = Network::frozen(&exported.weights).expect("a network");
    for quality in [20.0, 70.0] {
        let code = |model: &Model| {
            let mut options = EncodeOptions::default();
            options.target = Target::Quality(Quality::new(quality).expect("a quality"));
            let encoded = aecodec::encode(&picture, model, &options).expect("encoded");
            let decoded = aecodec::decode(&encoded.bytes, model, &DecodeOptions::default()).expect("decoded");
            (
                encoded.bytes.len() as f64,
                aecodec::psnr(&picture.samples, &decoded.picture.samples).unwrap_or(f64::INFINITY),
            )
        };
        let ((bytes, psnr), (shipped_bytes, shipped_psnr)) = (code(&model), code(&shipped));
        assert!((psnr - shipped_psnr).abs() < 0.1, "{psnr} dB, shipped {shipped_psnr}");
        assert!((bytes / shipped_bytes - 1.0).abs() < 0.1, "{bytes} bytes, shipped {shipped_bytes}");
        let float = loss::measure(&net, &image.samples, (128, 128), net.knot(quality)).expect("measured");
        assert!((psnr - float.psnr).abs() < 0.5, "{psnr} dB, float {}", float.psnr);
    }
}

#[test]
fn networks_that_the_codec_does_not_take_are_refused() {
    let shapes = Shapes { c: 16, m: 32, z: 8, p: 16, ne: 1, nd: 1, expansion: 1.5, knots: 3 };
    let weights = Weights::random(shapes, 1, &Device::Cpu).expect("weights");
    let folder = tempfile::tempdir().expect("a folder");
    let pictures = pictures(folder.path());
    let refused = export::export(&weights, pictures.images(), &pictures, "", &options());
    let refused = refused.map(|exported| exported.bytes.len());
    assert!(
        matches!(&refused, Err(Error::Codec(aecodec::Error::Invalid { what: "model shapes", .. }))),
        "{refused:?}"
    );
}
