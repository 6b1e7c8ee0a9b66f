//! The two state machines against each other and against peers that break the rules.

mod bytes;

use std::collections::{HashMap, HashSet, VecDeque};

use proptest::prelude::*;

use crate::message::{Offer, Receipt, Source, StoredWhen, ToReceiver, ToSender, VERSION};
use crate::receiver::{self, Entry, Models, Previews};
use crate::sender::{self, Outcome};
use crate::{Hash, Limits, Violation};

fn offer(id: u64, parts: &[u32]) -> Offer {
    Offer {
        id,
        name: format!("{id}.aec"),
        hash: Hash::of(&id.to_le_bytes()),
        parts: parts.to_vec(),
        model: Hash([1; 32]),
        source: Source { bytes: 1000, width: 10, height: 10, raw: 300, psnr: Some(33.0) },
        thumbnail: vec![1, 2, 3],
    }
}

/// What outlives a connection: the receiver's disk.
#[derive(Default)]
struct Disk {
    parts: HashMap<Hash, HashSet<u32>>,
    stored: HashMap<Hash, u32>,
    /// Parts that came over the wire, to count repeats.
    arrived: HashMap<(Hash, u32), u32>,
}

/// A connection whose directions and streams deliver in an order that `choices` decides.
struct Link {
    sender: sender::Session,
    receiver: receiver::Session,
    up: VecDeque<ToReceiver>,
    down: VecDeque<ToSender>,
    streams: Vec<(u64, u32)>,
    looked_up: HashMap<u64, Offer>,
    settled: Vec<u64>,
}

impl Link {
    fn new(offers: &[Offer], window: u32) -> Self {
        let limits = Limits { window, ..Limits::default() };
        let mut sender = sender::Session::new("camera".into(), None);
        offers.iter().for_each(|offer| sender.offer(offer.clone()));
        Self {
            sender,
            receiver: receiver::Session::new(
                limits,
                "archive".into(),
                Entry::Known,
                Models::Refuse,
                Previews::Hide,
            ),
            up: VecDeque::new(),
            down: VecDeque::new(),
            streams: Vec::new(),
            looked_up: HashMap::new(),
            settled: Vec::new(),
        }
    }

    /// Lets one thing happen.
    fn step(&mut self, choice: u8, disk: &mut Disk) -> Result<(), Violation> {
        match choice % 4 {
            0 => {
                if let Some(message) = self.up.pop_front() {
                    self.receiver.handle(message)?;
                }
            }
            1 => {
                if let Some(message) = self.down.pop_front() {
                    self.sender.handle(message)?;
                }
            }
            2 => {
                if let Some(part) = self.sender.next_part() {
                    self.streams.push((part.id, part.part));
                }
            }
            _ => {
                if !self.streams.is_empty() {
                    let at = usize::from(choice) % self.streams.len();
                    let (id, part) = self.streams.swap_remove(at);
                    self.receiver.part_begins(id, part)?;
                    let hash = self.looked_up[&id].hash;
                    disk.parts.entry(hash).or_default().insert(part);
                    *disk.arrived.entry((hash, part)).or_default() += 1;
                    self.receiver.part_done(id, part);
                }
            }
        }
        self.outputs(disk);
        Ok(())
    }

    fn outputs(&mut self, disk: &mut Disk) {
        while let Some(output) = self.sender.poll() {
            match output {
                sender::Output::Send(message) => self.up.push_back(message),
                sender::Output::Settled { id, outcome } => {
                    let Outcome::Receipt(receipt) = outcome else { panic!("{outcome:?}") };
                    assert!(disk.stored.contains_key(&receipt.hash), "a receipt for what is not stored");
                    self.settled.push(id);
                }
                _ => {}
            }
        }
        while let Some(output) = self.receiver.poll() {
            match output {
                receiver::Output::Send(message) => self.down.push_back(message),
                receiver::Output::LookUp(offer) => {
                    let id = offer.id;
                    if disk.stored.contains_key(&offer.hash) {
                        self.receiver.stored(id, StoredWhen::Before, None, 0);
                    } else {
                        let have = disk.parts.entry(offer.hash).or_default();
                        let lacking = (0..offer.parts.len() as u32).filter(|part| !have.contains(part));
                        self.receiver.want(id, lacking.map(|part| (part, 1)).collect());
                    }
                    self.looked_up.insert(id, offer);
                }
                receiver::Output::Complete(id) => {
                    let offer = &self.looked_up[&id];
                    assert_eq!(
                        disk.parts[&offer.hash].len(),
                        offer.parts.len(),
                        "complete without all its parts"
                    );
                    *disk.stored.entry(offer.hash).or_default() += 1;
                    self.receiver.stored(id, StoredWhen::Now, None, 1);
                }
                _ => {}
            }
        }
    }
}

