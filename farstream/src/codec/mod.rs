// SPDX-License-Identifier: MPL-2.0
//! A codec as two peers speak of it, its equality and its text.
//!
//! [`caps`](self::caps) holds the form users see, [`rtp_caps`](self::rtp_caps) the
//! form RTP elements want.

mod caps;
mod rtp_caps;
mod static_payload_types;

use std::fmt;

use crate::{Error, MediaType, Result};

pub use caps::{codec_from_structure, codecs_from_caps, codecs_to_caps};
pub use rtp_caps::{payloader_caps, pt_map_caps};
pub use static_payload_types::{StaticAssignment, static_assignment};

/// Name of the preference that keeps a payload type from being assigned.
pub const RESERVE_PT: &str = "reserve-pt";
/// Parameter of a preference: a gst-launch fragment that replaces the send bin.
pub const SEND_PROFILE: &str = "farstream-send-profile";
/// Parameter of a preference: a gst-launch fragment that replaces the receive bin.
pub const RECV_PROFILE: &str = "farstream-recv-profile";

/// An RTP payload type, 0 to 127 (RFC 3550 section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PayloadType(u8);

impl PayloadType {
    /// First payload type for dynamic assignment (RFC 3551 section 3).
    pub const FIRST_DYNAMIC: u8 = 96;
    /// Highest payload type.
    pub const MAX: u8 = 127;

    /// The payload type with this number, if it is one.
    pub fn new(number: u8) -> Option<Self> {
        (number <= Self::MAX).then_some(Self(number))
    }

    /// The number.
    pub fn number(self) -> u8 {
        self.0
    }

    /// Whether RFC 3551 leaves this number to negotiation.
    pub fn is_dynamic(self) -> bool {
        self.0 >= Self::FIRST_DYNAMIC
    }
}

impl fmt::Display for PayloadType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What stands in the place of a payload type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CodecId {
    /// Any payload type will do (`payload=-1`).
    Any,
    /// The codec must not be used (`payload=-2`).
    Disable,
    /// This payload type.
    Payload(PayloadType),
}

impl CodecId {
    /// The payload type, if there is one.
    pub fn payload(self) -> Option<PayloadType> {
        match self {
            Self::Payload(pt) => Some(pt),
            Self::Any | Self::Disable => None,
        }
    }

    /// The number used in caps: the payload type, -1 or -2.
    pub fn number(self) -> i32 {
        match self {
            Self::Any => -1,
            Self::Disable => -2,
            Self::Payload(pt) => pt.number().into(),
        }
    }

    /// The id for a number from caps.
    pub fn from_number(number: i32) -> Result<Self> {
        match number {
            -1 => Ok(Self::Any),
            -2 => Ok(Self::Disable),
            _ => u8::try_from(number)
                .ok()
                .and_then(PayloadType::new)
                .map(Self::Payload)
                .ok_or_else(|| {
                    Error::invalid(format!(
                        "expected payload 0 to 127, -1 (any) or -2 (disabled), got {number}"
                    ))
                }),
        }
    }
}

impl From<PayloadType> for CodecId {
    fn from(pt: PayloadType) -> Self {
        Self::Payload(pt)
    }
}

impl fmt::Display for CodecId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number().fmt(f)
    }
}

/// A format parameter (SDP `a=fmtp`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Parameter {
    /// Name, compared without case.
    pub name: String,
    /// Value, compared with case.
    pub value: String,
}

/// A feedback parameter (SDP `a=rtcp-fb`, RFC 4585 section 4.2).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Feedback {
    /// Type, such as `nack`; compared without case.
    pub kind: String,
    /// Subtype, such as `pli`; may be empty; compared without case.
    pub subtype: String,
    /// Whatever follows; may be empty.
    pub extra: String,
}

impl Feedback {
    /// Whether both ask for the same feedback, letter case aside.
    pub fn matches(&self, other: &Self) -> bool {
        self.kind.eq_ignore_ascii_case(&other.kind)
            && self.subtype.eq_ignore_ascii_case(&other.subtype)
            && self.extra.eq_ignore_ascii_case(&other.extra)
    }
}

/// A codec with everything two peers agree on about it.
///
/// Equality follows Farstream: names without case, values with case, parameters
/// and feedback as sets.
#[derive(Clone, Debug)]
pub struct Codec {
    /// Payload type, or what stands in its place.
    pub id: CodecId,
    /// Encoding name as IANA registers it (`opus`, `PCMU`), in the spelling given.
    pub encoding_name: String,
    /// Kind of media.
    pub media: MediaType,
    /// RTP clock rate in Hz; 0 is unknown.
    pub clock_rate: u32,
    /// Number of audio channels; 0 is unknown.
    pub channels: u32,
    /// Minimum interval between RTCP reports in milliseconds (RFC 4585 section 4.2
    /// `trr-int`), if given.
    pub trr_int: Option<u32>,
    /// Format parameters in the order given. A name may occur several times.
    pub params: Vec<Parameter>,
    /// Feedback parameters in the order given.
    pub feedback: Vec<Feedback>,
}

impl Codec {
    /// A codec without parameters.
    pub fn new(id: CodecId, encoding_name: &str, media: MediaType, clock_rate: u32) -> Self {
        Self {
            id,
            encoding_name: encoding_name.into(),
            media,
            clock_rate,
            channels: 0,
            trr_int: None,
            params: Vec::new(),
            feedback: Vec::new(),
        }
    }

    /// Adds a format parameter, also if there is one of this name.
    pub fn with_param(mut self, name: &str, value: &str) -> Self {
        self.add_param(name, value);
        self
    }

