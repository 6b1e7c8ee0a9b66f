//! The connections of a receiver: what all of them share, and how many there may be.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aecodec_proto::receiver::Models;
use aecodec_proto::{Identity, Limits, PublicKey};
use tokio::sync::mpsc;

use crate::event::Event;
use crate::stages::Stages;
use crate::{Inbox, Peers};

/// How a receiver works.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// Name of this host, for people.
    pub label: String,
    /// Bounds on each connection.
    pub limits: Limits,
    /// Whether to ask for models that are not known.
    pub models: Models,
    /// The most connections at a time.
    pub connections: usize,
    /// The most connections of one sender at a time.
    pub connections_each: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            label: "receiver".into(),
            limits: Limits::default(),
            models: Models::Refuse,
            connections: 256,
            connections_each: 16,
        }
    }
}

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Connections {
    pub identity: Identity,
    pub inbox: Inbox,
    pub peers: Peers,
    pub options: Options,
    pub stages: Stages,
    pub events: mpsc::UnboundedSender<Event>,
    /// Connected senders, one entry for each connection.
    present: Mutex<Vec<PublicKey>>,
    /// Where handshakes come from whose senders are not admitted yet, one entry for each.
    newcomers: Mutex<Vec<Origin>>,
}

/// Where a handshake comes from, and whether that is proved.
pub(crate) type Origin = (IpAddr, Address);

/// What is known of the address of a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Address {
    /// It is written in the packets, where anybody can write any address.
    Claimed,
    /// The sender returned a token that was sent there.
    Proved,
}

impl Connections {
    pub fn new(
        identity: Identity,
        inbox: Inbox,
        peers: Peers,
        options: Options,
        stages: Stages,
        events: mpsc::UnboundedSender<Event>,
    ) -> Self {
        let (present, newcomers) = (Mutex::default(), Mutex::default());
        Self { identity, inbox, peers, options, stages, events, present, newcomers }
    }

    /// Sends an event to its reader, if there is one.
    pub fn tell(&self, event: Event) {
        let _ = self.events.send(event);
    }

    fn present(&self) -> MutexGuard<'_, Vec<PublicKey>> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn newcomers(&self) -> MutexGuard<'_, Vec<Origin>> {
        self.newcomers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn is_full(&self) -> bool {
        self.present().len() >= self.options.connections
    }

    /// Counts a connection of a sender until the guard is dropped. Returns `None` if this sender, or all senders
    /// together, have too many.
    pub fn count(self: &Arc<Self>, key: PublicKey) -> Option<Present> {
        let mut present = self.present();
        if present.len() >= self.options.connections {
            return None;
        }
        if present.iter().filter(|&&other| other == key).count() >= self.options.connections_each {
            return None;
        }
        present.push(key);
        drop(present);
        Some(Present { shared: self.clone(), key })
    }
}

/// A connection that is counted.
pub(crate) struct Present {
    shared: Arc<Connections>,
    key: PublicKey,
}

impl Drop for Present {
    fn drop(&mut self) {
        let mut present = self.shared.present();
        if let Some(at) = present.iter().position(|&key| key == self.key) {
            present.swap_remove(at);
        }
    }
}

/// A handshake that is counted.
pub(crate) struct Newcomer {
    pub shared: Arc<Connections>,
    pub origin: Origin,
}

impl Drop for Newcomer {
    fn drop(&mut self) {
        let mut newcomers = self.shared.newcomers();
        if let Some(at) = newcomers.iter().position(|&origin| origin == self.origin) {
            newcomers.swap_remove(at);
        }
    }
}

/// An IPv4 address as such, even if the socket serves both families.
pub(crate) fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