proptest! {
    /// Whatever the order of events and however often the connection is cut, each picture is stored
    /// exactly once, and only parts whose streams were cut travel twice.
    #[test]
    fn every_picture_arrives_once(
        sizes in prop::collection::vec(prop::collection::vec(1_u32..9, 1..6), 1..8),
        window in 1_u32..5,
        lives in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..5),
        order in any::<u64>(),
    ) {
        let mut disk = Disk::default();
        let offers: Vec<Offer> = sizes.iter().enumerate().map(|(id, parts)| offer(id as u64, parts)).collect();
        let mut done = HashSet::new();
        for choices in &lives {
            let left: Vec<Offer> = offers.iter().filter(|o| !done.contains(&o.id)).cloned().collect();
            let mut link = Link::new(&left, window);
            link.outputs(&mut disk);
            for &choice in choices {
                link.step(choice, &mut disk).unwrap();
            }
            done.extend(link.settled);
        }
        // The last connection is not cut.
        let left: Vec<Offer> = offers.iter().filter(|o| !done.contains(&o.id)).cloned().collect();
        let mut link = Link::new(&left, window);
        link.outputs(&mut disk);
        let mut choice = order;
        for _ in 0..20_000 {
            choice = choice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            link.step((choice >> 56) as u8, &mut disk).unwrap();
        }
        prop_assert!(link.sender.is_idle() && link.receiver.is_idle());
        done.extend(link.settled);
        prop_assert_eq!(done.len(), offers.len());
        prop_assert_eq!(disk.stored.len(), offers.len());
        prop_assert!(disk.stored.values().all(|&times| times == 1));
        prop_assert!(disk.arrived.values().all(|&times| times == 1));
    }

    /// Any sequence of well-formed messages leaves a receiver that is bounded and has not panicked.
    #[test]
    fn a_receiver_survives_any_sender(messages in prop::collection::vec(any_to_receiver(), 0..60)) {
        let limits = Limits { window: 4, ..Limits::default() };
        let mut session = receiver::Session::new(limits, "r".into(), Entry::Known, Models::Accept, Previews::Hide);
        for message in messages {
            if session.handle(message).is_err() {
                break;
            }
            while let Some(output) = session.poll() {
                if let receiver::Output::LookUp(offer) = output {
                    prop_assert!(offer.bytes() <= Limits::default().picture_bytes);
                    session.want(offer.id, vec![(0, offer.parts.len() as u32)]);
                }
            }
        }
    }

    /// Any sequence of well-formed messages leaves a sender that has not panicked and believed no lie.
    #[test]
    fn a_sender_survives_any_receiver(messages in prop::collection::vec(any_to_sender(), 0..60)) {
        let mut session = sender::Session::new("s".into(), None);
        (0..4).for_each(|id| session.offer(offer(id, &[1, 2, 3])));
        for message in messages {
            if session.handle(message).is_err() {
                break;
            }
            while let Some(part) = session.next_part() {
                prop_assert!(part.id < 4 && part.part < 3);
            }
            while let Some(output) = session.poll() {
                if let sender::Output::Settled { id, outcome: Outcome::Receipt(receipt) } = output {
                    prop_assert_eq!(receipt.hash, offer(id, &[1]).hash);
                }
            }
        }
    }
}

