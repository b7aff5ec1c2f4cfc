// SPDX-License-Identifier: MPL-2.0
//! Finds which payloaders, encoders, depayloaders and decoders make up a codec. Plain
//! values in, plain values out: knows nothing of the registry.

use farstream::blueprint::{Blueprint, Stage};
use farstream::codec::static_assignment;
use farstream::{Codec, CodecId, MediaType, PayloadType};

use super::registry::{Factory, Role};

/// Converters before an encoder, network side first.
const AUDIO_CONVERTERS: [&str; 2] = ["audioresample", "audioconvert"];
const VIDEO_CONVERTERS: [&str; 2] = ["videoconvert", "videoscale"];

/// A packet format that a payloader makes or a depayloader reads.
struct RtpFormat<'a> {
    factory: &'a Factory,
    codec: Codec,
    rtp: gst::Structure,
    /// The media on the other side of the (de)payloader.
    media: &'a gst::Caps,
}

/// A packet format with everything needed on one side of a call.
struct OneWay<'a> {
    format: RtpFormat<'a>,
    stages: Vec<Stage>,
    /// Raw media taken or given.
    raw: gst::Caps,
}

/// All codecs of `media` that can be sent and received, in order of the depayloader's
/// rank. `factories` are sorted best first.
pub fn pair(media: MediaType, factories: &[Factory]) -> Vec<Blueprint> {
    let send = one_way(media, factories, Role::Payloader, Role::Encoder);
    let receive = one_way(media, factories, Role::Depayloader, Role::Decoder);
    let mut blueprints: Vec<Blueprint> = Vec::new();
    for receiver in &receive {
        for sender in &send {
            let Some(codec) = common(&sender.format, &receiver.format) else {
                continue;
            };
            let known = blueprints
                .iter_mut()
                .find(|b| b.codec.id == codec.id && b.codec.is_equal_but_for_id(&codec));
            match known {
                // Only bins of one make can lend each other elements.
                Some(blueprint)
                    if blueprint.send.len() != sender.stages.len()
                        || blueprint.receive.len() != receiver.stages.len() => {}
                Some(blueprint) => {
                    add_alternatives(&mut blueprint.send, &sender.stages);
                    add_alternatives(&mut blueprint.receive, &receiver.stages);
                }
                None => blueprints.push(Blueprint {
                    codec,
                    rtp_caps: gst::Caps::builder_full()
                        .structure(sender.format.rtp.clone())
                        .build(),
                    input_caps: sender.raw.clone(),
                    output_caps: receiver.raw.clone(),
                    send: sender.stages.clone(),
                    receive: receiver.stages.clone(),
                }),
            }
        }
    }
    drop_needless_dynamic(&mut blueprints);
    blueprints
}

/// A dynamic payload type adds nothing where the same codec has a static one.
fn drop_needless_dynamic(blueprints: &mut Vec<Blueprint>) {
    let fixed: Vec<Codec> = blueprints
        .iter()
        .filter(|b| b.codec.payload().is_some())
        .map(|b| b.codec.clone())
        .collect();
    blueprints.retain(|b| {
        b.codec.payload().is_some()
            || !fixed
                .iter()
                .any(|f| f.is_named(&b.codec.encoding_name) && f.clock_rate == b.codec.clock_rate)
    });
    // A rate that must be chosen comes last, so that names match the fixed ones first.
    blueprints.sort_by_key(|b| b.codec.clock_rate == 0);
}

fn add_alternatives(stages: &mut [Stage], others: &[Stage]) {
    for (stage, other) in stages.iter_mut().zip(others) {
        for factory in &other.alternatives {
            if !stage.alternatives.contains(factory) {
                stage.alternatives.push(factory.clone());
            }
        }
    }
}

fn one_way(
    media: MediaType,
    factories: &[Factory],
    rtp_role: Role,
    codec_role: Role,
) -> Vec<OneWay<'_>> {
    factories
        .iter()
        .filter(|factory| factory.role == rtp_role)
        .flat_map(|factory| rtp_formats(media, factory))
        .filter_map(|format| {
            let coders: Vec<_> = factories
                .iter()
                .filter(|f| f.role == codec_role && goes_with(media, f, &format))
                .collect();
            complete(media, format, &coders)
        })
        .collect()
}

