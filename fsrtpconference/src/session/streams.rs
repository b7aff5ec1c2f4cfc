// SPDX-License-Identifier: MPL-2.0
//! The streams of a session: made, connected, taken away.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use farstream::message;
use farstream::negotiation::StreamId;
use farstream::{
    COMPONENT_RTP, Codec, Error, ErrorCode, MediaType, Result, StreamDirection, StreamState,
};
use gst::prelude::*;

use super::gate::StreamGate;
use super::inner::{Inner, StreamEntry, Way};
use crate::participant::Participant;
use crate::stream::Stream;
use crate::transport::{self, Transport};

impl Inner {
    /// A new stream to `participant`.
    pub fn new_stream(
        self: &Arc<Self>,
        name: &str,
        participant: &Participant,
        direction: StreamDirection,
    ) -> Result<Stream> {
        let session = self
            .object()
            .ok_or_else(|| Error::disposed("the session"))?;
        let id = {
            let mut state = self.live_state()?;
            state.next_stream += 1;
            StreamId(state.next_stream - 1)
        };
        let stream = Stream::new(name, self, id, &session, participant);
        let mut state = self.live_state()?;
        state.streams.push(StreamEntry {
            id,
            object: stream.clone(),
            transport: Way::None,
            connected: false,
            direction,
            direction_chosen: !self.settings.automatic,
        });
        Ok(stream)
    }

    /// Ends a stream: takes its transport and sources away and negotiates without it.
    /// Returns the object; none if it ended before.
    pub fn remove_stream(self: &Arc<Self>, id: StreamId) -> Option<Stream> {
        let (entry, sources, pads) = {
            let mut state = self.state.lock();
            let index = state.streams.iter().position(|entry| entry.id == id)?;
            let entry = state.streams.remove(index);
            state.associations.stream_gone(id);
            let (gone, left): (Vec<_>, Vec<_>) = std::mem::take(&mut state.sources)
                .into_iter()
                .partition(|source| source.stream == Some(id));
            state.sources = left;
            let pads: Vec<_> = gone
                .iter()
                .filter_map(|source| state.outputs.remove_own(source.substream.key()))
                .collect();
            (entry, gone, pads)
        };
        self.association_epoch.fetch_add(1, Ordering::AcqRel);
        for source in &sources {
            source.substream.set_receiving(false);
        }
        let inner = self.clone();
        let Way::There(transport) = entry.transport else {
            self.forget_remote(id);
            return Some(entry.object);
        };
        self.update_flow();
        self.context.worker.push(move || {
            for source in &sources {
                source.substream.dismantle();
            }
            if let Some(conference) = inner.context.conference() {
                for pad in &pads {
                    let _ = pad.set_active(false);
                    super::inner::remove_from(&conference, pad);
                }
                inner
                    .path
                    .fan_out
                    .detach(conference.upcast_ref(), &transport);
            }
        });
        self.forget_remote(id);
        Some(entry.object)
    }

    /// Chooses how the packets of a stream travel, and looks for local candidates at once.
    pub fn set_transmitter(
        self: &Arc<Self>,
        id: StreamId,
        transmitter: &str,
        properties: Option<&gst::StructureRef>,
    ) -> Result<()> {
        let (name, tos, direction) = {
            let mut state = self.live_state()?;
            let tos = state.tos;
            let entry = state
                .stream_mut(id)
                .ok_or_else(|| Error::disposed("the stream"))?;
            if !matches!(entry.transport, Way::None) {
                return Err(Error::new(
                    ErrorCode::AlreadyExists,
                    format!(
                        "{} has a transmitter already; make a new stream for another",
                        entry.object.name()
                    ),
                ));
            }
            entry.transport = Way::Coming;
            (entry.object.name(), tos, entry.direction)
        };
        let settings = transport::Settings {
            name: &format!("{transmitter}_{name}_{}", self.path.engine.number),
            transmitter,
            properties,
            socket_group: &format!("{:p}", Arc::as_ptr(self)),
            tos,
            sending: direction.sends(),
        };
        let result = self.connect(id, &settings);
        if result.is_err() {
            let transport = {
                let mut state = self.state.lock();
                state
                    .stream_mut(id)
                    .map(|entry| std::mem::replace(&mut entry.transport, Way::None))
            };
            if let Some(Way::There(transport)) = transport {
                self.detach_later(transport);
            }
        }
        result
    }

    fn connect(self: &Arc<Self>, id: StreamId, settings: &transport::Settings<'_>) -> Result<()> {
        let transport = Transport::new(settings, Arc::new(StreamGate::new(self, id)))?;
        let conference = self
            .context
            .bin()
            .ok_or_else(|| Error::disposed("the conference"))?;
        self.path.fan_out.attach(&conference, &transport)?;
        {
            let mut state = self.state.lock();
            match state.stream_mut(id) {
                Some(entry) => entry.transport = Way::There(transport.clone()),
                None => {
                    // Destroyed meanwhile.
                    drop(state);
                    self.detach_later(transport);
                    return Err(Error::disposed("the stream"));
                }
            }
        }
        transport.gather()
    }

    fn detach_later(self: &Arc<Self>, transport: Arc<Transport>) {
        let inner = self.clone();
        self.context.worker.push(move || {
            if let Some(conference) = inner.context.bin() {
                inner.path.fan_out.detach(&conference, &transport);
            }
        });
    }

