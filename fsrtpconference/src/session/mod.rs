// SPDX-License-Identifier: MPL-2.0
//! A session: one kind of media, sent to and received from any number of participants.
//!
//! [`Session`] is the object applications see; [`Inner`] does the work.

mod drops;
mod gate;
mod imp;
mod inner;
mod media;
mod negotiate;
mod outputs;
mod pads;
mod payload_types;
mod streams;

use std::sync::Arc;

use gst::glib;

pub use inner::{Inner, Settings};

glib::wrapper! {
    /// A session, as applications see it.
    pub struct Session(ObjectSubclass<imp::Session>) @extends gst::Object;
}

impl Session {
    /// The object for a session.
    pub fn new(inner: &Arc<Inner>) -> Self {
        let session: Self = glib::Object::builder()
            .property("name", format!("session_{}", inner.settings.id))
            .build();
        session.imp().bind(inner);
        inner.bind(&session);
        session
    }

    fn imp(&self) -> &imp::Session {
        glib::subclass::prelude::ObjectSubclassIsExt::imp(self)
    }

    /// The session behind the object.
    pub fn inner(&self) -> Option<&Arc<Inner>> {
        self.imp().inner()
    }
}
