//! Decompresses an `.aec` file: `cargo run --release --example decode -- IN.aec OUT.png`.

use std::error::Error;

use aecodec::{DecodeOptions, ModelRegistry, files};

fn main() -> Result<(), Box<dyn Error>> {
    run(&std::env::args().skip(1).collect::<Vec<_>>())
}

pub(crate) fn run(args: &[String]) -> Result<(), Box<dyn Error>> {
    let [input, output] = args else { return Err("usage: decode IN OUT".into()) };
    let mut options = DecodeOptions::default();
    options.threads = 0;
    let decoded = ModelRegistry::embedded().decode(&std::fs::read(input)?, &options)?;
    // A damaged file gives the picture that it still holds.
    for damage in &decoded.damage {
        eprintln!("damaged: {damage}");
    }
    let format =
        files::Format::from_path(output.as_ref()).ok_or("the name has to end in png, jpg, webp or ppm")?;
    let (bytes, _) = files::write(&decoded.picture, format, &files::WriteOptions::default())?;
    std::fs::write(output, bytes)?;
    println!("the same pixels as at the encoder: {:?}", decoded.hash_matches);
    Ok(())
}
