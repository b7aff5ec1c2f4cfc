// SPDX-License-Identifier: MPL-2.0
//! Narrowing our list to what one peer has, and what that peer's stream is decoded with.

use super::association::{CodecAssociation, State};
use super::pair::negotiate;
use super::refusal::{Mismatch, Refusal, Rule, Side};
use super::tables::{ParamTypes, is_config, without_config};
use crate::Codec;

/// Our list within what `remote` offers, in the peer's order.
///
/// With one peer its payload types win; with several the list is common to all, so ours
/// stay.
pub(super) fn intersect(
    list: &[CodecAssociation],
    remote: &[Codec],
    several_peers: bool,
    refused: &mut Vec<Refusal>,
) -> Vec<CodecAssociation> {
    remote
        .iter()
        .map(|theirs| match find(list, theirs, several_peers) {
            Ok(association) => association,
            Err(why) => {
                refused.push(Refusal::new(theirs, Side::Remote, why));
                CodecAssociation::disabled(theirs)
            }
        })
        .collect()
}

fn find(
    list: &[CodecAssociation],
    theirs: &Codec,
    several_peers: bool,
) -> Result<CodecAssociation, Mismatch> {
    let live = || list.iter().filter(|a| a.is_live());
    let same_payload = live().filter(|a| a.codec.id == theirs.id);
    let mut closest: Option<Mismatch> = None;
    for ours in same_payload.chain(live()) {
        match agree(ours, theirs, several_peers) {
            Ok(association) => return Ok(association),
            Err(why) if ours.codec.is_named(&theirs.encoding_name) => {
                closest.get_or_insert(why);
            }
            Err(_) => {}
        }
    }
    Err(closest.unwrap_or_else(|| {
        let mut names: Vec<_> = live().map(|a| a.codec.encoding_name.as_str()).collect();
        names.dedup();
        Mismatch::new(Rule::EncodingName, names.join(" "), &theirs.encoding_name)
    }))
}

fn agree(
    ours: &CodecAssociation,
    theirs: &Codec,
    several_peers: bool,
) -> Result<CodecAssociation, Mismatch> {
    let limits = ParamTypes::SEND | ParamTypes::SEND_AVOID_NEGO;
    let (announce_theirs, send_ours) = if several_peers {
        (limits, ParamTypes::BOTH | ParamTypes::SEND_AVOID_NEGO)
    } else {
        (ParamTypes::SEND, ParamTypes::BOTH)
    };
    let mut codec = negotiate(&ours.codec, ParamTypes::ALL, theirs, announce_theirs)?;
    let mut send_codec = negotiate(&ours.send_codec, send_ours, theirs, limits)?;
    for result in [&mut codec, &mut send_codec] {
        result
            .feedback
            .retain(|theirs| ours.codec.feedback.iter().any(|f| f.matches(theirs)));
        if several_peers {
            result.trr_int = ours.codec.trr_int;
            result.id = ours.codec.id;
        }
    }
    Ok(CodecAssociation {
        blueprint: ours.blueprint.clone(),
        codec,
        send_codec,
        state: State::Live,
    })
}

/// The session's codecs with the configuration this peer announced: what its stream is
/// decoded with.
pub(super) fn stream_codecs(list: &[CodecAssociation], remote: &[Codec]) -> Vec<Codec> {
    list.iter()
        .filter(|a| a.is_live())
        .map(|association| {
            let mut codec = without_config(&association.codec);
            let theirs = remote.iter().find(|theirs| {
                negotiate(
                    &codec,
                    ParamTypes::RECV,
                    theirs,
                    ParamTypes::RECV | ParamTypes::CONFIG,
                )
                .is_ok()
            });
            for param in theirs.iter().flat_map(|theirs| &theirs.params) {
                if is_config(&codec, &param.name) {
                    codec.add_param(&param.name, &param.value);
                }
            }
            codec
        })
        .collect()
}
