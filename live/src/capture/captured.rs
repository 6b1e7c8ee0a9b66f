//! Captured frames: the thread that reads the pipe, and the place where it leaves the newest frame.

use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aecodec::Picture;
use tokio::sync::Notify;

use crate::control::OnFull;

use super::error::FrameError;
use super::frames::Frames;

/// A frame as it was captured.
pub(crate) struct Captured {
    pub seq: u64,
    pub at: Duration,
    pub picture: Picture,
}

/// The place where the reading thread leaves the newest frame.
#[derive(Default)]
pub(crate) struct Slot {
    inner: Mutex<Inner>,
    pub filled: Notify,
    pub emptied: Condvar,
}

#[derive(Default)]
struct Inner {
    frame: Option<Captured>,
    over: bool,
    count: Over,
}

/// The number of frames that were read, and the bytes of their samples.
#[derive(Default)]
pub(crate) struct Over {
    pub captured: u64,
    pub raw: u64,
    pub first: Option<Duration>,
    pub last: Duration,
    pub error: Option<FrameError>,
}

impl Slot {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the pipe has ended and its last frame was taken.
    pub fn is_over(&self) -> bool {
        let inner = self.inner();
        inner.over && inner.frame.is_none()
    }

    pub fn take(&self) -> Option<Captured> {
        let frame = self.inner().frame.take();
        self.emptied.notify_all();
        frame
    }

    /// Ends the reading: no further frame is taken.
    pub fn close(&self) -> Over {
        let mut inner = self.inner();
        inner.over = true;
        self.emptied.notify_all();
        std::mem::take(&mut inner.count)
    }
}

/// The thread that reads the pipe.
pub(crate) struct Reader {
    pub slot: Arc<Slot>,
    pub start: Instant,
    pub pace: Option<f64>,
    pub on_full: OnFull,
    /// Takes the errors of frames that are skipped.
    pub damaged: Box<dyn Fn(&FrameError) + Send>,
}

impl Reader {
    pub fn run(self, mut frames: Frames<impl Read>) {
        let error = loop {
            match frames.read() {
                Ok(Some(picture)) => {
                    if !self.put(picture) {
                        break None;
                    }
                }
                Ok(None) => break None,
                Err(error) if error.is_passing() => {
                    (self.damaged)(&error);
                }
                Err(error) => break Some(error),
            }
        };
        let mut inner = self.slot.inner();
        inner.over = true;
        inner.count.error = error;
        drop(inner);
        self.slot.filled.notify_one();
    }

    /// Leaves a frame when its time has come; false if no more frames are taken.
    fn put(&self, picture: Picture) -> bool {
        let seq = self.slot.inner().count.captured;
        if let Some(pace) = self.pace {
            let first = self.slot.inner().count.first.unwrap_or_else(|| self.start.elapsed());
            let due = first + Duration::from_secs_f64(seq as f64 / pace);
            std::thread::sleep(due.saturating_sub(self.start.elapsed()));
        }
        let mut inner = self.slot.inner();
        while self.on_full == OnFull::Block && inner.frame.is_some() && !inner.over {
            inner = self.slot.emptied.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
        if inner.over {
            return false;
        }
        let at = self.start.elapsed();
        inner.count.captured += 1;
        inner.count.raw += picture.samples.len() as u64;
        inner.count.first.get_or_insert(at);
        inner.count.last = at;
        // Of two frames that wait, the older one is dropped.
        inner.frame = Some(Captured { seq, at, picture });
        drop(inner);
        self.slot.filled.notify_one();
        true
    }
}
