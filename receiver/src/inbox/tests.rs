//! Promises of the inbox: no picture is lost, stored twice or stored in part, whatever ends the process.

use super::*;
use crate::Error;
use crate::options::Step;
use aecodec::files::Format;
use aecodec_proto::message::Source;
use proptest::prelude::*;
use std::fs;
use std::thread;
use tempfile::TempDir;

const ANNA: PublicKey = PublicKey([1; 32]);
const BERT: PublicKey = PublicKey([2; 32]);

fn options(dir: &TempDir) -> InboxOptions {
    InboxOptions { out: dir.path().join("inbox"), ..InboxOptions::default() }
}

fn open(dir: &TempDir) -> Inbox {
    Inbox::open(options(dir)).unwrap()
}

/// Bytes that look like nothing else with this seed.
fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// An inbox with the options of the test.
pub(crate) fn inbox_with(dir: &TempDir, change: impl FnOnce(&mut InboxOptions)) -> Inbox {
    let mut options = options(dir);
    change(&mut options);
    Inbox::open(options).unwrap()
}

/// A small gradient as an `.aec`.
pub(crate) fn encoded(width: u32, height: u32) -> Vec<u8> {
    let samples = (0..width * height * 3).map(|i| (i / 7) as u8).collect();
    let picture = aecodec::Picture::new(width, height, aecodec::Color::Rgb, samples).unwrap();
    let model = aecodec::Model::embedded(aecodec::Profile::Fast).unwrap();
    aecodec::encode(&picture, &model, &aecodec::EncodeOptions::default()).unwrap().bytes
}

pub(crate) fn begin(inbox: &Inbox, offer: &Offer) -> Transfer {
    wanted(inbox, &ANNA, offer)
}

pub(crate) fn store_bytes(inbox: &Inbox, name: &str, bytes: &[u8]) -> Stored {
    store(inbox, &ANNA, name, bytes)
}

/// Stores bytes that look like nothing else with this seed.
pub(crate) fn store_one(inbox: &Inbox, name: &str, seed: u64, length: usize) -> Stored {
    store_bytes(inbox, name, &bytes(seed, length))
}

pub(crate) fn offer(name: &str, bytes: &[u8], part: usize) -> Offer {
    let source = Source { bytes: 100, width: 8, height: 6, raw: 144, psnr: Some(40.0) };
    let parts = bytes.chunks(part).map(|part| part.len() as u32).collect();
    Offer {
        id: 1,
        name: name.into(),
        hash: Hash::of(bytes),
        parts,
        model: Hash([9; 32]),
        source,
        thumbnail: vec![],
    }
}

fn wanted(inbox: &Inbox, peer: &PublicKey, offer: &Offer) -> Transfer {
    match inbox.begin(peer, offer).unwrap() {
        Begin::Wanted(transfer) => transfer,
        Begin::Already(stored) => panic!("{} is there", stored.name),
    }
}

fn already(inbox: &Inbox, peer: &PublicKey, offer: &Offer) -> Stored {
    match inbox.begin(peer, offer).unwrap() {
        Begin::Already(stored) => stored,
        Begin::Wanted(transfer) => panic!("{:?} are missing", transfer.missing()),
    }
}

/// Writes one part.
fn bring(transfer: &Transfer, offer: &Offer, bytes: &[u8], part: u32) {
    let (from, length) = offer.range(part).unwrap();
    let part_bytes = &bytes[from as usize..][..length as usize];
    let (head, tail) = part_bytes.split_at(part_bytes.len() / 2);
    transfer.write(part, head.len() as u32, tail).unwrap();
    transfer.write(part, 0, head).unwrap();
    transfer.part_done(part).unwrap();
}

/// Writes whatever is missing, the last part first.
fn bring_missing(transfer: &Transfer, offer: &Offer, bytes: &[u8]) {
    for (first, count) in transfer.missing().into_iter().rev() {
        (first..first + count).rev().for_each(|part| bring(transfer, offer, bytes, part));
    }
}

