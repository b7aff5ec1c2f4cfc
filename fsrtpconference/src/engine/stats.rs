// SPDX-License-Identifier: MPL-2.0
//! What the engine counted, as plain values and as the structures of `stats`. Names are
//! those of W3C webrtc-stats in kebab-case.

use gst::prelude::*;

/// What this end sent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sent {
    /// RTP packets.
    pub packets: u64,
    /// Bytes of RTP payload.
    pub bytes: u64,
    /// Round trip in seconds, where a peer's report told it (RFC 3550 section 6.4.1).
    pub round_trip_time: Option<f64>,
}

/// What came from one source.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Received {
    /// The source.
    pub ssrc: u32,
    /// RTP packets.
    pub packets: u64,
    /// Bytes of RTP payload.
    pub bytes: u64,
    /// Packets expected but not received; below zero when some came twice.
    pub lost: i64,
    /// Mean deviation of arrival times in seconds, where the clock rate is known.
    pub jitter: Option<f64>,
}

/// Both directions of a session.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SessionStats {
    /// Sent by this end.
    pub sent: Sent,
    /// Received, per source.
    pub received: Vec<Received>,
}

impl SessionStats {
    /// Reads rtpbin's session object.
    pub fn read(internal: &glib::Object) -> Self {
        let stats: Option<gst::Structure> = internal.property("stats");
        // The field is a deprecated GValueArray, which is the only form there is.
        let sources = stats.and_then(|s| s.get::<glib::ValueArray>("source-stats").ok());
        let mut result = Self::default();
        for source in sources.iter().flat_map(|list| list.iter()) {
            if let Ok(source) = source.get::<gst::Structure>() {
                result.add(&source);
            }
        }
        result
    }

    fn add(&mut self, source: &gst::StructureRef) {
        let number = |field: &str| source.get::<u64>(field).unwrap_or_default();
        if source.get::<bool>("internal") == Ok(true) {
            self.sent.packets += number("packets-sent");
            self.sent.bytes += number("octets-sent");
            return;
        }
        if source.get::<bool>("have-rb") == Ok(true)
            && let Ok(rtt) = source.get::<u32>("rb-round-trip")
            && rtt > 0
        {
            // Units of 1/65536 s.
            self.sent.round_trip_time = Some(f64::from(rtt) / 65536.0);
        }
        if number("packets-received") == 0 {
            return;
        }
        let clock_rate = source.get::<i32>("clock-rate").unwrap_or(-1);
        self.received.push(Received {
            ssrc: source.get("ssrc").unwrap_or_default(),
            packets: number("packets-received"),
            bytes: number("octets-received"),
            lost: source.get::<i32>("packets-lost").map_or(0, i64::from),
            jitter: source
                .get::<u32>("jitter")
                .ok()
                .filter(|_| clock_rate > 0)
                .map(|jitter| f64::from(jitter) / f64::from(clock_rate)),
        });
    }

    /// The same with only the sources that `keep` names.
    pub fn of_sources(mut self, keep: &[u32]) -> Self {
        self.received.retain(|r| keep.contains(&r.ssrc));
        self
    }

    /// As the structure of a `stats` property. Sums over sources; a field without a true
    /// value is absent.
    pub fn to_structure(&self, name: &str) -> gst::Structure {
        let jitter = self
            .received
            .iter()
            .filter_map(|r| r.jitter)
            .reduce(f64::max);
        gst::Structure::builder(name)
            .field("packets-sent", self.sent.packets)
            .field("bytes-sent", self.sent.bytes)
            .field_if_some("round-trip-time", self.sent.round_trip_time)
            .field(
                "packets-received",
                self.received.iter().map(|r| r.packets).sum::<u64>(),
            )
            .field(
                "bytes-received",
                self.received.iter().map(|r| r.bytes).sum::<u64>(),
            )
            .field(
                "packets-lost",
                self.received.iter().map(|r| r.lost).sum::<i64>(),
            )
            .field_if_some("jitter", jitter)
            .build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_summed_and_absent_values_left_out() {
        gst::init().unwrap();
        let mut stats = SessionStats::default();
        stats.add(
            &gst::Structure::builder("s")
                .field("internal", true)
                .field("packets-sent", 7u64)
                .build(),
        );
        let remote = |ssrc: u32, rate: i32| {
            gst::Structure::builder("s")
                .field("internal", false)
                .field("ssrc", ssrc)
                .field("packets-received", 5u64)
                .field("packets-lost", 1i32)
                .field("clock-rate", rate)
                .field("jitter", 80u32)
                .build()
        };
        stats.add(&remote(1, -1));
        assert!(!stats.to_structure("x").has_field("jitter"));
        stats.add(&remote(2, 8000));
        let s = stats.to_structure("x");
        assert_eq!(s.get::<u64>("packets-sent").unwrap(), 7);
        assert_eq!(s.get::<u64>("packets-received").unwrap(), 10);
        assert_eq!(s.get::<i64>("packets-lost").unwrap(), 2);
        assert_eq!(s.get::<f64>("jitter").unwrap(), 0.01);
        assert_eq!(stats.of_sources(&[2]).received.len(), 1);
    }
}
