// SPDX-License-Identifier: MPL-2.0
//! One codec of ours against one of a peer: what both can agree on, or why not.

use super::refusal::{Mismatch, Rule};
use super::tables::{Handler, ParamTypes, param_rule};
use crate::Codec;

/// Negotiates `local` with `remote`, looking only at parameters of the given types on
/// each side. The result is the peer's codec (payload type, spelling, feedback) with
/// the parameters both can live with.
pub fn negotiate(
    local: &Codec,
    local_types: ParamTypes,
    remote: &Codec,
    remote_types: ParamTypes,
) -> Result<Codec, Mismatch> {
    check_identity(local, remote)?;

    let mut result = Codec {
        params: Vec::new(),
        ..remote.clone()
    };
    if result.clock_rate == 0 {
        result.clock_rate = local.clock_rate;
    }
    if result.channels == 0 {
        result.channels = local.channels;
    }

    let mut unpaired: Vec<_> = local.params.iter().collect();
    for theirs in &remote.params {
        let position = unpaired
            .iter()
            .position(|ours| ours.name.eq_ignore_ascii_case(&theirs.name));
        let ours = position.map(|index| unpaired.remove(index));
        let value = merge(
            local,
            &theirs.name,
            ours.map(|p| p.value.as_str()),
            local_types,
            Some(&theirs.value),
            remote_types,
        )?;
        if let Some(value) = value {
            result.add_param(&theirs.name, &value);
        }
    }
    for ours in unpaired {
        let value = merge(
            local,
            &ours.name,
            Some(&ours.value),
            local_types,
            None,
            remote_types,
        )?;
        if let Some(value) = value {
            result.add_param(&ours.name, &value);
        }
    }
    Ok(result)
}

/// Whether both name the same encoding at the same rate.
pub(super) fn check_identity(local: &Codec, remote: &Codec) -> Result<(), Mismatch> {
    if local.media != remote.media {
        return Err(Mismatch::new(Rule::Media, local.media, remote.media));
    }
    if !local.is_named(&remote.encoding_name) {
        return Err(Mismatch::new(
            Rule::EncodingName,
            &local.encoding_name,
            &remote.encoding_name,
        ));
    }
    let differ = |a: u32, b: u32| a != 0 && b != 0 && a != b;
    if differ(local.clock_rate, remote.clock_rate) {
        return Err(Mismatch::new(
            Rule::ClockRate,
            local.clock_rate,
            remote.clock_rate,
        ));
    }
    if differ(local.channels, remote.channels) {
        return Err(Mismatch::new(
            Rule::Channels,
            local.channels,
            remote.channels,
        ));
    }
    Ok(())
}

/// The agreed value of one parameter; none if it is left out.
fn merge(
    codec: &Codec,
    name: &str,
    ours: Option<&str>,
    local_types: ParamTypes,
    theirs: Option<&str>,
    remote_types: ParamTypes,
) -> Result<Option<String>, Mismatch> {
    let Some(rule) = param_rule(codec, name) else {
        return merge_unknown(name, ours, theirs, local_types | remote_types);
    };
    let counts =
        |types: ParamTypes| rule.types.contains(ParamTypes::BOTH) || rule.types.intersects(types);
    let ours = ours.filter(|_| counts(local_types));
    let theirs = theirs.filter(|_| counts(remote_types));
    let value = match (rule.handler, ours, theirs) {
        (Handler::Copy, ours, theirs) => theirs.or(ours).map(str::to_owned),
        (Handler::Minimum, Some(ours), Some(theirs)) => Some(minimum(ours, theirs)),
        (Handler::Minimum, ours, theirs) => theirs.or(ours).map(str::to_owned),
    };
    Ok(value)
}

/// The generic rule: equal or refused; copied where only one side has it.
fn merge_unknown(
    name: &str,
    ours: Option<&str>,
    theirs: Option<&str>,
    types: ParamTypes,
) -> Result<Option<String>, Mismatch> {
    if !types.contains(ParamTypes::SEND) {
        return Ok(None);
    }
    match (ours, theirs) {
        (Some(ours), Some(theirs)) if !ours.eq_ignore_ascii_case(theirs) => Err(Mismatch::new(
            Rule::Parameter,
            format_args!("{name}={ours}"),
            format_args!("{name}={theirs}"),
        )),
        (ours, theirs) => Ok(theirs.or(ours).map(str::to_owned)),
    }
}

