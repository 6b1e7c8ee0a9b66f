//! The object store of `--store`. Pictures are stored under the hash of their content, so that many receivers can
//! share one.

use std::borrow::Cow;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aecodec_proto::Hash;
use bytes::Bytes;
use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    Attribute, AttributeValue, Attributes, BackoffConfig, ObjectStore, ObjectStoreExt as _, PutMode,
    PutMultipartOptions, PutOptions, RetryConfig, WriteMultipart,
};
use tokio::io::AsyncReadExt as _;
use tokio::sync::Semaphore;

use crate::inbox::Inbox;
use crate::journal::{Outcome, Task};
use crate::stored::Stored;
use crate::{Error, Result};

/// The most uploads at a time. Each holds a picture of up to [`WHOLE`] bytes in memory.
const UPLOADS: usize = 8;
/// Larger files are uploaded in pieces.
const WHOLE: u64 = 32 << 20;
/// Bytes of a piece. S3 takes 10,000 at most.
const PIECE: usize = 16 << 20;
/// First and longest pause between attempts, after the retries of the client have failed.
const REST: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// An object store. It is cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    /// Whether the store keeps attributes, which file systems do not.
    attributes: Keeps,
    uploads: Arc<Semaphore>,
}

/// What is kept in addition to the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keeps {
    Attributes,
    Nothing,
}

