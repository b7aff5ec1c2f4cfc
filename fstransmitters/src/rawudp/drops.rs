// SPDX-License-Identifier: MPL-2.0
//! Packets that could not be sent: counted by reason, reported at most once a second. No I/O, no
//! clock.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use crate::io::MAX_PAYLOAD;

const INTERVAL: Duration = Duration::from_secs(1);

/// Why a packet was not sent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    TooLarge,
    /// The buffer's memory could not be read.
    Unreadable,
    /// The socket's queue is full.
    QueueFull,
    Unreachable(String),
    /// A firewall on this machine, most likely.
    Forbidden(String),
    Other(String),
}

impl From<&io::Error> for Reason {
    fn from(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory => Self::QueueFull,
            io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::ConnectionRefused => Self::Unreachable(error.to_string()),
            io::ErrorKind::PermissionDenied => Self::Forbidden(error.to_string()),
            _ => Self::Other(error.to_string()),
        }
    }
}

/// What the message `packets-dropped` says.
#[derive(Debug, PartialEq, Eq)]
pub struct Report {
    pub reason: String,
    pub count: u64,
    pub remedy: &'static str,
}

/// The packets not reported yet.
#[derive(Debug, Default)]
pub struct Drops {
    pending: BTreeMap<Reason, u64>,
    reported: Option<Instant>,
}

impl Drops {
    pub fn add(&mut self, reason: Reason) {
        *self.pending.entry(reason).or_default() += 1;
    }

    /// Whether there is anything to report, now or later.
    pub fn any(&self) -> bool {
        !self.pending.is_empty()
    }

    /// The report that is due, about the most frequent reason; the others have theirs later.
    pub fn due(&mut self, now: Instant) -> Option<Report> {
        if self
            .reported
            .is_some_and(|reported| now.saturating_duration_since(reported) < INTERVAL)
        {
            return None;
        }
        let reason = self
            .pending
            .iter()
            .max_by_key(|(_, count)| **count)?
            .0
            .clone();
        let count = self.pending.remove(&reason)?;
        self.reported = Some(now);
        let (reason, remedy) = reason.texts();
        Some(Report {
            reason,
            count,
            remedy,
        })
    }
}

impl Reason {
    fn texts(self) -> (String, &'static str) {
        match self {
            Self::TooLarge => (
                format!("larger than {MAX_PAYLOAD} bytes, the most that UDP carries"),
                "set the property mtu of the payloader",
            ),
            Self::Unreadable => (
                "the memory of the buffer cannot be read".into(),
                "convert the buffers to system memory before the transmitter",
            ),
            Self::QueueFull => (
                "the network takes packets more slowly than they come".into(),
                "lower the bitrate",
            ),
            Self::Unreachable(error) => (
                error,
                "check the remote candidates and this machine's routes and network",
            ),
            Self::Forbidden(error) => (error, "check this machine's firewall"),
            Self::Other(error) => (error, "check the remote candidates and the MTU"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_loss_is_reported_at_once_and_the_next_ones_after_a_second() {
        let start = Instant::now();
        let mut drops = Drops::default();
        assert_eq!(drops.due(start), None);
        drops.add(Reason::TooLarge);
        assert_eq!(drops.due(start).unwrap().count, 1);
        for _ in 0..5 {
            drops.add(Reason::TooLarge);
        }
        assert_eq!(drops.due(start + Duration::from_millis(999)), None);
        assert!(drops.any());
        let report = drops.due(start + INTERVAL).unwrap();
        assert_eq!(report.count, 5);
        assert!(report.reason.contains("65507") && !report.remedy.is_empty());
        assert!(!drops.any());
    }

    #[test]
    fn every_reason_has_its_own_report() {
        let start = Instant::now();
        let mut drops = Drops::default();
        let unreachable = io::Error::from(io::ErrorKind::NetworkUnreachable);
        drops.add(Reason::from(&unreachable));
        drops.add(Reason::QueueFull);
        drops.add(Reason::QueueFull);
        assert_eq!(drops.due(start).unwrap().count, 2);
        assert_eq!(drops.due(start), None);
        let second = drops.due(start + INTERVAL).unwrap();
        assert_eq!(second.count, 1);
        assert!(second.remedy.contains("routes"));
    }

    #[test]
    fn system_errors_have_their_reason() {
        for (kind, reason) in [
            (io::ErrorKind::WouldBlock, "slowly"),
            (io::ErrorKind::PermissionDenied, "permission"),
            (io::ErrorKind::Other, "other"),
        ] {
            let (text, remedy) = Reason::from(&io::Error::from(kind)).texts();
            assert!(text.contains(reason) && !remedy.is_empty(), "{text}");
        }
    }
}
