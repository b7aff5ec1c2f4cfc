// SPDX-License-Identifier: MPL-2.0
//! The user's wishes about codecs: which entries can be honoured, and the list that
//! is used where the user has none.

use std::sync::Arc;

use super::pair::{check_identity, negotiate};
use super::refusal::{Mismatch, Refusal, Rule, Side};
use super::tables::ParamTypes;
use crate::blueprint::Blueprint;
use crate::codec::{RECV_PROFILE, SEND_PROFILE, codecs_from_caps};
use crate::{Codec, CodecId, MediaType, Result};

/// A preference that can be honoured.
#[derive(Clone, Debug)]
pub(super) struct Preference {
    /// As given.
    pub codec: Codec,
    pub kind: Kind,
}

/// What the user's preferences leave to the defaults: formats the defaults turn off stay
/// off unless the user names them.
pub(super) fn still_off<'a>(
    wishes: &'a [Codec],
    defaults: &'a [Codec],
) -> impl Iterator<Item = &'a Codec> {
    defaults.iter().filter(|default| {
        default.id == CodecId::Disable && !wishes.iter().any(|w| w.is_named(&default.encoding_name))
    })
}

/// The preference with the feedback of the defaults, if it says nothing about feedback.
pub(super) fn with_default_feedback(wish: &Codec, defaults: &[Codec]) -> Codec {
    let mut codec = wish.clone();
    if codec.feedback.is_empty()
        && let Some(default) = defaults.iter().find(|d| d.is_named(&wish.encoding_name))
    {
        codec.feedback.clone_from(&default.feedback);
    }
    codec
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// Use this codec, made by the blueprint.
    Use(Arc<Blueprint>),
    /// Do not use codecs that look like this.
    Disable,
    /// Keep this payload type free.
    Reserve,
}

/// Splits `wishes` into what can be honoured and what is refused.
pub(super) fn validate(
    media: MediaType,
    blueprints: &[Arc<Blueprint>],
    wishes: &[Codec],
) -> (Vec<Preference>, Vec<Refusal>) {
    let mut accepted = Vec::new();
    let mut refused = Vec::new();
    for codec in wishes {
        match kind_of(media, blueprints, codec) {
            Ok(kind) => accepted.push(Preference {
                codec: codec.clone(),
                kind,
            }),
            Err(mismatch) => refused.push(Refusal::new(codec, Side::Local, mismatch)),
        }
    }
    (accepted, refused)
}

fn kind_of(
    media: MediaType,
    blueprints: &[Arc<Blueprint>],
    codec: &Codec,
) -> std::result::Result<Kind, Mismatch> {
    if codec.media != media {
        return Err(Mismatch::new(Rule::Media, media, codec.media));
    }
    if codec.is_reservation() {
        return match codec.payload() {
            Some(_) => Ok(Kind::Reserve),
            None => Err(Mismatch::new(
                Rule::PayloadTypes,
                "0 to 127",
                format_args!("payload={}", codec.id),
            )),
        };
    }
    for profile in [SEND_PROFILE, RECV_PROFILE] {
        if codec.param(profile).is_some() {
            return Err(Mismatch::new(Rule::NotImplemented, "", profile));
        }
    }
    let blueprint = find_blueprint(blueprints, codec)?;
    if codec.id == CodecId::Disable {
        return Ok(Kind::Disable);
    }
    if blueprint.codec.clock_rate == 0 && codec.clock_rate == 0 {
        return Err(Mismatch::new(
            Rule::ClockRateMissing,
            "several clock rates are possible",
            "no clock-rate",
        ));
    }
    Ok(Kind::Use(blueprint.clone()))
}

/// The first blueprint that can make `codec`; else the mismatch that came closest.
fn find_blueprint<'a>(
    blueprints: &'a [Arc<Blueprint>],
    codec: &Codec,
) -> std::result::Result<&'a Arc<Blueprint>, Mismatch> {
    let types = ParamTypes::ALL.difference(ParamTypes::CONFIG);
    let mut closest = None;
    for blueprint in blueprints {
        match negotiate(&blueprint.codec, types, codec, types) {
            Ok(_) => return Ok(blueprint),
            Err(mismatch) if blueprint.codec.is_named(&codec.encoding_name) => {
                closest.get_or_insert(mismatch);
            }
            Err(_) => {}
        }
    }
    Err(closest.unwrap_or_else(|| {
        Mismatch::new(
            Rule::NotInstalled,
            "no installed elements make and read it",
            &codec.encoding_name,
        )
    }))
}

