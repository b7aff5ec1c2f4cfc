// SPDX-License-Identifier: MPL-2.0
//! The conference's GObject: properties, signals, pads, states and children.

use std::sync::{Arc, LazyLock};

use farstream::negotiation::StreamId;
use farstream::{Error, MediaType, Result, StreamDirection, message};
use glib::subclass::Signal;
use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use parking_lot::Mutex;

use super::children::{Children, lowest_free};
use super::events::{EngineEvents, Verdict, handle_element_message};
use super::pads::{Request, Side, TEMPLATES};
use crate::context::Context;
use crate::media;
use crate::participant::Participant;
use crate::session::{Inner, Session, Settings};
use crate::signals::action;
use crate::stream::Stream;

pub struct Conference {
    context: Arc<Context>,
    children: Mutex<Children>,
    default_preferences: Mutex<bool>,
}

impl Default for Conference {
    fn default() -> Self {
        Self {
            context: Arc::default(),
            children: Mutex::default(),
            default_preferences: Mutex::new(true),
        }
    }
}

#[glib::object_subclass]
impl ObjectSubclass for Conference {
    const NAME: &'static str = "GstFsRtpConference";
    type Type = super::Conference;
    type ParentType = gst::Bin;
    type Interfaces = (gst::ChildProxy,);
}

fn properties() -> Vec<glib::ParamSpec> {
    vec![
        glib::ParamSpecBoxed::builder::<gst::Structure>("sdes")
            .nick("SDES")
            .blurb("What RTCP says of this end (RFC 3550 section 6.5): cname, name, email, …")
            .build(),
        glib::ParamSpecBoolean::builder("default-preferences")
            .nick("Default preferences")
            .blurb(
                "Whether new sessions begin with the shipped codec preferences and low-latency \
                 element properties",
            )
            .default_value(true)
            .build(),
        glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
            .nick("Statistics")
            .blurb(
                "Sums over all sessions; fields are named as in W3C webrtc-stats. Sessions and \
                 streams have their own",
            )
            .read_only()
            .build(),
    ]
}

fn signals() -> Vec<Signal> {
    type Object = super::Conference;
    vec![
        action::<Object, Option<Session>>(
            "new-session",
            [String::static_type()],
            |conference, args| {
                let imp = conference.imp();
                let result = MediaType::from_nick(&args.text(0))
                    .ok_or_else(|| {
                        Error::invalid(format!(
                            "expected media audio, video or application, got {:?}",
                            args.text(0)
                        ))
                    })
                    .and_then(|media| {
                        let number = imp.children.lock().free_session();
                        imp.new_session(media, number, false)
                    });
                imp.or_error(result)
            },
        ),
        action::<Object, Option<Participant>>("new-participant", [], |conference, _| {
            let imp = conference.imp();
            if let Err(error) = imp.context.engine() {
                return imp.or_error(Err(error));
            }
            let participant = imp.children.lock().new_participant(None);
            conference.child_added(&participant, &participant.name());
            Some(participant)
        }),
    ]
}

impl ObjectImpl for Conference {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(properties);
        &PROPERTIES
    }

    fn signals() -> &'static [Signal] {
        static SIGNALS: LazyLock<Vec<Signal>> = LazyLock::new(signals);
        &SIGNALS
    }

    fn constructed(&self) {
        self.parent_constructed();
        let conference = self.obj();
        self.context.bind(&conference);
        if let Ok(engine) = self.context.engine() {
            engine.connect(Arc::new(EngineEvents(conference.downgrade())));
            let _ = conference.add(engine.element());
        }
    }

    fn dispose(&self) {
        for inner in self.sessions() {
            self.destroy_session(&inner);
        }
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        match pspec.name() {
            "default-preferences" => {
                *self.default_preferences.lock() = value.get().unwrap_or(true);
            }
            "sdes" => {
                if let (Ok(engine), Ok(Some(sdes))) =
                    (self.context.engine(), value.get::<Option<gst::Structure>>())
                {
                    engine.element().set_property("sdes", sdes);
                }
            }
            _ => {}
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        let engine = self.context.engine().ok();
        match (pspec.name(), engine) {
            ("default-preferences", _) => self.default_preferences.lock().to_value(),
            ("sdes", Some(engine)) => engine.element().property_value("sdes"),
            ("stats", Some(_)) => self.stats().to_value(),
            _ => pspec.default_value().clone(),
        }
    }
}

impl GstObjectImpl for Conference {}

