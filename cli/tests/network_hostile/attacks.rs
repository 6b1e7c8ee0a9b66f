//! Attacks on a receiver, each with the text with which it has to be refused.

use std::net::{SocketAddr, UdpSocket};

use aecodec_proto::framing::{self, MESSAGE_MAX};
use aecodec_proto::message::{Enrol, Frame, Offer, ToReceiver, ToSender, VERSION};
use aecodec_proto::parts::{PART_MAX, StreamHeader};
use aecodec_proto::tls::{ENROL_LABEL, SERVER_NAME};
use aecodec_proto::{Close, Hash, Identity, PublicKey};
use aecodec_tests::Random;
use quinn::{Connection, Endpoint};

use crate::attacker::{self, Control, Forgery, client, closed, endpoint, hello, offer, stream, varint};

/// How the receiver puts that a handshake was begun and left alone.
pub const ENDLESS: &str = "its handshake did not finish in time";
/// So many of them it allows to addresses that may not be the sender's own.
pub const ENDLESS_COUNT: usize = 16;

/// The attacks that were made, by the text with which the receiver has to refuse them.
#[derive(Default)]
pub struct Done(Vec<(String, usize)>);

impl Done {
    fn add(&mut self, words: &str, times: usize) {
        self.0.push((words.into(), times));
    }

    pub fn join(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub fn count(&self) -> usize {
        self.0.iter().map(|(_, times)| times).sum()
    }

    /// Checks that every attack has its line, and that there are no other lines.
    pub fn check(&self, reasons: &[String]) {
        let mut left: Vec<&String> = reasons.iter().collect();
        for words in self.0.iter().flat_map(|(words, times)| std::iter::repeat_n(words, *times)) {
            let at = left.iter().position(|reason| reason.contains(words));
            left.swap_remove(at.unwrap_or_else(|| panic!("nothing was refused for {words:?}: {reasons:#?}")));
        }
        assert!(left.is_empty(), "{left:#?}");
    }
}

/// The receiver under attack, and keys that an attacker may have.
#[derive(Clone)]
pub struct Victim {
    pub address: SocketAddr,
    pub key: PublicKey,
    /// A known sender that has become hostile.
    pub known: Identity,
    /// Two more known senders.
    pub slow: [Identity; 2],
    /// A valid invitation.
    pub invited: Identity,
    /// An invitation that was used.
    pub spent: Identity,
}

impl Victim {
    async fn connect(&self, from: &Endpoint, who: &Identity) -> Connection {
        let config = client(who, self.key, Forgery::None);
        from.connect_with(config, self.address, SERVER_NAME).expect("settings").await.expect("a connection")
    }

    /// A handshake that the receiver has to refuse.
    async fn knock(&self, from: &Endpoint, who: &Identity, expected: PublicKey, forgery: Forgery) {
        let config = client(who, expected, forgery);
        // A client learns that it is refused only after its own part of the handshake.
        if let Ok(connection) = from.connect_with(config, self.address, SERVER_NAME).expect("settings").await
        {
            let (code, words) = closed(&connection).await;
            assert_eq!(code, attacker::IN_THE_HANDSHAKE, "it was let in: {words}");
        }
    }

    /// Invalid packets. Anybody may have sent them, so nothing is reported.
    pub async fn noise(&self) {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let mut random = Random::new(1);
        for _ in 0..300 {
            let bytes: Vec<u8> = (0..1 + random.below(1400)).map(|_| random.number() as u8).collect();
            let _ = socket.send_to(&bytes, self.address);
        }
        let whole = attacker::first_packet(&self.known, self.key).await;
        for _ in 0..50 {
            let mut cut = whole[..random.below(whole.len() - 20)].to_vec();
            let _ = socket.send_to(&cut, self.address);
            // The packet has the required length, but its second half is empty.
            cut.resize(whole.len(), 0);
            let _ = socket.send_to(&cut, self.address);
            let mut changed = whole.clone();
            changed[6 + random.below(whole.len() - 6)] ^= 1 << random.below(8);
            let _ = socket.send_to(&changed, self.address);
        }
    }

