// SPDX-License-Identifier: MPL-2.0
//! The RTP engine: GStreamer's rtpbin, behind this one module so that another can be
//! measured against it.
//!
//! Sessions of the engine have numbers of their own that are never used twice: taking a
//! session down happens later, on another thread, than destroying it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use farstream::codec::PayloadType;
use farstream::{Error, Result};
use gst::prelude::*;

use crate::elements::{make, request_pad, static_pad};

mod stats;

pub use stats::SessionStats;

/// What the engine asks and tells. Called from its streaming threads and timers.
pub trait Events: Send + Sync {
    /// What packets of this payload type are.
    fn payload_caps(&self, session: u32, pt: PayloadType) -> Option<gst::Caps>;

    /// Packets of a new source, or of a new payload type of one, come out of `pad`.
    fn source_pad_added(&self, session: u32, ssrc: u32, pt: PayloadType, pad: gst::Pad);

    /// `pad` gives no more packets.
    fn source_pad_removed(&self, pad: &gst::Pad);

    /// The first packets of a source were found to be in order.
    fn source_validated(&self, session: u32, ssrc: u32);

    /// A source said BYE or fell silent.
    fn source_gone(&self, session: u32, ssrc: u32);
}

/// An rtpbin and the numbering of its sessions.
pub struct RtpEngine {
    rtpbin: gst::Element,
    next_session: AtomicU32,
}

impl RtpEngine {
    /// Makes the engine's element, to be added to the conference.
    pub fn new() -> Result<Self> {
        let rtpbin = make("rtpbin", "rtpbin")
            .map_err(|error| error.within("install GStreamer's good plugins"))?;
        // Sources that said BYE or fell silent take their pads with them.
        rtpbin.set_property("autoremove", true);
        Ok(Self {
            rtpbin,
            next_session: AtomicU32::new(0),
        })
    }

    /// The element.
    pub fn element(&self) -> &gst::Element {
        &self.rtpbin
    }

    /// Tells `events` everything from now on.
    pub fn connect(&self, events: Arc<dyn Events>) {
        let e = events.clone();
        self.rtpbin.connect("request-pt-map", false, move |args| {
            let session = args.get(1)?.get::<u32>().ok()?;
            let number = u8::try_from(args.get(2)?.get::<u32>().ok()?).ok()?;
            let caps = PayloadType::new(number).and_then(|pt| e.payload_caps(session, pt));
            Some(caps.to_value())
        });
        let e = events.clone();
        self.rtpbin.connect_pad_added(move |_, pad| {
            if let Some((session, ssrc, pt)) = parse_source_pad(&pad.name()) {
                e.source_pad_added(session, ssrc, pt, pad.clone());
            }
        });
        let e = events.clone();
        self.rtpbin.connect_pad_removed(move |_, pad| {
            if parse_source_pad(&pad.name()).is_some() {
                e.source_pad_removed(pad);
            }
        });
        let on_source = |signal: &str, handler: fn(&dyn Events, u32, u32)| {
            let e = events.clone();
            self.rtpbin.connect(signal, false, move |args| {
                let number = |index: usize| args.get(index).and_then(|v| v.get::<u32>().ok());
                if let (Some(session), Some(ssrc)) = (number(1), number(2)) {
                    handler(&*e, session, ssrc);
                }
                None
            });
        };
        on_source("on-ssrc-validated", |e, session, ssrc| {
            e.source_validated(session, ssrc);
        });
        for signal in ["on-bye-ssrc", "on-bye-timeout", "on-timeout"] {
            on_source(signal, |e, session, ssrc| e.source_gone(session, ssrc));
        }
    }

    /// Forgets what was answered about payload types, after they changed.
    pub fn clear_payload_caps(&self) {
        self.rtpbin.emit_by_name::<()>("clear-pt-map", &[]);
    }

    /// The jitter buffer's latency.
    pub fn latency(&self) -> gst::ClockTime {
        gst::ClockTime::from_mseconds(u64::from(self.rtpbin.property::<u32>("latency")))
    }

