// SPDX-License-Identifier: MPL-2.0
//! Finds the session or stream that news from the RTP engine and from transmitters is
//! about.

use std::sync::Arc;

use farstream::candidate::candidate_from_structure;
use farstream::codec::PayloadType;
use farstream::message::{self, Dropped, StreamName};
use farstream::negotiation::StreamId;
use farstream::{Candidate, Error, ErrorCode, Result, StreamState};

use super::Conference;
use crate::engine::Events;
use crate::session::Inner;

/// Passes what the engine says to the sessions of a conference.
pub struct EngineEvents(pub glib::WeakRef<Conference>);

impl EngineEvents {
    fn session(&self, number: u32) -> Option<Arc<Inner>> {
        let conference = self.0.upgrade()?;
        conference
            .imp()
            .sessions()
            .into_iter()
            .find(|inner| inner.path.engine.number == number)
    }
}

impl Events for EngineEvents {
    fn payload_caps(&self, session: u32, pt: PayloadType) -> Option<gst::Caps> {
        let inner = self.session(session)?;
        let state = inner.live_state().ok()?;
        let codec = state.negotiator.receive_codec(None, pt)?;
        Some(farstream::codec::pt_map_caps(&codec))
    }

    fn source_pad_added(&self, session: u32, ssrc: u32, pt: PayloadType, pad: gst::Pad) {
        if let Some(inner) = self.session(session) {
            inner.source_added(ssrc, pt, pad);
        }
    }

    fn source_pad_removed(&self, pad: &gst::Pad) {
        if let Some(conference) = self.0.upgrade() {
            conference
                .imp()
                .sessions()
                .iter()
                .any(|inner| inner.source_removed(pad));
        }
    }

    fn source_validated(&self, session: u32, _ssrc: u32) {
        if let Some(inner) = self.session(session) {
            inner.source_validated();
        }
    }

    fn source_gone(&self, session: u32, ssrc: u32) {
        if let Some(inner) = self.session(session) {
            inner.source_gone(ssrc);
        }
    }
}

/// What became of a message from inside the conference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was for the conference; the application gets one of its own.
    Taken,
    /// It goes on to the application.
    PassOn,
}

/// Looks at an element message from inside `conference`.
pub fn handle_element_message(
    conference: &Conference,
    source: &gst::Object,
    s: &gst::StructureRef,
) -> Verdict {
    if s.name() == "application/x-rtp-source-sdes" {
        name_source(conference, s);
        return Verdict::PassOn;
    }
    let found = conference.imp().sessions().into_iter().find_map(|inner| {
        let (id, stream) = inner.stream_of_transmitter(source)?;
        Some((inner, id, stream.message_name()?))
    });
    let Some((inner, id, name)) = found else {
        return Verdict::PassOn;
    };
    match from_transmitter(&inner, id, &name, s) {
        Ok(Verdict::Taken) => {
            inner.context.deliver();
            Verdict::Taken
        }
        Ok(Verdict::PassOn) => Verdict::PassOn,
        Err(error) => {
            // A transmitter that breaks the contract is worth hearing about.
            let error = error.within(format_args!("message {} of the transmitter", s.name()));
            inner.context.post(message::stream_error(&name, &error));
            inner.context.deliver();
            Verdict::Taken
        }
    }
}

fn name_source(conference: &Conference, s: &gst::StructureRef) {
    let (Ok(session), Ok(ssrc), Ok(cname)) = (
        s.get::<u32>("session"),
        s.get::<u32>("ssrc"),
        s.get::<&str>("cname"),
    ) else {
        return;
    };
    let sessions = conference.imp().sessions();
    if let Some(inner) = sessions.iter().find(|i| i.path.engine.number == session) {
        inner.source_named(ssrc, cname);
    }
}

/// Turns a transmitter's message into the conference's.
fn from_transmitter(
    inner: &Inner,
    id: StreamId,
    name: &StreamName,
    s: &gst::StructureRef,
) -> Result<Verdict> {
    let context = &inner.context;
    match s.name().as_str() {
        "new-local-candidate" => {
            context.post(message::new_local_candidate(
                name,
                &candidate(s, "candidate")?,
            ));
        }
        "local-candidates-prepared" => context.post(message::local_candidates_prepared(name)),
        "new-active-candidate-pair" => {
            let local = candidate(s, "local-candidate")?;
            let remote = candidate(s, "remote-candidate")?;
            context.post(message::new_active_candidate_pair(name, &local, &remote));
            inner.pair_active(id, remote.component);
        }
        "component-state-changed" => {
            let component = s.get::<u32>("component").map_err(|e| field(&e))?;
            let text = s.get::<&str>("state").map_err(|e| field(&e))?;
            let state = StreamState::from_nick(text).ok_or_else(|| {
                Error::invalid(format!("field state: expected a state, got {text:?}"))
            })?;
            context.post(message::component_state_changed(name, component, state));
            inner.component_state(id, component, state);
        }
        "packets-dropped" => {
            context.post(message::packets_dropped(
                name,
                &Dropped {
                    reason: s.get::<String>("reason").map_err(|e| field(&e))?.into(),
                    count: s.get("count").map_err(|e| field(&e))?,
                    payload: None,
                    ssrc: None,
                    remedy: s.get::<String>("remedy").map_err(|e| field(&e))?.into(),
                },
            ));
        }
        "error" => {
            let error = s.get::<glib::Error>("error").map_err(|e| field(&e))?;
            let code = error.kind::<ErrorCode>().unwrap_or(ErrorCode::Network);
            let error = Error::new(code, error.message());
            context.post(message::stream_error(name, &error));
        }
        _ => return Ok(Verdict::PassOn),
    }
    Ok(Verdict::Taken)
}

fn candidate(s: &gst::StructureRef, name: &str) -> Result<Candidate> {
    let candidate = s.get::<gst::Structure>(name).map_err(|e| field(&e))?;
    candidate_from_structure(&candidate)
}

fn field(error: &dyn std::fmt::Display) -> Error {
    Error::invalid(error.to_string())
}