impl Store {
    /// Opens `s3://bucket/prefix` or `file:///folder`. For S3, everything else comes from the usual variables of the
    /// environment: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_ENDPOINT_URL` for servers other
    /// than Amazon's, `AWS_ALLOW_HTTP=true` for those without TLS. The server must know conditional writes
    /// (`If-None-Match`).
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] for another URL, and [`Error::Store`] if the environment is incomplete.
    pub fn open(url: &str) -> Result<Self> {
        let invalid =
            |detail: &str| Error::Invalid { what: "store", found: url.into(), detail: detail.into() };
        if let Some(folder) = url.strip_prefix("file://") {
            let folder = PathBuf::from(folder);
            if !folder.is_absolute() {
                return Err(invalid("expected file:///, then an absolute path"));
            }
            std::fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
            let store = LocalFileSystem::new_with_prefix(&folder).map_err(failed)?.with_fsync(true);
            return Ok(Self::new(Arc::new(store), Path::default(), Keeps::Nothing));
        }
        let Some(place) = url.strip_prefix("s3://") else {
            return Err(invalid("expected s3://bucket/prefix or file:///folder"));
        };
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        if bucket.is_empty() || bucket.contains('@') {
            return Err(invalid(
                "expected the name of a bucket after s3://; credentials belong in the environment",
            ));
        }
        let prefix = Path::parse(prefix.trim_matches('/')).map_err(|error| invalid(&error.to_string()))?;
        // The provider of this program. If the program has installed another one, that is used.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let retry = RetryConfig {
            backoff: BackoffConfig::default(),
            max_retries: 5,
            retry_timeout: Duration::from_secs(60),
        };
        let s3 = AmazonS3Builder::from_env()
            .with_bucket_name(bucket)
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            .with_retry(retry)
            .build()
            .map_err(failed)?;
        Ok(Self::new(Arc::new(s3), prefix, Keeps::Attributes))
    }

    fn new(store: Arc<dyn ObjectStore>, prefix: Path, attributes: Keeps) -> Self {
        Self { store, prefix, attributes, uploads: Arc::new(Semaphore::new(UPLOADS)) }
    }

    /// The key of a picture in the store: the first two digits of its hash, then the hash.
    pub fn key(&self, hash: &Hash, extension: &str) -> String {
        self.path(hash, extension).into()
    }

    /// Whether a picture is there, from any receiver. At the start, this also shows whether the store can be used.
    ///
    /// # Errors
    /// Returns [`Error::Store`] if the store does not answer.
    pub async fn exists(&self, hash: &Hash) -> Result<bool> {
        match self.store.head(&self.path(hash, "aec")).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }

    /// Uploads a stored picture, tries until that succeeds, records it in the journal, and returns its key. If the
    /// picture is already there, it is recorded at once. The future may be dropped without losing anything: the
    /// next offer or the next start tries again.
    ///
    /// # Errors
    /// Returns an error if the local file or the journal cannot be read. Errors of the store are passed to
    /// `trouble`.
    pub async fn ensure(&self, inbox: &Inbox, stored: &Stored, trouble: impl Fn(&Error)) -> Result<String> {
        let key = self.key(&stored.hash, "aec");
        let (at, id) = (inbox.clone(), stored.id);
        let pending = tokio::task::spawn_blocking(move || at.is_pending(id, Task::Upload));
        if !pending.await.map_err(|_| Error::Closed)?? {
            return Ok(key);
        }
        let mut rest = REST.0;
        loop {
            match self.put(stored).await {
                Ok(()) => break,
                Err(error @ Error::Store(_)) => trouble(&error),
                Err(error) => return Err(error),
            }
            tokio::time::sleep(rest).await;
            rest = (rest * 2).min(REST.1);
        }
        inbox.settle(stored.id, Task::Upload, Outcome::Done)?;
        Ok(key)
    }

    /// Uploads the pictures that an earlier run left, one after the other. Errors of those that cannot be uploaded
    /// now are passed to `trouble`.
    ///
    /// # Errors
    /// Returns an error if the journal cannot be read.
    pub async fn resume(&self, inbox: &Inbox, trouble: impl Fn(&Error)) -> Result<()> {
        let mut after = 0;
        loop {
            let at = inbox.clone();
            let due = tokio::task::spawn_blocking(move || at.pending(Task::Upload, after, UPLOADS));
            let due = due.await.map_err(|_| Error::Closed)??;
            let Some(last) = due.last() else { return Ok(()) };
            after = last.id;
            for stored in due {
                // Its file may have been removed from the inbox; the others are uploaded.
                if let Err(error) = self.ensure(inbox, &stored, &trouble).await {
                    trouble(&error);
                }
            }
        }
    }

    /// Uploads the `.aec` once. If it is already there, it stays unchanged, because its name determines its
    /// content.
    ///
    /// # Errors
    /// Returns [`Error::Store`] if the store refuses the object, or an error if the file cannot be read.
    pub async fn put(&self, stored: &Stored) -> Result<()> {
        self.put_file(&stored.path, &self.path(&stored.hash, "aec"), self.about(stored)).await
    }

    /// Uploads the decoded picture, next to the `.aec`, and returns its key.
    ///
    /// # Errors
    /// Returns [`Error::Store`] if the store refuses the object, or an error if the file cannot be read.
    pub async fn put_decoded(&self, stored: &Stored, picture: &FilePath) -> Result<String> {
        let extension = picture.extension().and_then(|extension| extension.to_str()).unwrap_or("png");
        let key = self.path(&stored.hash, extension);
        self.put_file(picture, &key, self.about(stored)).await?;
        Ok(key.into())
    }

    async fn put_file(&self, file: &FilePath, key: &Path, attributes: Attributes) -> Result<()> {
        let _turn = self.uploads.acquire().await.map_err(|_| Error::Closed)?;
        let length = tokio::fs::metadata(file).await.map_err(Error::io(file))?.len();
        let put = if length <= WHOLE {
            let bytes = Bytes::from(tokio::fs::read(file).await.map_err(Error::io(file))?);
            let options = PutOptions { mode: PutMode::Create, attributes, ..PutOptions::default() };
            self.store.put_opts(key, bytes.into(), options).await.map(drop)
        } else {
            self.put_pieces(file, key, attributes).await?
        };
        match put {
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                Ok(())
            }
            other => other.map_err(failed),
        }
    }

    /// Multipart uploads cannot be conditional, so look first. An object that is overwritten in between has the
    /// same bytes.
    async fn put_pieces(
        &self,
        file: &FilePath,
        key: &Path,
        attributes: Attributes,
    ) -> Result<object_store::Result<()>> {
        if self.store.head(key).await.is_ok() {
            return Ok(Ok(()));
        }
        let mut source = tokio::fs::File::open(file).await.map_err(Error::io(file))?;
        let options = PutMultipartOptions { attributes, ..PutMultipartOptions::default() };
        let upload = match self.store.put_multipart_opts(key, options).await {
            Ok(upload) => upload,
            Err(error) => return Ok(Err(error)),
        };
        let mut upload = WriteMultipart::new_with_chunk_size(upload, PIECE);
        loop {
            let mut piece = vec![0; PIECE];
            let read = source.read(&mut piece).await.map_err(Error::io(file))?;
            if read == 0 {
                return Ok(upload.finish().await.map(drop));
            }
            piece.truncate(read);
            if let Err(error) = upload.wait_for_capacity(2).await {
                return Ok(Err(error));
            }
            upload.put(piece.into());
        }
    }

    fn path(&self, hash: &Hash, extension: &str) -> Path {
        let digits = hash.to_string();
        self.prefix.clone().join(&digits[..2]).join(format!("{digits}.{extension}"))
    }

    fn about(&self, stored: &Stored) -> Attributes {
        if self.attributes == Keeps::Nothing {
            return Attributes::new();
        }
        let metadata = |name: &'static str| Attribute::Metadata(Cow::Borrowed(name));
        let value = AttributeValue::from;
        Attributes::from_iter([
            (metadata("name"), value(header_text(&stored.name))),
            (metadata("model"), value(stored.model.to_string())),
            (metadata("peer"), value(stored.peer.to_string())),
        ])
    }
}

