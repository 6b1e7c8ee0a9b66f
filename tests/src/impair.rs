//! A UDP proxy that makes the path between real processes as bad as wanted.
//!
//! It has a thread of its own, so that it keeps time while a test blocks. What happens to the packets is decided by
//! [`Link`], by a clock of its own: a late wake-up delays packets a little and never slows the line.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot, watch};

use crate::link::{Conditions, Count, Link};

/// Longest UDP payload, bytes.
const LONGEST: usize = 65_507;
/// Packets of a flow that wait for the proxy itself. Beyond it they are dropped, as by a socket.
const BACKLOG: usize = 4096;
/// Packets taken from a socket before the other sockets get their turn.
const BATCH: usize = 64;

/// What a path does, both ways. The default is a clean one.
#[derive(Debug, Clone, Default)]
pub struct Profile {
    /// From the clients to the server.
    pub up: Conditions,
    /// From the server to the clients.
    pub down: Conditions,
    /// How often each client's port changes as the server sees it, as behind a NAT that forgets.
    pub rebind: Option<Duration>,
}

impl Profile {
    /// The same conditions both ways.
    pub fn both(conditions: Conditions) -> Self {
        Self { up: conditions.clone(), down: conditions, rebind: None }
    }
}

/// What has become of all packets, both ways.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// From the clients to the server.
    pub up: Count,
    /// From the server to the clients.
    pub down: Count,
}

/// A running proxy. It ends when dropped.
#[derive(Debug)]
pub struct Proxy {
    /// Where clients send to, on 127.0.0.1.
    pub addr: SocketAddr,
    profile: watch::Sender<Profile>,
    shared: Arc<Shared>,
    _running: oneshot::Sender<()>,
}

impl Proxy {
    /// Starts a proxy before `upstream`. Each client has links of its own, seeded by `seed` and the order of arrival.
    ///
    /// # Errors
    /// Where no socket or thread can be had.
    pub fn start(upstream: SocketAddr, profile: Profile, seed: u64) -> io::Result<Self> {
        let front = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        front.set_nonblocking(true)?;
        let addr = front.local_addr()?;
        let (profile, changes) = watch::channel(profile);
        let (running, stop) = oneshot::channel();
        let shared = Arc::new(Shared { upstream, seed, counts: Mutex::default() });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let theirs = shared.clone();
        thread::Builder::new().name("proxy".into()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = stop => {}
                    _ = serve(front, changes, theirs) => {}
                }
            });
        })?;
        Ok(Self { addr, profile, shared, _running: running })
    }

    /// Changes the path for clients present and to come. Schedules start again.
    pub fn set(&self, profile: Profile) {
        self.profile.send_replace(profile);
    }

    /// What has become of all packets so far.
    pub fn counts(&self) -> Counts {
        let counts = self.shared.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.iter().fold(Counts::default(), |mut sum, flow| {
            sum.up += flow.up;
            sum.down += flow.down;
            sum
        })
    }
}

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    seed: u64,
    /// By flow, in order of arrival.
    counts: Mutex<Vec<Counts>>,
}

/// A packet and when it came.
type Arrival = (Instant, Vec<u8>);

/// Hands each client's packets to its flow.
async fn serve(
    front: std::net::UdpSocket,
    profile: watch::Receiver<Profile>,
    shared: Arc<Shared>,
) -> io::Result<()> {
    let front = Arc::new(UdpSocket::from_std(front)?);
    let mut flows: HashMap<SocketAddr, mpsc::Sender<Arrival>> = HashMap::new();
    let mut buffer = vec![0; LONGEST];
    loop {
        // An error here is an answer to an earlier packet (a client's port has closed); it ends nothing.
        let Ok((len, client)) = front.recv_from(&mut buffer).await else { continue };
        let mut arrival = (Instant::now(), buffer[..len].to_vec());
        if let Some(flow) = flows.get(&client) {
            match flow.try_send(arrival) {
                Ok(()) | Err(mpsc::error::TrySendError::Full(_)) => continue,
                Err(mpsc::error::TrySendError::Closed(back)) => arrival = back,
            }
        }
        let (sender, arrivals) = mpsc::channel(BACKLOG);
        let flow = Flow::new(client, front.clone(), profile.clone(), shared.clone()).await?;
        tokio::spawn(flow.run(arrivals));
        let _ = sender.try_send(arrival);
        flows.insert(client, sender);
    }
}

/// A client, its links and the socket that speaks for it.
struct Flow {
    number: usize,
    client: SocketAddr,
    front: Arc<UdpSocket>,
    back: UdpSocket,
    up: Link,
    down: Link,
    profile: watch::Receiver<Profile>,
    shared: Arc<Shared>,
}

impl Flow {
    async fn new(
        client: SocketAddr,
        front: Arc<UdpSocket>,
        mut profile: watch::Receiver<Profile>,
        shared: Arc<Shared>,
    ) -> io::Result<Self> {
        let number = {
            let mut counts = shared.counts.lock().unwrap_or_else(PoisonError::into_inner);
            counts.push(Counts::default());
            counts.len() - 1
        };
        let now = Instant::now();
        let seed = shared.seed.wrapping_add(2 * number as u64);
        let Profile { up, down, .. } = profile.borrow_and_update().clone();
        let up = Link::new(now, up, seed);
        let down = Link::new(now, down, seed.wrapping_add(1));
        Ok(Self { number, client, front, back: toward(shared.upstream).await?, up, down, profile, shared })
    }

    async fn run(mut self, mut arrivals: mpsc::Receiver<Arrival>) -> io::Result<()> {
        let mut buffer = vec![0; LONGEST];
        let mut bound = Instant::now();
        loop {
            let due = [self.up.next(), self.down.next()].into_iter().flatten().min();
            let rebind = self.profile.borrow().rebind.map(|every| bound + every);
            tokio::select! {
                arrival = arrivals.recv() => match arrival {
                    Some((at, packet)) => self.up.push(at, packet),
                    None => return Ok(()),
                },
                // The server may not be there yet, or no longer: its packets are lost, the flow stays.
                Ok(len) = self.back.recv(&mut buffer) => self.down.push(Instant::now(), buffer[..len].to_vec()),
                changed = self.profile.changed() => match changed {
                    Ok(()) => {
                        let Profile { up, down, .. } = self.profile.borrow_and_update().clone();
                        self.up.set(Instant::now(), up);
                        self.down.set(Instant::now(), down);
                    }
                    Err(_) => return Ok(()),
                },
                () = until(due) => {}
                () = until(rebind) => {
                    self.back = toward(self.shared.upstream).await?;
                    bound = Instant::now();
                }
            }
            for _ in 0..BATCH {
                let Ok((at, packet)) = arrivals.try_recv() else { break };
                self.up.push(at, packet);
            }
            for _ in 0..BATCH {
                let Ok(len) = self.back.try_recv(&mut buffer) else { break };
                self.down.push(Instant::now(), buffer[..len].to_vec());
            }
            self.deliver().await;
        }
    }

    /// Hands on all that is due.
    async fn deliver(&mut self) {
        let now = Instant::now();
        while let Some(packet) = self.up.pop(now) {
            let _ = self.back.send(&packet).await;
        }
        while let Some(packet) = self.down.pop(now) {
            let _ = self.front.send_to(&packet, self.client).await;
        }
        let mut counts = self.shared.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts[self.number] = Counts { up: self.up.count(), down: self.down.count() };
    }
}

/// A new port for a flow.
async fn toward(upstream: SocketAddr) -> io::Result<UdpSocket> {
    let any = if upstream.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(upstream).await?;
    Ok(socket)
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}
