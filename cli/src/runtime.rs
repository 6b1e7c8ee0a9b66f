//! The asynchronous part of a program that runs until it is done or stopped.

use anyhow::Result;
use tokio::sync::watch;

/// Runs to the end. The watched value becomes true at the first Ctrl-C or termination; the second one ends the
/// program at once.
pub fn run<T>(work: impl AsyncFnOnce(watch::Receiver<bool>) -> Result<T>) -> Result<T> {
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
    // A thread that still compresses or writes has nothing left to say.
    runtime.shutdown_background();
    result
}

/// The shell's code for a program that was interrupted.
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
