//! `aecodec receive`: pictures from the network to a folder.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Instant;

use aecodec_proto::figures::Total;
use aecodec_proto::receiver::Models;
use aecodec_proto::{Identity, Ticket};
use aecodec_receiver::listener::{Event, Options, Receiver};
use aecodec_receiver::peers::{Kind, Peers};
use aecodec_receiver::{Inbox, InboxOptions};
use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use crate::failure::Exit;
use crate::report::{Reporter, Stream, Style, warn};
use crate::{pairing, runtime};

/// Folder of a receiver's own files, below that of the pictures.
pub const STATE: &str = ".aecodec";
const KEY: &str = "key";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Folder for the pictures; this receiver's key and journal are in .aecodec/ below it
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// Address and UDP port to listen on [default: every address, the port of last time or 4743]
    #[arg(short, long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
    /// Host that the ticket names instead of this host's own addresses, with a port if it is another one
    #[arg(long, value_name = "HOST[:PORT]")]
    advertise: Vec<String>,
    /// Let any number of senders pair with the ticket, instead of one
    #[arg(long)]
    reusable: bool,
    /// Name of this host that senders see [default: the host's name]
    #[arg(long, value_name = "NAME")]
    label: Option<String>,
    /// Take models that this build does not know from senders
    #[arg(long)]
    accept_models: bool,
    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  aecodec receive --out inbox/
  aecodec receive --out inbox/ --reusable --advertise photos.example.org

The ticket that it prints lets one sender in, or any number with --reusable: hand it over as you would a password.
Senders that were here before come in by their key. Stop it with Ctrl-C; nothing that has arrived is lost.";

pub fn run(args: &Args) -> Result<Exit> {
    let style = if args.json { Style::Json } else { Style::Text };
    let reporter = Reporter { stream: Stream::Stdout, style };
    let mut inbox = InboxOptions::default();
    inbox.out.clone_from(&args.out);
    let inbox = Inbox::open(inbox)?;
    let peers = Peers::open(&args.out)?;
    let identity = Identity::load_or_create(&args.out.join(STATE).join(KEY))?;
    let mut options = Options::default();
    options.label = pairing::label(args.label.as_deref());
    options.models = if args.accept_models { Models::Accept } else { Models::Refuse };
    runtime::run(async |stop| {
        let (events, told) = mpsc::unbounded_channel();
        let receiver = bind(args.listen, &peers, |listen| {
            Receiver::bind(
                listen,
                identity.clone(),
                inbox.clone(),
                peers.clone(),
                options.clone(),
                events.clone(),
            )
        })?;
        drop(events);
        let bound = receiver.address()?;
        let kind = args.reusable.then_some(Kind::Reusable);
        let ticket = pairing::ticket(&peers, &identity, pairing::addresses(&args.advertise, bound), kind)?;
        pairing::keep(&peers, &ticket, bound.port())?;
        announce(args, &reporter, &ticket)?;
        let (shown, ()) = tokio::join!(show(told, &reporter), watched(receiver, stop));
        shown
    })
}

async fn watched(receiver: Receiver, stop: watch::Receiver<bool>) {
    receiver.run(stop).await;
}

/// Binds the port that was asked for, or that of last time, or the usual one, or any.
fn bind(
    listen: Option<SocketAddr>,
    peers: &Peers,
    bind: impl Fn(SocketAddr) -> aecodec_receiver::Result<Receiver>,
) -> Result<Receiver> {
    if let Some(listen) = listen {
        return Ok(bind(listen)?);
    }
    let every = |port: u16| {
        // Both families in one socket, where the system has both.
        bind((Ipv6Addr::UNSPECIFIED, port).into()).or_else(|_| bind((Ipv4Addr::UNSPECIFIED, port).into()))
    };
    match peers.shown()? {
        // Tickets that were handed out name this port.
        Some(shown) => {
            every(shown.port).context("the port that this receiver's tickets name; --listen takes another")
        }
        None => Ok(every(pairing::PORT).or_else(|_| every(0))?),
    }
}

fn announce(args: &Args, reporter: &Reporter, ticket: &Ticket) -> Result<()> {
    let json = json!({
        "event": "listening",
        "ticket": ticket.to_string(),
        "key": ticket.receiver.to_string(),
        "addresses": ticket.addresses,
        "out": args.out,
    });
    let text = format!(
        "receiving into {} at {}\n\nOn the other host:\n\n  aecodec send --to {ticket} PICTURES\n",
        args.out.display(),
        ticket.addresses.join(", "),
    );
    reporter.result(&text, &json)?;
    if !args.json
        && let Some(code) = pairing::qr(ticket)
    {
        eprintln!("{code}");
    }
    Ok(())
}

/// Prints what happens until the receiver has stopped, then the totals.
async fn show(mut told: mpsc::UnboundedReceiver<Event>, reporter: &Reporter) -> Result<Exit> {
    let began = Instant::now();
    let mut total = Total::default();
    while let Some(event) = told.recv().await {
        match event {
            Event::Arrived(arrived) => {
                total.add(&arrived.figures);
                let wire = arrived.figures.wire.unwrap_or_default();
                total.wire.bytes += wire.bytes;
                total.wire.packets += wire.packets;
                total.wire.lost += wire.lost;
                let mut json = object("arrived", serde_json::to_value(&arrived.figures)?);
                json["from"] = json!(arrived.from);
                json["hash"] = json!(arrived.stored.hash.to_string());
                json["path"] = json!(arrived.stored.path);
                reporter.result(&format!("{}  from {}", arrived.figures, arrived.from), &json)?;
            }
            Event::Connected { peer, name, address, enrolled } => {
                let key = peer.short();
                let how = if enrolled { "paired with" } else { "connected:" };
                let json = json!({ "event": "connected", "peer": name, "key": peer.to_string(), "address": address, "enrolled": enrolled });
                reporter.result(&format!("{how} {name} ({key}) from {address}"), &json)?;
            }
            Event::Disconnected { peer, name, reason } => {
                let json = json!({ "event": "disconnected", "peer": name, "key": peer.to_string(), "reason": reason });
                reporter.result(&format!("{name} is gone: {reason}"), &json)?;
            }
            Event::Refused { address, reason } => {
                warn("refused", &format!("{address}: {reason}"));
                json_line(reporter, json!({ "event": "refused", "address": address, "reason": reason }))?;
            }
            Event::Declined { name, reason } => {
                total.failed += 1;
                warn("declined", &format!("{name}: {reason}"));
                json_line(reporter, json!({ "event": "declined", "name": name, "reason": reason }))?;
            }
            _ => {}
        }
    }
    total.elapsed = began.elapsed().as_millis() as u64;
    reporter.result(&total.to_string(), &object("total", serde_json::to_value(&total)?))?;
    Ok(Exit::Done)
}

/// Only where lines are read by programs; people have read it on stderr.
pub fn json_line(reporter: &Reporter, json: Value) -> Result<()> {
    if reporter.style == Style::Json { reporter.result("", &json) } else { Ok(()) }
}

/// An event with its figures.
pub fn object(event: &str, figures: Value) -> Value {
    let mut json = json!({ "event": event });
    if let (Value::Object(into), Value::Object(from)) = (&mut json, figures) {
        into.extend(from);
    }
    json
}
