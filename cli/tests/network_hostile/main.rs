//! Hostile peers against real processes. Whatever they do is refused and reported in one line, and costs bounded memory.

mod attacker;
mod attacks;
mod liar;
#[path = "../network/mod.rs"]
mod network;

use aecodec_proto::{Identity, Ticket};
use attacks::{Done, Victim};
use network::Place;

/// How often each breach of the rules is tried.
const ROUNDS: usize = 3;
/// The memory that attackers may cost a receiver, in bytes.
const COST: u64 = 150 << 20;

#[test]
fn a_receiver_refuses_two_hundred_attacks_and_goes_on() {
    let place = Place::new();
    for (seed, name) in ["known", "slow", "late", "new"].into_iter().enumerate() {
        place.picture(&format!("{name}.png"), seed as u64);
    }
    let mut receiver = place.receive("--out inbox --reusable --no-decode");
    let ticket = |args: &str| -> Ticket {
        let invited = place.run(&format!("peers --out inbox --json invite {args}")).with(0);
        invited.lines[0]["ticket"].as_str().expect("a ticket").parse().expect("a ticket")
    };
    let (once, open) = (ticket(""), ticket("--reusable"));
    for (name, ticket) in [("known", &open), ("slow", &open), ("late", &once)] {
        place.run(&format!("send --state {name} --to {ticket} {name}.png")).with(0);
    }
    let identity = |state: &str| Identity::load_or_create(&place.path(state).join("key")).expect("a key");
    let victim = Victim {
        address: receiver.address,
        key: open.receiver,
        known: identity("known"),
        slow: [identity("slow"), identity("late")],
        invited: open.invited().expect("an invitation"),
        spent: once.invited().expect("an invitation"),
    };
    let memory = receiver.program.peak_memory();

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let done = runtime.expect("a runtime").block_on(async {
        let mut done = Done::default();
        victim.noise().await;
        victim.endless_handshakes(&mut done).await;
        let slow = tokio::spawn(victim.clone().slow());
        victim.handshakes(&mut done).await;
        for _ in 0..ROUNDS {
            victim.control_streams(&mut done).await;
            victim.part_streams(&mut done).await;
            victim.invitations(&mut done).await;
        }
        victim.declined(&mut done).await;
        victim.second_control_stream().await;
        victim.hoard().await;
        done.join(slow.await.expect("slow"));
        done
    });
    // Handshakes that are never finished end like all silent connections.
    let endless = |line: &serde_json::Value| line["reason"] == attacks::ENDLESS;
    while receiver.program.seen().iter().filter(|line| endless(line)).count() < attacks::ENDLESS_COUNT {
        receiver.program.until_it(endless);
    }
    place.run("send --state known new.png").with(0);
    let cost = receiver.program.peak_memory() - memory;
    let received = receiver.program.stop().with(0);
    assert_eq!(
        place.files("inbox"),
        ["known.aec", "late.aec", "new.aec", "slow.aec"],
        "attackers leave nothing"
    );

    let told = |event: &str| -> Vec<String> {
        received.all(event).iter().map(|line| line["reason"].as_str().expect("a reason").into()).collect()
    };
    let reasons = [told("refused"), told("declined")].concat();
    done.check(&reasons);
    eprintln!("{} attacks cost {:.1} MB", done.count(), cost as f64 / 1e6);
    assert!(done.count() >= 200, "{} attacks", done.count());
    // Each event also has one line on stderr, with the same text.
    let lines: Vec<_> = received.errors.lines().collect();
    assert_eq!(lines.len(), reasons.len(), "{}", received.errors);
    for line in lines {
        let told = line.strip_prefix("refused: ").or(line.strip_prefix("declined: ")).expect("what happened");
        assert!(reasons.iter().any(|reason| told.ends_with(reason.as_str())), "{line}");
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
    assert!(cost < COST, "{cost} bytes");
}
