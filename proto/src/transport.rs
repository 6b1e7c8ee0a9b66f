//! QUIC settings of both ends.

use std::sync::Arc;
use std::time::Duration;

use quinn_proto::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn_proto::{
    ClientConfig, EndpointConfig, HashedConnectionIdGenerator, IdleTimeout, ServerConfig, TransportConfig,
    VarInt,
};
use ring::hmac;

use crate::congestion;
use crate::identity::Identity;
use crate::tls::{self, Admit};
use crate::{Error, PublicKey, Result};

/// A connection on which nothing came for this long is dead; the sender then connects again.
const IDLE: Duration = Duration::from_secs(15);
/// Well below the time after which middleboxes forget a connection (30 s). Several may be lost within the idle
/// timeout.
const KEEP_ALIVE: Duration = Duration::from_secs(4);
/// The number of streams that one sender may have open. They are enough to hide a round trip; each may hold a part
/// in memory.
const STREAMS: u32 = 128;
/// Bytes of one connection that may wait to be read.
const RECEIVE_WINDOW: u32 = 16 << 20;
/// Bytes of one stream that may wait to be read. A part fits, so that no part waits for the window.
const STREAM_WINDOW: u32 = 1 << 20;
/// Handshakes that may be under way.
const INCOMING: usize = 256;

/// The sender's settings: it is `identity` and accepts `receiver` alone.
///
/// # Errors
/// Returns an error if the cryptographic library refuses the key.
pub fn client(identity: &Identity, receiver: PublicKey) -> Result<ClientConfig> {
    let crypto = QuicClientConfig::try_from(tls::client(identity, receiver)?).map_err(no_suite)?;
    let mut config = ClientConfig::new(Arc::new(crypto));
    let mut transport = transport();
    // The receiver opens no streams.
    transport.max_concurrent_bidi_streams(0_u8.into()).max_concurrent_uni_streams(0_u8.into());
    config.transport_config(Arc::new(transport));
    Ok(config)
}

/// The receiver's settings; `admit` decides in the handshake who may connect.
///
/// # Errors
/// Returns an error if the cryptographic library refuses the key.
pub fn server(identity: &Identity, admit: Arc<dyn Admit>) -> Result<ServerConfig> {
    let crypto = QuicServerConfig::try_from(tls::server(identity, admit)?).map_err(no_suite)?;
    let mut config = ServerConfig::with_crypto(Arc::new(crypto));
    let mut transport = transport();
    transport.max_concurrent_bidi_streams(1_u8.into()).max_concurrent_uni_streams(STREAMS.into());
    config.transport_config(Arc::new(transport)).max_incoming(INCOMING);
    Ok(config)
}

/// The receiver's endpoint. The stateless resets that it sends to the senders of an earlier run (RFC 9000, section
/// 10.3) follow from its key, so that after a restart they connect again within a round trip and not after the idle
/// timeout.
pub fn endpoint(identity: &Identity) -> EndpointConfig {
    let resets = blake3::derive_key("aecodec 2026 stateless resets", identity.seed());
    let ids = blake3::derive_key("aecodec 2026 connection ids", identity.seed());
    let [a, b, c, d, e, f, g, h, ..] = ids;
    let ids = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    let mut config = EndpointConfig::new(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, &resets)));
    config.cid_generator(move || Box::new(HashedConnectionIdGenerator::from_key(ids)));
    config
}

fn transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_idle_timeout(Some(IdleTimeout::try_from(IDLE).expect("15 s fit a varint")))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .congestion_controller_factory(Arc::new(congestion::Config::default()))
        .stream_receive_window(STREAM_WINDOW.into())
        .receive_window(VarInt::from_u32(RECEIVE_WINDOW))
        // Streams of one priority are sent one after the other, because a part is useful only as a whole.
        .send_fairness(false)
        .datagram_receive_buffer_size(None);
    transport
}

fn no_suite(error: quinn_proto::crypto::rustls::NoInitialCipherSuite) -> Error {
    Error::Crypto(error.to_string())
}
