// SPDX-License-Identifier: MPL-2.0
//! Builds the bin that sends or receives one codec from its blueprint.

use farstream::blueprint::Stage;
use farstream::{Codec, Error, ErrorCode, Result};
use gst::prelude::*;

use super::downgrade_bin::DowngradeBin;
use super::element_defaults;

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

/// Makes the bin that sends `codec`. `stages` come network side first.
pub fn send_bin(
    name: &str,
    stages: &[Stage],
    codec: &Codec,
    defaults: bool,
    continuation: Continuation,
) -> Result<SendBin> {
    let mut elements = elements(stages, codec, defaults)?;
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
        let ghost = gst::GhostPad::builder_with_target(&pad)
            .map_err(|error| construction(&error))?
            .name(name)
            .build();
        bin.add_pad(&ghost).map_err(|error| construction(&error))?;
    }
    Ok(SendBin { bin, payloader })
}

/// Makes the bin that receives `codec`, with pads `sink` (packets) and `src` (raw media).
///
/// Whatever happens downstream of `src` (nobody linked, a branch being stopped, a sink
/// that refuses) never stops the RTP engine: what nobody takes is thrown away.
pub fn receive_bin(
    name: &str,
    stages: &[Stage],
    codec: &Codec,
    defaults: bool,
) -> Result<gst::Bin> {
    let elements = elements(stages, codec, defaults)?;
    if elements.is_empty() {
        return Err(no_pipeline("receive", codec));
    }
    let bin = DowngradeBin::new(name).upcast::<gst::Bin>();
    let (first, last) = chain(&bin, &elements)?;
    let sink = gst::GhostPad::builder_with_target(&first)
        .map_err(|error| construction(&error))?
        .name("sink")
        .build();
    let src = gst::GhostPad::builder_with_target(&last)
        .map_err(|error| construction(&error))?
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
        bin.add_pad(&pad).map_err(|error| construction(&error))?;
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
    Err(Error::new(
        ErrorCode::Construction,
        format!(
            "expected one of the elements {} to work, got: {}; check the installation with \
             gst-inspect-1.0",
            stage.alternatives.join(", "),
            failures.join("; ")
        ),
    ))
}

/// Adds the elements to the bin and links them; returns the outer pads.
fn chain(bin: &gst::Bin, elements: &[gst::Element]) -> Result<(gst::Pad, gst::Pad)> {
    bin.add_many(elements)
        .map_err(|error| construction(&error))?;
    gst::Element::link_many(elements).map_err(|error| {
        let names: Vec<_> = elements.iter().map(|e| e.name().to_string()).collect();
        Error::new(
            ErrorCode::Construction,
            format!(
                "expected {} to link, got: {}",
                names.join(" ! "),
                error.message
            ),
        )
    })?;
    let ends = elements
        .first()
        .and_then(|first| first.static_pad("sink"))
        .zip(elements.last().and_then(|last| last.static_pad("src")));
    ends.ok_or_else(|| {
        Error::new(
            ErrorCode::Construction,
            "expected elements with pads named sink and src",
        )
    })
}

fn construction(error: &glib::BoolError) -> Error {
    Error::new(ErrorCode::Construction, error.message.to_string())
}

fn no_pipeline(direction: &str, codec: &Codec) -> Error {
    Error::new(
        ErrorCode::UnknownCodec,
        format!("this machine cannot {direction} {codec}: no elements are known for it"),
    )
}
