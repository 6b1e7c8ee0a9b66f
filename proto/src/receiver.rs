//! The receiver's state machine: admits a sender, asks for the parts that it lacks, and sends a receipt for each picture on
//! the disk.
//!
//! One session lasts one connection. If a sender says something at the wrong time or in the wrong amount, the
//! session ends with a [`Violation`].

use std::collections::{HashMap, HashSet, VecDeque};

use crate::message::{Enrol, Frame, FrameReport, Offer, Receipt, StoredWhen, ToReceiver, ToSender, VERSION};
use crate::parts::PART_MAX;
use crate::{Hash, Limits, Violation};

/// Parts of a live frame: header with hyper-latents, then four passes.
const FRAME_PARTS: usize = 5;

/// What the driver has to do.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Output {
    /// Send this on the control stream.
    Send(ToSender),
    /// Verify the proof and remember the key, then call [`Session::admit`].
    Enrol {
        /// The proof that the sender sent.
        enrol: Enrol,
        /// Its name.
        label: String,
    },
    /// A known sender has greeted.
    Greeted {
        /// Its name.
        label: String,
    },
    /// Look the offer up, then call [`Session::want`], [`Session::stored`] or [`Session::refuse`].
    LookUp(Offer),
    /// Every part that was asked for is here: check, flush and rename it, then call [`Session::stored`],
    /// [`Session::want`] or [`Session::refuse`].
    Complete(u64),
    /// A live frame begins.
    Frame(Frame),
    /// The sender cannot keep this offer: forget it. Keep the parts that have arrived.
    Withdrawn(u64),
}

/// How the sender came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// With its own key, which is known.
    Known,
    /// With the key of an invitation: the sender has to enrol first.
    Invited,
}

/// One connection, seen from the receiver.
#[derive(Debug)]
pub struct Session {
    limits: Limits,
    label: String,
    entry: Entry,
    state: State,
    last_id: Option<u64>,
    open: HashMap<u64, Open>,
    /// Parts of the open offers.
    open_parts: usize,
    /// Models that were asked for on this connection, and those of them that have not begun to arrive.
    asked: HashSet<Hash>,
    needed: HashSet<Hash>,
    last_frame: Option<u64>,
    outputs: VecDeque<Output>,
    takes_models: bool,
    previews: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No message has come yet.
    New,
    /// The driver is checking the new key.
    Enrolling,
    /// Offers are welcome.
    Ready,
}

/// An offer that is not settled.
#[derive(Debug)]
struct Open {
    hash: Hash,
    lengths: Vec<u32>,
    /// Parts that were asked for and have not begun to arrive.
    wanted: HashSet<u32>,
    /// Parts that have begun to arrive.
    coming: HashSet<u32>,
    asked: bool,
}

/// Whether models that are not known may be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Models {
    /// Ask for them, and accept what the sender sends.
    Accept,
    /// Store the pictures without decoding them.
    Refuse,
}

/// Whether pictures are shown while they arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Previews {
    /// Offers should include a thumbnail.
    Show,
    /// Offers need no thumbnail.
    Hide,
}

impl Session {
    /// A connection of a sender that was admitted in the handshake. `label` is this host's name.
    pub fn new(limits: Limits, label: String, entry: Entry, models: Models, previews: Previews) -> Self {
        Self {
            limits,
            label,
            entry,
            state: State::New,
            last_id: None,
            open: HashMap::new(),
            open_parts: 0,
            asked: HashSet::new(),
            needed: HashSet::new(),
            last_frame: None,
            outputs: VecDeque::new(),
            takes_models: models == Models::Accept,
            previews: previews == Previews::Show,
        }
    }

    /// Whether the sender has yet to greet.
    pub fn is_new(&self) -> bool {
        self.state == State::New
    }

    /// Whether every offer is settled.
    pub fn is_idle(&self) -> bool {
        self.open.is_empty()
    }

    /// Handles a message from the sender.
    ///
    /// # Errors
    /// Returns a [`Violation`] if the sender breaks the protocol; the driver then has to close the connection.
    pub fn handle(&mut self, message: ToReceiver) -> Result<(), Violation> {
        if let ToReceiver::Hello { version, label, enrol } = message {
            return self.hello(version, label, enrol);
        }
        if self.state != State::Ready {
            return Err(Violation::Unexpected { message: "a message", detail: "expected Hello" });
        }
        match message {
            ToReceiver::Hello { .. } => {}
            ToReceiver::Offer(offer) => self.offer(offer)?,
            ToReceiver::Withdraw { id } => self.withdraw(id)?,
            ToReceiver::Frame(frame) => self.frame(frame)?,
        }
        Ok(())
    }

