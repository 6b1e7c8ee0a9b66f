//! Runs `aecodec receive` and `aecodec send` like a user, and shows what they print, what they write, and how they end.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use aecodec_proto::Ticket;
use aecodec_tests::Random;
use serde_json::Value;
use tempfile::TempDir;

/// A limit that no machine needs. A test that hangs ends with the output so far.
const PATIENCE: Duration = Duration::from_secs(150);

/// A temporary folder in which the program runs.
pub struct Place(TempDir);

impl Place {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file, with the folders that it needs.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, bytes).expect("written");
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Writes a small picture, which depends on the seed, in the format of the extension.
    pub fn picture(&self, name: &str, seed: u64) {
        let mut random = Random::new(seed);
        let [a, b, c] = [(); 3].map(|()| random.below(7) as u32 + 1);
        let picture = image::RgbImage::from_fn(72, 56, |x, y| {
            image::Rgb([(x * a + seed as u32) as u8, (y * b) as u8, (x * y / c) as u8])
        });
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        picture.save(path).expect("saved");
    }

    /// Copies one of the pictures in `samples/`.
    pub fn sample(&self, name: &str, to: &str) {
        self.put(to, &std::fs::read(repository().join("samples").join(name)).expect("a sample"));
    }

    /// The files below a folder, sorted, without the receiver's own files.
    pub fn files(&self, folder: &str) -> Vec<String> {
        files(&self.path(folder))
    }

    /// The program with these arguments, which are separated by spaces.
    pub fn command(&self, args: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aecodec"));
        command.current_dir(self.0.path()).args(args.split_whitespace()).env_remove("AECODEC_TICKET");
        command
    }

    /// Starts the program.
    pub fn start(&self, args: &str) -> Program {
        Program::start(self.command(args))
    }

    /// Runs the program to its end.
    pub fn run(&self, args: &str) -> Ended {
        self.start(args).end()
    }

    /// Starts a receiver on loopback and waits for its ticket.
    pub fn receive(&self, args: &str) -> Receiver {
        let listen = if args.contains("--listen") { "" } else { "--listen 127.0.0.1:0" };
        let mut program = self.start(&format!("receive --json {listen} {args}"));
        let first = program.next();
        assert_eq!(first["event"], "listening", "{first}\n{}", program.errors());
        let ticket = first["ticket"].as_str().expect("a ticket").to_owned();
        let address = first["addresses"][0].as_str().expect("an address").parse().expect("an address");
        Receiver { program, ticket, address }
    }
}

/// The files below a folder, sorted, without the receiver's own files.
pub fn files(folder: &Path) -> Vec<String> {
    fn walk(folder: &Path, root: &Path, out: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() && entry.file_name() != ".aecodec" {
                walk(&path, root, out);
            } else if path.is_file() {
                let below = path.strip_prefix(root).expect("below it");
                out.push(below.to_str().expect("plain names").to_owned());
            }
        }
    }
    let mut out = Vec::new();
    walk(folder, folder, &mut out);
    out.sort();
    out
}

pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A ticket that leads to another address, such as that of a proxy.
pub fn by_way_of(ticket: &str, address: SocketAddr) -> String {
    let mut ticket: Ticket = ticket.parse().expect("a ticket");
    ticket.addresses = vec![address.to_string()];
    ticket.to_string()
}

/// A running receiver and its ticket.
pub struct Receiver {
    pub program: Program,
    pub ticket: String,
    pub address: SocketAddr,
}

/// A running program, which is killed when it is dropped.
pub struct Program {
    child: Child,
    lines: mpsc::Receiver<Value>,
    seen: Vec<Value>,
    errors: Arc<Mutex<String>>,
}

impl Program {
    pub fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program");
        let (line, lines) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().expect("stdout"));
        thread::spawn(move || {
            for text in stdout.lines().map_while(Result::ok) {
                // Lines that are not JSON count as text.
                let _ = line.send(serde_json::from_str(&text).unwrap_or(Value::String(text)));
            }
        });
        let errors = Arc::new(Mutex::new(String::new()));
        let (mut stderr, told) = (child.stderr.take().expect("stderr"), errors.clone());
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = stderr.read(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..length]);
                told.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
            }
        });
        Self { child, lines, seen: Vec::new(), errors }
    }

    /// Writes to the stdin of the program, and closes it.
    pub fn tell(&mut self, text: &str) {
        let mut stdin = self.child.stdin.take().expect("an open stdin");
        stdin.write_all(text.as_bytes()).expect("written");
    }

    /// What the program has printed on stderr.
    pub fn errors(&self) -> String {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All lines that were read from its stdout.
    pub fn seen(&self) -> &[Value] {
        &self.seen
    }

    /// Its next line.
    pub fn next(&mut self) -> Value {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => {
                self.seen.push(line.clone());
                line
            }
            Err(error) => panic!("no line: {error}\n{:#?}\n{}", self.seen, self.errors()),
        }
    }

    /// Reads until a line contains this event.
    pub fn until(&mut self, event: &str) -> Value {
        self.until_it(|line| line["event"] == event)
    }

    /// Reads until a line matches.
    pub fn until_it(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        loop {
            let line = self.next();
            if fits(&line) {
                return line;
            }
        }
    }

    /// Takes the available lines without waiting.
    pub fn read_ready(&mut self) {
        self.seen.extend(self.lines.try_iter());
    }

    /// Whether the program has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_some()
    }

    /// The peak memory of the program in bytes.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("/proc");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
        let kilobytes = line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number");
        kilobytes << 10
    }

    /// Waits for the program to end.
    pub fn end(mut self) -> Ended {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => self.seen.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    panic!("it does not end:\n{:#?}\n{}", self.seen, self.errors())
                }
            }
        }
        let status = self.child.wait().expect("a child");
        self.ended(status)
    }

    /// Asks the program to stop, as Ctrl-C does, and waits for it to end.
    pub fn stop(self) -> Ended {
        let interrupt = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        assert!(interrupt.expect("kill").success());
        self.end()
    }

    /// Kills the program.
    pub fn kill(mut self) -> Ended {
        self.child.kill().expect("killed");
        let status = self.child.wait().expect("a child");
        self.ended(status)
    }

    fn ended(&mut self, status: ExitStatus) -> Ended {
        // The thread that reads stderr may be a little behind.
        let deadline = Instant::now() + Duration::from_secs(5);
        while Arc::strong_count(&self.errors) > 1 && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
        self.read_ready();
        Ended { code: status.code(), lines: std::mem::take(&mut self.seen), errors: self.errors() }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The output of a program that has ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub lines: Vec<Value>,
    pub errors: String,
}

impl Ended {
    /// The lines of one event.
    pub fn all(&self, event: &str) -> Vec<&Value> {
        self.lines.iter().filter(|line| line["event"] == event).collect()
    }

    /// The totals at its end.
    pub fn total(&self) -> &Value {
        self.all("total").pop().unwrap_or_else(|| panic!("no total: {self:#?}"))
    }

    /// Fails the test unless the program ended with this code.
    #[track_caller]
    pub fn with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{:#?}\n{}", self.lines, self.errors);
        self
    }
}
