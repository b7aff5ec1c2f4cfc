// SPDX-License-Identifier: MPL-2.0
//! The media path: elements between an application's pads and the RTP engine.

pub mod codec_bin;
pub mod config_discovery;
mod downgrade_bin;
mod element_defaults;
pub mod receive;
pub mod send;

pub use element_defaults::apply_where_untouched;
