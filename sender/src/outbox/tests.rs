//! Promises of the journal. Copies of the folder and dropped values stand for processes that end.

use super::*;
use crate::prepared::{Content, Memory};
use crate::source::Kind;
use aecodec_proto::message::Source;
use proptest::prelude::*;
use std::collections::BTreeSet;

const ALICE: PublicKey = PublicKey([1; 32]);
const BOB: PublicKey = PublicKey([2; 32]);
const SETTINGS: Hash = Hash([9; 32]);

struct State {
    folder: tempfile::TempDir,
}

impl State {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn open(&self) -> Outbox {
        Outbox::open(&self.path().join("sender")).unwrap()
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A copy as another process would find it if this one had died now.
    fn killed(&self) -> Self {
        let copy = Self::new();
        for entry in walkdir::WalkDir::new(self.path()).min_depth(1) {
            let entry = entry.unwrap();
            let target = copy.path().join(entry.path().strip_prefix(self.path()).unwrap());
            if entry.file_type().is_dir() {
                fs::create_dir(target).unwrap();
            } else {
                fs::copy(entry.path(), target).unwrap();
            }
        }
        copy
    }

    /// A source that exists.
    fn source(&self, name: &str) -> SourceFile {
        let path = self.path().join(name);
        fs::write(&path, name).unwrap();
        let found = fs::metadata(&path).unwrap();
        SourceFile {
            name: format!("{name}.aec"),
            bytes: found.len(),
            modified: crate::source::modified(&found),
            kind: Kind::Picture,
            naming: crate::name::Naming::Own,
            path,
        }
    }
}

fn prepared(file: &SourceFile) -> Prepared {
    let bytes = aec(file);
    let source = Source { bytes: file.bytes, width: 3, height: 2, raw: 18, psnr: Some(f64::INFINITY) };
    Prepared {
        file: file.clone(),
        settings: SETTINGS,
        hash: Hash::of(&bytes),
        parts: vec![bytes.len() as u32],
        model: Hash([0; 32]),
        source,
        thumbnail: bytes::Bytes::new(),
        content: Memory::new(1 << 20).keep(bytes.into(), &file.path).unwrap(),
    }
}

/// Stands for the `.aec` of a source.
fn aec(file: &SourceFile) -> Vec<u8> {
    format!("{} {} {}", file.name, file.bytes, file.modified).into_bytes()
}

fn spool(outbox: &Outbox, receiver: &PublicKey, file: &SourceFile) -> PathBuf {
    let bytes = aec(file);
    outbox.spool(receiver, file, &SETTINGS, (&Hash::of(&bytes), &bytes), Some(40.0)).unwrap()
}

fn spooled(outbox: &Outbox, receiver: &PublicKey, file: &SourceFile) -> Option<Vec<u8>> {
    let found = outbox.spooled(receiver, file, &SETTINGS).unwrap()?;
    let bytes = fs::read(found.path).ok()?;
    assert_eq!(Hash::of(&bytes), found.hash);
    assert_eq!(found.psnr, Some(40.0));
    Some(bytes)
}

#[test]
fn a_receipt_counts_for_its_receiver_settings_and_version_of_the_file() {
    let state = State::new();
    let outbox = state.open();
    let file = state.source("a.png");
    outbox.receipted(&ALICE, [&prepared(&file)]).unwrap();

    let sent = outbox.sent(&ALICE, &file, &SETTINGS).unwrap().unwrap();
    assert_eq!((sent.name.as_str(), sent.psnr), ("a.png.aec", Some(f64::INFINITY)));
    assert_eq!((sent.hash, sent.bytes), (Hash::of(&aec(&file)), aec(&file).len() as u64));
    assert_eq!(outbox.sent(&BOB, &file, &SETTINGS).unwrap(), None);
    assert_eq!(outbox.sent(&ALICE, &file, &Hash([8; 32])).unwrap(), None);
    let touched = SourceFile { modified: file.modified + 1, ..file.clone() };
    assert_eq!(outbox.sent(&ALICE, &touched, &SETTINGS).unwrap(), None);
    let grown = SourceFile { bytes: file.bytes + 1, ..file };
    assert_eq!(outbox.sent(&ALICE, &grown, &SETTINGS).unwrap(), None);
}

#[test]
fn the_spool_keeps_a_picture_until_every_receiver_has_it() {
    let state = State::new();
    let outbox = state.open();
    let file = state.source("a.png");
    let path = spool(&outbox, &ALICE, &file);
    assert_eq!(spooled(&outbox, &BOB, &file), Some(aec(&file)));

    outbox.receipted(&ALICE, [&prepared(&file)]).unwrap();
    assert!(path.exists());
    outbox.receipted(&BOB, [&prepared(&file)]).unwrap();
    assert!(!path.exists());
    assert_eq!(spooled(&outbox, &ALICE, &file), None);
}

#[test]
fn equal_pictures_of_two_sources_share_a_file_that_outlives_the_first_receipt() {
    let state = State::new();
    let outbox = state.open();
    let (a, b) = (state.source("a.png"), state.source("b.png"));
    let bytes = b"the same";
    let hash = Hash::of(bytes);
    for file in [&a, &b] {
        outbox.spool(&ALICE, file, &SETTINGS, (&hash, bytes), Some(40.0)).unwrap();
    }
    outbox.receipted(&ALICE, [&prepared(&a)]).unwrap();
    assert_eq!(spooled(&outbox, &ALICE, &b).as_deref(), Some(&bytes[..]));
    outbox.receipted(&ALICE, [&prepared(&b)]).unwrap();
    assert_eq!(fs::read_dir(outbox.folder().join(SPOOL)).unwrap().count(), 0);
}

#[test]
fn a_start_removes_what_dead_processes_left_and_nothing_else() {
    let state = State::new();
    let outbox = state.open();
    let kept = state.source("kept.png");
    spool(&outbox, &ALICE, &kept);
    let lost = spool(&outbox, &ALICE, &state.source("lost.png"));
    fs::remove_file(lost).unwrap();
    let folder = outbox.folder().join(SPOOL);
    fs::write(folder.join("dead.1.0.tmp"), "half").unwrap();
    fs::write(folder.join(format!("{}.aec", Hash([3; 32]))), "no entry").unwrap();
    // Another process is writing this one.
    let alive = File::create(folder.join("alive.2.0.tmp")).unwrap();
    alive.lock().unwrap();

    let again = state.open();
    let names: BTreeSet<_> =
        fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(names, BTreeSet::from([format!("{}.aec", Hash::of(&aec(&kept))), "alive.2.0.tmp".into()]));
    assert_eq!(spooled(&again, &ALICE, &kept), Some(aec(&kept)));
    assert_eq!(spooled(&again, &ALICE, &state.source("lost.png")), None);
}

#[test]
fn old_entries_go_when_their_source_has_gone() {
    let state = State::new();
    let outbox = state.open();
    let (here, gone) = (state.source("here.png"), state.source("gone.png"));
    let paths = [&here, &gone].map(|file| spool(&outbox, &ALICE, file));
    fs::remove_file(&gone.path).unwrap();
    let now = SystemTime::now();
    outbox.clean(now).unwrap();
    assert!(paths.iter().all(|path| path.exists()), "another process may be sending it");
    outbox.clean(now + Duration::from_secs(48 * 60 * 60)).unwrap();
    assert_eq!(paths.map(|path| path.exists()), [true, false]);
}

#[test]
fn several_processes_share_the_state() {
    let state = State::new();
    let files: Vec<_> = (0..40).map(|i| state.source(&format!("{i}.png"))).collect();
    std::thread::scope(|scope| {
        for part in files.chunks(10) {
            let state = &state;
            scope.spawn(move || {
                for file in part {
                    // Each one opens the journal again, and so cleans up while the others work.
                    let outbox = state.open();
                    spool(&outbox, &ALICE, file);
                    assert_eq!(spooled(&outbox, &BOB, file), Some(aec(file)));
                    outbox.receipted(&ALICE, [&prepared(file)]).unwrap();
                }
            });
        }
    });
    let outbox = state.open();
    for file in &files {
        assert!(outbox.sent(&ALICE, file, &SETTINGS).unwrap().is_some());
        assert_eq!(spooled(&outbox, &BOB, file), Some(aec(file)));
    }
}

#[cfg(unix)]
#[test]
fn the_state_is_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let state = State::new();
    let outbox = state.open();
    assert_eq!(fs::metadata(outbox.folder()).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_newer_journal_is_left_alone() {
    let state = State::new();
    let outbox = state.open();
    outbox.quick().pragma_update(None, "user_version", 99).unwrap();
    let error = Outbox::open(outbox.folder()).unwrap_err();
    assert!(matches!(error, Error::JournalVersion { found: 99, .. }), "{error}");
}

#[test]
fn receivers_are_remembered_and_forgotten() {
    let state = State::new();
    let known = |key, name: &str, used| Known {
        key,
        name: name.into(),
        addresses: vec!["10.0.0.1:4433".into(), "[::1]:4433".into()],
        enrolled: true,
        used: UNIX_EPOCH + Duration::from_secs(used),
    };
    let (alice, bob) = (known(ALICE, "alice", 5), known(BOB, "bob", 6));
    let outbox = state.open();
    for receiver in [&bob, &alice, &known(ALICE, "alice", 5)] {
        outbox.remember(receiver).unwrap();
    }
    assert_eq!(state.killed().open().receivers().unwrap(), [bob.clone(), alice]);
    let file = state.source("a.png");
    outbox.receipted(&ALICE, [&prepared(&file)]).unwrap();
    let (only, shared) = (state.source("only.png"), state.source("shared.png"));
    let paths = [&only, &shared].map(|file| spool(&outbox, &ALICE, file));
    spool(&outbox, &BOB, &shared);
    outbox.forget(&ALICE).unwrap();
    assert_eq!(outbox.receivers().unwrap(), [bob]);
    assert_eq!(outbox.sent(&ALICE, &file, &SETTINGS).unwrap(), None);
    assert_eq!(paths.map(|path| path.exists()), [false, true]);
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Spool(usize, bool),
    Receipt(usize, bool),
    Kill,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..5usize, any::<bool>()).prop_map(|(file, alice)| Step::Spool(file, alice)),
        4 => (0..5usize, any::<bool>()).prop_map(|(file, alice)| Step::Receipt(file, alice)),
        1 => Just(Step::Kill),
    ];
    prop::collection::vec(step, 0..25)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn kills_lose_nothing_and_nothing_is_left_over(steps in steps()) {
        let mut state = State::new();
        let mut outbox = state.open();
        let files: Vec<_> = (0..5).map(|i| state.source(&format!("{i}.png"))).collect();
        let who = |alice| if alice { ALICE } else { BOB };
        let (mut wanted, mut sent) = (BTreeSet::new(), BTreeSet::new());
        for step in steps {
            match step {
                Step::Spool(i, alice) => {
                    spool(&outbox, &who(alice), &files[i]);
                    wanted.insert((i, alice));
                }
                Step::Receipt(i, alice) => {
                    outbox.receipted(&who(alice), [&prepared(&files[i])]).unwrap();
                    wanted.remove(&(i, alice));
                    sent.insert((i, alice));
                }
                Step::Kill => {
                    // The copy is made while the journal is open, its log not yet merged.
                    let copy = state.killed();
                    drop(outbox);
                    outbox = copy.open();
                    state = copy;
                }
            }
        }
        for (i, file) in files.iter().enumerate() {
            for alice in [true, false] {
                let found = outbox.sent(&who(alice), file, &SETTINGS).unwrap();
                prop_assert_eq!(found.is_some(), sent.contains(&(i, alice)));
            }
            let kept = outbox.folder().join(SPOOL).join(format!("{}.aec", Hash::of(&aec(file))));
            let needed = wanted.contains(&(i, true)) || wanted.contains(&(i, false));
            prop_assert_eq!(kept.exists(), needed);
            if needed {
                prop_assert_eq!(spooled(&outbox, &ALICE, file), Some(aec(file)));
            }
        }
    }
}

