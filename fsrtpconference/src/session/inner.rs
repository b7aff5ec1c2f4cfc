// SPDX-License-Identifier: MPL-2.0
//! The session itself: its state and its life. The GObject is in [`imp`](super::imp),
//! codecs in [`negotiate`](super::negotiate), streams in [`streams`](super::streams),
//! media in [`media`](super::media).

use std::collections::HashMap;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use farstream::association::Associations;
use farstream::message::SessionName;
use farstream::negotiation::{Negotiator, StreamId, default_preferences};
use farstream::{Codec, Error, MediaType, Result, StreamDirection};
use gst::prelude::*;
use parking_lot::Mutex;

use super::Session;
use super::outputs::Outputs;
use super::payload_types::PayloadTypes;
use crate::context::Context;
use crate::discovery;
use crate::engine::EngineSession;
use crate::media::receive::{ReceiveOwner, Substream};
use crate::media::send::{SendOwner, SendPath};
use crate::stream::Stream;
use crate::transport::{FanOut, Transport};

/// One stream as its session sees it.
pub struct StreamEntry {
    /// Names the stream in the core.
    pub id: StreamId,
    /// The object.
    pub object: Stream,
    /// The way to the participant.
    pub transport: Way,
    /// Whether the transport reaches the participant.
    pub connected: bool,
    /// Which way media flows.
    pub direction: StreamDirection,
    /// Whether the user chose the direction; else it follows the pads requested.
    pub direction_chosen: bool,
}

/// How far the choice of a transmitter has come.
pub enum Way {
    /// None was chosen.
    None,
    /// One is being made.
    Coming,
    /// It is there.
    There(Arc<Transport>),
}

impl Way {
    /// The transport, if it is there.
    pub fn there(&self) -> Option<&Arc<Transport>> {
        match self {
            Self::There(transport) => Some(transport),
            Self::None | Self::Coming => None,
        }
    }
}

/// A source that came in.
pub struct Source {
    /// The way of its packets.
    pub substream: Arc<Substream>,
    /// When it came.
    pub since: Instant,
    /// Whose it is, once known.
    pub stream: Option<StreamId>,
}

/// What the session's lock protects.
pub struct State {
    /// The codecs.
    pub negotiator: Negotiator,
    /// The streams, oldest first.
    pub streams: Vec<StreamEntry>,
    /// The number of the next stream.
    pub next_stream: u32,
    /// Whose SSRC is whose.
    pub associations: Associations<StreamId>,
    /// CNAMEs that sources announced.
    pub cnames: HashMap<u32, String>,
    /// The sources, oldest first.
    pub sources: Vec<Source>,
    /// Whether the sink pad was requested and not released.
    pub sink_requested: bool,
    /// Where media comes out.
    pub outputs: Outputs<gst::GhostPad>,
    /// The codec the user asked for.
    pub send_wish: Option<Codec>,
    /// The codec being sent, as announced.
    pub current_send_codec: Option<Codec>,
    /// IP type of service.
    pub tos: u32,
    /// Milliseconds until a source of unknown owner is given to the only stream; below
    /// zero: never.
    pub no_rtcp_timeout: i32,
    destroyed: bool,
}

impl State {
    /// The stream of this id.
    pub fn stream(&self, id: StreamId) -> Option<&StreamEntry> {
        self.streams.iter().find(|entry| entry.id == id)
    }

    /// The stream of this id.
    pub fn stream_mut(&mut self, id: StreamId) -> Option<&mut StreamEntry> {
        self.streams.iter_mut().find(|entry| entry.id == id)
    }
}

/// The elements of a session.
pub struct MediaPath {
    /// The RTP session.
    pub engine: EngineSession,
    /// From the sink pad to the engine.
    pub send: Arc<SendPath>,
    /// Between the engine and the transports.
    pub fan_out: FanOut,
}

impl MediaPath {
    fn new(context: &Context, allowed: &gst::Caps, defaults: bool) -> Result<Self> {
        let conference = context
            .bin()
            .ok_or_else(|| Error::disposed("the conference"))?;
        let engine = context.engine()?.open()?;
        let built = SendPath::new(
            &conference,
            &engine,
            context.worker.clone(),
            allowed,
            defaults,
        )
        .and_then(|send| match FanOut::new(&conference, &engine) {
            Ok(fan_out) => Ok((send, fan_out)),
            Err(error) => {
                send.dismantle();
                Err(error)
            }
        });
        match built {
            Ok((send, fan_out)) => Ok(Self {
                engine,
                send,
                fan_out,
            }),
            Err(error) => {
                engine.close();
                Err(error)
            }
        }
    }
}

/// How a session is made.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Number of the session, in its pads and messages.
    pub id: u32,
    /// Kind of media.
    pub media: MediaType,
    /// Whether a pad request made it, so that releasing the last pad ends it.
    pub automatic: bool,
    /// Whether the shipped preferences and element properties apply.
    pub defaults: bool,
}

/// A session. See the [module](self).
pub struct Inner {
    /// How it was made.
    pub settings: Settings,
    /// What it shares with the conference.
    pub context: Arc<Context>,
    /// The elements.
    pub path: MediaPath,
    /// The pad that takes the application's media; on the conference once somebody asks.
    pub sink_pad: gst::GhostPad,
    /// What the engine may be given.
    pub payload_types: PayloadTypes,
    /// Counts the times that an SSRC lost its stream.
    pub association_epoch: AtomicU32,
    object: OnceLock<glib::WeakRef<Session>>,
    /// Everything that changes.
    pub state: Mutex<State>,
}

