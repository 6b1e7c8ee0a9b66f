//! Listens for senders and lets in those that are known or invited.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aecodec_proto::receiver::Entry;
use aecodec_proto::tls::{self, Admit};
use aecodec_proto::{Close, Identity, PublicKey, transport};
use quinn::rustls::pki_types::CertificateDer;
use quinn::{Connection, ConnectionError, Endpoint, Incoming, VarInt};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};

pub use crate::connections::Options;
pub use crate::event::{Arrived, Event};

use crate::connections::{Address, Connections, Newcomer, plain};
use crate::peers::Invitation;
use crate::stages::Stages;
use crate::{Error, Inbox, Peers, Result, session};

/// Beyond this many handshakes, a newcomer first has to prove that its address is its own.
const HANDSHAKES: usize = 16;
/// The most handshakes at a time, which are not connections yet: in all, and from one place with a proved address.
const MOST_HANDSHAKES: (usize, usize) = (256, 16);
/// The time limit of one handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How often unfinished pictures that are too old are dropped.
const EXPIRE: Duration = Duration::from_secs(3600);
/// How long the connections may take to end when the receiver is stopped.
const FAREWELL: Duration = Duration::from_secs(3);
/// TLS alert no_application_protocol (RFC 7301, section 3.2).
const NO_PROTOCOL: u64 = 120;
/// QUIC codes at and above this stand for a TLS alert (RFC 9001, section 4.8).
const CRYPTO: std::ops::Range<u64> = 0x100..0x200;

/// Binds a UDP port.
///
/// # Errors
/// Returns [`Error::Bind`] if the port is in use or may not be used.
pub fn socket(listen: SocketAddr) -> Result<UdpSocket> {
    UdpSocket::bind(listen).map_err(|source| Error::Bind { listen, source })
}

/// A receiver that is bound to its port.
#[derive(Debug)]
pub struct Receiver {
    endpoint: Endpoint,
    shared: Arc<Connections>,
}

impl Receiver {
    /// Listens on a socket; see [`socket`]. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// Returns an error if the socket cannot be used, or if the key is refused.
    pub fn new(
        socket: UdpSocket,
        identity: Identity,
        inbox: Inbox,
        peers: Peers,
        options: Options,
        stages: Stages,
        events: mpsc::UnboundedSender<Event>,
    ) -> Result<Self> {
        let strangers = Arc::new(Gate { peers: peers.clone(), verdict: Mutex::default() });
        let config = transport::server(&identity, strangers).map_err(Error::Proto)?;
        let unusable = |source| Error::Io { path: "the UDP socket".into(), source };
        let runtime = Arc::new(quinn::TokioRuntime);
        let endpoint = Endpoint::new(transport::endpoint(&identity), Some(config), socket, runtime);
        let endpoint = endpoint.map_err(unusable)?;
        let shared = Connections::new(identity, inbox, peers, options, stages, events);
        Ok(Self { endpoint, shared: Arc::new(shared) })
    }

    /// The address to which it is bound.
    ///
    /// # Errors
    /// Returns an error if the system does not report it.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.endpoint.local_addr()
    }

    /// Receives until `stop` becomes true. What has arrived in part stays for the next time.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut connections = JoinSet::new();
        let mut expire = interval(EXPIRE);
        while !*stop.borrow() {
            tokio::select! {
                _ = expire.tick() => {
                    let inbox = self.shared.inbox.clone();
                    // What cannot be removed now is tried again in an hour.
                    drop(tokio::task::spawn_blocking(move || inbox.expire()));
                }
                incoming = self.endpoint.accept() => match incoming {
                    Some(incoming) => self.admit(incoming, &mut connections),
                    None => break,
                },
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
                _ = stop.changed() => {}
            }
        }
        self.endpoint.close(VarInt::from_u32(Close::ShuttingDown as u32), b"the receiver is shutting down");
        let _ = timeout(FAREWELL, async {
            while connections.join_next().await.is_some() {}
            self.endpoint.wait_idle().await;
        })
        .await;
    }

    fn admit(&self, incoming: Incoming, connections: &mut JoinSet<()>) {
        let validated = incoming.remote_address_validated();
        let origin =
            (place(incoming.remote_address()), if validated { Address::Proved } else { Address::Claimed });
        let mut newcomers = self.shared.newcomers();
        if newcomers.len() >= HANDSHAKES && !validated {
            let _ = incoming.retry();
            return;
        }
        // An address that is only claimed does not count, or any sender could keep out any other.
        let near = newcomers.iter().filter(|&&other| other == (origin.0, Address::Proved)).count();
        let all = newcomers.len();
        // Handshakes have their own limits, so that strangers cannot keep known senders out.
        if all >= MOST_HANDSHAKES.0 || near >= MOST_HANDSHAKES.1 || self.shared.is_full() {
            self.shared.stages.metrics().refused("too many");
            return incoming.refuse();
        }
        newcomers.push(origin);
        let newcomer = Newcomer { shared: self.shared.clone(), origin };
        connections.spawn(enter(incoming, newcomer));
    }
}

