//! Promises of the watch; time is a number that the tests choose.

use super::*;
use crate::source::Kind;
use std::fs::File;
use std::time::SystemTime;

/// A watched folder, and a clock.
struct Scene {
    above: tempfile::TempDir,
    watcher: Watcher,
    start: Instant,
}

impl Scene {
    fn new() -> Self {
        let above = tempfile::tempdir().unwrap();
        let folder = above.path().join("in");
        fs::create_dir(&folder).unwrap();
        let options = Options { settle: Duration::from_secs(1), ..Options::default() };
        let watcher = Watcher::new(&folder, &options);
        Self { above, watcher, start: Instant::now() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.above.path().join("in").join(name)
    }

    /// A file of this content, last written at this time of its own clock.
    fn write(&self, name: &str, content: &str, modified: u64) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + modified);
        File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    }

    fn at(&self, millis: u64) -> Instant {
        self.start + Duration::from_millis(millis)
    }

    fn look(&mut self, millis: u64) -> Scan {
        let now = self.at(millis);
        self.watcher.scan(now)
    }

    /// The names of the files that a look finds.
    fn names(&mut self, millis: u64) -> Vec<String> {
        let scan = self.look(millis);
        assert!(scan.failed.is_empty(), "{:?}", scan.failed);
        scan.files.into_iter().map(|file| file.name).collect()
    }
}

#[test]
fn files_come_once_when_they_have_settled() {
    let mut scene = Scene::new();
    scene.write("a.png", "there", 1);
    scene.write("sub/b.aec", "before", 1);
    assert!(scene.names(0).is_empty());
    assert!(scene.names(900).is_empty());
    scene.write("c.jpg", "new", 2);
    assert_eq!(scene.names(1000), ["a.aec", "sub/b.aec"]);
    assert!(scene.names(1999).is_empty());
    assert_eq!(scene.names(2000), ["c.aec"]);
    assert!(scene.names(60_000).is_empty());
}

#[test]
fn a_growing_file_is_waited_for() {
    let mut scene = Scene::new();
    for i in 0..10 {
        scene.write("a.png", &"x".repeat(i as usize), i);
        assert!(scene.names(700 * i).is_empty());
    }
    assert!(scene.names(7200).is_empty());
    assert_eq!(scene.names(7300), ["a.aec"]);
}

#[test]
fn an_empty_file_is_not_finished() {
    let mut scene = Scene::new();
    scene.write("a.png", "", 1);
    assert!(scene.names(0).is_empty());
    assert!(scene.names(5000).is_empty());
    scene.write("a.png", "x", 1);
    assert!(scene.names(5500).is_empty());
    assert_eq!(scene.names(6500), ["a.aec"]);
}

#[test]
fn a_changed_file_comes_again_under_its_name() {
    let mut scene = Scene::new();
    scene.write("a.png", "one", 1);
    scene.names(0);
    let first = scene.look(1000).files.remove(0);
    scene.write("a.jpg", "another", 1);
    scene.write("a.png", "two", 2);
    scene.names(2000);
    let files = scene.look(3000).files;
    let names: Vec<_> = files.iter().map(|file| (file.path.clone(), file.name.as_str())).collect();
    assert_eq!(names, [(first.path.clone(), "a.aec"), (first.path.with_extension("jpg"), "a.jpg.aec")]);
    assert_ne!(files[0].modified, first.modified);
    assert_eq!(files[0].kind, Kind::Picture);
}

#[test]
fn hidden_unfinished_and_other_files_are_left_alone() {
    let mut scene = Scene::new();
    let names =
        [".a.png", ".hidden/b.png", "c.png.tmp", "d.png.PART", "e.crdownload", "f.tmp/g.png", "h.txt"];
    for name in names {
        scene.write(name, "x", 1);
    }
    assert!(scene.names(0).is_empty());
    assert!(scene.names(9000).is_empty());
    fs::rename(scene.path("c.png.tmp"), scene.path("c.png")).unwrap();
    scene.names(9500);
    assert_eq!(scene.names(10_500), ["c.aec"]);
}

#[test]
fn the_folder_may_go_and_come_back() {
    let mut scene = Scene::new();
    scene.write("a.png", "x", 1);
    scene.names(0);
    assert_eq!(scene.names(1000), ["a.aec"]);

    let (here, away) = (scene.path(""), scene.above.path().join("away"));
    fs::rename(&here, &away).unwrap();
    assert_eq!(scene.look(2000).reach, Some(Reach::Away));
    assert_eq!(scene.look(3000).reach, None, "told once");
    fs::rename(&away, &here).unwrap();
    scene.write("b.png", "x", 1);
    let scan = scene.look(4000);
    assert_eq!(scan.reach, Some(Reach::Back));
    assert!(scan.files.is_empty());
    assert_eq!(scene.names(5000), ["b.aec"], "a.png is known still");
}

