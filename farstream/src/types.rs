// SPDX-License-Identifier: MPL-2.0
//! Enumerations and flags of the contract, registered so that properties and
//! messages can carry them, each with the nick that text uses.
//!
//! Every plugin links its own copy of this crate, so the types allow a name
//! conflict: the second plugin in a process gets a type of its own.

/// glib-macros 0.22 expands `allow_name_conflict` to an `if` with a `&str` in one arm and
/// `format!` in the other. This one yields a `&str`, and is used once per type that a
/// second plugin registers.
macro_rules! format {
    ($($part:tt)*) => {{
        let name: &'static str = Box::leak(std::format!($($part)*).into_boxed_str());
        name
    }};
}

/// Gives an enum its nicks, both ways. Nicks compare without case.
macro_rules! nicks {
    ($type:ty { $($variant:ident => $nick:literal),+ $(,)? }) => {
        impl $type {
            /// The nick, as used in structures, signals and gst-launch.
            pub fn nick(self) -> &'static str {
                match self { $(Self::$variant => $nick,)+ }
            }

            /// The value with this nick.
            pub fn from_nick(nick: &str) -> Option<Self> {
                $(if nick.eq_ignore_ascii_case($nick) { return Some(Self::$variant); })+
                None
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.nick())
            }
        }
    };
}

/// Error codes of the domain `fs-error`, numbered as in Farstream 0.2.9.
///
/// Codes below 100 are fatal: the object they came from must be discarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, glib::ErrorDomain, glib::Enum)]
#[error_domain(name = "fs-error")]
#[enum_type(name = "GstFsError", allow_name_conflict)]
pub enum ErrorCode {
    /// A needed element is missing or cannot be linked.
    Construction = 1,
    /// Inconsistent internal state.
    Internal = 2,
    /// The caller passed something that cannot be used.
    InvalidArguments = 100,
    /// The network refused.
    Network = 101,
    /// This version does not offer what was asked for.
    NotImplemented = 102,
    /// No codec in common with the peer.
    NegotiationFailed = 103,
    /// Data came on a payload type nobody negotiated.
    UnknownCodec = 104,
    /// No codec at all is installed for this media type.
    NoCodecs = 105,
    /// Preferences or allowed caps removed every codec that could send.
    NoCodecsLeft = 106,
    /// No connectivity with the peer.
    ConnectionFailed = 107,
    /// The object was destroyed before.
    Disposed = 108,
    /// There is one already.
    AlreadyExists = 109,
}

impl ErrorCode {
    /// Whether the object the error came from must be discarded.
    pub fn is_fatal(self) -> bool {
        (self as i32) < 100
    }
}

/// Kind of media of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, glib::Enum)]
#[enum_type(name = "GstFsMediaType", allow_name_conflict)]
pub enum MediaType {
    /// Sound.
    #[default]
    Audio = 0,
    /// Pictures.
    Video = 1,
    /// Any other data.
    Application = 2,
}
nicks!(MediaType { Audio => "audio", Video => "video", Application => "application" });

mod direction {
    // The macro writes the type and its constants without their documentation.
    #![allow(missing_docs)]

    #[glib::flags(name = "GstFsStreamDirection", allow_name_conflict)]
    pub enum StreamDirection {
        #[flags_value(name = "No media", nick = "none")]
        NONE = 0,
        #[flags_value(name = "Send only", nick = "send")]
        SEND = 1,
        #[flags_value(name = "Receive only", nick = "recv")]
        RECV = 2,
        #[flags_value(name = "Send and receive", nick = "both")]
        BOTH = 3,
    }
}
/// Which way media flows in a stream, seen from this end.
pub use direction::StreamDirection;

impl StreamDirection {
    /// The nick: `none`, `send`, `recv` or `both`.
    pub fn nick(self) -> &'static str {
        match (self.contains(Self::SEND), self.contains(Self::RECV)) {
            (false, false) => "none",
            (true, false) => "send",
            (false, true) => "recv",
            (true, true) => "both",
        }
    }

    /// The direction with this nick; `receive` is taken for `recv`.
    pub fn from_nick(nick: &str) -> Option<Self> {
        match nick.to_ascii_lowercase().as_str() {
            "none" => Some(Self::NONE),
            "send" => Some(Self::SEND),
            "recv" | "receive" => Some(Self::RECV),
            "both" => Some(Self::BOTH),
            _ => None,
        }
    }

    /// Whether this end sends.
    pub fn sends(self) -> bool {
        self.contains(Self::SEND)
    }

    /// Whether this end receives.
    pub fn receives(self) -> bool {
        self.contains(Self::RECV)
    }
}