    /// Lets an enrolled sender in.
    pub fn admit(&mut self) {
        self.state = State::Ready;
        self.outputs.push_back(Output::Send(ToSender::Welcome {
            version: VERSION,
            label: self.label.clone(),
            window: self.limits.window,
            takes_models: self.takes_models,
            previews: self.previews,
        }));
    }

    /// Asks for these parts of an offer, as (first, count). An empty list means that all parts are here.
    pub fn want(&mut self, id: u64, ranges: Vec<(u32, u32)>) {
        let Some(open) = self.open.get_mut(&id) else { return };
        open.asked = true;
        open.wanted = ranges.iter().flat_map(|&(first, count)| first..first + count).collect();
        if open.wanted.is_empty() {
            self.outputs.push_back(Output::Complete(id));
        }
        // This is sent even if nothing is asked for, so that the sender knows that the offer was accepted.
        self.outputs.push_back(Output::Send(ToSender::Want { id, parts: ranges }));
    }

    /// A stream for a part begins. Returns the length that it must have.
    ///
    /// # Errors
    /// Returns a [`Violation`] if the part was not asked for or is already arriving.
    pub fn part_begins(&mut self, id: u64, part: u32) -> Result<u32, Violation> {
        let open = self.open.get_mut(&id).ok_or(Violation::Part { id, part })?;
        let length = *open.lengths.get(part as usize).ok_or(Violation::Part { id, part })?;
        if !open.wanted.remove(&part) {
            return Err(Violation::Part { id, part });
        }
        open.coming.insert(part);
        Ok(length)
    }

    /// A part has been written.
    pub fn part_done(&mut self, id: u64, part: u32) {
        let Some(open) = self.open.get_mut(&id) else { return };
        if open.coming.remove(&part) && open.coming.is_empty() && open.wanted.is_empty() {
            self.outputs.push_back(Output::Complete(id));
        }
    }

    /// The sender gave up the stream of a part: the part comes on another stream, or the offer is withdrawn.
    pub fn part_lost(&mut self, id: u64, part: u32) {
        let Some(open) = self.open.get_mut(&id) else { return };
        if open.coming.remove(&part) {
            open.wanted.insert(part);
        }
    }

    /// A stream for a model begins.
    ///
    /// # Errors
    /// Returns a [`Violation`] if the model was not asked for, has already come, or is too long.
    pub fn model_begins(&mut self, hash: Hash, bytes: u64) -> Result<(), Violation> {
        if !self.needed.remove(&hash) {
            return Err(Violation::Unexpected { message: "a model", detail: "it was not asked for" });
        }
        self.check_length(bytes, self.limits.model_bytes)
    }

    /// The sender gave up the stream of a model.
    pub fn model_lost(&mut self, hash: Hash) {
        self.needed.insert(hash);
    }

    /// The picture is stored: flushed, renamed, and in the journal.
    pub fn stored(&mut self, id: u64, stored: StoredWhen, first_preview: Option<u32>, last_byte: u32) {
        let Some(open) = self.close(id) else { return };
        // If nothing was asked for, the picture did not come over this connection.
        let stored = if open.asked { stored } else { StoredWhen::Before };
        let receipt = Receipt { id, hash: open.hash, stored, first_preview, last_byte };
        self.outputs.push_back(Output::Send(ToSender::Receipt(receipt)));
    }

    /// The picture is not taken.
    pub fn refuse(&mut self, id: u64, reason: String) {
        if self.close(id).is_some() {
            self.outputs.push_back(Output::Send(ToSender::Refused { id, reason }));
        }
    }

    /// Asks for a model, at most once, unless too many models were asked for.
    pub fn need_model(&mut self, hash: Hash) {
        if self.takes_models && self.asked.len() < self.limits.models && self.asked.insert(hash) {
            self.needed.insert(hash);
            self.outputs.push_back(Output::Send(ToSender::NeedModel { hash }));
        }
    }

    /// Reports to the sender what became of a live frame.
    pub fn shown(&mut self, shown: FrameReport) {
        self.outputs.push_back(Output::Send(ToSender::Shown(shown)));
    }

