//! The machine and the date of a benchmark.

use std::num::NonZero;

use crate::results::Conditions;

/// The conditions on this machine today.
pub fn here(at_once: usize) -> Conditions {
    Conditions {
        version: env!("CARGO_PKG_VERSION").into(),
        date: chrono::Utc::now().format("%Y-%m-%d").to_string(),
        processor: processor().unwrap_or_else(|| std::env::consts::ARCH.into()),
        cores: std::thread::available_parallelism().map_or(1, NonZero::get),
        system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        at_once,
    }
}

/// The name of the processor, if the system reports it.
fn processor() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name") || line.starts_with("Model"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
