// SPDX-License-Identifier: MPL-2.0
//! The transport boundary: where packets of a participant enter and leave.
//!
//! A [`Transport`] holds the transmitter of one stream and whatever stands between it
//! and the RTP session. Everything that is decided per participant happens here: which
//! packets come in, whose they are, and later protection, rtcp-mux and bundling. The
//! engine behind it sees only clean RTP and RTCP.

mod ends;
mod fan_out;
mod incoming;
mod transmitter;

use std::sync::{Arc, OnceLock};

use farstream::{COMPONENT_RTCP, COMPONENT_RTP, Result};
use gst::prelude::*;

pub use fan_out::FanOut;
pub use incoming::Gate;
pub use transmitter::{factory, names};

use ends::{Inlet, Outlet};

use crate::elements::request_pad;

/// What a transport carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Component {
    /// Media.
    Rtp,
    /// Reports.
    Rtcp,
}

impl Component {
    const ALL: [Self; 2] = [Self::Rtp, Self::Rtcp];

    fn index(self) -> usize {
        match self {
            Self::Rtp => 0,
            Self::Rtcp => 1,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Rtp => "rtp",
            Self::Rtcp => "rtcp",
        }
    }

    /// Its number in pads and candidates.
    fn number(self) -> u32 {
        match self {
            Self::Rtp => COMPONENT_RTP,
            Self::Rtcp => COMPONENT_RTCP,
        }
    }
}

/// What a transport is made with.
pub struct Settings<'a> {
    /// Name of its transmitter element.
    pub name: &'a str,
    /// Short name of the transmitter.
    pub transmitter: &'a str,
    /// Properties of the transmitter.
    pub properties: Option<&'a gst::StructureRef>,
    /// Transmitters of one group may share sockets.
    pub socket_group: &'a str,
    /// IP type of service.
    pub tos: u32,
    /// Whether media is sent.
    pub sending: bool,
}

/// The transport of one stream.
#[derive(Debug)]
pub struct Transport {
    transmitter: gst::Element,
    /// Linked to the transmitter's sink pads; no element's, see [`ends`].
    outgoing: [gst::Pad; 2],
    /// Linked to the transmitter's src pads.
    incoming: [gst::Pad; 2],
    inlet: Arc<OnceLock<glib::WeakRef<Inlet>>>,
    /// Where requests for key frames go.
    upstream: Arc<OnceLock<glib::WeakRef<gst::Pad>>>,
}

impl Transport {
    /// Makes the transmitter and sets it up; opens nothing yet. `gate` is asked about
    /// every packet that comes in.
    pub fn new(settings: &Settings<'_>, gate: Arc<dyn Gate>) -> Result<Arc<Self>> {
        let transmitter = transmitter::create(settings)?;
        let inlet = Arc::new(OnceLock::new());
        let upstream = Arc::new(OnceLock::new());
        Ok(Arc::new(Self {
            outgoing: Component::ALL.map(|component| outgoing_pad(component, upstream.clone())),
            incoming: Component::ALL
                .map(|component| incoming::pad(component, gate.clone(), inlet.clone())),
            transmitter,
            inlet,
            upstream,
        }))
    }

    /// The transmitter, to be added to the conference.
    fn element(&self) -> &gst::Element {
        &self.transmitter
    }

    /// Links the transmitter's pads: what is received goes to this session from now on.
    /// Adding an element to a bin cuts its links, so this comes after that.
    fn link(&self, inlet: &Inlet, outlet: &Outlet) -> Result<()> {
        let _ = self.inlet.set(inlet.downgrade());
        if let Some(pad) = outlet.static_pad(Component::Rtp.name()) {
            let _ = self.upstream.set(pad.downgrade());
        }
        for component in Component::ALL {
            let number = component.number();
            let ours = &self.outgoing[component.index()];
            let theirs = request_pad(&self.transmitter, &format!("sink_{number}"))?;
            ours.set_active(true)?;
            ours.link(&theirs)?;

            let ours = &self.incoming[component.index()];
            let theirs = request_pad(&self.transmitter, &format!("src_{number}"))?;
            ours.set_active(true)?;
            theirs.link(ours)?;
        }
        Ok(())
    }

    /// Lets go of the transmitter's pads.
    fn close(&self) {
        for pad in self.outgoing.iter().chain(&self.incoming) {
            let _ = pad.set_active(false);
        }
        for pad in &self.outgoing {
            if let Some(peer) = pad.peer() {
                let _ = pad.unlink(&peer);
                self.transmitter.release_request_pad(&peer);
            }
        }
        for pad in &self.incoming {
            if let Some(peer) = pad.peer() {
                let _ = peer.unlink(pad);
                self.transmitter.release_request_pad(&peer);
            }
        }
    }

    fn send(&self, component: Component, buffer: gst::Buffer) {
        let _ = self.outgoing[component.index()].push(buffer);
    }

    fn send_list(&self, component: Component, list: gst::BufferList) {
        let _ = self.outgoing[component.index()].push_list(list);
    }

    fn send_event(&self, component: Component, event: gst::Event) {
        let _ = self.outgoing[component.index()].push_event(event);
    }

    /// Whether `object` is the transmitter or inside it.
    pub fn contains(&self, object: &gst::Object) -> bool {
        let transmitter = self.transmitter.upcast_ref::<gst::Object>();
        object == transmitter || object.has_as_ancestor(transmitter)
    }

    /// Opens sockets and looks for local candidates.
    pub fn gather(&self) -> Result<()> {
        transmitter::call(&self.transmitter, "gather-candidates", &[])
    }

    /// Tells where the peer is.
    pub fn add_remote_candidates(&self, lines: &[String]) -> Result<()> {
        self.candidates("add-remote-candidates", lines)
    }

    /// Sends to the peer there, without checks.
    pub fn force_remote_candidates(&self, lines: &[String]) -> Result<()> {
        self.candidates("force-remote-candidates", lines)
    }

    fn candidates(&self, signal: &str, lines: &[String]) -> Result<()> {
        transmitter::call(&self.transmitter, signal, &[lines.to_vec().to_value()])
    }

    /// Whether media is sent.
    pub fn set_sending(&self, sending: bool) {
        self.transmitter.set_property("sending", sending);
    }

    /// IP type of service of everything sent from now on.
    pub fn set_tos(&self, tos: u32) {
        self.transmitter.set_property("tos", tos);
    }
}

/// The pad that gives a transmitter what is to be sent. What the transmitter asks of the
/// encoder (`GstForceKeyUnit`) goes up the session's send path.
fn outgoing_pad(
    component: Component,
    upstream: Arc<OnceLock<glib::WeakRef<gst::Pad>>>,
) -> gst::Pad {
    gst::Pad::builder(gst::PadDirection::Src)
        .event_function(move |_, _, event| {
            let wanted =
                component == Component::Rtp && event.type_() == gst::EventType::CustomUpstream;
            match upstream.get().and_then(glib::WeakRef::upgrade) {
                Some(pad) if wanted => pad.push_event(event),
                _ => false,
            }
        })
        .build()
}
