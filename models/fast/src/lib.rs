//! The trained model `fast` of the image codec `aecodec`, as a crate of its own because of its size. Its card is the
//! readme of this crate.

/// The packed model file, for `aecodec::Model::parse`.
// A static, because a constant of megabytes may be copied to each place that names it.
pub static FILE: &[u8] = include_bytes!("../fast.aem");

/// The read-out of the model, from which `aecodec` makes thumbnails.
pub static READOUT: &[u8] = include_bytes!("../readout.bin");

/// The temporal prior of the model, for `aecodec::TemporalPrior::parse`.
pub static TEMPORAL: &[u8] = include_bytes!("../temporal.aet");