impl ElementImpl for Conference {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Farstream RTP conference",
                "Generic/Bin/RTP",
                "A call: negotiates codecs, encodes, sends, receives and decodes audio and video \
                 with any number of participants",
                "The Farstream developers",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        &TEMPLATES
    }

    fn request_new_pad(
        &self,
        template: &gst::PadTemplate,
        name: Option<&str>,
        _caps: Option<&gst::Caps>,
    ) -> Option<gst::Pad> {
        let result = Request::parse(template.name_template(), name)
            .ok_or_else(|| {
                Error::invalid(format!(
                    "expected a pad name like {}, got {name:?}",
                    template.name_template()
                ))
            })
            .and_then(|request| self.request_pad(template, request));
        self.or_refusal(result)
    }

    fn release_pad(&self, pad: &gst::Pad) {
        let owner = self.sessions().into_iter().find_map(|inner| {
            let side = inner.side_of(pad)?;
            Some((inner, side))
        });
        let Some((inner, side)) = owner else {
            return;
        };
        if inner.release(side) {
            self.destroy_session(&inner);
        }
        // Destroying takes the pads off as well.
        if pad.parent().as_ref() == Some(self.obj().upcast_ref::<gst::Object>()) {
            let _ = pad.set_active(false);
            let _ = self.obj().remove_pad(pad);
        }
    }

    fn send_event(&self, event: gst::Event) -> bool {
        let result = self.parent_send_event(event.clone());
        if event.type_() == gst::EventType::Eos {
            for inner in self.sessions() {
                inner.end(&event);
            }
        }
        result
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> std::result::Result<gst::StateChangeSuccess, gst::StateChangeError> {
        if transition == gst::StateChange::NullToReady
            && let Err(error) = self.context.engine()
        {
            gst::element_imp_error!(self, gst::CoreError::MissingPlugin, ["{}", error.message()]);
            return Err(gst::StateChangeError);
        }
        let success = self.parent_change_state(transition)?;
        match transition {
            gst::StateChange::NullToReady => {
                let streams: Vec<_> = self.children.lock().streams().cloned().collect();
                for stream in streams {
                    stream.apply_pending();
                }
                Ok(success)
            }
            // A live bin: gst-launch would wait for ever for a pad that shows up later.
            gst::StateChange::ReadyToPaused | gst::StateChange::PlayingToPaused => {
                Ok(gst::StateChangeSuccess::NoPreroll)
            }
            gst::StateChange::ReadyToNull => {
                self.context.worker.wait();
                Ok(success)
            }
            _ => Ok(success),
        }
    }
}

impl BinImpl for Conference {
    fn handle_message(&self, message: gst::Message) {
        let verdict = match (message.view(), message.src()) {
            (gst::MessageView::Element(element), Some(source)) => {
                element.structure().map_or(Verdict::PassOn, |s| {
                    handle_element_message(&self.obj(), source, s)
                })
            }
            _ => Verdict::PassOn,
        };
        if verdict == Verdict::PassOn {
            self.parent_handle_message(message);
        }
    }
}

impl ChildProxyImpl for Conference {
    fn child_by_name(&self, name: &str) -> Option<glib::Object> {
        let child = self.children.lock().by_name(name);
        child
            .map(Cast::upcast)
            .or_else(|| self.obj().by_name(name).map(Cast::upcast))
    }

    fn child_by_index(&self, index: u32) -> Option<glib::Object> {
        let ours = self.children.lock().all();
        let index = index as usize;
        match ours.get(index) {
            Some(child) => Some(child.clone().upcast()),
            None => {
                let elements = self.obj().children();
                let child = elements.get(index - ours.len())?;
                Some(child.clone().upcast())
            }
        }
    }

    fn children_count(&self) -> u32 {
        let ours = self.children.lock().all().len();
        u32::try_from(ours + self.obj().children().len()).unwrap_or(u32::MAX)
    }
}

impl Conference {
    /// The sessions behind the objects.
    pub fn sessions(&self) -> Vec<Arc<Inner>> {
        self.children
            .lock()
            .sessions()
            .filter_map(|session| session.inner().cloned())
            .collect()
    }

    /// The result, or none with the error on the bus.
    fn or_error<T>(&self, result: Result<T>) -> Option<T> {
        result
            .inspect_err(|error| {
                self.context
                    .post(message::error(&self.obj().to_send_value(), error));
                self.context.deliver();
            })
            .ok()
    }

    /// The same for refusals that no caller sees.
    fn or_refusal<T>(&self, result: Result<T>) -> Option<T> {
        result
            .inspect_err(|error| {
                self.context.refuse(&self.obj().to_send_value(), error);
                self.context.deliver();
            })
            .ok()
    }