fn any_to_receiver() -> impl Strategy<Value = ToReceiver> {
    prop_oneof![
        3 => Just(ToReceiver::Hello { version: VERSION, label: "s".into(), enrol: None }),
        6 => (0_u64..9, prop::collection::vec(any::<u32>(), 0..5))
            .prop_map(|(id, parts)| ToReceiver::Offer(offer(id, &parts))),
        1 => (0_u64..9).prop_map(|id| ToReceiver::Withdraw { id }),
        2 => (0_u64..9, prop::collection::vec(any::<u32>(), 0..7), any::<u32>()).prop_map(|(seq, parts, side)| {
            ToReceiver::Frame(crate::message::Frame { seq, captured: 0, deadline: 1, width: side, height: side, parts })
        }),
    ]
}

fn any_to_sender() -> impl Strategy<Value = ToSender> {
    prop_oneof![
        3 => (0_u32..9).prop_map(|window| ToSender::Welcome {
            version: VERSION,
            label: "r".into(),
            window,
            takes_models: true,
            previews: false,
        }),
        6 => (0_u64..5, prop::collection::vec((0_u32..5, 0_u32..5), 0..3))
            .prop_map(|(id, parts)| ToSender::Want { id, parts }),
        3 => (0_u64..5, 0_u64..5, any::<bool>()).prop_map(|(id, of, now)| ToSender::Receipt(Receipt {
            id,
            hash: offer(of, &[1]).hash,
            stored: if now { StoredWhen::Now } else { StoredWhen::Before },
            first_preview: None,
            last_byte: 0,
        })),
        1 => (0_u64..5).prop_map(|id| ToSender::Refused { id, reason: "full".into() }),
        1 => Just(ToSender::NeedModel { hash: Hash([1; 32]) }),
    ]
}

fn welcomed(offers: &[Offer]) -> sender::Session {
    let mut session = sender::Session::new("s".into(), None);
    let welcome = ToSender::Welcome {
        version: VERSION,
        label: "r".into(),
        window: 8,
        takes_models: false,
        previews: false,
    };
    session.handle(welcome).unwrap();
    offers.iter().for_each(|offer| session.offer(offer.clone()));
    session
}

fn receipt(of: &Offer) -> Receipt {
    Receipt { id: of.id, hash: of.hash, stored: StoredWhen::Now, first_preview: None, last_byte: 0 }
}

#[test]
fn coarse_parts_of_all_pictures_go_first() {
    let mut session = welcomed(&[offer(0, &[1, 1]), offer(1, &[1, 1])]);
    for id in 0..2 {
        session.handle(ToSender::Want { id, parts: vec![(0, 2)] }).unwrap();
    }
    let order: Vec<_> = std::iter::from_fn(|| session.next_part()).collect();
    assert_eq!(order.iter().map(|p| (p.part, p.id)).collect::<Vec<_>>(), [(0, 0), (0, 1), (1, 0), (1, 1)]);
    assert!(order[0].priority > order[3].priority);
}

#[test]
fn thumbnails_travel_only_to_those_who_show_previews() {
    for previews in [true, false] {
        let mut session = sender::Session::new("s".into(), None);
        session.offer(offer(0, &[1]));
        let label = String::from("r");
        let welcome = ToSender::Welcome { version: VERSION, label, window: 8, takes_models: false, previews };
        session.handle(welcome).unwrap();
        let thumbnails = std::iter::from_fn(|| session.poll()).filter_map(|output| match output {
            sender::Output::Send(ToReceiver::Offer(offer)) => Some(offer.thumbnail.len()),
            _ => None,
        });
        assert_eq!(thumbnails.collect::<Vec<_>>(), [if previews { 3 } else { 0 }]);
    }
}

#[test]
fn lying_receipts_are_noticed() {
    let picture = offer(0, &[1, 1]);
    let lies = |receipt: Receipt, wanted: bool, parts: usize| {
        let mut session = welcomed(std::slice::from_ref(&picture));
        if wanted {
            session.handle(ToSender::Want { id: 0, parts: vec![(0, 2)] }).unwrap();
        }
        for _ in 0..parts {
            session.next_part();
        }
        matches!(session.handle(ToSender::Receipt(receipt)), Err(Violation::LyingReceipt { .. }))
    };
    assert!(!lies(receipt(&picture), true, 2), "the truth");
    assert!(!lies(Receipt { stored: StoredWhen::Before, ..receipt(&picture) }, false, 0), "the truth");
    assert!(lies(receipt(&picture), true, 1), "a part is missing");
    assert!(lies(receipt(&picture), false, 0), "nothing was sent");
    assert!(lies(Receipt { id: 7, ..receipt(&picture) }, true, 2), "never offered");
    assert!(lies(Receipt { hash: Hash([9; 32]), ..receipt(&picture) }, true, 2), "another hash");
}