/// Every packet format of a payloader or depayloader.
fn rtp_formats(media: MediaType, factory: &Factory) -> Vec<RtpFormat<'_>> {
    let (rtp, media_caps) = match factory.role {
        Role::Payloader => (&factory.src, &factory.sink),
        _ => (&factory.sink, &factory.src),
    };
    rtp.iter()
        .filter(|s| s.name() == "application/x-rtp")
        .filter(|s| {
            s.get::<&str>("media")
                .map_or(true, |text| MediaType::from_nick(text) == Some(media))
        })
        .flat_map(|s| {
            static_payloads(s).into_iter().filter_map(move |payload| {
                Some(RtpFormat {
                    factory,
                    codec: codec_of_template(media, s, payload)?,
                    rtp: s.to_owned(),
                    media: media_caps,
                })
            })
        })
        .collect()
}

/// The static payload types of a template structure; `None` stands for a dynamic one.
fn static_payloads(s: &gst::StructureRef) -> Vec<Option<PayloadType>> {
    let fixed = |number: i32| {
        u8::try_from(number)
            .ok()
            .and_then(PayloadType::new)
            .filter(|pt| !pt.is_dynamic())
    };
    match s.get::<gst::List>("payload") {
        Ok(list) => list
            .iter()
            .filter_map(|value| value.get::<i32>().ok())
            .map(fixed)
            .collect(),
        Err(_) => vec![s.get::<i32>("payload").ok().and_then(fixed)],
    }
}

/// The codec a template structure describes under one payload type. Ranges are left open:
/// any payload type, clock rate 0.
fn codec_of_template(
    media: MediaType,
    s: &gst::StructureRef,
    payload: Option<PayloadType>,
) -> Option<Codec> {
    let assigned = payload.and_then(|pt| static_assignment(pt.number()));
    let name = s
        .get::<String>("encoding-name")
        .ok()
        .or_else(|| {
            let names = s.get::<gst::List>("encoding-name").ok()?;
            names.first()?.get::<String>().ok()
        })
        .or_else(|| assigned.map(|a| a.encoding_name.to_owned()))?;
    // A static number that RFC 3551 gives to something else is not this codec's.
    let payload =
        payload.filter(|_| assigned.is_some_and(|a| name.eq_ignore_ascii_case(a.encoding_name)));
    let rate = s
        .get::<i32>("clock-rate")
        .ok()
        .and_then(|rate| u32::try_from(rate).ok())
        .or_else(|| payload.and(assigned).map(|a| a.clock_rate))
        .unwrap_or(0);
    let mut codec = Codec::new(
        payload.map_or(CodecId::Any, CodecId::Payload),
        &name,
        media,
        rate,
    );
    codec.channels = s
        .get::<&str>("encoding-params")
        .ok()
        .and_then(|text| text.parse().ok())
        .or_else(|| payload.and(assigned).map(|a| a.channels).filter(|n| *n > 1))
        .unwrap_or_else(|| registered_channels(&name));
    for (field, value) in s.iter() {
        let known = [
            "media",
            "payload",
            "clock-rate",
            "encoding-name",
            "encoding-params",
            "channels",
            "ssrc",
            "clock-base",
            "seqnum-base",
        ];
        if !known.contains(&field.as_str())
            && let Ok(text) = value.get::<&str>()
        {
            codec.add_param(field, text);
        }
    }
    Some(codec)
}

/// The number of channels that a registration fixes where templates leave it open.
/// Opus is always announced with two (RFC 7587 section 7).
fn registered_channels(name: &str) -> u32 {
    if name.eq_ignore_ascii_case("OPUS") {
        2
    } else {
        0
    }
}

/// Whether an encoder or decoder stands between this format and raw media.
fn goes_with(media: MediaType, coder: &Factory, format: &RtpFormat<'_>) -> bool {
    let (encoded, raw) = match coder.role {
        Role::Encoder => (&coder.src, &coder.sink),
        _ => (&coder.sink, &coder.src),
    };
    !encoded.is_any()
        && !format.media.is_any()
        && encoded.iter().any(|s| {
            format.media.iter().any(|media| s.can_intersect(media))
                && is_plausible(&format.codec.encoding_name, s)
        })
        && raw_type(media).is_none_or(|name| raw.iter().any(|s| s.name() == name))
}

fn raw_type(media: MediaType) -> Option<&'static str> {
    match media {
        MediaType::Audio => Some("audio/x-raw"),
        MediaType::Video => Some("video/x-raw"),
        MediaType::Application => None,
    }
}