    /// Opens a session.
    pub fn open(&self) -> Result<EngineSession> {
        let number = self.next_session.fetch_add(1, Ordering::Relaxed);
        let request = |name: &str| request_pad(&self.rtpbin, &format!("{name}_{number}"));
        let send_rtp_sink = request("send_rtp_sink")?;
        let session = EngineSession {
            number,
            rtpbin: self.rtpbin.clone(),
            send_rtp_src: static_pad(&self.rtpbin, &format!("send_rtp_src_{number}"))?,
            send_rtcp_src: request("send_rtcp_src")?,
            recv_rtp_sink: request("recv_rtp_sink")?,
            recv_rtcp_sink: request("recv_rtcp_sink")?,
            element: self
                .rtpbin
                .emit_by_name::<Option<gst::Element>>("get-session", &[&number])
                .ok_or_else(|| Error::construction("expected rtpbin to have the session"))?,
            send_rtp_sink,
        };
        // A second source under a known SSRC is a peer that moved; no bandwidth budget of
        // rtpbin's own; 5 % of it would be for RTCP.
        let internal = session.internal();
        internal.set_property("favor-new", true);
        internal.set_property("bandwidth", 0f64);
        internal.set_property("rtcp-fraction", 0.05f64);
        Ok(session)
    }
}

/// One RTP session: its pads and its knobs.
pub struct EngineSession {
    /// The number the engine knows it by.
    pub number: u32,
    rtpbin: gst::Element,
    /// Takes packets from the payloader.
    pub send_rtp_sink: gst::Pad,
    /// Gives RTP for the network.
    pub send_rtp_src: gst::Pad,
    /// Gives RTCP for the network.
    pub send_rtcp_src: gst::Pad,
    /// Takes RTP from the network.
    pub recv_rtp_sink: gst::Pad,
    /// Takes RTCP from the network.
    pub recv_rtcp_sink: gst::Pad,
    element: gst::Element,
}

impl EngineSession {
    /// rtpbin's session object.
    pub fn internal(&self) -> glib::Object {
        self.element.property("internal-session")
    }

    /// The SSRC we send with; 0 while unknown.
    pub fn ssrc(&self) -> u32 {
        self.internal().property("internal-ssrc")
    }

    /// Sends with this SSRC from now on.
    pub fn set_ssrc(&self, ssrc: u32) {
        self.internal().set_property("internal-ssrc", ssrc);
    }

    /// Minimum interval between reports.
    pub fn set_rtcp_min_interval(&self, interval: gst::ClockTime) {
        self.internal()
            .set_property("rtcp-min-interval", interval.nseconds());
    }

    /// Whether reports may come early to carry feedback (RFC 4585 section 3).
    pub fn set_early_feedback(&self, on: bool) {
        let profile = if on { "avpf" } else { "avp" };
        self.internal()
            .set_property_from_str("rtp-profile", profile);
    }

    /// What was sent and received.
    pub fn stats(&self) -> SessionStats {
        SessionStats::read(&self.internal())
    }

    /// Gives the session's pads back. Nothing may be linked to them any more.
    pub fn close(&self) {
        for pad in [
            &self.recv_rtp_sink,
            &self.recv_rtcp_sink,
            &self.send_rtp_sink,
            &self.send_rtcp_src,
        ] {
            self.rtpbin.release_request_pad(pad);
        }
    }
}

/// Session, SSRC and payload type of a pad `recv_rtp_src_N_SSRC_PT`.
fn parse_source_pad(name: &str) -> Option<(u32, u32, PayloadType)> {
    let mut numbers = name.strip_prefix("recv_rtp_src_")?.split('_');
    let session = numbers.next()?.parse().ok()?;
    let ssrc = numbers.next()?.parse().ok()?;
    let pt = PayloadType::new(numbers.next()?.parse().ok()?)?;
    Some((session, ssrc, pt))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pad_names_tell_session_source_and_payload_type() {
        let (session, ssrc, pt) = parse_source_pad("recv_rtp_src_3_4294967295_96").unwrap();
        assert_eq!((session, ssrc, pt.number()), (3, u32::MAX, 96));
        for name in [
            "send_rtp_src_0",
            "recv_rtp_src_0",
            "recv_rtp_src_0_1_200",
            "recv_rtp_src_a_b_c",
        ] {
            assert!(parse_source_pad(name).is_none(), "{name}");
        }
    }
}
