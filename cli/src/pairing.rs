//! Tickets: makes and shows them at a receiver, and finds them at a sender.

use std::io::{IsTerminal as _, Read as _};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::path::Path;

use aecodec_proto::{Identity, Ticket};
use aecodec_receiver::peers::{Invitation, Kind, Peers, ShownTicket};
use aecodec_sender::{Destination, Outbox};
use anyhow::{Context as _, Result, bail};

use crate::failure::usage;
use crate::printable::printable;

/// The default port of a receiver.
pub const PORT: u16 = 4743;
/// The environment variable in which a sender looks for a ticket if none is given.
pub const TICKET_VARIABLE: &str = "AECODEC_TICKET";
/// The most addresses of a ticket. More would be hard to show as a QR code.
const ADDRESSES: usize = 6;

/// The state of the invitation of a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It lets a sender pair.
    Open,
    /// It has admitted its sender, which may still use it.
    Spent,
    /// The ticket contains no invitation.
    None,
}

impl Standing {
    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Spent => "spent",
            Self::None => "none",
        }
    }
}

/// The ticket of a receiver: that of the last run if its invitation has not changed, with the present addresses.
pub fn ticket(
    peers: &Peers,
    identity: &Identity,
    addresses: Vec<String>,
    kind: Option<Kind>,
) -> Result<(Ticket, Standing)> {
    let before = peers.shown()?.and_then(|shown| shown.ticket.parse::<Ticket>().ok());
    let before = before.filter(|ticket| ticket.receiver == identity.public());
    let (invitation, standing) = match (kind, before) {
        // If a kind is requested, the invitation is one that can be used.
        (Some(kind), _) => match peers.open_invitation(kind)? {
            Some((_, seed)) => (Some(seed), Standing::Open),
            None => (Some(invite(peers, kind)?), Standing::Open),
        },
        (None, None) => (Some(invite(peers, Kind::OneTime)?), Standing::Open),
        // A withdrawn invitation is not shown again, and no new one is made without a request.
        (None, Some(before)) => match before.invited() {
            None => (None, Standing::None),
            Some(invited) => match peers.invitation(&invited.public())? {
                Invitation::Open(_) => (before.invitation, Standing::Open),
                // Its sender may still use it, but no other.
                Invitation::Spent(by) if peers.known(&by)? => (before.invitation, Standing::Spent),
                _ => (None, Standing::None),
            },
        },
    };
    Ok((Ticket { receiver: identity.public(), addresses, invitation }, standing))
}

/// Makes a new invitation and returns its secret.
pub fn invite(peers: &Peers, kind: Kind) -> Result<[u8; 32]> {
    let invitation = Identity::generate()?;
    peers.invite(&invitation.public(), invitation.seed(), kind)?;
    Ok(*invitation.seed())
}

/// Stores a ticket, to show it again.
pub fn keep(peers: &Peers, ticket: &Ticket, port: u16) -> Result<()> {
    Ok(peers.show(&ShownTicket { port, ticket: ticket.to_string() })?)
}

/// Addresses at which a receiver bound to `bound` can be reached: those that were given, or those of this host, the
/// most likely first.
pub fn addresses(advertise: &[String], bound: SocketAddr) -> Vec<String> {
    if !advertise.is_empty() {
        let with_port = |address: &String| match address.rsplit_once(':') {
            Some((_, port)) if port.parse::<u16>().is_ok() && !address.ends_with(']') => address.clone(),
            _ => format!("{address}:{}", bound.port()),
        };
        return advertise.iter().map(with_port).collect();
    }
    if !bound.ip().is_unspecified() {
        return vec![bound.to_string()];
    }
    let mut found: Vec<IpAddr> = if_addrs::get_if_addrs()
        .unwrap_or_default()
        .into_iter()
        .map(|interface| interface.ip())
        .filter(|ip| bound.is_ipv6() || ip.is_ipv4())
        .filter(|ip| !matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local() || ip.is_loopback()))
        .collect();
    // IPv4 comes first. The loopback address comes last, because it means another host everywhere else.
    found.sort_by_key(|ip| (ip.is_loopback(), ip.is_ipv6()));
    found.dedup();
    let loopback = found.iter().position(IpAddr::is_loopback).unwrap_or(found.len());
    let kept = found[..loopback].iter().take(ADDRESSES - 1).chain(&found[loopback..]);
    kept.map(|&ip| SocketAddr::new(ip, bound.port()).to_string()).collect()
}

