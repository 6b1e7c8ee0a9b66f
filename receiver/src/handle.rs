//! The open inbox: the state that it shares with its writer thread, and the queue of that thread.

use std::sync::Arc;
use std::sync::mpsc::{self, Sender, SyncSender};
use std::thread::JoinHandle;

use crate::partial::{Partial, Phase};
use crate::shared::Shared;
use crate::stored::Stored;
use crate::writer::{Op, Writer};
use crate::{Error, Result, disk};

/// An open inbox. When it is dropped, the writer finishes what is queued.
#[derive(Debug)]
pub(crate) struct Handle {
    pub shared: Arc<Shared>,
    ops: Option<Sender<Op>>,
    writer: Option<JoinHandle<()>>,
}

impl Handle {
    /// Starts the thread of the writer.
    pub fn start(shared: Arc<Shared>, writer: Writer) -> Result<Self> {
        let (ops, queue) = mpsc::channel();
        let thread = std::thread::Builder::new().name("aecodec-journal".into());
        let thread = thread.spawn(move || writer.run(&queue)).map_err(Error::io(&shared.folder.out))?;
        Ok(Self { shared, ops: Some(ops), writer: Some(thread) })
    }

    /// Sends an operation to the writer.
    pub fn send(&self, op: Op) -> Result<()> {
        let ops = self.ops.as_ref().ok_or(Error::Closed)?;
        ops.send(op).map_err(|_| Error::Closed)
    }

    /// Sends an operation to the writer and waits for its answer.
    pub fn wait(&self, op: impl FnOnce(SyncSender<Result<Stored>>) -> Op) -> Result<Stored> {
        let (reply, answer) = mpsc::sync_channel(1);
        self.send(op(reply))?;
        answer.recv().map_err(|_| Error::Closed)?
    }

    /// Drops a picture that was arriving.
    pub fn discard(&self, partial: &Arc<Partial>) -> Result<()> {
        self.shared.arriving().remove(partial);
        self.forget(partial)
    }

    /// A transfer has ended.
    pub fn release(&self, partial: &Arc<Partial>) {
        self.shared.arriving().release(partial);
    }

    /// Removes the file and the row of a picture that is no longer in the list of arriving pictures.
    pub fn forget(&self, partial: &Arc<Partial>) -> Result<()> {
        partial.inner_mut().phase = Phase::Gone;
        partial.close();
        disk::remove(&partial.path)?;
        partial.name.previews(&self.shared.folder.out).try_for_each(|path| disk::remove(&path))?;
        self.send(Op::Drop(partial.id))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // When the sender is dropped, the writer finishes what is queued and ends.
        self.ops = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}
