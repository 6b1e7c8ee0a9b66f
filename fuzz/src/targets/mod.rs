//! The list of all targets.

mod clip;
mod decode;
mod encode;
mod entropy;
mod header;
mod kernels;
mod model;
mod parts;
mod pictures;
mod region;
mod rows;
mod ticket;
mod wire;

pub use clip::clip_seed;

/// A function that takes any bytes and panics if a promise is broken.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name on the command line, and that of the folder of its corpus.
    pub name: &'static str,
    /// The promise that it checks.
    pub promise: &'static str,
    /// Runs one case.
    pub run: fn(&[u8]),
    /// How many cases of the mutator the smoke test runs: slow targets get fewer.
    pub smoke: u64,
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target {
        name: "decode",
        promise: "Any bytes are an error or a picture of the size in their header, in memory and in rows alike.",
        run: decode::arbitrary,
        smoke: 3000,
    },
    Target {
        name: "mutated",
        promise: "A stream with changed parts and sound checksums does the same, and never passes for the sound one.",
        run: decode::mutated,
        smoke: 1400,
    },
    Target {
        name: "header",
        promise: "A header and table that are read are written back as the same bytes.",
        run: header::header,
        smoke: 40_000,
    },
    Target {
        name: "metadata",
        promise: "Metadata and alpha keep to their limits, and what is read is packed and read back unchanged.",
        run: header::frames,
        smoke: 6000,
    },
    Target {
        name: "entropy",
        promise: "A substream that decodes is the one that the encoder makes of its values, and the reverse.",
        run: entropy::run,
        smoke: 6000,
    },
    Target {
        name: "kernels",
        promise: "Every instruction set gives the results of the scalar kernels, bit for bit.",
        run: kernels::run,
        smoke: 8000,
    },
    Target {
        name: "rows",
        promise: "A picture that is read or coded row by row is the one that is read or coded as a whole.",
        run: rows::run,
        smoke: 3000,
    },
    Target {
        name: "region",
        promise: "A region is a crop of the whole picture, for any window, also in a damaged stream.",
        run: region::run,
        smoke: 1200,
    },
    Target {
        name: "model",
        promise: "Any bytes are an error or a model, and every model decodes what it encodes.",
        run: model::run,
        smoke: 300,
    },
    Target {
        name: "wire",
        promise: "Any bytes are messages or a violation, however they are cut, and both ends survive any messages.",
        run: wire::run,
        smoke: 40_000,
    },
    Target {
        name: "ticket",
        promise: "Any text is an error or a ticket that is written back as such; an accepted name stays in its folder.",
        run: ticket::run,
        smoke: 40_000,
    },
    Target {
        name: "parts",
        promise: "The parts in which a stream travels cover each of its bytes once, and none is too large.",
        run: parts::run,
        smoke: 10_000,
    },
    Target {
        name: "pictures",
        promise: "A picture file is an error or a picture that PNG and PNM hold without loss.",
        run: pictures::run,
        smoke: 6000,
    },
    Target {
        name: "encode",
        promise: "A small picture decodes with the size, mode, alpha, metadata, hash and PSNR that its encoder reported.",
        run: encode::run,
        smoke: 1000,
    },
    Target {
        name: "clip",
        promise: "A clip of any bytes is an error or frames, and a P-frame that decodes is the one that its header names.",
        run: clip::run,
        smoke: 250,
    },
];

/// The target of this name.
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
