// SPDX-License-Identifier: MPL-2.0
//! What a machine can send and receive, as plain values: which elements make and
//! read the packets of a codec. Discovery fills this in; negotiation reads it.

use crate::Codec;

/// One step of a codec bin: any of these element factories will do, best first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stage {
    /// Names of element factories.
    pub alternatives: Vec<String>,
}

impl Stage {
    /// A step that only one factory can do.
    pub fn one(factory: &str) -> Self {
        Self {
            alternatives: vec![factory.into()],
        }
    }
}

/// How this machine sends and receives one codec.
#[derive(Clone, Debug)]
pub struct Blueprint {
    /// The codec as this machine offers it: id any, or its static payload type.
    /// A clock rate of 0 means that several are possible and a preference must name one.
    pub codec: Codec,
    /// What the payloader's template says of its packets (ANY if nothing sends).
    pub rtp_caps: gst::Caps,
    /// What the send bin takes.
    pub input_caps: gst::Caps,
    /// What the receive bin gives.
    pub output_caps: gst::Caps,
    /// Steps of the send bin, network side first: payloader, encoder, converters.
    /// Empty if this machine cannot send the codec.
    pub send: Vec<Stage>,
    /// Steps of the receive bin, network side first: depayloader, decoder.
    /// Empty if this machine cannot receive the codec.
    pub receive: Vec<Stage>,
}

impl Blueprint {
    /// Whether a bin that sends can be built.
    pub fn can_send(&self) -> bool {
        !self.send.is_empty()
    }

    /// Whether a bin that receives can be built.
    pub fn can_receive(&self) -> bool {
        !self.receive.is_empty()
    }
}
