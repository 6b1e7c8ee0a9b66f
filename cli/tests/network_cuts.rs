//! Real processes over a bad path, which are killed at random, cut off and moved to other ports. No picture is lost,
//! duplicated or incomplete.
//!
//! With AECODEC_LONG=1 in the environment it sends 200 pictures, kills 50 times, and cuts for longer.

mod network;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use aecodec::{Color, Limits};
use aecodec_proto::parts;
use aecodec_tests::impair::{Profile, Proxy};
use aecodec_tests::link::{Conditions, Queue, Rate};
use aecodec_tests::{Random, encode, photo};
use network::{Place, Program, by_way_of, files};

const MS: Duration = Duration::from_millis(1);
/// The length of the queue in front of the line, and the size of the longest packet.
const QUEUE: usize = 25;
const PACKET: u64 = 1472;
/// The size of an offer with its frame, in bytes.
const OFFER: u64 = 130;
/// The rate of the path in bits per second.
const RATE: u64 = 1_600_000;

fn long() -> bool {
    std::env::var_os("AECODEC_LONG").is_some_and(|value| value == "1")
}

/// A path with this rate that loses, delays, reorders, duplicates and damages packets.
fn bad(bits: u64) -> Profile {
    let down = Conditions {
        loss: 0.02,
        delay: 15 * MS,
        jitter: 2 * MS,
        reorder: 0.01,
        reorder_by: 5 * MS,
        duplicate: 0.01,
        corrupt: 0.01,
        ..Conditions::default()
    };
    let up = Conditions { rate: Rate::fixed(bits), queue: Queue::Packets(QUEUE), ..down.clone() };
    Profile { up, down, rebind: None }
}

/// The names and contents of the pictures.
type Pictures = Arc<BTreeMap<String, Vec<u8>>>;

/// Writes `.aec` files to the folder `pictures`. One in six is large enough to need several parts.
fn pictures(place: &Place) -> Pictures {
    static MADE: OnceLock<Pictures> = OnceLock::new();
    let make = |i: u64| {
        let (width, height, quality) = if i % 6 == 5 { (1000, 750, 90.0) } else { (96, 64, 60.0) };
        (format!("{}/{i:03}.aec", i % 3), encode(&photo(width, height, Color::Rgb, i), quality).bytes)
    };
    let made = MADE.get_or_init(|| Arc::new((0..if long() { 200 } else { 60 }).map(make).collect()));
    made.iter().for_each(|(name, aec)| place.put(&format!("pictures/{name}"), aec));
    made.clone()
}

/// Watches the inbox: every file is complete, and was sent under its name.
struct Watcher {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<String>>,
}

impl Watcher {
    fn start(inbox: PathBuf, expected: Pictures) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = thread::spawn(move || {
            let mut seen = BTreeMap::new();
            while !stopped.load(Ordering::Relaxed) {
                look(&inbox, &expected, &mut seen);
                thread::sleep(2 * MS);
            }
            look(&inbox, &expected, &mut seen);
            seen.into_iter().filter_map(|(name, wrong)| wrong.then_some(name)).collect()
        });
        Self { stop, thread }
    }

    /// The names of files that were incomplete or unknown at any time.
    fn end(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("looked")
    }
}

/// Adds new names, and whether they are wrong.
fn look(inbox: &Path, expected: &BTreeMap<String, Vec<u8>>, seen: &mut BTreeMap<String, bool>) {
    for name in files(inbox) {
        if let Entry::Vacant(new) = seen.entry(name) {
            let bytes = std::fs::read(inbox.join(new.key())).unwrap_or_default();
            let right = expected.get(new.key()).is_some_and(|whole| *whole == bytes);
            new.insert(!right);
        }
    }
}

/// Checks that the inbox contains every picture, byte by byte, and nothing else.
fn assert_complete(place: &Place, expected: &Pictures) {
    assert_eq!(place.files("inbox"), expected.keys().cloned().collect::<Vec<_>>());
    for (name, bytes) in expected.iter() {
        assert!(place.read(&format!("inbox/{name}")) == *bytes, "{name}");
    }
}

