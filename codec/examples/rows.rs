//! Compresses a PNG or PNM file and decompresses it again, row by row, in memory that does not grow with its height:
//! `cargo run --release --example rows -- IN.png OUT.png`.

use std::error::Error;
use std::fs::File;
use std::io::{BufReader, BufWriter};

use aecodec::{DecodeOptions, Decoder, EncodeOptions, Limits, Model, Profile, files};

fn main() -> Result<(), Box<dyn Error>> {
    run(&std::env::args().skip(1).collect::<Vec<_>>())
}

pub(crate) fn run(args: &[String]) -> Result<(), Box<dyn Error>> {
    let [input, output] = args else { return Err("usage: rows IN OUT".into()) };
    let model = Model::embedded(Profile::Fast)?;

    // The file is opened again if the encoder has to go through the picture more than once.
    let opened = files::open(|| Ok(BufReader::new(File::open(input)?)), &Limits::default())?;
    let mut rows = opened.ok_or("only PNG and PNM can be read row by row")?;
    let encoded = aecodec::encode_rows(&mut rows, &model, &EncodeOptions::default())?;
    println!("{} bytes", encoded.bytes.len());

    let decoder = Decoder::new(&encoded.bytes, &model, &DecodeOptions::default())?;
    let head = decoder.head().clone();
    let format = files::Format::from_path(output.as_ref()).ok_or("the name has to end in png or ppm")?;
    let out = BufWriter::new(File::create(output)?);
    let options = files::WriteOptions::default();
    let (outcome, _) = files::write_rows(out, &head, format, &options, |sink| decoder.run(sink))?;
    println!("the same pixels as at the encoder: {:?}", outcome.hash_matches);
    Ok(())
}
