// SPDX-License-Identifier: MPL-2.0
//! Learns the configuration of a codec (Vorbis and Theora headers, …) by encoding the
//! live source with it, beside the path that sends, until its payloader shows caps.

use farstream::codec::payloader_caps;
use farstream::{Codec, Result};
use gst::prelude::*;

use super::codec_bin::{self, Continuation, SendPlan};
use crate::elements::{discard, request_pad, static_pad};
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
        let send = codec_bin::send_bin(
            &format!("{name}_codec"),
            plan,
            defaults,
            Continuation {
                timestamp_offset: 0,
                sequence: 0,
            },
        )?;
        let caps = payloader_caps(&plan.send_codec, &plan.blueprint.rtp_caps);
        let filter = gst::ElementFactory::make("capsfilter")
            .property("caps", &caps)
            .build()?;
        let sink = gst::ElementFactory::make("fakesink")
            .property("sync", false)
            .property("async", false)
            .build()?;
        let bin = gst::Bin::builder().name(name).build();
        bin.add_many([send.bin.upcast_ref(), &filter, &sink])?;
        gst::Element::link_many([send.bin.upcast_ref(), &filter, &sink])?;
        let target = static_pad(&send.bin, "sink")?;
        let ghost = gst::GhostPad::builder_with_target(&target)?
            .name("sink")
            .build();
        bin.add_pad(&ghost)?;
        static_pad(&filter, "src")?.add_probe(
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

        conference.add(&bin)?;
        bin.sync_state_with_parent()?;
        let branch = request_pad(tee, "src_%u")?;
        branch.link(&ghost)?;
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
        discard(&self.bin, worker);
    }
}