    /// The next thing to do, if there is one.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn hello(&mut self, version: u16, label: String, enrol: Option<Enrol>) -> Result<(), Violation> {
        if self.state != State::New {
            return Err(Violation::Unexpected { message: "Hello", detail: "it came already" });
        }
        if version != VERSION {
            return Err(Violation::Version { found: version, expected: VERSION });
        }
        self.check_length(label.len() as u64, self.limits.name as u64)?;
        match (self.entry, enrol) {
            (Entry::Invited, Some(enrol)) => {
                self.state = State::Enrolling;
                self.outputs.push_back(Output::Enrol { enrol, label });
            }
            (Entry::Known, None) => {
                self.outputs.push_back(Output::Greeted { label });
                self.admit();
            }
            (Entry::Invited, None) => {
                return Err(Violation::Unexpected {
                    message: "Hello",
                    detail: "an invited sender has to enrol",
                });
            }
            (Entry::Known, Some(_)) => {
                return Err(Violation::Unexpected {
                    message: "Hello",
                    detail: "a known sender enrols no key",
                });
            }
        }
        Ok(())
    }

    /// Forgets an offer, unless all of it has arrived: then it is stored, and the sender ignores its receipt.
    fn withdraw(&mut self, id: u64) -> Result<(), Violation> {
        if self.last_id.is_none_or(|last| id > last) {
            return Err(Violation::UnknownOffer { message: "Withdraw", id });
        }
        let arrives = |open: &Open| !open.asked || !open.wanted.is_empty() || !open.coming.is_empty();
        if self.open.get(&id).is_some_and(arrives) {
            self.close(id);
            self.outputs.push_back(Output::Withdrawn(id));
        }
        Ok(())
    }

    fn close(&mut self, id: u64) -> Option<Open> {
        let open = self.open.remove(&id)?;
        self.open_parts -= open.lengths.len();
        Some(open)
    }

    fn offer(&mut self, offer: Offer) -> Result<(), Violation> {
        let wrong = |detail: String| Violation::Offer { id: offer.id, detail };
        let limits = &self.limits;
        if self.last_id.is_some_and(|last| offer.id <= last) {
            return Err(wrong("its id is not above those before".into()));
        }
        if self.open.len() >= limits.window as usize {
            return Err(wrong(format!("more than {} offers at a time", limits.window)));
        }
        if offer.name.len() > limits.name {
            return Err(wrong(format!(
                "a name of {} bytes, expected at most {}",
                offer.name.len(),
                limits.name
            )));
        }
        if offer.thumbnail.len() > limits.thumbnail {
            let found = offer.thumbnail.len();
            return Err(wrong(format!(
                "a thumbnail of {found} bytes, expected at most {}",
                limits.thumbnail
            )));
        }
        let parts = offer.parts.len();
        if parts == 0 || parts > limits.parts || !offer.parts.iter().all(|part| (1..=PART_MAX).contains(part))
        {
            return Err(wrong(format!(
                "{parts} parts, expected 1 to {} of 1 to {PART_MAX} bytes",
                limits.parts
            )));
        }
        if self.open_parts + parts > limits.open_parts {
            return Err(wrong(format!("more than {} parts at a time", limits.open_parts)));
        }
        if offer.bytes() > limits.picture_bytes {
            return Err(wrong(format!("{} bytes, expected at most {}", offer.bytes(), limits.picture_bytes)));
        }
        let pixels = u64::from(offer.source.width) * u64::from(offer.source.height);
        if pixels > limits.pixels {
            return Err(wrong(format!("{pixels} pixels, expected at most {}", limits.pixels)));
        }
        self.last_id = Some(offer.id);
        let open = Open {
            hash: offer.hash,
            lengths: offer.parts.clone(),
            wanted: HashSet::new(),
            coming: HashSet::new(),
            asked: false,
        };
        self.open.insert(offer.id, open);
        self.open_parts += parts;
        self.outputs.push_back(Output::LookUp(offer));
        Ok(())
    }

    fn frame(&mut self, frame: Frame) -> Result<(), Violation> {
        let wrong =
            |detail: &str| Violation::Offer { id: frame.seq, detail: format!("live frame: {detail}") };
        if self.last_frame.is_some_and(|last| frame.seq <= last) {
            return Err(wrong("its number is not above those before"));
        }
        if frame.parts.is_empty() || frame.parts.len() > FRAME_PARTS {
            return Err(wrong("expected one to five parts"));
        }
        let bytes = frame.parts.iter().map(|&part| u64::from(part)).sum();
        self.check_length(bytes, self.limits.frame_bytes)?;
        if u64::from(frame.width) * u64::from(frame.height) > self.limits.frame_pixels {
            return Err(wrong("too many pixels"));
        }
        self.last_frame = Some(frame.seq);
        self.outputs.push_back(Output::Frame(frame));
        Ok(())
    }

    fn check_length(&self, length: u64, limit: u64) -> Result<(), Violation> {
        if length > limit { Err(Violation::Oversized { length, limit }) } else { Ok(()) }
    }
}