fn store(inbox: &Inbox, peer: &PublicKey, name: &str, bytes: &[u8]) -> Stored {
    let offer = offer(name, bytes, 1000);
    let transfer = wanted(inbox, peer, &offer);
    bring_missing(&transfer, &offer, bytes);
    transfer.complete().unwrap()
}

/// Every file below the inbox, except for the receiver's own files.
fn files(inbox: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![inbox.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true if path.ends_with(".aecodec") => {}
                true => folders.push(path),
                false => found.push(path.strip_prefix(inbox).unwrap().to_str().unwrap().to_string()),
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_picture_arrives_in_any_order_and_only_once() {
    let dir = tempfile::tempdir().unwrap();
    let inbox = open(&dir);
    let picture = bytes(1, 10_500);
    let stored = store(&inbox, &ANNA, "sub/dir/a.aec", &picture);
    assert_eq!((stored.name.as_str(), stored.bytes), ("sub/dir/a.aec", 10_500));
    assert_eq!(fs::read(&stored.path).unwrap(), picture);
    assert_eq!(already(&inbox, &ANNA, &offer("sub/dir/a.aec", &picture, 1000)), stored);
    assert_eq!(inbox.find(&stored.hash).unwrap(), Some(stored));
    assert_eq!(files(inbox.out()), ["sub/dir/a.aec"]);
    assert_eq!(fs::read_dir(dir.path().join("inbox/.aecodec/parts")).unwrap().count(), 0);
}

#[test]
fn another_picture_gets_a_number_and_the_same_one_a_link() {
    let dir = tempfile::tempdir().unwrap();
    let inbox = open(&dir);
    let (first, second) = (bytes(1, 900), bytes(2, 900));
    store(&inbox, &ANNA, "a.aec", &first);
    assert_eq!(store(&inbox, &BERT, "a.aec", &second).name, "a-2.aec");
    assert_eq!(already(&inbox, &BERT, &offer("a.aec", &second, 1000)).name, "a-2.aec");
    // Nothing travels for a second name.
    assert_eq!(already(&inbox, &ANNA, &offer("b/c.aec", &first, 1000)).name, "b/c.aec");
    assert_eq!(already(&inbox, &ANNA, &offer("b/c.aec", &first, 300)).name, "b/c.aec");
    assert_eq!(fs::read(dir.path().join("inbox/b/c.aec")).unwrap(), first);
    assert_eq!(files(inbox.out()), ["a-2.aec", "a.aec", "b/c.aec"]);
}

#[test]
fn nothing_that_is_there_is_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("inbox")).unwrap();
    let there = |name: &str| dir.path().join("inbox").join(name);
    fs::write(there("a.aec"), b"somebody's").unwrap();
    fs::write(there("b.png"), b"somebody's").unwrap();
    let mut options = options(&dir);
    options.decode = Some(Format::Png);
    let inbox = Inbox::open(options).unwrap();
    let (a, b, c) = (bytes(1, 900), bytes(2, 900), bytes(3, 900));
    assert_eq!(store(&inbox, &ANNA, "a.aec", &a).name, "a-2.aec");
    assert_eq!(store(&inbox, &ANNA, "b.aec", &b).name, "b-2.aec");
    // A file that appears while the picture arrives.
    let offered = offer("c.aec", &c, 1000);
    let transfer = wanted(&inbox, &ANNA, &offered);
    bring_missing(&transfer, &offered, &c);
    fs::write(there("c.aec"), b"somebody's").unwrap();
    assert_eq!(transfer.complete().unwrap().name, "c-2.aec");
    assert!(matches!(
        inbox.begin(&ANNA, &offer("b.png/x.aec", &a, 9)),
        Err(Error::Refused(Refusal::Name { .. }))
    ));
}

