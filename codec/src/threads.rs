//! Spreads work over scoped threads; the result never depends on their number.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The most threads for one picture: as many as the largest machines have cores.
pub(crate) const MOST: usize = 1024;

/// The number of threads that an option stands for: 0 means one for each core.
pub(crate) fn count(threads: usize) -> usize {
    let threads = match threads {
        0 => std::thread::available_parallelism().map_or(1, NonZero::get),
        n => n,
    };
    threads.min(MOST)
}

/// The largest number of threads, up to `threads`, whose memory is within the limit, found by halving. The result is 1 if
/// not even one fits; the check of the caller then refuses the picture.
pub(crate) fn fitting(threads: usize, needed: impl Fn(usize) -> u64, limit: u64) -> usize {
    let mut threads = threads.max(1);
    while threads > 1 && needed(threads) > limit {
        threads = threads.div_ceil(2);
    }
    threads
}

/// Calls `other` on a thread of its own while this one calls `own`. If the system refuses a thread, this one calls both.
pub(crate) fn both<A: Send, B>(other: impl Fn() -> A + Sync, own: impl FnOnce() -> B) -> (A, B) {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, &other);
        let own = own();
        let other = match thread {
            Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(_) => other(),
        };
        (other, own)
    })
}

/// Calls `work` once for each item, on up to `threads` threads. Each thread has its own `state`.
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
            // If the system refuses a thread, those that run do the work.
            if std::thread::Builder::new().spawn_scoped(scope, run).is_err() {
                break;
            }
        }
        run();
    });
}
