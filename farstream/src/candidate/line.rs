// SPDX-License-Identifier: MPL-2.0
//! Candidates as text: RFC 8839 section 5.1 lines with extension pairs, and the
//! short form `ip:port`.
//!
//! Beyond the RFC: `typ multicast` with `ttl N`, `ufrag X` and `pwd Y` for this
//! candidate's credentials, and the transport token `shm`, whose address is a path.

use std::fmt;
use std::net::SocketAddr;

use super::{Candidate, MAX_COMPONENT};
use crate::{CandidateType, Error, NetworkProtocol, Result};

const PREFIX: &str = "candidate:";
/// A line is never longer than this; RFC 8839 lines have about 100 characters.
const MAX_LINE: usize = 1024;

/// The lines of a text, where newlines or commas separate them.
pub fn split_lines(text: &str) -> impl Iterator<Item = &str> {
    text.split(['\n', ','])
        .map(str::trim)
        .filter(|line| !line.is_empty())
}

/// All candidates of a text, where newlines or commas separate them.
pub fn candidates_from_text(text: &str) -> Result<Vec<Candidate>> {
    candidates_from_lines(split_lines(text))
}

/// All candidates of a list of lines. One bad line refuses the whole list.
pub fn candidates_from_lines<'a>(
    lines: impl IntoIterator<Item = &'a str>,
) -> Result<Vec<Candidate>> {
    lines
        .into_iter()
        .enumerate()
        .map(|(index, line)| {
            line.parse()
                .map_err(|error: Error| error.within(format_args!("candidate {}", index + 1)))
        })
        .collect()
}

impl std::str::FromStr for Candidate {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        if text.len() > MAX_LINE {
            return Err(Error::invalid(format!(
                "expected a candidate line of at most {MAX_LINE} characters, got {}",
                text.len()
            )));
        }
        let line = text.strip_prefix("a=").unwrap_or(text);
        match line.split_at_checked(PREFIX.len()) {
            Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) => parse_line(rest),
            _ => parse_short(text),
        }
    }
}

fn parse_short(text: &str) -> Result<Candidate> {
    text.parse::<SocketAddr>()
        .map(|address| Candidate::host(1, address))
        .map_err(|_| {
            Error::invalid(format!(
                "expected \"candidate:…\" (RFC 8839) or an IP address and port such as \
                 192.0.2.1:5000 or [::1]:5000, got {text:?}; resolve host names before"
            ))
        })
}

fn parse_line(line: &str) -> Result<Candidate> {
    let mut tokens = line.split_ascii_whitespace();
    let mut next = |what: &str| {
        tokens
            .next()
            .ok_or_else(|| Error::invalid(format!("the line ends before its {what}")))
    };
    let foundation = next("foundation")?;
    let component = number(next("component")?, "component", 1, MAX_COMPONENT)?;
    let transport = next("transport")?;
    let priority = number(next("priority")?, "priority", 0, u32::MAX)?;
    let ip = next("address")?;
    let port = port(next("port")?, "port")?;
    let typ = next("\"typ\"")?;
    if typ != "typ" {
        return Err(Error::invalid(format!(
            "expected \"typ\" after the port, got {typ:?}"
        )));
    }
    let kind = next("type")?;
    let kind = CandidateType::from_nick(kind).ok_or_else(|| {
        Error::invalid(format!(
            "expected type host, srflx, prflx, relay or multicast, got {kind:?}"
        ))
    })?;

    let mut candidate = Candidate {
        foundation: foundation.into(),
        component,
        priority,
        ip: ip.into(),
        port,
        kind,
        ..Candidate::default()
    };
    let mut tcp_type = None;
    while let Some(name) = tokens.next() {
        let value = tokens
            .next()
            .ok_or_else(|| Error::invalid(format!("{name} has no value")))?;
        match name {
            "raddr" => candidate.base_ip = Some(value.into()),
            "rport" => candidate.base_port = Some(self::port(value, "rport")?),
            "tcptype" => tcp_type = Some(value),
            "ttl" => candidate.ttl = number(value, "ttl", 0, 255)?,
            "ufrag" => candidate.username = Some(value.into()),
            "pwd" => candidate.password = Some(value.into()),
            // RFC 8839 section 5.1: extensions not understood are ignored.
            _ => {}
        }
    }
    candidate.protocol = protocol(transport, tcp_type)?;
    Ok(candidate)
}