/// What templates leave open but is not meant: formats that share their caps, and decoders
/// for streams with a second, hidden picture.
fn is_plausible(encoding_name: &str, s: &gst::StructureRef) -> bool {
    let names: &[&str] = match (s.name().as_str(), s.get::<&str>("h263version")) {
        ("audio/AMR", _) => &["AMR"],
        ("audio/AMR-WB", _) => &["AMR-WB"],
        // RFC 2190 and RFC 4629 do not carry all versions of H.263.
        (_, Ok("h263")) => &["H263", "H263-1998"],
        (_, Ok("h263p")) => &["H263-1998"],
        (_, Ok("h263pp")) => &["H263-2000"],
        _ => return s.get::<bool>("codec-alpha") != Ok(true),
    };
    names.iter().any(|n| n.eq_ignore_ascii_case(encoding_name))
}

/// The stages on one side: (de)payloader, coder, and converters when sending.
fn complete<'a>(
    media: MediaType,
    format: RtpFormat<'a>,
    coders: &[&Factory],
) -> Option<OneWay<'a>> {
    let sends = format.factory.role == Role::Payloader;
    // What can be encoded is audio or video; application data goes as it is.
    if media == MediaType::Application && !coders.is_empty() {
        return None;
    }
    let mut stages = vec![Stage::one(&format.factory.name)];
    let raw = if coders.is_empty() {
        // A format without coder is of use if it is raw media, or data nobody converts.
        let is_raw = raw_type(media).is_none_or(|name| {
            !format.media.is_any() && format.media.iter().any(|s| s.name() == name)
        });
        if !is_raw {
            return None;
        }
        gst::Caps::clone(format.media)
    } else {
        stages.push(Stage {
            alternatives: coders.iter().map(|f| f.name.clone()).collect(),
        });
        let mut raw = gst::Caps::new_empty();
        for coder in coders {
            raw.merge(gst::Caps::clone(if sends {
                &coder.sink
            } else {
                &coder.src
            }));
        }
        raw
    };
    let converters: &[&str] = match media {
        MediaType::Audio => &AUDIO_CONVERTERS,
        MediaType::Video => &VIDEO_CONVERTERS,
        MediaType::Application => &[],
    };
    let raw = match raw_type(media) {
        Some(name) if sends => {
            stages.extend(converters.iter().map(|name| Stage::one(name)));
            gst::Caps::new_empty_simple(name)
        }
        _ => raw,
    };
    Some(OneWay {
        format,
        stages,
        raw,
    })
}

