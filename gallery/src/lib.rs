//! A page with the pictures that arrive at a receiver, for browsers.
//!
//! [`Gallery::take`] is told of every event of the receiver, and [`Gallery::serve`] serves the page. Nothing can be changed
//! through it. Pictures are named by numbers, so no path ever comes from a browser. The page learns of new pictures by
//! server-sent events.
//!
//! The library prints nothing.

mod access;
mod body;
mod pictures;
mod serve;
mod shown;

pub use access::Access;
pub use serve::Gallery;