    fn stats(&self) -> gst::Structure {
        let sessions = self.sessions();
        let all = sessions.iter().map(|inner| inner.path.engine.stats());
        let sum = all.fold(crate::engine::SessionStats::default(), |mut sum, stats| {
            sum.sent.packets += stats.sent.packets;
            sum.sent.bytes += stats.sent.bytes;
            sum.received.extend(stats.received);
            sum
        });
        sum.to_structure("conference-stats")
    }

    fn new_session(&self, media: MediaType, number: u32, automatic: bool) -> Result<Session> {
        let defaults = *self.default_preferences.lock();
        if defaults {
            media::apply_where_untouched(self.context.engine()?.element());
        }
        let inner = Inner::new(
            &self.context,
            Settings {
                id: number,
                media,
                automatic,
                defaults,
            },
        )?;
        let session = Session::new(&inner);
        self.children.lock().add_session(number, session.clone());
        self.obj().child_added(&session, &session.name());
        inner.announce_codecs();
        Ok(session)
    }

    /// Adds a stream to a session, under this number if given and free.
    pub fn add_stream(
        &self,
        inner: &Arc<Inner>,
        participant: &Participant,
        direction: StreamDirection,
        number: Option<u32>,
    ) -> Result<Stream> {
        let stream = {
            let mut children = self.children.lock();
            let number = children.free_stream(number);
            let stream = inner.new_stream(&format!("stream_{number}"), participant, direction)?;
            children.add_stream(number, stream.clone());
            stream
        };
        self.obj().child_added(&stream, &stream.name());
        Ok(stream)
    }

    /// Ends a stream.
    pub fn destroy_stream(&self, inner: &Arc<Inner>, id: StreamId) {
        if let Some(stream) = inner.remove_stream(id) {
            self.forget_stream(&stream);
        }
        self.context.deliver();
    }

    fn forget_stream(&self, stream: &Stream) {
        self.children.lock().remove_stream(stream);
        self.obj().child_removed(stream, &stream.name());
    }

    /// Ends a session and its streams.
    pub fn destroy_session(&self, inner: &Arc<Inner>) {
        let Some(streams) = inner.destroy() else {
            return;
        };
        for stream in streams {
            self.forget_stream(&stream);
        }
        let session = self.children.lock().remove_session(inner.settings.id);
        if let Some(session) = session {
            self.obj().child_removed(&session, &session.name());
        }
        self.context.deliver();
    }

    fn request_pad(&self, template: &gst::PadTemplate, request: Request) -> Result<gst::Pad> {
        let inner = self.session_for(request)?;
        let number = inner.settings.id;
        let pad = match request.side {
            Side::Sink => inner.request_sink_pad()?,
            Side::Src => {
                let pad = inner.request_stable_pad(template, &request.pad_name(number))?;
                let _ = pad.set_active(true);
                self.obj()
                    .add_pad(&pad)
                    .map_err(|error| Error::invalid(error.message.to_string()))?;
                pad
            }
        };
        Ok(pad.upcast())
    }

    /// The session that a pad request means, made if it is not there.
    fn session_for(&self, request: Request) -> Result<Arc<Inner>> {
        let existing = |number: u32| {
            let children = self.children.lock();
            children.session(number).and_then(|s| s.inner().cloned())
        };
        let number = request.session.unwrap_or_else(|| {
            lowest_free(|n| {
                existing(n).is_some_and(|inner| {
                    inner.settings.media != request.media || inner.is_requested(request.side)
                })
            })
        });
        if let Some(inner) = existing(number) {
            return if inner.settings.media == request.media {
                inner.widen_direction(request.side);
                Ok(inner)
            } else {
                Err(Error::invalid(format!(
                    "expected a number that no session of other media has, got {}: session \
                     {number} is {}",
                    request.pad_name(number),
                    inner.settings.media
                )))
            };
        }
        let session = self.new_session(request.media, number, true)?;
        let inner = session
            .inner()
            .cloned()
            .ok_or_else(|| Error::disposed("the session"))?;
        let known = self.children.lock().participant(0);
        let participant = match known {
            Some(participant) => participant,
            None => {
                let participant = self.children.lock().new_participant(Some(0));
                self.obj().child_added(&participant, &participant.name());
                participant
            }
        };
        let direction = match request.side {
            Side::Sink => StreamDirection::BOTH,
            Side::Src => StreamDirection::RECV,
        };
        let stream = self.add_stream(&inner, &participant, direction, Some(number))?;
        if self.obj().current_state() >= gst::State::Ready {
            stream.apply_pending();
        }
        Ok(inner)
    }
}