#[test]
fn wrong_bytes_are_thrown_away_and_fetched_anew() {
    let dir = tempfile::tempdir().unwrap();
    let inbox = open(&dir);
    let (right, wrong) = (bytes(1, 2500), bytes(2, 2500));
    let offered = offer("a.aec", &right, 1000);
    let transfer = wanted(&inbox, &ANNA, &offered);
    bring_missing(&transfer, &offered, &wrong);
    assert!(matches!(transfer.complete(), Err(Error::WrongHash { .. })));
    assert!(matches!(transfer.write(0, 0, &right[..10]), Err(Error::Dropped(_))));
    assert!(matches!(transfer.complete(), Err(Error::Dropped(_))));
    let transfer = wanted(&inbox, &ANNA, &offered);
    assert_eq!(transfer.missing(), [(0, 3)]);
    bring_missing(&transfer, &offered, &right);
    transfer.complete().unwrap();
    assert_eq!(files(inbox.out()), ["a.aec"]);
}

#[test]
fn a_part_is_written_within_its_bounds_and_not_after_it_is_done() {
    let dir = tempfile::tempdir().unwrap();
    let inbox = open(&dir);
    let picture = bytes(1, 2500);
    let offered = offer("a.aec", &picture, 1000);
    let transfer = wanted(&inbox, &ANNA, &offered);
    assert!(matches!(transfer.write(3, 0, &[1]), Err(Error::Range { .. })));
    assert!(matches!(transfer.write(2, 400, &[1; 101]), Err(Error::Range { expected: 500, .. })));
    assert!(matches!(transfer.write(0, u32::MAX, &[1]), Err(Error::Range { .. })));
    assert!(matches!(transfer.part_done(3), Err(Error::Range { .. })));
    assert!(matches!(transfer.complete(), Err(Error::Incomplete { missing: 3, parts: 3 })));
    bring(&transfer, &offered, &picture, 1);
    assert_eq!((transfer.missing(), transfer.prefix().unwrap().len()), (vec![(0, 1), (2, 1)], 0));
    bring(&transfer, &offered, &picture, 0);
    transfer.write(0, 0, &[0; 1000]).unwrap();
    assert_eq!(transfer.prefix_len(), 2000);
    assert_eq!(transfer.prefix().unwrap(), picture[..2000]);
    bring(&transfer, &offered, &picture, 2);
    let stored = transfer.complete().unwrap();
    transfer.write(0, 0, &[0; 1000]).unwrap();
    assert_eq!(fs::read(stored.path).unwrap(), picture);
}

#[test]
fn offers_that_ask_for_too_much_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(&dir);
    (options.picture_bytes, options.partials, options.partial_bytes) = (5000, 3, 8000);
    let inbox = Inbox::open(options).unwrap();
    let refusal = |offer: &Offer| match inbox.begin(&ANNA, offer) {
        Err(Error::Refused(refusal)) => refusal.kind(),
        other => panic!("{other:?}"),
    };
    let named = |name: &str, seed, length| offer(name, &bytes(seed, length), 1000);
    assert_eq!(refusal(&named("a.aec", 1, 5001)), "too_large");
    assert_eq!(refusal(&named("a.aec", 1, 0)), "parts");
    assert_eq!(refusal(&named("../a.aec", 1, 9)), "name");
    let first = wanted(&inbox, &ANNA, &named("a.aec", 1, 4000));
    let _second = wanted(&inbox, &ANNA, &named("b.aec", 2, 3000));
    assert_eq!(refusal(&named("c.aec", 3, 1001)), "too_much");
    let _third = wanted(&inbox, &ANNA, &named("c.aec", 3, 1000));
    assert_eq!(refusal(&named("d.aec", 4, 1)), "too_much");
    // Another sender has its own share, and pictures that no connection is sending make room.
    let _other = wanted(&inbox, &BERT, &named("d.aec", 4, 4000));
    drop(first);
    let _fourth = wanted(&inbox, &ANNA, &named("d.aec", 4, 1));
    assert_eq!(inbox.load().partials, 4);
}

