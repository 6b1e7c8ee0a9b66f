//! The known senders, and the invitations by which they become known.
//!
//! Everything here blocks on the disk for some milliseconds; from asynchronous code, call it where blocking is allowed.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use aecodec_proto::PublicKey;
use rusqlite::{Connection, OptionalExtension as _, Row, TransactionBehavior, params};

use crate::state::{Folder, now};
use crate::{Error, Result};

/// The most characters of a name.
const LONGEST_NAME: usize = 64;

/// The senders that may send. This is cheap to clone, and several processes may have the same folder open.
#[derive(Debug, Clone)]
pub struct Peers {
    db: Arc<Mutex<Connection>>,
}

/// A known sender.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// Its identity.
    pub key: PublicKey,
    /// Its name, for people.
    pub name: String,
    /// When it became known, in seconds since 1970.
    pub added: i64,
    /// When it was last connected, in seconds since 1970.
    pub seen: i64,
    /// Number of its pictures that were stored.
    pub pictures: u64,
    /// Bytes of those pictures.
    pub bytes: u64,
}

/// How often an invitation can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// By one sender.
    OneTime,
    /// By any number, until it is withdrawn.
    Reusable,
}

/// What is known of an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invitation {
    /// It can be used.
    Open(Kind),
    /// This sender used it.
    Spent(PublicKey),
    /// There never was such an invitation, or it was withdrawn.
    None,
}

/// What an enrolment changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enrolled {
    /// The sender is known from now on.
    Now,
    /// The sender was known before.
    Before,
}

/// The ticket that this receiver showed last, to show it again after a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownTicket {
    /// UDP port on which the receiver listened.
    pub port: u16,
    /// The ticket, as text.
    pub ticket: String,
}

impl Peers {
    /// Opens the state of an inbox, or makes it if it is missing.
    ///
    /// # Errors
    /// Returns an error if the folder cannot be written, or was written by a later release.
    pub fn open(out: &Path) -> Result<Self> {
        Ok(Self { db: Arc::new(Mutex::new(Folder::open(out)?.database()?)) })
    }

    /// Whether this sender is known and so admitted.
    ///
    /// # Errors
    /// Returns an error if the journal cannot be read.
    pub fn known(&self, key: &PublicKey) -> Result<bool> {
        known(&self.db(), key)
    }

    /// What is known of the invitation with this public key.
    ///
    /// # Errors
    /// Returns an error if the journal cannot be read.
    pub fn invitation(&self, key: &PublicKey) -> Result<Invitation> {
        invitation(&self.db(), key)
    }

    /// Makes a sender known that holds an invitation. Doing this again with the same invitation changes nothing.
    /// When this returns, the enrolment survives a power cut.
    ///
    /// # Errors
    /// Returns [`Error::UnknownInvitation`] or [`Error::SpentInvitation`] if the invitation does not admit the
    /// sender, or the journal's error if it cannot be written.
    pub fn enrol(&self, invited: &PublicKey, key: &PublicKey, label: &str) -> Result<Enrolled> {
        let mut db = self.db();
        let change = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let before = known(&change, key)?;
        match invitation(&change, invited)? {
            Invitation::None => return Err(Error::UnknownInvitation),
            // A sender that was removed since then does not come back this way.
            Invitation::Spent(by) if by == *key && before => return Ok(Enrolled::Before),
            Invitation::Spent(_) => return Err(Error::SpentInvitation),
            Invitation::Open(Kind::Reusable) => {}
            Invitation::Open(Kind::OneTime) => {
                change.execute(
                    "UPDATE invitations SET spent_by = ?2, seed = NULL WHERE key = ?1",
                    params![invited.0, key.0],
                )?;
            }
        }
        if !before {
            change.execute(
                "INSERT INTO peers (key, name, added, seen) VALUES (?1, ?2, ?3, ?3)",
                params![key.0, tidy(label), now()],
            )?;
        }
        change.commit()?;
        Ok(if before { Enrolled::Before } else { Enrolled::Now })
    }

