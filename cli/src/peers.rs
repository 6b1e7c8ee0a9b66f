//! `aecodec peers`: lists and changes the senders that may send to a receiver.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use aecodec_proto::{Identity, Ticket};
use aecodec_receiver::peers::{Kind, Peer, Peers};
use aecodec_receiver::service::key_file;
use anyhow::{Result, bail};
use serde_json::json;

use crate::failure::Exit;
use crate::pairing;
use crate::printable::printable;
use crate::report::{Reporter, Stream, Style, grouped};

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Folder of the receiver, as given to 'aecodec receive --out'
    #[arg(short, long, value_name = "DIR", global = true, default_value = ".")]
    out: PathBuf,
    /// Print one JSON object per line
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(clap::Subcommand)]
enum Action {
    /// List the senders that may send (the default)
    List,
    /// Rename a sender
    Name {
        /// The sender's present name, or the first digits of its key
        peer: String,
        /// The new name
        name: String,
    },
    /// Refuse a sender from now on
    Remove {
        /// The sender's name, or the first digits of its key
        peer: String,
    },
    /// Print a new ticket, which admits one more sender
    Invite {
        /// Admit any number of senders, until the ticket is withdrawn
        #[arg(long)]
        reusable: bool,
    },
    /// Withdraw the invitation of a ticket; senders that have paired with it stay
    Withdraw {
        /// File that contains the ticket
        file: PathBuf,
    },
}

const EXAMPLES: &str = "\
Examples:
  aecodec peers --out inbox/
  aecodec peers --out inbox/ name 3f9a camera-7
  aecodec peers --out inbox/ invite

The command can be used while the receiver runs.";

/// Runs the command.
pub fn run(args: &Args) -> Result<Exit> {
    let key = key_file(&args.out);
    if !key.is_file() {
        bail!(
            "{} is not the folder of a receiver; give the folder of 'aecodec receive' with --out",
            printable(&args.out)
        );
    }
    let style = if args.json { Style::Json } else { Style::Text };
    let reporter = Reporter { stream: Stream::Stdout, style };
    let peers = Peers::open(&args.out)?;
    match args.action.as_ref().unwrap_or(&Action::List) {
        Action::List => list(&peers, &reporter),
        Action::Name { peer, name } => {
            let peer = one(&peers, peer)?;
            peers.name(&peer.key, name)?;
            Ok(Exit::Done)
        }
        Action::Remove { peer } => {
            let peer = one(&peers, peer)?;
            peers.remove(&peer.key)?;
            Ok(Exit::Done)
        }
        Action::Invite { reusable } => {
            let Some(shown) = peers.shown()? else {
                bail!("start 'aecodec receive' first; a ticket needs its addresses")
            };
            let before: Ticket = shown.ticket.parse()?;
            let kind = if *reusable { Kind::Reusable } else { Kind::OneTime };
            let ticket = Ticket { invitation: Some(pairing::invite(&peers, kind)?), ..before };
            pairing::keep(&peers, &ticket, shown.port)?;
            reporter
                .result(&ticket.to_string(), &json!({ "event": "invited", "ticket": ticket.to_string() }))?;
            Ok(Exit::Done)
        }
        Action::Withdraw { file } => {
            let ticket: Ticket = pairing::in_file(file)?.parse()?;
            let invitation = ticket.invited().as_ref().map(Identity::public);
            match invitation {
                Some(key) if peers.withdraw(&key)? => Ok(Exit::Done),
                _ => bail!(
                    "{}: this receiver has no invitation for this ticket; check the file and --out",
                    printable(file)
                ),
            }
        }
    }
}

fn one(peers: &Peers, meant: &str) -> Result<Peer> {
    let mut found = peers.find(meant)?;
    match found.len() {
        0 => bail!("no sender has the name or key {meant}; 'aecodec peers' lists all senders"),
        1 => Ok(found.remove(0)),
        _ => bail!("several senders match {meant}; give the first digits of the key"),
    }
}

fn list(peers: &Peers, reporter: &Reporter) -> Result<Exit> {
    let all = peers.list()?;
    for peer in &all {
        let text = format!(
            "{}  {}  {} pictures, {} bytes  last seen {}",
            peer.key.short(),
            peer.name,
            grouped(peer.pictures),
            grouped(peer.bytes),
            ago(peer.seen),
        );
        let json = json!({
            "key": peer.key.to_string(),
            "name": peer.name,
            "added": peer.added,
            "seen": peer.seen,
            "pictures": peer.pictures,
            "bytes": peer.bytes,
        });
        reporter.result(&text, &json)?;
    }
    Ok(if all.is_empty() { Exit::Nothing } else { Exit::Done })
}

/// Describes how long ago a time was.
fn ago(seconds: i64) -> String {
    let then = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.max(0) as u64);
    let passed = then.elapsed().unwrap_or_default().as_secs();
    match passed {
        0..60 => "just now".into(),
        60..3600 => format!("{} minutes ago", passed / 60),
        3600..86400 => format!("{} hours ago", passed / 3600),
        _ => format!("{} days ago", passed / 86400),
    }
}
