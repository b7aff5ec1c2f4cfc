// SPDX-License-Identifier: MPL-2.0
//! Why something was not agreed on, as a value.

use std::fmt;

use crate::Codec;

/// Which rule refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// The kinds of media differ.
    Media,
    /// No codec of this name is known on the other side.
    EncodingName,
    /// The clock rates differ.
    ClockRate,
    /// The numbers of channels differ.
    Channels,
    /// A format parameter has another value on each side.
    Parameter,
    /// No installed elements make and read this codec.
    NotInstalled,
    /// `allowed-sink-caps` or `allowed-src-caps` leave this codec out.
    AllowedCaps,
    /// Two clock rates are possible and the preference does not name one.
    ClockRateMissing,
    /// The entry asks for something this version does not offer.
    NotImplemented,
    /// All dynamic payload types are taken.
    PayloadTypes,
    /// Nobody shares this header extension.
    HeaderExtension,
}

impl Rule {
    /// The name messages carry.
    pub fn nick(self) -> &'static str {
        match self {
            Self::Media => "media",
            Self::EncodingName => "encoding-name",
            Self::ClockRate => "clock-rate",
            Self::Channels => "channels",
            Self::Parameter => "parameter",
            Self::NotInstalled => "not-installed",
            Self::AllowedCaps => "allowed-caps",
            Self::ClockRateMissing => "clock-rate-missing",
            Self::NotImplemented => "not-implemented",
            Self::PayloadTypes => "payload-types",
            Self::HeaderExtension => "header-extension",
        }
    }
}

/// Whose entry was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// A preference or offer of this end.
    Local,
    /// A codec of the peer.
    Remote,
}

impl Side {
    /// The name messages carry.
    pub fn nick(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Remote => "remote",
        }
    }
}

/// Two codecs that do not go together: the rule and what each side has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// Which rule refused.
    pub rule: Rule,
    /// What this end has.
    pub ours: String,
    /// What the other end has.
    pub theirs: String,
}

impl Mismatch {
    /// A mismatch of what each side has.
    pub fn new(rule: Rule, ours: impl fmt::Display, theirs: impl fmt::Display) -> Self {
        Self {
            rule,
            ours: ours.to_string(),
            theirs: theirs.to_string(),
        }
    }
}

/// An entry that was refused, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The codec or extension, as text.
    pub codec: String,
    /// Whose it was.
    pub side: Side,
    /// Why.
    pub mismatch: Mismatch,
}

impl Refusal {
    /// `codec` of `side` was refused.
    pub fn new(codec: &Codec, side: Side, mismatch: Mismatch) -> Self {
        Self {
            codec: codec.to_string(),
            side,
            mismatch,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} codec \"{}\" refused by rule {}: ours \"{}\", theirs \"{}\"",
            self.side.nick(),
            self.codec,
            self.mismatch.rule.nick(),
            self.mismatch.ours,
            self.mismatch.theirs
        )
    }
}

/// The refusals as caps of `refusal` structures with string fields.
pub fn refusals_to_caps(refusals: &[Refusal]) -> gst::Caps {
    let mut caps = gst::Caps::new_empty();
    let list = caps.make_mut();
    for refusal in refusals {
        list.append_structure(
            gst::Structure::builder("refusal")
                .field("codec", &refusal.codec)
                .field("side", refusal.side.nick())
                .field("rule", refusal.mismatch.rule.nick())
                .field("ours", &refusal.mismatch.ours)
                .field("theirs", &refusal.mismatch.theirs)
                .build(),
        );
    }
    caps
}
