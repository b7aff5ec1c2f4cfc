// SPDX-License-Identifier: MPL-2.0
//! A stream: the media of one session to and from one participant.

mod imp;
mod pending;

use std::sync::Arc;

use farstream::codec::codecs_to_caps;
use farstream::message::StreamName;
use farstream::negotiation::StreamId;
use farstream::{Codec, Error, message};
use gst::glib;
use gst::prelude::*;

use crate::participant::Participant;
use crate::session::{Inner, Session};

glib::wrapper! {
    /// A stream, as applications see it.
    pub struct Stream(ObjectSubclass<imp::Stream>) @extends gst::Object;
}

impl Stream {
    /// The object for a stream of `session`.
    pub fn new(
        name: &str,
        inner: &Arc<Inner>,
        id: StreamId,
        session: &Session,
        participant: &Participant,
    ) -> Self {
        let stream: Self = glib::Object::builder().property("name", name).build();
        stream.imp().bind(imp::Links {
            inner: inner.clone(),
            id,
            session: session.downgrade(),
            participant: participant.clone(),
        });
        stream
    }

    fn imp(&self) -> &imp::Stream {
        glib::subclass::prelude::ObjectSubclassIsExt::imp(self)
    }

    /// Who is at the other end.
    pub fn participant(&self) -> Participant {
        self.imp().participant()
    }

    /// The stream as messages name it.
    pub fn message_name(&self) -> Option<StreamName> {
        let links = self.imp().links()?;
        Some(StreamName {
            object: self.to_send_value(),
            name: self.name().into(),
            session_id: links.inner.settings.id,
            participant: links.participant.name().into(),
        })
    }

    /// Tells the application of a new pad. Called on the streaming thread that is about to
    /// push the first buffer through it.
    pub fn emit_src_pad_added(&self, pad: &gst::Pad, codec: &Codec) {
        self.emit_by_name::<()>("src-pad-added", &[pad, &codecs_to_caps([codec])]);
    }

    /// Something set in a property can be carried out now: the conference got ready.
    pub fn apply_pending(&self) {
        self.imp().apply_pending();
    }

    /// Queues the error of this stream.
    pub fn post_error(&self, error: &Error) {
        if let (Some(name), Some(links)) = (self.message_name(), self.imp().links()) {
            links
                .inner
                .context
                .post(message::stream_error(&name, error));
        }
    }
}
