//! Runs a program, and measures its time and its peak memory.

use std::env;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Instant;

/// How many of the last lines of a failed program's output become part of the message.
const TOLD_LINES: usize = 5;

/// A run of a program that succeeded.
pub struct ProcessRun {
    /// The time of the whole process, in seconds.
    pub seconds: f64,
    /// The peak resident memory in bytes, if the system reports it.
    pub peak_memory: Option<u64>,
    /// What the program wrote to stdout and stderr.
    pub output: String,
}

/// Runs a program with empty input.
///
/// # Errors
/// Returns a message if the program cannot be started or fails: its status and the last lines of its output.
pub fn run(program: &str, arguments: &[String]) -> Result<ProcessRun, String> {
    let mut log = tempfile::tempfile().map_err(|error| format!("no temporary file: {error}"))?;
    let start = Instant::now();
    let mut child = spawn(program, arguments, &log).map_err(|error| format!("`{program}`: {error}"))?;
    let (status, seconds, peak_memory) =
        wait(&mut child, start).map_err(|error| format!("`{program}`: {error}"))?;
    let mut output = Vec::new();
    log.rewind().and_then(|()| log.read_to_end(&mut output)).map_err(|error| error.to_string())?;
    let output = String::from_utf8_lossy(&output).into_owned();
    if status.success() {
        return Ok(ProcessRun { seconds, peak_memory, output });
    }
    let lines: Vec<&str> = output.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let told = lines[lines.len().saturating_sub(TOLD_LINES)..].join("\n  ");
    Err(format!("`{program}` ended with {status}{}{told}", if told.is_empty() { "" } else { ":\n  " }))
}

/// Whether a program with this name or path exists.
pub fn is_installed(program: &str) -> bool {
    let suffix = env::consts::EXE_SUFFIX;
    let file = format!("{}{suffix}", program.strip_suffix(suffix).unwrap_or(program));
    let is_there = |path: &Path| path.is_file();
    if Path::new(program).components().count() > 1 {
        return is_there(Path::new(program)) || is_there(Path::new(&file));
    }
    env::var_os("PATH")
        .is_some_and(|paths| env::split_paths(&paths).any(|folder| is_there(&folder.join(&file))))
}

/// Starts a child process. It stays in our process group, so Ctrl-C ends it too.
fn spawn(program: &str, arguments: &[String], log: &File) -> io::Result<Child> {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log.try_clone()?)
        .spawn()
}

#[cfg(target_os = "linux")]
fn wait(child: &mut Child, start: Instant) -> io::Result<(ExitStatus, f64, Option<u64>)> {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;
    use std::time::Duration;
    use wait4::Wait4;

    let process = child.id().to_string();
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut seen = None;
            while !ended.load(Ordering::Relaxed) {
                seen = seen.max(high_water(&process));
                thread::park_timeout(Duration::from_millis(2));
            }
            seen
        });
        let ours = high_water("self");
        let waited = child.wait4();
        let seconds = start.elapsed().as_secs_f64();
        ended.store(true, Ordering::Relaxed);
        watcher.thread().unpark();
        let seen = watcher.join().unwrap_or_default();
        let waited = waited?;
        // The child shares our memory up to its exec, so the system's number is at least our own maximum. It is the
        // child's number only if it is larger; otherwise we use the largest value that the watcher saw.
        let told = Some(waited.rusage.maxrss);
        Ok((waited.status, seconds, if told > ours { told } else { seen }))
    })
}

/// The peak resident memory of a process so far, in bytes.
#[cfg(target_os = "linux")]
fn high_water(process: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
}

#[cfg(any(target_os = "macos", target_os = "freebsd"))]
fn wait(child: &mut Child, start: Instant) -> io::Result<(ExitStatus, f64, Option<u64>)> {
    use wait4::Wait4;

    let waited = child.wait4()?;
    Ok((waited.status, start.elapsed().as_secs_f64(), Some(waited.rusage.maxrss)))
}

#[cfg(not(any(target_os = "linux", target_os = "macos", target_os = "freebsd")))]
fn wait(child: &mut Child, start: Instant) -> io::Result<(ExitStatus, f64, Option<u64>)> {
    let status = child.wait()?;
    Ok((status, start.elapsed().as_secs_f64(), None))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> Result<ProcessRun, String> {
        run("sh", &["-c".to_owned(), script.to_owned()])
    }

    #[test]
    fn a_run_tells_time_and_output() {
        let run = shell("echo out; echo err >&2").expect("a shell");
        assert!(run.seconds > 0.0);
        assert_eq!(run.output, "out\nerr\n");
    }

    #[test]
    fn a_failure_tells_its_status_and_its_last_words() {
        let error = shell("seq 1 9; exit 3").err().expect("a failure");
        assert!(error.starts_with("`sh` ended with exit status: 3:\n  5\n"), "{error}");
        assert!(error.ends_with('9'));
        assert!(run("no-such-program", &[]).err().expect("a failure").starts_with("`no-such-program`: "));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_child_is_not_charged_with_our_own_memory() {
        let ours = vec![1_u8; 200 << 20];
        let run = shell("sleep 0.05").expect("a shell");
        assert!(ours.iter().all(|&byte| byte == 1));
        let peak = run.peak_memory.expect("long enough to be seen");
        assert!(peak > 0 && peak < 50 << 20, "{peak} bytes");
    }

    #[test]
    fn programs_are_found_by_name_and_by_path() {
        assert!(is_installed("sh") && is_installed("/bin/sh"));
        assert!(!is_installed("no-such-program") && !is_installed("/bin/no-such-program"));
    }
}
