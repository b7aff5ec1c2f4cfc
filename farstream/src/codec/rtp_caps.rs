// SPDX-License-Identifier: MPL-2.0
//! Codecs as the caps that RTP elements understand: what a payloader must produce
//! and what a depayloader and the jitter buffer are told.

use super::Codec;

/// Parameters that payloaders take as unsigned numbers of milliseconds.
const NUMERIC: [&str; 2] = ["ptime", "maxptime"];

/// Caps for the receiving side of `codec` (`request-pt-map`): identity, every
/// parameter, feedback.
pub fn pt_map_caps(codec: &Codec) -> gst::Caps {
    let mut s = identity(codec);
    for param in &codec.params {
        set_parameter(&mut s, &param.name, &param.value);
    }
    set_feedback(&mut s, codec);
    gst::Caps::builder_full().structure(s).build()
}

/// Caps that a payloader for `codec` must produce.
///
/// Payloaders describe their stream in parameters of their own, so only those that
/// its template (`payloader`) names, and the packet times, are demanded of it.
pub fn payloader_caps(codec: &Codec, payloader: &gst::CapsRef) -> gst::Caps {
    let mut s = identity(codec);
    for param in &codec.params {
        let asked = NUMERIC.iter().any(|n| param.name.eq_ignore_ascii_case(n))
            || payloader
                .iter()
                .any(|template| template.has_field(param.name.to_ascii_lowercase()));
        if asked {
            set_parameter(&mut s, &param.name, &param.value);
        }
    }
    set_feedback(&mut s, codec);
    gst::Caps::builder_full().structure(s).build()
}

fn identity(codec: &Codec) -> gst::Structure {
    let mut s = gst::Structure::builder("application/x-rtp")
        .field("media", codec.media.nick())
        .field("encoding-name", codec.encoding_name.to_ascii_uppercase())
        .build();
    if let Some(pt) = codec.payload() {
        s.set("payload", i32::from(pt.number()));
    }
    if let Ok(rate) = i32::try_from(codec.clock_rate)
        && rate > 0
    {
        s.set("clock-rate", rate);
    }
    if codec.channels > 0 {
        s.set("encoding-params", codec.channels.to_string());
    }
    s
}

fn set_parameter(s: &mut gst::StructureRef, name: &str, value: &str) {
    let name = name.to_ascii_lowercase();
    if name.is_empty() || s.has_field(name.as_str()) {
        return;
    }
    if NUMERIC.contains(&name.as_str()) {
        if let Ok(number) = value.trim().parse::<u32>() {
            s.set(name, number);
        }
    } else {
        s.set(name, value);
    }
}

fn set_feedback(s: &mut gst::StructureRef, codec: &Codec) {
    for feedback in &codec.feedback {
        let mut name = format!("rtcp-fb-{}", feedback.kind);
        if !feedback.subtype.is_empty() {
            name = format!("{name}-{}", feedback.subtype);
        }
        s.set(name.to_ascii_lowercase(), true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CodecId, MediaType, PayloadType};

    fn h264() -> Codec {
        Codec::new(
            PayloadType::new(97).unwrap().into(),
            "h264",
            MediaType::Video,
            90000,
        )
        .with_param("profile-level-id", "42e01f")
        .with_param("ptime", "20")
        .with_feedback("nack", "pli", "")
    }

    #[test]
    fn receivers_learn_every_parameter() {
        gst::init().unwrap();
        let caps = pt_map_caps(&h264());
        let s = caps.structure(0).unwrap();
        assert_eq!(s.get::<&str>("encoding-name").unwrap(), "H264");
        assert_eq!(s.get::<&str>("profile-level-id").unwrap(), "42e01f");
        assert_eq!(s.get::<u32>("ptime").unwrap(), 20);
        assert!(s.has_field("rtcp-fb-nack-pli"));
    }

    #[test]
    fn payloaders_are_asked_only_what_their_template_names() {
        gst::init().unwrap();
        let template: gst::Caps = "application/x-rtp,encoding-name=H264".parse().unwrap();
        let caps = payloader_caps(&h264(), &template);
        let s = caps.structure(0).unwrap();
        assert!(!s.has_field("profile-level-id"));
        assert_eq!(s.get::<u32>("ptime").unwrap(), 20);
        assert_eq!(s.get::<i32>("payload").unwrap(), 97);
    }

    #[test]
    fn unknown_rate_and_channels_are_left_out() {
        gst::init().unwrap();
        let caps = pt_map_caps(&Codec::new(CodecId::Any, "X", MediaType::Audio, 0));
        let s = caps.structure(0).unwrap();
        assert!(!s.has_field("clock-rate") && !s.has_field("payload"));
        assert!(!s.has_field("encoding-params"));
    }
}
