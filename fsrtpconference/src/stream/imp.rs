// SPDX-License-Identifier: MPL-2.0
//! The stream's GObject: properties and signals of the contract, passed on to its
//! session.

use std::sync::{Arc, LazyLock, OnceLock};

use farstream::candidate::{candidates_from_lines, split_lines};
use farstream::codec::codecs_to_caps;
use farstream::header_extension::{header_extensions_from_caps, header_extensions_to_caps};
use farstream::negotiation::StreamId;
use farstream::{Codec, Error, ErrorCode, Result, StreamDirection};
use glib::subclass::Signal;
use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use parking_lot::Mutex;

use super::pending::{Pending, Remote};
use crate::participant::Participant;
use crate::session::{Inner, Session};
use crate::signals::{fallible, procedure};
use crate::transport::{self, Transport};

/// What a stream belongs to.
pub struct Links {
    pub inner: Arc<Inner>,
    pub id: StreamId,
    pub session: glib::WeakRef<Session>,
    pub participant: Participant,
}

#[derive(Default)]
pub struct Stream {
    links: OnceLock<Links>,
    pending: Mutex<Pending>,
}

#[glib::object_subclass]
impl ObjectSubclass for Stream {
    const NAME: &'static str = "GstFsRtpStream";
    type Type = super::Stream;
    type ParentType = gst::Object;
}

fn properties() -> Vec<glib::ParamSpec> {
    let caps = |name: &str, blurb: &str| {
        glib::ParamSpecBoxed::builder::<gst::Caps>(name)
            .blurb(blurb)
            .read_only()
            .build()
    };
    let writable_caps = |name: &str, blurb: &str| {
        glib::ParamSpecBoxed::builder::<gst::Caps>(name)
            .blurb(blurb)
            .build()
    };
    vec![
        writable_caps(
            "remote-codecs",
            "Codecs the peer offers or answers, with their payload types",
        ),
        caps(
            "negotiated-codecs",
            "Codecs agreed on, with the peer's configuration; null before the peer told its own",
        ),
        caps(
            "current-recv-codecs",
            "Codecs being received, newest first; empty while none is",
        ),
        glib::ParamSpecFlags::builder::<StreamDirection>("direction")
            .blurb("Which way media flows, seen from this end")
            .default_value(StreamDirection::NONE)
            .build(),
        glib::ParamSpecObject::builder::<Participant>("participant")
            .blurb("Who is at the other end")
            .read_only()
            .build(),
        glib::ParamSpecObject::builder::<Session>("session")
            .blurb("The session this stream belongs to")
            .read_only()
            .build(),
        glib::ParamSpecBoxed::builder::<gst::Structure>("decryption-parameters")
            .blurb("Keys to decrypt with (SRTP)")
            .build(),
        glib::ParamSpecBoolean::builder("require-encryption")
            .blurb("Whether packets that are not encrypted are thrown away")
            .build(),
        writable_caps("rtp-header-extensions", "Header extensions the peer offers"),
        glib::ParamSpecBoolean::builder("send-rtcp-mux")
            .blurb("Whether RTCP is sent on the port of RTP (RFC 5761)")
            .build(),
        glib::ParamSpecString::builder("remote-candidates")
            .blurb(
                "Where the peer is: candidate lines (RFC 8839) or ip:port, separated by commas or \
                 newlines; each write adds",
            )
            .build(),
        glib::ParamSpecString::builder("transmitter")
            .blurb("How packets travel, such as rawudp; chosen once, when the conference is READY")
            .build(),
        glib::ParamSpecBoxed::builder::<gst::Structure>("transmitter-properties")
            .blurb(
                "Properties of the transmitter, such as props,local-port=5000; to be set before \
                 it is chosen",
            )
            .build(),
        glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
            .blurb("What was received; fields are named as in W3C webrtc-stats")
            .read_only()
            .build(),
    ]
}