/// What `--to` means: a ticket, `@FILE` or `-` that contains one, or the name or the first digits of the key of a
/// receiver that is known.
pub fn target(to: Option<&str>, outbox: &Outbox) -> Result<Destination> {
    let known = outbox.receivers()?;
    let text = match to {
        Some("-") => {
            let mut bytes = Vec::new();
            std::io::stdin().read_to_end(&mut bytes).context("cannot read the ticket from stdin")?;
            text_of(&bytes)
        }
        Some(to) => match to.strip_prefix('@') {
            Some(path) => in_file(path.as_ref())?,
            None => to.to_owned(),
        },
        None => match std::env::var(TICKET_VARIABLE) {
            Ok(text) => text,
            Err(_) => match &known[..] {
                [only] => only.key.to_string(),
                _ => {
                    return Err(usage(format!(
                        "give the receiver's ticket with --to, or in {TICKET_VARIABLE}"
                    )));
                }
            },
        },
    };
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    let digits = text.to_ascii_lowercase();
    let mut meant = known.iter().filter(|receiver| {
        receiver.name == text || digits.len() >= 4 && receiver.key.to_string().starts_with(&digits)
    });
    if let Some(receiver) = meant.next() {
        if meant.next().is_some() {
            bail!("several receivers match {text}; give the first digits of the key");
        }
        return Ok(Destination {
            receiver: receiver.key,
            addresses: receiver.addresses.clone(),
            invitation: None,
            enrolled: receiver.enrolled,
        });
    }
    let ticket: Ticket = text.parse().map_err(|error| {
        let names: Vec<_> = known.iter().map(|receiver| receiver.name.as_str()).collect();
        let hint = if names.is_empty() {
            String::new()
        } else {
            format!(", nor a known receiver ({})", names.join(", "))
        };
        usage(format!(
            "{error}{hint}; copy the whole ticket, which begins with aec1, as 'aecodec receive' prints it"
        ))
    })?;
    let mut target = Destination::from(&ticket);
    if let Some(receiver) = known.iter().find(|receiver| receiver.key == ticket.receiver) {
        target.enrolled = receiver.enrolled;
        // The addresses at which it was reached last may still be right if the ticket is old.
        let more = receiver.addresses.iter().filter(|address| !ticket.addresses.contains(address));
        target.addresses.extend(more.cloned());
    }
    Ok(target)
}

/// The text of a file that contains a ticket.
pub fn in_file(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path);
    let bytes = bytes.with_context(|| format!("cannot read the ticket in {}", printable(path)))?;
    Ok(text_of(&bytes))
}

