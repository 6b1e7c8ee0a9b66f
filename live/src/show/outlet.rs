//! Where live frames are shown, and which sender has which place.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use aecodec::Picture;
use tempfile::NamedTempFile;

use super::screen::{PictureFile, Y4m, fit};
use crate::{Error, Result};

/// The place at which live frames are shown.
#[derive(Clone)]
pub enum Outlet {
    /// A picture file `NAME.live.jpg` for each sender in this folder, which always contains the newest frame.
    Folder(PathBuf),
    /// Shows frames in this picture file.
    File(PathBuf),
    /// A y4m stream with this many frames per second in its header. It has the size of its first frame.
    Stream(Arc<Mutex<Output>>),
}

type Writer = Box<dyn Write + Send>;

/// A y4m stream, before or after its first frame.
pub struct Output {
    writer: Option<Writer>,
    stream: Option<(Y4m<Writer>, (u32, u32))>,
    rate: (u32, u32),
}

impl Outlet {
    /// Shows frames as a y4m stream in this writer, at `rate` frames per second.
    pub fn stream(writer: Box<dyn Write + Send>, rate: u32) -> Self {
        Self::Stream(Arc::new(Mutex::new(Output { writer: Some(writer), stream: None, rate: (rate, 1) })))
    }

    /// Shows frames in this picture file.
    ///
    /// # Errors
    /// Returns [`Error::Outlet`] if its name does not end in png, jpg, webp or ppm.
    pub fn file(path: PathBuf) -> Result<Self> {
        picture_file(&path)?;
        Ok(Self::File(path))
    }

    /// Does all the work of showing a picture except for the last step.
    pub(super) fn prepare(&self, sender: &str, picture: Picture) -> Result<Ready> {
        match self {
            Self::Folder(folder) => {
                let name: String =
                    sender.chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect();
                file(&folder.join(format!("{name}.live.jpg")), &picture)
            }
            Self::File(path) => file(path, &picture),
            Self::Stream(output) => Ok(Ready::Stream(output.clone(), picture)),
        }
    }
}

/// Decides where the live frames of each sender are shown: the first sender has the requested place, the others
/// have their own files.
#[derive(Debug, Clone)]
pub(super) struct Stage {
    first: Outlet,
    taken: Arc<AtomicBool>,
}

/// Held by the sender that has the requested place.
#[derive(Debug)]
pub(super) struct Place(Arc<AtomicBool>);

impl Stage {
    pub fn new(first: Outlet) -> Self {
        Self { first, taken: Arc::default() }
    }

    /// The place for the frames of another sender; `folder` is for senders after the first.
    pub fn enter(&self, folder: &Path) -> (Outlet, Option<Place>) {
        if matches!(self.first, Outlet::Folder(_)) {
            (self.first.clone(), None)
        } else if self.taken.swap(true, Ordering::Relaxed) {
            (Outlet::Folder(folder.into()), None)
        } else {
            (self.first.clone(), Some(Place(self.taken.clone())))
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Outlet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder(path) | Self::File(path) => f.debug_tuple("Outlet").field(path).finish(),
            Self::Stream(_) => f.write_str("Outlet(stream)"),
        }
    }
}

impl Output {
    fn write(&mut self, picture: Picture) -> Result<()> {
        if let Some(writer) = self.writer.take() {
            let size = (picture.width, picture.height);
            self.stream = Some((Y4m::new(writer, size, self.rate).map_err(Error::Stream)?, size));
        }
        let Some((stream, size)) = &mut self.stream else { return Ok(()) };
        stream.write(&fit(picture, *size)?).map_err(Error::Stream)
    }
}

/// A picture that can be shown at once.
pub(super) enum Ready {
    File(PictureFile, NamedTempFile),
    Stream(Arc<Mutex<Output>>, Picture),
}

impl Ready {
    pub fn show(self) -> Result<()> {
        match self {
            Self::File(file, prepared) => file.show(prepared).map_err(Error::Codec),
            Self::Stream(output, picture) => {
                output.lock().unwrap_or_else(PoisonError::into_inner).write(picture)
            }
        }
    }
}

fn picture_file(path: &Path) -> Result<PictureFile> {
    PictureFile::new(path).ok_or_else(|| Error::Outlet(path.into()))
}

fn file(path: &Path, picture: &Picture) -> Result<Ready> {
    let file = picture_file(path)?;
    let prepared = file.prepare(picture).map_err(Error::Codec)?;
    Ok(Ready::File(file, prepared))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_sender_at_a_time_has_the_place_that_was_asked_for() {
        let stage = Stage::new(Outlet::File("live.png".into()));
        let enter = || stage.enter(Path::new("inbox"));
        let (first, place) = enter();
        assert!(matches!(first, Outlet::File(_)));
        assert!(matches!(enter(), (Outlet::Folder(folder), None) if folder == Path::new("inbox")));
        drop(place);
        assert!(matches!(enter(), (Outlet::File(_), Some(_))));
    }
}
