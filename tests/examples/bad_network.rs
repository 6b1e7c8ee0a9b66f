//! Puts a bad network before a receiver, to see with your own eyes what happens:
//!
//! `cargo run --release -p aecodec-tests --example bad_network -- 127.0.0.1:4743 rate=10M delay=25 loss=0.02 queue=25`
//!
//! It prints the address to send to: give it to `aecodec receive --advertise` before. `rate` takes steps too, in seconds:
//! `rate=8M,10:800K,20:8M`. `delay` is one way, in milliseconds.

use std::time::Duration;

use aecodec_tests::impair::{Profile, Proxy};
use aecodec_tests::link::{Conditions, Queue, Rate};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let upstream = arguments.next().ok_or("give the receiver's address, such as 127.0.0.1:4743")?.parse()?;
    let mut conditions = Conditions::default();
    for argument in arguments {
        let (name, value) = argument.split_once('=').ok_or("write NAME=VALUE")?;
        match name {
            "rate" => conditions.rate = rate(value)?,
            "delay" => conditions.delay = Duration::from_secs_f64(value.parse::<f64>()? / 1e3),
            "jitter" => conditions.jitter = Duration::from_secs_f64(value.parse::<f64>()? / 1e3),
            "loss" => conditions.loss = value.parse()?,
            "duplicate" => conditions.duplicate = value.parse()?,
            "corrupt" => conditions.corrupt = value.parse()?,
            "queue" => conditions.queue = Queue::Packets(value.parse()?),
            other => return Err(format!("{other} is unknown").into()),
        }
    }
    let proxy = Proxy::start(upstream, Profile::both(conditions), 1)?;
    println!("{}", proxy.addr);
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}

/// `10M`, or steps such as `8M,10:800K`.
fn rate(text: &str) -> Result<Rate, Box<dyn std::error::Error>> {
    let mut steps = Vec::new();
    for step in text.split(',') {
        let (at, bits) = step.split_once(':').unwrap_or(("0", step));
        let digits = bits.trim_end_matches(['K', 'M']);
        let unit = match &bits[digits.len()..] {
            "K" => 1e3,
            "M" => 1e6,
            _ => 1.0,
        };
        let bits = digits.parse::<f64>()? * unit;
        steps.push((Duration::from_secs_f64(at.parse()?), bits as u64));
    }
    Ok(Rate::steps(&steps))
}
