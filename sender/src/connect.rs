//! Connects to a receiver: tries every address of its ticket, with this sender's own key or with the invitation's.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use aecodec_proto::framing::{self, Framer};
use aecodec_proto::message::{Enrol, ToReceiver, ToSender};
use aecodec_proto::sender::{Output, Session};
use aecodec_proto::tls::{ENROL_LABEL, SERVER_NAME};
use aecodec_proto::{Close, Identity, PublicKey, Ticket, Violation, transport};
use quinn::{Connection, ConnectionError, Endpoint, RecvStream, SendStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// The next address is tried after this long, so that a dead one costs little (RFC 8305, section 5).
const STAGGER: Duration = Duration::from_millis(250);
/// Time for one handshake and the greeting.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// The most characters that are shown of a text from the other end.
const LONGEST_WORDS: usize = 200;
/// QUIC codes at and above this stand for a TLS alert (RFC 9001, section 4.8).
const CRYPTO: std::ops::Range<u64> = 0x100..0x200;

/// The receiver to send to.
#[derive(Debug, Clone)]
pub struct Destination {
    /// The receiver's key.
    pub receiver: PublicKey,
    /// `host:port`, the most likely first.
    pub addresses: Vec<String>,
    /// Key pair of an invitation, if there is one.
    pub invitation: Option<Identity>,
    /// Whether the receiver is believed to know this sender's key.
    pub enrolled: bool,
}

impl From<&Ticket> for Destination {
    fn from(ticket: &Ticket) -> Self {
        Self {
            receiver: ticket.receiver,
            addresses: ticket.addresses.clone(),
            invitation: ticket.invited(),
            enrolled: false,
        }
    }
}

/// Why a receiver could not be reached, or was lost.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Cut {
    /// No address answers, or the path was cut.
    #[error("{0}")]
    Path(String),
    /// The receiver is shutting down for a while.
    #[error("the receiver is shutting down")]
    ShuttingDown,
    /// The receiver has a problem of its own, for example a full disk.
    #[error("the receiver reports a problem: {0}")]
    Trouble(String),
    /// The receiver does not know this sender, and the invitation does not help.
    #[error("the receiver does not admit this sender: {0}")]
    NotAdmitted(&'static str),
    /// The host that answers has another key than the ticket says.
    #[error("the host that answers at {0} is not the receiver of this ticket: it has another key")]
    WrongReceiver(String),
    /// The other end breaks the protocol.
    #[error("the receiver broke the protocol: {0}")]
    Violation(#[from] Violation),
    /// The other end says that this end breaks the protocol.
    #[error("the receiver closed the connection: {0}")]
    Accused(String),
    /// This end has a problem.
    #[error("{0}")]
    Local(String),
}

impl Cut {
    /// Whether waiting may help.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Path(_) | Self::ShuttingDown | Self::Trouble(_))
    }

    /// The meaning of a connection error.
    pub fn of(error: &ConnectionError) -> Self {
        match error {
            ConnectionError::ConnectionClosed(close) if CRYPTO.contains(&u64::from(close.error_code)) => {
                Self::NotAdmitted("it knows neither the key nor the invitation")
            }
            ConnectionError::ApplicationClosed(close) => {
                let reason = tidy(&String::from_utf8_lossy(&close.reason));
                match Close::of(close.error_code.into_inner()) {
                    Some(Close::NotAdmitted) => Self::NotAdmitted("its invitation is spent or was withdrawn"),
                    Some(Close::ShuttingDown) => Self::ShuttingDown,
                    Some(Close::Trouble) => Self::Trouble(reason),
                    _ => Self::Accused(reason),
                }
            }
            other => Self::Path(other.to_string()),
        }
    }
}

/// A text from the other end without characters that could disturb a terminal or a log.
fn tidy(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(LONGEST_WORDS).collect()
}

/// A connection on which the receiver has answered with its welcome.
#[derive(Debug)]
#[non_exhaustive]
pub struct Link {
    /// The connection.
    pub connection: Connection,
    /// The stream for messages to the receiver; see [`write()`].
    pub control: SendStream,
    /// The receiver's messages.
    pub messages: Messages,
    /// The state of the protocol, which has seen the welcome.
    pub session: Session,
    /// Name of the receiving host.
    pub label: String,
}

/// The receiver's messages.
#[derive(Debug)]
pub struct Messages {
    stream: RecvStream,
    framer: Framer<ToSender>,
}

impl Messages {
    /// The next message. The future may be dropped without losing anything.
    ///
    /// # Errors
    /// Returns the reason if the connection is lost or a message cannot be read.
    pub async fn next(&mut self) -> Result<ToSender, Cut> {
        loop {
            if let Some(message) = self.framer.take()? {
                return Ok(message);
            }
            match self.stream.read_chunk(64 << 10, true).await {
                Ok(Some(chunk)) => self.framer.push(&chunk.bytes),
                Ok(None) => return Err(Cut::Path("the receiver ended the connection".into())),
                Err(quinn::ReadError::ConnectionLost(error)) => return Err(Cut::of(&error)),
                Err(error) => return Err(Cut::Path(error.to_string())),
            }
        }
    }
}

/// Makes connections to one receiver.
#[derive(Debug)]
pub struct Connector {
    identity: Identity,
    target: Destination,
    label: String,
    v4: Option<Endpoint>,
    v6: Option<Endpoint>,
}

impl Connector {
    /// Connects with this identity to this receiver. `label` is the name of this host, for people.
    pub fn new(identity: Identity, target: Destination, label: String) -> Self {
        Self { identity, target, label, v4: None, v6: None }
    }

    /// Connects, and pairs with the invitation if that is needed. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// Returns the reason if no address answers, or if the receiver refuses this sender.
    pub async fn connect(&mut self) -> Result<Link, Cut> {
        let own = (self.identity.clone(), false);
        let invited = self.target.invitation.clone().map(|invitation| (invitation, true));
        let keys = match invited {
            None => vec![own],
            Some(invited) if self.target.enrolled => vec![own, invited],
            // The enrolment may have succeeded although its answer did not arrive here.
            Some(invited) => vec![invited, own],
        };
        let mut refused =
            Cut::NotAdmitted("there is no invitation in the ticket, and it does not know the key");
        for (key, invited) in keys {
            match self.enter(&key, invited).await {
                Ok(link) => {
                    self.target.enrolled = true;
                    return Ok(link);
                }
                Err(Cut::NotAdmitted(why)) => refused = Cut::NotAdmitted(why),
                Err(other) => return Err(other),
            }
        }
        Err(refused)
    }

    /// Makes one handshake and greeting with one key.
    async fn enter(&mut self, key: &Identity, invited: bool) -> Result<Link, Cut> {
        let config =
            transport::client(key, self.target.receiver).map_err(|error| Cut::Local(error.to_string()))?;
        let connection = self.reach(config).await?;
        let greeting = async {
            let enrol = if invited { Some(self.enrol(&connection)?) } else { None };
            let (mut control, stream) = connection.open_bi().await.map_err(|error| Cut::of(&error))?;
            // The receiver waits for messages before anything else.
            let _ = control.set_priority(i32::MAX);
            let mut session = Session::new(self.label.clone(), enrol);
            let mut messages = Messages { stream, framer: Framer::default() };
            loop {
                while let Some(output) = session.poll() {
                    match output {
                        Output::Send(message) => write(&mut control, &message).await?,
                        Output::Welcome { label } => {
                            let (connection, label) = (connection.clone(), tidy(&label));
                            return Ok(Link { connection, control, messages, session, label });
                        }
                        _ => {}
                    }
                }
                session.handle(messages.next().await?)?;
            }
        };
        let late = |_| Cut::Path("the receiver did not answer the greeting in time".into());
        timeout(HANDSHAKE, greeting).await.map_err(late)?
    }

    /// This sender's own key, signed for this connection alone.
    fn enrol(&self, connection: &Connection) -> Result<Enrol, Cut> {
        let mut secret = [0; 64];
        connection
            .export_keying_material(&mut secret, ENROL_LABEL, &self.identity.public().0)
            .map_err(|_| Cut::Local("no keying material".into()))?;
        Ok(Enrol { key: self.identity.public(), signature: self.identity.sign(&secret) })
    }

    /// Tries the addresses; the first to complete a handshake wins.
    async fn reach(&mut self, config: quinn::ClientConfig) -> Result<Connection, Cut> {
        let mut addresses = Vec::new();
        let mut last = Cut::Path("the ticket has no address".into());
        for address in &self.target.addresses {
            match tokio::net::lookup_host(address.as_str()).await {
                Ok(found) => addresses.extend(found),
                Err(error) => last = Cut::Path(format!("{address}: {error}")),
            }
        }
        addresses.dedup();
        let mut attempts = JoinSet::new();
        for (i, address) in addresses.into_iter().enumerate() {
            let endpoint = match self.endpoint(address) {
                Ok(endpoint) => endpoint,
                Err(error) => {
                    last = Cut::Path(format!("{address}: {error}"));
                    continue;
                }
            };
            let config = config.clone();
            attempts.spawn(async move {
                sleep(STAGGER * i as u32).await;
                let connecting = endpoint
                    .connect_with(config, address, SERVER_NAME)
                    .map_err(|error| Cut::Path(format!("{address}: {error}")))?;
                match timeout(HANDSHAKE, connecting).await {
                    Ok(Ok(connection)) => Ok(connection),
                    Ok(Err(ConnectionError::TransportError(error)))
                        if CRYPTO.contains(&u64::from(error.code)) =>
                    {
                        Err(Cut::WrongReceiver(address.to_string()))
                    }
                    Ok(Err(error)) => Err(match Cut::of(&error) {
                        Cut::Path(detail) => Cut::Path(format!("{address}: {detail}")),
                        other => other,
                    }),
                    Err(_) => Err(Cut::Path(format!("{address} does not answer"))),
                }
            });
        }
        while let Some(attempt) = attempts.join_next().await {
            match attempt {
                Ok(Ok(connection)) => return Ok(connection),
                // A refusal is more informative than an address that cannot be reached.
                Ok(Err(cut)) if last.may_pass() => last = cut,
                _ => {}
            }
        }
        Err(last)
    }

    fn endpoint(&mut self, to: SocketAddr) -> io::Result<Endpoint> {
        let (slot, from): (_, SocketAddr) = match to {
            SocketAddr::V4(_) => (&mut self.v4, (Ipv4Addr::UNSPECIFIED, 0).into()),
            SocketAddr::V6(_) => (&mut self.v6, (Ipv6Addr::UNSPECIFIED, 0).into()),
        };
        if let Some(endpoint) = slot {
            return Ok(endpoint.clone());
        }
        let socket = std::net::UdpSocket::bind(from)?;
        let runtime = Arc::new(quinn::TokioRuntime);
        let endpoint = Endpoint::new(quinn::EndpointConfig::default(), None, socket, runtime)?;
        Ok(slot.insert(endpoint).clone())
    }

    /// Waits until the close of the last connection has been sent.
    pub async fn finish(&self) {
        for endpoint in [&self.v4, &self.v6].into_iter().flatten() {
            let _ = timeout(Duration::from_secs(2), endpoint.wait_idle()).await;
        }
    }
}

/// Sends one message.
///
/// # Errors
/// Returns the reason if the connection is lost.
pub async fn write(control: &mut SendStream, message: &ToReceiver) -> Result<(), Cut> {
    match control.write_all(&framing::encode(message)).await {
        Ok(()) => Ok(()),
        Err(quinn::WriteError::ConnectionLost(error)) => Err(Cut::of(&error)),
        Err(error) => Err(Cut::Path(error.to_string())),
    }
}
