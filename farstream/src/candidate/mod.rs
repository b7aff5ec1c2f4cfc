// SPDX-License-Identifier: MPL-2.0
//! Transport addresses a peer can be reached at: as values, as RFC 8839 lines and
//! as the structures that bus messages carry.

mod line;
mod structure;

use std::net::{IpAddr, SocketAddr};

use crate::{CandidateType, Error, NetworkProtocol, Result};

pub use line::{candidates_from_lines, candidates_from_text, split_lines};
pub use structure::{candidate_from_structure, candidate_to_structure};

/// Highest component number (RFC 8839 section 5.1).
pub const MAX_COMPONENT: u32 = 256;

/// A transport address with what RFC 8839 section 5.1 says about it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Candidate {
    /// Groups candidates of one origin. Empty only for a candidate that was given
    /// in the short form `ip:port`.
    pub foundation: String,
    /// 1 RTP, 2 RTCP.
    pub component: u32,
    /// Transport protocol.
    pub protocol: NetworkProtocol,
    /// Preference among candidates (RFC 8445 section 5.1.2).
    pub priority: u32,
    /// Address literal, host name, or path of a socket (shm).
    pub ip: String,
    /// Port number.
    pub port: u16,
    /// Kind of candidate.
    pub kind: CandidateType,
    /// Address this one was derived from (`raddr`), if any.
    pub base_ip: Option<String>,
    /// Port this one was derived from (`rport`), if any.
    pub base_port: Option<u16>,
    /// User name fragment (`ufrag`); the path of the peer's socket for shm.
    pub username: Option<String>,
    /// Password (`pwd`).
    pub password: Option<String>,
    /// Time to live of multicast packets; 0 is unset.
    pub ttl: u32,
}

impl Candidate {
    /// A host candidate over UDP without foundation, as the short form gives it.
    pub fn host(component: u32, address: SocketAddr) -> Self {
        Self {
            component,
            ip: address.ip().to_string(),
            port: address.port(),
            ..Self::default()
        }
    }

    /// Whether it was given as `ip:port`, so that the transmitter's port rule tells
    /// where the other components are.
    pub fn is_short_form(&self) -> bool {
        self.foundation.is_empty()
    }

    /// The address, where it must be a literal.
    pub fn socket_address(&self) -> Result<SocketAddr> {
        parse_ip(&self.ip).map(|ip| SocketAddr::new(ip, self.port))
    }
}

/// Parses an address literal, IPv6 with or without brackets.
pub fn parse_ip(text: &str) -> Result<IpAddr> {
    text.strip_prefix('[')
        .and_then(|t| t.strip_suffix(']'))
        .unwrap_or(text)
        .parse()
        .map_err(|_| {
            Error::invalid(format!(
                "expected an IP address, got {text:?}; resolve host names before"
            ))
        })
}

/// Priority of a candidate (RFC 8445 section 5.1.2.1) with type preferences as
/// recommended there.
pub fn priority(kind: CandidateType, local_preference: u16, component: u32) -> u32 {
    let type_preference: u32 = match kind {
        CandidateType::Host | CandidateType::Multicast => 126,
        CandidateType::Prflx => 110,
        CandidateType::Srflx => 100,
        CandidateType::Relay => 0,
    };
    (type_preference << 24)
        + (u32::from(local_preference) << 8)
        + (MAX_COMPONENT - component.clamp(1, MAX_COMPONENT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_candidates_rank_highest_and_rtp_before_rtcp() {
        let rtp = priority(CandidateType::Host, 65535, 1);
        assert_eq!(rtp, 2130706431);
        assert!(rtp > priority(CandidateType::Host, 65535, 2));
        assert!(
            priority(CandidateType::Srflx, 65535, 1) > priority(CandidateType::Relay, 65535, 1)
        );
    }

    #[test]
    fn host_names_are_no_addresses() {
        for text in ["example.org", "", "1.2.3", "[::1", "10.0.0.1:5"] {
            let error = parse_ip(text).unwrap_err();
            assert!(error.message().contains("IP address"), "{error}");
        }
        assert!(parse_ip("[::1]").unwrap().is_ipv6());
    }
}