/// The codec that a sender and a receiver share, if they do.
fn common(send: &RtpFormat<'_>, receive: &RtpFormat<'_>) -> Option<Codec> {
    let (s, r) = (&send.codec, &receive.codec);
    let same = |a: u32, b: u32| a == 0 || b == 0 || a == b;
    if !s.is_named(&r.encoding_name)
        || s.id != r.id
        || !same(s.clock_rate, r.clock_rate)
        || !same(s.channels, r.channels)
        || !send.rtp.can_intersect(&receive.rtp)
    {
        return None;
    }
    let mut codec = s.clone();
    if codec.clock_rate == 0 {
        codec.clock_rate = r.clock_rate;
    }
    if codec.channels == 0 {
        codec.channels = r.channels;
    }
    for param in &r.params {
        if codec.param(&param.name).is_none() {
            codec.add_param(&param.name, &param.value);
        }
    }
    Some(codec)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::registry::TemplateCaps;

    fn factory(name: &str, role: Role, sink: &str, src: &str) -> Factory {
        gst::init().unwrap();
        let caps = |text: &str| -> TemplateCaps {
            let caps: gst::Caps = text.parse().unwrap();
            TemplateCaps::new(Box::new(move || caps))
        };
        Factory {
            name: name.into(),
            rank: 256,
            role,
            sink: caps(sink),
            src: caps(src),
        }
    }

    fn pcmu_and_friends() -> Vec<Factory> {
        vec![
            factory(
                "pcmupay",
                Role::Payloader,
                "audio/x-mulaw,rate=8000,channels=1",
                "application/x-rtp,media=audio,payload=0,clock-rate=8000,encoding-name=PCMU; \
                 application/x-rtp,media=audio,payload=[96,127],clock-rate=[1,max],encoding-name=PCMU",
            ),
            factory(
                "pcmudepay",
                Role::Depayloader,
                "application/x-rtp,media=audio,payload=0,clock-rate=8000; \
                 application/x-rtp,media=audio,encoding-name=PCMU,clock-rate=[1,max]",
                "audio/x-mulaw",
            ),
            factory("mulawenc", Role::Encoder, "audio/x-raw", "audio/x-mulaw"),
            factory("mulawdec", Role::Decoder, "audio/x-mulaw", "audio/x-raw"),
            factory(
                "opuspay",
                Role::Payloader,
                "audio/x-opus",
                "application/x-rtp,media=audio,payload=[96,127],clock-rate=48000,encoding-name={OPUS,X-OLD}",
            ),
            factory(
                "opusdepay",
                Role::Depayloader,
                "application/x-rtp,media=audio,payload=[96,127],clock-rate=48000,encoding-name={OPUS,X-OLD}",
                "audio/x-opus",
            ),
            factory("opusenc", Role::Encoder, "audio/x-raw", "audio/x-opus"),
            factory("otheropusenc", Role::Encoder, "audio/x-raw", "audio/x-opus"),
            factory("opusdec", Role::Decoder, "audio/x-opus", "audio/x-raw"),
            factory(
                "lonelypay",
                Role::Payloader,
                "audio/x-lonely",
                "application/x-rtp,media=audio,payload=[96,127],clock-rate=8000,encoding-name=LONELY",
            ),
            factory("decodebin", Role::Decoder, "ANY", "ANY"),
        ]
    }

    fn names(blueprints: &[Blueprint]) -> Vec<String> {
        blueprints
            .iter()
            .map(|b| {
                format!(
                    "{}:{}/{}",
                    b.codec.id, b.codec.encoding_name, b.codec.clock_rate
                )
            })
            .collect()
    }

    #[test]
    fn complete_codecs_are_found_with_static_names_filled_in() {
        let found = pair(MediaType::Audio, &pcmu_and_friends());
        assert_eq!(names(&found), ["0:PCMU/8000", "-1:OPUS/48000", "-1:PCMU/0"]);
        let opus = &found[1];
        assert_eq!(opus.codec.channels, 2);
        assert_eq!(opus.send[0], Stage::one("opuspay"));
        assert_eq!(opus.send[1].alternatives, ["opusenc", "otheropusenc"]);
        assert_eq!(
            opus.receive,
            [Stage::one("opusdepay"), Stage::one("opusdec")]
        );
        assert_eq!(opus.input_caps.to_string(), "audio/x-raw");
    }

    #[test]
    fn other_media_and_half_codecs_are_left_out() {
        assert!(pair(MediaType::Video, &pcmu_and_friends()).is_empty());
        let no_decoders: Vec<_> = pcmu_and_friends()
            .into_iter()
            .filter(|f| f.role != Role::Decoder)
            .collect();
        assert!(pair(MediaType::Audio, &no_decoders).is_empty());
    }

    #[test]
    fn raw_payloaders_need_no_encoder() {
        let raw = "audio/x-raw,format=S16BE";
        let rtp = "application/x-rtp,media=audio,payload=[96,127],clock-rate=[1,max],encoding-name=L16; \
                   application/x-rtp,media=audio,payload={10,11},clock-rate=44100,encoding-name=L16";
        let found = pair(
            MediaType::Audio,
            &[
                factory("l16pay", Role::Payloader, raw, rtp),
                factory("l16depay", Role::Depayloader, rtp, raw),
            ],
        );
        assert_eq!(names(&found), ["10:L16/44100", "11:L16/44100", "-1:L16/0"]);
        assert_eq!(found[0].codec.channels, 2);
        assert_eq!(found[0].receive, [Stage::one("l16depay")]);
        assert_eq!(found[0].send.len(), 3, "payloader and converters");
    }

    #[test]
    fn a_static_number_of_another_codec_is_not_taken() {
        let rtp =
            "application/x-rtp,media=audio,payload=14,clock-rate=90000,encoding-name=MPA-ROBUST";
        gst::init().unwrap();
        let caps: gst::Caps = rtp.parse().unwrap();
        let codec = codec_of_template(
            MediaType::Audio,
            caps.structure(0).unwrap(),
            PayloadType::new(14),
        )
        .unwrap();
        assert_eq!(codec.id, CodecId::Any);
    }

    #[test]
    fn formats_that_share_caps_are_kept_apart() {
        gst::init().unwrap();
        let plausible = |name: &str, caps: &str| {
            let caps: gst::Caps = caps.parse().unwrap();
            is_plausible(name, caps.structure(0).unwrap())
        };
        assert!(!plausible("H263", "video/x-h263,h263version=h263pp"));
        assert!(plausible("H263-2000", "video/x-h263,h263version=h263pp"));
        assert!(!plausible("AMR", "audio/AMR-WB"));
        assert!(!plausible("VP8", "video/x-vp8,codec-alpha=true"));
        assert!(plausible("VP8", "video/x-vp8"));
    }
}