fn failed(error: object_store::Error) -> Error {
    Error::Store(error.to_string())
}

/// A name as the value of an HTTP header: characters other than printable ASCII are percent-encoded.
fn header_text(name: &str) -> String {
    let plain = |byte: u8| (byte.is_ascii_graphic() || byte == b' ') && byte != b'%';
    name.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inbox::tests::{inbox_with, store_one};

    #[tokio::test]
    async fn a_picture_is_brought_once_and_found_by_its_hash() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&format!("file://{}/bucket", dir.path().display())).unwrap();
        let inbox = inbox_with(&dir, |options| options.upload = true);
        let stored = store_one(&inbox, "a/b.aec", 7, 3000);
        assert!(!store.exists(&stored.hash).await.unwrap());
        let key = store.ensure(&inbox, &stored, |error| panic!("{error}")).await.unwrap();
        let digits = stored.hash.to_string();
        assert_eq!(key, format!("{}/{digits}.aec", &digits[..2]));
        assert!(store.exists(&stored.hash).await.unwrap());
        let there = dir.path().join("bucket").join(&key);
        assert_eq!(std::fs::read(&there).unwrap(), std::fs::read(&stored.path).unwrap());
        // Once more, as another receiver would: nothing is overwritten.
        std::fs::write(&there, b"kept").unwrap();
        store.put(&stored).await.unwrap();
        assert_eq!(std::fs::read(&there).unwrap(), b"kept");
        drop(inbox);
        let inbox = inbox_with(&dir, |options| options.upload = true);
        assert!(inbox.pending(Task::Upload, 0, 9).unwrap().is_empty());
        assert_eq!(store.ensure(&inbox, &stored, |_| ()).await.unwrap(), key);
    }

    #[tokio::test]
    async fn a_store_that_cannot_be_written_is_reported_and_tried_again() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&format!("file://{}/bucket", dir.path().display())).unwrap();
        let inbox = inbox_with(&dir, |options| options.upload = true);
        let stored = store_one(&inbox, "a.aec", 7, 3000);
        // A file where the folder of the key should be; taken away when the first attempt has failed.
        let in_the_way = dir.path().join("bucket").join(&stored.hash.to_string()[..2]);
        std::fs::write(&in_the_way, b"").unwrap();
        tokio::time::pause();
        store.ensure(&inbox, &stored, |_| drop(std::fs::remove_file(&in_the_way))).await.unwrap();
        assert!(store.exists(&stored.hash).await.unwrap());
    }

    #[tokio::test]
    async fn what_an_earlier_run_left_is_brought() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&format!("file://{}/bucket", dir.path().display())).unwrap();
        let inbox = inbox_with(&dir, |options| options.upload = true);
        let stored: Vec<_> = (0..20).map(|n| store_one(&inbox, &format!("{n}.aec"), n, 3000)).collect();
        std::fs::remove_file(&stored[3].path).unwrap();
        drop(inbox);
        let inbox = inbox_with(&dir, |options| options.upload = true);
        let troubles = std::cell::Cell::new(0);
        store.resume(&inbox, |_| troubles.set(troubles.get() + 1)).await.unwrap();
        assert_eq!(troubles.get(), 1, "the file that was taken away");
        for (n, stored) in stored.iter().enumerate() {
            assert_eq!(store.exists(&stored.hash).await.unwrap(), n != 3, "{n}");
        }
    }

    #[test]
    fn urls_that_name_no_store_are_refused() {
        for url in
            ["", "inbox", "http://x/y", "file://relative", "s3://", "s3:///prefix", "s3://key:secret@bucket"]
        {
            assert!(matches!(Store::open(url), Err(Error::Invalid { .. })), "{url}");
        }
    }

    #[test]
    fn names_become_header_values() {
        assert_eq!(header_text("a b/ä%.aec"), "a b/%C3%A4%25.aec");
    }
}
