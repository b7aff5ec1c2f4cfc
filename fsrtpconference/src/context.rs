// SPDX-License-Identifier: MPL-2.0
//! What all objects of one conference share: the way to the bus, the helper thread, the
//! RTP engine.

use std::sync::OnceLock;

use farstream::{Error, ErrorCode, Result, message};
use gst::prelude::*;

use crate::conference::Conference;
use crate::engine::RtpEngine;
use crate::outbox::Outbox;
use crate::worker::Worker;

/// Shared by a conference and everything in it.
#[derive(Default)]
pub struct Context {
    conference: glib::WeakRef<Conference>,
    engine: OnceLock<Result<RtpEngine>>,
    outbox: Outbox,
    /// Does what streaming threads must not do.
    pub worker: Worker,
}

impl Context {
    /// Binds it to its conference, whose engine is made now.
    pub fn bind(&self, conference: &Conference) {
        self.conference.set(Some(conference));
        self.engine.get_or_init(RtpEngine::new);
    }

    /// The conference, unless it is being finalized.
    pub fn conference(&self) -> Option<Conference> {
        self.conference.upgrade()
    }

    /// The conference as the bin that elements are added to.
    pub fn bin(&self) -> Option<gst::Bin> {
        self.conference().map(Cast::upcast)
    }

    /// The RTP engine, or why there is none.
    pub fn engine(&self) -> Result<&RtpEngine> {
        match self.engine.get() {
            Some(Ok(engine)) => Ok(engine),
            Some(Err(error)) => Err(error.clone()),
            None => Err(Error::new(
                ErrorCode::Internal,
                "the conference was not constructed",
            )),
        }
    }

    /// Queues an element message. Locks may be held.
    pub fn post(&self, structure: gst::Structure) {
        let conference = self.conference.clone();
        self.outbox.put(move || {
            if let Some(conference) = conference.upgrade() {
                let message = gst::message::Element::builder(structure)
                    .src(&conference)
                    .build();
                let _ = conference.post_message(message);
            }
        });
    }

    /// Queues the message LATENCY, since the path of some output is another now.
    pub fn post_latency_changed(&self) {
        let conference = self.conference.clone();
        self.outbox.put(move || {
            if let Some(conference) = conference.upgrade() {
                let message = gst::message::Latency::builder().src(&conference).build();
                let _ = conference.post_message(message);
            }
        });
    }

    /// Queues a warning: for refusals that have no caller to return an error to.
    pub fn warn(&self, error: &Error) {
        let conference = self.conference.clone();
        let text = error.message().to_owned();
        self.outbox.put(move || {
            if let Some(conference) = conference.upgrade() {
                let message = gst::message::Warning::builder(gst::LibraryError::Settings, &text)
                    .src(&conference)
                    .build();
                let _ = conference.post_message(message);
            }
        });
    }

    /// Queues a refusal of something set or requested on `source`: `farstream-error` and a
    /// warning.
    pub fn refuse(&self, source: &glib::SendValue, error: &Error) {
        self.post(message::error(source, error));
        self.warn(error);
    }

    /// Queues `notify::property`.
    pub fn notify(&self, object: &impl IsA<gst::Object>, property: &'static str) {
        let object = object.upcast_ref::<gst::Object>().downgrade();
        self.outbox.put(move || {
            if let Some(object) = object.upgrade() {
                object.notify(property);
            }
        });
    }

    /// Delivers what was queued. The caller holds no lock.
    pub fn deliver(&self) {
        self.outbox.deliver();
    }
}
