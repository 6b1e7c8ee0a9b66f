//! Kills a process that stores pictures, again and again, and checks what is left.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::{fs, thread};

use aecodec_proto::message::{Offer, Source};
use aecodec_proto::{Hash, PublicKey};
use aecodec_receiver::{Begin, Inbox, InboxOptions};

const PICTURES: u64 = 120;
const KILLS: usize = 25;
const FOLDER: &str = "AECODEC_TEST_INBOX";

fn bytes(i: u64) -> Vec<u8> {
    let mut bytes = vec![0; 2000 + 700 * i as usize];
    blake3::Hasher::new().update(&i.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// Three pictures share each name.
fn name(i: u64) -> String {
    format!("{}/{}.aec", i % 4, i % 40)
}

fn open(out: &Path) -> Inbox {
    let mut options = InboxOptions::default();
    options.out = out.to_path_buf();
    Inbox::open(options).unwrap()
}

/// Stores a picture as a connection would.
fn store(inbox: &Inbox, i: u64) {
    let picture = bytes(i);
    let source = Source { bytes: 0, width: 1, height: 1, raw: 3, psnr: None };
    let parts = picture.chunks(1500).map(|part| part.len() as u32).collect();
    let offer = Offer {
        id: i,
        name: name(i),
        hash: Hash::of(&picture),
        parts,
        model: Hash([0; 32]),
        source,
        thumbnail: vec![],
    };
    let Begin::Wanted(transfer) = inbox.begin(&PublicKey([1; 32]), &offer).unwrap() else { return };
    for (first, count) in transfer.missing() {
        for part in first..first + count {
            let (from, length) = offer.range(part).unwrap();
            transfer.write(part, 0, &picture[from as usize..][..length as usize]).unwrap();
            transfer.part_done(part).unwrap();
        }
    }
    transfer.complete().unwrap();
}

/// Hash of each finished file, by name.
fn finished(out: &Path) -> HashMap<String, Hash> {
    let mut found = HashMap::new();
    for folder in 0..4 {
        for entry in fs::read_dir(out.join(folder.to_string())).into_iter().flatten() {
            let path = entry.unwrap().path();
            found.insert(path.to_string_lossy().into_owned(), Hash::of(&fs::read(&path).unwrap()));
        }
    }
    found
}

#[test]
#[ignore = "heavy: 25 kills"]
fn killed_at_any_moment_it_loses_nothing_and_has_nothing_twice() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("inbox");
    let expected: Vec<Hash> = (0..PICTURES).map(|i| Hash::of(&bytes(i))).collect();
    let mut receipts: Vec<u64> = Vec::new();
    for kill in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "stores", "--ignored", "--nocapture"])
            .env(FOLDER, &out)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut left = 1 + kill * 7 % 9;
        for line in lines.map_while(Result::ok) {
            let Some(receipt) = line.strip_prefix("receipt ") else { continue };
            let receipt = receipt.parse().unwrap();
            if receipts.contains(&receipt) {
                continue;
            }
            receipts.push(receipt);
            left -= 1;
            if left == 0 {
                child.kill().unwrap();
                break;
            }
        }
        child.wait().unwrap();
        // Every picture is whole and stored once, and every receipt was true.
        let found = finished(&out);
        let mut hashes: Vec<_> = found.values().copied().collect();
        hashes.sort();
        hashes.dedup();
        assert_eq!(hashes.len(), found.len(), "after kill {kill}: a picture is there twice");
        assert!(
            hashes.iter().all(|hash| expected.contains(hash)),
            "after kill {kill}: a picture is there in part"
        );
        for &i in &receipts {
            assert!(
                hashes.contains(&expected[i as usize]),
                "after kill {kill}: picture {i} had its receipt and is lost"
            );
        }
    }
    let inbox = open(&out);
    (0..PICTURES).for_each(|i| store(&inbox, i));
    let mut found: Vec<_> = finished(&out).into_values().collect();
    let mut expected = expected;
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    assert_eq!(inbox.load().partials, 0);
    assert_eq!(fs::read_dir(out.join(".aecodec/parts")).unwrap().count(), 0);
}

/// The process that is killed; without a folder there is nothing to do.
#[test]
#[ignore = "part of another test"]
fn stores() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let inbox = open(Path::new(&folder));
    let next = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while let i @ ..PICTURES = next.fetch_add(1, Ordering::Relaxed) {
                    store(&inbox, i);
                    println!("receipt {i}");
                }
            });
        }
    });
}
