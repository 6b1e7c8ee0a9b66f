//! What the congestion controller makes of bad paths, and how it compares with the one that quinn brings. Everything
//! runs in memory, by tokio's paused clock, so the same seed gives the same figures on every machine.

use std::sync::Arc;
use std::time::Duration;

use aecodec_proto::{Identity, PublicKey, congestion, tls};
use aecodec_tests::impair::{Counts, Profile};
use aecodec_tests::link::{Bursts, Conditions, Outages, Queue, Rate};
use aecodec_tests::memory_net::Network;
use quinn::congestion::{BbrConfig, ControllerFactory};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ClientConfig, ServerConfig, TransportConfig, VarInt};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Everyone;

impl tls::Admit for Everyone {
    fn admits(&self, _: &PublicKey) -> bool {
        true
    }
}

type Factory = Arc<dyn ControllerFactory + Send + Sync>;

fn ours() -> Factory {
    Arc::new(congestion::Config::default())
}

fn configs(controller: Factory) -> (ServerConfig, ClientConfig) {
    let [receiver, sender] = [[1; 32], [2; 32]].map(Identity::from_seed);
    let mut transport = TransportConfig::default();
    transport.congestion_controller_factory(controller);
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

/// Sends so many bytes over a path; gives the time until the last one was there, by the paused clock, and the counts.
/// Every byte is compared.
fn transfer(controller: Factory, profile: Profile, seed: u64, bytes: usize) -> (Duration, Counts) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let network = Network::new(profile, seed);
        let (server, client) = configs(controller);
        let server = network.server(server).expect("an endpoint");
        let data: Arc<Vec<u8>> = Arc::new((0..bytes).map(|i| (i * 7 + i / 251) as u8).collect());
        let expected = data.clone();
        let receiving = tokio::spawn(async move {
            let connection = server.accept().await.expect("an endpoint").await.expect("a connection");
            let mut stream = connection.accept_uni().await.expect("a stream");
            let got = stream.read_to_end(usize::MAX).await.expect("all of it");
            let arrived = tokio::time::Instant::now();
            assert!(got == *expected, "the bytes arrive unchanged");
            connection.close(VarInt::from_u32(0), b"");
            server.wait_idle().await;
            arrived
        });
        let start = tokio::time::Instant::now();
        let endpoint = network.client().expect("an endpoint");
        let connecting = endpoint.connect_with(client, network.address(), tls::SERVER_NAME);
        let connection = connecting.expect("a configuration").await.expect("a connection");
        let mut stream = connection.open_uni().await.expect("a stream");
        stream.write_all(&data).await.expect("sent");
        stream.finish().expect("open");
        connection.closed().await;
        let arrived = receiving.await.expect("received");
        (arrived - start, network.counts())
    })
}

/// A line with so many bits per second, milliseconds one way, packets in its queue, and such a share of losses both ways.
fn path(rate: u64, one_way: u32, queue: usize, loss: f64) -> Profile {
    let down = Conditions { delay: one_way * MS, loss, ..Default::default() };
    let up = Conditions { rate: Rate::fixed(rate), queue: Queue::Packets(queue), ..down.clone() };
    Profile { up, down, rebind: None }
}

fn line(loss: f64) -> Profile {
    path(10_000_000, 25, 25, loss)
}

/// A line that slows down tenfold for five seconds.
fn slowing() -> Profile {
    let mut profile = path(8_000_000, 25, 400, 0.0);
    profile.up.rate =
        Rate::steps(&[(Duration::ZERO, 8_000_000), (5 * SECOND, 800_000), (10 * SECOND, 8_000_000)]);
    profile
}

/// Everything at once.
fn bad() -> Profile {
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
    Profile { rebind: Some(1500 * MS), ..Profile::both(bad) }
}

#[test]
fn a_transfer_survives_everything_at_once_and_repeats_exactly() {
    let first = transfer(ours(), bad(), 11, 2 << 20);
    assert!(first.0 < 30 * SECOND, "{first:?}");
    assert!(first.1.up.lost > 20 && first.1.up.overflowed + first.1.down.lost > 5, "{first:?}");
    assert_eq!(transfer(ours(), bad(), 11, 2 << 20), first, "the same seed, the same fate");
}