    /// The transport of a stream, if there is one yet.
    pub fn transport(&self, id: StreamId) -> Result<Option<Arc<Transport>>> {
        let state = self.live_state()?;
        let entry = state
            .stream(id)
            .ok_or_else(|| Error::disposed("the stream"))?;
        Ok(entry.transport.there().cloned())
    }

    /// The stream whose transmitter `object` is, or is inside of.
    pub fn stream_of_transmitter(&self, object: &gst::Object) -> Option<(StreamId, Stream)> {
        let state = self.state.lock();
        state
            .streams
            .iter()
            .find(|entry| {
                entry
                    .transport
                    .there()
                    .is_some_and(|transport| transport.contains(object))
            })
            .map(|entry| (entry.id, entry.object.clone()))
    }

    /// Packets of a component flow between two candidates.
    pub fn pair_active(&self, id: StreamId, component: u32) {
        if component == COMPONENT_RTP {
            self.set_connected(id, true);
        }
    }

    /// A component's connection came further or broke.
    pub fn component_state(&self, id: StreamId, component: u32, state: StreamState) {
        if component != COMPONENT_RTP {
            return;
        }
        match state {
            StreamState::Connected | StreamState::Ready => self.set_connected(id, true),
            StreamState::Failed => {
                self.set_connected(id, false);
                let name = {
                    let state = self.state.lock();
                    state
                        .stream(id)
                        .and_then(|entry| entry.object.message_name())
                };
                if let Some(name) = name {
                    let error = Error::new(
                        ErrorCode::ConnectionFailed,
                        "expected a connection to the participant, none of its candidates could \
                         be reached; check the candidates of both sides",
                    );
                    self.context.post(message::stream_error(&name, &error));
                }
            }
            StreamState::Disconnected | StreamState::Gathering | StreamState::Connecting => {}
        }
    }

    fn set_connected(&self, id: StreamId, connected: bool) {
        {
            let mut state = self.state.lock();
            match state.stream_mut(id) {
                Some(entry) => entry.connected = connected,
                None => return,
            }
        }
        self.update_flow();
        if connected && self.settings.media == MediaType::Video {
            // Whoever just came has no picture to build on.
            self.path.send.request_key_frame();
        }
    }

    /// Changes which way media flows in a stream.
    pub fn set_direction(&self, id: StreamId, direction: StreamDirection) {
        let transport = {
            let mut state = self.state.lock();
            let Some(entry) = state.stream_mut(id) else {
                return;
            };
            entry.direction = direction;
            entry.transport.there().cloned()
        };
        if let Some(transport) = transport {
            transport.set_sending(direction.sends());
        }
        self.update_flow();
    }

    /// The same, as the user's word: pads requested later do not change it.
    pub fn set_direction_by_user(&self, id: StreamId, direction: StreamDirection) {
        if let Some(entry) = self.state.lock().stream_mut(id) {
            entry.direction_chosen = true;
        }
        self.set_direction(id, direction);
    }

    /// What came from a stream's sources, and what the session sent.
    pub fn stream_stats(&self, id: StreamId) -> gst::Structure {
        let ssrcs: Vec<_> = self.state.lock().associations.ssrcs(id).collect();
        let stats = self.path.engine.stats().of_sources(&ssrcs);
        stats.to_structure("stream-stats")
    }

    /// The codecs being received from a stream, newest first.
    pub fn receive_codecs(&self, id: StreamId) -> Vec<Codec> {
        let state = self.state.lock();
        let mut codecs: Vec<Codec> = Vec::new();
        for source in state.sources.iter().rev().filter(|s| s.stream == Some(id)) {
            if let Some(codec) = source.substream.codec().filter(|c| !codecs.contains(c)) {
                codecs.push(codec);
            }
        }
        codecs
    }

    /// Which way media flows in a stream.
    pub fn direction(&self, id: StreamId) -> StreamDirection {
        let state = self.state.lock();
        state
            .stream(id)
            .map_or(StreamDirection::NONE, |entry| entry.direction)
    }

    /// Encodes while there is somebody to send to, decodes while somebody wants it.
    pub(super) fn update_flow(&self) {
        let state = self.state.lock();
        let wanted = state
            .streams
            .iter()
            .any(|entry| entry.direction.sends() && entry.connected);
        self.path.send.set_open(wanted);
        for source in &state.sources {
            let receives = source
                .stream
                .and_then(|id| state.stream(id))
                .is_none_or(|entry| entry.direction.receives());
            source.substream.set_receiving(receives);
        }
    }

    /// IP type of service of everything the session sends.
    pub fn set_tos(&self, tos: u32) {
        let transports: Vec<_> = {
            let mut state = self.state.lock();
            state.tos = tos;
            state
                .streams
                .iter()
                .filter_map(|entry| entry.transport.there().cloned())
                .collect()
        };
        for transport in transports {
            transport.set_tos(tos);
        }
    }

    /// The application says that this SSRC is the stream's.
    pub fn add_id(&self, id: StreamId, ssrc: u32) -> Result<()> {
        {
            let mut state = self.live_state()?;
            if state.stream(id).is_none() {
                return Err(Error::disposed("the stream"));
            }
            state.associations.add_id(ssrc, id);
        }
        self.association_epoch.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }
}
