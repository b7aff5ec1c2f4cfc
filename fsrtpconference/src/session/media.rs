// SPDX-License-Identifier: MPL-2.0
//! The session's answers to its media path, and what becomes of sources that come in.
//! Called on streaming threads.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use farstream::codec::{Codec, PayloadType};
use farstream::negotiation::{CodecAssociation, StreamId, without_config};
use farstream::{Error, message};
use gst::prelude::*;

use super::inner::{Inner, Source, State, remove_from};
use super::outputs::Place;
use crate::media::codec_bin::{ReceivePlan, SendPlan};
use crate::media::receive::{ReceiveOwner, Substream};
use crate::media::send::SendOwner;

/// CNAMEs of sources nobody knows are kept up to this number.
const MAX_CNAMES: usize = 256;

fn send_plan(association: &CodecAssociation) -> Option<SendPlan> {
    Some(SendPlan {
        blueprint: association.blueprint.clone()?,
        codec: association.codec.clone(),
        send_codec: association.send_codec.clone(),
    })
}

impl SendOwner for Inner {
    fn send_plan(&self) -> Option<SendPlan> {
        let state = self.live_state().ok()?;
        if !state.negotiator.has_remote_codecs() {
            return None;
        }
        send_plan(
            state
                .negotiator
                .send_association(state.send_wish.as_ref())?,
        )
    }

    fn config_plan(&self) -> Option<SendPlan> {
        let state = self.live_state().ok()?;
        send_plan(state.negotiator.association_needing_config()?)
    }

    fn send_codec_changed(&self, codec: &Codec) {
        let before = self.state.lock().current_send_codec.replace(codec.clone());
        self.notify("current-send-codec");
        // What was only learned about the codec in use is no other codec.
        if before.map(|codec| without_config(&codec)) != Some(without_config(codec)) {
            self.post(|name| message::send_codec_changed(name, codec, &[]));
            self.update_rtcp_interval();
        }
        self.context.deliver();
    }

    fn caps_learned(&self, pt: PayloadType, caps: &gst::StructureRef) {
        {
            let mut state = self.state.lock();
            if !state.negotiator.learn_config(pt, caps)
                || state.negotiator.association_needing_config().is_some()
            {
                drop(state);
                self.path.send.invalidate();
                return;
            }
            self.notify("codecs");
            self.post(|name| message::codecs_changed(name, &[]));
        }
        self.path.send.invalidate();
        self.context.deliver();
    }

    fn send_failed(&self, error: Error) {
        self.post(|name| message::session_error(name, &error));
        self.context.deliver();
    }
}

impl State {
    /// Whose this source is, by every means there is.
    fn owner(&mut self, source: usize, now: Instant) -> Option<StreamId> {
        let source = self.sources.get(source)?;
        let ssrc = source.substream.ssrc;
        if let Some(stream) = self.associations.stream(ssrc) {
            return Some(stream);
        }
        let announced = self.cnames.get(&ssrc);
        let by_name = announced.and_then(|cname| {
            self.streams
                .iter()
                .find(|entry| entry.object.participant().cname().as_ref() == Some(cname))
        });
        let timeout = u64::try_from(self.no_rtcp_timeout).ok();
        let waited = timeout.is_some_and(|timeout| {
            now.saturating_duration_since(source.since) >= Duration::from_millis(timeout)
        });
        let only = match self.streams.as_slice() {
            [only] if waited => Some(only),
            _ => None,
        };
        let owner = by_name.or(only)?.id;
        self.associations.learn(ssrc, owner)
    }
}

impl ReceiveOwner for Inner {
    fn receive_plan(&self, substream: &Arc<Substream>) -> Option<ReceivePlan> {
        let mut state = self.live_state().ok()?;
        let index = state
            .sources
            .iter()
            .position(|source| Arc::ptr_eq(&source.substream, substream))?;
        let owner = state.owner(index, Instant::now());
        state.sources[index].stream = owner;
        let Some(stream) = owner.and_then(|id| state.stream(id)) else {
            // Asked again with the next packet.
            substream.invalidate();
            return None;
        };
        substream.set_receiving(stream.direction.receives());
        let codec = state.negotiator.receive_codec(owner, substream.payload)?;
        let blueprint = state
            .negotiator
            .receive_association(substream.payload)?
            .blueprint
            .clone()?;
        Some(ReceivePlan { blueprint, codec })
    }

    fn media_ready(&self, substream: &Arc<Substream>, codec: &Codec, pad: &gst::Pad) {
        let (stream, place, news) = {
            let state = self.state.lock();
            let Some(source) = state
                .sources
                .iter()
                .find(|source| Arc::ptr_eq(&source.substream, substream))
            else {
                return;
            };
            let Some(entry) = source.stream.and_then(|id| state.stream(id)) else {
                return;
            };
            let others = state
                .sources
                .iter()
                .filter(|other| other.stream == source.stream)
                .filter(|other| !Arc::ptr_eq(&other.substream, substream))
                .filter_map(|other| other.substream.codec());
            let mut codecs = vec![codec.clone()];
            for other in others {
                if !codecs.contains(&other) {
                    codecs.push(other);
                }
            }
            (
                entry.object.clone(),
                state.outputs.place(substream.key()),
                codecs,
            )
        };
        match place {
            Place::Stable(ghost) | Place::Own(ghost) => {
                let _ = ghost.set_target(Some(pad));
            }
            Place::New => {
                if let Some(ghost) = self.add_own_pad(substream, pad) {
                    stream.emit_src_pad_added(ghost.upcast_ref(), codec);
                }
            }
        }
        self.context.notify(&stream, "current-recv-codecs");
        if let Some(name) = stream.message_name() {
            self.context
                .post(message::recv_codecs_changed(&name, &news));
        }
        self.context.post_latency_changed();
        self.update_rtcp_interval();
        self.context.deliver();
    }

