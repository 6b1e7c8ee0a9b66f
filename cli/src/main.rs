//! `aecodec`: the command line.

mod batch;
#[cfg(feature = "bench")]
mod bench;
mod compress;
mod decompress;
mod failure;
mod flags;
mod info;
mod inputs;
mod interrupt;
#[cfg(feature = "network")]
mod live;
mod model;
mod models;
mod output;
#[cfg(feature = "network")]
mod pairing;
#[cfg(feature = "network")]
mod peers;
mod plan;
#[cfg(feature = "network")]
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
mod send;
mod size;
#[cfg(feature = "train")]
mod train;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use failure::Exit;

/// A learned image codec: small files, the same pixels on every machine.
#[derive(Parser)]
#[command(name = "aecodec", version, arg_required_else_help = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Compress pictures to .aec
    Compress(compress::Args),
    /// Decompress .aec to pictures
    Decompress(decompress::Args),
    /// Show what .aec files hold
    Info(info::Args),
    /// Check that .aec files are whole and decode to the pixels that were coded
    Verify(verify::Args),
    /// Measure it side by side with JPEG, WebP, AVIF and JPEG XL on your own pictures
    #[cfg(feature = "bench")]
    Bench(bench::Args),
    /// Train a model on pictures of your own
    #[cfg(feature = "train")]
    Train(Box<train::Args>),
    /// Draw a picture from a model's own density
    #[cfg(feature = "train")]
    Sample(sample::Args),
    /// Show what models are: their cards, shapes and hashes
    Model(model::Args),
    /// Receive pictures over the network
    #[cfg(feature = "network")]
    Receive(receive::Args),
    /// Compress pictures and send them to a receiver
    #[cfg(feature = "network")]
    Send(send::Args),
    /// List, name, remove and invite the senders of a receiver
    #[cfg(feature = "network")]
    Peers(peers::Args),
}

impl Command {
    /// Whether it runs until it is stopped, and then has something to finish.
    fn ends_in_its_own_way(&self) -> bool {
        match self {
            #[cfg(feature = "network")]
            Self::Receive(_) | Self::Send(_) => true,
            #[cfg(feature = "train")]
            Self::Train(_) => true,
            _ => false,
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  aecodec compress photo.png -o photo.aec
  aecodec compress photo.jpg -o photo.aec --size 80KB
  aecodec compress photos/ -o coded/ --quality 60
  aecodec decompress photo.aec -o photo.png
  aecodec info photo.aec
  aecodec bench photos/
  aecodec train photos/ -o own.aem --minutes 60
  aecodec model own.aem
  aecodec receive --out inbox/
  aecodec send --to TICKET photos/

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 nothing to do, 4 done in part, 5 peer or network, 130 interrupted.";

fn main() -> ExitCode {
    // A panic is reported as an error with its file; the trace is for those who ask for it.
    if std::env::var_os("RUST_BACKTRACE").is_none() {
        std::panic::set_hook(Box::new(|_| {}));
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help goes to stdout, which may be a closed pipe.
            let _ = error.print();
            return ExitCode::from(error.exit_code() as u8);
        }
    };
    if !cli.command.ends_in_its_own_way() {
        interrupt::install();
    }
    let result = batch::caught(|| match cli.command {
        Command::Compress(args) => compress::run(&args),
        Command::Decompress(args) => decompress::run(&args),
        Command::Info(args) => info::run(&args),
        Command::Verify(args) => verify::run(&args),
        #[cfg(feature = "bench")]
        Command::Bench(args) => bench::run(&args),
        #[cfg(feature = "train")]
        Command::Train(args) => train::run(&args),
        #[cfg(feature = "train")]
        Command::Sample(args) => sample::run(&args),
        Command::Model(args) => model::run(&args),
        #[cfg(feature = "network")]
        Command::Receive(args) => receive::run(&args),
        #[cfg(feature = "network")]
        Command::Send(args) => send::run(&args),
        #[cfg(feature = "network")]
        Command::Peers(args) => peers::run(&args),
    });
    let exit = result.unwrap_or_else(|error| {
        report::warn("error", &failure::describe(&error));
        Exit::of(&error)
    });
    ExitCode::from(exit as u8)
}
