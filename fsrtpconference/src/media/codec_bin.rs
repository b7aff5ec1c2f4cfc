// SPDX-License-Identifier: MPL-2.0
//! Builds the bin that sends or receives one codec from its blueprint.

use std::sync::Arc;

use farstream::blueprint::{Blueprint, Stage};
use farstream::{Codec, Error, ErrorCode, Result};
use gst::prelude::*;

use super::downgrade_bin::DowngradeBin;
use super::element_defaults;
use crate::elements::static_pad;

/// What to send with.
#[derive(Clone, Debug)]
pub struct SendPlan {
    /// How to make it.
    pub blueprint: Arc<Blueprint>,
    /// The codec as announced.
    pub codec: Codec,
    /// The codec within the peer's limits.
    pub send_codec: Codec,
}

/// What a source is to be decoded with.
#[derive(Clone, Debug)]
pub struct ReceivePlan {
    /// How to read it.
    pub blueprint: Arc<Blueprint>,
    /// The codec with the configuration of its sender.
    pub codec: Codec,
}

/// Where a new payloader goes on, so that the receiver sees one stream although the
/// encoder was replaced.
#[derive(Clone, Copy, Debug)]
pub struct Continuation {
    /// Offset of RTP timestamps, the same for all encoders of a session.
    pub timestamp_offset: u32,
    /// Sequence number of the first packet.
    pub sequence: u16,
}

/// A bin with pads `sink` (raw media) and `src` (packets).
pub struct SendBin {
    /// The bin, in state NULL.
    pub bin: gst::Bin,
    /// The payloader in it.
    pub payloader: gst::Element,
}

/// Makes the bin that sends.
pub fn send_bin(
    name: &str,
    plan: &SendPlan,
    defaults: bool,
    continuation: Continuation,
) -> Result<SendBin> {
    let codec = &plan.send_codec;
    let mut elements = elements(&plan.blueprint.send, codec, defaults)?;
    elements.reverse();
    let payloader = elements
        .last()
        .cloned()
        .ok_or_else(|| no_pipeline("send", codec))?;
    if payloader.has_property_with_type("timestamp-offset", u32::static_type()) {
        payloader.set_property("timestamp-offset", continuation.timestamp_offset);
    }
    if payloader.has_property_with_type("seqnum-offset", i32::static_type()) {
        payloader.set_property("seqnum-offset", i32::from(continuation.sequence));
    }
    let bin = gst::Bin::builder().name(name).build();
    let (first, last) = chain(&bin, &elements)?;
    for (name, pad) in [("sink", first), ("src", last)] {
        let ghost = gst::GhostPad::builder_with_target(&pad)?.name(name).build();
        bin.add_pad(&ghost)?;
    }
    Ok(SendBin { bin, payloader })
}

/// Makes the bin that receives, with pads `sink` (packets) and `src` (raw media).
///
/// Whatever happens downstream of `src` (nobody linked, a branch being stopped, a sink
/// that refuses) never stops the RTP engine: what nobody takes is thrown away.
pub fn receive_bin(name: &str, plan: &ReceivePlan, defaults: bool) -> Result<gst::Bin> {
    let codec = &plan.codec;
    let elements = elements(&plan.blueprint.receive, codec, defaults)?;
    if elements.is_empty() {
        return Err(no_pipeline("receive", codec));
    }
    let bin = DowngradeBin::new(name).upcast::<gst::Bin>();
    let (first, last) = chain(&bin, &elements)?;
    let sink = gst::GhostPad::builder_with_target(&first)?
        .name("sink")
        .build();
    let src = gst::GhostPad::builder_with_target(&last)?
        .name("src")
        .proxy_pad_chain_function(|pad, parent, buffer| {
            tolerate(
                pad,
                parent,
                gst::ProxyPad::chain_default(pad, parent, buffer),
            )
        })
        .proxy_pad_chain_list_function(|pad, parent, list| {
            tolerate(
                pad,
                parent,
                gst::ProxyPad::chain_list_default(pad, parent, list),
            )
        })
        .build();
    for pad in [sink, src] {
        bin.add_pad(&pad)?;
    }
    Ok(bin)
}

/// Turns a failure downstream into success, unless it is this bin that is being stopped.
fn tolerate(
    pad: &gst::ProxyPad,
    parent: Option<&gst::Object>,
    result: std::result::Result<gst::FlowSuccess, gst::FlowError>,
) -> std::result::Result<gst::FlowSuccess, gst::FlowError> {
    let stopping = || {
        pad.pad_flags().contains(gst::PadFlags::FLUSHING)
            || parent
                .and_then(|parent| parent.downcast_ref::<gst::Pad>())
                .is_none_or(|ghost| ghost.pad_flags().contains(gst::PadFlags::FLUSHING))
    };
    match result {
        Ok(success) => Ok(success),
        Err(gst::FlowError::Flushing) if stopping() => Err(gst::FlowError::Flushing),
        Err(error) => {
            gst::debug!(gst::CAT_DEFAULT, obj = pad, "nobody took a buffer: {error}");
            Ok(gst::FlowSuccess::Ok)
        }
    }
}

/// One element per stage, in the order of the stages.
fn elements(stages: &[Stage], codec: &Codec, defaults: bool) -> Result<Vec<gst::Element>> {
    stages
        .iter()
        .map(|stage| {
            let element = first_that_works(stage, defaults)?;
            if let Some(pt) = codec.payload()
                && element.has_property_with_type("pt", u32::static_type())
            {
                element.set_property("pt", u32::from(pt.number()));
            }
            Ok(element)
        })
        .collect()
}

/// The first alternative that can be made and opens what it needs.
fn first_that_works(stage: &Stage, defaults: bool) -> Result<gst::Element> {
    let mut failures = Vec::new();
    for factory in &stage.alternatives {
        let element = match gst::ElementFactory::make(factory).build() {
            Ok(element) => element,
            Err(error) => {
                failures.push(format!("{factory}: {}", error.message));
                continue;
            }
        };
        if defaults {
            element_defaults::apply(&element);
        }
        if element.set_state(gst::State::Ready).is_ok() {
            return Ok(element);
        }
        failures.push(format!("{factory}: does not get ready"));
        let _ = element.set_state(gst::State::Null);
    }
    Err(Error::construction(format!(
        "expected one of the elements {} to work, got: {}; check the installation with \
             gst-inspect-1.0",
        stage.alternatives.join(", "),
        failures.join("; ")
    )))
}

/// Adds the elements to the bin and links them; returns the outer pads.
fn chain(bin: &gst::Bin, elements: &[gst::Element]) -> Result<(gst::Pad, gst::Pad)> {
    bin.add_many(elements)?;
    gst::Element::link_many(elements).map_err(|error| {
        let names: Vec<_> = elements.iter().map(|e| e.name().to_string()).collect();
        Error::construction(format!(
            "expected {} to link, got: {}",
            names.join(" ! "),
            error.message
        ))
    })?;
    let (Some(first), Some(last)) = (elements.first(), elements.last()) else {
        return Err(Error::construction("expected at least one element"));
    };
    Ok((static_pad(first, "sink")?, static_pad(last, "src")?))
}

fn no_pipeline(direction: &str, codec: &Codec) -> Error {
    Error::new(
        ErrorCode::UnknownCodec,
        format!("this machine cannot {direction} {codec}: no elements are known for it"),
    )
}