fn signals() -> Vec<Signal> {
    type Object = super::Stream;
    let caps = gst::Caps::static_type();
    let structure = gst::Structure::static_type();
    let lines = Vec::<String>::static_type();
    vec![
        fallible::<Object>(
            "set-transmitter",
            [String::static_type(), structure],
            |stream, args| {
                stream
                    .imp()
                    .set_transmitter(&args.text(0), args.structure(1))
            },
        ),
        fallible::<Object>("add-remote-candidates", [lines], |stream, args| {
            stream.imp().remote_candidates(args.texts(0), false)
        }),
        fallible::<Object>("force-remote-candidates", [lines], |stream, args| {
            stream.imp().remote_candidates(args.texts(0), true)
        }),
        fallible::<Object>("set-remote-codecs", [caps], |stream, args| {
            let links = stream.imp().live()?;
            links
                .inner
                .set_remote_codecs(links.id, &args.required_caps(0)?)
        }),
        fallible::<Object>("set-decryption-parameters", [structure], |stream, _| {
            stream.imp().live()?;
            Err(Error::not_implemented("set-decryption-parameters (SRTP)"))
        }),
        fallible::<Object>("add-id", [u32::static_type()], |stream, args| {
            let links = stream.imp().live()?;
            links.inner.add_id(links.id, args.uint(0))
        }),
        procedure::<Object>("destroy", |stream| {
            if let Some(links) = stream.imp().links()
                && let Some(conference) = links.inner.context.conference()
            {
                conference.destroy_stream(&links.inner, links.id);
            }
        }),
        Signal::builder("src-pad-added")
            .param_types([gst::Pad::static_type(), caps])
            .build(),
    ]
}

impl ObjectImpl for Stream {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(properties);
        &PROPERTIES
    }

    fn signals() -> &'static [Signal] {
        static SIGNALS: LazyLock<Vec<Signal>> = LazyLock::new(signals);
        &SIGNALS
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        if let Err(error) = self.set(pspec.name(), value) {
            self.refuse(&error.within(format_args!("property {}", pspec.name())));
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        self.get(pspec.name())
            .unwrap_or_else(|| pspec.default_value().clone())
    }
}

impl GstObjectImpl for Stream {}

impl Stream {
    pub fn bind(&self, links: Links) {
        let _ = self.links.set(links);
    }

    pub fn links(&self) -> Option<&Links> {
        self.links.get()
    }

    pub fn participant(&self) -> Participant {
        match self.links() {
            Some(links) => links.participant.clone(),
            // Only for an object that no session made.
            None => Participant::new("nobody"),
        }
    }

    /// The links of a stream that was not destroyed.
    fn live(&self) -> Result<&Links> {
        let links = self.links().ok_or_else(|| {
            Error::invalid("expected a stream made by a session (new-stream), got another")
        })?;
        links
            .inner
            .transport(links.id)
            .map_err(|_| Error::disposed(&self.obj().name()))?;
        Ok(links)
    }

    fn refuse(&self, error: &Error) {
        if let Some(links) = self.links() {
            self.obj().post_error(error);
            links.inner.context.warn(error);
            links.inner.context.deliver();
        }
    }

    fn set(&self, property: &str, value: &glib::Value) -> Result<()> {
        let links = self.live()?;
        let caps = || value.get::<Option<gst::Caps>>().ok().flatten();
        match property {
            "remote-codecs" => {
                let caps = caps().ok_or_else(|| Error::invalid("expected caps, got null"))?;
                links.inner.set_remote_codecs(links.id, &caps)
            }
            "rtp-header-extensions" => {
                let list = match caps() {
                    Some(caps) => header_extensions_from_caps(&caps)?,
                    None => Vec::new(),
                };
                links.inner.set_remote_header_extensions(links.id, list)
            }
            "direction" => {
                let direction = value.get().unwrap_or(StreamDirection::NONE);
                links.inner.set_direction_by_user(links.id, direction);
                Ok(())
            }
            "remote-candidates" => {
                let text = value
                    .get::<Option<String>>()
                    .ok()
                    .flatten()
                    .unwrap_or_default();
                let lines = split_lines(&text).map(str::to_owned).collect();
                self.remote_candidates(lines, false)?;
                self.pending.lock().remote_text = Some(text);
                Ok(())
            }
            "transmitter" => {
                let name = value
                    .get::<Option<String>>()
                    .ok()
                    .flatten()
                    .unwrap_or_default();
                self.wish_transmitter(&name)
            }
            "transmitter-properties" => {
                let mut pending = self.pending.lock();
                if pending.is_chosen() {
                    return Err(too_late());
                }
                pending.properties = value.get().ok().flatten();
                Ok(())
            }
            "require-encryption" | "send-rtcp-mux" if value.get() == Ok(false) => Ok(()),
            "decryption-parameters"
                if matches!(value.get::<Option<gst::Structure>>(), Ok(None)) =>
            {
                Ok(())
            }
            "require-encryption" | "send-rtcp-mux" | "decryption-parameters" => {
                Err(Error::not_implemented(property))
            }
            _ => Ok(()),
        }
    }