#[test]
fn a_full_disk_is_a_reason_and_no_crash() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(&dir);
    options.reserve = u64::MAX;
    let inbox = Inbox::open(options).unwrap();
    let refused = inbox.begin(&ANNA, &offer("a.aec", &bytes(1, 9), 9));
    assert!(matches!(refused, Err(Error::Refused(Refusal::DiskFull { bytes: 9, .. }))), "{refused:?}");
}

#[test]
fn two_senders_of_one_picture_both_get_it_stored_once() {
    let dir = tempfile::tempdir().unwrap();
    let inbox = open(&dir);
    let picture = bytes(1, 4000);
    let offered = offer("a.aec", &picture, 1000);
    let (one, other) = (wanted(&inbox, &ANNA, &offered), wanted(&inbox, &BERT, &offered));
    // Parts from one sender do not count for the other, which may be right if the first lies.
    bring_missing(&one, &offered, &picture);
    assert_eq!(other.missing(), [(0, 4)]);
    bring_missing(&other, &offered, &picture);
    let ends = [one, other].map(|transfer| thread::spawn(move || transfer.complete().unwrap()));
    let [a, b] = ends.map(|end| end.join().unwrap());
    assert_eq!(a, b);
    assert_eq!(files(inbox.out()), ["a.aec"]);
    assert_eq!(inbox.load(), Load::default());
}

#[test]
fn two_connections_of_one_sender_share_a_transfer() {
    let dir = tempfile::tempdir().unwrap();
    let inbox = open(&dir);
    let picture = bytes(1, 4000);
    let offered = offer("a.aec", &picture, 1000);
    let (one, other) = (wanted(&inbox, &ANNA, &offered), wanted(&inbox, &ANNA, &offered));
    bring(&one, &offered, &picture, 1);
    assert_eq!(other.missing(), [(0, 1), (2, 2)]);
    drop(one);
    bring_missing(&other, &offered, &picture);
    let third = wanted(&inbox, &ANNA, &offered);
    assert_eq!(third.missing(), []);
    let ends = [third, other].map(|transfer| thread::spawn(move || transfer.complete().unwrap()));
    let [a, b] = ends.map(|end| end.join().unwrap());
    assert_eq!(a, b);
    assert_eq!(files(inbox.out()), ["a.aec"]);
}

#[test]
fn many_at_once_are_stored_once_each() {
    let dir = tempfile::tempdir().unwrap();
    let inbox = open(&dir);
    let store_all = |peer: u8| {
        let inbox = inbox.clone();
        thread::spawn(move || {
            for i in 0..40_u64 {
                let picture = bytes(i, 500 + i as usize * 70);
                let offered = offer(&format!("{}/{}.aec", i % 3, i % 10), &picture, 700);
                if let Begin::Wanted(transfer) = inbox.begin(&PublicKey([peer; 32]), &offered).unwrap() {
                    bring_missing(&transfer, &offered, &picture);
                    transfer.complete().unwrap();
                }
            }
        })
    };
    let threads: Vec<_> = (0..6).map(store_all).collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let mut found: Vec<_> =
        files(inbox.out()).iter().map(|name| disk::hash(&inbox.out().join(name)).unwrap()).collect();
    let mut expected: Vec<_> = (0..40_u64).map(|i| Hash::of(&bytes(i, 500 + i as usize * 70))).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn what_had_arrived_stays_after_the_process_ends() {
    let dir = tempfile::tempdir().unwrap();
    let picture = bytes(1, 4500);
    let offered = offer("a.aec", &picture, 1000);
    {
        let inbox = open(&dir);
        let transfer = wanted(&inbox, &ANNA, &offered);
        bring(&transfer, &offered, &picture, 2);
        bring(&transfer, &offered, &picture, 0);
        assert!(matches!(Inbox::open(options(&dir)), Err(Error::InUse(_))));
    }
    fs::write(dir.path().join("inbox/.aecodec/parts/77"), b"belongs to nothing").unwrap();
    let inbox = open(&dir);
    assert_eq!(fs::read_dir(dir.path().join("inbox/.aecodec/parts")).unwrap().count(), 1);
    let transfer = wanted(&inbox, &ANNA, &offered);
    assert_eq!(transfer.missing(), [(1, 1), (3, 2)]);
    bring_missing(&transfer, &offered, &picture);
    transfer.complete().unwrap();
    // Another cut of the same picture starts anew.
    let other = bytes(2, 4500);
    drop(wanted(&inbox, &ANNA, &offer("b.aec", &other, 1000)));
    assert_eq!(wanted(&inbox, &ANNA, &offer("b.aec", &other, 4000)).missing(), [(0, 2)]);
}

#[test]
fn a_finished_picture_is_stored_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, spoilt) = (bytes(1, 4500), bytes(2, 4500));
    {
        let inbox = open(&dir);
        let (a, b) = (offer("a.aec", &whole, 1000), offer("b.aec", &spoilt, 1000));
        bring_missing(&wanted(&inbox, &ANNA, &a), &a, &whole);
        bring_missing(&wanted(&inbox, &ANNA, &b), &b, &whole);
    }
    let inbox = open(&dir);
    assert_eq!(files(inbox.out()), ["a.aec"]);
    already(&inbox, &ANNA, &offer("a.aec", &whole, 1000));
    assert_eq!(wanted(&inbox, &ANNA, &offer("b.aec", &spoilt, 1000)).missing(), [(0, 5)]);
}

