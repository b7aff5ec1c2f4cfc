// SPDX-License-Identifier: MPL-2.0
//! Codec lists as users write and read them: ordered caps with one
//! `application/x-rtp` structure per codec.
//!
//! Fields: `media`, `payload` (int; -1 any, -2 disabled), `encoding-name`,
//! `clock-rate` (int), `encoding-params` (string, channels), `trr-int` (int, ms),
//! `rtcp-fb-TYPE[-SUBTYPE]`, and every format parameter as a string field. A
//! parameter that occurs several times is a list of strings.

use gst::prelude::*;

use super::static_payload_types::static_assignment;
use super::{Codec, CodecId, Feedback, Parameter};
use crate::{Error, MediaType, Result};

const STRUCTURE_NAME: &str = "application/x-rtp";
const FEEDBACK_PREFIX: &str = "rtcp-fb-";
/// Name of the field for telephone-event's parameter, which has no name in SDP.
const EVENTS: &str = "events";

/// Feedback types that take a subtype (RFC 4585 section 4.2, RFC 5104 section 7.1);
/// all other names are one word, dashes or not.
const FEEDBACK_WITH_SUBTYPE: [&str; 4] = ["ack", "app", "ccm", "nack"];

/// Fields of RTP caps that describe one running stream and not the codec.
const NOT_PARAMETERS: [&str; 9] = [
    "ssrc",
    "clock-base",
    "seqnum-base",
    "timestamp-offset",
    "seqnum-offset",
    "npt-start",
    "npt-stop",
    "play-speed",
    "play-scale",
];
const NOT_PARAMETER_PREFIXES: [&str; 4] = ["extmap-", "a-", "ssrc-", "x-gst-"];

/// The codec list for `codecs`, in order.
pub fn codecs_to_caps<'a>(codecs: impl IntoIterator<Item = &'a Codec>) -> gst::Caps {
    let mut caps = gst::Caps::new_empty();
    let list = caps.make_mut();
    for codec in codecs {
        list.append_structure(to_structure(codec));
    }
    caps
}

/// The codecs in `caps`, in order. `media` stands in where a structure has none.
pub fn codecs_from_caps(caps: &gst::CapsRef, media: MediaType) -> Result<Vec<Codec>> {
    if caps.is_any() {
        return Err(Error::invalid(
            "expected a list of codecs, one application/x-rtp structure each, got ANY caps",
        ));
    }
    caps.iter()
        .enumerate()
        .map(|(index, structure)| {
            codec_from_structure(structure, media)
                .map_err(|error| error.within(format_args!("codec {} of the list", index + 1)))
        })
        .collect()
}

fn to_structure(codec: &Codec) -> gst::Structure {
    let mut s = gst::Structure::builder(STRUCTURE_NAME)
        .field("media", codec.media.nick())
        .field("payload", codec.id.number())
        .field("encoding-name", &codec.encoding_name)
        .build();
    if codec.clock_rate != 0 {
        s.set("clock-rate", saturating_int(codec.clock_rate));
    }
    if codec.channels != 0 {
        s.set("encoding-params", codec.channels.to_string());
    }
    if let Some(trr_int) = codec.trr_int {
        s.set("trr-int", saturating_int(trr_int));
    }
    for param in &codec.params {
        let name = if param.name.is_empty() {
            EVENTS
        } else {
            &param.name
        };
        append_string(&mut s, name, &param.value);
    }
    for feedback in &codec.feedback {
        let mut name = format!("{FEEDBACK_PREFIX}{}", feedback.kind);
        if !feedback.subtype.is_empty() {
            name = format!("{name}-{}", feedback.subtype);
        }
        // GStreamer's own SDP code writes feedback without extra text as a boolean.
        if feedback.extra.is_empty() {
            s.set(name, true);
        } else {
            s.set(name, &feedback.extra);
        }
    }
    s
}

/// Sets a string field, or turns it into a list where there is one already.
fn append_string(s: &mut gst::StructureRef, name: &str, value: &str) {
    let earlier = match s.value(name) {
        Ok(v) => strings(v),
        Err(_) => None,
    };
    match earlier {
        None => s.set(name, value),
        Some(mut values) => {
            values.push(value.to_owned());
            s.set(name, gst::List::new(values));
        }
    }
}

