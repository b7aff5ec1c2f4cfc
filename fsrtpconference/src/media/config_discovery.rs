// SPDX-License-Identifier: MPL-2.0
//! Learns the configuration of a codec (Vorbis and Theora headers, …) by encoding the
//! live source with it, beside the path that sends, until its payloader shows caps.

use farstream::codec::payloader_caps;
use farstream::{Codec, Error, ErrorCode, Result};
use gst::prelude::*;

use super::codec_bin::{self, Continuation};
use super::send::{SendPlan, stop_and_remove};
use crate::worker::Worker;

/// A discovery under way.
pub struct ConfigDiscovery {
    codec: Codec,
    tee: gst::Element,
    branch: gst::Pad,
    bin: gst::Bin,
}

impl ConfigDiscovery {
    /// Begins to encode what passes `tee`; `learned` gets the caps of the payloader.
    pub fn start(
        conference: &gst::Bin,
        tee: &gst::Element,
        name: &str,
        plan: &SendPlan,
        defaults: bool,
        learned: impl Fn(&gst::StructureRef) + Send + Sync + 'static,
    ) -> Result<Self> {
        let construction =
            |error: glib::BoolError| Error::new(ErrorCode::Construction, error.message.to_string());
        let send = codec_bin::send_bin(
            &format!("{name}_codec"),
            &plan.blueprint.send,
            &plan.send_codec,
            defaults,
            Continuation {
                timestamp_offset: 0,
                sequence: 0,
            },
        )?;
        let caps = payloader_caps(&plan.send_codec, &plan.blueprint.rtp_caps);
        let filter = gst::ElementFactory::make("capsfilter")
            .property("caps", &caps)
            .build()
            .map_err(construction)?;
        let sink = gst::ElementFactory::make("fakesink")
            .property("sync", false)
            .property("async", false)
            .build()
            .map_err(construction)?;
        let bin = gst::Bin::builder().name(name).build();
        bin.add_many([send.bin.upcast_ref(), &filter, &sink])
            .map_err(construction)?;
        gst::Element::link_many([send.bin.upcast_ref(), &filter, &sink]).map_err(construction)?;
        let lacks = || Error::new(ErrorCode::Construction, "an element lacks its pad");
        let target = send.bin.static_pad("sink").ok_or_else(lacks)?;
        let ghost = gst::GhostPad::builder_with_target(&target)
            .map_err(construction)?
            .name("sink")
            .build();
        bin.add_pad(&ghost).map_err(construction)?;
        filter.static_pad("src").ok_or_else(lacks)?.add_probe(
            gst::PadProbeType::EVENT_DOWNSTREAM,
            move |_, info| {
                if let Some(gst::EventView::Caps(caps)) = info.event().map(|event| event.view())
                    && let Some(s) = caps.caps().structure(0)
                {
                    learned(s);
                }
                gst::PadProbeReturn::Ok
            },
        );

        conference.add(&bin).map_err(construction)?;
        bin.sync_state_with_parent().map_err(construction)?;
        let branch = tee.request_pad_simple("src_%u").ok_or_else(lacks)?;
        branch
            .link(&ghost)
            .map_err(|error| Error::new(ErrorCode::Construction, error.to_string()))?;
        Ok(Self {
            codec: plan.send_codec.clone(),
            tee: tee.clone(),
            branch,
            bin,
        })
    }

    /// What it is about.
    pub fn codec(&self) -> &Codec {
        &self.codec
    }

    /// Ends it. May be called on the streaming thread that feeds it.
    pub fn stop(self, worker: &Worker) {
        if let Some(peer) = self.branch.peer() {
            let _ = self.branch.unlink(&peer);
        }
        self.tee.release_request_pad(&self.branch);
        self.bin.set_locked_state(true);
        worker.push(move || {
            if let Some(conference) = self.bin.parent().and_downcast::<gst::Bin>() {
                stop_and_remove(&conference, self.bin.upcast_ref());
            }
        });
    }
}
