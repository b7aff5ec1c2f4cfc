// SPDX-License-Identifier: MPL-2.0
//! The session's pads on the conference: the sink pad and the stable src pad.

use std::sync::Arc;

use farstream::{Error, ErrorCode, Result, StreamDirection};
use gst::prelude::*;

use super::inner::{Inner, remove_from};
use crate::conference::Side;

impl Inner {
    /// Which of its pads this is.
    pub fn side_of(&self, pad: &gst::Pad) -> Option<Side> {
        if self.sink_pad.upcast_ref::<gst::Pad>() == pad {
            return Some(Side::Sink);
        }
        let state = self.state.lock();
        let stable = state.outputs.stable()?;
        (stable.upcast_ref::<gst::Pad>() == pad).then_some(Side::Src)
    }

    /// Whether this pad was requested and not released.
    pub fn is_requested(&self, side: Side) -> bool {
        let state = self.state.lock();
        match side {
            Side::Sink => state.sink_requested,
            Side::Src => state.outputs.stable().is_some(),
        }
    }

    /// The sink pad, on the conference from now on.
    pub fn show_sink_pad(&self) -> gst::GhostPad {
        if self.sink_pad.parent().is_none()
            && let Some(conference) = self.context.conference()
        {
            // What an ended session of this number may have left.
            if let Some(old) = conference.static_pad(&self.sink_pad.name()) {
                let _ = conference.remove_pad(&old);
            }
            let _ = self.sink_pad.set_active(true);
            let _ = conference.add_pad(&self.sink_pad);
        }
        self.sink_pad.clone()
    }

    /// The session ends: its sink pad goes. While a source is linked, it stays and throws
    /// away what comes, or the source would end the pipeline with an error.
    pub(super) fn retire_sink_pad(&self) {
        let Some(conference) = self.context.conference() else {
            return;
        };
        if !self.sink_pad.is_linked() {
            remove_from(&conference, &self.sink_pad);
            return;
        }
        if let Some(inside) = self.sink_pad.internal() {
            let types = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST;
            inside.add_probe(types, |_, _| gst::PadProbeReturn::Drop);
        }
        let context = Arc::downgrade(&self.context);
        self.sink_pad.connect_unlinked(move |pad, _| {
            let Some(context) = context.upgrade() else {
                return;
            };
            let pad = pad.downgrade();
            let conference = context.conference().map(|c| c.downgrade());
            context.worker.push(move || {
                if let (Some(pad), Some(conference)) =
                    (pad.upgrade(), conference.and_then(|c| c.upgrade()))
                {
                    remove_from(&conference, &pad);
                }
            });
        });
    }

    /// The sink pad, for a request.
    pub fn request_sink_pad(&self) -> Result<gst::GhostPad> {
        self.live_state()?.sink_requested = true;
        Ok(self.show_sink_pad())
    }

    /// The stable pad, for a request; not on the conference yet.
    pub fn request_stable_pad(
        self: &Arc<Self>,
        template: &gst::PadTemplate,
        name: &str,
    ) -> Result<gst::GhostPad> {
        let existing = self.live_state()?.outputs.stable().cloned();
        if existing.is_some() {
            return Err(Error::new(
                ErrorCode::AlreadyExists,
                format!("the pad {name} was requested before"),
            ));
        }
        let inner = Arc::downgrade(self);
        let pad = gst::GhostPad::builder_from_template(template)
            .name(name)
            .query_function(move |pad, parent, query| {
                if gst::Pad::query_default(pad, parent, query) {
                    return true;
                }
                // While no source is there, sinks still learn how late media will be.
                match (query.view_mut(), inner.upgrade()) {
                    (gst::QueryViewMut::Latency(latency), Some(inner)) => {
                        let Ok(engine) = inner.context.engine() else {
                            return false;
                        };
                        latency.set(true, engine.latency(), gst::ClockTime::NONE);
                        true
                    }
                    _ => false,
                }
            })
            .build();
        self.set_stable_pad(&pad)?;
        Ok(pad)
    }

    /// The application ends the pipeline with an EOS event: what no source or substream
    /// will end, ends here.
    pub fn end(&self, eos: &gst::Event) {
        if !self.sink_pad.is_linked() {
            self.path.fan_out.end(eos);
        }
        let stable = self.state.lock().outputs.stable().cloned();
        let stable = stable.filter(|pad| pad.target().is_none());
        let Some((pad, conference)) = stable.zip(self.context.conference()) else {
            return;
        };
        let eos = eos.clone();
        // Whoever sends an event to an element holds its state lock, which a sink without
        // preroll waits for; so not on this thread.
        conference.call_async(move |_| {
            let segment = gst::FormattedSegment::<gst::ClockTime>::new();
            pad.push_event(gst::event::StreamStart::new(&pad.name()));
            pad.push_event(gst::event::Segment::new(&segment));
            pad.push_event(eos);
        });
    }

    /// A requested pad was released. Returns whether that ends the session.
    pub fn release(&self, side: Side) -> bool {
        match side {
            Side::Sink => self.state.lock().sink_requested = false,
            Side::Src => self.release_stable_pad(),
        }
        let state = self.state.lock();
        self.settings.automatic && !state.sink_requested && state.outputs.stable().is_none()
    }

    /// A pad was requested in a session that exists: its own stream goes both ways, unless
    /// the user said otherwise.
    pub fn widen_direction(&self, side: Side) {
        let wanted = match side {
            Side::Sink => StreamDirection::BOTH,
            Side::Src => StreamDirection::RECV,
        };
        let widened: Vec<_> = {
            let state = self.state.lock();
            state
                .streams
                .iter()
                .filter(|entry| !entry.direction_chosen)
                .map(|entry| (entry.id, entry.direction | wanted))
                .collect()
        };
        for (id, direction) in widened {
            self.set_direction(id, direction);
        }
    }
}