/// How far the connection of one component has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, glib::Enum)]
#[enum_type(name = "GstFsStreamState", allow_name_conflict)]
pub enum StreamState {
    /// No connection can be made.
    Failed = 0,
    /// Nothing was tried yet.
    Disconnected = 1,
    /// Looking for local candidates.
    Gathering = 2,
    /// Looking for a candidate pair that works.
    Connecting = 3,
    /// A pair works, a better one may come.
    Connected = 4,
    /// The pair is final.
    Ready = 5,
}
nicks!(StreamState {
    Failed => "failed",
    Disconnected => "disconnected",
    Gathering => "gathering",
    Connecting => "connecting",
    Connected => "connected",
    Ready => "ready",
});

/// Kind of a candidate (RFC 8445 section 5.1.1; multicast is Farstream's own).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, glib::Enum)]
#[enum_type(name = "GstFsCandidateType", allow_name_conflict)]
pub enum CandidateType {
    /// An address of this host.
    #[default]
    Host = 0,
    /// Server reflexive: how a STUN server sees this host.
    Srflx = 1,
    /// Peer reflexive: how the peer sees this host.
    Prflx = 2,
    /// An address on a TURN server.
    Relay = 3,
    /// A multicast group.
    Multicast = 4,
}
nicks!(CandidateType {
    Host => "host",
    Srflx => "srflx",
    Prflx => "prflx",
    Relay => "relay",
    Multicast => "multicast",
});

/// Transport protocol of a candidate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, glib::Enum)]
#[enum_type(name = "GstFsNetworkProtocol", allow_name_conflict)]
pub enum NetworkProtocol {
    /// UDP.
    #[default]
    Udp = 0,
    /// TCP, waiting for the peer to connect (RFC 6544 `passive`).
    TcpPassive = 1,
    /// TCP, connecting to the peer (RFC 6544 `active`).
    TcpActive = 2,
    /// TCP, simultaneous open (RFC 6544 `so`).
    TcpSo = 3,
    /// Shared memory: the address is the path of a socket.
    Shm = 4,
}
nicks!(NetworkProtocol {
    Udp => "udp",
    TcpPassive => "tcp-passive",
    TcpActive => "tcp-active",
    TcpSo => "tcp-so",
    Shm => "shm",
});

/// A telephony event that has a key (RFC 4733 section 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, glib::Enum)]
#[enum_type(name = "GstFsDTMFEvent", allow_name_conflict)]
#[allow(missing_docs)] // the names say it
pub enum DtmfEvent {
    #[enum_value(name = "0", nick = "0")]
    Digit0 = 0,
    #[enum_value(name = "1", nick = "1")]
    Digit1 = 1,
    #[enum_value(name = "2", nick = "2")]
    Digit2 = 2,
    #[enum_value(name = "3", nick = "3")]
    Digit3 = 3,
    #[enum_value(name = "4", nick = "4")]
    Digit4 = 4,
    #[enum_value(name = "5", nick = "5")]
    Digit5 = 5,
    #[enum_value(name = "6", nick = "6")]
    Digit6 = 6,
    #[enum_value(name = "7", nick = "7")]
    Digit7 = 7,
    #[enum_value(name = "8", nick = "8")]
    Digit8 = 8,
    #[enum_value(name = "9", nick = "9")]
    Digit9 = 9,
    #[enum_value(name = "*", nick = "star")]
    Star = 10,
    #[enum_value(name = "#", nick = "pound")]
    Pound = 11,
    #[enum_value(name = "A", nick = "a")]
    A = 12,
    #[enum_value(name = "B", nick = "b")]
    B = 13,
    #[enum_value(name = "C", nick = "c")]
    C = 14,
    #[enum_value(name = "D", nick = "d")]
    D = 15,
}

/// How a telephony event is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, glib::Enum)]
#[enum_type(name = "GstFsDTMFMethod", allow_name_conflict)]
pub enum DtmfMethod {
    /// As RTP events (RFC 4733).
    #[enum_value(name = "RTP events", nick = "rtp-rfc4733")]
    RtpRfc4733 = 1,
    /// As tones in the sound.
    #[enum_value(name = "Tones", nick = "sound")]
    Sound = 2,
}

/// Component number of RTP (RFC 8839 section 5.1).
pub const COMPONENT_RTP: u32 = 1;
/// Component number of RTCP.
pub const COMPONENT_RTCP: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nicks_go_both_ways() {
        for state in [
            StreamState::Failed,
            StreamState::Gathering,
            StreamState::Ready,
        ] {
            assert_eq!(StreamState::from_nick(state.nick()), Some(state));
        }
        assert_eq!(MediaType::from_nick("VIDEO"), Some(MediaType::Video));
        assert_eq!(MediaType::from_nick("text"), None);
        for nick in ["none", "send", "recv", "both"] {
            assert_eq!(StreamDirection::from_nick(nick).unwrap().nick(), nick);
        }
    }
}
