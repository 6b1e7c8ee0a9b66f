//! `aecodec generate`: writes the manual pages and the completions of shells, for packages.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Command;
use clap_complete::{Generator, Shell, generate_to};
use clap_mangen::Man;

use crate::failure::Exit;
use crate::printable::printable;

#[derive(clap::Args)]
pub struct Args {
    /// Folder to write to; man/ and completions/ are made below it
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Writes the files for the program that `command` describes.
pub fn run(args: &Args, mut command: Command) -> Result<Exit> {
    command.build();
    let pages = args.folder.join("man");
    fs::create_dir_all(&pages).with_context(|| printable(&pages))?;
    page(&pages, &command, command.get_name())?;
    for part in command.get_subcommands().filter(|part| !part.is_hide_set() && part.get_name() != "help") {
        page(&pages, part, &format!("{}-{}", command.get_name(), part.get_name()))?;
    }
    let completions = args.folder.join("completions");
    fs::create_dir_all(&completions).with_context(|| printable(&completions))?;
    for shell in [Shell::Bash, Shell::Elvish, Shell::Fish, Shell::PowerShell, Shell::Zsh] {
        complete(&completions, &mut command, shell)?;
    }
    Ok(Exit::Done)
}

/// Writes the page of a command to `NAME.1`.
fn page(folder: &Path, command: &Command, name: &str) -> Result<()> {
    let path = folder.join(format!("{name}.1"));
    let mut page = Vec::new();
    let man = Man::new(command.clone()).title(name.to_uppercase()).manual("aecodec");
    man.source(concat!("aecodec ", env!("CARGO_PKG_VERSION"))).render(&mut page)?;
    let written = File::create(&path).and_then(|mut file| file.write_all(&page));
    written.with_context(|| printable(&path))
}

fn complete(folder: &Path, command: &mut Command, shell: impl Generator) -> Result<()> {
    let name = command.get_name().to_owned();
    generate_to(shell, command, name, folder).with_context(|| printable(folder))?;
    Ok(())
}