    /// The value of a property; none for the default.
    fn get(&self, property: &str) -> Option<glib::Value> {
        let links = self.links()?;
        match property {
            "participant" => return Some(links.participant.to_value()),
            "session" => return Some(links.session.upgrade().to_value()),
            "transmitter" => return Some(self.pending.lock().transmitter.to_value()),
            "transmitter-properties" => return Some(self.pending.lock().properties.to_value()),
            "remote-candidates" => return Some(self.pending.lock().remote_text.to_value()),
            _ => {}
        }
        self.live().ok()?;
        let list = |codecs: Option<&[Codec]>| codecs.map(codecs_to_caps).to_value();
        match property {
            "direction" => return Some(links.inner.direction(links.id).to_value()),
            "stats" => return Some(links.inner.stream_stats(links.id).to_value()),
            "current-recv-codecs" => {
                let codecs = links.inner.receive_codecs(links.id);
                return Some(list(Some(&codecs)));
            }
            _ => {}
        }
        let state = links.inner.live_state().ok()?;
        let negotiator = &state.negotiator;
        match property {
            "remote-codecs" => Some(list(negotiator.remote_codecs(links.id))),
            "negotiated-codecs" => Some(list(negotiator.negotiated_codecs(links.id))),
            "rtp-header-extensions" => {
                let extensions = negotiator.remote_header_extensions(links.id);
                let caps = (!extensions.is_empty()).then(|| header_extensions_to_caps(extensions));
                Some(caps.to_value())
            }
            _ => None,
        }
    }

    /// Chooses the transmitter, and tells it what waited for it.
    fn set_transmitter(&self, name: &str, properties: Option<gst::Structure>) -> Result<()> {
        let links = self.live()?;
        links
            .inner
            .set_transmitter(links.id, name, properties.as_deref())?;
        self.pending.lock().choose(name, properties);
        self.tell_waiting(links);
        links.inner.context.deliver();
        Ok(())
    }

    /// Tells the transmitter, if there is one, what waited for it.
    fn tell_waiting(&self, links: &Links) {
        let Ok(Some(transport)) = links.inner.transport(links.id) else {
            return;
        };
        let waiting = self.pending.lock().take_remotes();
        for remote in waiting {
            if let Err(error) = tell(&transport, &remote) {
                self.refuse(&error.within("remote candidates told before the transmitter"));
            }
        }
    }

    /// A property asks for a transmitter.
    fn wish_transmitter(&self, name: &str) -> Result<()> {
        transport::factory(name)?;
        {
            let mut pending = self.pending.lock();
            if pending.is_chosen() {
                return Err(too_late());
            }
            pending.transmitter = Some(name.to_owned());
        }
        // In NULL its properties may still come.
        let ready = self
            .links()
            .and_then(|links| links.inner.context.conference())
            .is_some_and(|conference| conference.current_state() >= gst::State::Ready);
        if ready {
            self.apply_pending();
        }
        Ok(())
    }

    /// Chooses what properties asked for.
    pub fn apply_pending(&self) {
        let Some((name, properties)) = self.pending.lock().wish() else {
            return;
        };
        if let Err(error) = self.set_transmitter(&name, properties) {
            self.refuse(&error.within(format_args!("transmitter {name}")));
        }
    }

    /// Tells where the peer is, now or once there is a transmitter.
    fn remote_candidates(&self, lines: Vec<String>, force: bool) -> Result<()> {
        let links = self.live()?;
        candidates_from_lines(lines.iter().map(String::as_str))?;
        let remote = Remote { lines, force };
        match links.inner.transport(links.id)? {
            Some(transport) => tell(&transport, &remote)?,
            None => {
                if !self.pending.lock().queue(remote) {
                    return Err(Error::invalid(
                        "expected a transmitter after so many candidates; set it first",
                    ));
                }
                // It may have come meanwhile.
                self.tell_waiting(links);
            }
        }
        links.inner.context.deliver();
        Ok(())
    }
}

fn tell(transport: &Transport, remote: &Remote) -> Result<()> {
    if remote.force {
        transport.force_remote_candidates(&remote.lines)
    } else {
        transport.add_remote_candidates(&remote.lines)
    }
}

fn too_late() -> Error {
    Error::new(
        ErrorCode::AlreadyExists,
        "the stream has a transmitter already; set its properties before it is chosen",
    )
}
