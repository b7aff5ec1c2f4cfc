// SPDX-License-Identifier: MPL-2.0
//! Where this end is: which address and port each component asks for, and which address is
//! announced when none was asked for. No I/O.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use farstream::candidate::{candidates_from_text, parse_ip, priority};
use farstream::{COMPONENT_RTP, Candidate, CandidateType, Error, Result};

use super::remotes::{Family, check_common};

/// What the application asks for, as the properties have it.
#[derive(Clone, Debug, Default)]
pub struct Request<'a> {
    /// How many components there are.
    pub components: u32,
    /// `preferred-local-candidates`.
    pub preferred: Option<&'a str>,
    /// `local-address`.
    pub address: Option<&'a str>,
    /// `local-port`; 0 is none.
    pub port: u16,
}

/// What one component asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The address to bind to; the unspecified one if any will do.
    pub ip: IpAddr,
    /// The port to begin with, or none if it follows the component before it.
    pub port: Option<u16>,
}

impl Request<'_> {
    /// What each component asks for, component 1 first. One that asks for no address takes the one
    /// of the component before it.
    pub fn wanted(&self) -> Result<Vec<Wanted>> {
        let preferred = self.preferred()?;
        let mut ip = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        Ok(preferred
            .into_iter()
            .map(|address| {
                ip = address.map_or(ip, |address| address.ip());
                Wanted {
                    ip,
                    port: address
                        .map(|address| address.port())
                        .filter(|port| *port != 0),
                }
            })
            .collect())
    }

    fn preferred(&self) -> Result<Vec<Option<SocketAddr>>> {
        let components = usize::try_from(self.components).unwrap_or_default();
        let mut list = vec![None; components];
        let candidates = candidates_from_text(self.preferred.unwrap_or_default())
            .map_err(|error| error.within("preferred-local-candidates"))?;
        for (index, candidate) in candidates.iter().enumerate() {
            self.check_preferred(candidate, &list)
                .map(|(slot, address)| list[slot] = Some(address))
                .map_err(|error| {
                    error.within(format_args!(
                        "preferred-local-candidates: candidate {}",
                        index + 1
                    ))
                })?;
        }
        let Some(first) = list.first_mut() else {
            return Ok(list);
        };
        if self.address.is_some() || self.port != 0 {
            if first.is_some() {
                return Err(Error::invalid(format!(
                    "component {COMPONENT_RTP} is in preferred-local-candidates and in \
                     local-address or local-port; set one of the two"
                )));
            }
            let ip = match self.address {
                Some(address) => parse_ip(address)
                    .and_then(check_ip)
                    .map_err(|error| error.within("local-address"))?,
                None => Ipv4Addr::UNSPECIFIED.into(),
            };
            *first = Some(SocketAddr::new(ip, self.port));
        }
        Ok(list)
    }

    fn check_preferred(
        &self,
        candidate: &Candidate,
        before: &[Option<SocketAddr>],
    ) -> Result<(usize, SocketAddr)> {
        check_common(candidate, self.components)?;
        let ip = check_ip(parse_ip(&candidate.ip)?)?;
        let slot = candidate.component as usize - 1;
        match before.get(slot) {
            Some(None) => Ok((slot, SocketAddr::new(ip, candidate.port))),
            _ => Err(Error::invalid(format!(
                "component {} has a candidate already; expected at most one for each",
                candidate.component
            ))),
        }
    }
}

fn check_ip(ip: IpAddr) -> Result<IpAddr> {
    if ip.is_multicast() {
        return Err(Error::invalid(format!(
            "expected an address of this machine, got {ip}, which is that of a group"
        )));
    }
    Ok(ip)
}

/// An address of a network interface that is up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    pub name: String,
    pub ip: IpAddr,
}

/// The address by which others most likely reach this machine.
///
/// Public addresses come first, the one found last before the others; then private ones in the
/// order of the interfaces; then those of bridges that only virtual machines and containers use;
/// then loopback.
pub fn best_address(interfaces: &[Interface], family: Family) -> Option<IpAddr> {
    let rank = |interface: &Interface| match interface.ip {
        ip if ip.is_loopback() => 3,
        _ if is_virtual(&interface.name) => 2,
        ip if is_private(ip) => 1,
        _ => 0,
    };
    let usable = || {
        interfaces
            .iter()
            .filter(|interface| Family::of(interface.ip) == family && !is_link_local(interface.ip))
    };
    let best = usable().map(rank).min()?;
    let mut candidates = usable().filter(|interface| rank(interface) == best);
    let chosen = if best == 0 {
        candidates.next_back()
    } else {
        candidates.next()
    };
    chosen.map(|interface| interface.ip)
}

