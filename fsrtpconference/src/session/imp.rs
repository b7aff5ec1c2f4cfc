// SPDX-License-Identifier: MPL-2.0
//! The session's GObject: properties and action signals of the contract, each passed on
//! to [`Inner`].

use std::sync::{Arc, LazyLock, OnceLock};

use farstream::codec::codecs_to_caps;
use farstream::header_extension::{header_extensions_from_caps, header_extensions_to_caps};
use farstream::negotiation::AllowedCaps;
use farstream::{Error, MediaType, Result, StreamDirection, message};
use glib::subclass::Signal;
use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::Inner;
use crate::conference::Conference;
use crate::participant::Participant;
use crate::signals::{action, fallible, procedure};
use crate::stream::Stream;
use crate::transport;

#[derive(Default)]
pub struct Session {
    inner: OnceLock<Arc<Inner>>,
}

impl Session {
    pub fn bind(&self, inner: &Arc<Inner>) {
        let _ = self.inner.set(inner.clone());
    }

    pub fn inner(&self) -> Option<&Arc<Inner>> {
        self.inner.get()
    }
}

#[glib::object_subclass]
impl ObjectSubclass for Session {
    const NAME: &'static str = "GstFsRtpSession";
    type Type = super::Session;
    type ParentType = gst::Object;
}

fn caps(name: &str, blurb: &str, writable: bool) -> glib::ParamSpec {
    let builder = glib::ParamSpecBoxed::builder::<gst::Caps>(name).blurb(blurb);
    if writable {
        builder.build()
    } else {
        builder.read_only().build()
    }
}

fn properties() -> Vec<glib::ParamSpec> {
    vec![
        glib::ParamSpecObject::builder::<Conference>("conference")
            .blurb("The conference this session belongs to")
            .read_only()
            .build(),
        glib::ParamSpecEnum::builder_with_default::<MediaType>("media-type", MediaType::Audio)
            .blurb("Kind of media")
            .read_only()
            .build(),
        glib::ParamSpecUInt::builder("id")
            .blurb("Number of the session: in its name, its pads and its messages")
            .read_only()
            .build(),
        glib::ParamSpecObject::builder::<gst::Pad>("sink-pad")
            .blurb("The conference's pad that takes the media to send")
            .read_only()
            .build(),
        caps(
            "codec-preferences",
            "Codecs to use, best first; entries may disable a codec (payload=-2) or reserve a \
             payload type (encoding-name=reserve-pt). Reads as the entries in use; null goes back \
             to the defaults",
            true,
        ),
        caps(
            "codecs",
            "Codecs to announce to the peer; null while the configuration of one is not known yet",
            false,
        ),
        caps(
            "codecs-without-config",
            "Codecs to announce to a peer that needs no configuration",
            false,
        ),
        caps(
            "current-send-codec",
            "The codec being sent, as announced; null while nothing is sent",
            false,
        ),
        caps(
            "send-codec",
            "The codec asked for, one structure that may leave out what does not matter; null \
             leaves the choice to negotiation",
            true,
        ),
        glib::ParamSpecUInt::builder("tos")
            .blurb("IP type of service of every packet sent")
            .maximum(255)
            .build(),
        caps("allowed-sink-caps", "Formats that the sink pad takes", true),
        caps(
            "allowed-src-caps",
            "Formats that the source pads give",
            true,
        ),
        glib::ParamSpecBoxed::builder::<gst::Structure>("encryption-parameters")
            .blurb("Keys to encrypt with (SRTP)")
            .build(),
        glib::ParamSpecInt::builder("no-rtcp-timeout")
            .blurb(
                "Milliseconds after which a source of unknown owner is given to the session's \
                 only stream; 0 at once, -1 never",
            )
            .minimum(-1)
            .default_value(7000)
            .build(),
        glib::ParamSpecUInt::builder("ssrc")
            .blurb("The SSRC this session sends with")
            .build(),
        glib::ParamSpecUInt::builder("send-bitrate")
            .blurb("Bits per second to send with; 0 leaves the encoder's own")
            .build(),
        caps(
            "rtp-header-extensions",
            "Header extensions agreed on",
            false,
        ),
        caps(
            "rtp-header-extension-preferences",
            "Header extensions wished for",
            true,
        ),
        glib::ParamSpecObject::builder::<glib::Object>("internal-session")
            .blurb("rtpbin's own session object")
            .read_only()
            .build(),
        glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
            .blurb("What was sent and received; fields are named as in W3C webrtc-stats")
            .read_only()
            .build(),
    ]
}

