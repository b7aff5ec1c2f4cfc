// SPDX-License-Identifier: MPL-2.0
//! Where the peer is: the remote candidates given, checked as a whole list, and what they mean for
//! each component. No I/O.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use farstream::{
    COMPONENT_RTCP, COMPONENT_RTP, Candidate, CandidateType, Error, NetworkProtocol, Result,
};

/// A kind of addresses; a socket reaches only its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    V4,
    V6,
}

impl Family {
    pub fn of(ip: IpAddr) -> Self {
        if ip.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    fn name(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }
}

/// The peer's address for one component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    pub candidate: Candidate,
    pub address: SocketAddr,
}

/// The peer's addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remotes {
    /// Those that were given. What follows from them is found when asked for.
    given: BTreeMap<u32, Remote>,
}

impl Remotes {
    /// What is known once `candidates` are known too. A later candidate replaces an earlier one of
    /// the same component. `components` is how many there are.
    pub fn with(&self, candidates: &[Candidate], components: u32) -> Result<Self> {
        let mut remotes = self.clone();
        for (index, candidate) in candidates.iter().enumerate() {
            let address = check(candidate, components)
                .map_err(|error| error.within(format_args!("candidate {}", index + 1)))?;
            let remote = Remote {
                candidate: candidate.clone(),
                address,
            };
            remotes.given.insert(candidate.component, remote);
        }
        remotes.check_rtcp(components)?;
        Ok(remotes)
    }

    /// The remote of a component. RTCP that was not given follows RTP that was given as `ip:port`.
    pub fn get(&self, component: u32) -> Option<Remote> {
        if let Some(remote) = self.given.get(&component) {
            return Some(remote.clone());
        }
        if component != COMPONENT_RTCP {
            return None;
        }
        let rtp = self.given.get(&COMPONENT_RTP)?;
        if !rtp.candidate.is_short_form() {
            return None;
        }
        let address = SocketAddr::new(rtp.address.ip(), rtp.address.port().checked_add(1)?);
        Some(Remote {
            candidate: Candidate::host(component, address),
            address,
        })
    }

    /// Whether the sockets of all components reach their remotes.
    pub fn check_families(&self, families: impl IntoIterator<Item = (u32, Family)>) -> Result<()> {
        for (component, ours) in families {
            let Some(remote) = self.get(component) else {
                continue;
            };
            let theirs = Family::of(remote.address.ip());
            if ours != theirs {
                let any = match theirs {
                    Family::V4 => "0.0.0.0",
                    Family::V6 => "::",
                };
                return Err(Error::invalid(format!(
                    "the remote of component {component}, {}, is {}, but the local socket is {}; set \
                     local-address to an {} address of this machine, or to {any}, before \
                     gather-candidates",
                    remote.address.ip(),
                    theirs.name(),
                    ours.name(),
                    theirs.name(),
                )));
            }
        }
        Ok(())
    }

    fn check_rtcp(&self, components: u32) -> Result<()> {
        match self.given.get(&COMPONENT_RTP) {
            Some(rtp)
                if components >= COMPONENT_RTCP
                    && rtp.candidate.is_short_form()
                    && rtp.address.port() == u16::MAX
                    && !self.given.contains_key(&COMPONENT_RTCP) =>
            {
                Err(Error::invalid(format!(
                    "{} leaves no port for RTCP, which is sent to the next one; give component 2 \
                     as a candidate line of its own, or set rtcp-mux",
                    rtp.address
                )))
            }
            _ => Ok(()),
        }
    }
}

/// The address of a usable candidate.
fn check(candidate: &Candidate, components: u32) -> Result<SocketAddr> {
    check_common(candidate, components)?;
    if candidate.kind == CandidateType::Multicast {
        return Err(Error::invalid(
            "expected a candidate of one host, got one of type multicast; fsmulticasttransmitter \
             sends to groups",
        ));
    }
    let address = candidate.socket_address()?;
    if address.ip().is_multicast() || address.ip().is_unspecified() {
        return Err(Error::invalid(format!(
            "expected the address of one host, got {}",
            address.ip()
        )));
    }
    if address.port() == 0 {
        return Err(Error::invalid(
            "expected a port from 1 to 65535, got 0, to which nothing can be sent",
        ));
    }
    Ok(address)
}