    /// Records that a sender is connected.
    ///
    /// # Errors
    /// Returns an error if the journal cannot be written.
    pub fn seen(&self, key: &PublicKey) -> Result<()> {
        self.db().execute("UPDATE peers SET seen = ?2 WHERE key = ?1", params![key.0, now()])?;
        Ok(())
    }

    /// All known senders, by name.
    ///
    /// # Errors
    /// Returns an error if the journal cannot be read.
    pub fn list(&self) -> Result<Vec<Peer>> {
        let db = self.db();
        let mut query = db
            .prepare_cached("SELECT key, name, added, seen, pictures, bytes FROM peers ORDER BY name, key")?;
        let peers = query.query_map([], peer)?.collect::<rusqlite::Result<_>>()?;
        Ok(peers)
    }

    /// The senders that a name or the first digits of a key may mean.
    ///
    /// # Errors
    /// Returns an error if the journal cannot be read.
    pub fn find(&self, meant: &str) -> Result<Vec<Peer>> {
        let digits = meant.to_ascii_lowercase();
        let fits = |peer: &Peer| {
            peer.name == meant || digits.len() >= 4 && peer.key.to_string().starts_with(&digits)
        };
        Ok(self.list()?.into_iter().filter(fits).collect())
    }

    /// The name of a known sender.
    ///
    /// # Errors
    /// Returns an error if the journal cannot be read.
    pub fn name_of(&self, key: &PublicKey) -> Result<Option<String>> {
        let db = self.db();
        let mut query = db.prepare_cached("SELECT name FROM peers WHERE key = ?1")?;
        Ok(query.query_row([key.0], |row| row.get(0)).optional()?)
    }

    /// Gives a sender a name. Returns `false` if the sender is not known.
    ///
    /// # Errors
    /// Returns an error if the journal cannot be written.
    pub fn name(&self, key: &PublicKey, name: &str) -> Result<bool> {
        Ok(self.db().execute("UPDATE peers SET name = ?2 WHERE key = ?1", params![key.0, tidy(name)])? > 0)
    }

    /// Forgets a sender: its next connection is refused. Returns `false` if it is not known. A sender that holds a
    /// reusable invitation can enrol again until that is withdrawn.
    ///
    /// # Errors
    /// Returns an error if the journal cannot be written.
    pub fn remove(&self, key: &PublicKey) -> Result<bool> {
        Ok(self.db().execute("DELETE FROM peers WHERE key = ?1", [key.0])? > 0)
    }

    /// Stores a new invitation: its public key, and its secret as long as it can be used.
    ///
    /// # Errors
    /// Returns an error if the journal cannot be written.
    pub fn invite(&self, key: &PublicKey, seed: &[u8; 32], kind: Kind) -> Result<()> {
        self.db().execute(
            "INSERT INTO invitations (key, seed, reusable, created) VALUES (?1, ?2, ?3, ?4)",
            params![key.0, seed, kind == Kind::Reusable, now()],
        )?;
        Ok(())
    }

    /// Withdraws an invitation. Returns `false` if there is none. Senders that enrolled with it stay known.
    ///
    /// # Errors
    /// Returns an error if the journal cannot be written.
    pub fn withdraw(&self, key: &PublicKey) -> Result<bool> {
        Ok(self.db().execute("DELETE FROM invitations WHERE key = ?1", [key.0])? > 0)
    }

    /// The secret of the newest invitation of a kind that can be used, with its public key.
    ///
    /// # Errors
    /// Returns an error if the journal cannot be read.
    pub fn open_invitation(&self, kind: Kind) -> Result<Option<(PublicKey, [u8; 32])>> {
        let db = self.db();
        let mut query = db.prepare_cached(
            "SELECT key, seed FROM invitations WHERE reusable = ?1 AND seed IS NOT NULL ORDER BY created DESC, key",
        )?;
        let found =
            query.query_row([kind == Kind::Reusable], |row| Ok((PublicKey(row.get(0)?), row.get(1)?)));
        Ok(found.optional()?)
    }