fn signals() -> Vec<Signal> {
    type Object = super::Session;
    let caps = gst::Caps::static_type();
    let uint = u32::static_type();
    let text = String::static_type();
    vec![
        action::<Object, Option<Stream>>(
            "new-stream",
            [glib::Object::static_type(), text],
            |session, args| {
                let participant = args.object::<Participant>(0);
                session.imp().new_stream(participant, &args.text(1))
            },
        ),
        fallible::<Object>("set-send-codec", [caps], |session, args| {
            let inner = session.imp().get()?;
            inner.set_send_codec(&args.required_caps(0)?)
        }),
        fallible::<Object>("set-codec-preferences", [caps], |session, args| {
            session
                .imp()
                .get()?
                .set_codec_preferences(args.caps(0).as_ref())
        }),
        fallible::<Object>("set-allowed-caps", [caps, caps], |session, args| {
            session
                .imp()
                .get()?
                .set_allowed_caps(args.caps(0).as_ref(), args.caps(1).as_ref())
        }),
        fallible::<Object>(
            "set-encryption-parameters",
            [gst::Structure::static_type()],
            |session, _| {
                drop(session.imp().get()?.live_state()?);
                Err(Error::not_implemented("set-encryption-parameters (SRTP)"))
            },
        ),
        action::<Object, Option<gst::Caps>>("codecs-need-resend", [caps, caps], |session, args| {
            session.imp().codecs_need_resend(args.caps(0), args.caps(1))
        }),
        action::<Object, Vec<String>>("list-transmitters", [], |session, _| {
            match session
                .imp()
                .get()
                .and_then(|inner| inner.live_state().map(|_| ()))
            {
                Ok(()) => transport::names(),
                Err(_) => Vec::new(),
            }
        }),
        action::<Object, Gtype>("get-stream-transmitter-type", [text], |_, args| {
            let factory = transport::factory(&args.text(0)).ok();
            Gtype(
                factory
                    .and_then(|factory| factory.load().ok())
                    .map_or(glib::Type::INVALID, |factory| factory.element_type()),
            )
        }),
        action::<Object, bool>("start-telephony-event", [uint, uint], |session, _| {
            session.imp().telephony_refused()
        }),
        action::<Object, bool>("stop-telephony-event", [], |_, _| false),
        procedure::<Object>("destroy", |session| {
            if let Some(inner) = session.inner()
                && let Some(conference) = inner.context.conference()
            {
                conference.destroy_session(inner);
            }
        }),
    ]
}

impl ObjectImpl for Session {
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
        self.inner()
            .and_then(|inner| get(inner, pspec.name()))
            .unwrap_or_else(|| pspec.default_value().clone())
    }
}

impl GstObjectImpl for Session {}

impl Session {
    fn get(&self) -> Result<&Arc<Inner>> {
        self.inner().ok_or_else(|| {
            Error::invalid("expected a session made by a conference (new-session), got another")
        })
    }

    fn refuse(&self, error: &Error) {
        let Some(inner) = self.inner() else {
            return;
        };
        inner.post(|name| message::session_error(name, error));
        inner.context.warn(error);
        inner.context.deliver();
    }

    fn set(&self, property: &str, value: &glib::Value) -> Result<()> {
        let inner = self.get()?;
        let caps = || value.get::<Option<gst::Caps>>().ok().flatten();
        match property {
            "codec-preferences" => inner.set_codec_preferences(caps().as_ref()),
            "send-codec" => inner.wish_send_codec(caps().as_ref()),
            "allowed-sink-caps" => inner.set_allowed_caps(caps().as_ref(), None),
            "allowed-src-caps" => inner.set_allowed_caps(None, caps().as_ref()),
            "rtp-header-extension-preferences" => {
                let wishes = match caps() {
                    Some(caps) => header_extensions_from_caps(&caps)?,
                    None => Vec::new(),
                };
                inner.set_header_extension_preferences(wishes)
            }
            "tos" => {
                drop(inner.live_state()?);
                inner.set_tos(value.get().unwrap_or_default());
                Ok(())
            }
            "no-rtcp-timeout" => {
                inner.live_state()?.no_rtcp_timeout = value.get().unwrap_or(7000);
                Ok(())
            }
            "ssrc" => {
                drop(inner.live_state()?);
                inner.path.engine.set_ssrc(value.get().unwrap_or_default());
                Ok(())
            }
            "send-bitrate" if value.get() == Ok(0u32) => Ok(()),
            "send-bitrate" => Err(Error::not_implemented("send-bitrate")),
            "encryption-parameters" => match value.get::<Option<gst::Structure>>() {
                Ok(None) => Ok(()),
                _ => Err(Error::not_implemented("encryption-parameters (SRTP)")),
            },
            _ => Ok(()),
        }
    }

