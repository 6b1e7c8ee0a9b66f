//! The tools that test the network: the model of a line, the proxy, the network in memory; and what the congestion
//! controller makes of bad paths. All but the proxy run by a clock of their own.

use std::net::UdpSocket;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aecodec_proto::{Identity, PublicKey, congestion, tls};
use aecodec_tests::impair::{Counts, Profile, Proxy};
use aecodec_tests::link::{Bursts, Conditions, HEADERS, Link, Outages, Queue, Rate};
use aecodec_tests::memory_net::Network;
use aecodec_tests::netns::Namespace;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ClientConfig, ServerConfig, TransportConfig, VarInt};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
/// Payload that makes 1200 bytes on the line.
const PAYLOAD: usize = 1200 - HEADERS;

/// Sends `count` packets, one each `every`, and gives the times at which each came out, by its number.
fn through(conditions: Conditions, seed: u64, count: u32, every: Duration) -> Vec<(Duration, u32)> {
    let start = Instant::now();
    let mut link = Link::new(start, conditions, seed);
    for number in 0..count {
        let mut packet = vec![0; PAYLOAD];
        packet[..4].copy_from_slice(&number.to_le_bytes());
        link.push(start + every * number, packet);
    }
    let mut out = Vec::new();
    while let Some(at) = link.next() {
        let packet = link.pop(at).expect("due");
        out.push((at - start, u32::from_le_bytes([packet[0], packet[1], packet[2], packet[3]])));
    }
    out
}

#[test]
fn a_clean_line_hands_on_everything_at_once_and_in_order() {
    let out = through(Conditions::default(), 1, 100, MS);
    assert!(out.iter().enumerate().all(|(i, &(at, number))| at == MS * number && i as u32 == number));
    assert_eq!(out.len(), 100);
}

#[test]
fn a_rate_is_kept_however_late_the_caller_comes() {
    let start = Instant::now();
    let conditions = Conditions { rate: Rate::fixed(9_600_000), delay: 25 * MS, ..Default::default() };
    let mut link = Link::new(start, conditions, 1);
    for _ in 0..1000 {
        link.push(start, vec![0; PAYLOAD]);
    }
    // 1200 bytes take a millisecond; the first is there after that and the delay. The caller looks every 10 ms.
    for look in 1..=100 {
        let now = start + 25 * MS + 10 * MS * look;
        let out = std::iter::from_fn(|| link.pop(now)).count();
        assert_eq!(out, 10, "look {look}");
    }
}

#[test]
fn a_rate_follows_its_schedule() {
    let rate = Rate::steps(&[(Duration::ZERO, 9_600_000), (SECOND, 960_000), (2 * SECOND, 9_600_000)]);
    let out = through(Conditions { rate, ..Default::default() }, 1, 2100, Duration::ZERO);
    let within = |from: Duration, to: Duration| {
        out.iter().filter(|&&(at, _)| at > from && at <= to + MS / 1000).count()
    };
    assert_eq!(within(Duration::ZERO, SECOND), 1000);
    assert_eq!(within(SECOND + MS / 1000, 2 * SECOND), 100);
    assert_eq!(within(2 * SECOND + MS / 1000, 3 * SECOND), 1000);
}

#[test]
fn a_full_queue_drops_the_last() {
    let conditions = Conditions { rate: Rate::fixed(9_600_000), ..Default::default() };
    for queue in [Queue::Packets(25), Queue::Bytes(25 * 1200)] {
        let out = through(Conditions { queue, ..conditions.clone() }, 1, 100, Duration::ZERO);
        // One is on the line.
        assert_eq!(out.iter().map(|out| out.1).collect::<Vec<_>>(), (0..26).collect::<Vec<_>>(), "{queue:?}");
    }
}

