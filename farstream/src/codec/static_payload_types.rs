// SPDX-License-Identifier: MPL-2.0
//! The static payload types of RFC 3551 section 6, tables 4 and 5.

use crate::MediaType;

/// What RFC 3551 assigns to a payload type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StaticAssignment {
    /// Payload type.
    pub payload: u8,
    /// Encoding name.
    pub encoding_name: &'static str,
    /// Kind of media.
    pub media: MediaType,
    /// Clock rate in Hz.
    pub clock_rate: u32,
    /// Number of audio channels; 0 where the table has none.
    pub channels: u32,
}

const fn audio(payload: u8, name: &'static str, rate: u32, channels: u32) -> StaticAssignment {
    StaticAssignment {
        payload,
        encoding_name: name,
        media: MediaType::Audio,
        clock_rate: rate,
        channels,
    }
}

const fn video(payload: u8, name: &'static str) -> StaticAssignment {
    StaticAssignment {
        payload,
        encoding_name: name,
        media: MediaType::Video,
        clock_rate: 90000,
        channels: 0,
    }
}

const TABLE: [StaticAssignment; 24] = [
    audio(0, "PCMU", 8000, 1),
    audio(3, "GSM", 8000, 1),
    audio(4, "G723", 8000, 1),
    audio(5, "DVI4", 8000, 1),
    audio(6, "DVI4", 16000, 1),
    audio(7, "LPC", 8000, 1),
    audio(8, "PCMA", 8000, 1),
    audio(9, "G722", 8000, 1),
    audio(10, "L16", 44100, 2),
    audio(11, "L16", 44100, 1),
    audio(12, "QCELP", 8000, 1),
    audio(13, "CN", 8000, 1),
    audio(14, "MPA", 90000, 0),
    audio(15, "G728", 8000, 1),
    audio(16, "DVI4", 11025, 1),
    audio(17, "DVI4", 22050, 1),
    audio(18, "G729", 8000, 1),
    video(25, "CelB"),
    video(26, "JPEG"),
    video(28, "nv"),
    video(31, "H261"),
    video(32, "MPV"),
    video(33, "MP2T"),
    video(34, "H263"),
];

/// What RFC 3551 assigns to this payload type, if anything.
pub fn static_assignment(payload: u8) -> Option<&'static StaticAssignment> {
    TABLE.iter().find(|entry| entry.payload == payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_assignments() {
        assert_eq!(static_assignment(0).unwrap().encoding_name, "PCMU");
        assert_eq!(static_assignment(9).unwrap().clock_rate, 8000);
        assert_eq!(static_assignment(34).unwrap().media, MediaType::Video);
        assert_eq!(static_assignment(96), None);
    }
}