#[test]
fn a_crash_between_any_two_steps_loses_and_repeats_nothing() {
    for step in [Step::Placed, Step::Flushed, Step::Recorded] {
        let dir = tempfile::tempdir().unwrap();
        let (first, second) = (bytes(1, 4500), bytes(2, 3500));
        let (a, b) = (offer("x/a.aec", &first, 1000), offer("x/a.aec", &second, 1000));
        // The row of the transfer is written, then the process ends while the picture gets its name.
        drop(wanted(&open(&dir), &ANNA, &a));
        let mut crashing = options(&dir);
        crashing.crash = Some(step);
        {
            let inbox = Inbox::open(crashing).unwrap();
            let transfer = wanted(&inbox, &ANNA, &a);
            bring_missing(&transfer, &a, &first);
            assert!(transfer.complete().is_err(), "{step:?}");
        }
        let inbox = open(&dir);
        assert_eq!(already(&inbox, &ANNA, &a).name, "x/a.aec", "{step:?}");
        assert_eq!(store(&inbox, &BERT, "x/a.aec", &second).name, "x/a-2.aec");
        already(&inbox, &BERT, &b);
        assert_eq!(files(inbox.out()), ["x/a-2.aec", "x/a.aec"], "{step:?}");
    }
}

#[test]
fn a_picture_that_a_power_cut_struck_from_the_journal_is_recognised() {
    let dir = tempfile::tempdir().unwrap();
    let picture = bytes(1, 4500);
    fs::create_dir_all(dir.path().join("inbox/x")).unwrap();
    fs::write(dir.path().join("inbox/x/a.aec"), &picture).unwrap();
    let inbox = open(&dir);
    assert_eq!(already(&inbox, &ANNA, &offer("x/a.aec", &picture, 1000)).name, "x/a.aec");
    assert_eq!(files(inbox.out()), ["x/a.aec"]);
}

#[test]
fn a_picture_that_was_taken_out_of_the_inbox_can_come_again() {
    let dir = tempfile::tempdir().unwrap();
    let inbox = open(&dir);
    let picture = bytes(1, 4500);
    let stored = store(&inbox, &ANNA, "a.aec", &picture);
    fs::remove_file(&stored.path).unwrap();
    assert_eq!(inbox.find(&stored.hash).unwrap(), None);
    assert_eq!(store(&inbox, &ANNA, "a.aec", &picture).name, "a.aec");
}

