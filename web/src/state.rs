//! What an instance of the module holds: buffers, models, and the message of the last call.

use std::cell::RefCell;
use std::sync::Arc;

use aecodec::{Error, Model, ModelRegistry, Profile, Result, model_file};
use serde_json::Value;

/// The state of an instance. An instance has one thread.
#[derive(Default)]
pub struct State {
    buffers: Vec<Option<Vec<u8>>>,
    models: ModelRegistry,
    message: String,
}

thread_local! {
    static STATE: RefCell<State> = RefCell::default();
}

impl State {
    /// Calls `work` with the state of this instance.
    pub fn with<R>(work: impl FnOnce(&mut Self) -> R) -> R {
        STATE.with_borrow_mut(work)
    }

    /// Keeps bytes, and returns their number, which is not 0.
    pub fn keep(&mut self, bytes: Vec<u8>) -> u32 {
        let free = self.buffers.iter().position(Option::is_none).unwrap_or(self.buffers.len());
        if free == self.buffers.len() {
            self.buffers.push(None);
        }
        self.buffers[free] = Some(bytes);
        free as u32 + 1
    }

    fn slot(&mut self, number: u32) -> Option<&mut Option<Vec<u8>>> {
        self.buffers.get_mut((number as usize).checked_sub(1)?)
    }

    /// The buffer with this number, which may have none.
    pub fn buffer(&mut self, number: u32) -> Option<&mut Vec<u8>> {
        self.slot(number)?.as_mut()
    }

    /// Removes a buffer and returns its bytes; there are none if there is no such buffer.
    pub fn take(&mut self, number: u32) -> Vec<u8> {
        self.slot(number).and_then(Option::take).unwrap_or_default()
    }

    /// Puts the bytes of a buffer back that were taken.
    pub fn restore(&mut self, number: u32, bytes: Vec<u8>) {
        if let Some(slot) = self.slot(number) {
            *slot = Some(bytes);
        }
    }

    /// Adds a model from its file.
    pub fn add_model(&mut self, file: &[u8]) -> Result<Arc<Model>> {
        let model = Arc::new(Model::parse(&model_file::unpack(file)?)?);
        self.models.add(model.profile().name(), Arc::clone(&model));
        Ok(model)
    }

    /// The models that were added.
    pub fn models(&self) -> &ModelRegistry {
        &self.models
    }

    /// The first model of a profile.
    pub fn model(&self, profile: u8) -> Result<Arc<Model>> {
        let wanted = Profile::from_raw(profile);
        let found = self.models.all().map(|(_, model)| model).find(|model| model.profile() == wanted);
        found.ok_or_else(|| Error::Invalid {
            what: "profile",
            detail: format!("no model `{}` was added", wanted.name()),
        })
    }

    /// Records what a call reports, and returns its number; after an error, that is 0 and the report is its text.
    pub fn report(&mut self, result: Result<(u32, Value)>) -> u32 {
        let (number, message) = match result {
            Ok((number, report)) => (number, report.to_string()),
            Err(error) => (0, error.to_string()),
        };
        self.message = message;
        number
    }

    /// The report of the last call.
    pub fn message(&self) -> &str {
        &self.message
    }
}