impl Inner {
    /// A new session of this conference, with its elements.
    pub fn new(context: &Arc<Context>, settings: Settings) -> Result<Arc<Self>> {
        let media = settings.media;
        let preferences = if settings.defaults {
            default_preferences(media)?
        } else {
            Vec::new()
        };
        let (negotiator, _) = Negotiator::new(media, discovery::blueprints(media), preferences)?;
        let path = MediaPath::new(context, &negotiator.allowed_caps().sink, settings.defaults)?;
        let sink_pad = path
            .send
            .input()
            .zip(context.conference())
            .and_then(|(input, conference)| {
                let template = conference.pad_template(&format!("{media}_sink_%u"))?;
                let pad = gst::GhostPad::builder_from_template(&template)
                    .name(format!("{media}_sink_{}", settings.id))
                    .build();
                pad.set_target(Some(&input)).ok()?;
                Some(pad)
            })
            .ok_or_else(|| Error::construction("making the sink pad failed"))?;

        let inner = Arc::new(Self {
            settings,
            context: context.clone(),
            path,
            sink_pad,
            payload_types: PayloadTypes::default(),
            association_epoch: AtomicU32::new(1),
            object: OnceLock::new(),
            state: Mutex::new(State {
                negotiator,
                streams: Vec::new(),
                next_stream: 0,
                associations: Associations::default(),
                cnames: HashMap::new(),
                sources: Vec::new(),
                sink_requested: false,
                outputs: Outputs::default(),
                send_wish: None,
                current_send_codec: None,
                tos: 0,
                no_rtcp_timeout: 7000,
                destroyed: false,
            }),
        });
        let owner: Arc<dyn SendOwner> = inner.clone();
        inner.path.send.set_owner(Arc::downgrade(&owner));
        Ok(inner)
    }

    /// Binds it to its object.
    pub fn bind(&self, object: &Session) {
        let _ = self.object.set(object.downgrade());
    }

    /// The object, while somebody holds it.
    pub fn object(&self) -> Option<Session> {
        self.object.get()?.upgrade()
    }

    /// The session as messages name it.
    pub fn name(&self) -> Option<SessionName> {
        Some(SessionName {
            object: self.object()?.to_send_value(),
            id: self.settings.id,
        })
    }

    /// Queues a message about this session.
    pub fn post(&self, make: impl FnOnce(&SessionName) -> gst::Structure) {
        if let Some(name) = self.name() {
            self.context.post(make(&name));
        }
    }

    /// Queues `notify` of a property of the session.
    pub fn notify(&self, property: &'static str) {
        if let Some(object) = self.object() {
            self.context.notify(&object, property);
        }
    }

    /// Whether it was destroyed.
    pub fn is_destroyed(&self) -> bool {
        self.state.lock().destroyed
    }

    /// The state, or DISPOSED.
    pub fn live_state(&self) -> Result<parking_lot::MutexGuard<'_, State>> {
        let state = self.state.lock();
        if state.destroyed {
            Err(Error::disposed(&format!("session_{}", self.settings.id)))
        } else {
            Ok(state)
        }
    }

    /// As the one that receiving parts ask.
    pub fn receive_owner(self: &Arc<Self>) -> std::sync::Weak<dyn ReceiveOwner> {
        let owner: Arc<dyn ReceiveOwner> = self.clone();
        Arc::downgrade(&owner)
    }

    /// Ends the session: from now on everything answers DISPOSED, and the elements go.
    /// Returns the streams, which have ended too; none if it was destroyed before.
    pub fn destroy(self: &Arc<Self>) -> Option<Vec<Stream>> {
        let (entries, sources, outputs) = {
            let mut state = self.state.lock();
            if state.destroyed {
                return None;
            }
            state.destroyed = true;
            (
                std::mem::take(&mut state.streams),
                std::mem::take(&mut state.sources),
                state.outputs.take_all(),
            )
        };
        self.payload_types.set([]);
        self.path.send.set_open(false);
        for source in &sources {
            source.substream.set_receiving(false);
        }
        if let Some(conference) = self.context.conference() {
            for pad in &outputs {
                remove_from(&conference, pad);
            }
        }
        self.retire_sink_pad();
        let inner = self.clone();
        let transports: Vec<_> = entries
            .iter()
            .filter_map(|entry| entry.transport.there().cloned())
            .collect();
        self.context.worker.push(move || {
            let Some(conference) = inner.context.bin() else {
                return;
            };
            for transport in &transports {
                inner.path.fan_out.detach(&conference, transport);
            }
            inner.path.send.dismantle();
            for source in &sources {
                source.substream.dismantle();
            }
            inner.path.fan_out.dismantle(&conference);
            inner.path.engine.close();
            for pad in &outputs {
                let _ = pad.set_active(false);
            }
        });
        Some(entries.into_iter().map(|entry| entry.object).collect())
    }
}

/// Takes a pad off the conference, if it is there.
pub fn remove_from(conference: &crate::conference::Conference, pad: &gst::GhostPad) {
    if pad.parent().as_ref() == Some(conference.upcast_ref::<gst::Object>()) {
        let _ = conference.remove_pad(pad);
    }
}
