//! The receiver against a real NATS server and a real S3 server. These tests are ignored, since few hosts have both.
//!
//! `nats-server` is looked for in the PATH (Debian: `nats-server`), the S3 server is moto's: `moto_server` in the PATH
//! or in `AECODEC_MOTO_SERVER` (PyPI: `moto[server]`, 5.1 or later for conditional writes).

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aecodec_proto::message::{Offer, Source};
use aecodec_proto::{Hash, PublicKey};
use aecodec_receiver::notify::Notifier;
use aecodec_receiver::store::Store;
use aecodec_receiver::{Begin, Inbox, InboxOptions, Stored, Task};
use tempfile::TempDir;

const RECEIVER: PublicKey = PublicKey([2; 32]);

/// A server that ends with the test.
struct Server(Child);

impl Server {
    fn start(program: &Path, args: &[&str], port: u16) -> Self {
        let child = Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let server = Self(child.unwrap_or_else(|error| panic!("{} is needed: {error}", program.display())));
        let attempts = (0..600).map(|_| std::thread::sleep(Duration::from_millis(100)));
        let up =
            attempts.map(|()| TcpStream::connect(("127.0.0.1", port))).any(|connected| connected.is_ok());
        assert!(up, "{} does not listen on port {port}", program.display());
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

fn inbox(dir: &Path, change: impl FnOnce(&mut InboxOptions)) -> Inbox {
    let mut options = InboxOptions::default();
    options.out = dir.join("inbox");
    change(&mut options);
    Inbox::open(options).unwrap()
}

fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

fn store(inbox: &Inbox, name: &str, bytes: &[u8]) -> Stored {
    let source = Source { bytes: 4 * bytes.len() as u64, width: 4, height: 3, raw: 36, psnr: Some(40.0) };
    let (hash, parts) = (Hash::of(bytes), vec![bytes.len() as u32]);
    let offer =
        Offer { id: 0, name: name.into(), hash, parts, model: Hash([2; 32]), source, thumbnail: Vec::new() };
    match inbox.begin(&PublicKey([1; 32]), &offer).unwrap() {
        Begin::Already(stored) => stored,
        Begin::Wanted(transfer) => {
            transfer.write(0, 0, bytes).unwrap();
            transfer.part_done(0).unwrap();
            transfer.complete().unwrap()
        }
    }
}

mod nats {
    use super::*;
    use async_nats::jetstream;

    fn server(dir: &TempDir, port: u16, more: &[&str]) -> Server {
        let (folder, port_text) = (dir.path().join("nats"), port.to_string());
        let folder = folder.to_str().unwrap();
        let args = [&["-js", "-a", "127.0.0.1", "-p", &port_text, "-sd", folder], more].concat();
        Server::start(Path::new("nats-server"), &args, port)
    }

    /// What the stream holds, once it holds as many as expected.
    async fn messages(port: u16, expected: u64) -> Vec<serde_json::Value> {
        let client = async_nats::connect(format!("127.0.0.1:{port}")).await.unwrap();
        let context = jetstream::new(client);
        let mut messages = Vec::new();
        for _ in 0..600 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let Ok(stream) = context.get_stream("AECODEC").await else { continue };
            let held = stream.cached_info().state.messages;
            assert!(held <= expected, "{held} messages");
            if held == expected {
                for sequence in 1..=held {
                    let message = stream.get_raw_message(sequence).await.unwrap();
                    messages.push(serde_json::from_slice(&message.payload).unwrap());
                }
                return messages;
            }
        }
        panic!("{expected} messages do not arrive");
    }

    /// Waits until the journal says that nothing is left to announce.
    async fn settled(inbox: &Inbox) {
        while !inbox.pending(Task::Notify, 0, 1).unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    #[tokio::test]
    #[ignore = "needs nats-server"]
    async fn every_picture_is_announced_once_through_outages_of_the_server() {
        let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
        drop(server(&dir, port, &[]));
        let inbox = inbox(dir.path(), |options| options.notify = true);
        let mut hashes: Vec<String> =
            (0..3).map(|i| store(&inbox, &format!("{i}.aec"), &bytes(i, 500)).hash.to_string()).collect();
        let troubles: &'static AtomicUsize = Box::leak(Box::default());
        let notifier = Notifier::parse(&format!("nats://127.0.0.1:{port}")).unwrap();
        let run = {
            let (notifier, inbox) = (notifier.clone(), inbox.clone());
            tokio::spawn(async move {
                let trouble = |_: &aecodec_receiver::Error| {
                    troubles.fetch_add(1, Ordering::Relaxed);
                };
                notifier.run(inbox, RECEIVER, None, trouble).await;
            })
        };
        while troubles.load(Ordering::Relaxed) == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // Nothing was lost while there was no server.
        let up = server(&dir, port, &[]);
        let found = messages(port, 3).await;
        assert_eq!(found.iter().map(|message| message["hash"].as_str().unwrap()).collect::<Vec<_>>(), hashes);
        assert_eq!((&found[0]["name"], &found[0]["saving"]), (&"0.aec".into(), &75.0.into()));
        settled(&inbox).await;
        drop(up);
        hashes.extend((3..6).map(|i| store(&inbox, &format!("{i}.aec"), &bytes(i, 500)).hash.to_string()));
        let _up = server(&dir, port, &[]);
        assert_eq!(messages(port, 6).await.len(), 6);
        settled(&inbox).await;
        run.abort();
        // Another receiver of the same pictures, or one that crashed before it noted the answers.
        let other = super::inbox(&dir.path().join("other"), |options| options.notify = true);
        (0..6).for_each(|i| drop(store(&other, &format!("{i}.aec"), &bytes(i, 500))));
        store(&other, "6.aec", &bytes(6, 500));
        let again = other.clone();
        let run = tokio::spawn(async move { notifier.run(again, RECEIVER, None, |_| ()).await });
        settled(&other).await;
        run.abort();
        let found = messages(port, 7).await;
        assert_eq!(found[6]["name"], "6.aec");
    }

    #[test]
    #[ignore = "needs nats-server"]
    fn a_token_comes_from_the_environment() {
        let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
        let _server = server(&dir, port, &["--auth", "geheim"]);
        let url = format!("nats://127.0.0.1:{port}/some.subject");
        let run = |token| again("nats::announces", &[("AECODEC_NATS_TOKEN", token), ("TEST_URL", &url)]);
        assert!(run("geheim"));
        assert!(!run("falsch"));
    }

    /// The other process of the test above, which alone knows where the server is.
    #[tokio::test]
    #[ignore = "part of another test"]
    async fn announces() {
        let Ok(url) = std::env::var("TEST_URL") else { return };
        let dir = tempfile::tempdir().unwrap();
        let inbox = inbox(dir.path(), |options| options.notify = true);
        store(&inbox, "a.aec", &bytes(0, 500));
        let notifier = Notifier::parse(&url).unwrap();
        let trouble = |error: &aecodec_receiver::Error| panic!("{error}");
        tokio::select! {
            () = notifier.run(inbox.clone(), RECEIVER, None, trouble) => panic!("it ended"),
            () = settled(&inbox) => {}
        }
    }
}

/// Runs one of the ignored tests in a process of its own: credentials come from the environment.
fn again(test: &str, environment: &[(&str, &str)]) -> bool {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--nocapture"]).envs(environment.iter().copied());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.status().unwrap().success()
}

mod s3 {
    use super::*;

    /// An answer's head and body.
    fn http(port: u16, method: &str, path: &str) -> (String, Vec<u8>) {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        // moto looks for a signature, not at it.
        let signed = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: {signed}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        (String::from_utf8_lossy(&answer[..end]).into_owned(), answer[end + 4..].to_vec())
    }

    fn pictures() -> Vec<(String, Vec<u8>)> {
        let small = (0..4).map(|i| (format!("größe/{i}.aec"), bytes(i, 3000)));
        // Travels in pieces.
        small.chain([("large.aec".into(), bytes(9, 40 << 20))]).collect()
    }

    #[test]
    #[ignore = "needs moto_server"]
    fn receivers_share_a_bucket() {
        let program =
            std::env::var_os("AECODEC_MOTO_SERVER").map_or_else(|| "moto_server".into(), PathBuf::from);
        let port = free_port();
        let _server = Server::start(&program, &["-H", "127.0.0.1", "-p", &port.to_string()], port);
        assert!(http(port, "PUT", "/bucket").0.contains(" 200 "));
        let endpoint = format!("http://127.0.0.1:{port}");
        let environment = [
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_ENDPOINT_URL", &endpoint),
        ];
        std::thread::scope(|scope| {
            let receivers: Vec<_> =
                (0..2).map(|_| scope.spawn(|| again("s3::uploads", &environment))).collect();
            assert!(receivers.into_iter().all(|receiver| receiver.join().unwrap()));
        });
        let listing = String::from_utf8(http(port, "GET", "/bucket?list-type=2").1).unwrap();
        assert_eq!(listing.matches("<Key>").count(), 5, "{listing}");
        for (name, bytes) in pictures() {
            let digits = Hash::of(&bytes).to_string();
            let (head, body) = http(port, "GET", &format!("/bucket/pre/fix/{}/{digits}.aec", &digits[..2]));
            assert_eq!(Hash::of(&body).to_string(), digits, "{name}: {head}");
            let encoded = name.replace('ö', "%C3%B6").replace('ß', "%C3%9F");
            assert!(
                head.to_ascii_lowercase()
                    .contains(&format!("x-amz-meta-name: {}", encoded.to_ascii_lowercase())),
                "{head}"
            );
        }
    }

    /// One of the two receivers, if there is a server.
    #[tokio::test]
    #[ignore = "part of another test"]
    async fn uploads() {
        if std::env::var_os("AWS_ENDPOINT_URL").is_none() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let inbox = inbox(dir.path(), |options| options.upload = true);
        let shared = Store::open("s3://bucket/pre/fix").unwrap();
        for (name, bytes) in pictures() {
            let stored = store(&inbox, &name, &bytes);
            shared.ensure(&inbox, &stored, |error| panic!("{error}")).await.unwrap();
            assert!(shared.exists(&stored.hash).await.unwrap());
            // What is there is never overwritten.
            std::fs::write(&stored.path, b"altered").unwrap();
            shared.put(&stored).await.unwrap();
        }
        assert!(!shared.exists(&Hash([0; 32])).await.unwrap());
    }
}