#[test]
fn offers_beyond_the_limits_are_violations() {
    let hello = || ToReceiver::Hello { version: VERSION, label: "s".into(), enrol: None };
    let limits = Limits { window: 1, picture_bytes: 100, parts: 2, name: 10, ..Limits::default() };
    let refuses = |offers: &[Offer]| {
        let mut session =
            receiver::Session::new(limits.clone(), "r".into(), Entry::Known, Models::Refuse, Previews::Hide);
        session.handle(hello()).unwrap();
        offers.iter().any(|offer| session.handle(ToReceiver::Offer(offer.clone())).is_err())
    };
    assert!(!refuses(&[offer(0, &[50, 50])]));
    assert!(refuses(&[offer(0, &[50, 51])]), "bytes");
    assert!(refuses(&[offer(0, &[1, 1, 1])]), "parts");
    assert!(refuses(&[offer(0, &[])]), "no parts");
    assert!(refuses(&[offer(0, &[1, 0])]), "an empty part");
    assert!(refuses(&[Offer { name: "12345678901".into(), ..offer(0, &[1]) }]), "name");
    assert!(refuses(&[offer(0, &[1]), offer(1, &[1])]), "window");
    let mut session =
        receiver::Session::new(limits, "r".into(), Entry::Known, Models::Refuse, Previews::Hide);
    session.handle(hello()).unwrap();
    session.handle(ToReceiver::Offer(offer(5, &[1]))).unwrap();
    session.refuse(5, "full".into());
    assert!(session.handle(ToReceiver::Offer(offer(5, &[1]))).is_err(), "an id that was used");
}

fn greeted(limits: Limits, models: Models) -> receiver::Session {
    let mut session = receiver::Session::new(limits, "r".into(), Entry::Known, models, Previews::Hide);
    session.handle(ToReceiver::Hello { version: VERSION, label: "s".into(), enrol: None }).unwrap();
    session
}

#[test]
fn an_offer_that_is_withdrawn_is_forgotten_by_both_ends() {
    let offers = [offer(0, &[1, 1]), offer(1, &[1])];
    let mut sender = welcomed(&offers);
    sender.handle(ToSender::Want { id: 0, parts: vec![(0, 2)] }).unwrap();
    sender.withdraw(0);
    assert!(sender.next_part().is_none(), "no part of it is sent any more");
    let said: Vec<_> = std::iter::from_fn(|| sender.poll()).collect();
    assert_eq!(said.last(), Some(&sender::Output::Send(ToReceiver::Withdraw { id: 0 })));
    // What the receiver had said before it knew.
    sender.handle(ToSender::Want { id: 0, parts: vec![(0, 2)] }).unwrap();
    sender.handle(ToSender::Refused { id: 0, reason: "no".into() }).unwrap();
    assert!(sender.poll().is_none() && !sender.is_idle());
    sender.handle(ToSender::Receipt(Receipt { stored: StoredWhen::Before, ..receipt(&offers[1]) })).unwrap();
    assert!(sender.is_idle());

    let mut receiver = greeted(Limits { window: 1, ..Limits::default() }, Models::Refuse);
    receiver.handle(ToReceiver::Offer(offers[0].clone())).unwrap();
    receiver.want(0, vec![(0, 2)]);
    receiver.part_begins(0, 0).unwrap();
    while receiver.poll().is_some() {}
    receiver.handle(ToReceiver::Withdraw { id: 0 }).unwrap();
    assert_eq!(receiver.poll(), Some(receiver::Output::Withdrawn(0)));
    receiver.part_done(0, 0);
    assert!(receiver.is_idle() && receiver.poll().is_none());
    receiver.handle(ToReceiver::Withdraw { id: 0 }).unwrap();
    receiver.handle(ToReceiver::Offer(offers[1].clone())).expect("its place in the window is free");
    // All of it is here: too late to take it back.
    receiver.want(1, vec![(0, 1)]);
    receiver.part_begins(1, 0).unwrap();
    receiver.part_done(1, 0);
    receiver.handle(ToReceiver::Withdraw { id: 1 }).unwrap();
    assert!(!receiver.is_idle());
    assert!(receiver.handle(ToReceiver::Withdraw { id: 2 }).is_err(), "never offered");
}