#[test]
fn content_in_the_spool_can_be_sent_though_another_process_removed_it() {
    let state = State::new();
    let outbox = state.open();
    let file = state.source("a.png");
    let path = spool(&outbox, &ALICE, &file);
    let content = Memory::new(0).keep(aec(&file).into(), &path).unwrap();
    outbox.receipted(&ALICE, [&prepared(&file)]).unwrap();
    assert!(!path.exists() && matches!(content, Content::File(_)));
    let whole = Prepared { content, ..prepared(&file) };
    assert_eq!(whole.part(0).unwrap(), aec(&file));
}

/// Set for the process that [`a_process_that_is_killed_leaves_all_that_it_had_told`] kills.
const VICTIM: &str = "AECODEC_TEST_VICTIM";
/// Files that the victim works on.
const WORK: usize = 200;

/// Spools pictures and records receipts until it is killed, and reports what is done.
#[test]
fn victim() {
    let Some(folder) = std::env::var_os(VICTIM) else { return };
    let outbox = Outbox::open(&Path::new(&folder).join("sender")).unwrap();
    for i in 0..WORK {
        let file = work(Path::new(&folder), i);
        if outbox.sent(&ALICE, &file, &SETTINGS).unwrap().is_none() {
            spool(&outbox, &ALICE, &file);
            println!("\nspooled {i}");
            outbox.receipted(&ALICE, [&prepared(&file)]).unwrap();
            println!("\nreceipted {i}");
        }
    }
}

