// SPDX-License-Identifier: MPL-2.0
//! The vocabulary of a call and every decision that needs no I/O.
//!
//! Codecs, candidates and header extensions with their conversions to and from
//! caps and text ([`codec`], [`candidate`], [`header_extension`]); what a machine
//! can encode and decode as plain values ([`blueprint`]); the agreement with any
//! number of peers ([`negotiation`]); which stream an SSRC belongs to
//! ([`association`]); port numbering ([`ports`]); the bus messages ([`message`])
//! and the one [`Error`].
//!
//! Nothing here opens a socket, reads a clock, takes a lock or creates an
//! element. GStreamer appears only as a library of values (caps, structures).

#![warn(missing_docs, missing_debug_implementations)]

pub mod association;
pub mod blueprint;
pub mod candidate;
pub mod codec;
mod error;
pub mod header_extension;
pub mod message;
pub mod negotiation;
pub mod ports;
mod types;

pub use candidate::Candidate;
pub use codec::{Codec, CodecId, PayloadType};
pub use error::{Error, Result};
pub use header_extension::HeaderExtension;
pub use types::*;
