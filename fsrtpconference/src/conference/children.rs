// SPDX-License-Identifier: MPL-2.0
//! The objects of a conference and their names, as plain values.

use std::collections::BTreeMap;

use gst::prelude::*;

use crate::participant::Participant;
use crate::session::Session;
use crate::stream::Stream;

/// Everything that GstChildProxy shows beside the elements.
#[derive(Default)]
pub struct Children {
    sessions: BTreeMap<u32, Session>,
    streams: BTreeMap<u32, Stream>,
    /// Weak: a participant lives as long as its streams, or whoever made it, want it.
    participants: BTreeMap<u32, glib::WeakRef<Participant>>,
}

/// The lowest number that `taken` does not have.
pub fn lowest_free(taken: impl Fn(u32) -> bool) -> u32 {
    (0..=u32::MAX).find(|n| !taken(*n)).unwrap_or(u32::MAX)
}

impl Children {
    /// The session of this number.
    pub fn session(&self, number: u32) -> Option<&Session> {
        self.sessions.get(&number)
    }

    /// All sessions.
    pub fn sessions(&self) -> impl Iterator<Item = &Session> {
        self.sessions.values()
    }

    /// Adds a session.
    pub fn add_session(&mut self, number: u32, session: Session) {
        self.sessions.insert(number, session);
    }

    /// Takes a session out.
    pub fn remove_session(&mut self, number: u32) -> Option<Session> {
        self.sessions.remove(&number)
    }

    /// The lowest number no session has.
    pub fn free_session(&self) -> u32 {
        lowest_free(|n| self.sessions.contains_key(&n))
    }

    /// All streams.
    pub fn streams(&self) -> impl Iterator<Item = &Stream> {
        self.streams.values()
    }

    /// The number for a new stream: the one wished for, or the lowest free one.
    pub fn free_stream(&self, wish: Option<u32>) -> u32 {
        let taken = |n| self.streams.contains_key(&n);
        wish.filter(|n| !taken(*n))
            .unwrap_or_else(|| lowest_free(taken))
    }

    /// Adds a stream.
    pub fn add_stream(&mut self, number: u32, stream: Stream) {
        self.streams.insert(number, stream);
    }

    /// Takes a stream out.
    pub fn remove_stream(&mut self, stream: &Stream) {
        self.streams.retain(|_, other| other != stream);
    }

    /// Participant number `number`, if it lives.
    pub fn participant(&self, number: u32) -> Option<Participant> {
        self.participants.get(&number)?.upgrade()
    }

    /// Makes the participant of this number, or of the lowest that nobody living has.
    pub fn new_participant(&mut self, number: Option<u32>) -> Participant {
        self.participants.retain(|_, p| p.upgrade().is_some());
        let number = number.unwrap_or_else(|| lowest_free(|n| self.participants.contains_key(&n)));
        let participant = Participant::new(&format!("participant_{number}"));
        self.participants.insert(number, participant.downgrade());
        participant
    }

    /// Every object: sessions, participants, streams.
    pub fn all(&self) -> Vec<gst::Object> {
        let sessions = self.sessions.values().map(|s| s.clone().upcast());
        let streams = self.streams.values().map(|s| s.clone().upcast());
        let participants = self
            .participants
            .values()
            .filter_map(|p| p.upgrade())
            .map(Cast::upcast);
        sessions.chain(participants).chain(streams).collect()
    }

    /// The object of this name.
    pub fn by_name(&self, name: &str) -> Option<gst::Object> {
        let (kind, number) = name.rsplit_once('_')?;
        let number = number.parse().ok()?;
        match kind {
            "session" => self.session(number).map(|s| s.clone().upcast()),
            "stream" => self.streams.get(&number).map(|s| s.clone().upcast()),
            "participant" => self.participant(number).map(Cast::upcast),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_reused_from_below() {
        assert_eq!(lowest_free(|_| false), 0);
        assert_eq!(lowest_free(|n| n == 0 || n == 1 || n == 3), 2);
    }

    #[test]
    fn participants_are_found_while_somebody_holds_them() {
        gst::init().unwrap();
        let mut children = Children::default();
        let first = children.new_participant(None);
        let second = children.new_participant(None);
        assert_eq!(second.name(), "participant_1");
        assert!(children.by_name("participant_0").is_some());
        drop(first);
        assert!(children.by_name("participant_0").is_none());
        assert_eq!(children.new_participant(None).name(), "participant_0");
        assert_eq!(children.by_name("participant_x"), None);
        assert_eq!(children.by_name("nonsense"), None);
    }
}