fn work(folder: &Path, i: usize) -> SourceFile {
    SourceFile {
        path: folder.join(format!("{i}.png")),
        name: format!("{i}.aec"),
        bytes: 1,
        modified: 1,
        kind: Kind::Picture,
        naming: crate::name::Naming::Own,
    }
}

#[test]
fn a_process_that_is_killed_leaves_all_that_it_had_told() {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Command, Stdio};
    let state = State::new();
    let mut told = BTreeSet::new();
    for lines in [1, 2, 3, 6, 9, 14, 25] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "outbox::tests::victim", "--nocapture"])
            .env(VICTIM, state.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines().map_while(std::io::Result::ok);
        let words = |line: String| line.split_once(' ').map(|(word, i)| (word.to_owned(), i.to_owned()));
        let done =
            output.filter_map(words).filter(|(word, _)| ["spooled", "receipted"].contains(&word.as_str()));
        let mut last = None;
        for (word, i) in done.take(lines) {
            let i: usize = i.parse().unwrap();
            if word == "receipted" {
                told.insert(i);
            }
            last = Some((word, i));
        }
        child.kill().unwrap();
        child.wait().unwrap();

        let outbox = state.open();
        for &i in &told {
            assert!(outbox.sent(&ALICE, &work(state.path(), i), &SETTINGS).unwrap().is_some(), "{i}");
        }
        if let Some(("spooled", i)) = last.as_ref().map(|(word, i)| (word.as_str(), *i)) {
            let file = work(state.path(), i);
            let sent = outbox.sent(&ALICE, &file, &SETTINGS).unwrap().is_some();
            assert!(sent || spooled(&outbox, &ALICE, &file) == Some(aec(&file)), "{i} is lost");
        }
        let left = fs::read_dir(outbox.folder().join(SPOOL)).unwrap().count();
        assert!(left <= 1, "{left} files in the spool");
    }
    assert!(told.len() > 20, "the victims did little: {told:?}");
}
