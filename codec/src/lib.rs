//! aecodec: a learned image codec whose whole decoder is integer arithmetic.
//!
//! A convolutional autoencoder turns a picture into quantised latents, a context model and a rANS
//! coder turn those into a stream. The same stream gives the same pixels on every machine.
//!
//! ```
//! use aecodec::{Color, DecodeOptions, EncodeOptions, Model, Picture, Profile, Quality, Target};
//!
//! let gradient = (0..96 * 64 * 3).map(|i| (i / 96) as u8).collect();
//! let picture = Picture::new(96, 64, Color::Rgb, gradient)?;
//! let model = Model::embedded(Profile::Fast)?;
//!
//! let mut options = EncodeOptions::default();
//! options.target = Target::Quality(Quality::new(60.0).expect("between 0 and 100"));
//! let encoded = aecodec::encode(&picture, &model, &options)?;
//! assert!(encoded.bytes.len() < 96 * 64 * 3 / 10);
//!
//! let decoded = aecodec::decode(&encoded.bytes, &model, &DecodeOptions::default())?;
//! assert_eq!(decoded.picture.samples.len(), picture.samples.len());
//! assert_eq!(decoded.hash_matches, Some(true));
//! # Ok::<(), aecodec::Error>(())
//! ```
//!
//! # Features
//!
//! | Feature | Content |
//! |---|---|
//! | `embedded` (default) | the trained models `fast` and `best`, 15.6 MB; without it, [`Model::parse`] reads model files |
//! | `files` (default) | [`files`]: reads and writes picture files |
//! | `image` | [`integration`]: a decoder, an encoder and a hook for the crate `image`, so that `image::open` reads `.aec` files |
//! | `resize` | [`resize`]: changes the size of pictures |
//!
//! The folder `examples` of the crate encodes and decodes files, whole or row by row, shows a file while it arrives, and
//! decodes files of any model.
//!
//! The library starts no thread unless an option asks for it, except for a second one while it loads a model. It prints
//! nothing, and never panics on input.

mod auto;
mod band;
mod blank;
#[cfg(test)]
mod claims;
pub mod clip;
mod conceal;
pub mod container;
mod damage;
mod damaged_area;
mod decode;
mod deep;
mod empty;
mod encode;
mod encoding;
#[doc(hidden)]
pub mod entropy;
mod error;
mod exact;
mod figures;
#[cfg(feature = "files")]
pub mod files;
mod fold;
#[cfg(test)]
mod golden;
#[cfg(feature = "image")]
pub mod integration;
mod inter;
#[doc(hidden)]
pub mod kernel;
mod latents;
mod limits;
mod load;
mod measure;
mod memory;
mod mode;
mod model;
pub mod model_file;
mod net;
mod picture;
mod quality;
mod rate;
mod readout;
mod rect;
mod reduce;
mod registry;
#[cfg(feature = "resize")]
pub mod resize;
mod sample;
mod saturating;
mod source;
mod strip;
mod target;
mod threads;
mod walk;

pub use auto::{encode, encode_deep, encode_rows};
pub use conceal::Concealment;
pub use damage::{Damage, DamageCause};
pub use damaged_area::{DamagedArea, damaged_areas};
pub use decode::{
    DecodeOptions, Decoded, DecodedLatents, Decoder, Outcome, ReducedSize, Region, decode, decode_deep,
    decode_exact, decode_latents, decode_reduced,
};
pub use deep::DeepPicture;
pub use encode::{analyse, encode_latents};
pub use encoding::{Check, EncodeOptions, Encoded, Protection};
pub use error::{Error, Result};
pub use exact::{GroupMode, mode_shares};
pub use figures::Figures;
pub use inter::{
    EncodedFrame, FrameHeader, FrameOptions, Painter, Reference, TemporalPrior, decode_frame, encode_frame,
};
pub use latents::Latents;
pub use limits::Limits;
pub use measure::psnr;
pub use mode::{Coding, Mode};
pub use model::{Model, Profile};
pub use picture::{Color, Metadata, Picture, PictureInfo};
pub use quality::Quality;
pub use registry::ModelRegistry;
pub use source::Source;
pub use target::Target;
