// SPDX-License-Identifier: MPL-2.0
//! Links an RTP session to any number of transports.

use std::sync::Arc;

use farstream::{Error, ErrorCode, Result};
use gst::prelude::*;

use super::Transport;
use super::ends::{Inlet, Outlet};
use crate::engine::EngineSession;
use crate::media::send::stop_and_remove;

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
        let broken = |error: &dyn std::fmt::Display| {
            Error::new(
                ErrorCode::Construction,
                format!("linking the RTP session: {error}"),
            )
        };
        let (outlet, inlet) = (self.outlet.upcast_ref(), self.inlet.upcast_ref());
        conference
            .add_many([outlet, inlet])
            .map_err(|error| broken(&error.message))?;
        let pad = |element: &gst::Element, name: &str| {
            element
                .static_pad(name)
                .ok_or_else(|| broken(&"an end lacks its pad"))
        };
        for (src, sink) in [
            (session.send_rtp_src.clone(), pad(outlet, "rtp")?),
            (session.send_rtcp_src.clone(), pad(outlet, "rtcp")?),
            (pad(inlet, "rtp")?, session.recv_rtp_sink.clone()),
            (pad(inlet, "rtcp")?, session.recv_rtcp_sink.clone()),
        ] {
            src.link(&sink).map_err(|error| broken(&error))?;
        }
        for element in [outlet, inlet] {
            let _ = element.sync_state_with_parent();
        }
        Ok(())
    }

    /// Adds a transport to the conference. It is heard before it is sent to.
    pub fn attach(&self, conference: &gst::Bin, transport: &Arc<Transport>) -> Result<()> {
        let broken = |error: glib::BoolError| {
            Error::new(
                ErrorCode::Construction,
                format!("starting the transmitter: {}", error.message),
            )
        };
        let element = transport.element();
        let result = conference
            .add(element)
            .map_err(broken)
            .and_then(|()| transport.link(&self.inlet, &self.outlet))
            .and_then(|()| element.sync_state_with_parent().map_err(broken));
        match result {
            Ok(()) => self.outlet.add(transport),
            Err(_) => self.detach(conference, transport),
        }
        result
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
        for element in [self.outlet.upcast_ref(), self.inlet.upcast_ref()] {
            stop_and_remove(conference, element);
        }
    }
}
