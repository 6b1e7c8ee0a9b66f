//! The receivers with which this sender was paired before, so that a name is enough the next time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aecodec_proto::{Hash, PublicKey};
use rusqlite::params;

use super::{Outbox, journal_error, seconds};
use crate::{Destination, Result};

/// A receiver that this sender has been paired with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Its key.
    pub key: PublicKey,
    /// The name that it gives itself, or that it was given here.
    pub name: String,
    /// The addresses at which it was reached, best first: `host:port`.
    pub addresses: Vec<String>,
    /// Whether it knows this sender's key, so that no invitation is needed.
    pub enrolled: bool,
    /// When it was last remembered.
    pub used: SystemTime,
}

impl Known {
    /// What is known before the receiver was reached.
    pub fn of(target: &Destination) -> Self {
        Self {
            key: target.receiver,
            name: String::new(),
            addresses: target.addresses.clone(),
            enrolled: target.enrolled,
            used: SystemTime::now(),
        }
    }

    /// The receiver was reached at this address, sent its welcome, and gives itself this name.
    pub fn reached(&mut self, address: &str, name: &str) {
        name.clone_into(&mut self.name);
        self.addresses.retain(|other| other != address);
        self.addresses.insert(0, address.to_owned());
        self.enrolled = true;
        self.used = SystemTime::now();
    }
}

impl Outbox {
    /// The receivers, last used first.
    ///
    /// # Errors
    /// Returns [`Error::Journal`](crate::Error::Journal) if the journal cannot be used.
    pub fn receivers(&self) -> Result<Vec<Known>> {
        let text = "SELECT key, name, addresses, enrolled, used FROM receiver ORDER BY used DESC, name";
        let read = |row: &rusqlite::Row<'_>| {
            Ok(Known {
                key: PublicKey(row.get(0)?),
                name: row.get(1)?,
                addresses: row.get::<_, String>(2)?.lines().map(str::to_owned).collect(),
                enrolled: row.get(3)?,
                used: UNIX_EPOCH + Duration::from_secs(row.get::<_, i64>(4)?.max(0) as u64),
            })
        };
        let connection = self.quick();
        let rows = connection.prepare(text).and_then(|mut query| query.query_map([], read)?.collect());
        rows.map_err(journal_error(self.folder()))
    }

    /// Remembers a receiver, and replaces what was known about this key.
    ///
    /// # Errors
    /// Returns [`Error::Journal`](crate::Error::Journal) if the journal cannot be used.
    pub fn remember(&self, receiver: &Known) -> Result<()> {
        let Known { key, name, addresses, enrolled, used } = receiver;
        let given = params![key.0, name, addresses.join("\n"), enrolled, seconds(*used)];
        // That this sender is enrolled must outlast a power cut: its invitation is spent.
        let connection = self.durable.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let done = connection.execute("INSERT OR REPLACE INTO receiver VALUES (?, ?, ?, ?, ?)", given);
        done.map(|_| ()).map_err(journal_error(self.folder()))
    }

    /// Forgets a receiver, its receipts, and what the spool holds for it alone.
    ///
    /// # Errors
    /// Returns [`Error::Journal`](crate::Error::Journal) if the journal cannot be written, or
    /// [`Error::State`](crate::Error::State) if the spool cannot be emptied.
    pub fn forget(&self, key: &PublicKey) -> Result<()> {
        let freed = self.alone(|transaction| {
            let work = || {
                for table in ["receiver WHERE key", "sent WHERE receiver", "pending WHERE receiver"] {
                    transaction.execute(&format!("DELETE FROM {table} = ?"), params![key.0])?;
                }
                let release = "DELETE FROM spool
                    WHERE NOT EXISTS (SELECT 1 FROM pending WHERE spool = id) RETURNING hash";
                let mut release = transaction.prepare(release)?;
                release.query_map([], |row| row.get(0).map(Hash))?.collect::<rusqlite::Result<Vec<_>>>()
            };
            work().map_err(journal_error(self.folder()))
        })?;
        self.remove_unused(&freed)
    }
}