#[test]
#[ignore = "heavy: real processes over a slow, bad path"]
fn killed_at_random_both_ends_lose_nothing_and_repeat_little() {
    let kills = if long() { 50 } else { 15 };
    let place = Place::new();
    let expected = pictures(&place);
    let count = expected.len() as u64;
    let mut receiver = place.receive("--out inbox");
    let listen = receiver.address;
    // The path is slow until the last kill, so that the transfer cannot finish before.
    let proxy = Proxy::start(listen, bad(RATE / 2), 7).expect("a proxy");
    let ticket = by_way_of(&receiver.ticket, proxy.addr);
    let watcher = Watcher::start(place.path("inbox"), expected.clone());
    let begin = || -> Program { place.start(&format!("send --json --state s --to {ticket} pictures")) };

    let mut sender = begin();
    let mut random = Random::new(3);
    let mut killed = [0, 0];
    let mut cuts = Vec::new();
    for _ in 0..kills {
        thread::sleep(Duration::from_millis(100 + random.below(400) as u64));
        if sender.has_ended() {
            break;
        }
        let side = random.below(2);
        killed[side] += 1;
        if side == 0 {
            cuts.push(sender.kill());
            sender = begin();
        } else {
            drop(receiver.program.kill());
            receiver = place.receive(&format!("--out inbox --listen {listen}"));
        }
    }
    proxy.set(bad(RATE));
    cuts.push(sender.end().with(0));
    assert_eq!(watcher.end(), [""; 0], "partial or twice");
    assert_complete(&place, &expected);
    assert_eq!(killed[0] + killed[1], kills, "it was done before all the kills");

    // A sender learns of the restart from the new receiver, and does not wait for a timeout.
    let reasons: Vec<String> =
        cuts.iter().flat_map(|end| end.all("disconnected")).map(|line| line["reason"].to_string()).collect();
    assert!(reasons.iter().all(|reason| !reason.contains("timed out")), "{reasons:#?}");

    // After a cut, the data under way is sent again: the packets in the queue and on the line, and the part that had
    // arrived incompletely. Each start sends a greeting, measures the path and offers the pictures without a receipt.
    // Headers, losses and damage are less than an eighth.
    let whole: u64 = expected.values().map(|picture| picture.len() as u64).sum();
    let cut = |picture: &Vec<u8>| parts::cut(picture, &Limits::default()).expect("an .aec");
    let largest = expected.values().flat_map(cut).max().map_or(0, u64::from);
    let start = 10 * PACKET + OFFER * count;
    let allowed = whole + whole / 8 + (1 + kills) * (start + QUEUE as u64 * PACKET + largest);
    let carried = proxy.counts().up.bytes;
    eprintln!(
        "{count} pictures of {whole} bytes, kills of sender and receiver {killed:?}: {carried} bytes went in, \
         {allowed} allowed, parts of up to {largest}"
    );
    assert!(carried < allowed, "{carried} bytes for {whole}, {allowed} allowed");

    // Both journals agree: nothing is left to send.
    let again = place.run(&format!("send --json --state s --to {ticket} pictures")).with(0);
    assert_eq!(again.all("skipped").len() as u64, count);
    receiver.program.stop().with(0);
}

/// Sends over a path that `trouble` changes after the first receipt. Returns the totals of the sender.
fn survives(trouble: impl FnOnce(&Proxy)) -> serde_json::Value {
    let place = Place::new();
    let expected = pictures(&place);
    let receiver = place.receive("--out inbox");
    let proxy = Proxy::start(receiver.address, bad(RATE), 9).expect("a proxy");
    let ticket = by_way_of(&receiver.ticket, proxy.addr);
    let watcher = Watcher::start(place.path("inbox"), expected.clone());
    let mut sender = place.start(&format!("send --json --state s --to {ticket} pictures"));
    sender.until("delivered");
    trouble(&proxy);
    assert!(!sender.has_ended(), "the trouble came too late");
    let sent = sender.end().with(0);
    assert_eq!(watcher.end(), [""; 0], "partial or twice");
    assert_complete(&place, &expected);
    assert_eq!(sent.all("delivered").len(), expected.len());
    receiver.program.stop().with(0);
    sent.total().clone()
}

#[test]
#[ignore = "heavy: real processes over a slow, bad path"]
fn a_path_that_is_dead_for_seconds_costs_no_connection() {
    let dead = Profile::both(Conditions { loss: 1.0, ..Conditions::default() });
    let total = survives(|proxy| {
        proxy.set(dead);
        thread::sleep(Duration::from_secs(5));
        proxy.set(bad(RATE));
    });
    assert_eq!(total["connections"], 1);
}

#[test]
#[ignore = "heavy: real processes over a slow, bad path"]
fn a_path_that_is_dead_for_longer_costs_one_connection() {
    if !long() {
        return;
    }
    let dead = Profile::both(Conditions { loss: 1.0, ..Conditions::default() });
    let total = survives(|proxy| {
        proxy.set(dead);
        thread::sleep(Duration::from_secs(30));
        proxy.set(bad(RATE));
    });
    assert_eq!(total["connections"], 2);
}

#[test]
#[ignore = "heavy: real processes over a slow, bad path"]
fn a_sender_whose_port_changes_again_and_again_keeps_its_connection() {
    let began = Instant::now();
    let total = survives(|proxy| {
        proxy.set(Profile { rebind: Some(500 * MS), ..bad(RATE) });
        thread::sleep(1100 * MS);
    });
    assert_eq!(total["connections"], 1, "after {:?}", began.elapsed());
}
