//! Tests of the command line, which run the program like a user.

mod anomaly;
mod bad_input;
mod batch;
mod bench;
#[cfg(feature = "live")]
mod clips;
mod compare;
mod damage;
mod effort;
mod folders;
mod latents;
mod names;
mod output;
mod pictures;
mod pipes;
mod rows;
mod search;
mod segment;
mod train;
mod usage;

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use tempfile::TempDir;

/// A temporary folder in which the program runs.
struct Workplace(TempDir);

impl Workplace {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    /// The paths of all files, sorted, with `/` between folders.
    fn files(&self) -> Vec<String> {
        fn walk(folder: &Path, root: &Path, out: &mut Vec<String>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, root, out);
                } else {
                    out.push(path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/"));
                }
            }
        }
        let mut out = Vec::new();
        walk(self.0.path(), self.0.path(), &mut out);
        out.sort();
        out
    }

    /// The program with these arguments, which are separated by spaces.
    fn run(&self, args: &str) -> Command {
        let mut command = Command::cargo_bin("aecodec").unwrap();
        command.current_dir(self.0.path()).args(args.split_whitespace());
        command
    }

    /// Like `run`, but as a user without privileges, because permissions do not apply to root.
    #[cfg(unix)]
    fn run_unprivileged(&self, args: &str) -> Command {
        use std::os::unix::fs::{MetadataExt as _, PermissionsExt};
        use std::os::unix::process::CommandExt as _;
        if self.0.path().metadata().unwrap().uid() != 0 {
            return self.run(args);
        }
        // Another user can neither enter this folder nor reach the built program.
        std::fs::set_permissions(self.0.path(), PermissionsExt::from_mode(0o777)).unwrap();
        let program = self.0.path().join("aecodec");
        let built = assert_cmd::cargo::cargo_bin("aecodec");
        if !program.exists() && std::fs::hard_link(&built, &program).is_err() {
            std::fs::copy(&built, &program).unwrap();
        }
        let mut command = std::process::Command::new(program);
        command.uid(65534).gid(65534).current_dir(self.0.path()).args(args.split_whitespace());
        Command::from_std(command)
    }

    /// Writes a small picture, in the format of the extension.
    fn picture(&self, name: &str) -> image::RgbImage {
        self.picture_of(name, 48, 32)
    }

    fn picture_of(&self, name: &str, width: u32, height: u32) -> image::RgbImage {
        let picture = image::RgbImage::from_fn(width, height, |x, y| {
            image::Rgb([(x * 4) as u8, (y * 6) as u8, ((x * y) / 3) as u8])
        });
        std::fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        picture.save(self.path(name)).unwrap();
        picture
    }
}

/// What the program printed on stdout.
fn stdout(command: &mut Command) -> String {
    String::from_utf8(command.output().unwrap().stdout).unwrap()
}

/// The lines of stdout as JSON.
fn json(command: &mut Command) -> Vec<serde_json::Value> {
    stdout(command).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Runs a command, expects the exit code and exactly one line on stderr, and returns this line.
fn one_line(command: &mut Command, code: i32) -> String {
    let output = command.assert().code(code).get_output().clone();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(text.lines().count(), 1, "one clear line, not: {text}");
    assert!(!text.contains("panicked") && !text.contains("internal error"), "{text}");
    text
}

/// A small stream as in `docs/format.md`: 1x1, gray, with empty substreams.
fn tiny_stream(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = b"\x89AEC\r\n\x1a\n\x01\x01\x01\x00".to_vec();
    bytes.extend([1, 0, 0, 0, 1, 0, 0, 0]);
    bytes.extend([0, 0, 6]);
    bytes.extend([0xAB; 8]);
    bytes.extend([0; 4]);
    bytes.extend([0; 5 * 5]);
    change(&mut bytes);
    let crc = crc32fast::hash(&bytes);
    bytes.extend(crc.to_le_bytes());
    bytes
}
