//! `aecodec`: the command line program.

mod absent;
mod against;
#[cfg(feature = "latents")]
mod anomaly;
mod batch;
#[cfg(feature = "bench")]
mod bench;
#[cfg(feature = "live")]
mod clip;
#[cfg(feature = "bench")]
mod compare;
mod compress;
mod damage;
mod decompress;
mod failure;
mod flags;
#[cfg(feature = "generate")]
mod generate;
#[cfg(feature = "search")]
mod index;
mod info;
mod inputs;
mod interrupt;
mod kinds;
#[cfg(feature = "latents")]
mod latents;
#[cfg(feature = "network")]
#[cfg_attr(not(feature = "live"), path = "live_absent.rs")]
mod live;
mod mode;
mod model;
mod models;
mod output;
#[cfg(feature = "network")]
#[cfg_attr(not(feature = "services"), path = "page_absent.rs")]
mod page;
#[cfg(feature = "network")]
mod pairing;
mod pattern;
#[cfg(feature = "network")]
mod peers;
mod plan;
mod printable;
mod progress;
#[cfg(feature = "network")]
mod receive;
#[cfg(feature = "refine")]
mod refine;
mod report;
#[cfg(feature = "network")]
mod runtime;
#[cfg(feature = "train")]
mod sample;
#[cfg(feature = "network")]
#[cfg_attr(not(feature = "live"), path = "screens_absent.rs")]
mod screens;
#[cfg(feature = "search")]
mod search;
#[cfg(feature = "latents")]
mod segment;
#[cfg(feature = "network")]
mod send;
#[cfg(feature = "network")]
#[cfg_attr(not(feature = "services"), path = "services_absent.rs")]
mod services;
mod size;
mod target;
#[cfg(feature = "train")]
mod train;
#[cfg(feature = "network")]
#[cfg_attr(not(feature = "latents"), path = "unusual_absent.rs")]
mod unusual;
mod verify;
mod view;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use failure::Exit;

/// A learned image codec: small files that decode to the same pixels on every machine
#[derive(Parser)]
#[command(name = "aecodec", version, arg_required_else_help = true, after_help = after_help())]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Compress pictures to .aec files
    Compress(compress::Args),
    /// Decompress .aec files to pictures
    Decompress(decompress::Args),
    /// Show what .aec files contain
    Info(info::Args),
    /// Check that .aec files are complete and decode to the same pixels as in the encoder
    Verify(verify::Args),
    /// Show .aec files in the terminal
    View(view::Args),
    /// Compare aecodec with JPEG, WebP, AVIF and JPEG XL on your own pictures
    #[cfg(feature = "bench")]
    Bench(bench::Args),
    /// Measure how far a picture is from another: PSNR, MS-SSIM, SSIMULACRA 2
    #[cfg(feature = "bench")]
    Compare(compare::Args),
    /// Train a model on your own pictures
    #[cfg(feature = "train")]
    Train(Box<train::Args>),
    /// Generate a picture by sampling from a model
    #[cfg(feature = "train")]
    Sample(sample::Args),
    /// Show the cards, shapes and hashes of models
    Model(model::Args),
    /// Index the pictures and .aec files of a folder, to search them
    #[cfg(feature = "search")]
    Index(index::Args),
    /// Find the pictures of an index that are similar to a picture
    #[cfg(feature = "search")]
    Search(search::SearchArgs),
    /// Find groups of near-duplicates in an index
    #[cfg(feature = "search")]
    Duplicates(search::DuplicatesArgs),
    /// Learn what the pictures of a camera usually look like, and find those that do not
    #[cfg(feature = "latents")]
    Anomaly(anomaly::Args),
    /// Show what the code of an .aec file holds: channels, passes, bits of each place
    #[cfg(feature = "latents")]
    Latents(latents::Args),
    /// Name the class of each pixel, such as road or tree, with a trained head
    #[cfg(feature = "latents")]
    Segment(segment::Args),
    /// Receive pictures over the network
    #[cfg(feature = "network")]
    Receive(receive::Args),
    /// Compress pictures and send them to a receiver
    #[cfg(feature = "network")]
    Send(send::Args),
    /// List, rename, remove and invite the senders of a receiver
    #[cfg(feature = "network")]
    Peers(peers::Args),
    /// Write manual pages and completions for shells
    #[cfg(feature = "generate")]
    #[command(hide = true)]
    Generate(generate::Args),
}

