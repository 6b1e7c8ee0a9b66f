//! Decodes the `.aec` files that it is given, encodes small pictures again, and prints hashes of all results.
//!
//! `.ci/targets` builds this program for several targets and compares what it prints, so it depends on the codec alone and
//! reads nothing except its arguments.

use aecodec::kernel::Isa;
use aecodec::{DecodeOptions, Decoded, EncodeOptions, Limits, ModelRegistry, Target, container};
use std::error::Error;
use std::path::Path;

/// The largest picture that is encoded again: an encode takes as long as several decodes.
const PIXELS: usize = 20_000;

fn main() -> Result<(), Box<dyn Error>> {
    let paths: Vec<String> = std::env::args().skip(1).collect();
    if paths.is_empty() {
        return Err("expected the paths of .aec files".into());
    }
    let models = ModelRegistry::embedded();
    let mut all = blake3::Hasher::new();
    for path in &paths {
        let line = line(Path::new(path), &models)?;
        println!("{line}");
        all.update(line.as_bytes());
    }
    println!("all {} with {}", all.finalize(), Isa::chosen().name());
    Ok(())
}

/// The name of a file, the hashes of its pixels and of its alpha, and that of the file that its pixels are encoded to; or the
/// reason why it is refused.
fn line(path: &Path, models: &ModelRegistry) -> Result<String, Box<dyn Error>> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let bytes = std::fs::read(path)?;
    let found = container::read(&bytes, &Limits::default()).and_then(|stream| {
        let model = models.of(&stream.header)?;
        let decoded = aecodec::decode(&bytes, &model, &DecodeOptions::default())?;
        let mut options = EncodeOptions::default();
        options.target = Target::Quality(aecodec::Quality::new(42.0).unwrap_or_default());
        options.group_log2 = 6;
        let small = decoded.picture.samples.len() <= 3 * PIXELS;
        let again = small.then(|| aecodec::encode(&decoded.picture, &model, &options)).transpose()?;
        Ok((decoded, again))
    });
    Ok(match found {
        Ok((decoded, again)) => {
            let again = again.map_or("-".into(), |encoded| short(&encoded.bytes));
            format!("{name} {} {again}", decoded_hashes(&decoded))
        }
        Err(error) => format!("{name} {error}"),
    })
}

fn decoded_hashes(decoded: &Decoded) -> String {
    let alpha = decoded.picture.alpha.as_deref().map_or("-".into(), short);
    format!("{} {alpha} {} lost", short(&decoded.picture.samples), decoded.damage.len())
}

fn short(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex()[..16].to_owned()
}
