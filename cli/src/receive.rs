//! `aecodec receive`: stores pictures from the network in a folder.

use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use aecodec::files::Format;
use aecodec_proto::Ticket;
use aecodec_proto::figures::Total;
use aecodec_proto::message::FrameReport;
use aecodec_proto::receiver::Models;
use aecodec_receiver::decode::{Finished, PoolOptions};
use aecodec_receiver::listener;
use aecodec_receiver::peers::{Kind, Peers};
use aecodec_receiver::preview::PreviewOptions;
use aecodec_receiver::{Event, Service, ServiceOptions};
use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::failure::{Exit, usage};
use crate::page::{Gallery, PageArgs};
use crate::pairing::{Listen, Standing};
use crate::printable::printable;
use crate::report::{Reporter, Stream, Style, grouped, warn};
use crate::screens::ScreenArgs;
use crate::services::ServiceArgs;
use crate::{pairing, runtime};

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Folder for the pictures; the receiver stores its key and journal in .aecodec/ below it
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// Address or host name, and UDP port, to listen on [default: every address, the port of the last run or 4743]
    #[arg(short, long, value_name = "ADDR:PORT", value_parser = pairing::addresses_of)]
    listen: Option<Listen>,
    /// Host that the ticket names instead of this host's own addresses, with a port if it is different
    #[arg(long, value_name = "HOST[:PORT]")]
    advertise: Vec<String>,
    /// Let any number of senders pair with the ticket, instead of only one
    #[arg(long)]
    reusable: bool,
    /// Name that senders see for this receiver [default: the host name]
    #[arg(long, value_name = "NAME")]
    label: Option<String>,
    /// Decode each picture to a file of this format next to its .aec
    #[arg(long, value_enum, value_name = "FORMAT", conflicts_with = "no_decode")]
    decode: Option<DecodeTo>,
    /// Keep the .aec files alone (the default)
    #[arg(long)]
    no_decode: bool,
    /// Write a preview of each picture while it arrives, to NAME.preview.jpg
    #[arg(long)]
    preview: bool,
    #[command(flatten)]
    page: PageArgs,
    #[command(flatten)]
    services: ServiceArgs,
    /// Also use the model in this .aem file; may be given more than once
    #[arg(long, value_name = "FILE")]
    model: Vec<PathBuf>,
    #[command(flatten)]
    screens: ScreenArgs,
    /// Accept models from senders that are not known here
    #[arg(long)]
    accept_models: bool,
    /// Threads that decode; 0 means one for each core
    #[arg(long, value_name = "N", default_value_t = 0)]
    threads: usize,
    /// Refuse pictures with more than N pixels; decoding takes up to 20 bytes of memory per pixel
    #[arg(long, value_name = "N", default_value_t = 1 << 28, value_parser = clap::value_parser!(u64).range(1..=1 << 30))]
    max_pixels: u64,
    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
}

/// Formats to which pictures are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum DecodeTo {
    Png,
    #[value(alias = "jpeg")]
    Jpg,
    Webp,
}