/// The smaller of two numbers; a value that is none gives way to the other.
fn minimum(ours: &str, theirs: &str) -> String {
    match (leading_number(ours), leading_number(theirs)) {
        (Some(a), Some(b)) => a.min(b).to_string(),
        (Some(a), None) => a.to_string(),
        (None, Some(b)) => b.to_string(),
        (None, None) => theirs.to_owned(),
    }
}

fn leading_number(text: &str) -> Option<u32> {
    let text = text.trim_start();
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .map_or(text, |end| &text[..end]);
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CodecId, MediaType};

    fn codec(name: &str, rate: u32) -> Codec {
        Codec::new(CodecId::Any, name, MediaType::Audio, rate)
    }

    fn nego(local: &Codec, remote: &Codec) -> Result<Codec, Mismatch> {
        negotiate(local, ParamTypes::ALL, remote, ParamTypes::SEND)
    }

    #[test]
    fn identity_must_match() {
        let ours = codec("SPEEX", 8000).with_channels(1);
        for (theirs, rule) in [
            (codec("OPUS", 8000), Rule::EncodingName),
            (codec("speex", 16000), Rule::ClockRate),
            (codec("speex", 8000).with_channels(2), Rule::Channels),
            (
                Codec::new(CodecId::Any, "SPEEX", MediaType::Video, 8000),
                Rule::Media,
            ),
        ] {
            assert_eq!(nego(&ours, &theirs).unwrap_err().rule, rule);
        }
    }

    #[test]
    fn unknown_rate_and_channels_are_filled_from_ours() {
        let result = nego(&codec("X", 8000).with_channels(2), &codec("x", 0)).unwrap();
        assert_eq!((result.clock_rate, result.channels), (8000, 2));
        assert_eq!(result.encoding_name, "x", "spelling is the peer's");
    }

    #[test]
    fn unknown_parameters_copy_from_one_side_and_refuse_on_conflict() {
        let ours = codec("X", 8000).with_param("a", "1");
        let theirs = codec("X", 8000).with_param("b", "2");
        let result = nego(&ours, &theirs).unwrap();
        assert_eq!(result.param("a"), Some("1"));
        assert_eq!(result.param("b"), Some("2"));

        let same = codec("X", 8000).with_param("A", "1");
        assert!(nego(&ours, &same).is_ok());
        let error = nego(&ours, &codec("X", 8000).with_param("a", "2")).unwrap_err();
        assert_eq!(error.rule, Rule::Parameter);
        assert_eq!((error.ours.as_str(), error.theirs.as_str()), ("a=1", "a=2"));
    }

    #[test]
    fn repeated_parameters_pair_up_in_order() {
        let ours = codec("X", 1).with_param("a", "1").with_param("a", "2");
        let result = nego(&ours, &ours.clone()).unwrap();
        assert_eq!(result.params.len(), 2);
        let shuffled = codec("X", 1).with_param("a", "2").with_param("a", "1");
        assert!(nego(&ours, &shuffled).is_err());
    }

    #[test]
    fn packet_times_are_each_sides_own() {
        let ours = codec("X", 8000).with_param("ptime", "10");
        let theirs = codec("X", 8000).with_param("ptime", "30");
        let announced = negotiate(&ours, ParamTypes::ALL, &theirs, ParamTypes::SEND).unwrap();
        assert_eq!(announced.param("ptime"), Some("10"));
        let send = negotiate(
            &ours,
            ParamTypes::BOTH,
            &theirs,
            ParamTypes::SEND | ParamTypes::SEND_AVOID_NEGO,
        )
        .unwrap();
        assert_eq!(send.param("ptime"), Some("30"));
        let both = negotiate(
            &ours,
            ParamTypes::ALL,
            &theirs,
            ParamTypes::SEND | ParamTypes::SEND_AVOID_NEGO,
        )
        .unwrap();
        assert_eq!(both.param("ptime"), Some("10"), "the smaller one");
    }

    #[test]
    fn numbers_that_are_none_give_way() {
        assert_eq!(minimum("10", "x"), "10");
        assert_eq!(minimum("!", "20ms"), "20");
        assert_eq!(minimum("!", "?"), "?");
    }
}
