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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use glib::value::ToSendValue;

    use super::*;
    use crate::negotiation::{Mismatch, Rule, Side};
    use crate::{MediaType, PayloadType};

    fn object(name: &str) -> glib::SendValue {
        gst::Bin::builder().name(name).build().to_send_value()
    }

    fn session() -> SessionName {
        gst::init().unwrap();
        SessionName {
            object: object("session_3"),
            id: 3,
        }
    }

    fn stream() -> StreamName {
        gst::init().unwrap();
        StreamName {
            object: object("stream_3"),
            name: "stream_3".into(),
            session_id: 3,
            participant: "participant_0".into(),
        }
    }

    /// Fields beyond those every message has.
    fn fields(s: &gst::StructureRef, object: &str) -> BTreeSet<String> {
        let mut names: BTreeSet<_> = s
            .iter()
            .map(|(name, value)| format!("{name}:{}", value.type_()))
            .collect();
        assert!(names.remove(&format!("{object}:GstBin")), "{s}");
        assert!(names.remove("session-id:guint"), "{s}");
        if object == "stream" {
            assert!(names.remove("stream-name:gchararray"), "{s}");
            assert!(names.remove("participant-name:gchararray"), "{s}");
        }
        names
    }

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn session_messages_have_their_fields_and_types() {
        let pt = PayloadType::new(96).unwrap();
        let codec = Codec::new(pt.into(), "VP8", MediaType::Video, 90000);
        for (s, name, expected) in [
            (
                codecs_changed(&session(), &[]),
                "farstream-codecs-changed",
                set(&["refused:GstCaps"]),
            ),
            (
                send_codec_changed(&session(), &codec, &[]),
                "farstream-send-codec-changed",
                set(&["codec:GstCaps", "secondary-codecs:GstCaps"]),
            ),
            (
                telephony_event_started(&session(), DtmfMethod::Sound, DtmfEvent::Pound, 8),
                "farstream-telephony-event-started",
                set(&[
                    "method:GstFsDTMFMethod",
                    "event:GstFsDTMFEvent",
                    "volume:guint",
                ]),
            ),
            (
                telephony_event_stopped(&session(), DtmfMethod::RtpRfc4733),
                "farstream-telephony-event-stopped",
                set(&["method:GstFsDTMFMethod"]),
            ),
        ] {
            assert_eq!(s.name(), name);
            assert_eq!(fields(&s, "session"), expected, "{s}");
        }
        let changed = send_codec_changed(&session(), &codec, &[]);
        let secondary = changed.get::<gst::Caps>("secondary-codecs").unwrap();
        assert!(secondary.is_empty(), "empty, not null");
    }

    #[test]
    fn stream_messages_have_their_fields_and_types() {
        let candidate = Candidate::host(1, "127.0.0.1:5".parse().unwrap());
        let dropped = Dropped {
            reason: "malformed".into(),
            count: 3,
            payload: Some(99),
            ssrc: Some(7),
            remedy: "none".into(),
        };
        for (s, name, expected) in [
            (
                new_local_candidate(&stream(), &candidate),
                "farstream-new-local-candidate",
                set(&["candidate:GstStructure"]),
            ),
            (
                local_candidates_prepared(&stream()),
                "farstream-local-candidates-prepared",
                set(&[]),
            ),
            (
                new_active_candidate_pair(&stream(), &candidate, &candidate),
                "farstream-new-active-candidate-pair",
                set(&[
                    "local-candidate:GstStructure",
                    "remote-candidate:GstStructure",
                ]),
            ),
            (
                recv_codecs_changed(&stream(), &[]),
                "farstream-recv-codecs-changed",
                set(&["codecs:GstCaps"]),
            ),
            (
                component_state_changed(&stream(), 2, StreamState::Ready),
                "farstream-component-state-changed",
                set(&["component:guint", "state:GstFsStreamState"]),
            ),
            (
                packets_dropped(&stream(), &dropped),
                "farstream-packets-dropped",
                set(&[
                    "reason:gchararray",
                    "count:guint64",
                    "payload:guint",
                    "ssrc:guint",
                    "remedy:gchararray",
                ]),
            ),
            (
                media_flow(&stream(), "recv", false, "the peer said BYE"),
                "farstream-media-flow",
                set(&[
                    "direction:gchararray",
                    "flowing:gboolean",
                    "cause:gchararray",
                ]),
            ),
        ] {
            assert_eq!(s.name(), name);
            assert_eq!(fields(&s, "stream"), expected, "{s}");
        }
    }

    #[test]
    fn errors_carry_their_source_code_and_text() {
        let failure = Error::invalid("expected this, got that");
        for (s, names) in [
            (error(&session().object, &failure), 0),
            (session_error(&session(), &failure), 1),
            (stream_error(&stream(), &failure), 3),
        ] {
            assert_eq!(s.name(), "farstream-error");
            assert_eq!(s.n_fields(), 3 + names);
            assert_eq!(s.get::<&str>("error-msg").unwrap(), failure.message());
            let number = s.value("error-no").unwrap();
            assert_eq!(number.type_().name(), "GstFsError");
            let (_, value) = glib::EnumValue::from_value(number).unwrap();
            assert_eq!(value.value(), 100);
        }
    }

    #[test]
    fn refusals_travel_as_caps_of_strings() {
        let pt = PayloadType::new(96).unwrap();
        let refusal = Refusal::new(
            &Codec::new(pt.into(), "EVS", MediaType::Audio, 16000),
            Side::Remote,
            Mismatch::new(Rule::EncodingName, "OPUS", "EVS"),
        );
        let s = codecs_changed(&session(), &[refusal]);
        let refused = s.get::<gst::Caps>("refused").unwrap();
        let entry = refused.structure(0).unwrap();
        assert_eq!(entry.name(), "refusal");
        for (field, value) in [
            ("side", "remote"),
            ("rule", "encoding-name"),
            ("ours", "OPUS"),
            ("theirs", "EVS"),
        ] {
            assert_eq!(entry.get::<&str>(field).unwrap(), value);
        }
        assert!(entry.get::<&str>("codec").unwrap().contains("EVS"));
    }
}
