// SPDX-License-Identifier: MPL-2.0
//! The structures of all bus messages, with Farstream's names and fields in stock
//! types. Every one also carries plain `session-id`, and `stream-name` and
//! `participant-name` where a stream is meant.

use std::borrow::Cow;

use crate::candidate::candidate_to_structure;
use crate::codec::codecs_to_caps;
use crate::negotiation::{Refusal, refusals_to_caps};
use crate::{Candidate, Codec, DtmfEvent, DtmfMethod, Error, StreamState};

/// A session as messages name it.
#[derive(Clone, Debug)]
pub struct SessionName {
    /// The session object, as its own type.
    pub object: glib::SendValue,
    /// Its number.
    pub id: u32,
}

/// A stream as messages name it.
#[derive(Clone, Debug)]
pub struct StreamName {
    /// The stream object, as its own type.
    pub object: glib::SendValue,
    /// Its name.
    pub name: String,
    /// Number of its session.
    pub session_id: u32,
    /// Name of its participant.
    pub participant: String,
}

type Builder = gst::structure::Builder;

fn of_session(name: &str, session: &SessionName) -> Builder {
    gst::Structure::builder(name)
        .field("session", session.object.clone())
        .field("session-id", session.id)
}

fn with_stream_names(builder: Builder, stream: &StreamName) -> Builder {
    builder
        .field("session-id", stream.session_id)
        .field("stream-name", &stream.name)
        .field("participant-name", &stream.participant)
}

fn of_stream(name: &str, stream: &StreamName) -> Builder {
    with_stream_names(
        gst::Structure::builder(name).field("stream", stream.object.clone()),
        stream,
    )
}

fn error_fields(source: &glib::SendValue, error: &Error) -> Builder {
    gst::Structure::builder("farstream-error")
        .field("src-object", source.clone())
        .field("error-no", error.code())
        .field("error-msg", error.message())
}

/// `farstream-error` of an object that is neither session nor stream.
pub fn error(source: &glib::SendValue, error: &Error) -> gst::Structure {
    error_fields(source, error).build()
}

/// `farstream-error` of a session.
pub fn session_error(session: &SessionName, error: &Error) -> gst::Structure {
    error_fields(&session.object, error)
        .field("session-id", session.id)
        .build()
}

/// `farstream-error` of a stream.
pub fn stream_error(stream: &StreamName, error: &Error) -> gst::Structure {
    with_stream_names(error_fields(&stream.object, error), stream).build()
}

/// `farstream-codecs-changed`: the session's codecs, or what is known of them, changed.
/// `refused` says what could not be agreed on and why.
pub fn codecs_changed(session: &SessionName, refused: &[Refusal]) -> gst::Structure {
    of_session("farstream-codecs-changed", session)
        .field("refused", refusals_to_caps(refused))
        .build()
}

/// `farstream-send-codec-changed`.
pub fn send_codec_changed(
    session: &SessionName,
    codec: &Codec,
    secondary: &[Codec],
) -> gst::Structure {
    of_session("farstream-send-codec-changed", session)
        .field("codec", codecs_to_caps([codec]))
        .field("secondary-codecs", codecs_to_caps(secondary))
        .build()
}

/// `farstream-telephony-event-started`. `volume` is in -dBm0.
pub fn telephony_event_started(
    session: &SessionName,
    method: DtmfMethod,
    event: DtmfEvent,
    volume: u32,
) -> gst::Structure {
    of_session("farstream-telephony-event-started", session)
        .field("method", method)
        .field("event", event)
        .field("volume", volume)
        .build()
}

/// `farstream-telephony-event-stopped`.
pub fn telephony_event_stopped(session: &SessionName, method: DtmfMethod) -> gst::Structure {
    of_session("farstream-telephony-event-stopped", session)
        .field("method", method)
        .build()
}

/// `farstream-new-local-candidate`.
pub fn new_local_candidate(stream: &StreamName, candidate: &Candidate) -> gst::Structure {
    of_stream("farstream-new-local-candidate", stream)
        .field("candidate", candidate_to_structure(candidate))
        .build()
}

/// `farstream-local-candidates-prepared`.
pub fn local_candidates_prepared(stream: &StreamName) -> gst::Structure {
    of_stream("farstream-local-candidates-prepared", stream).build()
}

/// `farstream-new-active-candidate-pair`.
pub fn new_active_candidate_pair(
    stream: &StreamName,
    local: &Candidate,
    remote: &Candidate,
) -> gst::Structure {
    of_stream("farstream-new-active-candidate-pair", stream)
        .field("local-candidate", candidate_to_structure(local))
        .field("remote-candidate", candidate_to_structure(remote))
        .build()
}

/// `farstream-recv-codecs-changed`: the codecs being received, newest first.
pub fn recv_codecs_changed(stream: &StreamName, codecs: &[Codec]) -> gst::Structure {
    of_stream("farstream-recv-codecs-changed", stream)
        .field("codecs", codecs_to_caps(codecs))
        .build()
}

/// `farstream-component-state-changed`.
pub fn component_state_changed(
    stream: &StreamName,
    component: u32,
    state: StreamState,
) -> gst::Structure {
    of_stream("farstream-component-state-changed", stream)
        .field("component", component)
        .field("state", state)
        .build()
}

/// Packets that were thrown away since the last such message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// What was wrong with them.
    pub reason: Cow<'static, str>,
    /// How many.
    pub count: u64,
    /// Payload type, where that is what was wrong.
    pub payload: Option<u8>,
    /// Source, where one is known.
    pub ssrc: Option<u32>,
    /// What the user can do.
    pub remedy: Cow<'static, str>,
}

/// `farstream-packets-dropped`.
pub fn packets_dropped(stream: &StreamName, dropped: &Dropped) -> gst::Structure {
    of_stream("farstream-packets-dropped", stream)
        .field("reason", &*dropped.reason)
        .field("count", dropped.count)
        .field_if_some("payload", dropped.payload.map(u32::from))
        .field_if_some("ssrc", dropped.ssrc)
        .field("remedy", &*dropped.remedy)
        .build()
}

/// `farstream-media-flow`: media began or ceased to flow in one direction (`send` or
/// `recv`), with the likely cause.
pub fn media_flow(
    stream: &StreamName,
    direction: &str,
    flowing: bool,
    cause: &str,
) -> gst::Structure {
    of_stream("farstream-media-flow", stream)
        .field("direction", direction)
        .field("flowing", flowing)
        .field("cause", cause)
        .build()
}