#[test]
fn a_folder_that_is_not_there_yet_is_waited_for() {
    let above = tempfile::tempdir().unwrap();
    let folder = above.path().join("later");
    let (mut watcher, start) = (Watcher::new(&folder, &Options::default()), Instant::now());
    assert_eq!(watcher.scan(start).reach, Some(Reach::Away));
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("a.png"), "x").unwrap();
    assert_eq!(watcher.scan(start).reach, Some(Reach::Back));
    assert_eq!(watcher.scan(start + Duration::from_secs(2)).files.len(), 1);
}

#[test]
fn what_could_not_be_read_is_told_again_ever_more_rarely() {
    let mut scene = Scene::new();
    scene.write("a.png", "x", 1);
    scene.names(0);
    let path = scene.look(1000).files.remove(0).path;
    let mut told = Vec::new();
    scene.watcher.again(&path, scene.at(1000));
    for second in 2..40 {
        if !scene.names(1000 * second).is_empty() {
            told.push(second);
            scene.watcher.again(&path, scene.at(1000 * second));
        }
    }
    assert_eq!(told, [3, 7, 15, 31]);
    scene.write("a.png", "better", 2);
    scene.names(40_000);
    assert_eq!(scene.names(41_000), ["a.aec"], "a new version has a new chance");
}

#[test]
fn a_file_whose_name_is_taken_gets_another() {
    let mut scene = Scene::new();
    scene.write("a.png", "x", 1);
    scene.names(0);
    scene.names(1000);
    scene.write("a.aec", "x", 1);
    scene.write("b.png", "x", 1);
    scene.names(2000);
    assert_eq!(scene.names(3000), ["in/a.aec", "b.aec"]);
}

/// A bitmap of which `filled` of its 4054 bytes are there, left by a writer that sets the size first.
fn bitmap(filled: usize) -> Vec<u8> {
    let mut bytes = b"BM".to_vec();
    bytes.extend_from_slice(&4054_u32.to_le_bytes());
    bytes.resize(54, 0);
    bytes.resize(filled, 99);
    bytes.resize(4054, 0);
    bytes
}

impl Scene {
    /// Writes without a change of size or time.
    fn fill(&self, name: &str, bytes: &[u8]) {
        let time =
            fs::metadata(self.path(name)).map_or(SystemTime::UNIX_EPOCH, |old| old.modified().unwrap());
        fs::write(self.path(name), bytes).unwrap();
        File::options().write(true).open(self.path(name)).unwrap().set_modified(time).unwrap();
    }
}

#[test]
fn a_file_without_its_end_is_waited_for() {
    let mut scene = Scene::new();
    scene.fill("cam.bmp", &bitmap(1000));
    for millis in [0, 1000, 5000, 9900] {
        assert!(scene.names(millis).is_empty(), "{millis}");
    }
    scene.fill("cam.bmp", &bitmap(4054));
    assert_eq!(scene.names(9950), ["cam.aec"]);
}

#[test]
fn a_file_that_never_gets_its_end_is_taken_with_a_word() {
    let mut scene = Scene::new();
    scene.fill("cam.bmp", &bitmap(1000));
    assert!(scene.names(0).is_empty());
    assert!(scene.names(9999).is_empty());
    let scan = scene.look(10_000);
    assert_eq!(scan.files.len(), 1);
    let told: Vec<_> = scan.doubtful.iter().map(|doubtful| (doubtful.doubt, doubtful.fate)).collect();
    assert_eq!(told, [(Doubt::NoEnd, Fate::Taken)]);
    assert!(scene.look(60_000).doubtful.is_empty());
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_is_open_for_writing_is_waited_for() {
    let mut scene = Scene::new();
    scene.fill("whole.bmp", &bitmap(4054));
    scene.fill("half.bmp", &bitmap(1000));
    let open = |name: &str| File::options().write(true).open(scene.path(name)).unwrap();
    let (whole, half) = (open("whole.bmp"), open("half.bmp"));
    for millis in [0, 1000, 9900] {
        assert!(scene.names(millis).is_empty(), "{millis}");
    }
    // A process may keep a finished file open indefinitely. If half a file is open, it is still being written.
    let scan = scene.look(10_000);
    let told: Vec<_> = scan.doubtful.iter().map(|doubtful| (doubtful.doubt, doubtful.fate)).collect();
    assert_eq!(told, [(Doubt::OpenWithoutEnd, Fate::Waiting), (Doubt::Open, Fate::Taken)]);
    assert_eq!(scan.files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(), ["whole.aec"]);
    assert!(scene.look(60_000).doubtful.is_empty(), "told once");
    scene.fill("half.bmp", &bitmap(4054));
    drop((whole, half));
    assert_eq!(scene.names(60_500), ["half.aec"]);
}

#[cfg(unix)]
#[test]
fn a_dangling_link_is_told_once_and_links_to_folders_are_not_followed() {
    use std::os::unix::fs::symlink;
    let mut scene = Scene::new();
    scene.write("a.png", "x", 1);
    symlink(scene.path("nowhere.png"), scene.path("gone.png")).unwrap();
    symlink(scene.path(""), scene.path("circle.png")).unwrap();
    symlink(scene.path("a.png"), scene.path("link.png")).unwrap();
    assert_eq!(scene.look(0).failed.len(), 1);
    assert_eq!(scene.names(1000), ["a.aec", "link.aec"]);
}
