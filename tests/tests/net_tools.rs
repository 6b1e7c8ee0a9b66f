//! The tools that test the network: the model of a line, the proxy, and the network namespace. The model runs by a
//! clock of its own.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use aecodec_tests::impair::{Counts, Profile, Proxy};
use aecodec_tests::link::{Bursts, Conditions, HEADERS, Link, Outages, Queue, Rate};
use aecodec_tests::netns::Namespace;

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
