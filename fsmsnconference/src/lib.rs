// SPDX-License-Identifier: MPL-2.0
//! Farstream's MSN webcam conferences and the Mimic codec.

fn plugin_init(_plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    Ok(())
}

gst::plugin_define!(
    fsmsnconference,
    env!("CARGO_PKG_DESCRIPTION"),
    plugin_init,
    concat!(env!("CARGO_PKG_VERSION"), "-", env!("COMMIT_ID")),
    "MPL-2.0",
    "farstream",
    "Farstream in Rust",
    "unpublished",
    env!("BUILD_REL_DATE")
);
