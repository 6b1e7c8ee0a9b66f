//! What the page shows: the newest pictures, and sums for each sender. It is kept in memory from the start of the receiver.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;

use aecodec_receiver::Event;
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// The most pictures that the page shows.
const PICTURES: usize = 500;
/// The most senders whose sums are kept.
const SENDERS: usize = 500;
/// Events that wait for a browser. One that falls behind is disconnected; it connects again and gets everything anew.
const WAITING: usize = 2 * (PICTURES + SENDERS);

/// A picture that has arrived or is arriving.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    /// Its number on the page.
    pub id: u64,
    /// Its name in the inbox.
    pub name: String,
    /// Its `.aec`, once it has arrived.
    pub file: Option<PathBuf>,
    /// The file of its preview, while it is arriving.
    pub preview: Option<PathBuf>,
    /// What the page is told.
    about: Value,
}

#[derive(Debug, Default)]
struct Sums {
    connected: usize,
    pictures: u64,
    bytes: u64,
    source_bytes: u64,
}

/// Everything that the page shows, and the browsers that show it.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pictures: VecDeque<Shown>,
    last: u64,
    senders: BTreeMap<String, Sums>,
    watchers: Vec<mpsc::Sender<Bytes>>,
}

impl Table {
    /// Takes an event of the receiver.
    pub fn take(&mut self, event: &Event) {
        match event {
            Event::Connected { name, .. } => self.sender(name, |sums| sums.connected += 1),
            Event::Disconnected { name, .. } => {
                self.sender(name, |sums| sums.connected = sums.connected.saturating_sub(1));
            }
            Event::Previewed(preview) => {
                let about = json!({ "state": "arriving", "passes": preview.passes, "bytes": preview.bytes });
                self.put(&preview.name, about, |shown| shown.preview = Some(preview.path.clone()));
            }
            Event::Arrived(arrived) => {
                let (stored, source) = (&arrived.stored, &arrived.stored.source);
                let about = json!({
                    "state": "arrived",
                    "from": arrived.from,
                    "bytes": stored.bytes,
                    "source_bytes": source.bytes,
                    "width": source.width,
                    "height": source.height,
                    "psnr": source.psnr,
                    "at": stored.at,
                });
                let known =
                    self.pictures.iter().any(|shown| shown.name == stored.name && shown.file.is_some());
                self.put(&stored.name, about, |shown| {
                    (shown.file, shown.preview) = (Some(stored.path.clone()), None);
                });
                if !known {
                    self.sender(&arrived.from, |sums| {
                        sums.pictures += 1;
                        sums.bytes += stored.bytes;
                        sums.source_bytes += source.bytes;
                    });
                }
            }
            _ => {}
        }
    }

    /// Changes a picture, which may be new, and tells the browsers.
    fn put(&mut self, name: &str, about: Value, change: impl FnOnce(&mut Shown)) {
        let found = self.pictures.iter().position(|shown| shown.name == name);
        let place = found.unwrap_or_else(|| {
            self.last += 1;
            let shown =
                Shown { id: self.last, name: name.into(), file: None, preview: None, about: json!({}) };
            self.pictures.push_back(shown);
            if self.pictures.len() > PICTURES {
                self.pictures.pop_front();
            }
            self.pictures.len() - 1
        });
        let shown = &mut self.pictures[place];
        change(shown);
        shown.about = about;
        shown.about["id"] = shown.id.into();
        shown.about["name"] = shown.name.as_str().into();
        let text = message("picture", &shown.about);
        self.tell(&text);
    }

    fn sender(&mut self, name: &str, change: impl FnOnce(&mut Sums)) {
        if self.senders.len() >= SENDERS && !self.senders.contains_key(name) {
            return;
        }
        let sums = self.senders.entry(name.to_owned()).or_default();
        change(sums);
        let text = message("sender", &about(name, sums));
        self.tell(&text);
    }

    fn tell(&mut self, text: &Bytes) {
        self.watchers.retain(|watcher| watcher.try_send(text.clone()).is_ok());
    }

    /// Finds out which browsers have gone.
    pub fn ping(&mut self) {
        self.tell(&Bytes::from_static(b":\n\n"));
    }

    /// The events for a browser: everything so far, then what comes.
    pub fn watch(&mut self) -> mpsc::Receiver<Bytes> {
        let (watcher, events) = mpsc::channel(WAITING);
        let all = std::iter::once(message("all", &json!({})))
            .chain(self.senders.iter().map(|(name, sums)| message("sender", &about(name, sums))))
            .chain(self.pictures.iter().map(|shown| message("picture", &shown.about)));
        for text in all {
            // There is room for all of them.
            let _ = watcher.try_send(text);
        }
        self.watchers.push(watcher);
        events
    }

    /// The picture with this number.
    pub fn picture(&self, id: u64) -> Option<Shown> {
        self.pictures.iter().find(|shown| shown.id == id).cloned()
    }

    /// The number of the oldest picture.
    pub fn oldest(&self) -> u64 {
        self.pictures.front().map_or(0, |shown| shown.id)
    }
}

fn about(name: &str, sums: &Sums) -> Value {
    json!({
        "name": name,
        "connected": sums.connected > 0,
        "pictures": sums.pictures,
        "bytes": sums.bytes,
        "source_bytes": sums.source_bytes,
    })
}

/// A server-sent event. JSON has no line breaks.
fn message(event: &str, data: &Value) -> Bytes {
    Bytes::from(format!("event: {event}\ndata: {data}\n\n"))
}