#[test]
fn random_losses_leave_85_percent_of_a_line() {
    let bytes = 20 << 20;
    for (loss, seed) in [(0.0, 1), (0.02, 2), (0.02, 3), (0.05, 4)] {
        let (took, counts) = transfer(ours(), line(loss), seed, bytes);
        let goodput = bytes as f64 * 8.0 / took.as_secs_f64();
        assert!(goodput > 8_500_000.0, "{goodput:.0} bit/s at a loss of {loss}");
        let wasted = counts.up.overflowed as f64 / counts.up.packets as f64;
        assert!(wasted < 0.02, "{wasted:.3} of the packets found the queue full at a loss of {loss}");
    }
}

#[test]
fn a_line_that_slows_down_tenfold_gets_no_standing_queue() {
    // 5 s at 8 Mbit/s, 5 s at a tenth of it, then 8 Mbit/s again: at best 15.4 s with the headers.
    let (took, counts) = transfer(ours(), slowing(), 1, 10_000_000);
    assert!(took < 17 * SECOND, "{took:?}");
    // What was under way when the line slowed down waits ten times as long, and no more comes behind it.
    assert!(counts.up.longest_wait < 800 * MS, "{counts:?}");
}

/// The reason why this project has a controller of its own. On paths that lose packets, change their rate or fail for
/// seconds, it is about as fast as quinn's BBR, and it does not fill the line with packets that find the queue full:
/// BBR sends 1.3 to 6 times as many packets as are needed, which costs whoever pays for the bytes.
#[test]
fn it_is_as_fast_as_bbr_with_a_fraction_of_the_waste() {
    let mut failing = path(4_000_000, 50, 50, 0.0);
    failing.up.outages = Some(Outages { open: 5 * SECOND, shut: 2 * SECOND });
    let cases = [
        ("clean", line(0.0), 10 << 20),
        ("2 % lost", line(0.02), 10 << 20),
        ("5 % lost", line(0.05), 10 << 20),
        ("300 ms", path(10_000_000, 150, 100, 0.0), 10 << 20),
        ("300 ms, 1 % lost", path(10_000_000, 150, 100, 0.01), 10 << 20),
        ("600 ms, 1 % lost", path(1_000_000, 300, 50, 0.01), 2 << 20),
        ("a deep queue", path(2_000_000, 20, 1000, 0.0), 4 << 20),
        ("slows down", slowing(), 10_000_000),
        ("fails for seconds", failing, 4 << 20),
        ("fast, 1 % lost", path(100_000_000, 10, 100, 0.01), 30 << 20),
        ("everything at once", bad(), 2 << 20),
    ];
    let (mut total, mut sent) = ([0.0, 0.0], [0.0, 0.0]);
    for (name, profile, bytes) in cases {
        let results = [ours(), Arc::new(BbrConfig::default())].map(|controller: Factory| {
            (0..3).fold((0.0, 0.0, 0.0, Duration::ZERO), |(took, packets, full, wait), seed| {
                let (time, Counts { up, .. }) = transfer(controller.clone(), profile.clone(), seed, bytes);
                let (all, dropped) = (up.packets as f64, up.overflowed as f64);
                (took + time.as_secs_f64(), packets + all, full + dropped, wait.max(up.longest_wait))
            })
        });
        let [ours, bbr] = results;
        println!(
            "{name:20} {:6.2} s, {:4.1} % found the queue full, {:3.0} ms in the queue; BBR {:6.2} s, {:4.1} %, {:3.0} ms",
            ours.0 / 3.0,
            100.0 * ours.2 / ours.1,
            ours.3.as_secs_f64() * 1e3,
            bbr.0 / 3.0,
            100.0 * bbr.2 / bbr.1,
            bbr.3.as_secs_f64() * 1e3,
        );
        assert!(ours.0 <= 1.05 * bbr.0, "{name}: {ours:?}, BBR {bbr:?}");
        assert!(ours.1 <= 1.01 * bbr.1, "{name}: {ours:?}, BBR {bbr:?}");
        assert!(ours.3 <= bbr.3 + MS, "{name}: {ours:?}, BBR {bbr:?}");
        for (i, result) in results.iter().enumerate() {
            total[i] += result.0;
            sent[i] += result.1;
        }
    }
    assert!(total[0] < total[1], "{total:?}");
    assert!(sent[0] < 0.6 * sent[1], "{sent:?}");
}
