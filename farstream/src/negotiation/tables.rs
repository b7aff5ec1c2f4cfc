// SPDX-License-Identifier: MPL-2.0
//! What is known about the format parameters of each codec.
//!
//! Parameters without an entry follow the generic rule of [`pair`](super::pair):
//! equal or refused, copied where one side has them.

use crate::{Codec, MediaType};

bitflags::bitflags! {
    /// What a parameter is about.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct ParamTypes: u8 {
        /// Limits what may be sent to whoever announces it.
        const SEND = 1;
        /// Describes the stream that whoever announces it sends.
        const RECV = 2;
        /// Both of these.
        const BOTH = 3;
        /// The decoder needs it before the first packet.
        const CONFIG = 4;
        /// Each side keeps its own.
        const SEND_AVOID_NEGO = 8;
        /// The codec cannot be used without it.
        const MANDATORY = 16;
        /// Everything there is to negotiate.
        const ALL = 15;
    }
}

/// How two values become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handler {
    /// The peer's value, else ours.
    Copy,
    /// The smaller number; a lone value stays as it is.
    Minimum,
}

/// What is known about one parameter.
#[derive(Clone, Copy, Debug)]
pub(super) struct ParamRule {
    name: &'static str,
    pub types: ParamTypes,
    pub handler: Handler,
}

const fn rule(name: &'static str, types: ParamTypes, handler: Handler) -> ParamRule {
    ParamRule {
        name,
        types,
        handler,
    }
}

const CONFIG: ParamTypes = ParamTypes::CONFIG;
const MANDATORY_CONFIG: ParamTypes = ParamTypes::CONFIG.union(ParamTypes::MANDATORY);
const OWN: ParamTypes = ParamTypes::SEND_AVOID_NEGO;
const STREAM_CONFIG: ParamTypes = ParamTypes::CONFIG.union(ParamTypes::RECV);

/// Packet times (RFC 8866 section 6), for audio and for codecs without a table.
const PACKET_TIMES: [ParamRule; 2] = [
    rule("ptime", OWN, Handler::Minimum),
    rule("maxptime", OWN, Handler::Minimum),
];

/// RFC 7587 section 6.1.
const OPUS: [ParamRule; 7] = [
    rule("sprop-maxcapturerate", STREAM_CONFIG, Handler::Copy),
    rule("sprop-stereo", STREAM_CONFIG, Handler::Copy),
    rule("maxplaybackrate", OWN, Handler::Copy),
    rule("stereo", OWN, Handler::Copy),
    rule("cbr", OWN, Handler::Copy),
    rule("useinbandfec", OWN, Handler::Copy),
    rule("usedtx", OWN, Handler::Copy),
];

/// RFC 6184 section 8.1. The parameter sets also travel in the stream, so a decoder
/// can begin without this one.
const H264: [ParamRule; 1] = [rule("sprop-parameter-sets", CONFIG, Handler::Copy)];

/// RFC 5215 section 6.
const VORBIS: [ParamRule; 1] = [rule("configuration", MANDATORY_CONFIG, Handler::Copy)];

/// draft-barbato-avt-rtp-theora-01 section 6.
const THEORA: [ParamRule; 2] = [
    rule("configuration", MANDATORY_CONFIG, Handler::Copy),
    rule("delivery-method", CONFIG, Handler::Copy),
];

fn table(codec: &Codec) -> &'static [ParamRule] {
    match codec.encoding_name.to_ascii_uppercase().as_str() {
        "OPUS" => &OPUS,
        "H264" => &H264,
        "VORBIS" => &VORBIS,
        "THEORA" => &THEORA,
        _ => &[],
    }
}

/// What is known about parameter `name` of `codec`.
pub(super) fn param_rule(codec: &Codec, name: &str) -> Option<&'static ParamRule> {
    let table = table(codec);
    let find = |rules: &'static [ParamRule]| {
        rules
            .iter()
            .find(|rule| rule.name.eq_ignore_ascii_case(name))
    };
    find(table).or_else(|| {
        (codec.media != MediaType::Video || table.is_empty())
            .then(|| find(&PACKET_TIMES))
            .flatten()
    })
}

/// Whether parameter `name` of `codec` is configuration that a decoder needs.
pub(super) fn is_config(codec: &Codec, name: &str) -> bool {
    param_rule(codec, name).is_some_and(|rule| rule.types.contains(ParamTypes::CONFIG))
}

/// Whether `codec` lacks configuration without which nobody can decode it.
pub(super) fn lacks_config(codec: &Codec) -> bool {
    table(codec)
        .iter()
        .any(|rule| rule.types.contains(MANDATORY_CONFIG) && codec.param(rule.name).is_none())
}

/// The codec without configuration parameters.
pub fn without_config(codec: &Codec) -> Codec {
    let mut codec = codec.clone();
    let params = std::mem::take(&mut codec.params);
    codec.params = params
        .into_iter()
        .filter(|param| !is_config(&codec, &param.name))
        .collect();
    codec
}