/// Bridges and links that container and virtual machine software makes.
fn is_virtual(name: &str) -> bool {
    const PREFIXES: [&str; 8] = [
        "docker", "veth", "virbr", "vnet", "lxcbr", "lxdbr", "podman", "cni",
    ];
    // docker's own networks; plain "br-lan" is a router's real one.
    let docker_network = name
        .strip_prefix("br-")
        .is_some_and(|id| id.len() == 12 && id.bytes().all(|b| b.is_ascii_hexdigit()));
    docker_network || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn is_private(ip: IpAddr) -> bool {
    match ip {
        // 100.64.0.0/10 is shared behind a provider's NAT (RFC 6598).
        IpAddr::V4(ip) => ip.is_private() || (ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64),
        IpAddr::V6(ip) => ip.is_unique_local(),
    }
}

/// IPv6 ones mean nothing without an interface, IPv4 ones only that DHCP failed.
fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

/// The host candidates to announce, for the addresses of the components in order. Components at one
/// address have one foundation (RFC 8445 section 5.1.1.3).
pub fn host_candidates(addresses: &[SocketAddr]) -> Vec<Candidate> {
    let mut ips = Vec::new();
    (1..)
        .zip(addresses)
        .map(|(component, address)| {
            let place = ips.iter().position(|ip| *ip == address.ip());
            let place = place.unwrap_or_else(|| {
                ips.push(address.ip());
                ips.len() - 1
            });
            Candidate {
                foundation: (place + 1).to_string(),
                priority: priority(CandidateType::Host, u16::MAX, component),
                ..Candidate::host(component, *address)
            }
        })
        .collect()
}

/// The address announced for a socket bound to `bound`, or why there is none.
pub fn announced(bound: SocketAddr, interfaces: &[Interface]) -> Result<SocketAddr> {
    if !bound.ip().is_unspecified() {
        return Ok(bound);
    }
    let family = Family::of(bound.ip());
    best_address(interfaces, family)
        .map(|ip| SocketAddr::new(ip, bound.port()))
        .ok_or_else(|| {
            let example: IpAddr = match family {
                Family::V4 => Ipv4Addr::LOCALHOST.into(),
                Family::V6 => Ipv6Addr::LOCALHOST.into(),
            };
            Error::new(
                farstream::ErrorCode::Network,
                format!(
                    "no local candidate: no network interface that is up has an address like \
                     {example}; connect this machine to a network or set local-address"
                ),
            )
        })
}

#[cfg(test)]
mod tests {
    use farstream::ErrorCode;

    use super::*;

    fn wanted(preferred: &str, address: Option<&str>, port: u16) -> Result<Vec<(String, u16)>> {
        let request = Request {
            components: 2,
            preferred: Some(preferred),
            address,
            port,
        };
        Ok(request
            .wanted()?
            .iter()
            .map(|wanted| (wanted.ip.to_string(), wanted.port.unwrap_or_default()))
            .collect())
    }

    fn is(got: Result<Vec<(String, u16)>>, expected: [(&str, u16); 2]) {
        let got = got.unwrap();
        let got: Vec<_> = got.iter().map(|(ip, port)| (ip.as_str(), *port)).collect();
        assert_eq!(got, expected);
    }

    #[test]
    fn any_ipv4_address_is_the_default() {
        is(wanted("", None, 0), [("0.0.0.0", 0), ("0.0.0.0", 0)]);
    }

    #[test]
    fn rtcp_follows_the_address_asked_for_rtp() {
        is(
            wanted("", Some("127.0.0.1"), 5000),
            [("127.0.0.1", 5000), ("127.0.0.1", 0)],
        );
        is(wanted("", None, 5000), [("0.0.0.0", 5000), ("0.0.0.0", 0)]);
        is(wanted("", Some("[::]"), 0), [("::", 0), ("::", 0)]);
        is(
            wanted("10.0.0.1:0", None, 0),
            [("10.0.0.1", 0), ("10.0.0.1", 0)],
        );
    }

    #[test]
    fn each_component_may_ask_for_its_own() {
        let rtcp = "candidate:1 2 UDP 0 10.0.0.2 6000 typ host";
        is(wanted(rtcp, None, 0), [("0.0.0.0", 0), ("10.0.0.2", 6000)]);
        is(
            wanted(rtcp, Some("10.0.0.1"), 0),
            [("10.0.0.1", 0), ("10.0.0.2", 6000)],
        );
        is(
            wanted(&format!("{rtcp}\n10.0.0.1:5000"), None, 0),
            [("10.0.0.1", 5000), ("10.0.0.2", 6000)],
        );
    }

    #[test]
    fn what_cannot_be_a_local_address_is_refused() {
        for (preferred, address, port, reason) in [
            ("candidate:1 1 TCP 0 10.0.0.1 1 typ host", None, 0, "UDP"),
            ("candidate:1 3 UDP 0 10.0.0.1 1 typ host", None, 0, "1 to 2"),
            ("10.0.0.1:1,10.0.0.1:2", None, 0, "at most one"),
            (
                "candidate:1 1 UDP 0 localhost 1 typ host",
                None,
                0,
                "host names",
            ),
            ("224.0.0.1:5", None, 0, "group"),
            ("nonsense", None, 0, "preferred-local-candidates"),
            ("10.0.0.1:1", Some("10.0.0.1"), 0, "one of the two"),
            ("10.0.0.1:1", None, 9, "one of the two"),
            ("", Some("localhost"), 0, "local-address"),
            ("", Some(""), 0, "local-address"),
            ("", Some("239.0.0.1"), 0, "group"),
        ] {
            let error = wanted(preferred, address, port).expect_err(reason);
            assert_eq!(error.code(), ErrorCode::InvalidArguments);
            assert!(error.message().contains(reason), "{preferred}: {error}");
        }
    }

    fn best(list: &[(&str, &str)], family: Family) -> Option<String> {
        let interfaces: Vec<_> = list
            .iter()
            .map(|(name, ip)| Interface {
                name: (*name).into(),
                ip: ip.parse().unwrap(),
            })
            .collect();
        best_address(&interfaces, family).map(|ip| ip.to_string())
    }

    #[test]
    fn public_addresses_come_before_private_ones_and_loopback_last() {
        let lo = ("lo", "127.0.0.1");
        let private = [("eth0", "192.168.1.2"), ("wlan0", "10.0.0.2")];
        let public = [("ppp0", "192.0.2.1"), ("ppp1", "198.51.100.1")];
        let v4 = |list: &[&[(&str, &str)]]| best(&list.concat(), Family::V4).unwrap();
        assert_eq!(v4(&[&[lo]]), "127.0.0.1");
        assert_eq!(v4(&[&[lo], &private]), "192.168.1.2");
        assert_eq!(v4(&[&[lo], &private, &public]), "198.51.100.1");
        assert_eq!(v4(&[&[("tun0", "100.64.3.1")], &private]), "100.64.3.1");
        assert_eq!(best(&[lo], Family::V6), None);
    }

    #[test]
    fn bridges_of_containers_are_taken_only_if_there_is_nothing_else() {
        let docker = ("docker0", "172.17.0.1");
        let network = ("br-0123456789ab", "172.18.0.1");
        let lo = ("lo", "127.0.0.1");
        let v4 = |list: &[(&str, &str)]| best(list, Family::V4).unwrap();
        assert_eq!(v4(&[lo, docker, network, ("eth0", "10.0.0.2")]), "10.0.0.2");
        assert_eq!(v4(&[lo, docker, ("br-lan", "10.0.0.3")]), "10.0.0.3");
        assert_eq!(v4(&[lo, network, docker]), "172.18.0.1");
    }

    #[test]
    fn link_local_addresses_are_not_announced() {
        let list = [
            ("lo", "::1"),
            ("eth0", "fe80::1"),
            ("eth0", "169.254.3.4"),
            ("eth0", "fd00::1"),
        ];
        assert_eq!(best(&list, Family::V6).unwrap(), "fd00::1");
        assert_eq!(best(&list, Family::V4), None);
        let public = [("eth0", "fd00::1"), ("eth0", "2001:db8::1")];
        assert_eq!(best(&public, Family::V6).unwrap(), "2001:db8::1");
    }

    #[test]
    fn host_candidates_carry_real_ports_priorities_and_foundations() {
        let addresses = ["10.0.0.1:5000", "10.0.0.1:5001", "10.0.0.2:5"];
        let candidates = host_candidates(&addresses.map(|a| a.parse().unwrap()));
        assert_eq!(
            candidates[0].to_string(),
            "candidate:1 1 UDP 2130706431 10.0.0.1 5000 typ host"
        );
        assert_eq!(
            candidates[1].to_string(),
            "candidate:1 2 UDP 2130706430 10.0.0.1 5001 typ host"
        );
        assert_eq!(candidates[2].foundation, "2");
    }

    #[test]
    fn a_socket_bound_to_an_address_announces_it() {
        let bound = "127.0.0.9:5000".parse().unwrap();
        assert_eq!(announced(bound, &[]).unwrap(), bound);
        let error = announced("0.0.0.0:5000".parse().unwrap(), &[]).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Network);
        let lo = Interface {
            name: "lo".into(),
            ip: "127.0.0.1".parse().unwrap(),
        };
        let any = announced("0.0.0.0:5000".parse().unwrap(), &[lo]).unwrap();
        assert_eq!(any.to_string(), "127.0.0.1:5000");
    }
}