fn saturating_int(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

/// One codec from one structure. `media` stands in where the structure has none.
pub fn codec_from_structure(s: &gst::StructureRef, media: MediaType) -> Result<Codec> {
    if s.name() != STRUCTURE_NAME {
        return Err(Error::invalid(format!(
            "expected {STRUCTURE_NAME}, got {}",
            s.name()
        )));
    }
    let id = match int_field(s, "payload")? {
        None => CodecId::Any,
        Some(number) => i32::try_from(number)
            .map_err(|_| Error::invalid(format!("expected payload of at most 127, got {number}")))
            .and_then(CodecId::from_number)?,
    };
    let assigned = id.payload().and_then(|pt| static_assignment(pt.number()));
    let media = match string_field(s, "media")? {
        None => assigned.map_or(media, |a| a.media),
        Some(nick) => MediaType::from_nick(&nick).ok_or_else(|| {
            Error::invalid(format!(
                "field media: expected audio, video or application, got {nick:?}"
            ))
        })?,
    };
    let named = string_field(s, "encoding-name")?.filter(|name| !name.is_empty());
    let encoding_name = named
        .clone()
        .or_else(|| assigned.map(|a| a.encoding_name.into()))
        .ok_or_else(|| {
            Error::invalid(
                "field encoding-name is missing; it may be left out only for the static payload \
                 types of RFC 3551",
            )
        })?;
    let mut codec = Codec::new(id, &encoding_name, media, 0);
    if let Some(rate) = unsigned_field(s, "clock-rate")? {
        codec.clock_rate = rate;
    } else if let Some(a) = assigned.filter(|a| codec.is_named(a.encoding_name)) {
        codec.clock_rate = a.clock_rate;
    }
    codec.channels = channels(s)?;
    codec.trr_int = unsigned_field(s, "trr-int")?;
    for (name, value) in s.iter() {
        add_field(&mut codec, name.as_str(), value)?;
    }
    Ok(codec)
}

fn channels(s: &gst::StructureRef) -> Result<u32> {
    let channels = match text_field(s, "encoding-params")? {
        Some(text) => Some(text.trim().parse::<u32>().map_err(|_| {
            Error::invalid(format!(
                "field encoding-params: expected the number of channels, got {text:?}"
            ))
        })?),
        None => unsigned_field(s, "channels")?,
    };
    Ok(channels.unwrap_or(0))
}

/// Takes a field that is neither codec identity nor stream detail as parameter or feedback.
fn add_field(codec: &mut Codec, name: &str, value: &glib::SendValue) -> Result<()> {
    let known = [
        "media",
        "payload",
        "encoding-name",
        "clock-rate",
        "encoding-params",
        "channels",
        "trr-int",
    ];
    if known.contains(&name)
        || NOT_PARAMETERS.contains(&name)
        || NOT_PARAMETER_PREFIXES.iter().any(|p| name.starts_with(p))
    {
        return Ok(());
    }
    if let Some(feedback) = strip_prefix_ignore_case(name, FEEDBACK_PREFIX) {
        return add_feedback(codec, feedback, value);
    }
    let values = strings(value).ok_or_else(|| {
        Error::invalid(format!(
            "field {name}: expected a string or a list of strings, got {}",
            value.type_()
        ))
    })?;
    codec
        .params
        .extend(values.into_iter().map(|value| Parameter {
            name: name.into(),
            value,
        }));
    Ok(())
}

fn add_feedback(codec: &mut Codec, name: &str, value: &glib::SendValue) -> Result<()> {
    let texts = strings(value).ok_or_else(|| {
        Error::invalid(format!(
            "field rtcp-fb-{name}: expected true or a string, got {}",
            value.type_()
        ))
    })?;
    // gst-launch reads a bare "true" or "1" as it likes.
    let extra = match texts.join(" ").as_str() {
        "0" | "false" => return Ok(()),
        "1" | "true" => String::new(),
        text => text.to_owned(),
    };
    let (kind, subtype) = name
        .split_once('-')
        .filter(|(kind, _)| {
            FEEDBACK_WITH_SUBTYPE
                .iter()
                .any(|k| k.eq_ignore_ascii_case(kind))
        })
        .unwrap_or((name, ""));
    codec.feedback.push(Feedback {
        kind: kind.into(),
        subtype: subtype.into(),
        extra,
    });
    Ok(())
}

fn strip_prefix_ignore_case<'a>(name: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, tail) = name.split_at_checked(prefix.len())?;
    (head.eq_ignore_ascii_case(prefix) && !tail.is_empty()).then_some(tail)
}

