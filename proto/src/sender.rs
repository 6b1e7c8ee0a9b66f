//! The sender's state machine: offers pictures, sends the parts that are wanted, coarse ones first, and waits for receipts.
//!
//! One session lasts one connection. After a cut, the driver offers each picture without a receipt again; the
//! receiver then asks for the parts that it lacks.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use crate::limits::OPEN_PARTS;
use crate::message::{Enrol, Frame, FrameReport, Offer, Receipt, StoredWhen, ToReceiver, ToSender, VERSION};
use crate::{Hash, Violation};

/// How often a receiver may ask for the parts of one offer. It asks again if what arrived was damaged on its disk.
const WANTS: u8 = 3;

/// What the driver has to do.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Output {
    /// Send this on the control stream.
    Send(ToReceiver),
    /// The receiver accepted the greeting: offers may be made.
    Welcome {
        /// Name of the receiving host.
        label: String,
    },
    /// Send the model on its own stream, or nothing if it is not available.
    SendModel(Hash),
    /// An offer is settled.
    Settled {
        /// The offer.
        id: u64,
        /// How it ended.
        outcome: Outcome,
    },
    /// What became of a live frame.
    Shown(FrameReport),
}

/// How an offer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver has it on its disk.
    Receipt(Receipt),
    /// The receiver does not take it.
    Refused(String),
}

/// A part to send on its own stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// The offer.
    pub id: u64,
    /// Index of the part.
    pub part: u32,
    /// Where it begins in the file.
    pub offset: u64,
    /// Its length in bytes.
    pub length: u32,
    /// Priority of its stream: coarse parts of every picture go before fine ones.
    pub priority: i32,
}

/// One connection, seen from the sender.
#[derive(Debug)]
pub struct Session {
    welcomed: bool,
    previews: bool,
    window: usize,
    waiting: VecDeque<Offer>,
    open: HashMap<u64, Open>,
    /// Parts of the open offers.
    open_parts: usize,
    /// Offers that were withdrawn.
    withdrawn: HashSet<u64>,
    /// Parts to send, by priority: (part, offer).
    parts: BTreeSet<(u32, u64)>,
    models: HashSet<Hash>,
    asked: HashSet<Hash>,
    outputs: VecDeque<Output>,
}

/// An offer that was made and is not settled.
#[derive(Debug)]
struct Open {
    offer: Offer,
    wants: u8,
    /// Parts that were asked for and do not have a stream yet.
    unsent: usize,
}

impl Session {
    /// Starts a session, which begins with a greeting.
    pub fn new(label: String, enrol: Option<Enrol>) -> Self {
        let hello = ToReceiver::Hello { version: VERSION, label, enrol };
        Self {
            welcomed: false,
            previews: false,
            window: 0,
            waiting: VecDeque::new(),
            open: HashMap::new(),
            open_parts: 0,
            withdrawn: HashSet::new(),
            parts: BTreeSet::new(),
            models: HashSet::new(),
            asked: HashSet::new(),
            outputs: VecDeque::from([Output::Send(hello)]),
        }
    }

    /// Whether another offer would be made at once. The driver prepares no more pictures than that.
    pub fn has_room(&self) -> bool {
        self.welcomed && self.waiting.len() + self.open.len() < self.window
    }