/// The addresses that one stranger can have: an IPv4 address, or an IPv6 network.
fn place(address: SocketAddr) -> IpAddr {
    match address.ip().to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6((ip.to_bits() >> 64 << 64).into()),
        ip => ip,
    }
}

/// Serves one newcomer, from its first packet to its last.
async fn enter(incoming: Incoming, newcomer: Newcomer) {
    let shared = newcomer.shared.clone();
    let address = plain(incoming.remote_address());
    // Each newcomer has its own gate, so that the verdict can be reported with the address.
    let gate = Arc::new(Gate { peers: shared.peers.clone(), verdict: Mutex::default() });
    let refused = |reason: String| {
        shared.stages.metrics().refused("handshake");
        shared.tell(Event::Refused { address, reason });
    };
    let config = match transport::server(&shared.identity, gate.clone()) {
        Ok(config) => Arc::new(config),
        Err(error) => return refused(error.to_string()),
    };
    let connecting = match incoming.accept_with(config) {
        Ok(connecting) => connecting,
        Err(error @ ConnectionError::TransportError(_)) if alert(&error).is_some() => {
            return refused(handshake(&error));
        }
        // This is not a valid first packet, and its address may be false. A line for each would let anybody fill
        // the log.
        Err(_) => return shared.stages.metrics().refused("noise"),
    };
    let connection = match timeout(HANDSHAKE, connecting).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return refused(gate.verdict().unwrap_or_else(|| handshake(&error))),
        Err(_) => return refused(handshake(&ConnectionError::TimedOut)),
    };
    drop(newcomer);
    let looked_up = tokio::task::spawn_blocking({
        let connection = connection.clone();
        move || entry(&connection, &gate)
    });
    let Some((key, entry)) = looked_up.await.ok().flatten() else {
        connection.close(VarInt::from_u32(Close::NotAdmitted as u32), b"no key");
        return refused("it presented no key".into());
    };
    session::serve(connection, key, entry, &shared).await;
}

/// The TLS alert with which one end gave up a handshake.
fn alert(error: &ConnectionError) -> Option<u64> {
    let code = match error {
        ConnectionError::TransportError(error) => error.code.into(),
        ConnectionError::ConnectionClosed(close) => close.error_code.into(),
        _ => return None,
    };
    CRYPTO.contains(&code).then(|| code - CRYPTO.start)
}

/// A failed handshake in words.
fn handshake(error: &ConnectionError) -> String {
    match error {
        ConnectionError::ConnectionClosed(_) if alert(error).is_some() => {
            "it expected another key: its ticket is for another receiver".into()
        }
        ConnectionError::TransportError(_) if alert(error) == Some(NO_PROTOCOL) => {
            "it speaks another protocol, or another version of this one".into()
        }
        ConnectionError::TimedOut => "its handshake did not finish in time".into(),
        other => format!("its handshake failed: {other}"),
    }
}

/// The sender's key, and whether it is its own or an invitation's.
fn entry(connection: &Connection, gate: &Gate) -> Option<(PublicKey, Entry)> {
    let identity = connection.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    let key = tls::key_of(identity.first()?)?;
    let known = gate.peers.known(&key).ok()?;
    Some((key, if known { Entry::Known } else { Entry::Invited }))
}

/// Decides about one newcomer, and remembers why it was refused.
#[derive(Debug)]
struct Gate {
    peers: Peers,
    verdict: Mutex<Option<String>>,
}

impl Gate {
    fn verdict(&self) -> Option<String> {
        self.verdict.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn judge(&self, key: &PublicKey) -> std::result::Result<(), String> {
        // If the journal cannot be read, nobody is admitted.
        let broken = |error: Error| error.to_string();
        if self.peers.known(key).map_err(broken)? {
            return Ok(());
        }
        match self.peers.invitation(key).map_err(broken)? {
            Invitation::Open(_) => Ok(()),
            Invitation::Spent(by) => Err(format!("its invitation was used before, by {}", by.short())),
            Invitation::None => Err(format!("nobody knows its key {}", key.short())),
        }
    }
}

impl Admit for Gate {
    fn admits(&self, key: &PublicKey) -> bool {
        let judged = self.judge(key);
        let admitted = judged.is_ok();
        *self.verdict.lock().unwrap_or_else(PoisonError::into_inner) = judged.err();
        admitted
    }
}