fn protocol(transport: &str, tcp_type: Option<&str>) -> Result<NetworkProtocol> {
    match transport.to_ascii_lowercase().as_str() {
        "udp" => Ok(NetworkProtocol::Udp),
        "shm" => Ok(NetworkProtocol::Shm),
        "tcp" => match tcp_type {
            Some("active") => Ok(NetworkProtocol::TcpActive),
            Some("so") => Ok(NetworkProtocol::TcpSo),
            Some("passive") | None => Ok(NetworkProtocol::TcpPassive),
            Some(other) => Err(Error::invalid(format!(
                "expected tcptype active, passive or so, got {other:?}"
            ))),
        },
        _ => Err(Error::invalid(format!(
            "expected transport UDP, TCP or shm, got {transport:?}"
        ))),
    }
}

fn number(text: &str, what: &str, min: u32, max: u32) -> Result<u32> {
    text.parse::<u32>()
        .ok()
        .filter(|n| (min..=max).contains(n))
        .ok_or_else(|| {
            Error::invalid(format!(
                "expected a {what} from {min} to {max}, got {text:?}"
            ))
        })
}

fn port(text: &str, what: &str) -> Result<u16> {
    number(text, what, 0, u16::MAX.into()).map(|port| port as u16)
}

/// The RFC 8839 line, `candidate:` included.
impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (transport, tcp_type) = match self.protocol {
            NetworkProtocol::Udp => ("UDP", None),
            NetworkProtocol::Shm => ("shm", None),
            NetworkProtocol::TcpPassive => ("TCP", Some("passive")),
            NetworkProtocol::TcpActive => ("TCP", Some("active")),
            NetworkProtocol::TcpSo => ("TCP", Some("so")),
        };
        let foundation = if self.foundation.is_empty() {
            "1"
        } else {
            &self.foundation
        };
        write!(
            f,
            "{PREFIX}{foundation} {} {transport} {} {} {} typ {}",
            self.component, self.priority, self.ip, self.port, self.kind
        )?;
        if let Some(base_ip) = &self.base_ip {
            write!(f, " raddr {base_ip}")?;
        }
        if let Some(base_port) = self.base_port {
            write!(f, " rport {base_port}")?;
        }
        if let Some(tcp_type) = tcp_type {
            write!(f, " tcptype {tcp_type}")?;
        }
        if self.ttl != 0 {
            write!(f, " ttl {}", self.ttl)?;
        }
        if let Some(username) = &self.username {
            write!(f, " ufrag {username}")?;
        }
        if let Some(password) = &self.password {
            write!(f, " pwd {password}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ErrorCode;

    fn parse(text: &str) -> Result<Candidate> {
        text.parse()
    }

    #[test]
    fn rfc8839_line_is_read() {
        let candidate = parse(
            "candidate:842163049 1 udp 1677729535 203.0.113.5 46154 typ srflx raddr 10.0.17.1 \
             rport 46154 generation 0 ufrag EEtu network-cost 999",
        )
        .unwrap();
        assert_eq!(candidate.kind, CandidateType::Srflx);
        assert_eq!(candidate.component, 1);
        assert_eq!(candidate.base_ip.as_deref(), Some("10.0.17.1"));
        assert_eq!(candidate.username.as_deref(), Some("EEtu"));
        assert!(!candidate.is_short_form());
    }

    #[test]
    fn short_form_is_a_host_candidate_for_rtp() {
        let candidate = parse(" 127.0.0.1:5000 ").unwrap();
        assert_eq!((candidate.component, candidate.port), (1, 5000));
        assert_eq!(candidate.kind, CandidateType::Host);
        assert!(candidate.is_short_form());
        assert_eq!(parse("[::1]:6").unwrap().ip, "::1");
    }

    #[test]
    fn lists_separate_at_newlines_and_commas() {
        let list = candidates_from_text("127.0.0.1:1,127.0.0.1:2\n127.0.0.1:3\n").unwrap();
        assert_eq!(list.iter().map(|c| c.port).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(candidates_from_text("").unwrap(), []);
    }

    #[test]
    fn multicast_tcp_and_shm_are_read() {
        let group = parse("candidate:1 1 UDP 0 224.0.0.110 2322 typ multicast ttl 4").unwrap();
        assert_eq!((group.kind, group.ttl), (CandidateType::Multicast, 4));
        let tcp = parse("candidate:1 1 TCP 5 ::1 9 typ host tcptype active").unwrap();
        assert_eq!(tcp.protocol, NetworkProtocol::TcpActive);
        let shm = parse("candidate:1 1 shm 0 /tmp/a 0 typ host ufrag /tmp/b").unwrap();
        assert_eq!(shm.protocol, NetworkProtocol::Shm);
        assert_eq!(shm.ip, "/tmp/a");
    }

    #[test]
    fn bad_lines_are_refused_with_the_reason() {
        for (text, reason) in [
            ("", "RFC 8839"),
            ("example.org:5000", "host names"),
            ("127.0.0.1", "IP address and port"),
            ("127.0.0.1:65536", "IP address and port"),
            ("candidate:", "foundation"),
            ("candidate:1 0 UDP 1 ::1 1 typ host", "component"),
            ("candidate:1 257 UDP 1 ::1 1 typ host", "component"),
            ("candidate:1 1 SCTP 1 ::1 1 typ host", "transport"),
            ("candidate:1 1 UDP -1 ::1 1 typ host", "priority"),
            ("candidate:1 1 UDP 1 ::1 70000 typ host", "port"),
            ("candidate:1 1 UDP 1 ::1 1", "typ"),
            ("candidate:1 1 UDP 1 ::1 1 type host", "typ"),
            ("candidate:1 1 UDP 1 ::1 1 typ guest", "type host"),
            ("candidate:1 1 UDP 1 ::1 1 typ host raddr", "raddr"),
            ("candidate:1 1 UDP 1 ::1 1 typ host ttl 300", "ttl"),
            ("candidate:1 1 TCP 1 ::1 1 typ host tcptype x", "tcptype"),
        ] {
            let error = parse(text).expect_err(text);
            assert_eq!(error.code(), ErrorCode::InvalidArguments);
            assert!(error.message().contains(reason), "{text}: {error}");
        }
        let long = format!("candidate:{}", "x".repeat(2000));
        assert!(parse(&long).is_err());
    }

    #[test]
    fn one_bad_line_refuses_the_list_and_says_which() {
        let error = candidates_from_text("127.0.0.1:1,nonsense").unwrap_err();
        assert!(error.message().contains("candidate 2"), "{error}");
    }

    fn any_candidate() -> impl Strategy<Value = Candidate> {
        let token = "[A-Za-z0-9+/]{1,12}";
        (
            (token, 1u32..=256, any::<u32>(), any::<u16>(), 0u32..256),
            prop_oneof![Just("192.0.2.7"), Just("2001:db8::1"), Just("/tmp/x")],
            (0usize..5, 0usize..5),
            prop::option::of((token, any::<u16>())),
            (prop::option::of(token), prop::option::of(token)),
        )
            .prop_map(
                |((foundation, component, priority, port, ttl), ip, (p, k), base, (u, w))| {
                    let (base_ip, base_port) = base.unzip();
                    Candidate {
                        foundation,
                        component,
                        protocol: [
                            NetworkProtocol::Udp,
                            NetworkProtocol::TcpPassive,
                            NetworkProtocol::TcpActive,
                            NetworkProtocol::TcpSo,
                            NetworkProtocol::Shm,
                        ][p],
                        priority,
                        ip: ip.into(),
                        port,
                        kind: [
                            CandidateType::Host,
                            CandidateType::Srflx,
                            CandidateType::Prflx,
                            CandidateType::Relay,
                            CandidateType::Multicast,
                        ][k],
                        base_ip,
                        base_port,
                        username: u,
                        password: w,
                        ttl,
                    }
                },
            )
    }

    proptest! {
        #[test]
        fn any_candidate_survives_its_line(candidate in any_candidate()) {
            prop_assert_eq!(parse(&candidate.to_string()).unwrap(), candidate);
        }

        #[test]
        fn any_text_is_parsed_or_refused(text in "\\PC{0,80}") {
            let _ = parse(&text);
            let _ = candidates_from_text(&format!("candidate:{text}"));
        }
    }
}
