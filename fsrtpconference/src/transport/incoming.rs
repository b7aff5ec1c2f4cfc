// SPDX-License-Identifier: MPL-2.0
//! Looks at every packet before it reaches the RTP engine: is it RTP or RTCP at all, and
//! does the session want it.

use std::sync::{Arc, OnceLock};

use super::Component;
use super::ends::Inlet;

/// Name of the meta that a transmitter puts on packets whose source it cannot tell.
const SOURCE_UNKNOWN: &str = "FsSourceUnknown";

/// Who is asked about packets. Called on the thread that receives them, for each one.
pub trait Gate: Send + Sync {
    /// An RTP packet came; `sure` if it is certainly this stream's. Returns whether to let
    /// it in.
    fn rtp(&self, ssrc: u32, payload_type: u8, sure: bool) -> bool;

    /// An RTCP packet came, sent by `ssrc`.
    fn rtcp(&self, ssrc: u32, sure: bool);

    /// Something came that is neither.
    fn malformed(&self);
}

/// The pad that takes what a transmitter receives: what `gate` lets in goes to the inlet.
pub(super) fn pad(
    component: Component,
    gate: Arc<dyn Gate>,
    inlet: Arc<OnceLock<glib::WeakRef<Inlet>>>,
) -> gst::Pad {
    let target = {
        let inlet = inlet.clone();
        move || inlet.get().and_then(glib::WeakRef::upgrade)
    };
    let list_target = target.clone();
    let list_gate = gate.clone();
    gst::Pad::builder(gst::PadDirection::Sink)
        .chain_function(move |_, _, buffer| {
            if let Some(inlet) = target()
                && admit(component, &buffer, &*gate)
            {
                inlet.push(component, buffer);
            }
            Ok(gst::FlowSuccess::Ok)
        })
        .chain_list_function(move |_, _, mut list| {
            if let Some(inlet) = list_target() {
                list.make_mut().foreach_mut(|buffer, _| {
                    let keep = admit(component, &buffer, &*list_gate).then_some(buffer);
                    std::ops::ControlFlow::Continue(keep)
                });
                inlet.push_list(component, list);
            }
            Ok(gst::FlowSuccess::Ok)
        })
        // The inlet has a stream of its own; those of transmitters come and go.
        .event_function(|_, _, _| true)
        .build()
}

fn admit(component: Component, buffer: &gst::BufferRef, gate: &dyn Gate) -> bool {
    match component {
        Component::Rtp => admit_rtp(buffer, gate),
        Component::Rtcp => admit_rtcp(buffer, gate),
    }
}

fn is_sure(buffer: &gst::BufferRef) -> bool {
    gst::meta::CustomMeta::from_buffer(buffer, SOURCE_UNKNOWN).is_err()
}

fn admit_rtp(buffer: &gst::BufferRef, gate: &dyn Gate) -> bool {
    let Ok(map) = buffer.map_readable() else {
        return false;
    };
    match rtp_types::RtpPacket::parse(&map) {
        Ok(packet) => gate.rtp(packet.ssrc(), packet.payload_type(), is_sure(buffer)),
        Err(_) => {
            gate.malformed();
            false
        }
    }
}

fn admit_rtcp(buffer: &gst::BufferRef, gate: &dyn Gate) -> bool {
    let Ok(map) = buffer.map_readable() else {
        return false;
    };
    match rtcp_sender(&map) {
        Some(ssrc) => {
            gate.rtcp(ssrc, is_sure(buffer));
            true
        }
        None => {
            gate.malformed();
            false
        }
    }
}

/// The sender of a compound packet whose lengths are sound. What is inside is the RTP
/// engine's business. Every packet that can stand first has its sender in the second word
/// (RFC 3550 section 6.1, RFC 5506).
fn rtcp_sender(data: &[u8]) -> Option<u32> {
    rtcp_types::Compound::parse(data).ok()?;
    let word = data.get(4..8)?;
    Some(u32::from_be_bytes(word.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rtcp_sender_is_read_and_garbage_is_not() {
        // An empty receiver report of 0x01020304.
        let rr = [0x80, 201, 0, 1, 1, 2, 3, 4];
        assert_eq!(rtcp_sender(&rr), Some(0x01020304));
        assert_eq!(rtcp_sender(&rr[..6]), None);
        assert_eq!(rtcp_sender(&[]), None);
        assert_eq!(rtcp_sender(&[0x80, 201, 0xff, 0xff, 1, 2, 3, 4]), None);
        assert_eq!(rtcp_sender(b"GET / HTTP/1.1\r\n\r\n"), None);
    }
}
