//! Receivers that lie to a real sender. It believes nothing, reports each lie in one line, and later sends to an honest
//! receiver.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use aecodec_proto::framing::{self, Framer};
use aecodec_proto::message::{Offer, Receipt, StoredWhen, ToReceiver, ToSender, VERSION};
use aecodec_proto::tls::Admit;
use aecodec_proto::{Close, Hash, Identity, PublicKey, Ticket, transport};
use quinn::Endpoint;

use crate::attacker::varint;
use crate::network::Place;

/// Text that the sender has to print, the greeting of the receiver, and its answer to an offer.
type Lie = (&'static str, Vec<u8>, fn(&Offer) -> Vec<ToSender>);

fn lies() -> Vec<Lie> {
    let greet = |version| ToSender::Welcome {
        version,
        label: "liar".into(),
        window: 16,
        takes_models: true,
        previews: false,
    };
    let (welcome, nothing) = (framing::encode(&greet(VERSION)), |_: &Offer| Vec::new());
    let mut left_over = welcome.clone();
    left_over[0] += 1;
    left_over.push(0);
    vec![
        ("it is for another hash", welcome.clone(), |_| vec![receipt(0, Hash([0; 32]), StoredWhen::Before)]),
        ("nothing was asked for", welcome.clone(), |offer| vec![receipt(0, offer.hash, StoredWhen::Now)]),
        ("it was not offered", welcome.clone(), |offer| vec![receipt(7, offer.hash, StoredWhen::Before)]),
        ("Refused for offer 7", welcome.clone(), |_| vec![ToSender::Refused { id: 7, reason: "no".into() }]),
        ("Want for offer 7", welcome.clone(), |_| vec![want(7, 0, 1)]),
        ("part 99 of offer 0", welcome.clone(), |_| vec![want(0, 99, 1)]),
        ("part 0 of offer 0", welcome.clone(), |_| vec![want(0, 0, u32::MAX)]),
        ("was asked for without need", welcome.clone(), |_| {
            vec![ToSender::NeedModel { hash: Hash([1; 32]) }]
        }),
        ("Welcome at the wrong time", [welcome.clone(), welcome.clone()].concat(), nothing),
        ("protocol version 2", framing::encode(&greet(VERSION + 1)), nothing),
        ("expected Welcome", framing::encode(&want(0, 0, 1)), nothing),
        ("a message of 1099511627776 bytes", varint(1 << 40), nothing),
        ("bytes that are not a message", vec![2, 0xff, 0xff], nothing),
        ("bytes are left over", left_over, nothing),
        ("no connection for 3 seconds", Vec::new(), nothing),
    ]
}

fn receipt(id: u64, hash: Hash, stored: StoredWhen) -> ToSender {
    ToSender::Receipt(Receipt { id, hash, stored, first_preview: None, last_byte: 1 })
}

fn want(id: u64, first: u32, count: u32) -> ToSender {
    ToSender::Want { id, parts: vec![(first, count)] }
}

#[derive(Debug)]
struct Everyone;

impl Admit for Everyone {
    fn admits(&self, _: &PublicKey) -> bool {
        true
    }
}

/// A receiver that sends any messages.
struct Liar(Endpoint);

impl Liar {
    /// Creates the receiver. This must be called inside a runtime.
    fn new(identity: &Identity) -> Self {
        let config = transport::server(identity, Arc::new(Everyone)).expect("settings");
        Self(Endpoint::server(config, (Ipv4Addr::LOCALHOST, 0).into()).expect("an endpoint"))
    }

    fn address(&self) -> SocketAddr {
        self.0.local_addr().expect("an address")
    }

    /// Serves one sender until it disconnects. `None` closes the connection with a reason that contains control characters.
    async fn serve(&self, lie: Option<&Lie>) {
        let Ok(connection) = self.0.accept().await.expect("a sender").await else { return };
        let Some((_, greeting, answer)) = lie else {
            connection.close((Close::Violation as u32).into(), b"no\nerror: \x1b[2Jall is well");
            connection.closed().await;
            return self.0.wait_idle().await;
        };
        let (mut send, mut recv) = connection.accept_bi().await.expect("a control stream");
        let _ = send.write_all(greeting).await;
        let mut framer = Framer::<ToReceiver>::default();
        while let Ok(Some(chunk)) = recv.read_chunk(64 << 10, true).await {
            framer.push(&chunk.bytes);
            while let Some(message) = framer.take().expect("sound messages") {
                if let ToReceiver::Offer(offer) = message {
                    let said: Vec<u8> = answer(&offer).iter().flat_map(framing::encode).collect();
                    let _ = send.write_all(&said).await;
                }
            }
        }
    }
}

#[test]
fn a_sender_believes_no_lie_and_keeps_what_no_honest_receiver_has() {
    let place = Place::new();
    place.sample("sign.aec", "sign.aec");
    let identity = Identity::generate().expect("a key");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let liar = runtime.block_on(async { Liar::new(&identity) });
    let ticket = |receiver: PublicKey| {
        let addresses = vec![liar.address().to_string()];
        Ticket { receiver, addresses, invitation: Some([3; 32]) }.to_string()
    };
    let send = |receiver: PublicKey, lie: Option<&Lie>, words: &str| {
        let to = ticket(receiver);
        let sender = place.start(&format!("send --json --state s --patience 3 --to {to} sign.aec"));
        runtime.block_on(liar.serve(lie));
        let sent = sender.end().with(5);
        assert!(sent.all("delivered").is_empty(), "{words}: {sent:#?}");
        let said: Vec<_> = sent.errors.lines().collect();
        assert!(matches!(said[..], [line] if line.contains(words)), "{words}: {said:#?}");
        assert!(!said[0].chars().any(char::is_control), "{said:?}");
    };
    let other = Identity::generate().expect("a key").public();
    send(other, None, "is not the receiver of this ticket");
    send(identity.public(), None, "the receiver closed the connection: noerror");
    for lie in lies() {
        send(identity.public(), Some(&lie), lie.0);
    }

    // The honest receiver has the same key, so a sender that believed a lie would not send the picture to it.
    let digits: String = identity.seed().iter().map(|byte| format!("{byte:02x}")).collect();
    place.put("inbox/.aecodec/key", digits.as_bytes());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(place.path("inbox/.aecodec/key"), private).expect("private");
    }
    let receiver = place.receive("--out inbox");
    let sent = place.run(&format!("send --json --state s --to {} sign.aec", receiver.ticket)).with(0);
    assert_eq!(sent.all("delivered")[0]["stored"], "now");
    assert!(place.read("inbox/sign.aec") == place.read("sign.aec"));
}
