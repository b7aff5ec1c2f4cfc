// SPDX-License-Identifier: MPL-2.0
//! RTP header extensions (RFC 8285) as values and as caps with one
//! `application/x-rtp-hdrext` structure each.

use std::fmt;

use crate::{Error, Result, StreamDirection};

const STRUCTURE_NAME: &str = "application/x-rtp-hdrext";
/// Highest id that can stand in a packet (RFC 8285 section 4.3).
pub const MAX_ID: u32 = 255;
/// Ids that mean "pick one for me" (RFC 5285 section 7).
pub const PROVISIONAL_IDS: std::ops::RangeInclusive<u32> = 4096..=4351;

/// A header extension as two peers speak of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderExtension {
    /// 1 to 255, or provisional (4096 to 4351).
    pub id: u32,
    /// Who puts it in packets, seen from this end.
    pub direction: StreamDirection,
    /// What it is; compared with case.
    pub uri: String,
}

impl fmt::Display for HeaderExtension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ({}) {}", self.id, self.direction.nick(), self.uri)
    }
}

/// The list as caps, in order.
pub fn header_extensions_to_caps<'a>(
    extensions: impl IntoIterator<Item = &'a HeaderExtension>,
) -> gst::Caps {
    let mut caps = gst::Caps::new_empty();
    let list = caps.make_mut();
    for extension in extensions {
        list.append_structure(
            gst::Structure::builder(STRUCTURE_NAME)
                .field("id", i32::try_from(extension.id).unwrap_or(i32::MAX))
                .field("uri", &extension.uri)
                .field("direction", extension.direction.nick())
                .build(),
        );
    }
    caps
}

/// The list in caps, in order. A missing direction is `both`.
pub fn header_extensions_from_caps(caps: &gst::CapsRef) -> Result<Vec<HeaderExtension>> {
    if caps.is_any() {
        return Err(Error::invalid(format!(
            "expected a list of {STRUCTURE_NAME} structures, got ANY caps"
        )));
    }
    caps.iter()
        .enumerate()
        .map(|(index, s)| {
            parse(s).map_err(|error| {
                error.within(format_args!("header extension {} of the list", index + 1))
            })
        })
        .collect()
}

fn parse(s: &gst::StructureRef) -> Result<HeaderExtension> {
    if s.name() != STRUCTURE_NAME {
        return Err(Error::invalid(format!(
            "expected {STRUCTURE_NAME}, got {}",
            s.name()
        )));
    }
    let id = s
        .get::<i32>("id")
        .map(i64::from)
        .or_else(|_| s.get::<u32>("id").map(i64::from))
        .ok()
        .and_then(|id| u32::try_from(id).ok())
        .filter(|id| (1..=MAX_ID).contains(id) || PROVISIONAL_IDS.contains(id))
        .ok_or_else(|| {
            Error::invalid("field id: expected a whole number, 1 to 255 or 4096 to 4351")
        })?;
    let uri = s
        .get::<String>("uri")
        .ok()
        .filter(|uri| !uri.is_empty())
        .ok_or_else(|| Error::invalid("field uri: expected a string that is not empty"))?;
    let direction = match s.value("direction") {
        Err(_) => StreamDirection::BOTH,
        Ok(value) => value
            .get::<&str>()
            .ok()
            .and_then(StreamDirection::from_nick)
            .ok_or_else(|| Error::invalid("field direction: expected none, send, recv or both"))?,
    };
    Ok(HeaderExtension { id, direction, uri })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<HeaderExtension>> {
        gst::init().unwrap();
        header_extensions_from_caps(&text.parse::<gst::Caps>().unwrap())
    }

    #[test]
    fn lists_survive_caps() {
        let list = [
            HeaderExtension {
                id: 3,
                direction: StreamDirection::SEND,
                uri: "urn:ietf:params:rtp-hdrext:ssrc-audio-level".into(),
            },
            HeaderExtension {
                id: 4096,
                direction: StreamDirection::BOTH,
                uri: "urn:x".into(),
            },
        ];
        gst::init().unwrap();
        let caps = header_extensions_to_caps(&list);
        assert_eq!(header_extensions_from_caps(&caps).unwrap(), list);
        assert_eq!(list[0].to_string(), format!("3: (send) {}", list[0].uri));
    }

    #[test]
    fn direction_defaults_to_both() {
        let list = read("application/x-rtp-hdrext,id=1,uri=urn:x").unwrap();
        assert_eq!(list[0].direction, StreamDirection::BOTH);
    }

    #[test]
    fn bad_entries_are_refused() {
        for text in [
            "ANY",
            "application/x-rtp,id=1,uri=urn:x",
            "application/x-rtp-hdrext,uri=urn:x",
            "application/x-rtp-hdrext,id=0,uri=urn:x",
            "application/x-rtp-hdrext,id=256,uri=urn:x",
            "application/x-rtp-hdrext,id=1",
            "application/x-rtp-hdrext,id=1,uri=(int)3",
            "application/x-rtp-hdrext,id=1,uri=urn:x,direction=sideways",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
