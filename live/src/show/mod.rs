//! Live frames at the receiver: which one to show, when, and how it is written out.
//!
//! [`Presenter`] reads no clock and decodes nothing. Its caller reports which bytes arrived and asks what to decode
//! next; a frame that a newer one supersedes is skipped. [`fit`] brings decoded frames to their full size. They
//! are written to a picture file that is replaced in one step, or to a y4m stream. [`Screens`] does all this for the
//! senders of an `aecodec-receiver`. Times are on the receiver's clock, from any fixed start.

mod outlet;
mod presenter;
mod screen;
mod view;

pub use outlet::Outlet;
pub use presenter::{Presenter, Show};
pub use screen::{PictureFile, Y4m, fit};
pub use view::Screens;
