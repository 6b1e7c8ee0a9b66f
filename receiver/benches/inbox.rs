//! Measures how fast the inbox stores small pictures, parts, and one large picture. Prints one line for each.
//!
//! `cargo bench -p aecodec-receiver --bench inbox [FOLDER]` works in a folder of its own on the disk of FOLDER.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Instant;

use aecodec_proto::message::{Offer, Source};
use aecodec_proto::{Hash, PublicKey};
use aecodec_receiver::{Begin, Inbox, InboxOptions, Transfer};

const PEER: PublicKey = PublicKey([1; 32]);

fn main() {
    let folder =
        std::env::args().skip(1).find(|arg| !arg.starts_with('-')).map_or_else(|| ".".into(), PathBuf::from);
    let dir = tempfile::tempdir_in(folder).expect("a folder that can be written");
    let mut options = InboxOptions::default();
    options.out = dir.path().join("inbox");
    let inbox = Inbox::open(options).expect("an inbox");
    for at_once in [1, 8, 64] {
        small(&inbox, at_once);
    }
    parts(&inbox);
    large(&inbox);
}

fn bytes(seed: u32, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

fn begin(inbox: &Inbox, name: String, bytes: &[u8], part: usize) -> Transfer {
    let source = Source { bytes: 0, width: 1, height: 1, raw: 3, psnr: None };
    let parts = bytes.chunks(part).map(|part| part.len() as u32).collect();
    let offer = Offer {
        id: 0,
        name,
        hash: Hash::of(bytes),
        parts,
        model: Hash([0; 32]),
        source,
        thumbnail: Vec::new(),
    };
    match inbox.begin(&PEER, &offer).expect("taken") {
        Begin::Wanted(transfer) => transfer,
        Begin::Already(_) => panic!("new to the inbox"),
    }
}

/// Stores pictures of 20 kB, each from its offer to its receipt.
fn small(inbox: &Inbox, at_once: u32) {
    let count = 200 + 40 * at_once;
    let next = AtomicU32::new(0);
    let begun = Instant::now();
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    if i >= count {
                        return;
                    }
                    let picture = bytes(at_once << 16 | i, 20_000);
                    let transfer = begin(inbox, format!("{at_once}/{}/{i}.aec", i % 4), &picture, 20_000);
                    transfer.write(0, 0, &picture).expect("written");
                    transfer.part_done(0).expect("noted");
                    transfer.complete().expect("stored");
                }
            });
        }
    });
    println!(
        "pictures of 20 kB, {at_once:2} at once: {:6.0} per second",
        f64::from(count) / begun.elapsed().as_secs_f64()
    );
}

/// Stores parts of 1 kB.
fn parts(inbox: &Inbox) {
    const COUNT: u32 = 16_000;
    let picture = bytes(1, COUNT as usize * 1000);
    let transfer = begin(inbox, "parts.aec".into(), &picture, 1000);
    let begun = Instant::now();
    for part in 0..COUNT {
        transfer.write(part, 0, &picture[part as usize * 1000..][..1000]).expect("written");
        transfer.part_done(part).expect("noted");
    }
    println!("parts of 1 kB: {:6.0} per second", f64::from(COUNT) / begun.elapsed().as_secs_f64());
    transfer.complete().expect("stored");
}

/// Stores 1 GB in parts of 128 KiB, with its hash and its flush.
fn large(inbox: &Inbox) {
    const PART: usize = 128 << 10;
    let picture = bytes(2, 1_000_000_000);
    let transfer = begin(inbox, "large.aec".into(), &picture, PART);
    let begun = Instant::now();
    for (part, bytes) in (0..).zip(picture.chunks(PART)) {
        transfer.write(part, 0, bytes).expect("written");
        transfer.part_done(part).expect("noted");
    }
    let written = begun.elapsed().as_secs_f64();
    transfer.complete().expect("stored");
    let all = begun.elapsed().as_secs_f64();
    println!("1 GB: {:.2} Gbit/s written and hashed, {:.2} Gbit/s with its flush", 8.0 / written, 8.0 / all);
}