    /// Whether every offer is settled.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.open.is_empty()
    }

    /// Offers a picture. Its id must be above all ids that were used on this connection.
    pub fn offer(&mut self, offer: Offer) {
        self.waiting.push_back(offer);
        self.advance();
    }

    /// Announces a live frame; the driver sends its parts at once.
    pub fn frame(&mut self, frame: Frame) {
        self.outputs.push_back(Output::Send(ToReceiver::Frame(frame)));
    }

    /// Withdraws an offer that cannot be kept. What the receiver says about it from now on is ignored, because it
    /// may have been sent before the receiver knew.
    pub fn withdraw(&mut self, id: u64) {
        self.waiting.retain(|offer| offer.id != id);
        if self.close(id).is_some() {
            self.withdrawn.insert(id);
            self.outputs.push_back(Output::Send(ToReceiver::Withdraw { id }));
        }
        self.advance();
    }

    /// Handles a message from the receiver.
    ///
    /// # Errors
    /// Returns a [`Violation`] if the receiver breaks the protocol; the driver then has to close the connection.
    pub fn handle(&mut self, message: ToSender) -> Result<(), Violation> {
        if !self.welcomed && !matches!(message, ToSender::Welcome { .. }) {
            return Err(Violation::Unexpected { message: "a message", detail: "expected Welcome" });
        }
        match message {
            ToSender::Welcome { version, label, window, previews, .. } => {
                self.previews = previews;
                self.welcome(version, label, window)?;
            }
            ToSender::Want { id, .. }
            | ToSender::Receipt(Receipt { id, .. })
            | ToSender::Refused { id, .. }
                if self.withdrawn.contains(&id) => {}
            ToSender::Want { id, parts } => self.want(id, &parts)?,
            ToSender::NeedModel { hash } => {
                if !self.models.contains(&hash) || !self.asked.insert(hash) {
                    return Err(Violation::Model(hash));
                }
                self.outputs.push_back(Output::SendModel(hash));
            }
            ToSender::Receipt(receipt) => self.receipt(receipt)?,
            ToSender::Refused { id, reason } => {
                self.close(id).ok_or(Violation::UnknownOffer { message: "Refused", id })?;
                self.settle(id, Outcome::Refused(reason));
            }
            ToSender::Shown(shown) => self.outputs.push_back(Output::Shown(shown)),
        }
        Ok(())
    }

    /// The next part to open a stream for. Ask each time that there is room for a stream, because a coarser part
    /// may have become due.
    pub fn next_part(&mut self) -> Option<Part> {
        let (part, id) = self.parts.pop_first()?;
        let open = self.open.get_mut(&id)?;
        open.unsent = open.unsent.saturating_sub(1);
        let (offset, length) = open.offer.range(part)?;
        Some(Part { id, part, offset, length, priority: -i32::try_from(part).unwrap_or(i32::MAX) - 1 })
    }

    /// The next thing to do, if there is one.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn welcome(&mut self, version: u16, label: String, window: u32) -> Result<(), Violation> {
        if self.welcomed {
            return Err(Violation::Unexpected { message: "Welcome", detail: "it came already" });
        }
        if version != VERSION {
            return Err(Violation::Version { found: version, expected: VERSION });
        }
        self.welcomed = true;
        self.window = window.max(1) as usize;
        self.outputs.push_back(Output::Welcome { label });
        self.advance();
        Ok(())
    }

    /// Makes as many offers as the receiver's window allows.
    fn advance(&mut self) {
        while self.welcomed && self.open.len() < self.window {
            let (alone, left) = (self.open.is_empty(), OPEN_PARTS.saturating_sub(self.open_parts));
            let Some(mut offer) = self.waiting.pop_front() else { break };
            if !alone && offer.parts.len() > left {
                self.waiting.push_front(offer);
                break;
            }
            self.open_parts += offer.parts.len();
            if !self.previews {
                offer.thumbnail.clear();
            }
            self.models.insert(offer.model);
            self.outputs.push_back(Output::Send(ToReceiver::Offer(offer.clone())));
            offer.thumbnail = Vec::new();
            self.open.insert(offer.id, Open { offer, wants: 0, unsent: 0 });
        }
    }

    fn want(&mut self, id: u64, ranges: &[(u32, u32)]) -> Result<(), Violation> {
        let open = self.open.get_mut(&id).ok_or(Violation::UnknownOffer { message: "Want", id })?;
        if open.wants == WANTS || open.unsent > 0 {
            return Err(Violation::Unexpected { message: "Want", detail: "it came already" });
        }
        open.wants += 1;
        let mut free = 0;
        for &(first, count) in ranges {
            let end = first.checked_add(count).filter(|&end| end as usize <= open.offer.parts.len());
            let Some(end) = end.filter(|_| first >= free && count > 0) else {
                return Err(Violation::Part { id, part: first });
            };
            open.unsent += count as usize;
            self.parts.extend((first..end).map(|part| (part, id)));
            free = end;
        }
        Ok(())
    }

    fn receipt(&mut self, receipt: Receipt) -> Result<(), Violation> {
        let id = receipt.id;
        let lying = |detail| Violation::LyingReceipt { id, detail };
        let open = self.open.get(&id).ok_or(lying("it was not offered, or is settled already"))?;
        if receipt.hash != open.offer.hash {
            return Err(lying("it is for another hash"));
        }
        if receipt.stored == StoredWhen::Now && open.wants == 0 {
            return Err(lying("nothing was asked for"));
        }
        if receipt.stored == StoredWhen::Now && open.unsent > 0 {
            return Err(lying("not all of it was sent"));
        }
        self.close(id);
        self.settle(id, Outcome::Receipt(receipt));
        Ok(())
    }

    fn close(&mut self, id: u64) -> Option<Open> {
        let open = self.open.remove(&id)?;
        self.open_parts -= open.offer.parts.len();
        if open.unsent > 0 {
            self.parts.retain(|&(_, of)| of != id);
        }
        Some(open)
    }

    fn settle(&mut self, id: u64, outcome: Outcome) {
        self.outputs.push_back(Output::Settled { id, outcome });
        self.advance();
    }
}
