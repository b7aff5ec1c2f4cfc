// SPDX-License-Identifier: MPL-2.0
//! `fsrawudptransmitter`: packets over plain UDP.
/**
 * SECTION:element-fsrawudptransmitter
 *
 * Carries the packets of one stream to one participant over UDP and back, one socket for each
 * component: what comes on `sink_N` goes to the remote of component N, what the socket of component
 * N receives leaves at `src_N`. Component 1 is RTP, component 2 RTCP. It implements the transmitter
 * contract (docs/transmitters.md) without help against NAT: host candidates only.
 *
 * ## Ports
 *
 * Without any wish RTP takes the first free even port from 7078 up and RTCP the next one. Wishes
 * are `local-address` and `local-port`, or `preferred-local-candidates`, one line for each
 * component, where port 0 means any. A component without a wish follows the one before it. If a
 * port is in use the group moves two up; the candidate announced carries the real port. The sockets
 * are open from `gather-candidates` until the element is finalized, over all state changes.
 *
 * ## Remote candidates
 *
 * `add-remote-candidates` and `force-remote-candidates` do the same: each candidate replaces the
 * remote of its component, the last one of a list counts. `ip:port` is for RTP, and RTCP then goes
 * to the next port unless it was given one. There are no connectivity checks.
 *
 * ## States of a component
 *
 * `gathering` when sockets were asked for, then `connecting` as long as no remote is known, then
 * `ready`, together with `new-active-candidate-pair`. `ready` means that packets are sent; over
 * plain UDP nobody can tell whether they arrive. When the destination of RTP becomes known or
 * changes, or sending begins again, a key frame is asked for upstream.
 *
 * ## Threads
 *
 * A few threads serve all sockets of the process and push received packets. Put a `queue` behind a
 * `src` pad whose consumers wait, as sinks with `sync=true` do; otherwise the packets of other
 * transmitters wait too.
 *
 * ## Sharing
 *
 * Transmitters with equal `socket-group` that ask for the same port share a socket. A packet then
 * goes to the one whose remote it comes from; if none or several are such, to the oldest one, with
 * the custom meta `FsSourceUnknown`.
 *
 * ## Example
 *
 * Sends sound nowhere yet, as nobody tells it a remote: an application, or a conference, does.
 *
 * |[
 * gst-launch-1.0 -m fsrawudptransmitter name=t audiotestsrc is-live=true ! mulawenc \
 *     ! rtppcmupay ! t.sink_1 t.src_1 ! queue ! fakesink
 * ]|
 *
 * In Python, a sender to 127.0.0.1:5004 (RTCP 5005):
 *
 * |[
 * import gi
 * gi.require_version("Gst", "1.0")
 * from gi.repository import Gst, GLib
 * Gst.init(None)
 * pipeline = Gst.parse_launch(
 *     "audiotestsrc is-live=true ! mulawenc ! rtppcmupay ! t.sink_1 fsrawudptransmitter name=t")
 * transmitter = pipeline.get_by_name("t")
 * for error in (transmitter.emit("gather-candidates"),
 *               transmitter.emit("add-remote-candidates", ["127.0.0.1:5004"])):
 *     if error:
 *         raise error
 * pipeline.set_state(Gst.State.PLAYING)
 * GLib.MainLoop().run()
 * ]|
 */
mod actions;
mod drops;
mod imp;
mod local;
mod notices;
mod pads;
mod properties;
mod remotes;
mod routing;
mod serial;
mod shared;
mod source;
mod state;

use std::sync::LazyLock;

use gst::prelude::*;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "fsrawudptransmitter",
        gst::DebugColorFlags::empty(),
        Some("Farstream raw UDP transmitter"),
    )
});

glib::wrapper! {
    pub struct RawUdpTransmitter(ObjectSubclass<imp::RawUdpTransmitter>)
        @extends gst::Element, gst::Object;
}

pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(
        Some(plugin),
        "fsrawudptransmitter",
        gst::Rank::NONE,
        RawUdpTransmitter::static_type(),
    )
}
