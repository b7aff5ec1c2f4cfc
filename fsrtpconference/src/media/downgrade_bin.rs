// SPDX-License-Identifier: MPL-2.0
//! A bin whose elements can fail without ending the application's pipeline: their
//! errors become warnings.

use gst::glib;
use gst::subclass::prelude::*;

mod imp {
    use super::*;

    #[derive(Default)]
    pub struct DowngradeBin;

    #[glib::object_subclass]
    impl ObjectSubclass for DowngradeBin {
        const NAME: &'static str = "GstFsRtpErrorDowngradeBin";
        type Type = super::DowngradeBin;
        type ParentType = gst::Bin;
    }

    impl ObjectImpl for DowngradeBin {}
    impl GstObjectImpl for DowngradeBin {}
    impl ElementImpl for DowngradeBin {}

    impl BinImpl for DowngradeBin {
        fn handle_message(&self, message: gst::Message) {
            let downgraded = match message.view() {
                gst::MessageView::Error(error) => Some(to_warning(&message, error)),
                _ => None,
            };
            self.parent_handle_message(downgraded.unwrap_or(message));
        }
    }
}

/// The same message as a warning.
fn to_warning(message: &gst::MessageRef, error: &gst::message::Error) -> gst::Message {
    // The text is what matters; the domain may be any element's own.
    let details = error
        .debug()
        .map_or_else(String::new, |debug| format!(": {debug}"));
    let details = format!("an error, but the call goes on{details}");
    let error = error.error();
    let builder = gst::message::Warning::builder(gst::StreamError::Failed, error.message())
        .debug(&details)
        .seqnum(message.seqnum());
    match message.src() {
        Some(source) => builder.src(source).build(),
        None => builder.build(),
    }
}

glib::wrapper! {
    /// See the [module](self).
    pub struct DowngradeBin(ObjectSubclass<imp::DowngradeBin>)
        @extends gst::Bin, gst::Element, gst::Object,
        @implements gst::ChildProxy;
}

impl DowngradeBin {
    /// An empty bin of this name.
    pub fn new(name: &str) -> Self {
        glib::Object::builder().property("name", name).build()
    }
}