    /// First packets that an observer sends again several times, without ever finishing the handshake.
    pub async fn endless_handshakes(&self, done: &mut Done) {
        for _ in 0..ENDLESS_COUNT + 8 {
            let packet = attacker::first_packet(&self.known, self.key).await;
            for _ in 0..3 {
                let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
                socket.send_to(&packet, self.address).expect("sent");
            }
        }
        done.add(ENDLESS, ENDLESS_COUNT);
    }

    pub async fn handshakes(&self, done: &mut Done) {
        let from = endpoint();
        let stranger = || Identity::generate().expect("a key");
        let other = stranger().public();
        for _ in 0..30 {
            self.knock(&from, &stranger(), self.key, Forgery::None).await;
        }
        done.add("nobody knows its key", 30);
        for _ in 0..20 {
            self.knock(&from, &self.spent, self.key, Forgery::None).await;
        }
        done.add("its invitation was used before", 20);
        for _ in 0..10 {
            self.knock(&from, &self.known, other, Forgery::None).await;
            self.knock(&from, &self.known, self.key, Forgery::Protocol).await;
            self.knock(&from, &stranger(), self.key, Forgery::NoKey).await;
            self.knock(&from, &stranger(), self.key, Forgery::Stolen(self.known.public())).await;
        }
        done.add("it expected another key", 10);
        done.add("it speaks another protocol", 10);
        done.add("peer sent no certificates", 10);
        done.add("BadSignature", 10);
    }

    /// Connections that send nothing or almost nothing, and more of them than one sender may have.
    pub async fn slow(self) -> Done {
        let mut done = Done::default();
        let from = endpoint();
        let mut held = Vec::new();
        for i in 0..25 {
            let connection = self.connect(&from, &self.slow[usize::from(i >= 17)]).await;
            let mut control = None;
            if i < 16 {
                let mut opened = Control::open(&connection).await;
                opened.bytes(&framing::encode(&hello())[..1]).await;
                control = Some(opened);
            }
            held.push((connection, control));
        }
        for (connection, _) in &held {
            closed(connection).await;
        }
        done.add("it has too many connections", 1);
        done.add("while the greeting was due", 16);
        done.add("while the control stream was due", 8);
        done
    }

    /// Messages on the control stream at the wrong time, in the wrong form or in the wrong number.
    pub async fn control_streams(&self, done: &mut Done) {
        let say = |messages: Vec<ToReceiver>| messages.iter().flat_map(framing::encode).collect::<Vec<u8>>();
        let then = |message| say(vec![hello(), message]);
        let label = |version, label: String| say(vec![ToReceiver::Hello { version, label, enrol: None }]);
        let enrol = Enrol { key: self.known.public(), signature: vec![0; 64] };
        let enrol = ToReceiver::Hello { version: VERSION, label: "x".into(), enrol: Some(enrol) };
        let changed = |change: fn(&mut Offer)| {
            let mut offer = offer(0, &[1000]);
            change(&mut offer);
            then(ToReceiver::Offer(offer))
        };
        let offers = |ids: Vec<u64>| {
            let offers = ids.into_iter().map(|id| ToReceiver::Offer(offer(id, &[1000])));
            say([hello()].into_iter().chain(offers).collect())
        };
        let frame = |parts: &[u32], width| {
            let parts = parts.into();
            then(ToReceiver::Frame(Frame { seq: 0, captured: 0, deadline: 1, width, height: 1 << 20, parts }))
        };
        let mut left_over = framing::encode(&hello());
        left_over[0] += 1;
        left_over.push(0);
        let breaches = [
            ("a message of 131073 bytes", varint(MESSAGE_MAX + 1)),
            ("a number above 2^64", vec![0xff; 10]),
            ("not a message: Hit the end of buffer", vec![3, 0xff, 0xff, 0xff]),
            ("bytes are left over", left_over),
            ("expected Hello", say(vec![ToReceiver::Offer(offer(0, &[1]))])),
            ("it came already", then(hello())),
            ("protocol version 2", label(VERSION + 1, "x".into())),
            ("a message of 2000 bytes, expected at most 1024", label(VERSION, "x".repeat(2000))),
            ("a known sender enrols no key", say(vec![enrol])),
            ("not above those before", offers(vec![5, 5])),
            ("more than 256 offers", offers((0..257).collect())),
            ("a name of 2000 bytes", changed(|offer| offer.name = "x".repeat(2000))),
            ("offer 0: 0 parts", changed(|offer| offer.parts.clear())),
            ("offer 0: 1 parts", changed(|offer| offer.parts = vec![0])),
            ("offer 0: 2 parts", changed(|offer| offer.parts = vec![1, PART_MAX + 1])),
            ("17000 parts, expected", changed(|offer| offer.parts = vec![1; 17_000])),
            ("1310720000 bytes, expected at most", changed(|offer| offer.parts = vec![PART_MAX; 5000])),
            ("pixels, expected at most", changed(|offer| offer.source.width = u32::MAX)),
            ("expected one to five parts", frame(&[1; 6], 1)),
            ("a message of 17825792 bytes", frame(&[17 << 20], 1)),
            ("too many pixels", frame(&[1], 1 << 20)),
        ];
        let from = endpoint();
        for (words, bytes) in breaches {
            let connection = self.connect(&from, &self.known).await;
            let mut control = Control::open(&connection).await;
            control.bytes(&bytes).await;
            refused(&connection, words, done).await;
        }
    }