#[test]
fn a_part_that_was_given_up_may_come_again() {
    let mut receiver = greeted(Limits::default(), Models::Refuse);
    receiver.handle(ToReceiver::Offer(offer(0, &[1, 1]))).unwrap();
    receiver.want(0, vec![(0, 2)]);
    receiver.part_begins(0, 0).unwrap();
    assert!(receiver.part_begins(0, 0).is_err(), "it is coming");
    receiver.part_lost(0, 0);
    receiver.part_begins(0, 0).unwrap();
    receiver.part_done(0, 0);
    receiver.part_lost(0, 0);
    assert!(receiver.part_begins(0, 0).is_err(), "it is here");
}

#[test]
fn the_parts_of_open_offers_are_bounded_and_a_sender_waits() {
    let parts = vec![1; Limits::default().parts];
    let offers: Vec<_> = (0..5).map(|id| offer(id, &parts)).collect();
    let mut receiver = greeted(Limits::default(), Models::Refuse);
    let fit = crate::limits::OPEN_PARTS / parts.len();
    for offer in &offers[..fit] {
        receiver.handle(ToReceiver::Offer(offer.clone())).unwrap();
    }
    assert!(receiver.handle(ToReceiver::Offer(offers[fit].clone())).is_err());
    let mut sender = welcomed(&offers);
    let mut made = || {
        let outputs = std::iter::from_fn(|| sender.poll());
        let made = outputs.filter(|o| matches!(o, sender::Output::Send(ToReceiver::Offer(_)))).count();
        sender.handle(ToSender::Refused { id: 0, reason: "no".into() }).ok();
        made
    };
    assert_eq!((made(), made()), (fit, 1));
}

#[test]
fn a_model_comes_once_and_only_where_it_was_asked_for() {
    let limits = Limits { models: 2, model_bytes: 10, ..Limits::default() };
    let mut receiver = greeted(limits, Models::Accept);
    while receiver.poll().is_some() {}
    (0..5).chain(0..5).for_each(|n| receiver.need_model(Hash([n; 32])));
    assert_eq!(std::iter::from_fn(|| receiver.poll()).count(), 2, "no more are asked for");
    assert!(receiver.model_begins(Hash([4; 32]), 10).is_err());
    assert!(receiver.model_begins(Hash([0; 32]), 11).is_err(), "too long");
    receiver.model_begins(Hash([1; 32]), 10).unwrap();
    assert!(receiver.model_begins(Hash([1; 32]), 10).is_err(), "twice");
    receiver.model_lost(Hash([1; 32]));
    receiver.model_begins(Hash([1; 32]), 10).expect("its stream was given up");
}

#[test]
fn an_invited_sender_enrols_before_anything_else() {
    let new = || {
        receiver::Session::new(Limits::default(), "r".into(), Entry::Invited, Models::Refuse, Previews::Hide)
    };
    let greeting = |enrol| ToReceiver::Hello { version: VERSION, label: "s".into(), enrol };
    assert!(new().handle(greeting(None)).is_err());
    assert!(new().handle(ToReceiver::Offer(offer(0, &[1]))).is_err());
    let enrol = crate::message::Enrol { key: crate::PublicKey([3; 32]), signature: vec![0; 64] };
    let mut session = new();
    session.handle(greeting(Some(enrol.clone()))).unwrap();
    assert!(matches!(session.poll(), Some(receiver::Output::Enrol { .. })));
    assert!(session.handle(ToReceiver::Offer(offer(0, &[1]))).is_err(), "not admitted yet");
    session.admit();
    session.handle(ToReceiver::Offer(offer(0, &[1]))).unwrap();
    let mut known =
        receiver::Session::new(Limits::default(), "r".into(), Entry::Known, Models::Refuse, Previews::Hide);
    assert!(known.handle(greeting(Some(enrol))).is_err());
}
