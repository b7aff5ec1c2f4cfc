// SPDX-License-Identifier: MPL-2.0
//! Farstream's transmitters: how packets reach a participant.
//!
//! [`rawudp`] knows the element, [`io`] knows sockets and threads. Neither knows the other's trade:
//! further transmitters over UDP use the same threads.

mod io;
mod rawudp;

fn plugin_init(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    rawudp::register(plugin)
}

gst::plugin_define!(
    fstransmitters,
    env!("CARGO_PKG_DESCRIPTION"),
    plugin_init,
    concat!(env!("CARGO_PKG_VERSION"), "-", env!("COMMIT_ID")),
    "MPL-2.0",
    "farstream",
    "Farstream in Rust",
    "unpublished",
    env!("BUILD_REL_DATE")
);
