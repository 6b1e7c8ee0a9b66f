//! Runs the asynchronous part of a command until it is done or stopped.

use std::any::Any;
use std::panic::{self, PanicHookInfo};

use anyhow::Result;
use tokio::sync::watch;

use crate::report::warn;

/// Runs `work` to its end. The watched value becomes true at the first Ctrl-C or termination; the second one ends
/// the program at once.
pub fn run<T>(work: impl AsyncFnOnce(watch::Receiver<bool>) -> Result<T>) -> Result<T> {
    // A program that continues after a panic reports it. The backtrace is printed only on request.
    if std::env::var_os("RUST_BACKTRACE").is_none() {
        panic::set_hook(Box::new(|panic| warn("internal error", &describe(panic))));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(async {
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(async move {
            signal().await;
            let _ = stop.send(true);
            signal().await;
            std::process::exit(INTERRUPTED);
        });
        work(stopped).await
    });
    // Threads that still compress or write are not waited for.
    runtime.shutdown_background();
    result
}

/// A panic in one line: its message, its thread, and its place.
fn describe(panic: &PanicHookInfo<'_>) -> String {
    let thread = std::thread::current();
    let place = panic.location().map(|place| format!(" at {place}")).unwrap_or_default();
    format!("{} in thread {}{place}", said(panic.payload()), thread.name().unwrap_or("unnamed"))
}

fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("unknown cause")
}

/// The exit code of an interrupted program, as in shells.
pub const INTERRUPTED: i32 = 130;

#[cfg(unix)]
async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
        }
        Err(_) => drop(tokio::signal::ctrl_c().await),
    }
}

#[cfg(not(unix))]
async fn signal() {
    let _ = tokio::signal::ctrl_c().await;
}
