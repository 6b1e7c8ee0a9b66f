//! Compresses a picture file: `cargo run --release --example encode -- IN.png OUT.aec [QUALITY]`.

use std::error::Error;

use aecodec::{EncodeOptions, Limits, Model, Profile, Quality, Target, files};

fn main() -> Result<(), Box<dyn Error>> {
    run(&std::env::args().skip(1).collect::<Vec<_>>())
}

pub(crate) fn run(args: &[String]) -> Result<(), Box<dyn Error>> {
    let [input, output, quality @ ..] = args else {
        return Err("usage: encode IN OUT [QUALITY]".into());
    };
    let mut options = EncodeOptions::default();
    if let Some(quality) = quality.first() {
        let quality = Quality::new(quality.parse()?).ok_or("the quality is between 0 and 100")?;
        options.target = Target::Quality(quality);
    }
    let (picture, notices) = files::read(&std::fs::read(input)?, &Limits::default())?;
    // What the codec cannot keep, for example more than 8 bits per sample.
    for notice in notices {
        eprintln!("notice: {notice}");
    }
    let model = Model::embedded(Profile::Fast)?;
    let encoded = aecodec::encode(&picture, &model, &options)?;
    std::fs::write(output, &encoded.bytes)?;
    let bits = encoded.bytes.len() as f64 * 8.0 / picture.pixels() as f64;
    println!("{} bytes, {bits:.3} bits per pixel, PSNR {:.2?} dB", encoded.bytes.len(), encoded.psnr);
    Ok(())
}
