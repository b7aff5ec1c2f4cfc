// SPDX-License-Identifier: MPL-2.0
//! Links an RTP session to any number of transports.

use std::sync::Arc;

use farstream::Result;
use gst::prelude::*;

use super::Transport;
use super::ends::{Inlet, Outlet};
use crate::elements::{static_pad, stop_and_remove};
use crate::engine::EngineSession;

/// The ends of one session.
pub struct FanOut {
    outlet: Outlet,
    inlet: Inlet,
}

impl FanOut {
    /// Links them to the session's pads.
    pub fn new(conference: &gst::Bin, session: &EngineSession) -> Result<Self> {
        let number = session.number;
        let fan_out = Self {
            outlet: Outlet::new(&format!("outlet_{number}")),
            inlet: Inlet::new(&format!("inlet_{number}")),
        };
        fan_out.connect(conference, session).inspect_err(|_| {
            fan_out.dismantle(conference);
        })?;
        Ok(fan_out)
    }

    fn connect(&self, conference: &gst::Bin, session: &EngineSession) -> Result<()> {
        let outlet = self.outlet.upcast_ref::<gst::Element>();
        let inlet = self.inlet.upcast_ref::<gst::Element>();
        conference.add_many([outlet, inlet])?;
        session.send_rtp_src.link(&static_pad(outlet, "rtp")?)?;
        session.send_rtcp_src.link(&static_pad(outlet, "rtcp")?)?;
        static_pad(inlet, "rtp")?.link(&session.recv_rtp_sink)?;
        static_pad(inlet, "rtcp")?.link(&session.recv_rtcp_sink)?;
        for element in [outlet, inlet] {
            let _ = element.sync_state_with_parent();
        }
        Ok(())
    }

    /// Adds a transport to the conference. It is heard before it is sent to.
    pub fn attach(&self, conference: &gst::Bin, transport: &Arc<Transport>) -> Result<()> {
        let result = self.start(conference, transport);
        match result {
            Ok(()) => self.outlet.add(transport),
            Err(_) => self.detach(conference, transport),
        }
        result
    }

    fn start(&self, conference: &gst::Bin, transport: &Transport) -> Result<()> {
        let element = transport.element();
        conference.add(element)?;
        transport.link(&self.inlet, &self.outlet)?;
        element.sync_state_with_parent()?;
        Ok(())
    }

    /// The application ends the pipeline, and nothing feeds this session.
    pub fn end(&self, eos: &gst::Event) {
        self.outlet.end(eos);
    }

    /// Takes a transport out and stops it. Not for streaming threads.
    pub fn detach(&self, conference: &gst::Bin, transport: &Arc<Transport>) {
        self.outlet.remove(transport);
        stop_and_remove(conference, transport.element());
        transport.close();
    }

    /// Takes the ends out. Not for streaming threads; all transports were detached.
    pub fn dismantle(&self, conference: &gst::Bin) {
        stop_and_remove(conference, &self.outlet);
        stop_and_remove(conference, &self.inlet);
    }
}