    /// Parts that were not requested, or that differ from their announcement.
    pub async fn part_streams(&self, done: &mut Done) {
        let header = |part| StreamHeader::Part { id: 0, part }.encode();
        let part = |part, bytes| [header(part), vec![1; bytes]].concat();
        let (open, ended) = (false, true);
        let breaches = [
            ("part 1 of offer 0 was not expected", vec![(part(1, 10), open)]),
            ("part 0 of offer 0 was not expected", vec![(part(0, 10), open), (part(0, 10), open)]),
            ("a stream of 1001 bytes, although 1000", vec![(part(0, 5000), open)]),
            ("a stream of 999 bytes, although 1000", vec![(part(0, 999), ended)]),
            ("a stream of 0 bytes, although 1000", vec![(part(0, 0), ended)]),
            ("a stream of an unknown kind", vec![(vec![9], open)]),
            ("a number above 2^64", vec![([vec![1], vec![0xff; 10]].concat(), open)]),
            ("the number of a part is above 2^32", vec![([vec![1, 0], varint(1 << 33)].concat(), open)]),
            (
                "it was not asked for",
                vec![(StreamHeader::Model { hash: Hash([1; 32]), bytes: 1 << 20 }.encode(), open)],
            ),
        ];
        let from = endpoint();
        for (words, streams) in breaches {
            let connection = self.connect(&from, &self.known).await;
            let mut control = Control::open(&connection).await;
            control.say(&hello()).await;
            control.say(&ToReceiver::Offer(offer(0, &[1000]))).await;
            while !matches!(control.next().await.expect("an answer"), ToSender::Want { .. }) {}
            let mut held = Vec::new();
            for (bytes, ended) in streams {
                let mut stream = stream(&connection, &bytes).await;
                if ended {
                    let _ = stream.finish();
                }
                held.push(stream);
            }
            refused(&connection, words, done).await;
        }
    }

    /// Invitations that are used without the key that is to be enrolled.
    pub async fn invitations(&self, done: &mut Done) {
        let from = endpoint();
        let own = Identity::generate().expect("a key");
        let mut secret = [0; 64];
        let earlier = self.connect(&from, &self.invited).await;
        earlier.export_keying_material(&mut secret, ENROL_LABEL, &own.public().0).expect("a secret");
        let replayed = Enrol { key: own.public(), signature: own.sign(&secret) };
        let nothing = Enrol { key: own.public(), signature: Vec::new() };
        let somebody = Enrol { key: self.known.public(), signature: own.sign(&secret) };
        for enrol in [None, Some(replayed), Some(nothing), Some(somebody)] {
            let words = match &enrol {
                None => "an invited sender has to enrol",
                Some(_) => "the new key's signature does not fit",
            };
            let connection = self.connect(&from, &self.invited).await;
            let mut control = Control::open(&connection).await;
            control.say(&ToReceiver::Hello { version: VERSION, label: "x".into(), enrol }).await;
            refused(&connection, words, done).await;
        }
        earlier.close(0_u8.into(), b"");
    }