/// The text of a string, number or boolean, or of each in a list of them.
fn strings(value: &glib::SendValue) -> Option<Vec<String>> {
    if let Ok(list) = value.get::<gst::List>() {
        return list.iter().map(text).collect();
    }
    Some(vec![text(value)?])
}

fn text(value: &glib::SendValue) -> Option<String> {
    value
        .get::<Option<String>>()
        .ok()
        .flatten()
        .or_else(|| value.get::<i32>().ok().map(|v| v.to_string()))
        .or_else(|| value.get::<u32>().ok().map(|v| v.to_string()))
        .or_else(|| value.get::<bool>().ok().map(|v| u8::from(v).to_string()))
}

fn wrong_type(name: &str, expected: &str, value: &glib::SendValue) -> Error {
    Error::invalid(format!(
        "field {name}: expected {expected}, got {} of type {}",
        value
            .serialize()
            .map_or_else(|_| "a value".to_owned(), |text| text.to_string()),
        value.type_()
    ))
}

fn int_field(s: &gst::StructureRef, name: &str) -> Result<Option<i64>> {
    let Ok(value) = s.value(name) else {
        return Ok(None);
    };
    value
        .get::<i32>()
        .map(i64::from)
        .or_else(|_| value.get::<u32>().map(i64::from))
        .map(Some)
        .map_err(|_| wrong_type(name, "one whole number", value))
}

fn unsigned_field(s: &gst::StructureRef, name: &str) -> Result<Option<u32>> {
    int_field(s, name)?
        .map(|number| {
            u32::try_from(number).map_err(|_| {
                Error::invalid(format!("field {name}: expected 0 or more, got {number}"))
            })
        })
        .transpose()
}

fn string_field(s: &gst::StructureRef, name: &str) -> Result<Option<String>> {
    let Ok(value) = s.value(name) else {
        return Ok(None);
    };
    value
        .get::<Option<String>>()
        .map_err(|_| wrong_type(name, "one string", value))
}

