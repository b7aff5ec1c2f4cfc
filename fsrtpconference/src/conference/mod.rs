// SPDX-License-Identifier: MPL-2.0
/**
 * SECTION:element-fsrtpconference
 *
 * `fsrtpconference` turns a pipeline into a call: link raw media into its sink pads, take
 * decoded media from its src pads, tell it the peer's codecs and candidates. It finds the
 * codecs installed, negotiates, encodes, sends, receives and decodes, and says on the bus
 * what it did and why it refused anything.
 *
 * ## Example pipelines
 *
 * A call to itself: the address it sends to is its own.
 * ```bash
 * gst-launch-1.0 fsrtpconference name=c \
 *     stream_0::transmitter=rawudp \
 *     stream_0::transmitter-properties="props,local-address=127.0.0.1,local-port=5000" \
 *     stream_0::remote-candidates=127.0.0.1:5002 \
 *     stream_0::remote-codecs="application/x-rtp,encoding-name=OPUS,payload=96" \
 *     audiotestsrc is-live=true wave=ticks ! c.audio_sink_0 \
 *     c.audio_src_0 ! audioconvert ! audioresample ! autoaudiosink
 * ```
 * With 5000 and 5002 exchanged, the same line is the other end of the call.
 *
 * Objects are reached by name (`session_0`, `participant_0`, `stream_0`) through
 * GstChildProxy, as results of the action signals, and in bus messages.
 */
mod children;
mod events;
mod imp;
mod pads;

use std::sync::Arc;

use farstream::negotiation::StreamId;
use farstream::{Result, StreamDirection};
use gst::glib;
use gst::prelude::*;

pub use pads::Side;

use crate::participant::Participant;
use crate::session::Inner;
use crate::stream::Stream;

glib::wrapper! {
    /// The element `fsrtpconference`. See the [module](self).
    pub struct Conference(ObjectSubclass<imp::Conference>)
        @extends gst::Bin, gst::Element, gst::Object,
        @implements gst::ChildProxy;
}

impl Conference {
    fn imp(&self) -> &imp::Conference {
        glib::subclass::prelude::ObjectSubclassIsExt::imp(self)
    }

    /// Ends a session and its streams.
    pub fn destroy_session(&self, inner: &Arc<Inner>) {
        self.imp().destroy_session(inner);
    }

    /// Adds a stream to a session, under this number if given and free.
    pub fn add_stream(
        &self,
        inner: &Arc<Inner>,
        participant: &Participant,
        direction: StreamDirection,
        number: Option<u32>,
    ) -> Result<Stream> {
        self.imp().add_stream(inner, participant, direction, number)
    }

    /// Ends a stream.
    pub fn destroy_stream(&self, inner: &Arc<Inner>, id: StreamId) {
        self.imp().destroy_stream(inner, id);
    }
}

/// Registers the element.
pub fn register(plugin: &gst::Plugin) -> std::result::Result<(), glib::BoolError> {
    gst::Element::register(
        Some(plugin),
        "fsrtpconference",
        gst::Rank::NONE,
        Conference::static_type(),
    )
}
