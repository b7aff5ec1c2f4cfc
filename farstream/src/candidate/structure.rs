// SPDX-License-Identifier: MPL-2.0
//! Candidates as the structure `candidate` of bus messages: typed fields, and the
//! same as a line in field `line`.

use super::Candidate;
use crate::{Error, Result};

const NAME: &str = "candidate";

/// The structure `candidate`. Fields that the candidate does not have are left out.
pub fn candidate_to_structure(candidate: &Candidate) -> gst::Structure {
    gst::Structure::builder(NAME)
        .field("foundation", &candidate.foundation)
        .field("component", candidate.component)
        .field("protocol", candidate.protocol.nick())
        .field("ip", &candidate.ip)
        .field("port", u32::from(candidate.port))
        .field_if_some("base-ip", candidate.base_ip.as_deref())
        .field_if_some("base-port", candidate.base_port.map(u32::from))
        .field("priority", candidate.priority)
        .field("type", candidate.kind.nick())
        .field_if_some("username", candidate.username.as_deref())
        .field_if_some("password", candidate.password.as_deref())
        .field("ttl", candidate.ttl)
        .field("line", candidate.to_string())
        .build()
}

/// The candidate in a structure made by any transmitter. Its `line` says it all;
/// the other fields are for readers.
pub fn candidate_from_structure(s: &gst::StructureRef) -> Result<Candidate> {
    if s.name() != NAME {
        return Err(Error::invalid(format!(
            "expected a structure named {NAME}, got {}",
            s.name()
        )));
    }
    s.get::<String>("line")
        .map_err(|error| Error::invalid(format!("field line of the candidate: {error}")))?
        .parse()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structure_has_typed_fields_and_the_line() {
        gst::init().unwrap();
        let candidate: Candidate =
            "candidate:7 2 UDP 99 192.0.2.1 5001 typ srflx raddr 10.0.0.1 rport 5 ufrag u pwd p"
                .parse()
                .unwrap();
        let s = candidate_to_structure(&candidate);
        assert_eq!(s.get::<u32>("component").unwrap(), 2);
        assert_eq!(s.get::<&str>("protocol").unwrap(), "udp");
        assert_eq!(s.get::<u32>("port").unwrap(), 5001);
        assert_eq!(s.get::<u32>("base-port").unwrap(), 5);
        assert_eq!(s.get::<&str>("type").unwrap(), "srflx");
        assert_eq!(candidate_from_structure(&s).unwrap(), candidate);
    }

    #[test]
    fn foreign_structures_are_refused() {
        gst::init().unwrap();
        let no_line = gst::Structure::new_empty("candidate");
        assert!(candidate_from_structure(&no_line).is_err());
        let other = gst::Structure::builder("x").field("line", "::1").build();
        assert!(candidate_from_structure(&other).is_err());
    }
}
