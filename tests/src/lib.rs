// SPDX-License-Identifier: MPL-2.0
//! What the end-to-end tests, the benchmarks and `cargo xtask call` share.
//!
//! [`isolation`] makes a process see our plugins and nothing of the user's
//! GStreamer state; [`media`] makes something to send; [`peer`] runs two
//! endpoints in a call that speak the line [`protocol`]; [`judge`] compares what
//! was sent with what came out; [`farstream`] starts endpoints of the original
//! Farstream.

pub mod call;
pub mod farstream;
pub mod isolation;
pub mod judge;
pub mod media;
pub mod peer;
pub mod protocol;
mod registry;