    /// Adds a feedback parameter.
    pub fn with_feedback(mut self, kind: &str, subtype: &str, extra: &str) -> Self {
        self.feedback.push(Feedback {
            kind: kind.into(),
            subtype: subtype.into(),
            extra: extra.into(),
        });
        self
    }

    /// The same codec with this number of channels.
    pub fn with_channels(mut self, channels: u32) -> Self {
        self.channels = channels;
        self
    }

    /// Adds a format parameter, also if there is one of this name.
    pub fn add_param(&mut self, name: &str, value: &str) {
        self.params.push(Parameter {
            name: name.into(),
            value: value.into(),
        });
    }

    /// Value of the first format parameter of this name.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params
            .iter()
            .find(|p| p.name.eq_ignore_ascii_case(name))
            .map(|p| p.value.as_str())
    }

    /// Removes every format parameter of this name.
    pub fn remove_param(&mut self, name: &str) {
        self.params.retain(|p| !p.name.eq_ignore_ascii_case(name));
    }

    /// Whether this feedback is listed.
    pub fn has_feedback(&self, kind: &str, subtype: &str) -> bool {
        self.feedback
            .iter()
            .any(|f| f.kind.eq_ignore_ascii_case(kind) && f.subtype.eq_ignore_ascii_case(subtype))
    }

    /// Whether the encoding name is `name`, letter case aside.
    pub fn is_named(&self, name: &str) -> bool {
        self.encoding_name.eq_ignore_ascii_case(name)
    }

    /// Whether this preference reserves a payload type instead of naming a codec.
    pub fn is_reservation(&self) -> bool {
        self.is_named(RESERVE_PT)
    }

    /// The payload type, if there is one.
    pub fn payload(&self) -> Option<PayloadType> {
        self.id.payload()
    }

    /// Equality with the payload types left out.
    pub fn is_equal_but_for_id(&self, other: &Self) -> bool {
        self.is_named(&other.encoding_name)
            && self.media == other.media
            && self.clock_rate == other.clock_rate
            && self.channels == other.channels
            && self.trr_int == other.trr_int
            && same_set(&self.params, &other.params, |a, b| {
                a.name.eq_ignore_ascii_case(&b.name) && a.value == b.value
            })
            && same_set(&self.feedback, &other.feedback, |a, b| {
                a.kind.eq_ignore_ascii_case(&b.kind)
                    && a.subtype.eq_ignore_ascii_case(&b.subtype)
                    && a.extra == b.extra
            })
    }
}

impl PartialEq for Codec {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && self.is_equal_but_for_id(other)
    }
}

/// Mutual inclusion: order and multiplicity do not matter.
fn same_set<T>(a: &[T], b: &[T], same: impl Fn(&T, &T) -> bool) -> bool {
    let within = |a: &[T], b: &[T]| a.iter().all(|x| b.iter().any(|y| same(x, y)));
    within(a, b) && within(b, a)
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} {} clock:{} channels:{}",
            self.id, self.media, self.encoding_name, self.clock_rate, self.channels
        )?;
        if let Some(trr_int) = self.trr_int {
            write!(f, " trr-int={trr_int}")?;
        }
        for p in &self.params {
            write!(f, " {}={}", p.name, p.value)?;
        }
        for fb in &self.feedback {
            write!(f, " {}/{}={}", fb.kind, fb.subtype, fb.extra)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pt(number: u8) -> CodecId {
        CodecId::Payload(PayloadType::new(number).unwrap())
    }

    fn vp8() -> Codec {
        Codec::new(pt(96), "VP8", MediaType::Video, 90000)
    }

    #[test]
    fn parameters_and_feedback_compare_as_sets() {
        let a = vp8()
            .with_param("a", "1")
            .with_param("b", "2")
            .with_feedback("nack", "pli", "");
        let b = vp8()
            .with_param("B", "2")
            .with_param("a", "1")
            .with_param("a", "1")
            .with_feedback("NACK", "PLI", "");
        assert_eq!(a, b);
        assert_ne!(a, a.clone().with_param("c", "3"));
        assert_ne!(
            vp8().with_param("a", "x"),
            vp8().with_param("a", "X"),
            "values compare with case"
        );
    }

    #[test]
    fn every_plain_field_counts_in_equality() {
        let base = vp8();
        let mut other = base.clone();
        other.id = pt(97);
        assert_ne!(base, other);
        assert!(base.is_equal_but_for_id(&other));
        for change in [
            |c: &mut Codec| c.encoding_name = "VP9".into(),
            |c: &mut Codec| c.media = MediaType::Audio,
            |c: &mut Codec| c.clock_rate = 1,
            |c: &mut Codec| c.channels = 2,
            |c: &mut Codec| c.trr_int = Some(0),
        ] {
            let mut other = base.clone();
            change(&mut other);
            assert_ne!(base, other);
        }
    }

    #[test]
    fn text_shows_everything() {
        let mut codec = vp8()
            .with_param("max-fr", "30")
            .with_feedback("nack", "pli", "");
        codec.trr_int = Some(5);
        assert_eq!(
            codec.to_string(),
            "96: video VP8 clock:90000 channels:0 trr-int=5 max-fr=30 nack/pli="
        );
    }

    #[test]
    fn payload_type_out_of_range_is_refused() {
        for number in [-3, 128, 4096, i32::MAX] {
            let error = CodecId::from_number(number).unwrap_err();
            assert_eq!(error.code(), crate::ErrorCode::InvalidArguments);
            assert!(error.message().contains(&number.to_string()));
        }
    }
}
