//! A network in memory for tests by tokio's paused clock: minutes of a bad path pass in a second, the same each time.
//!
//! The idea is that of `in-memory-network` in quinn-workbench: quinn's socket is a trait, and its timers are tokio's,
//! so a paused clock drives both the endpoints and the links between them.

use std::fmt;
use std::future::Future as _;
use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, Endpoint, EndpointConfig, ServerConfig, TokioRuntime, UdpPoller};
use tokio::time::Sleep;

use crate::impair::{Counts, Profile};
use crate::link::Link;

/// Packets that quinn may hand over at once, so that its batches are tested too.
const SEGMENTS: usize = 10;
const SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 4743);

/// A server and its clients, each behind links of its own. Must be made and used within a tokio runtime.
#[derive(Clone)]
pub struct Network {
    wires: Arc<Mutex<Wires>>,
    seed: u64,
}

impl Network {
    /// A network whose clients all have such a path.
    pub fn new(profile: Profile, seed: u64) -> Self {
        Self { wires: Arc::new(Mutex::new(Wires { profile, clients: Vec::new(), server: None })), seed }
    }

    /// Where the server is.
    pub fn address(&self) -> SocketAddr {
        SERVER
    }

    /// The server's endpoint. There is one.
    ///
    /// # Errors
    /// As [`Endpoint::new_with_abstract_socket`].
    pub fn server(&self, config: ServerConfig) -> io::Result<Endpoint> {
        self.endpoint(None, Some(config))
    }

    /// The endpoint of one more client.
    ///
    /// # Errors
    /// As [`Endpoint::new_with_abstract_socket`].
    pub fn client(&self) -> io::Result<Endpoint> {
        let number = self.wires().connect(self.seed);
        self.endpoint(Some(number), None)
    }

    /// Changes the path for clients present and to come. Schedules start again.
    pub fn set(&self, profile: Profile) {
        let mut wires = self.wires();
        let now = now();
        for client in &mut wires.clients {
            client.up.set(now, profile.up.clone());
            client.down.set(now, profile.down.clone());
        }
        wires.profile = profile;
    }

    /// Gives a client, counted from 0, another port as the server sees it. What was sent to the old one is lost.
    ///
    /// # Panics
    /// If there is no such client.
    pub fn rebind(&self, client: usize) {
        let mut wires = self.wires();
        wires.clients[client].rebind();
    }

    /// What has become of all packets so far.
    pub fn counts(&self) -> Counts {
        self.wires().clients.iter().fold(Counts::default(), |mut sum, client| {
            sum.up += client.up.count();
            sum.down += client.down.count();
            sum
        })
    }

    fn endpoint(&self, client: Option<usize>, server: Option<ServerConfig>) -> io::Result<Endpoint> {
        let mut config = EndpointConfig::default();
        let own = client.map_or(0, |number| number as u64 + 1);
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.seed.to_le_bytes());
        seed[8..16].copy_from_slice(&own.to_le_bytes());
        config.rng_seed(Some(seed));
        let socket = Socket {
            wires: self.wires.clone(),
            client,
            timer: Mutex::new(Box::pin(tokio::time::sleep_until(now().into()))),
        };
        Endpoint::new_with_abstract_socket(config, server, Arc::new(socket), Arc::new(TokioRuntime))
    }

    fn wires(&self) -> MutexGuard<'_, Wires> {
        lock(&self.wires)
    }
}

struct Wires {
    profile: Profile,
    clients: Vec<Client>,
    /// Who waits for packets at the server.
    server: Option<Waker>,
}

impl Wires {
    fn connect(&mut self, seed: u64) -> usize {
        let number = self.clients.len();
        let seed = seed.wrapping_add(2 * number as u64);
        let now = now();
        let host = u8::try_from(number + 2).expect("fewer than 250 clients");
        self.clients.push(Client {
            address: SocketAddr::new(Ipv4Addr::new(10, 0, 0, host).into(), 50_000),
            bound: now,
            up: Link::new(now, self.profile.up.clone(), seed),
            down: Link::new(now, self.profile.down.clone(), seed.wrapping_add(1)),
            waker: None,
        });
        number
    }

