//! What an inbox and its writer thread share, with the order of its locks.

use std::fs::File;
use std::sync::{Mutex, MutexGuard};

use rusqlite::Connection;
use tokio::sync::watch;

use crate::arriving::Arriving;
use crate::journal::{SavedPicture, Task};
use crate::options::InboxOptions;
use crate::state::Folder;
use crate::{Result, disk};

/// What the inbox and its writer thread share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub folder: Folder,
    pub options: InboxOptions,
    arriving: Mutex<Arriving>,
    reader: Mutex<Connection>,
    changes: watch::Sender<()>,
    _lock: File,
}

impl Shared {
    /// Opens the folder of an inbox and locks it.
    pub fn open(options: InboxOptions) -> Result<Self> {
        let folder = Folder::open(&options.out)?;
        let lock = folder.lock()?;
        let reader = Mutex::new(folder.database()?);
        let (arriving, changes) = (Mutex::default(), watch::Sender::default());
        Ok(Self { folder, options, arriving, reader, changes, _lock: lock })
    }

    /// Locked before the state of a [`crate::partial::Partial`], never after it.
    pub fn arriving(&self) -> MutexGuard<'_, Arriving> {
        self.arriving.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// A connection for queries; locked after [`Self::arriving`].
    pub fn reader(&self) -> MutexGuard<'_, Connection> {
        self.reader.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The tasks that are wanted for every picture that is stored from now on.
    pub fn tasks(&self) -> Vec<Task> {
        let wanted = [
            (Task::Decode, self.options.decode.is_some()),
            (Task::Upload, self.options.upload),
            (Task::Notify, self.options.notify),
        ];
        wanted.into_iter().filter_map(|(task, wanted)| wanted.then_some(task)).collect()
    }

    /// Reports that the journal has changed.
    pub fn changed(&self) {
        self.changes.send_replace(());
    }

    /// A receiver that is notified when the journal has changed.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Whether the file of a stored picture is still there.
    pub fn is_there(&self, picture: &SavedPicture) -> bool {
        disk::length(&picture.name.path(&self.folder.out)) == Some(picture.bytes)
    }
}
