//! Decodes files whatever their models, as long as those are built in or given:
//! `cargo run --release --example any_model -- MODEL.aem IN.aec`.

use std::error::Error;
use std::sync::Arc;

use aecodec::container::Header;
use aecodec::{DecodeOptions, Limits, Model, ModelRegistry};

fn main() -> Result<(), Box<dyn Error>> {
    run(&std::env::args().skip(1).collect::<Vec<_>>())
}

pub(crate) fn run(args: &[String]) -> Result<(), Box<dyn Error>> {
    let [model, input] = args else { return Err("usage: any_model MODEL IN".into()) };
    let mut models = ModelRegistry::embedded();
    models.add(model, Arc::new(Model::parse(&std::fs::read(model)?)?));

    let bytes = std::fs::read(input)?;
    // The header alone says which model is needed.
    let header = Header::parse(&bytes, &Limits::default())?;
    let needed = models.of(&header)?;
    println!("{}x{}, made with a model of profile {}", header.width, header.height, needed.profile().name());
    let decoded = models.decode(&bytes, &DecodeOptions::default())?;
    println!("the same pixels as at the encoder: {:?}", decoded.hash_matches);
    Ok(())
}
