// SPDX-License-Identifier: MPL-2.0
//! The list we would offer: preferences first, then everything else that is
//! installed, each with a payload type.

use std::sync::Arc;

use super::association::{CodecAssociation, State};
use super::pair::negotiate;
use super::preferences::{Kind, Preference, disables};
use super::refusal::{Mismatch, Refusal, Rule, Side};
use super::tables::ParamTypes;
use crate::blueprint::Blueprint;
use crate::codec::{RECV_PROFILE, SEND_PROFILE};
use crate::{Codec, CodecId, PayloadType};

/// Formats the application lets in and out.
#[derive(Clone, Debug)]
pub struct AllowedCaps {
    /// What the application feeds in.
    pub sink: gst::Caps,
    /// What the application takes out.
    pub src: gst::Caps,
}

impl AllowedCaps {
    fn admit(&self, blueprint: &Blueprint) -> Result<(), Mismatch> {
        for (allowed, ours) in [
            (&self.sink, &blueprint.input_caps),
            (&self.src, &blueprint.output_caps),
        ] {
            if !allowed.can_intersect(ours) {
                return Err(Mismatch::new(Rule::AllowedCaps, allowed, ours));
            }
        }
        Ok(())
    }
}

/// Makes the list, or `None` if the dynamic payload types do not suffice.
pub(super) fn build(
    blueprints: &[Arc<Blueprint>],
    preferences: &[Preference],
    current: &[CodecAssociation],
    allowed: &AllowedCaps,
    refused: &mut Vec<Refusal>,
) -> Option<Vec<CodecAssociation>> {
    let mut list = Vec::new();
    for preference in preferences {
        match &preference.kind {
            Kind::Disable => {}
            Kind::Reserve => list.push(CodecAssociation::reserved(&preference.codec)),
            Kind::Use(blueprint) => match allowed.admit(blueprint) {
                Ok(()) => insert(
                    &mut list,
                    from_preference(&preference.codec, blueprint, current),
                ),
                Err(why) => refused.push(Refusal::new(&preference.codec, Side::Local, why)),
            },
        }
    }
    number_dynamically(&mut list, current)?;
    for blueprint in blueprints {
        let preferred = list.iter().any(|a| {
            a.blueprint
                .as_ref()
                .is_some_and(|b| Arc::ptr_eq(b, blueprint))
        });
        let off = preferences.iter().any(|entry| disables(entry, blueprint));
        if blueprint.codec.clock_rate != 0 && !preferred && !off {
            add_discovered(&mut list, blueprint, current, allowed, refused);
        }
    }
    Some(list)
}

/// What can be sent stands before what cannot.
fn insert(list: &mut Vec<CodecAssociation>, association: CodecAssociation) {
    let position = if association.can_send() {
        list.iter().position(|other| !other.can_send())
    } else {
        None
    };
    list.insert(position.unwrap_or(list.len()), association);
}

fn from_preference(
    wish: &Codec,
    blueprint: &Arc<Blueprint>,
    current: &[CodecAssociation],
) -> CodecAssociation {
    let mut codec = wish.clone();
    codec.remove_param(SEND_PROFILE);
    codec.remove_param(RECV_PROFILE);
    if codec.id == CodecId::Any {
        codec.id = payload_in_use(&codec, current).map_or(blueprint.codec.id, CodecId::Payload);
    }
    if codec.clock_rate == 0 {
        codec.clock_rate = blueprint.codec.clock_rate;
    }
    if codec.channels == 0 {
        codec.channels = blueprint.codec.channels;
    }
    for param in &blueprint.codec.params {
        if codec.param(&param.name).is_none() {
            codec.add_param(&param.name, &param.value);
        }
    }
    CodecAssociation::live(blueprint, codec)
}

/// The payload type that this codec has in the current list, so that it stays.
fn payload_in_use(wish: &Codec, current: &[CodecAssociation]) -> Option<PayloadType> {
    current
        .iter()
        .filter(|a| a.state != State::Reserved)
        .find(|a| {
            negotiate(
                &a.codec,
                ParamTypes::BOTH | ParamTypes::CONFIG,
                wish,
                ParamTypes::ALL,
            )
            .and_then(|_| {
                negotiate(
                    &a.send_codec,
                    ParamTypes::SEND,
                    wish,
                    ParamTypes::SEND | ParamTypes::SEND_AVOID_NEGO,
                )
            })
            .is_ok()
        })
        .and_then(CodecAssociation::payload)
}

/// Gives every entry that has none the first payload type that neither the new nor the
/// current list uses.
fn number_dynamically(list: &mut [CodecAssociation], current: &[CodecAssociation]) -> Option<()> {
    for index in 0..list.len() {
        if list[index].payload().is_none() {
            let pt = free_payload(list, current)?;
            list[index].set_payload(pt);
        }
    }
    Some(())
}

fn free_payload(list: &[CodecAssociation], current: &[CodecAssociation]) -> Option<PayloadType> {
    (PayloadType::FIRST_DYNAMIC..=PayloadType::MAX)
        .filter_map(PayloadType::new)
        .find(|pt| {
            list.iter()
                .chain(current)
                .all(|association| association.payload() != Some(*pt))
        })
}

/// Adds a codec nobody asked for: under the payload types it has already, else under a
/// new one.
fn add_discovered(
    list: &mut Vec<CodecAssociation>,
    blueprint: &Arc<Blueprint>,
    current: &[CodecAssociation],
    allowed: &AllowedCaps,
    refused: &mut Vec<Refusal>,
) {
    if let Err(why) = allowed.admit(blueprint) {
        refused.push(Refusal::new(&blueprint.codec, Side::Local, why));
        return;
    }
    let taken = |list: &[CodecAssociation], pt| list.iter().any(|a| a.payload() == Some(pt));
    let mut kept = false;
    for earlier in current.iter().filter(|a| {
        a.blueprint
            .as_ref()
            .is_some_and(|b| Arc::ptr_eq(b, blueprint))
            && negotiate(
                &a.codec,
                ParamTypes::CONFIG,
                &blueprint.codec,
                ParamTypes::ALL,
            )
            .is_ok()
    }) {
        if let Some(pt) = earlier.payload().filter(|pt| !taken(list, *pt)) {
            let mut association = CodecAssociation::live(blueprint, blueprint.codec.clone());
            association.set_payload(pt);
            list.push(association);
            kept = true;
        }
    }
    if kept {
        return;
    }
    let pt = blueprint
        .codec
        .payload()
        .filter(|pt| !taken(list, *pt))
        .or_else(|| free_payload(list, current));
    match pt {
        Some(pt) => {
            let mut association = CodecAssociation::live(blueprint, blueprint.codec.clone());
            association.set_payload(pt);
            list.push(association);
        }
        None => refused.push(Refusal::new(
            &blueprint.codec,
            Side::Local,
            Mismatch::new(Rule::PayloadTypes, "96 to 127 are all taken", ""),
        )),
    }
}