#[test]
fn old_transfers_are_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let picture = bytes(1, 4500);
    let offered = offer("a.aec", &picture, 1000);
    let inbox = open(&dir);
    let transfer = wanted(&inbox, &ANNA, &offered);
    bring(&transfer, &offered, &picture, 0);
    let age = |seconds: i64| {
        let db = rusqlite::Connection::open(dir.path().join("inbox/.aecodec/receiver.db")).unwrap();
        db.execute("UPDATE partial SET touched = touched - ?1", [seconds]).unwrap()
    };
    drop((transfer, inbox));
    assert_eq!(age(6 * 24 * 3600), 1);
    let inbox = open(&dir);
    assert_eq!((inbox.load().partials, inbox.expire().unwrap()), (1, 0));
    drop(inbox);
    assert_eq!(age(2 * 24 * 3600), 1);
    assert_eq!(open(&dir).load().partials, 0);
    assert_eq!(fs::read_dir(dir.path().join("inbox/.aecodec/parts")).unwrap().count(), 0);
}

#[test]
fn tasks_are_kept_until_they_are_settled() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(&dir);
    (options.decode, options.upload, options.notify) = (Some(Format::Png), true, true);
    let inbox = Inbox::open(options.clone()).unwrap();
    let stored: Vec<_> =
        (0..3_u64).map(|i| store(&inbox, &ANNA, &format!("{i}.aec"), &bytes(i, 900))).collect();
    assert_eq!(inbox.pending(Task::Decode, 0, 9).unwrap(), stored);
    assert_eq!(inbox.pending(Task::Upload, stored[0].id, 1).unwrap(), stored[1..2]);
    // Nothing is announced that is not in the store.
    assert!(inbox.pending(Task::Notify, 0, 9).unwrap().is_empty());
    inbox.settle(stored[0].id, Task::Decode, Outcome::Done).unwrap();
    inbox.settle(stored[1].id, Task::Decode, Outcome::Failed).unwrap();
    inbox.settle(stored[2].id, Task::Upload, Outcome::Done).unwrap();
    drop(inbox);
    let inbox = Inbox::open(options).unwrap();
    assert_eq!(inbox.pending(Task::Decode, 0, 9).unwrap(), stored[2..]);
    assert_eq!(inbox.pending(Task::Notify, 0, 9).unwrap(), stored[2..]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever arrives in whatever order, with the process ending at any point, in the end it is all there once.
    #[test]
    fn any_history_ends_with_every_picture_once(
        steps in proptest::collection::vec((0..6_u64, 0..3_u8, any::<prop::sample::Index>(), 0..12_u8), 1..60)
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut inbox = open(&dir);
        let picture = |i: u64| bytes(i, 300 + 700 * i as usize);
        let name = |i: u64| format!("{}.aec", i % 2);
        for (i, peer, part, what) in steps {
            let (bytes, peer) = (picture(i), PublicKey([peer; 32]));
            let offered = offer(&name(i), &bytes, 500);
            if what == 0 {
                drop(inbox);
                inbox = open(&dir);
            }
            if let Begin::Wanted(transfer) = inbox.begin(&peer, &offered).unwrap() {
                bring(&transfer, &offered, &bytes, part.index(offered.parts.len()) as u32);
                if what > 9 {
                    bring_missing(&transfer, &offered, &bytes);
                }
                if transfer.missing().is_empty() {
                    transfer.complete().unwrap();
                }
            }
        }
        for i in 0..6 {
            if let Begin::Wanted(transfer) = inbox.begin(&ANNA, &offer(&name(i), &picture(i), 500)).unwrap() {
                bring_missing(&transfer, &offer(&name(i), &picture(i), 500), &picture(i));
                transfer.complete().unwrap();
            }
        }
        let mut found: Vec<_> = files(inbox.out()).iter().map(|name| disk::hash(&inbox.out().join(name)).unwrap()).collect();
        let mut expected: Vec<_> = (0..6).map(|i| Hash::of(&picture(i))).collect();
        found.sort();
        expected.sort();
        prop_assert_eq!(found, expected);
    }
}
