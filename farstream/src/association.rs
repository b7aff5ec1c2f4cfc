// SPDX-License-Identifier: MPL-2.0
//! Which stream an SSRC belongs to.
//!
//! A packet's transport tells with certainty. Where several peers share a socket,
//! the application (`add-id`), the CNAME of RTCP SDES, or the fact that there is
//! only one stream decide.

use std::collections::{HashMap, HashSet};

/// A stream is never followed on more SSRCs than this, so that a hostile peer cannot
/// make state grow.
pub const MAX_SSRCS_PER_STREAM: usize = 64;
/// Nor are there ever more SSRCs of unknown owner in a session.
pub const MAX_UNKNOWN_SSRCS: usize = 64;

#[derive(Clone, Copy, Debug)]
struct Entry<S> {
    stream: S,
    manual: bool,
}

/// The SSRCs of a session and the streams they belong to. `S` names a stream.
#[derive(Debug)]
pub struct Associations<S> {
    entries: HashMap<u32, Entry<S>>,
    unknown: HashSet<u32>,
}

impl<S> Default for Associations<S> {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            unknown: HashSet::new(),
        }
    }
}

impl<S: Copy + Eq> Associations<S> {
    /// The stream of `ssrc`, if known.
    pub fn stream(&self, ssrc: u32) -> Option<S> {
        self.entries.get(&ssrc).map(|entry| entry.stream)
    }

    /// All SSRCs of `stream`.
    pub fn ssrcs(&self, stream: S) -> impl Iterator<Item = u32> + '_ {
        self.entries
            .iter()
            .filter(move |(_, entry)| entry.stream == stream)
            .map(|(ssrc, _)| *ssrc)
    }

    /// Learns from a sure sign (the packet's transport, a matching CNAME, being the only
    /// stream) that `ssrc` is `stream`'s. The first association wins. Returns the stream
    /// the SSRC belongs to now; `None` if `stream` has too many already.
    pub fn learn(&mut self, ssrc: u32, stream: S) -> Option<S> {
        if let Some(entry) = self.entries.get(&ssrc) {
            return Some(entry.stream);
        }
        if self.ssrcs(stream).count() >= MAX_SSRCS_PER_STREAM {
            return None;
        }
        self.unknown.remove(&ssrc);
        self.entries.insert(
            ssrc,
            Entry {
                stream,
                manual: false,
            },
        );
        Some(stream)
    }

    /// A packet of `ssrc` came and nothing tells whose it is. Returns whether to follow it.
    pub fn admit_unknown(&mut self, ssrc: u32) -> bool {
        if self.entries.contains_key(&ssrc) || self.unknown.contains(&ssrc) {
            return true;
        }
        let room = self.unknown.len() < MAX_UNKNOWN_SSRCS;
        if room {
            self.unknown.insert(ssrc);
        }
        room
    }

    /// The application says that `ssrc` is `stream`'s, whatever was known before.
    pub fn add_id(&mut self, ssrc: u32, stream: S) {
        self.unknown.remove(&ssrc);
        self.entries.insert(
            ssrc,
            Entry {
                stream,
                manual: true,
            },
        );
    }

    /// The source said BYE or fell silent. What the application said stays.
    pub fn source_gone(&mut self, ssrc: u32) {
        self.unknown.remove(&ssrc);
        if self.entries.get(&ssrc).is_some_and(|entry| !entry.manual) {
            self.entries.remove(&ssrc);
        }
    }

    /// The stream was destroyed.
    pub fn stream_gone(&mut self, stream: S) {
        self.entries.retain(|_, entry| entry.stream != stream);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_association_wins() {
        let mut a = Associations::default();
        assert_eq!(a.learn(1, 'a'), Some('a'));
        assert_eq!(a.learn(1, 'b'), Some('a'));
    }

    #[test]
    fn the_application_overrides_and_survives_bye() {
        let mut a = Associations::default();
        a.learn(1, 'a');
        a.add_id(1, 'b');
        assert_eq!(a.stream(1), Some('b'));
        a.source_gone(1);
        assert_eq!(a.stream(1), Some('b'));
        a.stream_gone('b');
        assert_eq!(a.stream(1), None);
    }

    #[test]
    fn bye_frees_the_ssrc() {
        let mut a = Associations::default();
        a.learn(1, 'a');
        a.source_gone(1);
        assert_eq!(a.learn(1, 'b'), Some('b'));
    }

    #[test]
    fn ssrcs_of_one_peer_are_bounded() {
        let mut a = Associations::default();
        for ssrc in 0..MAX_SSRCS_PER_STREAM as u32 {
            assert!(a.learn(ssrc, 'a').is_some());
        }
        assert_eq!(a.learn(10_000, 'a'), None);
        assert_eq!(a.learn(10_000, 'b'), Some('b'));
    }

    #[test]
    fn sources_of_unknown_owner_are_bounded_until_they_are_known() {
        let mut a = Associations::default();
        for ssrc in 0..MAX_UNKNOWN_SSRCS as u32 {
            assert!(a.admit_unknown(ssrc));
        }
        assert!(a.admit_unknown(0), "known as unknown");
        assert!(!a.admit_unknown(1000));
        a.learn(0, 'a');
        assert!(a.admit_unknown(1000), "there is room again");
        assert!(a.admit_unknown(0), "and whose it is is no question");
    }
}
