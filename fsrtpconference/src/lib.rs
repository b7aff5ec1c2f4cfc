// SPDX-License-Identifier: MPL-2.0
//! Plugin `fsrtpconference`: calls over RTP.
//!
//! - [`conference`], [`session`], [`stream`], [`participant`]: the objects applications
//!   see. What they decide is decided in the crate `farstream`.
//! - [`discovery`]: which codecs this machine has.
//! - [`media`]: elements between pads and the RTP engine; [`engine`]: the RTP engine;
//!   [`transport`]: where packets of a participant enter and leave.
//! - [`context`], [`outbox`], [`worker`], [`elements`], [`signals`]: what all of these
//!   share.

mod conference;
mod context;
mod discovery;
mod elements;
mod engine;
mod media;
mod outbox;
mod participant;
mod session;
mod signals;
mod stream;
mod transport;
mod worker;

fn plugin_init(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    conference::register(plugin)
}

gst::plugin_define!(
    fsrtpconference,
    env!("CARGO_PKG_DESCRIPTION"),
    plugin_init,
    concat!(env!("CARGO_PKG_VERSION"), "-", env!("COMMIT_ID")),
    "MPL-2.0",
    "farstream",
    "Farstream in Rust",
    "unpublished",
    env!("BUILD_REL_DATE")
);