    fn receive_failed(&self, substream: &Arc<Substream>, error: Error) {
        let stream = {
            let state = self.state.lock();
            state
                .sources
                .iter()
                .find(|source| Arc::ptr_eq(&source.substream, substream))
                .and_then(|source| state.stream(source.stream?))
                .map(|entry| entry.object.clone())
        };
        match stream.and_then(|stream| stream.message_name()) {
            Some(name) => self.context.post(message::stream_error(&name, &error)),
            None => self.post(|name| message::session_error(name, &error)),
        }
        self.context.deliver();
    }
}

impl Inner {
    /// The engine gave a pad for a new source or payload type.
    pub fn source_added(self: &Arc<Self>, ssrc: u32, pt: PayloadType, pad: gst::Pad) {
        let Some(conference) = self.context.bin() else {
            return;
        };
        let substream = Substream::new(
            &conference,
            pad,
            (self.path.engine.number, ssrc, pt),
            self.receive_owner(),
            self.context.worker.clone(),
            self.settings.defaults,
        );
        if let Ok(mut state) = self.live_state() {
            state.sources.push(Source {
                substream,
                since: Instant::now(),
                stream: None,
            });
        }
    }

    /// The engine took the pad of a source back. Returns whether it was one of this
    /// session's.
    pub fn source_removed(self: &Arc<Self>, pad: &gst::Pad) -> bool {
        let (substream, ghost, successor) = {
            let mut state = self.state.lock();
            let Some(index) = state
                .sources
                .iter()
                .position(|source| source.substream.is_on(pad))
            else {
                return false;
            };
            let substream = state.sources.remove(index).substream;
            let ghost = state.outputs.remove_own(substream.key());
            (substream, ghost, self.successor(&state))
        };
        substream.dismantle();
        if let Some((stable, output)) = successor {
            let _ = stable.set_target(Some(&output));
        }
        let inner = self.clone();
        if let Some(ghost) = ghost {
            self.context.worker.push(move || {
                let _ = ghost.set_active(false);
                if let Some(conference) = inner.context.conference() {
                    remove_from(&conference, &ghost);
                }
            });
        }
        self.context.deliver();
        true
    }

    /// What the stable pad shows after a source went: the newest of the rest.
    fn successor(&self, state: &State) -> Option<(gst::GhostPad, gst::Pad)> {
        let stable = state.outputs.stable()?.clone();
        let output = state
            .sources
            .iter()
            .rev()
            .find_map(|source| source.substream.output())?;
        (stable.target().as_ref() != Some(&output)).then_some((stable, output))
    }

    /// A source was found to be a real one: whoever is new needs a key frame.
    pub fn source_validated(&self) {
        if self.settings.media == farstream::MediaType::Video {
            self.path.send.request_key_frame();
        }
    }

    /// A source said BYE or fell silent.
    pub fn source_gone(&self, ssrc: u32) {
        {
            let mut state = self.state.lock();
            state.associations.source_gone(ssrc);
            state.cnames.remove(&ssrc);
        }
        self.association_epoch.fetch_add(1, Ordering::AcqRel);
    }

    /// A source announced its CNAME.
    pub fn source_named(&self, ssrc: u32, cname: &str) {
        let mut state = self.state.lock();
        if state.cnames.len() < MAX_CNAMES || state.cnames.contains_key(&ssrc) {
            state.cnames.insert(ssrc, cname.to_owned());
        }
    }

    /// Makes the pad `src_N_SSRC_PT` on the conference.
    fn add_own_pad(&self, substream: &Substream, target: &gst::Pad) -> Option<gst::GhostPad> {
        let conference = self.context.conference()?;
        let template = conference.pad_template("src_%u_%u_%u")?;
        let ghost = gst::GhostPad::builder_from_template(&template)
            .name(format!(
                "src_{}_{}_{}",
                self.settings.id, substream.ssrc, substream.payload
            ))
            .build();
        ghost.set_target(Some(target)).ok()?;
        {
            let mut state = self.live_state().ok()?;
            state.outputs.add_own(substream.key(), ghost.clone());
        }
        let _ = ghost.set_active(true);
        conference.add_pad(&ghost).ok()?;
        Some(ghost)
    }

    /// The stable pad was requested: it takes over from the pads of single sources.
    pub fn set_stable_pad(&self, pad: &gst::GhostPad) -> Result<(), Error> {
        let (retired, output) = {
            let mut state = self.live_state()?;
            let retired = state.outputs.set_stable(pad.clone());
            let output = state
                .sources
                .iter()
                .rev()
                .find_map(|source| source.substream.output());
            (retired, output)
        };
        if let Some(conference) = self.context.conference() {
            for ghost in retired {
                let _ = ghost.set_target(None::<&gst::Pad>);
                remove_from(&conference, &ghost);
            }
        }
        if let Some(output) = output {
            let _ = pad.set_target(Some(&output));
        }
        Ok(())
    }

    /// The stable pad was released: sources get pads of their own again.
    pub fn release_stable_pad(&self) {
        let sources: Vec<_> = {
            let mut state = self.state.lock();
            if let Some(pad) = state.outputs.take_stable() {
                let _ = pad.set_target(None::<&gst::Pad>);
            }
            state.sources.iter().map(|s| s.substream.clone()).collect()
        };
        for substream in sources {
            substream.announce_again();
        }
    }
}
