// SPDX-License-Identifier: MPL-2.0
//! A participant: somebody at the other end of one or several streams.

use gst::glib;
use gst::prelude::*;

mod imp {
    use std::sync::LazyLock;

    use glib::subclass::prelude::*;
    use gst::prelude::*;
    use gst::subclass::prelude::*;
    use parking_lot::Mutex;

    #[derive(Default)]
    pub struct Participant {
        cname: Mutex<Option<String>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Participant {
        const NAME: &'static str = "GstFsRtpParticipant";
        type Type = super::Participant;
        type ParentType = gst::Object;
    }

    impl ObjectImpl for Participant {
        fn properties() -> &'static [glib::ParamSpec] {
            static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
                vec![
                    glib::ParamSpecString::builder("cname")
                        .nick("CNAME")
                        .blurb(
                            "The participant's canonical name (RTCP SDES CNAME); sources that \
                             announce it are this participant's",
                        )
                        .build(),
                ]
            });
            &PROPERTIES
        }

        fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
            if pspec.name() == "cname" {
                *self.cname.lock() = value.get().ok().flatten();
            }
        }

        fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
            match pspec.name() {
                "cname" => self.cname.lock().to_value(),
                _ => pspec.default_value().clone(),
            }
        }
    }

    impl GstObjectImpl for Participant {}
}

glib::wrapper! {
    /// See the [module](self).
    pub struct Participant(ObjectSubclass<imp::Participant>) @extends gst::Object;
}

impl Participant {
    /// A participant of this name.
    pub fn new(name: &str) -> Self {
        glib::Object::builder().property("name", name).build()
    }

    /// The canonical name, if the application told it.
    pub fn cname(&self) -> Option<String> {
        self.property("cname")
    }
}
