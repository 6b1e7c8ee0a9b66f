//! The sender.
