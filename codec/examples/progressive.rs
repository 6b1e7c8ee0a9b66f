//! Shows what a receiver can show while a file arrives: `cargo run --release --example progressive -- IN.aec OUT_FOLDER`.

use std::error::Error;
use std::path::Path;

use aecodec::container::{self, ChunkKind, ChunkState};
use aecodec::{DecodeOptions, Limits, ModelRegistry, files};

fn main() -> Result<(), Box<dyn Error>> {
    run(&std::env::args().skip(1).collect::<Vec<_>>())
}

pub(crate) fn run(args: &[String]) -> Result<(), Box<dyn Error>> {
    let [input, folder] = args else { return Err("usage: progressive IN OUT_FOLDER".into()) };
    let bytes = std::fs::read(input)?;
    let models = ModelRegistry::embedded();
    let (mut shown, mut arrived) = (None, 0);
    while arrived < bytes.len() {
        // As if 1000 bytes came at a time.
        arrived = (arrived + 1000).min(bytes.len());
        // Until the table of chunks is there, nothing can be decoded.
        let Ok(stream) = container::read(&bytes[..arrived], &Limits::default()) else { continue };
        // Every group has a pass if its last group has it, because groups follow each other within a pass.
        let complete = |pass: u8| {
            let is = |kind: ChunkKind| matches!(kind, ChunkKind::Pass { pass: found, .. } if found == pass);
            let mut chunks = stream.chunks.iter().filter(|chunk| is(chunk.kind));
            chunks.all(|chunk| matches!(chunk.state, ChunkState::Present(_)))
        };
        let passes = (0..container::PASSES).take_while(|&pass| complete(pass)).count() as u8;
        if passes == 0 || shown == Some(passes) {
            continue;
        }
        shown = Some(passes);
        let mut options = DecodeOptions::default();
        options.passes = passes;
        let decoded = models.decode(&bytes[..arrived], &options)?;
        let png = files::write(&decoded.picture, files::Format::Png, &files::WriteOptions::default())?.0;
        std::fs::write(Path::new(folder).join(format!("{passes}.png")), png)?;
        println!("{passes} of {} passes after {arrived} of {} bytes", container::PASSES, bytes.len());
    }
    Ok(())
}