    /// Names and contents that are declined, while the connection continues.
    pub async fn declined(&self, done: &mut Done) {
        let long = format!("{}.aec", "x".repeat(300));
        let names = [
            ("../a.aec", "it leaves its folder"),
            ("a/../../a.aec", "it leaves its folder"),
            ("/etc/a.aec", "it has an empty part"),
            (".AECODEC/key.aec", "the receiver's own folder"),
            ("a.png", "it does not end in .aec"),
            ("a\nrefused: b.aec", "a character that some systems reserve"),
            ("a\0.aec", "a character that some systems reserve"),
            ("C:\\a.aec", "a character that some systems reserve"),
            ("\u{202e}gpj.aec", "turns the direction of text"),
            ("CON.aec", "the name of a device"),
            ("a.aec/b.aec", "a folder ends in .aec"),
            (&long, "a part has more than 200 bytes"),
        ];
        let connection = self.connect(&endpoint(), &self.known).await;
        let mut control = Control::open(&connection).await;
        control.say(&hello()).await;
        for (id, (name, words)) in names.into_iter().enumerate() {
            let id = id as u64;
            // One of its parts may already be under way.
            let mut early =
                Some(stream(&connection, &StreamHeader::Part { id: id + 1000, part: 0 }.encode()).await);
            control.say(&ToReceiver::Offer(Offer { name: name.into(), ..offer(id, &[1000]) })).await;
            loop {
                match control.next().await.expect("an answer") {
                    ToSender::Refused { id: refused, reason } => {
                        assert!(refused == id && reason.contains(words), "{name:?}: {reason}");
                        break;
                    }
                    other => assert!(matches!(other, ToSender::Welcome { .. }), "{name:?}: {other:?}"),
                }
            }
            early.take();
            done.add(words, 1);
        }
        // It is requested once more, because it may have been damaged here, and then discarded.
        control.say(&ToReceiver::Offer(offer(100, &[1000]))).await;
        let part = [StreamHeader::Part { id: 100, part: 0 }.encode(), vec![5; 1000]].concat();
        for _ in 0..2 {
            assert_eq!(control.next().await, Some(ToSender::Want { id: 100, parts: vec![(0, 1)] }));
            stream(&connection, &part).await.finish().expect("open");
        }
        assert!(matches!(control.next().await, Some(ToSender::Refused { id: 100, .. })));
        done.add("what arrived has the hash", 1);
        connection.close((Close::Done as u32).into(), b"");
    }

    /// There is no second control stream, and there are no datagrams.
    pub async fn second_control_stream(&self) {
        let connection = self.connect(&endpoint(), &self.known).await;
        let mut control = Control::open(&connection).await;
        control.say(&hello()).await;
        assert_eq!(connection.max_datagram_size(), None);
        assert!(matches!(control.next().await, Some(ToSender::Welcome { .. })));
        control.say(&ToReceiver::Offer(offer(200, &[1000]))).await;
        tokio::select! {
            biased;
            _ = connection.open_bi() => panic!("a second control stream"),
            answer = control.next() => assert!(matches!(answer, Some(ToSender::Want { .. }))),
        }
        connection.close((Close::Done as u32).into(), b"");
    }

    /// The most that one connection can make the receiver store: one unfinished part on every stream.
    pub async fn hoard(&self) {
        let connection = self.connect(&endpoint(), &self.known).await;
        let mut control = Control::open(&connection).await;
        control.say(&hello()).await;
        control.say(&ToReceiver::Offer(offer(300, &[PART_MAX; 120]))).await;
        while !matches!(control.next().await.expect("an answer"), ToSender::Want { .. }) {}
        let mut held = Vec::new();
        for part in 0..120 {
            let bytes =
                [StreamHeader::Part { id: 300, part }.encode(), vec![1; PART_MAX as usize - 1]].concat();
            held.push(stream(&connection, &bytes).await);
        }
        connection.close((Close::Done as u32).into(), b"");
    }
}

/// Checks that the receiver closes the connection with this reason.
async fn refused(connection: &Connection, words: &str, done: &mut Done) {
    let (code, reason) = closed(connection).await;
    assert_eq!(code, Close::Violation as u64, "{words}: {reason}");
    assert!(reason.contains(words), "{words}: {reason}");
    done.add(words, 1);
}
