//! Writes the seeds of every target, each to a file named by its hash: `corpus FOLDER` makes `FOLDER/TARGET/HASH`.

use aecodec_fuzz::{TARGETS, seeds};
use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let folder = env::args_os().nth(1).ok_or_else(|| io::Error::other("expected a folder"))?;
    for target in TARGETS {
        let folder = Path::new(&folder).join(target.name);
        fs::create_dir_all(&folder)?;
        for seed in seeds::of(target.name) {
            fs::write(folder.join(&blake3::hash(&seed).to_hex()[..16]), seed)?;
        }
    }
    Ok(())
}