fn text_field(s: &gst::StructureRef, name: &str) -> Result<Option<String>> {
    let Ok(value) = s.value(name) else {
        return Ok(None);
    };
    text(value)
        .map(Some)
        .ok_or_else(|| wrong_type(name, "one string", value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{ErrorCode, PayloadType};

    fn parse(text: &str) -> Result<Vec<Codec>> {
        gst::init().unwrap();
        let caps: gst::Caps = text.parse().unwrap();
        codecs_from_caps(&caps, MediaType::Audio)
    }

    #[test]
    fn contract_form_is_read() {
        let codecs = parse(
            "application/x-rtp,media=video,payload=97,encoding-name=H264,clock-rate=90000,\
             profile-level-id=(string)42e01f,packetization-mode=1,rtcp-fb-nack-pli=true,\
             rtcp-fb-ccm-fir=(string)\"\",rtcp-fb-nack=false,rtcp-fb-goog-remb=true,trr-int=100,ssrc=(uint)7,extmap-1=urn:x",
        )
        .unwrap();
        let expected = Codec::new(
            PayloadType::new(97).unwrap().into(),
            "H264",
            MediaType::Video,
            90000,
        )
        .with_param("profile-level-id", "42e01f")
        .with_param("packetization-mode", "1")
        .with_feedback("nack", "pli", "")
        .with_feedback("ccm", "fir", "")
        .with_feedback("goog-remb", "", "");
        let mut expected = expected;
        expected.trr_int = Some(100);
        assert_eq!(codecs, [expected]);
    }

    #[test]
    fn static_payload_type_needs_no_name() {
        let codecs = parse("application/x-rtp,payload=8").unwrap();
        assert_eq!(codecs[0].encoding_name, "PCMA");
        assert_eq!(codecs[0].clock_rate, 8000);
        assert_eq!(codecs[0].media, MediaType::Audio);
    }

    #[test]
    fn missing_payload_means_any() {
        let codecs = parse("application/x-rtp,encoding-name=OPUS").unwrap();
        assert_eq!(codecs[0].id, CodecId::Any);
        assert_eq!(codecs[0].media, MediaType::Audio);
    }

    #[test]
    fn repeated_parameter_is_a_list() {
        let codec = Codec::new(CodecId::Any, "H263-1998", MediaType::Video, 90000)
            .with_param("custom", "128,96,1")
            .with_param("custom", "64,48,2");
        let caps = codecs_to_caps([&codec]);
        assert!(caps.to_string().contains("custom=(string){"));
        assert_eq!(codecs_from_caps(&caps, MediaType::Audio).unwrap(), [codec]);
    }

    #[test]
    fn malformed_caps_are_refused_with_the_field_named() {
        for (text, field) in [
            ("ANY", "ANY"),
            ("video/x-raw", "application/x-rtp"),
            ("application/x-rtp,payload=96", "encoding-name"),
            (
                "application/x-rtp,encoding-name=PCMU,payload=128",
                "payload",
            ),
            ("application/x-rtp,encoding-name=PCMU,payload=-3", "payload"),
            (
                "application/x-rtp,encoding-name=PCMU,payload=[96,127]",
                "payload",
            ),
            (
                "application/x-rtp,encoding-name=PCMU,clock-rate=-1",
                "clock-rate",
            ),
            (
                "application/x-rtp,encoding-name=PCMU,clock-rate={8000,16000}",
                "clock-rate",
            ),
            ("application/x-rtp,encoding-name={A,B}", "encoding-name"),
            ("application/x-rtp,encoding-name=A,media=smell", "media"),
            (
                "application/x-rtp,encoding-name=A,encoding-params=two",
                "encoding-params",
            ),
            ("application/x-rtp,encoding-name=A,x=(fraction)1/2", "x"),
        ] {
            let error = parse(text).expect_err(text);
            assert_eq!(error.code(), ErrorCode::InvalidArguments, "{text}");
            assert!(error.message().contains(field), "{text}: {error}");
        }
    }

    fn any_codec() -> impl Strategy<Value = Codec> {
        let name = "[A-Za-z][A-Za-z0-9-]{0,10}";
        let params = prop::collection::vec(("p[a-z0-9-]{0,6}", "[ -~]{0,12}"), 0..5);
        let feedback = prop::collection::vec(
            prop_oneof![
                Just(("nack", "")),
                Just(("nack", "pli")),
                Just(("ccm", "fir")),
                Just(("transport-cc", "")),
            ],
            0..3,
        );
        (
            (-2i32..128, name, 0u32..1_000_000, 0u32..9),
            prop::option::of(0u32..10_000),
            params,
            feedback,
        )
            .prop_map(|((id, name, rate, channels), trr_int, params, feedback)| {
                let mut codec = Codec::new(
                    CodecId::from_number(id).unwrap(),
                    &name,
                    MediaType::Video,
                    rate,
                )
                .with_channels(channels);
                codec.trr_int = trr_int;
                for (name, value) in params {
                    codec.add_param(&name, &value);
                }
                for (kind, subtype) in feedback {
                    codec = codec.with_feedback(kind, subtype, "");
                }
                codec
            })
    }

    proptest! {
        #[test]
        fn any_codec_list_survives_caps(codecs in prop::collection::vec(any_codec(), 0..4)) {
            gst::init().unwrap();
            let caps = codecs_to_caps(&codecs);
            let text = caps.to_string();
            let mut back = codecs_from_caps(&caps, MediaType::Video).unwrap();
            for (codec, back) in codecs.iter().zip(&mut back) {
                // A clock rate of 0 means unknown and comes back from RFC 3551 where that knows it.
                if codec.clock_rate == 0 {
                    back.clock_rate = 0;
                }
            }
            prop_assert_eq!(&back, &codecs);
            if !codecs.is_empty() {
                let reparsed: gst::Caps = text.parse().unwrap();
                prop_assert_eq!(reparsed, caps);
            }
        }
    }
}
