//! Ctrl-C: unfinished files are removed before the program ends.

use std::path::{Path, PathBuf};
#[cfg(feature = "train")]
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// The shell's code for a program that was interrupted.
pub const INTERRUPTED: i32 = 130;

/// Handles Ctrl-C and termination from here on.
pub fn install() {
    // Without a handler Ctrl-C still ends the program; only unfinished files would stay.
    let _ = ctrlc::set_handler(|| end());
}

/// Asks once whether to stop, in the flag that is returned; the second Ctrl-C ends the program as [`install`] does.
#[cfg(feature = "train")]
pub fn ask() -> &'static AtomicBool {
    static STOP: AtomicBool = AtomicBool::new(false);
    let _ = ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::Relaxed) {
            end();
        }
        crate::report::warn("interrupted", "the step is finished and saved; once more ends at once");
    });
    &STOP
}

fn end() -> ! {
    // The lock is kept to the end, so no further file is begun.
    let unfinished = list();
    for path in unfinished.iter() {
        let _ = std::fs::remove_file(path);
    }
    crate::report::warn("interrupted", "finished files stay, unfinished ones are removed");
    std::process::exit(INTERRUPTED);
}

/// Creates a file that is removed on Ctrl-C until the guard is dropped.
pub fn guarded<T>(
    create: impl FnOnce() -> std::io::Result<T>,
    path: impl FnOnce(&T) -> &Path,
) -> std::io::Result<(T, Guard)> {
    let mut unfinished = list();
    let file = create()?;
    let path = path(&file).to_owned();
    unfinished.push(path.clone());
    Ok((file, Guard(path)))
}

/// Keeps a file on the list of unfinished ones.
pub struct Guard(PathBuf);

impl Drop for Guard {
    fn drop(&mut self) {
        list().retain(|path| *path != self.0);
    }
}

fn list() -> MutexGuard<'static, Vec<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}
