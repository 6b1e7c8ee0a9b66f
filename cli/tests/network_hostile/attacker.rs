//! A sender that can break every rule, because its handshakes, control streams and parts are made by hand.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use aecodec_proto::framing::{self, Framer};
use aecodec_proto::message::{Offer, Source, ToReceiver, ToSender, VERSION};
use aecodec_proto::tls;
use aecodec_proto::{Hash, Identity, PublicKey, transport};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::rustls;
use quinn::{ClientConfig, Connection, Endpoint, RecvStream, SendStream};
use rustls::SignatureScheme;
use rustls::client::{AlwaysResolvesClientRawPublicKeys, ResolvesClientCert};
use rustls::sign::CertifiedKey;

/// DER of an Ed25519 public key up to the key itself (RFC 8410).
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

pub fn endpoint() -> Endpoint {
    Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).expect("an endpoint")
}

/// The fault in a handshake.
#[derive(Clone, Copy)]
pub enum Forgery {
    /// The handshake is valid; only the key may be refused.
    None,
    /// The sender speaks another protocol.
    Protocol,
    /// The sender presents no key.
    NoKey,
    /// The sender presents this key without having its secret.
    Stolen(PublicKey),
}

/// Settings of a sender whose handshake may be forged.
pub fn client(identity: &Identity, receiver: PublicKey, forgery: Forgery) -> ClientConfig {
    let mut config = tls::client(identity, receiver).expect("settings");
    match forgery {
        Forgery::None => return transport::client(identity, receiver).expect("settings"),
        Forgery::Protocol => config.alpn_protocols = vec![b"aec/2".to_vec()],
        Forgery::NoKey => config.client_auth_cert_resolver = Arc::new(NoKey),
        Forgery::Stolen(key) => {
            let own =
                config.client_auth_cert_resolver.resolve(&[], &[SignatureScheme::ED25519]).expect("a key");
            let stolen = [SPKI.as_slice(), &key.0].concat().into();
            let pair = Arc::new(CertifiedKey::new(vec![stolen], own.key.clone()));
            config.client_auth_cert_resolver = Arc::new(AlwaysResolvesClientRawPublicKeys::new(pair));
        }
    }
    ClientConfig::new(Arc::new(QuicClientConfig::try_from(config).expect("TLS 1.3")))
}

#[derive(Debug)]
struct NoKey;

impl ResolvesClientCert for NoKey {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        None
    }

    fn only_raw_public_keys(&self) -> bool {
        true
    }

    fn has_certs(&self) -> bool {
        false
    }
}

/// The first packet of a handshake with this receiver, as an observer on the path would see it.
pub async fn first_packet(identity: &Identity, receiver: PublicKey) -> Vec<u8> {
    let tap = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    let address = tap.local_addr().expect("an address");
    let endpoint = endpoint();
    let connecting =
        endpoint.connect_with(client(identity, receiver, Forgery::None), address, tls::SERVER_NAME);
    let packet = tokio::task::spawn_blocking(move || {
        let mut packet = vec![0; 2000];
        let length = tap.recv(&mut packet).expect("a packet");
        packet.truncate(length);
        packet
    });
    let packet = packet.await.expect("a packet");
    drop(connecting);
    packet
}

/// A control stream that accepts any message.
pub struct Control {
    pub send: SendStream,
    recv: RecvStream,
    framer: Framer<ToSender>,
}

impl Control {
    pub async fn open(connection: &Connection) -> Self {
        let (send, recv) = connection.open_bi().await.expect("a stream");
        Self { send, recv, framer: Framer::default() }
    }

    pub async fn say(&mut self, message: &ToReceiver) {
        self.bytes(&framing::encode(message)).await;
    }

    /// The receiver may have closed the connection already.
    pub async fn bytes(&mut self, bytes: &[u8]) {
        let _ = self.send.write_all(bytes).await;
    }

    /// The next message of the receiver, or `None` if it has closed the connection.
    pub async fn next(&mut self) -> Option<ToSender> {
        loop {
            if let Some(message) = self.framer.take().expect("sound messages") {
                return Some(message);
            }
            let chunk = self.recv.read_chunk(64 << 10, true).await.ok()??;
            self.framer.push(&chunk.bytes);
        }
    }
}

pub fn hello() -> ToReceiver {
    ToReceiver::Hello { version: VERSION, label: "attacker".into(), enrol: None }
}

/// A valid offer for content that nobody has.
pub fn offer(id: u64, parts: &[u32]) -> Offer {
    let source = Source { bytes: 9, width: 8, height: 8, raw: 192, psnr: None };
    let hash = Hash::of(format!("{id} {}", parts.len()).as_bytes());
    let name = format!("hostile/{id}.aec");
    Offer { id, name, hash, parts: parts.into(), model: Hash([7; 32]), source, thumbnail: Vec::new() }
}

/// A unidirectional stream with these bytes, ended or left open.
pub async fn stream(connection: &Connection, bytes: &[u8]) -> SendStream {
    let mut stream = connection.open_uni().await.expect("a stream");
    let _ = stream.write_all(bytes).await;
    stream
}

/// Unsigned LEB128.
pub fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

/// The code for a connection that was closed before the application received it.
pub const IN_THE_HANDSHAKE: u64 = u64::MAX;

/// The code and the reason with which the peer closed the connection.
pub async fn closed(connection: &Connection) -> (u64, String) {
    let closed = tokio::time::timeout(Duration::from_secs(60), connection.closed());
    match closed.await.expect("it is closed") {
        quinn::ConnectionError::ApplicationClosed(close) => {
            (close.error_code.into(), String::from_utf8_lossy(&close.reason).into_owned())
        }
        other => (IN_THE_HANDSHAKE, other.to_string()),
    }
}
