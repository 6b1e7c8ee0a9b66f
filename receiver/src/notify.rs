//! Messages on NATS, one for each stored picture. The journal is the outbox, so an outage loses no message and
//! delays nothing else.

use std::path::PathBuf;
use std::time::Duration;

use aecodec_proto::{Hash, PublicKey};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{self, stream};
use async_nats::{ConnectOptions, ServerAddr};
use serde::Serialize;
use tokio::sync::watch;

use crate::inbox::Inbox;
use crate::journal::{Outcome, Task};
use crate::store::Store;
use crate::stored::Stored;
use crate::{Error, Result};

/// The default subject of messages.
const SUBJECT: &str = "aecodec.pictures";
/// Name of the stream that is made if none takes the subject.
const STREAM: &str = "AECODEC";
/// The most messages under way at a time.
const BATCH: usize = 256;
/// First and longest pause between attempts.
const REST: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// The server has this long to confirm a message.
const ACK: Duration = Duration::from_secs(10);
/// Within this time, the server recognises a message that is sent again.
const DUPLICATES: Duration = Duration::from_secs(3600);

/// Where messages are sent, and with which credentials.
#[derive(Debug, Clone)]
pub struct Notifier {
    server: ServerAddr,
    subject: String,
    login: Login,
}

/// From the environment, never from the command line, which every user of the machine can read.
#[derive(Clone, PartialEq, Eq)]
enum Login {
    None,
    /// `AECODEC_NATS_CREDS`.
    File(PathBuf),
    /// `AECODEC_NATS_TOKEN`.
    Token(String),
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::File(_) => "File(..)",
            Self::Token(_) => "Token(..)",
        })
    }
}

/// The message.
#[derive(Debug, Serialize)]
struct Message<'a> {
    /// BLAKE3 of the `.aec`.
    hash: String,
    /// Its key in the object store; `null` without one.
    key: Option<String>,
    /// Name relative to the inbox.
    name: &'a str,
    /// Its path on the receiver's disk.
    path: &'a str,
    /// The sender's key.
    peer: String,
    /// Hash of the model that decodes it.
    model: String,
    /// Seconds since 1970.
    at: i64,
    width: u32,
    height: u32,
    /// Bytes of the `.aec`, of the file it was made from, and of that picture's samples.
    bytes: u64,
    source_bytes: u64,
    raw_bytes: u64,
    /// Per cent of `source_bytes` that were saved.
    saving: f64,
    psnr: Option<f64>,
}

impl Notifier {
    /// Parses `nats://host:port/subject`; the default subject is `aecodec.pictures`. The connection is made later.
    /// Credentials are a file in `AECODEC_NATS_CREDS` or a token in `AECODEC_NATS_TOKEN`.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] if the URL is not of this form.
    pub fn parse(url: &str) -> Result<Self> {
        let login = match (std::env::var_os("AECODEC_NATS_CREDS"), std::env::var("AECODEC_NATS_TOKEN")) {
            (Some(path), _) => Login::File(path.into()),
            (None, Ok(token)) => Login::Token(token),
            (None, Err(_)) => Login::None,
        };
        // Anything before an @ may be a secret.
        let shown = url.rsplit('@').next().unwrap_or_default();
        let invalid =
            |detail: &str| Error::Invalid { what: "notify", found: shown.into(), detail: detail.into() };
        let place = url.strip_prefix("nats://").or_else(|| url.strip_prefix("tls://"));
        let place = place.ok_or_else(|| invalid("expected nats://host:port/subject"))?;
        if place.contains('@') {
            return Err(invalid("credentials belong in AECODEC_NATS_CREDS (a file) or AECODEC_NATS_TOKEN"));
        }
        let (host, subject) = place.split_once('/').unwrap_or((place, ""));
        let subject = if subject.is_empty() { SUBJECT } else { subject };
        let sound = |token: &str| {
            !token.is_empty() && token.chars().all(|c| c.is_ascii_graphic() && !"*>/".contains(c))
        };
        if host.is_empty() || !subject.split('.').all(sound) {
            return Err(invalid("expected a host, and a subject of words joined by dots"));
        }
        let scheme = &url[..url.len() - place.len()];
        let server =
            format!("{scheme}{host}").parse().map_err(|_| invalid("expected nats://host:port/subject"))?;
        Ok(Self { server, subject: subject.into(), login })
    }

    /// Announces each picture as soon as the journal says that it is due, until this future is dropped. Messages
    /// are sent at least once; `receiver` is this one's key, and part of their `Nats-Msg-Id`. Errors are passed to
    /// `trouble`, and the work continues.
    pub async fn run(
        &self,
        inbox: Inbox,
        receiver: PublicKey,
        store: Option<Store>,
        trouble: impl Fn(&Error),
    ) {
        let mut rest = REST.0;
        loop {
            let mut sent = 0;
            let Err(error) = self.serve(&inbox, &receiver, store.as_ref(), &mut sent).await else { return };
            trouble(&error);
            rest = if sent > 0 { REST.0 } else { (rest * 2).min(REST.1) };
            tokio::time::sleep(rest).await;
        }
    }

