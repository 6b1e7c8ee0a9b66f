//! Decodes the `.aec` and `.aecs` files that it is given, encodes small pictures again, and prints hashes of all results.
//!
//! `.ci/targets` builds this program for several targets and compares what it prints, so it depends on the codec alone and
//! reads nothing except its arguments.

use aecodec::clip::{ClipDecoder, ClipEncoder, ClipOptions, ClipReader};
use aecodec::kernel::Isa;
use aecodec::{
    DecodeOptions, Decoded, EncodeOptions, Limits, Model, ModelRegistry, Profile, Target, TemporalPrior,
    container,
};
use std::error::Error;
use std::path::Path;

/// The largest picture that is encoded again: an encode takes as long as several decodes.
const PIXELS: usize = 20_000;

fn main() -> Result<(), Box<dyn Error>> {
    let paths: Vec<String> = std::env::args().skip(1).collect();
    if paths.is_empty() {
        return Err("expected the paths of .aec and .aecs files".into());
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
    if path.extension().is_some_and(|extension| extension == "aecs") {
        return Ok(match clip(&bytes) {
            Ok(hashes) => format!("{name} {hashes}"),
            Err(error) => format!("{name} {error}"),
        });
    }
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

/// The hash of all decoded frames of a clip, of which lost ones count as nothing, and that of the frames that they are
/// encoded to again.
fn clip(bytes: &[u8]) -> aecodec::Result<String> {
    let (model, prior) = (Model::embedded(Profile::Fast)?, TemporalPrior::embedded(Profile::Fast)?);
    let mut reader = ClipReader::new(bytes)?;
    let mut decoder = ClipDecoder::new(&model, &prior, DecodeOptions::default());
    let mut encoder = ClipEncoder::new(&model, &prior, ClipOptions::default());
    let (mut decoded, mut again, mut lost) = (blake3::Hasher::new(), blake3::Hasher::new(), 0);
    while let Some(record) = reader.next()? {
        match decoder.push(record.kind, &record.bytes) {
            Ok(picture) if record.intact => {
                decoded.update(&picture.samples);
                if picture.samples.len() <= 3 * PIXELS {
                    again.update(&encoder.push(picture)?.bytes);
                }
            }
            _ => lost += 1,
        }
    }
    let [decoded, again] = [decoded, again].map(|hasher| hasher.finalize().to_hex()[..16].to_owned());
    Ok(format!("{decoded} - {lost} lost {again}"))
}

fn decoded_hashes(decoded: &Decoded) -> String {
    let alpha = decoded.picture.alpha.as_deref().map_or("-".into(), short);
    format!("{} {alpha} {} lost", short(&decoded.picture.samples), decoded.damage.len())
}

fn short(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex()[..16].to_owned()
}
