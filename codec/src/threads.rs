//! Work spread over scoped threads; the result never depends on how many there are.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};

/// No picture is spread over more threads: as many as the largest machines have cores.
pub(crate) const MOST: usize = 1024;

/// Threads that an option of `threads` stands for: 0 is one for each core.
pub(crate) fn count(threads: usize) -> usize {
    let threads = match threads {
        0 => std::thread::available_parallelism().map_or(1, NonZero::get),
        n => n,
    };
    threads.min(MOST)
}

/// At most so many threads, but no more than so many of them that what they need fits the limit: each takes memory. If
/// not even one fits, one, and the caller's own check refuses it.
pub(crate) fn fitting(threads: usize, needed: impl Fn(usize) -> u64, limit: u64) -> usize {
    let mut threads = threads.max(1);
    while threads > 1 && needed(threads) > limit {
        threads = threads.div_ceil(2);
    }
    threads
}

/// Calls `work` once for each item, on up to `threads` threads, each with its own `state`.
pub(crate) fn for_each<T: Sync, S>(
    threads: usize,
    items: &[T],
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, &T) + Sync,
) {
    let threads = threads.clamp(1, items.len().max(1));
    let next = AtomicUsize::new(0);
    let run = || {
        let mut state = state();
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            work(&mut state, item);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            // Where the system refuses a thread, those that are there do the work.
            if std::thread::Builder::new().spawn_scoped(scope, run).is_err() {
                break;
            }
        }
        run();
    });
}
