//! The one build script of every plugin crate: it records version, commit and
//! date, which `gst-inspect-1.0` shows for the plugin.

fn main() {
    gst_plugin_version_helper::info();
}