    /// The ticket that was shown last.
    ///
    /// # Errors
    /// Returns an error if the journal cannot be read.
    pub fn shown(&self) -> Result<Option<ShownTicket>> {
        let db = self.db();
        let text = |key: &str| {
            db.query_row("SELECT CAST(value AS TEXT) FROM meta WHERE key = ?1", [key], |row| {
                row.get::<_, String>(0)
            })
            .optional()
        };
        let (Some(port), Some(ticket)) = (text("port")?, text("ticket")?) else { return Ok(None) };
        Ok(port.parse().ok().map(|port| ShownTicket { port, ticket }))
    }

    /// Stores the ticket that is shown now.
    ///
    /// # Errors
    /// Returns an error if the journal cannot be written.
    pub fn show(&self, shown: &ShownTicket) -> Result<()> {
        self.db().execute(
            "INSERT OR REPLACE INTO meta (key, value) VALUES ('port', ?1), ('ticket', ?2)",
            params![shown.port.to_string(), shown.ticket],
        )?;
        Ok(())
    }

    fn db(&self) -> MutexGuard<'_, Connection> {
        // If a thread panicked with the lock, its transaction was rolled back.
        self.db.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

fn known(db: &Connection, key: &PublicKey) -> Result<bool> {
    Ok(db.prepare_cached("SELECT 1 FROM peers WHERE key = ?1")?.exists([key.0])?)
}

fn invitation(db: &Connection, key: &PublicKey) -> Result<Invitation> {
    let mut query = db.prepare_cached("SELECT reusable, spent_by FROM invitations WHERE key = ?1")?;
    let found = query.query_row([key.0], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    Ok(match found {
        None => Invitation::None,
        Some((_, Some(by))) => Invitation::Spent(PublicKey(by)),
        Some((true, None)) => Invitation::Open(Kind::Reusable),
        Some((false, None)) => Invitation::Open(Kind::OneTime),
    })
}

fn peer(row: &Row<'_>) -> rusqlite::Result<Peer> {
    Ok(Peer {
        key: PublicKey(row.get(0)?),
        name: row.get(1)?,
        added: row.get(2)?,
        seen: row.get(3)?,
        pictures: row.get(4)?,
        bytes: row.get(5)?,
    })
}

/// A label without characters that could disturb a terminal or a log; it is never empty.
fn tidy(label: &str) -> String {
    let kept: String = label.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect();
    let kept = kept.trim();
    if kept.is_empty() { "unnamed".into() } else { kept.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNA: PublicKey = PublicKey([1; 32]);
    const BERT: PublicKey = PublicKey([2; 32]);
    const TICKET: PublicKey = PublicKey([3; 32]);
    const SEED: [u8; 32] = [4; 32];

    fn peers() -> (tempfile::TempDir, Peers) {
        let dir = tempfile::tempdir().unwrap();
        let peers = Peers::open(dir.path()).unwrap();
        (dir, peers)
    }

    #[test]
    fn a_one_time_invitation_lets_one_sender_in() {
        let (dir, peers) = peers();
        assert_eq!(peers.invitation(&TICKET).unwrap(), Invitation::None);
        assert!(matches!(peers.enrol(&TICKET, &ANNA, "anna"), Err(Error::UnknownInvitation)));
        peers.invite(&TICKET, &SEED, Kind::OneTime).unwrap();
        assert_eq!(peers.open_invitation(Kind::OneTime).unwrap(), Some((TICKET, SEED)));
        assert_eq!(peers.enrol(&TICKET, &ANNA, "anna").unwrap(), Enrolled::Now);
        // Another process sees it, and the secret is gone.
        let again = Peers::open(dir.path()).unwrap();
        assert_eq!(again.invitation(&TICKET).unwrap(), Invitation::Spent(ANNA));
        assert_eq!(again.open_invitation(Kind::OneTime).unwrap(), None);
        assert!(again.known(&ANNA).unwrap());
        // The sender may not have heard the answer.
        assert_eq!(again.enrol(&TICKET, &ANNA, "anna").unwrap(), Enrolled::Before);
        assert!(matches!(again.enrol(&TICKET, &BERT, "bert"), Err(Error::SpentInvitation)));
        assert!(!peers.known(&BERT).unwrap());
    }

    #[test]
    fn a_removed_sender_cannot_come_back_with_its_spent_invitation() {
        let (_dir, peers) = peers();
        peers.invite(&TICKET, &SEED, Kind::OneTime).unwrap();
        peers.enrol(&TICKET, &ANNA, "anna").unwrap();
        assert!(peers.remove(&ANNA).unwrap());
        assert!(!peers.remove(&ANNA).unwrap());
        assert!(matches!(peers.enrol(&TICKET, &ANNA, "anna"), Err(Error::SpentInvitation)));
    }

    #[test]
    fn a_reusable_invitation_lets_many_in_until_it_is_withdrawn() {
        let (_dir, peers) = peers();
        peers.invite(&TICKET, &SEED, Kind::Reusable).unwrap();
        assert_eq!(peers.enrol(&TICKET, &ANNA, "anna").unwrap(), Enrolled::Now);
        assert_eq!(peers.enrol(&TICKET, &BERT, "bert").unwrap(), Enrolled::Now);
        assert_eq!(peers.enrol(&TICKET, &BERT, "bert").unwrap(), Enrolled::Before);
        assert_eq!(peers.invitation(&TICKET).unwrap(), Invitation::Open(Kind::Reusable));
        assert!(peers.withdraw(&TICKET).unwrap());
        assert!(matches!(peers.enrol(&TICKET, &ANNA, "anna"), Err(Error::UnknownInvitation)));
        assert!(peers.known(&ANNA).unwrap());
    }

    #[test]
    fn senders_are_listed_named_and_found() {
        let (_dir, peers) = peers();
        peers.invite(&TICKET, &SEED, Kind::Reusable).unwrap();
        peers.enrol(&TICKET, &BERT, "bert\u{1b}[31m\n").unwrap();
        peers.enrol(&TICKET, &ANNA, "").unwrap();
        let names = |list: Vec<Peer>| list.into_iter().map(|peer| peer.name).collect::<Vec<_>>();
        assert_eq!(names(peers.list().unwrap()), ["bert[31m", "unnamed"]);
        assert!(peers.name(&ANNA, "  anna ").unwrap());
        assert_eq!(peers.name_of(&ANNA).unwrap(), Some("anna".into()));
        assert_eq!(peers.name_of(&TICKET).unwrap(), None);
        assert!(!peers.name(&TICKET, "x").unwrap());
        assert_eq!(names(peers.find("anna").unwrap()), ["anna"]);
        assert_eq!(names(peers.find("0202").unwrap()), ["bert[31m"]);
        assert!(peers.find("02").unwrap().is_empty());
        peers.seen(&ANNA).unwrap();
    }

    #[test]
    fn of_many_at_once_one_spends_the_invitation() {
        let (dir, peers) = peers();
        peers.invite(&TICKET, &SEED, Kind::OneTime).unwrap();
        let enrol = |n: u8| {
            let peers = Peers::open(dir.path()).unwrap();
            std::thread::spawn(move || peers.enrol(&TICKET, &PublicKey([n; 32]), "x").is_ok())
        };
        let threads: Vec<_> = (10..18).map(enrol).collect();
        let spent = threads.into_iter().map(|thread| thread.join().unwrap());
        assert_eq!(spent.filter(|&ok| ok).count(), 1);
        assert_eq!(peers.list().unwrap().len(), 1);
    }

    #[test]
    fn the_ticket_survives_a_restart() {
        let (dir, peers) = peers();
        assert_eq!(peers.shown().unwrap(), None);
        let shown = ShownTicket { port: 4743, ticket: "aec1abc".into() };
        peers.show(&shown).unwrap();
        assert_eq!(Peers::open(dir.path()).unwrap().shown().unwrap(), Some(shown));
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_look_into_the_state() {
        use std::os::unix::fs::PermissionsExt as _;
        let (dir, _peers) = peers();
        let mode = std::fs::metadata(dir.path().join(".aecodec")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}