#[test]
fn the_shares_of_losses_doubles_and_late_packets_are_those_asked_for() {
    let count = 20_000;
    let share = |conditions| through(conditions, 5, count, MS).len() as f64 / f64::from(count);
    let loss = share(Conditions { loss: 0.02, ..Default::default() });
    assert!((0.978..0.982).contains(&loss), "{loss}");
    let bursts = Bursts { begin: 0.01, end: 0.1, loss: 0.3 };
    // Of 11 packets one is in the bad state, where 3 of 10 are lost.
    let burst = share(Conditions { bursts: Some(bursts), ..Default::default() });
    assert!((0.968..0.978).contains(&burst), "{burst}");
    let twice = share(Conditions { duplicate: 0.05, ..Default::default() });
    assert!((1.045..1.055).contains(&twice), "{twice}");
    let conditions = Conditions { reorder: 0.05, reorder_by: 5 * MS, ..Default::default() };
    let out = through(conditions, 5, count, MS);
    let overtaken = out.windows(2).filter(|pair| pair[1].1 < pair[0].1).count() as f64 / f64::from(count);
    assert!((0.04..0.055).contains(&overtaken), "{overtaken}");
    let conditions = Conditions { jitter: 30 * MS, delay: 15 * MS, ..Default::default() };
    let out = through(conditions, 5, count, MS);
    assert!(out.windows(2).all(|pair| pair[0].1 < pair[1].1), "jitter keeps the order");
    assert!(out.iter().all(|&(at, number)| (15 * MS..=45 * MS).contains(&(at - MS * number))));
}

#[test]
fn an_outage_lets_nothing_in_and_a_long_packet_never_passes() {
    let outages = Some(Outages { open: 5 * SECOND, shut: 2 * SECOND });
    let out = through(Conditions { outages, ..Default::default() }, 1, 140, 100 * MS);
    let expected: Vec<u32> = (0..140).filter(|number| number % 70 < 50).collect();
    assert_eq!(out.iter().map(|out| out.1).collect::<Vec<_>>(), expected);
    assert!(through(Conditions { mtu: PAYLOAD - 1, ..Default::default() }, 1, 10, MS).is_empty());
}

#[test]
fn the_proxy_carries_several_clients_and_counts() {
    let server = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let profile = Profile::both(Conditions { delay: MS, duplicate: 1.0, ..Default::default() });
    let proxy = Proxy::start(server.local_addr().expect("an address"), profile, 1).expect("a proxy");
    let clients = [0u8, 1].map(|number| {
        let client = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        client.send_to(&[number; 100], proxy.addr).expect("sent");
        client
    });
    let mut buffer = [0; 200];
    // Each packet comes twice; each is answered.
    for _ in 0..4 {
        let (len, from) = server.recv_from(&mut buffer).expect("a packet");
        server.send_to(&buffer[..len], from).expect("sent");
    }
    for (number, client) in clients.iter().enumerate() {
        for _ in 0..4 {
            let (len, from) = client.recv_from(&mut buffer).expect("an answer");
            assert_eq!((&buffer[..len], from), (&[number as u8; 100][..], proxy.addr));
        }
    }
    let Counts { up, .. } = proxy.counts();
    assert_eq!((up.packets, up.bytes, up.delivered), (2, 200, 4));
}

#[test]
#[ignore = "needs root and a kernel with the token bucket (tc, tbf)"]
fn a_namespace_is_reached_through_its_line() {
    let space = Namespace::new(77, 10_000_000, 50);
    let server = UdpSocket::bind((space.here, 0)).expect("a socket");
    let port = server.local_addr().expect("an address").port();
    let send = format!("echo hello > /dev/udp/{}/{port}", space.here);
    let sent = space.command("bash").args(["-c", &send]).status().expect("bash");
    assert!(sent.success());
    let mut buffer = [0; 100];
    let (len, from) = server.recv_from(&mut buffer).expect("a packet");
    assert_eq!((&buffer[..len], from.ip()), (&b"hello\n"[..], space.there.into()));
    space.set_rate(1_000_000, 50);
}

#[derive(Debug)]
struct Everyone;

impl tls::Admit for Everyone {
    fn admits(&self, _: &PublicKey) -> bool {
        true
    }
}

fn configs() -> (ServerConfig, ClientConfig) {
    let [receiver, sender] = [[1; 32], [2; 32]].map(Identity::from_seed);
    let mut transport = TransportConfig::default();
    transport.congestion_controller_factory(Arc::new(congestion::Config::default()));
    transport.stream_receive_window(VarInt::from_u32(16 << 20)).send_window(16 << 20);
    let transport = Arc::new(transport);
    let server = tls::server(&receiver, Arc::new(Everyone)).expect("keys");
    let server: QuicServerConfig = server.try_into().expect("TLS 1.3");
    let mut server = ServerConfig::with_crypto(Arc::new(server));
    server.transport_config(transport.clone());
    let client = tls::client(&sender, receiver.public()).expect("keys");
    let client: QuicClientConfig = client.try_into().expect("TLS 1.3");
    let mut client = ClientConfig::new(Arc::new(client));
    client.transport_config(transport);
    (server, client)
}