    fn new_stream(&self, participant: Option<Participant>, direction: &str) -> Option<Stream> {
        let result = self.get().and_then(|inner| {
            drop(inner.live_state()?);
            let participant = participant.ok_or_else(|| {
                Error::invalid(
                    "expected a participant made by this kind of conference (new-participant)",
                )
            })?;
            let direction = StreamDirection::from_nick(direction).ok_or_else(|| {
                Error::invalid(format!(
                    "expected direction none, send, recv or both, got {direction:?}"
                ))
            })?;
            let conference = inner
                .context
                .conference()
                .ok_or_else(|| Error::disposed("the conference"))?;
            conference.add_stream(inner, &participant, direction, None)
        });
        result
            .inspect_err(|error| {
                if let Some(inner) = self.inner() {
                    inner.post(|name| message::session_error(name, error));
                    inner.context.deliver();
                }
            })
            .ok()
    }

    fn codecs_need_resend(
        &self,
        old: Option<gst::Caps>,
        new: Option<gst::Caps>,
    ) -> Option<gst::Caps> {
        let empty = gst::Caps::new_empty();
        let result = self.get().and_then(|inner| {
            drop(inner.live_state()?);
            inner.codecs_need_resend(
                old.as_ref().unwrap_or(&empty),
                new.as_ref().unwrap_or(&empty),
            )
        });
        match result {
            Ok(codecs) => (!codecs.is_empty()).then(|| codecs_to_caps(&codecs)),
            Err(error) => {
                self.refuse(&error.within("codecs-need-resend"));
                None
            }
        }
    }

    /// Telephony comes with a later version; until then it says so.
    fn telephony_refused(&self) -> bool {
        if self.inner().is_some_and(|inner| !inner.is_destroyed()) {
            self.refuse(&Error::not_implemented("start-telephony-event (DTMF)"));
        }
        false
    }
}

/// The value of a property; none for the default, and for everything after `destroy` but
/// what names the session.
fn get(inner: &Inner, property: &str) -> Option<glib::Value> {
    let list = |codecs: Option<Vec<farstream::Codec>>| {
        codecs.map(|codecs| codecs_to_caps(&codecs)).to_value()
    };
    match property {
        "conference" => return Some(inner.context.conference().to_value()),
        "media-type" => return Some(inner.settings.media.to_value()),
        "id" => return Some(inner.settings.id.to_value()),
        _ => {}
    }
    // Outside the lock: these ask other objects.
    match property {
        "sink-pad" => {
            drop(inner.live_state().ok()?);
            return Some(inner.show_sink_pad().to_value());
        }
        "ssrc" => {
            drop(inner.live_state().ok()?);
            return Some(inner.path.engine.ssrc().to_value());
        }
        "stats" => {
            drop(inner.live_state().ok()?);
            let stats = inner.path.engine.stats().to_structure("session-stats");
            return Some(stats.to_value());
        }
        "internal-session" => {
            drop(inner.live_state().ok()?);
            return Some(inner.path.engine.internal().to_value());
        }
        _ => {}
    }
    let state = inner.live_state().ok()?;
    let negotiator = &state.negotiator;
    let AllowedCaps { sink, src } = negotiator.allowed_caps();
    let value = match property {
        "codec-preferences" => list(negotiator.codec_preferences()),
        "codecs" => list(negotiator.codecs()),
        "codecs-without-config" => list(Some(negotiator.codecs_without_config())),
        "current-send-codec" => list(state.current_send_codec.clone().map(|codec| vec![codec])),
        "send-codec" => list(state.send_wish.clone().map(|codec| vec![codec])),
        "tos" => state.tos.to_value(),
        "allowed-sink-caps" => sink.to_value(),
        "allowed-src-caps" => src.to_value(),
        "no-rtcp-timeout" => state.no_rtcp_timeout.to_value(),
        "rtp-header-extensions" => extensions(negotiator.header_extensions()),
        "rtp-header-extension-preferences" => extensions(negotiator.header_extension_preferences()),
        _ => return None,
    };
    Some(value)
}

fn extensions(list: &[farstream::HeaderExtension]) -> glib::Value {
    (!list.is_empty())
        .then(|| header_extensions_to_caps(list))
        .to_value()
}

/// A type as the result of a signal.
struct Gtype(glib::Type);

impl Default for Gtype {
    fn default() -> Self {
        Self(glib::Type::INVALID)
    }
}

impl StaticType for Gtype {
    fn static_type() -> glib::Type {
        glib::Type::static_type()
    }
}

impl ToValue for Gtype {
    fn to_value(&self) -> glib::Value {
        self.0.to_value()
    }

    fn value_type(&self) -> glib::Type {
        Self::static_type()
    }
}