/// What remote and preferred local candidates must have in common.
pub fn check_common(candidate: &Candidate, components: u32) -> Result<()> {
    if candidate.protocol != NetworkProtocol::Udp {
        return Err(Error::invalid(format!(
            "expected transport UDP, got {}",
            candidate.protocol
        )));
    }
    if !(1..=components).contains(&candidate.component) {
        return Err(Error::invalid(format!(
            "expected a component from 1 to {components}, got {}; the properties components and \
             rtcp-mux tell how many there are",
            candidate.component
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use farstream::ErrorCode;
    use farstream::candidate::candidates_from_text;

    use super::*;

    const RTCP_LINE: &str = "candidate:1 2 UDP 1 192.0.2.9 6001 typ host";

    fn with(remotes: &Remotes, text: &str) -> Result<Remotes> {
        remotes.with(&candidates_from_text(text)?, 2)
    }

    fn remotes(text: &str) -> Remotes {
        with(&Remotes::default(), text).unwrap()
    }

    fn port(remotes: &Remotes, component: u32) -> Option<u16> {
        remotes.get(component).map(|remote| remote.address.port())
    }

    #[test]
    fn rtcp_follows_rtp_given_in_short_form() {
        let remotes = remotes("192.0.2.1:5000");
        assert_eq!(port(&remotes, 1), Some(5000));
        let rtcp = remotes.get(2).unwrap();
        assert_eq!(rtcp.address.to_string(), "192.0.2.1:5001");
        assert_eq!(rtcp.candidate.component, 2);
        assert_eq!(port(&remotes, 3), None);
    }

    #[test]
    fn a_line_for_rtp_says_nothing_about_rtcp() {
        let remotes = remotes("candidate:1 1 UDP 1 192.0.2.1 5000 typ host");
        assert_eq!((port(&remotes, 1), port(&remotes, 2)), (Some(5000), None));
    }

    #[test]
    fn rtcp_given_stays_before_and_after_the_short_form() {
        let same_call = remotes(&format!("{RTCP_LINE},192.0.2.1:5000"));
        assert_eq!(port(&same_call, 2), Some(6001));
        let later = with(&remotes(RTCP_LINE), "192.0.2.1:5000").unwrap();
        assert_eq!((port(&later, 1), port(&later, 2)), (Some(5000), Some(6001)));
        let moved = with(&remotes("192.0.2.1:5000"), "192.0.2.1:7000").unwrap();
        assert_eq!(port(&moved, 2), Some(7001));
        let last = with(&moved, RTCP_LINE).unwrap();
        assert_eq!(port(&last, 2), Some(6001));
    }

    #[test]
    fn the_highest_port_leaves_none_for_rtcp() {
        let list = candidates_from_text("192.0.2.1:65535").unwrap();
        let error = Remotes::default().with(&list, 2).unwrap_err();
        assert!(error.message().contains("RTCP"), "{error}");
        assert_eq!(port(&Remotes::default().with(&list, 1).unwrap(), 2), None);
        assert!(with(&Remotes::default(), &format!("192.0.2.1:65535,{RTCP_LINE}")).is_ok());
    }

    #[test]
    fn one_bad_candidate_refuses_the_list() {
        let group = "candidate:1 1 UDP 1 224.0.0.9 5 typ";
        for (bad, reason) in [
            ("candidate:1 1 TCP 1 192.0.2.1 5 typ host", "UDP"),
            ("candidate:1 3 UDP 1 192.0.2.1 5 typ host", "1 to 2"),
            ("candidate:1 1 UDP 1 example.org 5 typ host", "host names"),
            ("candidate:1 1 UDP 1 192.0.2.1 0 typ host", "port"),
            ("192.0.2.1:0", "port"),
            ("0.0.0.0:5", "one host"),
            (&format!("{group} host"), "one host"),
            (&format!("{group} multicast"), "fsmulticasttransmitter"),
        ] {
            let error = with(&Remotes::default(), &format!("192.0.2.1:5000,{bad}")).expect_err(bad);
            assert_eq!(error.code(), ErrorCode::InvalidArguments, "{bad}");
            assert!(error.message().contains(reason), "{bad}: {error}");
            assert!(error.message().contains("candidate 2"), "{bad}: {error}");
        }
        assert_eq!(remotes(""), Remotes::default());
    }

    #[test]
    fn kind_credentials_and_time_to_live_do_not_matter() {
        let remotes =
            remotes("candidate:1 1 UDP 1 192.0.2.1 5 typ srflx ttl 3 ufrag u pwd p foo bar");
        assert_eq!(port(&remotes, 1), Some(5));
    }

    #[test]
    fn the_other_family_is_refused_with_the_remedy() {
        let remotes = remotes("[2001:db8::1]:5000");
        assert!(
            remotes
                .check_families([(1, Family::V6), (2, Family::V6)])
                .is_ok()
        );
        let error = remotes
            .check_families([(1, Family::V6), (2, Family::V4)])
            .unwrap_err();
        assert!(error.message().contains("component 2"), "{error}");
        assert!(error.message().contains("local-address"), "{error}");
        assert!(Remotes::default().check_families([(1, Family::V4)]).is_ok());
    }
}