/// Whether a disabling entry is about this blueprint. A missing clock rate is about
/// all of them.
pub(super) fn disables(entry: &Preference, blueprint: &Blueprint) -> bool {
    matches!(entry.kind, Kind::Disable) && check_identity(&blueprint.codec, &entry.codec).is_ok()
}

/// Audio preferences shipped with the conference: what most peers have first; formats
/// that nobody can decode without configuration sent ahead are off.
const DEFAULT_AUDIO: &str = "\
    application/x-rtp,encoding-name=OPUS,clock-rate=48000,encoding-params=(string)2; \
    application/x-rtp,encoding-name=G722,clock-rate=8000; \
    application/x-rtp,encoding-name=PCMU,clock-rate=8000; \
    application/x-rtp,encoding-name=PCMA,clock-rate=8000; \
    application/x-rtp,encoding-name=SPEEX,clock-rate=16000; \
    application/x-rtp,encoding-name=SPEEX,clock-rate=8000; \
    application/x-rtp,encoding-name=AMR,clock-rate=8000; \
    application/x-rtp,encoding-name=AMR-WB,clock-rate=16000; \
    application/x-rtp,encoding-name=GSM,clock-rate=8000; \
    application/x-rtp,encoding-name=VORBIS,payload=-2; \
    application/x-rtp,encoding-name=MPA,payload=-2; \
    application/x-rtp,encoding-name=MPEG4-GENERIC,payload=-2; \
    application/x-rtp,encoding-name=MP4A-LATM,payload=-2; \
    application/x-rtp,encoding-name=AC3,payload=-2; \
    application/x-rtp,encoding-name=DV,payload=-2";

/// Video preferences shipped with the conference. Feedback is asked for so that a
/// picture can begin and heal at once.
const DEFAULT_VIDEO: &str = "\
    application/x-rtp,encoding-name=VP8,clock-rate=90000,rtcp-fb-nack-pli=true,rtcp-fb-ccm-fir=true; \
    application/x-rtp,encoding-name=H264,clock-rate=90000,rtcp-fb-nack-pli=true,rtcp-fb-ccm-fir=true; \
    application/x-rtp,encoding-name=VP9,clock-rate=90000,rtcp-fb-nack-pli=true,rtcp-fb-ccm-fir=true; \
    application/x-rtp,encoding-name=H265,clock-rate=90000,rtcp-fb-nack-pli=true,rtcp-fb-ccm-fir=true; \
    application/x-rtp,encoding-name=AV1,clock-rate=90000,rtcp-fb-nack-pli=true,rtcp-fb-ccm-fir=true; \
    application/x-rtp,encoding-name=H263-1998,clock-rate=90000,rtcp-fb-nack-pli=true; \
    application/x-rtp,encoding-name=H263,clock-rate=90000,rtcp-fb-nack-pli=true; \
    application/x-rtp,encoding-name=JPEG,clock-rate=90000; \
    application/x-rtp,encoding-name=THEORA,payload=-2; \
    application/x-rtp,encoding-name=H263-2000,payload=-2; \
    application/x-rtp,encoding-name=MP4V-ES,payload=-2; \
    application/x-rtp,encoding-name=MPV,payload=-2; \
    application/x-rtp,encoding-name=MP2T,payload=-2; \
    application/x-rtp,encoding-name=JPEG2000,payload=-2; \
    application/x-rtp,encoding-name=DV,payload=-2; \
    application/x-rtp,encoding-name=RAW,payload=-2";

/// The preferences used where the user has none.
pub fn default_preferences(media: MediaType) -> Result<Vec<Codec>> {
    let text = match media {
        MediaType::Audio => DEFAULT_AUDIO,
        MediaType::Video => DEFAULT_VIDEO,
        MediaType::Application => return Ok(Vec::new()),
    };
    let caps: gst::Caps = text.parse().map_err(|error| {
        crate::Error::new(
            crate::ErrorCode::Internal,
            format!("default preferences: {error}"),
        )
    })?;
    codecs_from_caps(&caps, media)
}