    /// Announces until something fails.
    async fn serve(
        &self,
        inbox: &Inbox,
        receiver: &PublicKey,
        store: Option<&Store>,
        sent: &mut usize,
    ) -> Result<()> {
        let context = self.connect().await?;
        let mut changes = inbox.changes();
        loop {
            changes.mark_unchanged();
            let at = inbox.clone();
            let due = tokio::task::spawn_blocking(move || at.pending(Task::Notify, 0, BATCH));
            let due = due.await.map_err(|_| Error::Closed)??;
            if due.is_empty() {
                wait(&mut changes).await?;
                continue;
            }
            let mut acks = Vec::with_capacity(due.len());
            for stored in due {
                let body = message(&stored, store)?;
                let publish =
                    PublishMessage::build().payload(body.into()).message_id(message_id(receiver, &stored));
                let ack = context.send_publish(self.subject.clone(), publish).await.map_err(failed)?;
                acks.push((stored.id, ack));
            }
            for (id, ack) in acks {
                tokio::time::timeout(ACK, ack).await.map_err(failed)?.map_err(failed)?;
                inbox.settle(id, Task::Notify, Outcome::Done)?;
                *sent += 1;
            }
            // Waits for the journal, or the same messages would be due again.
            wait(&mut changes).await?;
        }
    }

    /// Connects, and makes the stream if no stream takes the subject.
    async fn connect(&self) -> Result<jetstream::Context> {
        let options = ConnectOptions::new().name("aecodec receive");
        let options = match &self.login {
            Login::None => options,
            Login::File(path) => options.credentials_file(path).await.map_err(Error::io(path))?,
            Login::Token(token) => options.token(token.clone()),
        };
        let client = options.connect(self.server.clone()).await.map_err(failed)?;
        let context = jetstream::new(client);
        if context.stream_by_subject(self.subject.clone()).await.is_ok() {
            return Ok(context);
        }
        let config = stream::Config {
            name: STREAM.into(),
            subjects: vec![self.subject.clone()],
            duplicate_window: DUPLICATES,
            description: Some("Pictures that aecodec receivers have stored".into()),
            ..stream::Config::default()
        };
        context.get_or_create_stream(config).await.map_err(failed)?;
        Ok(context)
    }
}

/// Waits until the journal has changed.
async fn wait(changes: &mut watch::Receiver<()>) -> Result<()> {
    changes.changed().await.map_err(|_| Error::Closed)
}

/// The identity by which the server recognises a repeated message: one picture under one name at one receiver.
fn message_id(receiver: &PublicKey, stored: &Stored) -> String {
    let name = Hash::of(stored.name.as_bytes()).to_string();
    format!("{}-{}-{}", receiver.short(), stored.hash, &name[..16])
}

fn message(stored: &Stored, store: Option<&Store>) -> Result<Vec<u8>> {
    let source = &stored.source;
    let message = Message {
        hash: stored.hash.to_string(),
        key: store.map(|store| store.key(&stored.hash, "aec")),
        name: &stored.name,
        path: &stored.path.to_string_lossy(),
        peer: stored.peer.to_string(),
        model: stored.model.to_string(),
        at: stored.at,
        width: source.width,
        height: source.height,
        bytes: stored.bytes,
        source_bytes: source.bytes,
        raw_bytes: source.raw,
        saving: 100.0 * (1.0 - stored.bytes as f64 / source.bytes.max(1) as f64),
        psnr: source.psnr.filter(|psnr| psnr.is_finite()),
    };
    serde_json::to_vec(&message).map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Notify(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inbox::tests::{inbox_with, store_one};

    #[test]
    fn urls_name_a_server_and_a_subject() {
        let parsed =
            |url| Notifier::parse(url).map(|n| (n.server.host().to_string(), n.server.port(), n.subject));
        assert_eq!(parsed("nats://h:1").unwrap(), ("h".into(), 1, SUBJECT.into()));
        assert_eq!(parsed("nats://h/a.b").unwrap(), ("h".into(), 4222, "a.b".into()));
        for url in ["h:1", "http://h", "nats://", "nats://h/a..b", "nats://h/a.*", "nats://h/a b"] {
            assert!(matches!(parsed(url), Err(Error::Invalid { .. })), "{url}");
        }
    }

    #[test]
    fn secrets_on_the_command_line_are_refused_and_not_repeated() {
        let error = Notifier::parse("nats://user:geheim@h:4222").unwrap_err().to_string();
        assert!(error.contains("AECODEC_NATS_CREDS") && !error.contains("geheim"), "{error}");
    }

    #[test]
    fn a_message_says_where_the_picture_is_and_what_was_saved() {
        let dir = tempfile::tempdir().unwrap();
        let inbox = inbox_with(&dir, |_| ());
        let stored = store_one(&inbox, "a.aec", 7, 25);
        let json: serde_json::Value = serde_json::from_slice(&message(&stored, None).unwrap()).unwrap();
        assert_eq!(json["hash"], stored.hash.to_string());
        assert_eq!(
            (&json["name"], &json["saving"], &json["psnr"]),
            (&"a.aec".into(), &75.0.into(), &40.0.into())
        );
        assert!(json["key"].is_null());
    }

    #[test]
    fn the_same_content_under_another_name_is_another_message() {
        let dir = tempfile::tempdir().unwrap();
        let inbox = inbox_with(&dir, |_| ());
        let stored = store_one(&inbox, "a.aec", 7, 25);
        let other = Stored { name: "b.aec".into(), ..stored.clone() };
        let [here, there] = [1, 2].map(|n| PublicKey([n; 32]));
        assert_eq!(message_id(&here, &stored), message_id(&here, &stored));
        assert_ne!(message_id(&here, &stored), message_id(&here, &other));
        assert_ne!(message_id(&here, &stored), message_id(&there, &stored));
    }
}