/// Sends so many bytes over a path; gives the time that took by the paused clock, and the counts. Every byte is
/// compared.
fn transfer(profile: Profile, seed: u64, bytes: usize) -> (Duration, Counts) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let network = Network::new(profile, seed);
        let (server, client) = configs();
        let server = network.server(server).expect("an endpoint");
        let data: Arc<Vec<u8>> = Arc::new((0..bytes).map(|i| (i * 7 + i / 251) as u8).collect());
        let expected = data.clone();
        let receiving = tokio::spawn(async move {
            let connection = server.accept().await.expect("an endpoint").await.expect("a connection");
            let mut stream = connection.accept_uni().await.expect("a stream");
            let got = stream.read_to_end(usize::MAX).await.expect("all of it");
            assert!(got == *expected, "the bytes arrive unchanged");
            connection.close(VarInt::from_u32(0), b"");
            server.wait_idle().await;
        });
        let start = tokio::time::Instant::now();
        let endpoint = network.client().expect("an endpoint");
        let connecting = endpoint.connect_with(client, network.address(), tls::SERVER_NAME);
        let connection = connecting.expect("a configuration").await.expect("a connection");
        let mut stream = connection.open_uni().await.expect("a stream");
        stream.write_all(&data).await.expect("sent");
        stream.finish().expect("open");
        connection.closed().await;
        let took = start.elapsed();
        receiving.await.expect("received");
        (took, network.counts())
    })
}

/// A line of 10 Mbit/s and 50 ms there and back with a queue of 25 packets, losing such a share both ways.
fn line(loss: f64) -> Profile {
    let down = Conditions { delay: 25 * MS, loss, ..Default::default() };
    let up = Conditions { rate: Rate::fixed(10_000_000), queue: Queue::Packets(25), ..down.clone() };
    Profile { up, down, rebind: None }
}

#[test]
fn a_transfer_survives_everything_at_once_and_repeats_exactly() {
    let bad = Conditions {
        loss: 0.02,
        bursts: Some(Bursts { begin: 0.005, end: 0.1, loss: 0.3 }),
        delay: 30 * MS,
        jitter: 10 * MS,
        reorder: 0.02,
        reorder_by: 15 * MS,
        duplicate: 0.01,
        corrupt: 0.01,
        rate: Rate::fixed(4_000_000),
        queue: Queue::Packets(25),
        outages: Some(Outages { open: SECOND, shut: 400 * MS }),
        ..Default::default()
    };
    let profile = Profile { rebind: Some(1500 * MS), ..Profile::both(bad) };
    let first = transfer(profile.clone(), 11, 2 << 20);
    assert!(first.0 < 30 * SECOND, "{first:?}");
    assert!(first.1.up.lost > 20 && first.1.up.overflowed + first.1.down.lost > 5, "{first:?}");
    assert_eq!(transfer(profile, 11, 2 << 20), first, "the same seed, the same fate");
}

#[test]
fn random_losses_leave_85_percent_of_a_line() {
    let bytes = 20 << 20;
    for (loss, seed) in [(0.0, 1), (0.02, 2), (0.02, 3), (0.05, 4)] {
        let (took, counts) = transfer(line(loss), seed, bytes);
        let goodput = bytes as f64 * 8.0 / took.as_secs_f64();
        assert!(goodput > 8_500_000.0, "{goodput:.0} bit/s at a loss of {loss}");
        let wasted = counts.up.overflowed as f64 / counts.up.packets as f64;
        assert!(wasted < 0.02, "{wasted:.3} of the packets found the queue full at a loss of {loss}");
    }
}

#[test]
fn a_line_that_slows_down_tenfold_gets_no_standing_queue() {
    let mut profile = line(0.0);
    profile.up.queue = Queue::Packets(400);
    profile.up.rate =
        Rate::steps(&[(Duration::ZERO, 8_000_000), (5 * SECOND, 800_000), (10 * SECOND, 8_000_000)]);
    // 5 s at 8 Mbit/s, 5 s at a tenth of it, then 8 Mbit/s again: at best 15.4 s with the headers.
    let (took, counts) = transfer(profile, 1, 10_000_000);
    assert!(took < 17 * SECOND, "{took:?}");
    // What was under way when the line slowed down waits ten times as long, and no more comes behind it.
    assert!(counts.up.longest_wait < 800 * MS, "{counts:?}");
}
