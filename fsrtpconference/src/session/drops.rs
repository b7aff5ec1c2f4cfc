// SPDX-License-Identifier: MPL-2.0
//! Counts packets thrown away and says so on the bus, at most once a second per reason.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use farstream::message::Dropped;

/// How long one reason stays silent after it was reported.
const INTERVAL: Duration = Duration::from_secs(1);

/// Why a packet was thrown away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// It is neither RTP nor RTCP.
    Malformed,
    /// Nobody negotiated its payload type.
    UnknownPayloadType(u8),
    /// Its sender uses too many SSRCs.
    TooManySources,
}

impl Reason {
    fn describe(self, count: u64) -> Dropped {
        let (reason, remedy, payload) = match self {
            Self::Malformed => (
                "malformed",
                "something else sends to this port, or the peer encrypts: check address and keys",
                None,
            ),
            Self::UnknownPayloadType(number) => (
                "unknown-payload-type",
                "the peer sends a codec nobody negotiated: give it this session's codecs, and set \
                 remote-codecs to its own",
                Some(number),
            ),
            Self::TooManySources => (
                "too-many-sources",
                "the peer changes its SSRC all the time: check it",
                None,
            ),
        };
        Dropped {
            reason: reason.into(),
            count,
            payload,
            ssrc: None,
            remedy: remedy.into(),
        }
    }
}

#[derive(Debug, Default)]
struct Count {
    unreported: u64,
    reported: Option<Instant>,
}

/// The counts of one stream. There are at most 130 reasons, so it stays small.
#[derive(Debug, Default)]
pub struct Drops {
    counts: HashMap<Reason, Count>,
}

impl Drops {
    /// Counts one packet. Returns what is to be reported now, if anything.
    pub fn count(&mut self, reason: Reason, now: Instant) -> Option<Dropped> {
        let count = self.counts.entry(reason).or_default();
        count.unreported += 1;
        let silent = count
            .reported
            .is_some_and(|last| now.saturating_duration_since(last) < INTERVAL);
        if silent {
            return None;
        }
        count.reported = Some(now);
        Some(reason.describe(std::mem::take(&mut count.unreported)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_limited_and_nothing_is_lost_from_the_count() {
        let start = Instant::now();
        let mut drops = Drops::default();
        let reason = Reason::UnknownPayloadType(99);
        let first = drops.count(reason, start).unwrap();
        assert_eq!((first.count, first.payload), (1, Some(99)));
        for _ in 0..10 {
            assert_eq!(drops.count(reason, start + INTERVAL / 2), None);
        }
        assert!(drops.count(Reason::Malformed, start).is_some());
        assert_eq!(drops.count(reason, start + INTERVAL).unwrap().count, 11);
    }
}
