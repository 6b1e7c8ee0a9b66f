//! Handles Ctrl-C: unfinished files are removed before the program ends.

use std::path::{Path, PathBuf};
#[cfg(feature = "train")]
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// The exit code of an interrupted program, as in shells.
pub const INTERRUPTED: i32 = 130;

/// Installs a handler for Ctrl-C and termination.
pub fn install() {
    // If this fails, Ctrl-C still ends the program, but unfinished files stay.
    let _ = ctrlc::set_handler(|| end());
}

/// Installs a handler that sets the returned flag at the first Ctrl-C, and at the second one ends the program like the
/// handler of [`install`].
#[cfg(feature = "train")]
pub fn ask() -> &'static AtomicBool {
    static STOP: AtomicBool = AtomicBool::new(false);
    let _ = ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::Relaxed) {
            end();
        }
        crate::report::warn(
            "interrupted",
            "stopping after this step, which is saved; press Ctrl-C again to stop at once",
        );
    });
    &STOP
}

fn end() -> ! {
    // The lock is held to the end, so that no other file is created.
    let unfinished = list();
    for path in unfinished.iter() {
        let _ = std::fs::remove_file(path);
    }
    crate::report::warn("interrupted", "finished files are kept, unfinished ones are removed");
    std::process::exit(INTERRUPTED);
}

/// Creates a file that is removed on Ctrl-C as long as the guard exists.
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

/// Marks a file as unfinished.
pub struct Guard(PathBuf);

impl Drop for Guard {
    fn drop(&mut self) {
        list().retain(|path| *path != self.0);
    }
}

fn list() -> MutexGuard<'static, Vec<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}