impl From<DecodeTo> for Format {
    fn from(to: DecodeTo) -> Self {
        match to {
            DecodeTo::Png => Self::Png,
            DecodeTo::Jpg => Self::Jpeg,
            DecodeTo::Webp => Self::WebP,
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  aecodec receive --out inbox/
  aecodec receive --out inbox/ --decode png --preview
  aecodec receive --out inbox/ --reusable --advertise photos.example.org
  aecodec receive --out inbox/ --preview --web

The command prints a ticket, which lets one sender in, or any number with --reusable. Treat it like a password. A
sender that has paired once is recognised by its key. Stop the receiver with Ctrl-C; nothing that has arrived is lost.";

/// Runs the command.
pub fn run(args: &Args) -> Result<Exit> {
    let style = if args.json { Style::Json } else { Style::Text };
    let to_stdout = args.screens.use_stdout();
    let reporter = Reporter { stream: if to_stdout { Stream::Stderr } else { Stream::Stdout }, style };
    let mut service = Service::open(options(args)?)?;
    args.screens.show(&mut service, &args.out)?;
    runtime::run(async |stop| {
        let socket = socket(args.listen.as_ref(), service.peers())?;
        service.count_in(args.services.metrics()?);
        let (peers, identity) = (service.peers().clone(), service.identity().clone());
        let page = args.page.open(service.models())?;
        let (events, told) = mpsc::unbounded_channel();
        let running = service.start(socket, events)?;
        let bound = running.address()?;
        let kind = args.reusable.then_some(Kind::Reusable);
        let addresses = pairing::addresses(&args.advertise, bound);
        let (ticket, standing) = pairing::ticket(&peers, &identity, addresses, kind)?;
        pairing::keep(&peers, &ticket, bound.port())?;
        announce(args, &reporter, &ticket, standing)?;
        let gallery = page.map(|page| page.start(&reporter)).transpose()?;
        let (shown, ()) = tokio::join!(show(told, gallery.as_ref(), &reporter), running.run(stop));
        shown
    })
}

fn options(args: &Args) -> Result<ServiceOptions> {
    let mut options = ServiceOptions::new(args.out.clone());
    options.models.clone_from(&args.model);
    options.pixels = args.max_pixels;
    options.connections.label = pairing::label(args.label.as_deref());
    options.connections.models = if args.accept_models { Models::Accept } else { Models::Refuse };
    options.decode = args.decode.map(|to| {
        let mut pool = PoolOptions::default();
        (pool.format, pool.threads, pool.pixels) = (to.into(), args.threads, args.max_pixels);
        pool
    });
    options.preview = args.preview.then(PreviewOptions::default);
    args.services.open(&mut options).map_err(plainly)?;
    Ok(options)
}

/// Reports values that make no sense as wrong usage.
fn plainly(error: aecodec_receiver::Error) -> anyhow::Error {
    match error {
        aecodec_receiver::Error::Invalid { .. } => usage(error.to_string()),
        other => other.into(),
    }
}

/// A socket at the requested address, or the port of the last run, or the usual one, or any.
fn socket(listen: Option<&Listen>, peers: &Peers) -> Result<UdpSocket> {
    if let Some(listen) = listen {
        return Ok(listen.first(listener::socket)?);
    }
    let every = |port: u16| {
        // Both families in one socket, if the system has both.
        let v6 = listener::socket((Ipv6Addr::UNSPECIFIED, port).into());
        v6.or_else(|_| listener::socket((Ipv4Addr::UNSPECIFIED, port).into()))
    };
    match peers.shown()? {
        // Existing tickets name this port.
        Some(shown) => every(shown.port).context(
            "cannot use the port that this receiver's tickets name; choose another one with --listen",
        ),
        None => Ok(every(pairing::PORT).or_else(|_| every(0))?),
    }
}

fn announce(args: &Args, reporter: &Reporter, ticket: &Ticket, standing: Standing) -> Result<()> {
    let json = json!({
        "event": "listening",
        "ticket": ticket.to_string(),
        "invitation": standing.name(),
        "key": ticket.receiver.to_string(),
        "addresses": ticket.addresses,
        "out": place(&args.out),
    });
    let mut text = format!(
        "receiving into {} at {}\n\nOn the other host:\n\n  aecodec send --to {ticket} PICTURES\n",
        printable(&args.out),
        printable(ticket.addresses.join(", ").as_ref()),
    );
    let invite = format!(
        "run 'aecodec peers --out {} invite' to make a ticket for another sender",
        printable(&args.out)
    );
    match standing {
        Standing::Open => {}
        Standing::Spent => text += &format!("\nIts invitation was used; {invite}.\n"),
        Standing::None => text += &format!("\nIt is only for senders that are already known; {invite}.\n"),
    }
    reporter.result(&text, &json)?;
    if !args.json
        && let Some(code) = pairing::qr(ticket)
    {
        eprintln!("{code}");
    }
    Ok(())
}

/// Prints the events until the receiver has stopped, and then the totals.
async fn show(
    mut told: mpsc::UnboundedReceiver<Event>,
    gallery: Option<&Gallery>,
    reporter: &Reporter,
) -> Result<Exit> {
    let mut busy = Busy::default();
    let mut total = Total::default();
    let mut frames = Frames::default();
    while let Some(event) = told.recv().await {
        if let Some(gallery) = gallery {
            gallery.take(&event);
        }
        match event {
            Event::Arrived(arrived) => {
                total.add(&arrived.figures);
                busy.add(Duration::from_millis(arrived.figures.last_byte.into()));
                let wire = arrived.figures.wire.unwrap_or_default();
                total.wire.bytes += wire.bytes;
                total.wire.packets += wire.packets;
                total.wire.lost += wire.lost;
                let mut json = object("arrived", serde_json::to_value(&arrived.figures)?);
                json["from"] = json!(arrived.from);
                json["hash"] = json!(arrived.stored.hash.to_string());
                json["path"] = place(&arrived.stored.path);
                let from = printable(arrived.from.as_ref());
                reporter.result(&format!("{}  from {from}", arrived.figures), &json)?;
            }
            Event::Connected { peer, name, address, enrolled } => {
                let key = peer.short();
                let how = if enrolled { "paired with" } else { "connected:" };
                let json = json!({ "event": "connected", "peer": name, "key": peer.to_string(), "address": address, "enrolled": enrolled });
                let name = printable(name.as_ref());
                reporter.result(&format!("{how} {name} ({key}) from {address}"), &json)?;
            }
            Event::Disconnected { peer, name, reason } => {
                let json = json!({ "event": "disconnected", "peer": name, "key": peer.to_string(), "reason": reason });
                let [name, reason] = [name, reason].map(|text| printable(text.as_ref()));
                reporter.result(&format!("{name} disconnected: {reason}"), &json)?;
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
            Event::Previewed(shown) => {
                let json = json!({ "event": "preview", "name": shown.name, "path": place(&shown.path), "passes": shown.passes, "bytes": shown.bytes });
                let text = format!("{}  preview of {} bytes", shown.name, grouped(shown.bytes));
                reporter.result(&text, &json)?;
            }
            Event::Decoded(finished) => decoded(&finished, reporter)?,
            Event::Frame { from, shown } => frames.add(&from, &shown, reporter)?,
            Event::Trouble { what, error } => {
                // A live frame and a preview are not tried again, because others follow.
                let again = if matches!(what, "live frame" | "preview") { "" } else { "; trying again" };
                warn("notice", &format!("{what}: {error}{again}"));
                json_line(reporter, json!({ "event": "trouble", "what": what, "error": error }))?;
            }
            _ => {}
        }
    }
    frames.finish(reporter)?;
    total.elapsed = busy.time().as_millis() as u64;
    reporter.result(&total.to_string(), &object("total", serde_json::to_value(&total)?))?;
    Ok(Exit::Done)
}

/// The times at which pictures were arriving: separate periods, in order.
#[derive(Default)]
struct Busy {
    stretches: Vec<(Instant, Instant)>,
    /// The sum of earlier periods.
    before: Duration,
}

impl Busy {
    /// Adds a picture that has just arrived and took this long.
    fn add(&mut self, took: Duration) {
        /// The newest periods that are kept. Pictures that arrive at present began after the end of all older ones.
        const KEPT: usize = 1024;
        let end = Instant::now();
        let mut start = end.checked_sub(took).unwrap_or(end);
        while let Some((first, _)) = self.stretches.pop_if(|(_, last)| *last >= start) {
            start = start.min(first);
        }
        self.stretches.push((start, end));
        if self.stretches.len() > KEPT {
            let (start, end) = self.stretches.remove(0);
            self.before += end - start;
        }
    }

    fn time(&self) -> Duration {
        self.before + self.stretches.iter().map(|&(start, end)| end - start).sum::<Duration>()
    }
}

/// Counts of the live frames so far.
#[derive(Default)]
struct Frames {
    reported: u64,
    shown: u64,
    in_time: u64,
    bytes: u64,
}

impl Frames {
    /// Counts a frame. There is no line for people for each frame.
    fn add(&mut self, from: &str, shown: &FrameReport, reporter: &Reporter) -> Result<()> {
        self.reported += 1;
        self.shown += u64::from(shown.passes.is_some());
        self.in_time += u64::from(shown.passes.is_some() && shown.lateness <= 0);
        self.bytes += u64::from(shown.bytes);
        let json = json!({
            "event": "frame",
            "from": from,
            "seq": shown.seq,
            "passes": shown.passes,
            "bytes": shown.bytes,
            "lateness_ms": shown.lateness,
            "decode_ms": shown.decode,
            "rate_bps": u64::from(shown.rate) * 8,
        });
        json_line(reporter, json)
    }

    fn finish(&self, reporter: &Reporter) -> Result<()> {
        if self.reported == 0 {
            return Ok(());
        }
        let Self { reported, shown, in_time, bytes } = *self;
        let text =
            format!("live: {shown} of {reported} frames shown, {in_time} in time, {} bytes", grouped(bytes));
        let json = json!({ "event": "live", "frames": reported, "shown": shown, "in_time": in_time, "bytes": bytes });
        reporter.result(&text, &json)
    }
}

fn decoded(finished: &Finished, reporter: &Reporter) -> Result<()> {
    let name = &finished.stored.name;
    match &finished.result {
        Ok(decoded) => {
            for notice in &decoded.notices {
                warn("notice", &format!("{name}: {notice}"));
            }
            let exact = match decoded.hash_matches {
                Some(true) => "identical to the sender's decode",
                Some(false) => "DIFFERENT from the sender's decode",
                None if decoded.damaged => "damaged",
                None => "no hash to compare with",
            };
            let took = decoded.took.as_secs_f64() * 1e3;
            let json = json!({ "event": "decoded", "name": name, "path": place(&decoded.path), "exact": decoded.hash_matches, "decode_ms": took });
            reporter.result(
                &format!("{name} -> {}  {exact}  decoded in {took:.0} ms", printable(&decoded.path)),
                &json,
            )
        }
        Err(error) => {
            warn("error", &format!("{name}: {error}"));
            json_line(reporter, json!({ "event": "undecoded", "name": name, "error": error.to_string() }))
        }
    }
}

/// Prints an event for programs only; people see it on stderr.
pub fn json_line(reporter: &Reporter, json: Value) -> Result<()> {
    if reporter.style == Style::Json { reporter.result("", &json) } else { Ok(()) }
}

/// A path as it stands in JSON: its text, with `\xNN` for bytes that are not UTF-8.
pub fn place(path: &Path) -> Value {
    path.to_str().map_or_else(|| printable(path), str::to_owned).into()
}

/// The JSON object of an event, with its figures.
pub fn object(event: &str, figures: Value) -> Value {
    let mut json = json!({ "event": event });
    if let (Value::Object(into), Value::Object(from)) = (&mut json, figures) {
        into.extend(from);
    }
    json
}