/// Decodes text in UTF-8, or in UTF-16 with a byte order mark, as some shells write it.
fn text_of(bytes: &[u8]) -> String {
    let wide = |bytes: &[u8], number: fn([u8; 2]) -> u16| {
        let numbers: Vec<u16> = bytes.as_chunks().0.iter().map(|&pair| number(pair)).collect();
        String::from_utf16_lossy(&numbers)
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// Addresses to listen on. The first one that can be bound is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen(Vec<SocketAddr>);

impl Listen {
    /// Tries the addresses in turn. Returns the first success, or the first error.
    pub fn first<T, E>(&self, mut bind: impl FnMut(SocketAddr) -> Result<T, E>) -> Result<T, E> {
        let (&first, others) = self.0.split_first().expect("a name that resolves to nothing is refused");
        let error = match bind(first) {
            Ok(bound) => return Ok(bound),
            Err(error) => error,
        };
        others.iter().find_map(|&address| bind(address).ok()).ok_or(error)
    }
}

/// Resolves `ADDR:PORT` or `HOST:PORT`, with IPv4 addresses first.
pub fn addresses_of(text: &str) -> Result<Listen, String> {
    if let Ok(address) = text.parse() {
        return Ok(Listen(vec![address]));
    }
    let found = text.to_socket_addrs().map_err(|error| format!("{error}; write ADDR:PORT or HOST:PORT"))?;
    let mut found: Vec<SocketAddr> = found.collect();
    found.sort_by_key(SocketAddr::is_ipv6);
    found.dedup();
    if found.is_empty() { Err("the name has no address".into()) } else { Ok(Listen(found)) }
}

/// The ticket as a QR code, if stderr is a terminal.
pub fn qr(ticket: &Ticket) -> Option<String> {
    if !std::io::stderr().is_terminal() {
        return None;
    }
    // A QR code needs fewer dots for capitals, and the case of a ticket does not matter.
    let code = qrcode::QrCode::new(ticket.to_string().to_ascii_uppercase()).ok()?;
    Some(code.render::<qrcode::render::unicode::Dense1x2>().quiet_zone(true).build())
}

/// The name of this host that peers see.
pub fn label(given: Option<&str>) -> String {
    let host = || hostname::get().ok().and_then(|name| name.into_string().ok());
    given.map(str::to_owned).or_else(host).filter(|name| !name.is_empty()).unwrap_or_else(|| "unnamed".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_stays_the_same_until_a_new_invitation_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let peers = Peers::open(folder.path()).unwrap();
        let identity = Identity::generate().unwrap();
        let make = |kind| {
            let (ticket, standing) = ticket(&peers, &identity, vec!["192.0.2.1:1".into()], kind).unwrap();
            keep(&peers, &ticket, 1).unwrap();
            (ticket, standing)
        };
        let (first, standing) = make(None);
        assert_eq!(standing, Standing::Open);
        assert_eq!(make(None), (first.clone(), Standing::Open));
        let sender = Identity::generate().unwrap().public();
        peers.enrol(&first.invited().unwrap().public(), &sender, "camera").unwrap();
        assert_eq!(make(None), (first.clone(), Standing::Spent), "a restart makes no new invitation");
        assert_ne!(make(Some(Kind::OneTime)).0, first);
        let reusable = make(Some(Kind::Reusable));
        assert_eq!(make(Some(Kind::Reusable)), reusable);
        assert_eq!(make(None), reusable);
        assert!(peers.withdraw(&reusable.0.invited().unwrap().public()).unwrap());
        for _ in 0..2 {
            let (ticket, standing) = make(None);
            assert_eq!((ticket.invitation, standing), (None, Standing::None), "withdrawn");
        }
        assert_eq!(make(Some(Kind::Reusable)).1, Standing::Open);
    }

    #[test]
    fn a_host_name_to_listen_on_is_resolved() {
        let Listen(found) = addresses_of("localhost:4801").unwrap();
        assert!(
            found.iter().all(|address| address.ip().is_loopback() && address.port() == 4801),
            "{found:?}"
        );
        assert_eq!(addresses_of("[::1]:7").unwrap(), Listen(vec!["[::1]:7".parse().unwrap()]));
        for wrong in ["", "localhost", "127.0.0.1", "127.0.0.1:99999", ":"] {
            assert!(addresses_of(wrong).is_err(), "{wrong}");
        }
        let two = Listen(["127.0.0.1:1", "127.0.0.1:2"].map(|text| text.parse().unwrap()).to_vec());
        let bind = |taken: u16| {
            move |address: SocketAddr| if address.port() > taken { Ok(address) } else { Err(address) }
        };
        assert_eq!(two.first(bind(0)), Ok(two.0[0]));
        assert_eq!(two.first(bind(1)), Ok(two.0[1]));
        assert_eq!(two.first(bind(2)), Err(two.0[0]));
    }

    #[test]
    fn a_file_with_a_ticket_may_be_of_any_shell() {
        let wide = |order: fn(u16) -> [u8; 2]| {
            "\u{feff}aec1x\r\n".encode_utf16().flat_map(order).collect::<Vec<u8>>()
        };
        for bytes in [wide(u16::to_le_bytes), wide(u16::to_be_bytes), b"aec1x\r\n".to_vec()] {
            assert_eq!(text_of(&bytes).trim(), "aec1x");
        }
    }

    #[test]
    fn what_a_person_advertises_is_in_the_ticket() {
        let bound = "0.0.0.0:4743".parse().unwrap();
        let given = ["photos.example.org", "192.0.2.1:99", "[2001:db8::1]"].map(String::from);
        assert_eq!(
            addresses(&given, bound),
            ["photos.example.org:4743", "192.0.2.1:99", "[2001:db8::1]:4743"]
        );
        assert_eq!(addresses(&[], "127.0.0.1:7".parse().unwrap()), ["127.0.0.1:7"]);
        assert!(addresses(&[], bound).iter().all(|address| address.ends_with(":4743")));
    }
}