impl Command {
    /// Whether the command handles Ctrl-C itself, because it has work to finish when it is stopped.
    fn handles_interrupts(&self) -> bool {
        match self {
            #[cfg(feature = "network")]
            Self::Receive(_) | Self::Send(_) => true,
            #[cfg(feature = "train")]
            Self::Train(_) => true,
            _ => false,
        }
    }
}

/// Examples for the commands in this build, the exit codes, and what this build lacks.
fn after_help() -> String {
    let examples = [
        (true, "compress photo.png -o photo.aec"),
        (true, "compress photo.jpg -o photo.aec --size 80KB"),
        (true, "compress photos/ -o coded/ --quality 60"),
        (true, "decompress photo.aec -o photo.png"),
        (true, "info photo.aec"),
        (true, "view photo.aec"),
        (cfg!(feature = "bench"), "bench photos/"),
        (cfg!(feature = "bench"), "compare photo.png photo.aec"),
        (cfg!(feature = "train"), "train photos/ -o own.aem --minutes 60"),
        (true, "model own.aem"),
        (cfg!(feature = "search"), "index photos/"),
        (cfg!(feature = "search"), "search photo.jpg"),
        (cfg!(feature = "latents"), "anomaly learn normal/ -o camera.ano"),
        (cfg!(feature = "network"), "receive --out inbox/"),
        (cfg!(feature = "network"), "send --to TICKET photos/"),
    ];
    let mut text = String::from("Examples:\n");
    for (_, example) in examples.iter().filter(|(built_in, _)| *built_in) {
        text += &format!("  aecodec {example}\n");
    }
    text += "\nExit codes: 0 success, 1 failure, 2 wrong usage, 3 nothing to do, 4 partial success, 5 peer or network error,\n130 interrupted.";
    if let Some(note) = absent::note() {
        text += &format!("\n\n{note}");
    }
    text
}

fn main() -> ExitCode {
    // A panic is reported as an error of its input. The backtrace is printed only on request.
    if std::env::var_os("RUST_BACKTRACE").is_none() {
        std::panic::set_hook(Box::new(|_| {}));
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            if let Some(text) = absent::explain(&error) {
                report::warn("error", &text);
                return ExitCode::from(Exit::Usage as u8);
            }
            // Help goes to stdout, which may be a closed pipe.
            let _ = error.print();
            return ExitCode::from(error.exit_code() as u8);
        }
    };
    if !cli.command.handles_interrupts() {
        interrupt::install();
    }
    let result = batch::caught(|| match cli.command {
        Command::Compress(args) => compress::run(&args),
        Command::Decompress(args) => decompress::run(&args),
        Command::Info(args) => info::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::View(args) => view::run(&args),
        #[cfg(feature = "bench")]
        Command::Bench(args) => bench::run(&args),
        #[cfg(feature = "bench")]
        Command::Compare(args) => compare::run(&args),
        #[cfg(feature = "train")]
        Command::Train(args) => train::run(&args),
        #[cfg(feature = "train")]
        Command::Sample(args) => sample::run(&args),
        Command::Model(args) => model::run(&args),
        #[cfg(feature = "search")]
        Command::Index(args) => index::run(&args),
        #[cfg(feature = "search")]
        Command::Search(args) => search::search_index(&args),
        #[cfg(feature = "search")]
        Command::Duplicates(args) => search::find_duplicates(&args),
        #[cfg(feature = "latents")]
        Command::Anomaly(args) => anomaly::run(&args),
        #[cfg(feature = "latents")]
        Command::Segment(args) => segment::run(&args),
        #[cfg(feature = "latents")]
        Command::Latents(args) => latents::run(&args),
        #[cfg(feature = "network")]
        Command::Receive(args) => receive::run(&args),
        #[cfg(feature = "network")]
        Command::Send(args) => send::run(&args),
        #[cfg(feature = "network")]
        Command::Peers(args) => peers::run(&args),
        #[cfg(feature = "generate")]
        Command::Generate(args) => generate::run(&args, <Cli as clap::CommandFactory>::command()),
    });
    let exit = result.unwrap_or_else(|error| {
        report::warn("error", &failure::describe(&error));
        Exit::of(&error)
    });
    ExitCode::from(exit as u8)
}