    /// Sends one datagram from a client, or from the server to an address.
    fn send(&mut self, from: Option<usize>, to: SocketAddr, datagram: &[u8]) {
        let now = now();
        let packet = datagram.to_vec();
        match from {
            Some(number) if to == SERVER => {
                let every = self.profile.rebind;
                let client = &mut self.clients[number];
                if every.is_some_and(|every| now >= client.bound + every) {
                    client.rebind();
                }
                client.up.push(now, packet);
                wake(&mut self.server);
            }
            None => {
                if let Some(client) = self.clients.iter_mut().find(|client| client.address == to) {
                    client.down.push(now, packet);
                    wake(&mut client.waker);
                }
            }
            Some(_) => {}
        }
    }

    /// The next datagram due at a client or the server, with its source.
    fn receive(&mut self, at: Option<usize>) -> Option<(SocketAddr, Vec<u8>)> {
        let now = now();
        match at {
            Some(number) => Some((SERVER, self.clients[number].down.pop(now)?)),
            None => {
                let due = |client: &&mut Client| client.up.next();
                let first = self.clients.iter_mut().filter(|client| due(client).is_some()).min_by_key(due)?;
                Some((first.address, first.up.pop(now)?))
            }
        }
    }

    /// When the next datagram is due at a client or the server.
    fn next(&self, at: Option<usize>) -> Option<Instant> {
        match at {
            Some(number) => self.clients[number].down.next(),
            None => self.clients.iter().filter_map(|client| client.up.next()).min(),
        }
    }
}

struct Client {
    /// As the server sees it.
    address: SocketAddr,
    bound: Instant,
    up: Link,
    down: Link,
    waker: Option<Waker>,
}

impl Client {
    fn rebind(&mut self) {
        self.address.set_port(self.address.port().wrapping_add(1).max(1024));
        self.bound = now();
    }
}

/// The socket of one endpoint. It carries no marks of congestion (ECN): quinn finds out and does without.
struct Socket {
    wires: Arc<Mutex<Wires>>,
    /// Which client's it is, or the server's.
    client: Option<usize>,
    /// Wakes the endpoint when the next datagram is due.
    timer: Mutex<Pin<Box<Sleep>>>,
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(AlwaysWritable)
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let mut wires = lock(&self.wires);
        let longest = transmit.segment_size.unwrap_or(transmit.contents.len()).max(1);
        for datagram in transmit.contents.chunks(longest) {
            wires.send(self.client, transmit.destination, datagram);
        }
        Ok(())
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut wires = lock(&self.wires);
        loop {
            let mut filled = 0;
            for (buffer, meta) in buffers.iter_mut().zip(meta.iter_mut()) {
                let Some((addr, datagram)) = wires.receive(self.client) else { break };
                let len = datagram.len().min(buffer.len());
                buffer[..len].copy_from_slice(&datagram[..len]);
                *meta = RecvMeta { addr, len, stride: len, ecn: None, dst_ip: None };
                filled += 1;
            }
            if filled > 0 {
                return Poll::Ready(Ok(filled));
            }
            match self.client {
                Some(number) => wires.clients[number].waker = Some(cx.waker().clone()),
                None => wires.server = Some(cx.waker().clone()),
            }
            let Some(due) = wires.next(self.client) else { return Poll::Pending };
            let mut timer = lock(&self.timer);
            timer.as_mut().reset(due.into());
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(match self.client {
            Some(number) => lock(&self.wires).clients[number].address,
            None => SERVER,
        })
    }

    fn max_transmit_segments(&self) -> usize {
        SEGMENTS
    }

    fn may_fragment(&self) -> bool {
        false
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("client", &self.client).finish_non_exhaustive()
    }
}

/// The links take everything; what they have no room for, they drop.
#[derive(Debug)]
struct AlwaysWritable;

impl UdpPoller for AlwaysWritable {
    fn poll_writable(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

/// The paused clock's time.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
